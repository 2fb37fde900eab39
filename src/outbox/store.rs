//! Messages for providers as files: put, claimed, settled.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::outbox::layout::{OutboxState, SENDING, SENT, names, read};
use crate::outbox::name::OutboxName;
use crate::outbox::record::Record;
use crate::outbox::reply_route::{self, ReplyRoutes};
use crate::outbox::sent::{ReceiptKey, SentMessages};
use crate::storage::durable::{Directory, DirectoryLock, StoreError};
use crate::storage::quarantine;

/// Only Asterisk's user may read texts.
const MODE: u32 = 0o600;

/// Age at which a temporary file is a leftover: longer than `websms` takes to
/// write a message.
const TEMPORARY_LIFETIME: Duration = Duration::from_secs(60);

/// The directories of the outbox.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    queued: Directory,
    sending: Directory,
    failed: Directory,
    notices: Directory,
    awaiting_receipt: Directory,
    reply_routes: Directory,
}

/// The result of claiming a message.
#[derive(Debug)]
pub(crate) enum Claimed {
    /// Somebody has removed it.
    Missing,
    /// It may be sent, and is marked as being sent.
    Ready(Box<Record>),
    /// It is due after this time.
    NotYet(Duration),
}

impl Outbox {
    /// Opens the outbox in a directory, which is created if it is missing. The files
    /// get the owner of the directory.
    ///
    /// # Errors
    /// When the directory cannot be created or read.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let queued = Directory::open_or_create(path, MODE)?;
        let inner = |name: &str| {
            let path = path.join(name);
            queued.at(&path)
        };
        Ok(Self {
            sending: inner(SENDING),
            failed: inner("failed"),
            notices: inner("notices"),
            awaiting_receipt: inner(SENT),
            reply_routes: queued.at(&reply_route::directory(path)),
            queued,
        })
    }

    /// Locks the outbox for the one process that sends, and creates what is missing
    /// in it.
    ///
    /// # Errors
    /// When another process holds the lock ([`io::ErrorKind::WouldBlock`]), or a
    /// directory cannot be created.
    pub(crate) fn lock(&self) -> io::Result<DirectoryLock> {
        let lock = self.queued.lock()?;
        for inner in [
            &self.sending,
            &self.failed,
            &self.notices,
            &self.awaiting_receipt,
            &self.reply_routes,
        ] {
            self.queued.create(inner.path())?;
        }
        // Only the process with the lock writes into the others.
        self.queued.remove_temporary(TEMPORARY_LIFETIME)?;
        self.failed.remove_temporary(Duration::ZERO)?;
        self.notices.remove_temporary(Duration::ZERO)?;
        self.awaiting_receipt.remove_temporary(Duration::ZERO)?;
        self.reply_routes.remove_temporary(Duration::ZERO)?;
        Ok(lock)
    }

    /// The directory of queued messages.
    pub(crate) fn path(&self) -> &Path {
        self.queued.path()
    }

    /// Messages that wait for their receipts.
    pub(super) fn sent_messages(&self) -> SentMessages {
        SentMessages::new(self.awaiting_receipt.clone())
    }

    /// Records who wrote by which interface.
    pub(crate) fn reply_routes(&self) -> ReplyRoutes {
        ReplyRoutes::new(self.reply_routes.clone())
    }

    /// Writes, syncs and removes a file.
    ///
    /// # Errors
    /// The step that failed.
    pub(crate) fn probe(&self) -> Result<(), StoreError> {
        self.queued.probe()
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
            // It has been claimed already, which is durable.
            Err(gone) if gone.kind() == io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        }
    }

    /// Queues what follows a receipt, once. `false` when that is done.
    ///
    /// # Errors
    /// When the disk refuses; it can be repeated.
    pub(super) fn queue_next(
        &self,
        sent: &SentMessages,
        key: &ReceiptKey,
        name: OutboxName,
    ) -> io::Result<bool> {
        move_next(sent, key, &self.queued, name)
    }

    /// Makes a notice wait that follows a receipt, once. `false` when that is done.
    ///
    /// # Errors
    /// When the disk refuses; it can be repeated.
    pub(super) fn notice_next(
        &self,
        sent: &SentMessages,
        key: &ReceiptKey,
        name: OutboxName,
    ) -> io::Result<bool> {
        move_next(sent, key, &self.notices, name)
    }

    /// The queued messages, in order.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub(crate) fn queued(&self) -> io::Result<Vec<OutboxName>> {
        names(self.queued.path())
    }

    /// The messages that were being sent when an earlier run ended, in order, without
    /// those that had been settled by then.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub(crate) fn interrupted(&self) -> io::Result<Vec<OutboxName>> {
        let mut names = names(self.sending.path())?;
        names.retain(|name| {
            let file = name.to_os_string();
            let settled = [&self.queued, &self.failed, &self.notices]
                .iter()
                .any(|directory| directory.path().join(&file).exists());
            if settled {
                // The last step of settling.
                let _ = self.sending.remove(&file);
            }
            !settled
        });
        Ok(names)
    }

    /// Reads a queued message.
    ///
    /// # Errors
    /// When its file is missing or invalid ([`io::ErrorKind::InvalidData`]).
    pub(crate) fn read(&self, name: OutboxName) -> io::Result<Record> {
        read(self.queued.path(), name)
    }

    /// Reads a message that was being sent.
    ///
    /// # Errors
    /// When its file is missing or invalid ([`io::ErrorKind::InvalidData`]).
    pub(crate) fn read_interrupted(&self, name: OutboxName) -> io::Result<Record> {
        read(self.sending.path(), name)
    }

    /// Marks a message as being sent, durably: after a crash it is known that
    /// its request may have been made. Its record says how long to `wait` before.
    ///
    /// # Errors
    /// When its file is invalid ([`io::ErrorKind::InvalidData`]), or the disk refuses;
    /// it stays queued.
    pub(crate) fn claim(
        &self,
        name: OutboxName,
        wait: impl FnOnce(&Record) -> Duration,
    ) -> io::Result<Claimed> {
        let record = match self.read(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Claimed::Missing),
            record => record?,
        };
        let wait = wait(&record);
        if !wait.is_zero() {
            return Ok(Claimed::NotYet(wait));
        }
        let file = name.to_os_string();
        match self.queued.move_file_to(self.sending.path(), &file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Claimed::Missing),
            moved => moved?,
        }
        if let Err(error) = self.sending.sync() {
            self.sending.move_file_to(self.queued.path(), &file)?;
            return Err(error.into());
        }
        Ok(Claimed::Ready(Box::new(record)))
    }

    /// Removes a message that was sent.
    ///
    /// # Errors
    /// When its file cannot be removed: the next start takes it for one that
    /// may have been sent.
    pub(crate) fn complete(&self, name: OutboxName) -> io::Result<()> {
        self.sending.remove(&name.to_os_string())
    }

    /// Queues a message again that was not sent.
    ///
    /// # Errors
    /// When the disk refuses: the next start takes it for one that may have been
    /// sent.
    pub(crate) fn requeue(&self, name: OutboxName, record: &Record) -> io::Result<()> {
        settle(&self.sending, &self.queued, name, record).map(drop)
    }

    /// Keeps a message that is given up for the administrator.
    ///
    /// # Errors
    /// When the disk refuses: the next start takes it for one that may have been
    /// sent.
    pub(crate) fn fail(&self, name: OutboxName, record: &Record) -> io::Result<()> {
        settle(&self.sending, &self.failed, name, record).map(drop)
    }

    /// Keeps a message that is given up until its sender is notified. `false` when
    /// the disk has no space for its record, and it is kept as it was.
    ///
    /// # Errors
    /// When the disk refuses: the next start takes it for one that may have been
    /// sent.
    pub(crate) fn await_notice(&self, name: OutboxName, record: &Record) -> io::Result<bool> {
        settle(&self.sending, &self.notices, name, record)
    }

    /// The messages whose senders are still to be notified, in order.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub(crate) fn awaiting_notice(&self) -> io::Result<Vec<OutboxName>> {
        let mut names = names(self.notices.path())?;
        names.retain(|name| {
            let file = name.to_os_string();
            let notified = self.failed.path().join(&file).exists();
            if notified {
                // The last step of settling.
                let _ = self.notices.remove(&file);
            }
            !notified
        });
        Ok(names)
    }

    /// Reads a message whose sender is still to be notified. An invalid file is moved
    /// to where the administrator sees it.
    ///
    /// # Errors
    /// When its file is missing or invalid ([`io::ErrorKind::InvalidData`]).
    pub(crate) fn read_awaiting_notice(&self, name: OutboxName) -> io::Result<Record> {
        let record = read(self.notices.path(), name);
        if let Err(error) = &record
            && error.kind() == io::ErrorKind::InvalidData
        {
            let file = name.to_os_string();
            self.notices.move_file_to(self.failed.path(), &file)?;
        }
        record
    }

    /// Keeps a message whose sender is notified for the administrator.
    ///
    /// # Errors
    /// When it is gone, or the disk refuses.
    pub(crate) fn fail_notified(&self, name: OutboxName, record: &Record) -> io::Result<()> {
        settle(&self.notices, &self.failed, name, record).map(drop)
    }

    /// Removes a message that was sent, and whose sender is notified that it was not
    /// delivered.
    ///
    /// # Errors
    /// When it is gone, or the disk refuses.
    pub(crate) fn remove_notice(&self, name: OutboxName) -> io::Result<()> {
        self.notices.remove(&name.to_os_string())?;
        Ok(self.notices.sync()?)
    }

    /// Puts a damaged file of a message aside that was being sent.
    pub(crate) fn put_interrupted_aside(&self, name: OutboxName, reason: &str) {
        let path = self.sending.path().join(name.to_os_string());
        quarantine::put_aside(&self.sending, &path, &reason);
    }

    /// Moves an invalid file to where the administrator sees it.
    ///
    /// # Errors
    /// When it cannot be moved.
    pub(crate) fn quarantine(&self, name: OutboxName) -> io::Result<()> {
        let file = name.to_os_string();
        self.queued.move_file_to(self.failed.path(), &file)
    }

    /// Queues a message as if there had been no attempt: one that has failed, or one
    /// that waits for its next attempt. `false` when it is being sent.
    ///
    /// # Errors
    /// When it is gone or invalid, or the disk refuses.
    pub(crate) fn retry(&self, name: OutboxName) -> io::Result<bool> {
        let file = name.to_os_string();
        self.queued.create(self.failed.path())?;
        // Out of the scheduler's reach first: a message that is claimed while it is
        // written anew would be sent twice.
        for directory in [&self.queued, &self.notices] {
            match directory.move_file_to(self.failed.path(), &file) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                moved => moved?,
            }
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
        self.put(name, &record.reset())?;
        self.failed.remove(&file)?;
        Ok(true)
    }

    /// Removes a message that is queued or has failed.
    ///
    /// # Errors
    /// When it is gone, or being sent.
    pub(crate) fn remove(&self, name: OutboxName) -> io::Result<()> {
        let file = name.to_os_string();
        for directory in [&self.queued, &self.notices] {
            match directory.remove(&file) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => return removed,
            }
        }
        self.failed.remove(&file)
    }

    /// The directories of each state.
    pub(crate) fn directories(&self) -> [(OutboxState, PathBuf); 4] {
        [
            (OutboxState::Queued, self.queued.path().to_owned()),
            (OutboxState::Sending, self.sending.path().to_owned()),
            (OutboxState::Failed, self.failed.path().to_owned()),
            (OutboxState::Failed, self.notices.path().to_owned()),
        ]
    }
}

fn move_next(
    sent: &SentMessages,
    key: &ReceiptKey,
    to: &Directory,
    name: OutboxName,
) -> io::Result<bool> {
    let moved = sent.move_next(key, &to.path().join(name.to_os_string()))?;
    to.sync()?;
    Ok(moved)
}

/// Moves a message on: with its new record, or as it was when the disk has no space
/// for that. Returns whether its record was written.
fn settle(from: &Directory, to: &Directory, name: OutboxName, record: &Record) -> io::Result<bool> {
    let file = name.to_os_string();
    let written = to
        .prepare(&record.to_json())
        .and_then(|prepared| to.publish(prepared, &file))
        .and_then(|()| to.sync());
    if written.is_err() {
        return from.move_file_to(to.path(), &file).map(|()| false);
    }
    // If this fails, the next start does it.
    let _ = from.remove(&file);
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::Id;
    use crate::model::interface::InterfaceName;
    use crate::outbox::record::RecordedInterface;

    fn outbox() -> (tempfile::TempDir, Outbox, OutboxName) {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(&folder.path().join("outbox")).unwrap();
        drop(outbox.lock().unwrap());
        let record = Record {
            interface: RecordedInterface::Named(InterfaceName::unnamed()),
            to: "+1".to_owned(),
            from: "+2".to_owned(),
            text: "x".to_owned(),
            attempts: 3,
            not_before: None,
            wait: None,
            last: None,
            notice: None,
        };
        let name = record.name(Id::generate(None));
        outbox.put(name, &record).unwrap();
        (folder, outbox, name)
    }

    #[test]
    fn retried_message_is_queued_as_if_never_tried() {
        let (_folder, outbox, name) = outbox();
        assert!(outbox.retry(name).unwrap());
        assert_eq!(outbox.read(name).unwrap().attempts, 0);
        outbox.quarantine(name).unwrap();
        assert!(outbox.retry(name).unwrap());
        assert_eq!(outbox.queued().unwrap(), [name]);
        assert_eq!(names(outbox.failed.path()).unwrap(), []);
    }

    #[test]
    fn message_in_flight_is_not_queued_again() {
        let (_folder, outbox, name) = outbox();
        let claimed = outbox.claim(name, |_| Duration::ZERO).unwrap();
        assert!(matches!(claimed, Claimed::Ready(_)));
        assert!(!outbox.retry(name).unwrap());
        assert_eq!(outbox.queued().unwrap(), []);
        outbox.complete(name).unwrap();
        assert!(outbox.retry(name).is_err(), "it is gone");
        assert_eq!(outbox.queued().unwrap(), []);
    }
}
