//! `queue`: lists, shows, retries and drops messages that wait or have failed, on
//! their way to phones and to providers.

use std::fmt::{Display, Write as _};
use std::io;
use std::time::{Duration, SystemTime};

use tracing::error;

use crate::cli::{QueueAction, QueueOptions};
use crate::command::{become_owner, load, terminal};
use crate::config::Config;
use crate::exit::Exit;
use crate::logging::{self, chain, escaped_line, failed};
use crate::model::id::Id;
use crate::outbox::inventory::{self as outbox, OutboxEntry};
use crate::outbox::layout::OutboxState;
use crate::outbox::record::Record;
use crate::outbox::sent::{RecordedReceipt, SentMessage};
use crate::spool::inventory::{self as spool, QueueActionError, SpoolEntry};
use crate::spool::layout::SpoolState;
use crate::spool::progress::Progress;

/// Runs `queue`.
#[must_use]
pub fn run(options: &QueueOptions) -> Exit {
    logging::start("queue", false, crate::command::log_level().as_deref());
    let Some((config, _)) = load(&options.configured) else {
        return Exit::Configuration;
    };
    if let Err(error) = become_owner(&options.configured, &config) {
        error!(error = %failed(&error), "root must not use the spool");
        return Exit::Configuration;
    }
    let result = match &options.action {
        QueueAction::List => items(&config).map(|items| table(&items)),
        QueueAction::Show { id } => show(&config, *id),
        QueueAction::Retry { id, all } => retry(&config, *id, *all),
        QueueAction::Drop { id } => remove(&config, *id),
    };
    terminal::print_result(result.map_err(|error| chain(&error)))
}

/// One file of a message.
enum QueueItem {
    ToPhone(SpoolEntry),
    ToProvider(OutboxEntry),
}

impl QueueItem {
    fn id(&self) -> Id {
        match self {
            Self::ToPhone(entry) => entry.id(),
            Self::ToProvider(entry) => entry.id(),
        }
    }

    /// Part and number of parts, as in `1/3`.
    fn part(&self) -> String {
        match self {
            Self::ToPhone(entry) => entry.name.part_of(),
            Self::ToProvider(_) => "1/1".to_owned(),
        }
    }

    fn state(&self) -> &dyn Display {
        match self {
            Self::ToPhone(entry) => &entry.state,
            Self::ToProvider(entry) => &entry.state,
        }
    }

    /// Whether there will be no further attempt.
    fn has_failed(&self) -> bool {
        match self {
            Self::ToPhone(entry) => entry.state == SpoolState::Failed,
            Self::ToProvider(entry) => entry.state == OutboxState::Failed,
        }
    }

    fn attempts(&self) -> usize {
        match self {
            Self::ToPhone(entry) => entry.attempts,
            Self::ToProvider(entry) => {
                let attempts = entry.record.as_ref().map_or(0, |record| record.attempts);
                usize::try_from(attempts).unwrap_or(usize::MAX)
            }
        }
    }

    /// To, from and text, if the file is readable.
    fn message(&self) -> Option<(String, String, &str)> {
        let (to, from, text) = match self {
            Self::ToPhone(entry) => {
                let message = entry.message.as_ref()?;
                (&message.to, &message.from, &message.text)
            }
            Self::ToProvider(entry) => {
                let record = entry.record.as_ref()?;
                (&record.to, &record.from, &record.text)
            }
        };
        Some((escaped_line(to), escaped_line(from), text))
    }

    fn progress(&self, config: &Config, now: SystemTime) -> String {
        match self {
            Self::ToPhone(entry) => match entry.progress {
                Progress::Untouched => "not tried yet".to_owned(),
                Progress::Begun(_) => "being tried".to_owned(),
                Progress::Waiting => {
                    let wait = entry.modified.duration_since(now).unwrap_or_default();
                    format!("tried {} times, again in {}", entry.attempts, short(wait))
                }
                Progress::Completed => "delivered".to_owned(),
                Progress::GivenUp => "given up".to_owned(),
            },
            Self::ToProvider(entry) => {
                let interface = entry.record.as_ref().map(|record| &record.interface);
                let outgoing =
                    interface.and_then(|interface| config.outgoing(interface.as_str()).ok());
                let delivery = outgoing.map(|outgoing| outgoing.delivery.clone());
                entry.progress(now, &delivery.unwrap_or_default().retry)
            }
        }
    }

    /// The call file, or the interface and the last response of its provider.
    fn details(&self) -> String {
        match self {
            Self::ToPhone(entry) => format!("\n{}", entry.content()),
            Self::ToProvider(entry) => {
                let Some(record) = &entry.record else {
                    return String::new();
                };
                let response = record.last.as_ref().map_or("", |last| &last.detail);
                let interface = record.interface.as_str();
                let response = escaped_line(response);
                format!("interface {interface:?}\nresponse  {response}\n")
            }
        }
    }

    fn retry(&self, config: &Config) -> Result<bool, ActionError> {
        Ok(match self {
            Self::ToPhone(entry) => entry.retry(&config.spool)?,
            Self::ToProvider(entry) => entry.retry(&config.outbox)?,
        })
    }

    fn remove(&self, config: &Config) -> Result<bool, ActionError> {
        match self {
            Self::ToPhone(entry) => entry.remove()?,
            Self::ToProvider(entry) => entry.remove(&config.outbox)?,
        }
        Ok(true)
    }
}

/// All files of all messages.
fn items(config: &Config) -> Result<Vec<QueueItem>, QueueError> {
    let to_phones = spool::list(&config.spool).map_err(QueueError::Spool)?;
    let to_providers = outbox::list(&config.outbox).map_err(QueueError::Outbox)?;
    let to_phones = to_phones.into_iter().map(QueueItem::ToPhone);
    Ok(to_phones
        .chain(to_providers.into_iter().map(QueueItem::ToProvider))
        .collect())
}

/// The files of one message.
fn items_of(config: &Config, id: Id) -> Result<Vec<QueueItem>, QueueError> {
    let mut items = items(config)?;
    items.retain(|item| item.id() == id);
    if items.is_empty() {
        return Err(QueueError::Unknown(id));
    }
    Ok(items)
}

/// Shows a message that waits or has failed, or one that was sent and is kept for
/// its receipt.
fn show(config: &Config, id: Id) -> Result<String, QueueError> {
    match items_of(config, id) {
        Err(QueueError::Unknown(id)) => {
            let sent = outbox::sent(&config.outbox, id).map_err(QueueError::Outbox)?;
            sent.map(|sent| show_sent(id, &sent))
                .ok_or(QueueError::Unknown(id))
        }
        items => Ok(show_items(config, &items?)),
    }
}

fn show_sent(id: Id, sent: &SentMessage) -> String {
    let Record { to, from, text, .. } = &sent.message;
    let (to, from) = (escaped_line(to), escaped_line(from));
    let progress = match &sent.receipt {
        None => "no receipt yet".to_owned(),
        Some(RecordedReceipt {
            state,
            status,
            reason,
        }) => {
            let reason = reason.as_ref().map(|reason| format!(", {reason}"));
            let reason = reason.unwrap_or_default();
            escaped_line(&format!("{state} ({status}{reason})"))
        }
    };
    format!(
        "message   {id}\nstate     sent\nage       {}\nprogress  {progress}\nto        {to}\n\
         from      {from}\ntext      {text:?}\ninterface {:?}\nsent as   {:?}\n",
        age(id),
        sent.interface.as_str(),
        sent.provider_id,
    )
}

fn show_items(config: &Config, items: &[QueueItem]) -> String {
    let now = SystemTime::now();
    let mut shown = String::new();
    for item in items {
        // Writing to a String cannot fail.
        let _ = writeln!(
            shown,
            "message   {}\npart      {}\nstate     {}\nage       {}\nprogress  {}",
            item.id(),
            item.part(),
            item.state(),
            age(item.id()),
            item.progress(config, now),
        );
        if let Some((to, from, text)) = item.message() {
            let _ = writeln!(
                shown,
                "to        {to}\nfrom      {from}\ntext      {text:?}"
            );
        }
        let _ = writeln!(shown, "{}", item.details());
    }
    shown
}

fn table(items: &[QueueItem]) -> String {
    let mut table = format!(
        "{:<25}  {:<5}  {:<8}  {:>7}  {:>5}  {:<21}  {:<21}  {:>5}\n",
        "MESSAGE", "PART", "STATE", "AGE", "TRIED", "TO", "FROM", "BYTES"
    );
    for item in items {
        let unknown = || ("?".to_owned(), "?".to_owned(), "");
        let (to, from, text) = item.message().unwrap_or_else(unknown);
        // Writing to a String cannot fail.
        let _ = writeln!(
            table,
            "{:<25}  {:<5}  {:<8}  {:>7}  {:>5}  {to:<21}  {from:<21}  {:>5}",
            item.id().to_string(),
            item.part(),
            item.state(),
            age(item.id()),
            item.attempts(),
            text.len(),
        );
    }
    let _ = writeln!(table, "{} in all", items.len());
    table
}

fn retry(config: &Config, id: Option<Id>, all: bool) -> Result<String, QueueError> {
    let items = match id {
        Some(id) => items_of(config, id)?,
        None if all => {
            let mut items = items(config)?;
            items.retain(QueueItem::has_failed);
            items
        }
        None => return Err(QueueError::NothingNamed),
    };
    for_each(&items, "retried", |item| item.retry(config))
}

fn remove(config: &Config, id: Id) -> Result<String, QueueError> {
    for_each(&items_of(config, id)?, "dropped", |item| {
        item.remove(config)
    })
}

/// Acts on each file until one action fails, and reports what was done. An action
/// that returns `false` was not necessary.
fn for_each(
    items: &[QueueItem],
    done: &str,
    action: impl Fn(&QueueItem) -> Result<bool, ActionError>,
) -> Result<String, QueueError> {
    let mut report = String::new();
    for item in items {
        let file = format!("{} part {} in {}", item.id(), item.part(), item.state());
        match action(item) {
            Ok(acted) => {
                let outcome = if acted { done } else { "is on its way" };
                let _ = writeln!(report, "{file}: {outcome}");
            }
            Err(source) => {
                return Err(QueueError::Action {
                    report,
                    file,
                    source: Box::new(source),
                });
            }
        }
    }
    let _ = writeln!(report, "{} in all", items.len());
    Ok(report)
}

fn age(id: Id) -> String {
    short(id.time().elapsed().unwrap_or_default())
}

/// A duration in a unit that suits its length.
fn short(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..=99 => format!("{seconds} s"),
        100..=5999 => format!("{} min", seconds / 60),
        6000..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86400),
    }
}

/// An action on one file failed.
#[derive(Debug, thiserror::Error)]
enum ActionError {
    #[error(transparent)]
    Outbox(#[from] io::Error),
    #[error(transparent)]
    Spool(#[from] QueueActionError),
}

/// `queue` failed.
#[derive(Debug, thiserror::Error)]
enum QueueError {
    /// The files before this one, in the report, are done.
    #[error("{report}{file}: failed")]
    Action {
        report: String,
        file: String,
        source: Box<ActionError>,
    },
    #[error("name a message, or use --all for all that failed")]
    NothingNamed,
    #[error("failed to read the outbox")]
    Outbox(#[source] io::Error),
    #[error("failed to read the spool")]
    Spool(#[source] io::Error),
    #[error(
        "there is no message {0} that waits or has failed; `asterisk-websms queue list` shows \
         all of them"
    )]
    Unknown(Id),
}
