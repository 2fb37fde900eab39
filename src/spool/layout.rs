//! The directories of the spool, and the call files in them.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::{fmt, io};

use super::name::CallFileName;
use crate::config::SpoolSettings;

/// The state of a call file, which is the directory that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SpoolState {
    /// In `faileddir`: Asterisk gave up.
    Failed,
    /// In `outgoingdir`: with Asterisk.
    Outgoing,
    /// In [`retry_directory`]: about to be accepted again.
    Retry,
    /// In `stagingdir`: accepted, waits for its turn.
    Staging,
}

impl SpoolState {
    /// In the order in which a message passes through them.
    pub(super) const ALL: [Self; 4] = [Self::Staging, Self::Retry, Self::Outgoing, Self::Failed];

    pub(super) fn directory(self, settings: &SpoolSettings) -> PathBuf {
        match self {
            Self::Failed => settings.failed.clone(),
            Self::Outgoing => settings.outgoing.clone(),
            Self::Retry => retry_directory(&settings.staging),
            Self::Staging => settings.staging.clone(),
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

/// The directory for files that the administrator wants to be retried. It is on
/// the file system of staging.
pub(crate) fn retry_directory(staging: &Path) -> PathBuf {
    staging.join("retry")
}

/// The names of our call files in a directory, sorted.
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

/// Which directory a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DirectoryId {
    pub device: u64,
    pub inode: u64,
}

impl DirectoryId {
    /// `None` when there is no directory at the path.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let metadata = path.metadata().ok()?;
        metadata.is_dir().then(|| Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }
}

/// Whether there is a directory at `path`, on the same file system as `first`,
/// which was there at start. When a file system is unmounted, an empty directory
/// remains, its mount point. The lock on staging keeps the file system alive, so
/// that it has the same device number when it is mounted again.
pub(super) fn is_mounted(first: Option<DirectoryId>, path: &Path) -> bool {
    DirectoryId::of(path).is_some_and(|now| first.is_none_or(|first| first.device == now.device))
}
