//! Checks that call files can get from here to Asterisk.
//!
//! Asterisk deletes a call file that it cannot open, and starts one twice that it
//! can read but not write (`pbx/pbx_spool.c`, `scan_service`, `safe_append`). A
//! move between file systems is a copy, and Asterisk would read half of it. So all
//! of this is checked before the first message is accepted.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::AccessFlags;
use tempfile::Builder;

use super::layout::retry_directory;
use crate::accounts::{Accounts, Ids, UnknownAccount, UnreadableAccounts};
use crate::config::SpoolSettings;
use crate::storage::directory_error::DirectoryError;
use crate::storage::durable::{Access, Directory, DirectoryLock, StoreError, is_disk_full};

/// The staging directory, if it is one.
///
/// # Errors
/// When it or `outgoingdir` is missing, or an owner unknown.
pub(crate) fn staging(settings: &SpoolSettings) -> Result<Directory, ProbeError> {
    let access = access(settings)?;
    directory_metadata(&settings.staging, "stagingdir")?;
    Ok(Directory::new(&settings.staging, access))
}

/// Does everything that a call file needs, and returns the staging directory.
///
/// # Errors
/// The first step that fails, with its remedy.
pub(crate) fn probe(settings: &SpoolSettings) -> Result<Directory, ProbeError> {
    let staging = staging(settings)?;
    let access = staging.access();
    staging.probe().map_err(|source| ProbeError::Write {
        staging: settings.staging.clone(),
        access,
        us: own_identity(),
        source,
    })?;
    check_writable(&settings.outgoing)?;
    check_same_mount(&settings.staging, &settings.outgoing)?;
    Ok(staging)
}

/// Locks staging for this process.
///
/// # Errors
/// When another `websmsd` has locked it.
pub(crate) fn lock(staging: &Directory) -> Result<DirectoryLock, ProbeError> {
    staging.lock().map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => DirectoryError::InUse {
            path: staging.path().to_owned(),
            key: "stagingdir",
        }
        .into(),
        _ => ProbeError::step("lock", staging.path(), error),
    })
}

/// Creates the directories that only we use, if they are missing. Returns
/// [`retry_directory`].
///
/// # Errors
/// When a directory cannot be created.
pub(crate) fn create_directories(
    settings: &SpoolSettings,
    staging: &Directory,
) -> Result<PathBuf, ProbeError> {
    let retry = retry_directory(&settings.staging);
    for path in [&retry, &settings.failed] {
        staging
            .create(path)
            .map_err(|error| ProbeError::step("create", path, error))?;
    }
    Ok(retry)
}

fn directory_metadata(path: &Path, key: &'static str) -> Result<Metadata, DirectoryError> {
    let path = path.to_owned();
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() => Ok(metadata),
        Ok(_) => Err(DirectoryError::NotADirectory { path, key }),
        Err(source) => Err(DirectoryError::Missing { path, key, source }),
    }
}

/// Mode and owner of call files. The owner is that of `outgoingdir`, Asterisk's
/// user, unless `fileowner` names another one.
///
/// # Errors
/// When `outgoingdir` is missing, or the user or group of `fileowner` is unknown.
pub(crate) fn access(settings: &SpoolSettings) -> Result<Access, ProbeError> {
    let outgoing = directory_metadata(&settings.outgoing, "outgoingdir")?;
    let Ids { user, group } = match &settings.file_owner {
        None => Ids {
            user: outgoing.uid(),
            group: outgoing.gid(),
        },
        Some(owner) => Accounts::read()?.ids(&owner.user, owner.group.as_deref())?,
    };
    Ok(Access {
        mode: settings.file_mode,
        user,
        group,
    })
}

/// Checks that a file can be renamed from one directory to the other. It tries a
/// rename to `.`, which always fails, but with another error across mounts
/// (rename(2): EXDEV comes before EBUSY): so no file appears in outgoing that
/// Asterisk would read.
fn check_same_mount(staging: &Path, outgoing: &Path) -> Result<(), ProbeError> {
    let file = Builder::new()
        .prefix(".")
        .suffix(".tmp")
        .tempfile_in(staging)
        .map_err(|error| ProbeError::step("write into", staging, error))?;
    match std::fs::rename(file.path(), outgoing.join(".")) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            Err(ProbeError::DifferentFileSystems {
                staging: staging.to_owned(),
                outgoing: outgoing.to_owned(),
            })
        }
        _ => Ok(()),
    }
}

fn check_writable(directory: &Path) -> Result<(), ProbeError> {
    nix::unistd::access(directory, AccessFlags::W_OK | AccessFlags::X_OK)
        .map_err(|errno| ProbeError::step("write into", directory, errno.into()))
}

/// User and group of this process, for error messages.
fn own_identity() -> String {
    format!(
        "user {}, group {}",
        nix::unistd::geteuid(),
        nix::unistd::getegid()
    )
}

/// Owner and mode of a directory, for error messages.
fn describe(path: &Path) -> String {
    match path.metadata() {
        Ok(metadata) => format!(
            "{} has mode {:04o}, user {}, group {}",
            path.display(),
            metadata.mode() & 0o7777,
            metadata.uid(),
            metadata.gid()
        ),
        Err(_) => format!("{} is not readable", path.display()),
    }
}

/// The spool cannot be used, so that no message is accepted. The administrator
/// must act.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProbeError {
    /// A rename between the two would be a copy.
    #[error(
        "move a call file from {staging} to {outgoing}: they are on different file systems \
         (put both under one mount; in Docker, mount the spool directory that holds both as \
         one volume)",
        staging = staging.display(),
        outgoing = outgoing.display()
    )]
    DifferentFileSystems { staging: PathBuf, outgoing: PathBuf },
    /// A directory is missing, something else, or in use.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A step that needs no remedy of its own.
    #[error("{step} {path} ({permissions})", path = path.display())]
    Step {
        /// A verb, with a preposition if it needs one.
        step: &'static str,
        path: PathBuf,
        /// Owner and mode of the directory, and who we are.
        permissions: String,
        source: io::Error,
    },
    /// `fileowner` names nobody of this system.
    #[error("{0} (name Asterisk's user in fileowner, or give numbers: fileowner = 101:101)")]
    UnknownOwner(#[from] UnknownAccount),
    #[error(transparent)]
    Accounts(#[from] UnreadableAccounts),
    /// No call file can be made.
    #[error(
        "write a call file into {staging} (call files must belong to user {user} (group {group}), \
         and this runs as {us}: run it as that user or as root, and let it write into the \
         directory)",
        staging = staging.display(),
        user = access.user,
        group = access.group
    )]
    Write {
        staging: PathBuf,
        /// Owner and mode that call files must have.
        access: Access,
        /// User and group of this process.
        us: String,
        source: StoreError,
    },
}

impl ProbeError {
    /// Whether space or quota is used up, so that it may work later.
    pub(crate) fn is_disk_full(&self) -> bool {
        match self {
            Self::Write { source, .. } => source.is_disk_full(),
            Self::Step { source, .. } => is_disk_full(source),
            _ => false,
        }
    }

    pub(super) fn step(step: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Step {
            step,
            path: path.to_owned(),
            permissions: format!("{}, and this runs as {}", describe(path), own_identity()),
            source,
        }
    }
}
