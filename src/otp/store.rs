//! The state of phones as files in `otpdir`: one for each phone, whose name does
//! not reveal the number.
//!
//! A file is read, changed and written under a lock, and is durable before the
//! request is answered: an attempt that was counted stays counted, a code that
//! was used stays used, also after a crash.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::{Mutex, MutexGuard};
use tracing::warn;

use crate::logging::chain;
use crate::otp::code::CodeHasher;
use crate::otp::phone::Phone;
use crate::otp::phone_state::PhoneState;
use crate::storage::directory_error::DirectoryError;
use crate::storage::durable::{Directory, DirectoryLock};
use crate::storage::quarantine;
use crate::storage::regular_file::{RegularFile, is_damage};

/// Bytes of a file at most: a code and the times of some thousand sends.
const FILE_MAX: u64 = 1 << 20;

/// Only the daemon may read the files.
const MODE: u32 = 0o600;

/// Files that can be changed at the same time, at most.
const LOCKS: usize = 64;

/// Hexadecimal digits of a file name.
const NAME_LENGTH: usize = 32;

#[derive(Debug)]
pub(crate) struct OtpStore {
    directory: Directory,
    /// The start of a file's name chooses its lock.
    first_lock: Mutex<()>,
    other_locks: [Mutex<()>; LOCKS - 1],
    _directory_lock: DirectoryLock,
}

impl OtpStore {
    /// Opens and locks the directory; creates it if it is missing.
    ///
    /// # Errors
    /// When it cannot be used, or another process uses it.
    pub(crate) fn open(path: &Path) -> Result<Self, DirectoryError> {
        let unusable = unusable(path);
        let directory = Directory::open_or_create(path, MODE).map_err(&unusable)?;
        let lock = directory.lock().map_err(&unusable)?;
        let removed = directory.remove_temporary(Duration::ZERO);
        removed.map_err(&unusable)?;
        Ok(Self {
            directory,
            first_lock: Mutex::new(()),
            other_locks: std::array::from_fn(|_| Mutex::new(())),
            _directory_lock: lock,
        })
    }

    /// Changes the state of a phone; the change is durable when this returns.
    ///
    /// # Errors
    /// When the file cannot be read or written. Then the change may be stored or
    /// not.
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

    /// Removes the files that have expired; returns how many codes are valid.
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
                // The other files are still looked at.
                Err(error) => {
                    warn!(name, error = %chain(&error), "OTP state file not readable");
                }
            }
        }
        Ok(active)
    }

    /// Removes a file if it has expired; returns whether its code is valid.
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
        let position = usize::from(start.unwrap_or_default()) % LOCKS;
        let lock = self.other_locks.get(position);
        lock.unwrap_or(&self.first_lock).lock()
    }

    fn read(&self, name: &str) -> io::Result<PhoneState> {
        let parsed = RegularFile::read(self.directory.path(), OsStr::new(name), FILE_MAX)
            .and_then(|file| file.json());
        match parsed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(PhoneState::default()),
            Err(error) if is_damage(&error) => {
                let path = self.directory.path().join(name);
                if quarantine::put_aside(&self.directory, &path, &error) {
                    Ok(PhoneState::default())
                } else {
                    Err(error)
                }
            }
            state => state,
        }
    }

    fn write(&self, name: &str, state: &PhoneState, now: u64) -> io::Result<()> {
        if state.is_expired(now) {
            self.remove(name)?;
        } else {
            let text = serde_json::to_vec(state)?;
            self.directory.replace(&text, OsStr::new(name))?;
        }
        Ok(self.directory.sync()?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match self.directory.remove(OsStr::new(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}

/// Checks that files can be written to the directory; creates it if it is
/// missing.
///
/// # Errors
/// When they cannot.
pub(crate) fn probe(path: &Path) -> Result<(), DirectoryError> {
    let probed = Directory::open_or_create(path, MODE).and_then(|directory| Ok(directory.probe()?));
    probed.map_err(unusable(path))
}

fn unusable(path: &Path) -> impl Fn(io::Error) -> DirectoryError {
    move |error| DirectoryError::new(path, "otpdir", 0o750, error)
}

fn is_name(name: &str) -> bool {
    name.len() == NAME_LENGTH && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}
