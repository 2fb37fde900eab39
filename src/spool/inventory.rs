//! All call files, for the administrator to list, retry and remove beside a
//! running daemon.
//!
//! Every action is one rename or unlink, which the daemon notices in the same way
//! as those of Asterisk.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::callfile::{self, CallFileContent};
use super::layout::{self, SpoolState, call_files_in, retry_directory};
use super::name::CallFileName;
use super::probe::{self, ProbeError};
use super::progress::{Progress, attempts, progress, without_attempts};
use crate::config::SpoolSettings;
use crate::model::id::Id;
use crate::storage::durable::{Directory, StoreError};

#[derive(Debug)]
pub(crate) struct SpoolEntry {
    pub name: CallFileName,
    pub state: SpoolState,
    /// The modification time. While the file waits with Asterisk, it is the time
    /// of the next attempt.
    pub modified: SystemTime,
    /// `None` when the file is not one of ours.
    pub message: Option<CallFileContent>,
    /// Attempts that Asterisk has begun.
    pub attempts: usize,
    pub progress: Progress,
    path: PathBuf,
    content: String,
}

/// All call files, in the order of [`SpoolState::ALL`] and of their names. A file
/// that moves meanwhile may appear twice or not at all.
///
/// # Errors
/// When a directory cannot be read.
pub(crate) fn list(settings: &SpoolSettings) -> io::Result<Vec<SpoolEntry>> {
    let mut entries = Vec::new();
    for state in SpoolState::ALL {
        let directory = state.directory(settings);
        let names = match call_files_in(&directory) {
            // Some are created by the first start of the daemon.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            names => names?,
        };
        entries.extend(
            names
                .into_iter()
                .filter_map(|name| entry(name, state, &directory).ok()),
        );
    }
    Ok(entries)
}

fn entry(name: CallFileName, state: SpoolState, directory: &Path) -> io::Result<SpoolEntry> {
    let file = layout::read(directory, name)?;
    let content = file.text();
    Ok(SpoolEntry {
        name,
        state,
        modified: file.modified,
        message: callfile::read(&content),
        attempts: attempts(&content),
        progress: progress(&content),
        path: directory.join(name.to_os_string()),
        content,
    })
}

impl SpoolEntry {
    pub(crate) fn id(&self) -> Id {
        self.name.id()
    }

    /// The whole file, including the lines that Asterisk has appended.
    pub(crate) fn content(&self) -> &str {
        &self.content
    }

    /// Lets Asterisk try the message again. A failed file goes to the end of the
    /// queue of its conversation, a file with Asterisk is due at once. `false`
    /// when the file is waiting for its turn anyway.
    ///
    /// # Errors
    /// When a file cannot be written or removed; then nothing has changed.
    pub(crate) fn retry(&self, settings: &SpoolSettings) -> Result<bool, QueueActionError> {
        let content = without_attempts(&self.content);
        match self.state {
            SpoolState::Retry | SpoolState::Staging => return Ok(false),
            SpoolState::Outgoing => {
                let staging = Directory::new(&settings.staging, probe::access(settings)?);
                let new = staging.prepare(content.as_bytes())?;
                new.persist(&self.path).map_err(|error| error.error)?;
            }
            SpoolState::Failed => {
                let retry = retry_directory(&settings.staging);
                let access = probe::access(settings)?;
                Directory::new(&settings.staging, access).create(&retry)?;
                let retry = Directory::new(&retry, access);
                let new = retry.prepare(content.as_bytes())?;
                retry.publish(new, &self.name.to_os_string())?;
                retry.sync()?;
                std::fs::remove_file(&self.path)?;
            }
        }
        Ok(true)
    }

    /// Removes the file for good.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub(crate) fn remove(&self) -> Result<(), QueueActionError> {
        Ok(std::fs::remove_file(&self.path)?)
    }
}

/// An action of the administrator failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QueueActionError {
    /// A file could not be moved or removed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The directories of the spool cannot be used.
    #[error(transparent)]
    Spool(#[from] ProbeError),
    /// A file could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}
