//! The messages of the outbox for the administrator, to list, retry and remove
//! beside a running daemon.

use std::path::Path;
use std::time::{Duration, SystemTime};
use std::{fmt, io};

use crate::config::RetrySettings;
use crate::model::id::Id;
use crate::outbox::layout::{OutboxState, names, read};
use crate::outbox::name::OutboxName;
use crate::outbox::record::{NoticeKind, Record};
use crate::outbox::sent::SentMessage;
use crate::outbox::store::Outbox;

/// A message and its state.
#[derive(Debug)]
pub(crate) struct OutboxEntry {
    pub name: OutboxName,
    pub state: OutboxState,
    /// `None` when its file is invalid.
    pub record: Option<Record>,
}

/// All messages, by state and name. A message that changes its state meanwhile may
/// be listed twice or not at all.
///
/// # Errors
/// When a directory cannot be read.
pub(crate) fn list(path: &Path) -> io::Result<Vec<OutboxEntry>> {
    if !path.is_dir() {
        // It is created when the first message is queued.
        return Ok(Vec::new());
    }
    let outbox = Outbox::open(path)?;
    let mut entries = Vec::new();
    for (state, directory) in outbox.directories() {
        entries.extend(names(&directory)?.into_iter().map(|name| OutboxEntry {
            name,
            state,
            record: read(&directory, name).ok(),
        }));
    }
    // Those were sent; only their notices wait.
    entries.retain(|entry| entry.notice() != Some(NoticeKind::Undelivered));
    Ok(entries)
}

/// A message that was sent and is kept for its receipt.
///
/// # Errors
/// When the directory cannot be read.
pub(crate) fn sent(path: &Path, id: Id) -> io::Result<Option<SentMessage>> {
    if !path.is_dir() {
        return Ok(None);
    }
    Outbox::open(path)?.sent_messages().find(id)
}

impl OutboxEntry {
    pub(crate) fn id(&self) -> Id {
        self.name.id()
    }

    fn notice(&self) -> Option<NoticeKind> {
        let record = self.record.as_ref()?;
        record.notice.as_ref().map(|notice| notice.kind)
    }

    /// Attempts so far and the next one, in words.
    pub(crate) fn progress(&self, now: SystemTime, retry: &RetrySettings) -> String {
        let Some(record) = &self.record else {
            return "cannot be read".to_owned();
        };
        let tried = record.attempts;
        let last = record.last.as_ref();
        let last = last.map_or("not tried yet".to_owned(), |last| {
            format!("{}: {}", last.outcome, last.reason)
        });
        match (self.state, record.remaining_wait(now, retry)) {
            _ if self.notice().is_some() => {
                format!("tried {tried} times, {last}, sender not notified yet")
            }
            (OutboxState::Queued, Duration::ZERO)
            | (OutboxState::Sending | OutboxState::Failed, _) => {
                format!("tried {tried} times, {last}")
            }
            (OutboxState::Queued, wait) => {
                format!("tried {tried} times, {last}, again in {} s", wait.as_secs())
            }
        }
    }

    /// Makes it due at once. `false` when it is being sent.
    ///
    /// # Errors
    /// When it is gone, or the disk refuses.
    pub(crate) fn retry(&self, path: &Path) -> io::Result<bool> {
        Outbox::open(path)?.retry(self.name)
    }

    /// Removes it.
    ///
    /// # Errors
    /// When it is gone, or being sent.
    pub(crate) fn remove(&self, path: &Path) -> io::Result<()> {
        Outbox::open(path)?.remove(self.name)
    }
}

impl fmt::Display for OutboxState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Failed => "unsent",
            Self::Queued => "queued",
            Self::Sending => "sending",
        })
    }
}
