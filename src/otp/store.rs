//! What is known of phones, as files: one for each phone, under a name that does
//! not tell its number.
//!
//! A file is read, changed and written under a lock, and durable before anybody
//! is told: an attempt that was counted stays counted, a code that was used stays
//! used, whatever happens to the process.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::{Mutex, MutexGuard};
use tracing::{error, warn};

use crate::otp::code::CodeHasher;
use crate::otp::phone::Phone;
use crate::otp::phone_state::PhoneState;
use crate::storage::durable::{Directory, DirectoryLock};

/// Nobody's business but the daemon's.
const MODE: u32 = 0o600;

/// Phones whose files are changed at the same time, at most.
const LOCKS: usize = 64;

/// Digits of a name.
const NAME: usize = 32;

/// What is known of all phones.
#[derive(Debug)]
pub(crate) struct OtpStore {
    directory: Directory,
    /// Which phone has which lock is said by the start of its name.
    first_lock: Mutex<()>,
    other_locks: [Mutex<()>; LOCKS - 1],
    _claim: DirectoryLock,
}

impl OtpStore {
    /// Opens the directory, which is created if it is not there, and claims it.
    ///
    /// # Errors
    /// When it cannot be used, or another process uses it.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let directory = Directory::open_or_create(path, MODE)?;
        let claim = directory.lock().map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => io::Error::other("another websmsd uses it"),
            _ => error,
        })?;
        directory.remove_temporary(Duration::ZERO)?;
        Ok(Self {
            directory,
            first_lock: Mutex::new(()),
            other_locks: std::array::from_fn(|_| Mutex::new(())),
            _claim: claim,
        })
    }

    /// Changes what is known of a phone; it is durable when this returns.
    ///
    /// # Errors
    /// When the disk refuses. Then nobody knows what is known.
    pub(crate) fn change<T>(
        &self,
        hasher: &CodeHasher,
        phone: &Phone,
        change: impl FnOnce(&mut PhoneState, u64) -> T,
    ) -> io::Result<T> {
        let name = hasher.file_name(phone);
        let _lock = self.lock(&name);
        let now = now();
        let before = self.read(&name)?;
        let mut state = before.clone();
        let result = change(&mut state, now);
        if state != before {
            self.write(&name, &state, now)?;
        }
        Ok(result)
    }

    /// Forgets what does not matter any more; how many codes count.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub(crate) fn remove_expired(&self) -> io::Result<usize> {
        let mut active = 0;
        for file in std::fs::read_dir(self.directory.path())? {
            let name = file?.file_name();
            let Some(name) = name.to_str().filter(|name| is_name(name)) else {
                continue;
            };
            let _lock = self.lock(name);
            match self.remove_if_expired(name) {
                Ok(is_active) => active += usize::from(is_active),
                // The others must not stay for it.
                Err(error) => warn!(name, %error, "failed to look at what is known of a phone"),
            }
        }
        Ok(active)
    }

    /// Forgets one if it does not matter any more; whether its code counts.
    fn remove_if_expired(&self, name: &str) -> io::Result<bool> {
        let (state, now) = (self.read(name)?, now());
        if state.is_expired(now) {
            self.remove(name)?;
        }
        Ok(state.has_active_code(now))
    }

    fn lock(&self, name: &str) -> MutexGuard<'_, ()> {
        let start = name
            .get(..2)
            .and_then(|start| u8::from_str_radix(start, 16).ok());
        let place = usize::from(start.unwrap_or_default()) % LOCKS;
        let lock = self.other_locks.get(place).unwrap_or(&self.first_lock);
        lock.lock()
    }

    fn read(&self, name: &str) -> io::Result<PhoneState> {
        match std::fs::read(self.directory.path().join(name)) {
            Ok(text) => Ok(serde_json::from_slice(&text).unwrap_or_else(|error| {
                error!(name, %error, "what is known of a phone cannot be read and counts no more");
                PhoneState::default()
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(PhoneState::default()),
            Err(error) => Err(error),
        }
    }

    fn write(&self, name: &str, state: &PhoneState, now: u64) -> io::Result<()> {
        if state.is_expired(now) {
            self.remove(name)?;
        } else {
            let text = serde_json::to_vec(state)?;
            self.directory
                .replace(&text, OsStr::new(name))
                .map_err(io::Error::other)?;
        }
        self.directory.sync().map_err(io::Error::other)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match self.directory.remove(OsStr::new(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}

/// Whether codes can be stored there.
///
/// # Errors
/// The step that failed.
pub(crate) fn probe(path: &Path) -> io::Result<()> {
    let directory = Directory::open_or_create(path, MODE)?;
    // Dropping what was written removes it again.
    directory
        .prepare(b"probe")
        .map(drop)
        .map_err(io::Error::other)
}

fn is_name(name: &str) -> bool {
    name.len() == NAME && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}
