//! What waits, what is with Asterisk and what Asterisk gave up on, for the
//! administrator to see and to act on beside a running daemon.
//!
//! Every act is one rename or unlink, which the daemon notices as it notices
//! Asterisk's.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use super::callfile::{self, CallFileContent};
use super::layout::{SpoolState, call_files_in, retry_directory};
use super::name::CallFileName;
use super::probe::{self, ProbeError};
use super::progress::{Progress, attempts, progress, without_attempts};
use crate::config::SpoolSettings;
use crate::model::id::Id;
use crate::storage::durable::{Directory, StoreError};

/// A call file, and what can be told of it.
#[derive(Debug)]
pub(crate) struct SpoolEntry {
    /// Its name.
    pub name: CallFileName,
    /// Where it is.
    pub state: SpoolState,
    /// When it, or what Asterisk has noted in it, was written.
    pub written: SystemTime,
    /// What it says; `None` when it is not one of ours after all.
    pub call: Option<CallFileContent>,
    /// How often Asterisk has tried.
    pub attempts: usize,
    /// How far it has come.
    pub progress: Progress,
    path: PathBuf,
    content: String,
}

/// Everything there is, in the order of its way and of its names. What moves on
/// while it is being looked at may be seen twice or not at all.
///
/// # Errors
/// When a directory cannot be read.
pub(crate) fn list(queue: &SpoolSettings) -> io::Result<Vec<SpoolEntry>> {
    let mut entries = Vec::new();
    for state in SpoolState::ALL {
        let directory = state.directory(queue);
        let names = match call_files_in(&directory) {
            // Made when the daemon first starts.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            names => names?,
        };
        entries.extend(names.into_iter().filter_map(|name| {
            let path = directory.join(name.to_os_string());
            entry(name, state, path).ok()
        }));
    }
    Ok(entries)
}

fn entry(name: CallFileName, state: SpoolState, path: PathBuf) -> io::Result<SpoolEntry> {
    let content = std::fs::read_to_string(&path)?;
    Ok(SpoolEntry {
        name,
        state,
        written: path.metadata()?.modified()?,
        call: callfile::read(&content),
        attempts: attempts(&content),
        progress: progress(&content),
        path,
        content,
    })
}

impl SpoolEntry {
    /// The message that it belongs to.
    #[must_use]
    pub(crate) fn id(&self) -> Id {
        self.name.id()
    }

    /// The file as it is, with what Asterisk has noted in it.
    #[must_use]
    pub(crate) fn content(&self) -> &str {
        &self.content
    }

    /// Lets it be tried again: what was given up on goes to the end of its
    /// line, what waits with Asterisk is due at once. `false` when it is on its
    /// way anyhow.
    ///
    /// # Errors
    /// When a file cannot be written or removed; then nothing has changed.
    pub(crate) fn retry(&self, queue: &SpoolSettings) -> Result<bool, QueueActionError> {
        match self.state {
            SpoolState::Retry | SpoolState::Staging => return Ok(false),
            SpoolState::Outgoing => {
                let staging = Directory::new(&queue.staging, probe::access(queue)?);
                let new = staging.prepare(without_attempts(&self.content).as_bytes())?;
                new.persist(&self.path).map_err(|error| error.error)?;
            }
            SpoolState::Failed => {
                let retry = retry_directory(&queue.staging);
                let access = probe::access(queue)?;
                Directory::new(&queue.staging, access).create(&retry)?;
                let retry = Directory::new(&retry, access);
                let new = retry.prepare(without_attempts(&self.content).as_bytes())?;
                retry.publish(new, &self.name.to_os_string())?;
                retry.sync()?;
                std::fs::remove_file(&self.path)?;
            }
        }
        Ok(true)
    }

    /// Removes it for good.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub(crate) fn remove(&self) -> Result<(), QueueActionError> {
        Ok(std::fs::remove_file(&self.path)?)
    }
}

/// An act that did not succeed.
#[derive(Debug)]
pub(crate) enum QueueActionError {
    /// A file could not be moved or removed.
    Io(io::Error),
    /// The spool is not what it should be.
    Spool(ProbeError),
    /// A file could not be stored.
    Store(StoreError),
}

impl From<io::Error> for QueueActionError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<ProbeError> for QueueActionError {
    fn from(error: ProbeError) -> Self {
        Self::Spool(error)
    }
}

impl From<StoreError> for QueueActionError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl fmt::Display for QueueActionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Spool(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for QueueActionError {}
