//! Messages for providers as files: put, taken up, settled.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::outbox::name::OutboxName;
use crate::outbox::record::Record;
use crate::outbox::reply_route::{self, ReplyRoutes};
use crate::outbox::sent::SentMessages;
use crate::storage::durable::{Directory, DirectoryLock, StoreError};

/// Texts are nobody's business but Asterisk's user's.
const MODE: u32 = 0o600;

/// Longer than `websms` takes to write a message.
const WRITING: Duration = Duration::from_secs(60);

/// The directories of the outbox.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    queued: Directory,
    sending: Directory,
    failed: Directory,
    awaiting_receipt: Directory,
    reply_routes: Directory,
}

/// A message that is to be sent.
#[derive(Debug)]
pub(crate) enum Claimed {
    /// Somebody has taken it out.
    Missing,
    /// It is marked as being sent.
    Ready(Record),
    /// Not yet.
    NotYet(Duration),
}

impl Outbox {
    /// The outbox in a directory, which is created if it is not there. Its files
    /// belong to whoever owns it.
    ///
    /// # Errors
    /// When it cannot be created or looked at.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let queued = Directory::open_or_create(path, MODE)?;
        let inner = |name: &str| {
            let path = path.join(name);
            queued.at(&path)
        };
        Ok(Self {
            sending: inner("sending"),
            failed: inner("failed"),
            awaiting_receipt: inner("sent"),
            reply_routes: queued.at(&reply_route::directory(path)),
            queued,
        })
    }

    /// Takes charge of it: for whoever sends.
    ///
    /// # Errors
    /// When another process has, or the directories cannot be made.
    pub(crate) fn lock(&self) -> io::Result<DirectoryLock> {
        let claim = self.queued.lock()?;
        for inner in [
            &self.sending,
            &self.failed,
            &self.awaiting_receipt,
            &self.reply_routes,
        ] {
            self.queued.create(inner.path())?;
        }
        // Nobody else writes into the other directory.
        self.queued.remove_temporary(WRITING)?;
        self.failed.remove_temporary(Duration::ZERO)?;
        self.awaiting_receipt.remove_temporary(Duration::ZERO)?;
        self.reply_routes.remove_temporary(Duration::ZERO)?;
        Ok(claim)
    }

    /// Where messages wait.
    #[must_use]
    pub(crate) fn path(&self) -> &Path {
        self.queued.path()
    }

    /// Messages that wait for their receipts.
    #[must_use]
    pub(super) fn sent_messages(&self) -> SentMessages {
        SentMessages::new(self.awaiting_receipt.clone())
    }

    /// Records who wrote by which interface.
    #[must_use]
    pub(crate) fn reply_routes(&self) -> ReplyRoutes {
        ReplyRoutes::new(self.reply_routes.clone())
    }

    /// Writes, syncs and removes a file.
    ///
    /// # Errors
    /// The step that failed.
    pub(crate) fn probe(&self) -> Result<(), StoreError> {
        // Dropping what was written removes it again.
        self.queued.prepare(b"probe").map(drop)
    }

    /// Stores a message; it is durable when this returns.
    ///
    /// # Errors
    /// When the disk refuses; nothing is stored then.
    pub(crate) fn put(&self, name: OutboxName, record: &Record) -> Result<(), StoreError> {
        let name = name.to_os_string();
        let file = self.queued.prepare(&record.to_json())?;
        self.queued.publish(file, &name)?;
        let Err(error) = self.queued.sync() else {
            return Ok(());
        };
        match self.queued.remove(&name) {
            // It has been taken up already, and marked durably.
            Err(gone) if gone.kind() == io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        }
    }

    /// What waits, in order.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub(crate) fn queued(&self) -> io::Result<Vec<OutboxName>> {
        names(self.queued.path())
    }

    /// What was being sent when an earlier run ended, in order. What had been
    /// settled by then is not named.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub(crate) fn interrupted(&self) -> io::Result<Vec<OutboxName>> {
        let mut names = names(self.sending.path())?;
        names.retain(|name| {
            let file = name.to_os_string();
            let settled = [&self.queued, &self.failed]
                .iter()
                .any(|directory| directory.path().join(&file).exists());
            if settled {
                // The rest of what settling does.
                let _ = self.sending.remove(&file);
            }
            !settled
        });
        Ok(names)
    }

    /// Reads a message that waits.
    ///
    /// # Errors
    /// When it is not there or no record.
    pub(crate) fn read(&self, name: OutboxName) -> io::Result<Record> {
        read(self.queued.path(), name)
    }

    /// Reads a message that was being sent.
    ///
    /// # Errors
    /// When it is not there or no record.
    pub(crate) fn read_interrupted(&self, name: OutboxName) -> io::Result<Record> {
        read(self.sending.path(), name)
    }

    /// Marks a message as being sent, durably: after a crash it is known that
    /// its request may have been made.
    ///
    /// # Errors
    /// When it is no record, or the disk refuses; it waits as before.
    pub(crate) fn claim(&self, name: OutboxName, now: SystemTime) -> io::Result<Claimed> {
        let record = match self.read(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Claimed::Missing),
            record => record?,
        };
        let wait = record.wait(now);
        if !wait.is_zero() {
            return Ok(Claimed::NotYet(wait));
        }
        let file = name.to_os_string();
        match self.queued.move_file_to(self.sending.path(), &file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Claimed::Missing),
            handed => handed?,
        }
        if let Err(error) = self.sending.sync() {
            self.sending.move_file_to(self.queued.path(), &file)?;
            return Err(io::Error::other(error));
        }
        Ok(Claimed::Ready(record))
    }

    /// A message has been sent.
    ///
    /// # Errors
    /// When its file cannot be removed: the next start takes it for one that
    /// may have been sent.
    pub(crate) fn sent(&self, name: OutboxName) -> io::Result<()> {
        self.sending.remove(&name.to_os_string())
    }

    /// A message was not sent and waits again. When the disk has no room for
    /// what became of it, it waits as it was.
    ///
    /// # Errors
    /// When that is not possible either: the next start takes it for one that
    /// may have been sent.
    pub(crate) fn requeue(&self, name: OutboxName, record: &Record) -> io::Result<()> {
        let file = name.to_os_string();
        match self.settle(&self.queued, name, record) {
            Ok(()) => Ok(()),
            Err(_) => self.sending.move_file_to(self.queued.path(), &file),
        }
    }

    /// A message is not tried any more, and kept for the administrator.
    ///
    /// # Errors
    /// When it cannot be kept: the next start takes it for one that may have
    /// been sent.
    pub(crate) fn fail(&self, name: OutboxName, record: &Record) -> io::Result<()> {
        let file = name.to_os_string();
        match self.settle(&self.failed, name, record) {
            Ok(()) => Ok(()),
            Err(_) => self.sending.move_file_to(self.failed.path(), &file),
        }
    }

    fn settle(&self, to: &Directory, name: OutboxName, record: &Record) -> Result<(), StoreError> {
        let file = name.to_os_string();
        to.publish(to.prepare(&record.to_json())?, &file)?;
        to.sync()?;
        // If this fails, the next start does it.
        let _ = self.sending.remove(&file);
        Ok(())
    }

    /// A file that is no record is put where the administrator sees it.
    ///
    /// # Errors
    /// When it cannot be moved.
    pub(crate) fn quarantine(&self, name: OutboxName) -> io::Result<()> {
        let file = name.to_os_string();
        self.queued.move_file_to(self.failed.path(), &file)
    }

    /// Lets a message be tried at once: one that has failed as if it had never
    /// been tried, one that waits without waiting longer. `false` when it is
    /// being sent.
    ///
    /// # Errors
    /// When it is not there, or the disk refuses.
    pub(crate) fn retry(&self, name: OutboxName) -> io::Result<bool> {
        let file = name.to_os_string();
        self.queued.create(self.failed.path())?;
        // Out of the sender's reach first: one that is taken up while it is
        // written anew would be sent twice.
        match self.queued.move_file_to(self.failed.path(), &file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            handed => handed?,
        }
        let record = match read(self.failed.path(), name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return if self.sending.path().join(&file).exists() {
                    Ok(false)
                } else {
                    Err(error)
                };
            }
            record => record?,
        };
        self.put(name, &record.reset()).map_err(io::Error::other)?;
        self.failed.remove(&file)?;
        Ok(true)
    }

    /// Removes a message that waits or has failed.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn remove(&self, name: OutboxName) -> io::Result<()> {
        let file = name.to_os_string();
        match self.queued.remove(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.failed.remove(&file),
            removed => removed,
        }
    }

    /// Where a message's file is, by the state that it is in.
    #[must_use]
    pub(crate) fn directories(&self) -> [(OutboxState, PathBuf); 3] {
        [
            (OutboxState::Queued, self.queued.path().to_owned()),
            (OutboxState::Sending, self.sending.path().to_owned()),
            (OutboxState::Failed, self.failed.path().to_owned()),
        ]
    }
}

/// Where a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutboxState {
    /// It is not tried any more.
    Failed,
    /// It waits for its turn, or for its next attempt.
    Queued,
    /// Its request is on its way.
    Sending,
}

/// The messages in a directory, in order; none when it is not there yet.
pub(super) fn names(directory: &Path) -> io::Result<Vec<OutboxName>> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(OutboxName::parse(&entry?.file_name()));
    }
    names.sort();
    Ok(names)
}

pub(super) fn read(directory: &Path, name: OutboxName) -> io::Result<Record> {
    let json = std::fs::read(directory.join(name.to_os_string()))?;
    let record = Record::from_json(&json);
    record.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::Id;

    fn outbox() -> (tempfile::TempDir, Outbox, OutboxName) {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(&folder.path().join("outbox")).unwrap();
        drop(outbox.lock().unwrap());
        let record = Record {
            interface: String::new(),
            to: "+1".to_owned(),
            from: "+2".to_owned(),
            text: "x".to_owned(),
            attempts: 3,
            not_before: None,
            last: None,
        };
        let name = record.name(Id::generate(None));
        outbox.put(name, &record).unwrap();
        (folder, outbox, name)
    }

    #[test]
    fn message_that_waits_or_has_failed_is_queued_afresh() {
        let (_folder, outbox, name) = outbox();
        assert!(outbox.retry(name).unwrap());
        assert_eq!(outbox.read(name).unwrap().attempts, 0);
        outbox.quarantine(name).unwrap();
        assert!(outbox.retry(name).unwrap());
        assert_eq!(outbox.queued().unwrap(), [name]);
        assert_eq!(names(outbox.failed.path()).unwrap(), []);
    }

    #[test]
    fn message_that_is_being_sent_is_not_queued_again() {
        let (_folder, outbox, name) = outbox();
        let begun = outbox.claim(name, SystemTime::now()).unwrap();
        assert!(matches!(begun, Claimed::Ready(_)));
        assert!(!outbox.retry(name).unwrap());
        assert_eq!(outbox.queued().unwrap(), []);
        outbox.sent(name).unwrap();
        assert!(outbox.retry(name).is_err(), "it is gone");
        assert_eq!(outbox.queued().unwrap(), []);
    }
}
