//! Ignores messages that were stored before. A provider that does not get our
//! response posts a message again, with the same id.
//!
//! Stored ids are kept in a file, so that a restart forgets nothing: a line for
//! each, with the second until which it counts and a digest. The line is written
//! after the message is durable and before the response; a crash in between can
//! deliver a message twice.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio::sync::watch;
use tracing::warn;

use crate::logging::chain;
use crate::model::digest::digest;
use crate::model::interface::InterfaceName;
use crate::model::message::PhoneNumber;
use crate::model::unix_time::seconds;
use crate::storage::durable::{Directory, is_disk_full};
use crate::storage::quarantine;
use crate::storage::regular_file::{RegularFile, is_damage};

/// Name of the file, in staging.
const FILE: &str = "dedupe";

/// Bytes of the file at most: some million ids.
const FILE_MAX: u64 = 256 << 20;

/// Lines that the file may hold beyond those that count, before it is written
/// anew.
const SLACK: usize = 10_000;

/// A message of a provider, by a digest of interface and id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct MessageKey(u128);

impl MessageKey {
    /// The key of a provider's id, which counts for its interface and for one
    /// number: a message to several numbers may have one id.
    pub(crate) fn new(interface: &InterfaceName, to: &PhoneNumber, id: &str) -> Self {
        // Neither a name of an interface nor a number holds a line break.
        let digest = digest(&[interface.as_str(), to.as_str(), id]);
        Self(u128::from_be_bytes(digest))
    }
}

#[derive(Debug)]
enum KeyState {
    /// Stored; counts until this second since 1970.
    Stored(u64),
    /// Being stored; the channel closes when that is decided.
    Pending(watch::Receiver<()>),
}

/// The ids of messages that were stored or are being stored.
#[derive(Debug)]
pub(crate) struct Dedupe {
    directory: Directory,
    memory: Mutex<Memory>,
}

#[derive(Debug)]
struct Memory {
    known: HashMap<MessageKey, KeyState>,
    file: File,
    lines: usize,
}

/// A claim on message ids. It ends by [`Claim::stored`]; dropped before that, it
/// lets others store them.
#[derive(Debug)]
pub(crate) struct Claim<'a> {
    dedupe: &'a Dedupe,
    /// The ids to be stored; the others have been stored before.
    pub keys: Vec<MessageKey>,
    /// Dropped with the claim, which wakes those who wait for one of the ids.
    _waiting: watch::Sender<()>,
}

impl Dedupe {
    /// Reads the ids that an earlier run has stored.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub(crate) fn open(directory: Directory) -> io::Result<Self> {
        let text = read_file(&directory)?;
        let now = seconds(SystemTime::now());
        let known: HashMap<_, _> = text
            .lines()
            .filter_map(read)
            .filter(|(_, until)| *until > now)
            .map(|(key, until)| (key, KeyState::Stored(until)))
            .collect();
        let file = match rewrite(&directory, &known) {
            // It is written anew when it has grown.
            Err(error) if is_disk_full(&error) => append(&directory)?,
            file => file?,
        };
        let lines = known.len();
        let memory = Mutex::new(Memory { known, file, lines });
        Ok(Self { directory, memory })
    }

    /// Waits until no other task is storing one of `keys`, and claims those that were
    /// not stored. A key that is given twice is claimed once.
    pub(crate) async fn claim(&self, keys: &[MessageKey]) -> Claim<'_> {
        loop {
            let mut pending = match self.try_claim(keys) {
                Ok(claim) => return claim,
                Err(pending) => pending,
            };
            // It ends with an error: the sender is dropped.
            let _ = pending.changed().await;
        }
    }

    fn try_claim(&self, keys: &[MessageKey]) -> Result<Claim<'_>, watch::Receiver<()>> {
        let mut memory = self.memory.lock();
        let now = seconds(SystemTime::now());
        let pending = keys.iter().find_map(|key| match memory.known.get(key) {
            Some(KeyState::Pending(pending)) => Some(pending.clone()),
            _ => None,
        });
        if let Some(pending) = pending {
            return Err(pending);
        }
        let (waiting, pending) = watch::channel(());
        let mut fresh = Vec::new();
        for key in keys {
            let counts = match memory.known.get(key) {
                Some(KeyState::Stored(until)) => *until > now,
                Some(KeyState::Pending(_)) => true,
                None => false,
            };
            if !counts {
                memory
                    .known
                    .insert(*key, KeyState::Pending(pending.clone()));
                fresh.push(*key);
            }
        }
        Ok(Claim {
            dedupe: self,
            keys: fresh,
            _waiting: waiting,
        })
    }
}

impl Claim<'_> {
    /// Ends the claim: the messages are durable, and their ids count for
    /// `lifetime`.
    pub(crate) fn stored(mut self, lifetime: Duration) {
        let keys = std::mem::take(&mut self.keys);
        if keys.is_empty() {
            return;
        }
        let mut memory = self.dedupe.memory.lock();
        let until = seconds(SystemTime::now()).saturating_add(lifetime.as_secs());
        let mut lines = String::new();
        for key in &keys {
            memory.known.insert(*key, KeyState::Stored(until));
            line(&mut lines, *key, until);
        }
        memory.lines += keys.len();
        let written = memory.file.write_all(lines.as_bytes());
        let written = written.and_then(|()| memory.compact(&self.dedupe.directory));
        if let Err(error) = written {
            warn!(
                error = %chain(&error),
                consequence = "after a restart a message may arrive twice",
                "message ids not written"
            );
        }
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut memory = self.dedupe.memory.lock();
        for key in &self.keys {
            memory.known.remove(key);
        }
    }
}

impl Memory {
    /// Drops ids that no longer count, once they are many.
    fn compact(&mut self, directory: &Directory) -> io::Result<()> {
        if self.lines < 2 * self.known.len() + SLACK && self.lines < self.known.capacity() + SLACK {
            return Ok(());
        }
        let now = seconds(SystemTime::now());
        self.known
            .retain(|_, known| !matches!(known, KeyState::Stored(until) if *until <= now));
        self.file = rewrite(directory, &self.known)?;
        self.lines = self.known.len();
        Ok(())
    }
}

/// The lines of the file. Each counts on its own, so damage costs the lines that it
/// hits; what is not a file at all is put aside.
fn read_file(directory: &Directory) -> io::Result<String> {
    match RegularFile::read(directory.path(), OsStr::new(FILE), FILE_MAX) {
        Ok(file) => Ok(file.text()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) if is_damage(&error) => {
            quarantine::put_aside(directory, &directory.path().join(FILE), &error);
            Ok(String::new())
        }
        Err(error) => Err(error),
    }
}

/// Writes the file anew with the ids that count, and opens it for more.
fn rewrite(directory: &Directory, known: &HashMap<MessageKey, KeyState>) -> io::Result<File> {
    let mut text = String::new();
    for (key, known) in known {
        if let KeyState::Stored(until) = known {
            line(&mut text, *key, *until);
        }
    }
    directory.replace(text.as_bytes(), OsStr::new(FILE))?;
    append(directory)
}

/// Opens the file for more lines.
fn append(directory: &Directory) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(directory.path().join(FILE))
}

pub(crate) fn line(text: &mut String, key: MessageKey, until: u64) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{until} {:032x}", key.0);
}

/// Reads a line; `None` for one that a crash has cut off.
pub(crate) fn read(line: &str) -> Option<(MessageKey, u64)> {
    let (until, key) = line.split_once(' ')?;
    if key.len() != 32 {
        return None;
    }
    let key = u128::from_str_radix(key, 16).ok()?;
    Some((MessageKey(key), until.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::durable::Access;
    use std::os::unix::fs::MetadataExt as _;

    const DAY: Duration = Duration::from_secs(86_400);

    fn directory(path: &std::path::Path) -> Directory {
        let metadata = path.metadata().unwrap();
        let access = Access {
            mode: 0o600,
            user: metadata.uid(),
            group: metadata.gid(),
        };
        Directory::new(path, access)
    }

    fn number() -> PhoneNumber {
        PhoneNumber::parse("+1").unwrap()
    }

    fn key(id: &str) -> MessageKey {
        MessageKey::new(&InterfaceName::unnamed(), &number(), id)
    }

    fn claim<'a>(dedupe: &'a Dedupe, ids: &[&str]) -> Claim<'a> {
        let keys: Vec<_> = ids.iter().map(|id| key(id)).collect();
        dedupe
            .try_claim(&keys)
            .expect("no other task is storing them")
    }

    #[test]
    fn stored_id_counts_until_its_time_is_over_and_across_restarts() {
        let folder = tempfile::tempdir().unwrap();
        let dedupe = Dedupe::open(directory(folder.path())).unwrap();
        let first = claim(&dedupe, &["a", "b", "a"]);
        assert_eq!(first.keys, [key("a"), key("b")]);
        first.stored(DAY);
        assert_eq!(claim(&dedupe, &["a"]).keys, []);
        claim(&dedupe, &["brief"]).stored(Duration::ZERO);
        assert_eq!(claim(&dedupe, &["brief"]).keys, [key("brief")]);
        drop(dedupe);
        // A crash in the middle of a line.
        let path = folder.path().join(FILE);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"99999999999 00ff").unwrap();
        let dedupe = Dedupe::open(directory(folder.path())).unwrap();
        assert_eq!(claim(&dedupe, &["a", "b", "c"]).keys, [key("c")]);
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2);
    }

    #[test]
    fn id_whose_claim_was_dropped_can_be_claimed_again() {
        let folder = tempfile::tempdir().unwrap();
        let dedupe = Dedupe::open(directory(folder.path())).unwrap();
        let first = claim(&dedupe, &["a"]);
        assert!(dedupe.try_claim(&[key("a")]).is_err(), "it is claimed");
        drop(first);
        assert_eq!(claim(&dedupe, &["a"]).keys, [key("a")]);
    }

    #[test]
    fn same_id_on_another_interface_is_another_message() {
        let named = InterfaceName::parse("api-1").unwrap();
        assert_ne!(MessageKey::new(&named, &number(), "a"), key("a"));
        let other = PhoneNumber::parse("+2").unwrap();
        let unnamed = InterfaceName::unnamed();
        assert_ne!(MessageKey::new(&unnamed, &other, "a"), key("a"));
        assert_ne!(key("a"), key("b"));
    }
}
