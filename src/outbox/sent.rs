//! Messages that were sent, in files until their receipts have come.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirEntry, File};
use std::path::Path;
use std::time::{Duration, SystemTime};
use std::{fmt, io};

use serde::{Deserialize, Serialize};

use crate::model::digest::digest;
use crate::model::id::Id;
use crate::model::interface::InterfaceName;
use crate::outbox::name::OutboxName;
use crate::outbox::record::Record;
use crate::storage::durable::{Directory, move_to};
use crate::storage::quarantine;
use crate::storage::regular_file::{RegularFile, is_damage};

/// A message that a provider accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SentMessage {
    /// Our id of the message.
    pub id: String,
    pub provider_id: String,
    /// The interface that sent it.
    pub interface: InterfaceName,
    pub message: Record,
    /// The last receipt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<RecordedReceipt>,
    /// What follows that, under the name of its file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<FollowUp>,
}

/// What follows a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FollowUp {
    /// The message is queued for the fallback.
    Fallback(String),
    /// The sender is notified.
    Notice(String),
}

impl FollowUp {
    /// The name of its file.
    pub(super) fn name(&self) -> Option<OutboxName> {
        let (Self::Fallback(name) | Self::Notice(name)) = self;
        OutboxName::parse(name.as_ref())
    }
}

/// A receipt, as the file of its message holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecordedReceipt {
    pub state: RecordedState,
    /// The provider's word for the state.
    pub status: String,
    /// Why, if the provider names a reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a receipt says, in the words that `queue show` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RecordedState {
    Delivered,
    Pending,
    Undelivered,
}

impl fmt::Display for RecordedState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Delivered => "delivered",
            Self::Pending => "pending",
            Self::Undelivered => "undelivered",
        })
    }
}

/// Endings of the files of a sent message, and of what follows its receipt.
const SENT: &str = ".json";
const NEXT: &str = ".next";

/// A sent message, by a digest of its interface and its provider's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReceiptKey(String);

impl ReceiptKey {
    pub(super) fn new(interface: &InterfaceName, provider_id: &str) -> Self {
        let digest = digest::<20>(&[interface.as_str(), provider_id]);
        Self(hex::encode(digest))
    }

    fn file(&self) -> OsString {
        format!("{}{SENT}", self.0).into()
    }

    /// The file of what follows a receipt of the message.
    fn next_file(&self) -> OsString {
        format!("{}{NEXT}", self.0).into()
    }

    /// The key whose file has this name and ending.
    fn of_file(name: &OsStr, ending: &str) -> Option<Self> {
        let name = name.to_str()?.strip_suffix(ending)?;
        let is_key = name.len() == 40 && name.bytes().all(|b| b.is_ascii_hexdigit());
        is_key.then(|| Self(name.to_owned()))
    }
}

/// Bytes of a file at most: a record and a receipt.
const SENT_MAX: u64 = 4 << 20;

/// The directory of messages that wait for receipts.
#[derive(Debug, Clone)]
pub(super) struct SentMessages(Directory);

impl SentMessages {
    pub(super) fn new(directory: Directory) -> Self {
        Self(directory)
    }

    /// The message of a key, if there is one. A damaged file is put aside and counts
    /// as none.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn read(&self, key: &ReceiptKey) -> io::Result<Option<SentMessage>> {
        match self.parse(&key.file()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if is_damage(&error) => {
                quarantine::put_aside(&self.0, &self.0.path().join(key.file()), &error);
                Ok(None)
            }
            sent => sent.map(Some),
        }
    }

    fn parse(&self, file: &OsStr) -> io::Result<SentMessage> {
        RegularFile::read(self.0.path(), file, SENT_MAX)?.json()
    }

    /// Writes a message, or replaces it.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn write(&self, key: &ReceiptKey, sent: &SentMessage) -> io::Result<()> {
        let mut json = serde_json::to_vec_pretty(sent)?;
        json.push(b'\n');
        Ok(self.0.replace(&json, &key.file())?)
    }

    /// Makes what was written durable.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(self.0.sync()?)
    }

    /// Writes what is to follow a receipt of the message, before that is recorded.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn prepare_next(&self, key: &ReceiptKey, record: &Record) -> io::Result<()> {
        self.0.replace(&record.to_json(), &key.next_file())?;
        // Before the receipt is, which names it.
        Ok(self.0.sync()?)
    }

    /// The messages whose receipts are still to be followed up.
    pub(super) fn with_next(&self) -> Vec<ReceiptKey> {
        let keys = self
            .files()
            .into_iter()
            .flatten()
            .filter_map(|entry| ReceiptKey::of_file(&entry.file_name(), NEXT));
        keys.collect()
    }

    /// Moves what follows a receipt to a file of another directory. `false` when that
    /// is done.
    ///
    /// # Errors
    /// When the disk refuses; it can be repeated.
    pub(super) fn move_next(&self, key: &ReceiptKey, to: &Path) -> io::Result<bool> {
        let from = self.0.path().join(key.next_file());
        match move_to(&from, to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            // A power failure has undone half of the move.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.remove_next(key).map(|()| false)
            }
            moved => moved.map(|()| true),
        }
    }

    /// Removes what would have followed a receipt.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn remove_next(&self, key: &ReceiptKey) -> io::Result<()> {
        self.0.remove(&key.next_file())
    }

    /// The message with our id.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub(super) fn find(&self, id: Id) -> io::Result<Option<SentMessage>> {
        let id = id.to_string();
        let mut parsed = self
            .entries()?
            .filter_map(|entry| self.parse(&entry.file_name()).ok());
        Ok(parsed.find(|sent| sent.id == id))
    }

    /// Removes files that were last written more than `lifetime` before `now`. A
    /// file of the future was written while the clock was ahead: it is kept for that
    /// time from now on.
    pub(super) fn remove_expired(&self, lifetime: Duration, now: SystemTime) {
        for entry in self.entries().into_iter().flatten() {
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            if !metadata.is_file() {
                continue;
            }
            let age = metadata.modified().map(|time| now.duration_since(time));
            // What cannot be changed now is tried again next time.
            let _ = match age {
                Ok(Ok(age)) if age > lifetime => fs::remove_file(entry.path()),
                Ok(Err(_)) => File::open(entry.path()).and_then(|file| file.set_modified(now)),
                Ok(Ok(_)) | Err(_) => Ok(()),
            };
        }
    }

    fn entries(&self) -> io::Result<impl Iterator<Item = DirEntry> + use<>> {
        let is_sent = |entry: &DirEntry| ReceiptKey::of_file(&entry.file_name(), SENT).is_some();
        Ok(self.files()?.filter(is_sent))
    }

    fn files(&self) -> io::Result<impl Iterator<Item = DirEntry> + use<>> {
        let entries = match fs::read_dir(self.0.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            entries => Some(entries?),
        };
        Ok(entries.into_iter().flatten().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_of_an_earlier_version_is_read() {
        let json = r#"{"id":"i","provider_id":"p","interface":"",
            "message":{"interface":"","to":"+1","from":"+2","text":"x"},
            "receipt":{"state":"undelivered","status":"failed"}}"#;
        let sent: SentMessage = serde_json::from_str(json).unwrap();
        assert!(sent.interface.is_unnamed());
        let receipt = sent.receipt.unwrap();
        assert_eq!(receipt.state, RecordedState::Undelivered);
        for state in [
            RecordedState::Delivered,
            RecordedState::Pending,
            receipt.state,
        ] {
            let word = serde_json::to_value(state).unwrap();
            assert_eq!(word, state.to_string());
        }
    }

    #[test]
    fn file_is_kept_for_its_lifetime_whatever_the_clock_did() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::with_owner_of(folder.path(), 0o600).unwrap();
        let sent = SentMessages::new(directory);
        let path = folder.path().join(format!("{}.json", "a".repeat(40)));
        fs::write(&path, "{}").unwrap();
        let hour = Duration::from_secs(3600);
        let now = SystemTime::now();
        let modify = |time| File::open(&path).unwrap().set_modified(time).unwrap();
        modify(now + 100_000 * hour);
        sent.remove_expired(hour, now);
        assert!(path.exists());
        sent.remove_expired(hour, now + hour);
        assert!(path.exists());
        sent.remove_expired(hour, now + 2 * hour);
        assert!(!path.exists(), "it counts from when it was seen");
    }

    #[test]
    fn key_depends_on_interface_and_id() {
        let name = |name: &str| InterfaceName::parse(name).unwrap();
        let key = ReceiptKey::new(&name("a"), "1");
        assert_eq!(key, ReceiptKey::new(&name("a"), "1"));
        assert_ne!(key, ReceiptKey::new(&name("b"), "1"));
        assert_ne!(key, ReceiptKey::new(&name("a"), "2"));
        assert_eq!(ReceiptKey::of_file(&key.file(), SENT), Some(key));
    }
}
