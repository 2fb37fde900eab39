//! Directories of the spool, and the call files in them.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::name::CallFileName;
use crate::config::SpoolSettings;

/// Where a call file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SpoolState {
    /// In `failed`: Asterisk has given up.
    Failed,
    /// In `outgoing`: with Asterisk.
    Outgoing,
    /// In `staging/retry`: about to be taken up again.
    Retry,
    /// In `staging`: accepted, and waiting for its turn.
    Staging,
}

impl SpoolState {
    /// The order in which they are listed: the way that a message takes.
    pub(super) const ALL: [Self; 4] = [Self::Staging, Self::Retry, Self::Outgoing, Self::Failed];

    pub(super) fn directory(self, queue: &SpoolSettings) -> PathBuf {
        match self {
            Self::Failed => queue.failed.clone(),
            Self::Outgoing => queue.outgoing.clone(),
            Self::Retry => retry_directory(&queue.staging),
            Self::Staging => queue.staging.clone(),
        }
    }
}

impl fmt::Display for SpoolState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Failed => "failed",
            Self::Outgoing => "outgoing",
            Self::Retry => "retry",
            Self::Staging => "staging",
        })
    }
}

/// Where the administrator puts what shall be tried again, beside staging's
/// own files.
#[must_use]
pub(crate) fn retry_directory(staging: &Path) -> PathBuf {
    staging.join("retry")
}

/// Our call files in a directory, in order.
///
/// # Errors
/// When the directory cannot be read.
pub(crate) fn call_files_in(directory: &Path) -> io::Result<Vec<CallFileName>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        names.extend(CallFileName::parse(&entry?.file_name()));
    }
    names.sort();
    Ok(names)
}
