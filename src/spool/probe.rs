//! Can call files get from here to Asterisk?
//!
//! Asterisk deletes a call file that it cannot open, and starts one twice that
//! it can read but not write (`pbx/pbx_spool.c`, `scan_service`,
//! `safe_append`). A rename between file systems is a copy, and Asterisk reads
//! half of it. So all of this is found out before the first message is accepted.

use std::fmt;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::AccessFlags;
use tempfile::Builder;

use super::layout::retry_directory;
use crate::config::{Owner, SpoolSettings};
use crate::storage::durable::{Access, Directory, DirectoryLock};

/// Tries all steps of a call file and returns the staging directory.
///
/// # Errors
/// The first step that fails, with its remedy.
pub(crate) fn probe(queue: &SpoolSettings) -> Result<Directory, ProbeError> {
    let access = access(queue)?;
    metadata(&queue.staging, "stagingdir")?;
    let staging = Directory::new(&queue.staging, access);
    // Dropping what was written removes it again.
    staging.prepare(b"probe").map_err(|error| {
        let us = own_identity();
        ProbeError {
            problem: format!(
                "write a call file into {}: {error}",
                queue.staging.display()
            ),
            remedy: format!(
                "call files must belong to user {} (group {}), and this runs as {us}: let it run \
                 as that user or as root, and let it write into the directory",
                access.user, access.group
            ),
        }
    })?;
    writable(&queue.outgoing)?;
    same_mount(&queue.staging, &queue.outgoing)?;
    Ok(staging)
}

/// Makes sure that no other `websmsd` uses the same staging directory.
///
/// # Errors
/// When one does.
pub(crate) fn claim(staging: &Directory) -> Result<DirectoryLock, ProbeError> {
    staging.lock().map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => ProbeError {
            problem: format!("use {}: another websmsd uses it", staging.path().display()),
            remedy: "stop the other one, or name another directory with stagingdir".to_owned(),
        },
        _ => ProbeError::new("claim", staging.path(), &error),
    })
}

/// Creates the directories that are ours alone and not there yet; returns the
/// one for what shall be tried again.
///
/// # Errors
/// When one cannot be created.
pub(crate) fn directories(
    queue: &SpoolSettings,
    staging: &Directory,
) -> Result<PathBuf, ProbeError> {
    let retry = retry_directory(&queue.staging);
    for path in [&retry, &queue.failed] {
        staging
            .create(path)
            .map_err(|error| ProbeError::new("create", path, &error))?;
    }
    Ok(retry)
}

fn metadata(path: &Path, key: &str) -> Result<Metadata, ProbeError> {
    let metadata = path.metadata().map_err(|source| ProbeError {
        problem: format!("find {}: {source}", path.display()),
        remedy: format!(
            "create it for Asterisk's user (install -d -o asterisk -g asterisk -m 0750 {}), \
             or name another with {key}",
            path.display()
        ),
    })?;
    if metadata.is_dir() {
        return Ok(metadata);
    }
    Err(ProbeError {
        problem: format!("use {}: it is not a directory", path.display()),
        remedy: format!("name a directory with {key}"),
    })
}

/// Who shall own call files: Asterisk's user, who owns `outgoingdir` unless
/// `fileowner` says otherwise.
///
/// # Errors
/// When `outgoingdir` is not there, or nobody has that name.
pub(crate) fn access(queue: &SpoolSettings) -> Result<Access, ProbeError> {
    let outgoing = metadata(&queue.outgoing, "outgoingdir")?;
    let (user, group) = match &queue.file_owner {
        None => (outgoing.uid(), outgoing.gid()),
        Some(owner) => resolve(owner)?,
    };
    Ok(Access {
        mode: queue.file_mode,
        user,
        group,
    })
}

/// Names to numbers by `/etc/passwd` and `/etc/group`. The C library's way
/// would need its name service modules, which a static binary does not have.
fn resolve(owner: &Owner) -> Result<(u32, u32), ProbeError> {
    let unknown = |what: &str, name: &str, file: &str| ProbeError {
        problem: format!("find the {what} {name:?} of fileowner in {file}"),
        remedy: "name Asterisk's user, or give numbers: fileowner = 101:101".to_owned(),
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

/// The fields of the line whose field at `position` is `value`.
fn entry(file: &str, position: usize, value: &str) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(file).ok()?;
    text.lines()
        .map(|line| line.split(':').map(str::to_owned).collect::<Vec<_>>())
        .find(|fields| fields.get(position).is_some_and(|field| field == value))
}

/// Whether a file could be renamed from one to the other. A rename onto `.` is
/// refused, but for another reason when the two are under different mounts
/// (rename(2): EXDEV comes before EBUSY); that way nothing appears in
/// `outgoing` that Asterisk would look at.
fn same_mount(staging: &Path, outgoing: &Path) -> Result<(), ProbeError> {
    let file = Builder::new()
        .prefix(".")
        .suffix(".tmp")
        .tempfile_in(staging)
        .map_err(|source| ProbeError::new("write into", staging, &source))?;
    match std::fs::rename(file.path(), outgoing.join(".")) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => Err(ProbeError {
            problem: format!(
                "move a call file from {} to {}: they are on different file systems",
                staging.display(),
                outgoing.display()
            ),
            remedy: "put both under one mount; in Docker, mount the spool directory that holds \
                     both as one volume"
                .to_owned(),
        }),
        _ => Ok(()),
    }
}

fn writable(directory: &Path) -> Result<(), ProbeError> {
    nix::unistd::access(directory, AccessFlags::W_OK | AccessFlags::X_OK)
        .map_err(|errno| ProbeError::new("write into", directory, &errno.into()))
}

/// Who we are, for a message about what we may not do.
fn own_identity() -> String {
    format!(
        "user {}, group {}",
        nix::unistd::geteuid(),
        nix::unistd::getegid()
    )
}

/// The spool cannot be used. The administrator must act; no message is
/// accepted before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeError {
    problem: String,
    remedy: String,
}

impl ProbeError {
    pub(super) fn new(step: &str, path: &Path, source: &io::Error) -> Self {
        Self {
            problem: format!("{step} {}: {source}", path.display()),
            remedy: format!("{}, and this runs as {}", describe(path), own_identity()),
        }
    }
}

/// Owner and mode of a directory, for a message about what we may not do.
fn describe(path: &Path) -> String {
    let path: PathBuf = path.to_owned();
    match path.metadata() {
        Ok(metadata) => format!(
            "{} has mode {:04o}, user {}, group {}",
            path.display(),
            metadata.mode() & 0o7777,
            metadata.uid(),
            metadata.gid()
        ),
        Err(error) => format!("{} cannot be looked at: {error}", path.display()),
    }
}

impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.problem, self.remedy)
    }
}

impl std::error::Error for ProbeError {}
