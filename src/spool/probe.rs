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
use crate::config::{Owner, SpoolSettings};
use crate::storage::directory_error::DirectoryError;
use crate::storage::durable::{Access, Directory, DirectoryLock, StoreError};

/// Does everything that a call file needs, and returns the staging directory.
///
/// # Errors
/// The first step that fails, with its remedy.
pub(crate) fn probe(settings: &SpoolSettings) -> Result<Directory, ProbeError> {
    let access = access(settings)?;
    directory_metadata(&settings.staging, "stagingdir")?;
    let staging = Directory::new(&settings.staging, access);
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

fn directory_metadata(path: &Path, key: &'static str) -> Result<Metadata, ProbeError> {
    let path = path.to_owned();
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() => Ok(metadata),
        Ok(_) => Err(ProbeError::NotADirectory { path, key }),
        Err(source) => Err(ProbeError::Missing { path, key, source }),
    }
}

/// Mode and owner of call files. The owner is that of `outgoingdir`, Asterisk's
/// user, unless `fileowner` names another one.
///
/// # Errors
/// When `outgoingdir` is missing, or the user or group of `fileowner` is unknown.
pub(crate) fn access(settings: &SpoolSettings) -> Result<Access, ProbeError> {
    let outgoing = directory_metadata(&settings.outgoing, "outgoingdir")?;
    let (user, group) = match &settings.file_owner {
        None => (outgoing.uid(), outgoing.gid()),
        Some(owner) => resolve(owner)?,
    };
    Ok(Access {
        mode: settings.file_mode,
        user,
        group,
    })
}

/// Looks names up in `/etc/passwd` and `/etc/group`. The C library would need its
/// name service modules, which a static binary does not have.
fn resolve(owner: &Owner) -> Result<(u32, u32), ProbeError> {
    let unknown = |what: &'static str, name: &str, file: &'static str| ProbeError::UnknownOwner {
        what,
        name: name.to_owned(),
        file,
    };
    let by_name = entry("/etc/passwd", 0, &owner.user);
    let user = owner
        .user
        .parse()
        .ok()
        .or_else(|| by_name.as_ref()?.get(2)?.parse().ok());
    let user = user.ok_or_else(|| unknown("user", &owner.user, "/etc/passwd"))?;
    let group = match &owner.group {
        None => by_name
            .or_else(|| entry("/etc/passwd", 2, &owner.user))
            .and_then(|entry| entry.get(3)?.parse().ok()),
        Some(name) => name
            .parse()
            .ok()
            .or_else(|| entry("/etc/group", 0, name)?.get(2)?.parse().ok()),
    };
    let name = owner.group.as_deref().unwrap_or(&owner.user);
    let group = group.ok_or_else(|| unknown("group", name, "/etc/group"))?;
    Ok((user, group))
}

/// The fields of the first line whose field at `index` is `value`.
fn entry(file: &str, index: usize, value: &str) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(file).ok()?;
    text.lines()
        .map(|line| line.split(':').map(str::to_owned).collect::<Vec<_>>())
        .find(|fields| fields.get(index).is_some_and(|field| field == value))
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
    /// Another process has locked the staging directory.
    #[error(transparent)]
    InUse(#[from] DirectoryError),
    #[error(
        "find {path} (create it for Asterisk's user: install -d -o asterisk -g asterisk -m 0750 \
         {path}; or set {key} to another directory)",
        path = path.display()
    )]
    Missing {
        path: PathBuf,
        /// The key that names it.
        key: &'static str,
        source: io::Error,
    },
    /// A path leads to something else.
    #[error("use {path}: not a directory (set {key} to a directory)", path = path.display())]
    NotADirectory {
        path: PathBuf,
        /// The key that names it.
        key: &'static str,
    },
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
    /// This system has no such user or group.
    #[error(
        "find the {what} {name:?} of fileowner in {file} (name Asterisk's user, or give numbers: \
         fileowner = 101:101)"
    )]
    UnknownOwner {
        /// `user` or `group`.
        what: &'static str,
        name: String,
        file: &'static str,
    },
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
    pub(super) fn step(step: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Step {
            step,
            path: path.to_owned(),
            permissions: format!("{}, and this runs as {}", describe(path), own_identity()),
            source,
        }
    }
}
