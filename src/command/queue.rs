//! `queue`: what is on its way to phones and providers and what came to nothing;
//! shows, retries and drops it.

use std::fmt::{Display, Write as _};
use std::time::{Duration, SystemTime};

use crate::cli::{QueueAction, QueueOptions};
use crate::command::load;
use crate::command::terminal;
use crate::config::Config;
use crate::exit::Exit;
use crate::logging;
use crate::model::id::Id;
use crate::outbox;
use crate::outbox::receipts::{RecordedReceipt, SentMessage};
use crate::outbox::record::Record;
use crate::spool::inventory::{self, SpoolEntry};
use crate::spool::layout::SpoolState;
use crate::spool::progress::Progress;

/// Does what the administrator asks; success when it could be done.
#[must_use]
pub fn run(options: &QueueOptions) -> Exit {
    logging::start("queue", false, crate::command::log_level().as_deref());
    let Some((config, _)) = load(&options.configured) else {
        return Exit::Configuration;
    };
    let result = match &options.action {
        QueueAction::List => items(&config).map(|items| list(&items)),
        QueueAction::Show { id } => show_one(&config, *id),
        QueueAction::Retry { id, all } => retry(&config, *id, *all),
        QueueAction::Drop { id } => remove(&config, *id),
    };
    terminal::print_result(result)
}

/// A file that is on its way.
enum QueueItem {
    ToPhone(SpoolEntry),
    ToProvider(outbox::inventory::OutboxEntry),
}

impl QueueItem {
    fn id(&self) -> Id {
        match self {
            Self::ToPhone(entry) => entry.id(),
            Self::ToProvider(entry) => entry.id(),
        }
    }

    /// Which part of how many.
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

    /// Whether it is not tried any more.
    fn has_failed(&self) -> bool {
        match self {
            Self::ToPhone(entry) => entry.state == SpoolState::Failed,
            Self::ToProvider(entry) => entry.state == outbox::store::OutboxState::Failed,
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

    /// To, from and text, if it can be read.
    fn message(&self) -> Option<(&str, &str, &str)> {
        match self {
            Self::ToPhone(entry) => {
                let call = entry.call.as_ref()?;
                Some((&call.to, &call.from, &call.text))
            }
            Self::ToProvider(entry) => {
                let record = entry.record.as_ref()?;
                Some((&record.to, &record.from, &record.text))
            }
        }
    }

    /// How it goes, in words.
    fn progress(&self, now: SystemTime) -> String {
        match self {
            Self::ToPhone(entry) => match entry.progress {
                Progress::Untouched => "not tried yet".to_owned(),
                Progress::Begun(_) => "being tried".to_owned(),
                Progress::Waiting => {
                    let wait = entry.written.duration_since(now).unwrap_or_default();
                    format!("tried {} times, again in {}", entry.attempts, short(wait))
                }
                Progress::Completed => "delivered".to_owned(),
                Progress::GivenUp => "given up".to_owned(),
            },
            Self::ToProvider(entry) => entry.progress(now),
        }
    }

    /// More that is worth showing: the call file as it is, or the interface and
    /// what the provider said.
    fn more(&self) -> String {
        match self {
            Self::ToPhone(entry) => format!("\n{}", entry.content()),
            Self::ToProvider(entry) => {
                let Some(record) = &entry.record else {
                    return String::new();
                };
                let said = record.last.as_ref().map_or("", |last| &last.detail);
                format!("by       {:?}\nsaid     {said}\n", record.interface)
            }
        }
    }

    fn retry(&self, config: &Config) -> Result<bool, String> {
        match self {
            Self::ToPhone(entry) => entry
                .retry(&config.spool)
                .map_err(|error| error.to_string()),
            Self::ToProvider(entry) => {
                let tried = entry.retry(&config.outbox);
                tried.map_err(|error| error.to_string())
            }
        }
    }

    fn remove(&self, config: &Config) -> Result<bool, String> {
        let removed = match self {
            Self::ToPhone(entry) => entry.remove().map_err(|error| error.to_string()),
            Self::ToProvider(entry) => {
                let removed = entry.remove(&config.outbox);
                removed.map_err(|error| error.to_string())
            }
        };
        removed.map(|()| true)
    }
}

/// Everything that is on its way, or came to nothing.
fn items(config: &Config) -> Result<Vec<QueueItem>, String> {
    let to_phones = inventory::list(&config.spool)
        .map_err(|error| format!("failed to read the spool: {error}"))?;
    let to_providers = outbox::inventory::list(&config.outbox)
        .map_err(|error| format!("failed to read the outbox: {error}"))?;
    let to_phones = to_phones.into_iter().map(QueueItem::ToPhone);
    Ok(to_phones
        .chain(to_providers.into_iter().map(QueueItem::ToProvider))
        .collect())
}

/// The files of a message, which has at least one.
fn of(config: &Config, id: Id) -> Result<Vec<QueueItem>, String> {
    let mut items = items(config)?;
    items.retain(|item| item.id() == id);
    if items.is_empty() {
        return Err(format!(
            "there is no message {id} on its way, nor one that failed; \
             `asterisk-websms queue list` shows what there is"
        ));
    }
    Ok(items)
}

/// A message that is on its way, came to nothing, or was sent and is kept for
/// its receipt.
fn show_one(config: &Config, id: Id) -> Result<String, String> {
    let unknown = match of(config, id) {
        Ok(items) => return Ok(show(&items)),
        Err(unknown) => unknown,
    };
    let sent = outbox::inventory::sent(&config.outbox, id)
        .map_err(|error| format!("failed to read the outbox: {error}"))?;
    sent.map(|sent| show_sent(id, &sent)).ok_or(unknown)
}

fn show_sent(id: Id, sent: &SentMessage) -> String {
    let Record { to, from, text, .. } = &sent.message;
    let progress = match &sent.receipt {
        None => "no receipt yet".to_owned(),
        Some(RecordedReceipt {
            state,
            status,
            reason,
        }) => {
            let reason = reason.as_ref().map(|reason| format!(", {reason}"));
            format!("{state} ({status}{})", reason.unwrap_or_default())
        }
    };
    format!(
        "message  {id}\nstate    sent\nage      {}\nprogress {progress}\nto       {to}\n\
         from     {from}\ntext     {text:?}\nby       {:?}\ncalled   {:?}\n",
        age(id),
        sent.interface,
        sent.provider_id,
    )
}

fn list(items: &[QueueItem]) -> String {
    let mut said = format!(
        "{:<25}  {:<5}  {:<8}  {:>7}  {:>5}  {:<21}  {:<21}  {:>5}\n",
        "MESSAGE", "PART", "STATE", "AGE", "TRIED", "TO", "FROM", "BYTES"
    );
    for item in items {
        let (to, from, text) = item.message().unwrap_or(("?", "?", ""));
        // Writing to a String cannot fail.
        let _ = writeln!(
            said,
            "{:<25}  {:<5}  {:<8}  {:>7}  {:>5}  {to:<21}  {from:<21}  {:>5}",
            item.id().to_string(),
            item.part(),
            item.state(),
            age(item.id()),
            item.attempts(),
            text.len(),
        );
    }
    let _ = writeln!(said, "{} in all", items.len());
    said
}

fn show(items: &[QueueItem]) -> String {
    let now = SystemTime::now();
    let mut said = String::new();
    for item in items {
        let _ = writeln!(
            said,
            "message  {}\npart     {}\nstate    {}\nage      {}\nprogress {}",
            item.id(),
            item.part(),
            item.state(),
            age(item.id()),
            item.progress(now),
        );
        if let Some((to, from, text)) = item.message() {
            let _ = writeln!(said, "to       {to}\nfrom     {from}\ntext     {text:?}");
        }
        let _ = writeln!(said, "{}", item.more());
    }
    said
}

fn retry(config: &Config, id: Option<Id>, all: bool) -> Result<String, String> {
    let items = match id {
        Some(id) => of(config, id)?,
        None if all => {
            let mut items = items(config)?;
            items.retain(QueueItem::has_failed);
            items
        }
        None => return Err("name a message, or --all that failed".to_owned()),
    };
    each(&items, "retried", |item| item.retry(config))
}

fn remove(config: &Config, id: Id) -> Result<String, String> {
    each(&of(config, id)?, "dropped", |item| item.remove(config))
}

fn each(
    items: &[QueueItem],
    done: &str,
    act: impl Fn(&QueueItem) -> Result<bool, String>,
) -> Result<String, String> {
    let mut said = String::new();
    for item in items {
        let (id, part, state) = (item.id(), item.part(), item.state());
        let acted = act(item)
            .map_err(|error| format!("{said}{id} part {part} in {state}: failed: {error}"))?;
        let what = if acted { done } else { "is on its way" };
        let _ = writeln!(said, "{id} part {part} in {state}: {what}");
    }
    let _ = writeln!(said, "{} in all", items.len());
    Ok(said)
}

fn age(id: Id) -> String {
    short(id.time().elapsed().unwrap_or_default())
}

/// A time in the unit that fits it.
fn short(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..=99 => format!("{seconds} s"),
        100..=5999 => format!("{} min", seconds / 60),
        6000..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86400),
    }
}
