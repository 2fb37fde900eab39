//! `queue`: what waits, what is with Asterisk and what it gave up on; shows,
//! retries and drops it.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::{Duration, SystemTime};

use super::load;
use crate::cli::{Queue, QueueAct};
use crate::config;
use crate::exit::Exit;
use crate::id::Id;
use crate::logging;
use crate::spool::inventory::{self, Entry};
use crate::spool::progress::Progress;

/// Does what the administrator asks; success when it could be done.
#[must_use]
pub fn run(options: &Queue) -> Exit {
    logging::start("queue", false, super::log_level().as_deref());
    let Some((config, _)) = load(&options.configured) else {
        return Exit::Configuration;
    };
    let result = match &options.act {
        QueueAct::List => list(&config.queue),
        QueueAct::Show { id } => show(&config.queue, *id),
        QueueAct::Retry { id, all } => retry(&config.queue, *id, *all),
        QueueAct::Drop { id } => remove(&config.queue, *id),
    };
    match result {
        Ok(said) => {
            // A closed stdout is no reason to fail.
            let _ = io::stdout().write_all(said.as_bytes());
            Exit::Success
        }
        Err(problem) => {
            let _ = writeln!(io::stderr(), "{problem}");
            Exit::Failed
        }
    }
}

fn entries(queue: &config::Queue) -> Result<Vec<Entry>, String> {
    inventory::list(queue).map_err(|error| format!("failed to read the spool: {error}"))
}

/// The call files of a message, which has at least one.
fn of(queue: &config::Queue, id: Id) -> Result<Vec<Entry>, String> {
    let mut entries = entries(queue)?;
    entries.retain(|entry| entry.id() == id);
    if entries.is_empty() {
        return Err(format!(
            "there is no message {id} in staging, outgoing or failed; \
             `asterisk-websms queue list` shows what there is"
        ));
    }
    Ok(entries)
}

fn list(queue: &config::Queue) -> Result<String, String> {
    let now = SystemTime::now();
    let mut said = format!(
        "{:<25}  {:<5}  {:<8}  {:>7}  {:>5}  {:<21}  {:<21}  {:>5}\n",
        "MESSAGE", "PART", "STATE", "AGE", "TRIED", "TO", "FROM", "BYTES"
    );
    let entries = entries(queue)?;
    for entry in &entries {
        let (to, from, bytes) = entry.call.as_ref().map_or(("?", "?", 0), |call| {
            (call.to.as_str(), call.from.as_str(), call.text.len())
        });
        // Writing to a String cannot fail.
        let _ = writeln!(
            said,
            "{:<25}  {:<5}  {:<8}  {:>7}  {:>5}  {to:<21}  {from:<21}  {bytes:>5}",
            entry.id().to_string(),
            entry.name.part_of(),
            entry.state,
            short(entry.age(now)),
            entry.attempts,
        );
    }
    let _ = writeln!(said, "{} in all", entries.len());
    Ok(said)
}

fn show(queue: &config::Queue, id: Id) -> Result<String, String> {
    let now = SystemTime::now();
    let mut said = String::new();
    for entry in of(queue, id)? {
        let progress = match entry.progress {
            Progress::Untouched => "not tried yet".to_owned(),
            Progress::Begun(_) => "being tried".to_owned(),
            Progress::Waiting => {
                let wait = entry.written.duration_since(now).unwrap_or_default();
                format!("tried {} times, again in {}", entry.attempts, short(wait))
            }
            Progress::Completed => "delivered".to_owned(),
            Progress::GivenUp => "given up".to_owned(),
        };
        let _ = writeln!(
            said,
            "message  {}\npart     {}\nstate    {}\nage      {}\nprogress {progress}",
            entry.id(),
            entry.name.part_of(),
            entry.state,
            short(entry.age(now)),
        );
        if let Some(call) = &entry.call {
            let _ = writeln!(
                said,
                "to       {}\nfrom     {}\ntext     {:?}",
                call.to, call.from, call.text
            );
        }
        let _ = writeln!(said, "\n{}", entry.content());
    }
    Ok(said)
}

fn retry(queue: &config::Queue, id: Option<Id>, all: bool) -> Result<String, String> {
    let entries = match id {
        Some(id) => of(queue, id)?,
        None if all => {
            let mut entries = entries(queue)?;
            entries.retain(|entry| entry.state == inventory::State::Failed);
            entries
        }
        None => return Err("name a message, or --all that Asterisk gave up on".to_owned()),
    };
    each(&entries, "retried", |entry| entry.retry(queue))
}

fn remove(queue: &config::Queue, id: Id) -> Result<String, String> {
    each(&of(queue, id)?, "dropped", |entry| {
        entry.remove().map(|()| true)
    })
}

fn each(
    entries: &[Entry],
    done: &str,
    act: impl Fn(&Entry) -> Result<bool, inventory::ActError>,
) -> Result<String, String> {
    let mut said = String::new();
    for entry in entries {
        let (id, part, state) = (entry.id(), entry.name.part_of(), entry.state);
        let acted = act(entry)
            .map_err(|error| format!("{said}{id} part {part} in {state}: failed: {error}"))?;
        let what = if acted { done } else { "is on its way" };
        let _ = writeln!(said, "{id} part {part} in {state}: {what}");
    }
    let _ = writeln!(said, "{} in all", entries.len());
    Ok(said)
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
