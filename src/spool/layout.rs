//! The directories of the spool, and the call files in them.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::{fmt, io};

use super::name::CallFileName;
use crate::config::SpoolSettings;
use crate::storage::durable::Directory;
use crate::storage::quarantine;
use crate::storage::regular_file::{RegularFile, UnusableFile};

/// Bytes of a call file at most, with what Asterisk appends. Texts have fewer than
/// 2,000 bytes, and each attempt appends some 100.
pub(super) const CALL_FILE_MAX: u64 = 4 << 20;

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
    Ok(entries(directory)?.0)
}

/// Puts aside what has the name of a call file in a directory and is something else:
/// a link, a directory, a FIFO. Asterisk's user may have made it, or a damaged disk.
/// Returns the names of these.
pub(super) fn put_irregular_aside(staging: &Directory, directory: &Path) -> Vec<CallFileName> {
    // The directory is read again at the next scan.
    let (_, irregular) = entries(directory).unwrap_or_default();
    for name in &irregular {
        let path = directory.join(name.to_os_string());
        quarantine::put_aside(staging, &path, &UnusableFile::NotRegular);
    }
    irregular
}

/// Reads a call file.
///
/// # Errors
/// Those of [`RegularFile::read`].
pub(super) fn read(directory: &Path, name: CallFileName) -> io::Result<RegularFile> {
    RegularFile::read(directory, &name.to_os_string(), CALL_FILE_MAX)
}

/// The names of regular files, and of others, both sorted.
fn entries(directory: &Path) -> io::Result<(Vec<CallFileName>, Vec<CallFileName>)> {
    let (mut regular, mut irregular) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let Some(name) = CallFileName::parse(&entry.file_name()) else {
            continue;
        };
        match entry.file_type() {
            Ok(kind) if !kind.is_file() => irregular.push(name),
            _ => regular.push(name),
        }
    }
    regular.sort();
    irregular.sort();
    Ok((regular, irregular))
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
