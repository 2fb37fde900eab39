//! Who this process is: root is given up for the owner of `outgoingdir`.
//!
//! Asterisk's user owns the spool, and may put links and other directories where
//! files are expected. Root would follow them. So a process of root's becomes that
//! user before it touches a directory of the spool. It stays root only if
//! `outgoingdir` belongs to root and nobody else can put another directory in its
//! place.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use nix::sys::prctl;
use nix::unistd::{Gid, Uid, geteuid, setgroups, setresgid, setresuid};
use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, open, openat, readlinkat};
use thiserror::Error;
use tracing::warn;

use crate::accounts::{Accounts, Ids, UnknownAccount, UnreadableAccounts};
use crate::config::Config;
use crate::logging::chain;
use crate::storage::directory_error::DirectoryError;

/// Symbolic links that a path may have; Linux follows as many (`path_resolution(7)`).
const MAX_LINKS: u32 = 40;
/// Permission to write for the group and for others.
const WRITE_FOR_OTHERS: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// Keeps what this process knows out of core dumps and away from the debuggers of
/// its user (prctl(2), `PR_SET_DUMPABLE`).
pub(crate) fn protect_memory() {
    if let Err(errno) = prctl::set_dumpable(false) {
        warn!(error = %chain(&errno), "core dumps not prevented");
    }
}

/// Becomes the owner of call files, for good, if this is root; returns who that
/// is. `None` means that nothing changed: this is not root, or root owns the spool.
///
/// # Errors
/// When root would have to work in a directory of somebody else, or that user
/// cannot be found or become.
pub(crate) fn become_owner(config: &Config) -> Result<Option<Ids>, PrivilegeError> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    let path = existing(config);
    let directory = find(path)?;
    let accounts = Accounts::read()?;
    let ids = match &config.spool.file_owner {
        Some(owner) => accounts.ids(&owner.user, owner.group.as_deref())?,
        None => directory.owner,
    };
    if ids.user != 0 {
        become_user(ids, &accounts.supplementary_groups(ids.user))
            .map_err(|source| PrivilegeError::Refused { ids, source })?;
        return Ok(Some(ids));
    }
    let path = path.to_owned();
    if directory.owner.user != 0 {
        let owner = directory.owner.user;
        return Err(PrivilegeError::RootInAnothersDirectory { path, owner });
    }
    match directory.replaceable_in {
        Some(parent) => Err(PrivilegeError::Replaceable { path, parent }),
        None => Ok(None),
    }
}

/// `outgoingdir`, or what there is of `outboxdir` where no call files are handed on.
fn existing(config: &Config) -> &Path {
    let outgoing = config.spool.outgoing.as_path();
    if outgoing.symlink_metadata().is_ok() {
        return outgoing;
    }
    let mut ancestors = config.outbox.ancestors();
    ancestors
        .find(|path| path.symlink_metadata().is_ok())
        .unwrap_or(outgoing)
}

fn become_user(ids: Ids, groups: &[u32]) -> io::Result<()> {
    let groups: Vec<_> = groups.iter().copied().map(Gid::from_raw).collect();
    let (user, group) = (Uid::from_raw(ids.user), Gid::from_raw(ids.group));
    setgroups(&groups)?;
    setresgid(group, group, group)?;
    setresuid(user, user, user)?;
    // The kernel has set it anew (credentials(7)).
    protect_memory();
    Ok(())
}

/// A directory as its path leads to it now.
struct Found {
    owner: Ids,
    /// The first directory on the way in which somebody other than root can put
    /// another file in the place of one.
    replaceable_in: Option<PathBuf>,
}

/// Follows a path step by step, as the kernel does, but through no link that
/// somebody other than root can have made.
fn find(path: &Path) -> Result<Found, PrivilegeError> {
    let failed = |source: io::Error| DirectoryError::Missing {
        path: path.to_owned(),
        key: "outgoingdir",
        source,
    };
    let absolute = std::path::absolute(path).map_err(failed)?;
    let mut steps: Vec<OsString> = steps(&absolute);
    let mut links = 0;
    let mut walk = PathWalk::at_root().map_err(failed)?;
    while let Some(step) = steps.pop() {
        let next = walk.look_at(&step).map_err(failed)?;
        if next.kind() != FileType::Symlink {
            walk.enter(&step, next);
            continue;
        }
        links += 1;
        if walk.is_writable_by_others() || links > MAX_LINKS {
            return Err(PrivilegeError::Link {
                path: walk.path.join(step),
                parent: walk.path,
            });
        }
        let target = walk.target_of(&step).map_err(failed)?;
        if target.is_absolute() {
            walk.return_to_root().map_err(failed)?;
        }
        steps.extend(self::steps(&target));
    }
    if walk.directory.kind() != FileType::Directory {
        let (path, key) = (path.to_owned(), "outgoingdir");
        return Err(DirectoryError::NotADirectory { path, key }.into());
    }
    // In a sticky one others can put files, but not remove those of root.
    let is_open = walk.is_writable_by_others() && !walk.directory.is_sticky();
    let own = is_open.then(|| walk.path.clone());
    Ok(Found {
        owner: walk.directory.owner(),
        replaceable_in: walk.replaceable_in.or(own),
    })
}

/// The names that a path consists of, last one first.
fn steps(path: &Path) -> Vec<OsString> {
    let name = |component: Component<'_>| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().rev().filter_map(name).collect()
}

struct PathWalk {
    directory: FileHandle,
    /// Where that is, for error messages.
    path: PathBuf,
    replaceable_in: Option<PathBuf>,
}

impl PathWalk {
    fn at_root() -> io::Result<Self> {
        Ok(Self {
            directory: FileHandle::root()?,
            path: PathBuf::from("/"),
            replaceable_in: None,
        })
    }

    fn return_to_root(&mut self) -> io::Result<()> {
        self.directory = FileHandle::root()?;
        self.path = PathBuf::from("/");
        Ok(())
    }

    fn look_at(&self, name: &OsStr) -> io::Result<FileHandle> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        FileHandle::new(openat(&self.directory.file, name, flags, Mode::empty())?)
    }

    fn target_of(&self, link: &OsStr) -> io::Result<PathBuf> {
        let target = readlinkat(&self.directory.file, link, Vec::new())?;
        Ok(PathBuf::from(OsStr::from_bytes(target.to_bytes())))
    }

    fn enter(&mut self, name: &OsStr, next: FileHandle) {
        let is_kept = self.directory.is_sticky() && next.owner().user == 0;
        if self.is_writable_by_others() && !is_kept {
            let first = || self.path.clone();
            self.replaceable_in.get_or_insert_with(first);
        }
        self.path.push(name);
        self.directory = next;
    }

    /// Whether others than root may create names here.
    fn is_writable_by_others(&self) -> bool {
        self.directory.owner().user != 0 || self.directory.mode() & WRITE_FOR_OTHERS != 0
    }
}

/// A file by descriptor, so that it stays the same one.
struct FileHandle {
    file: OwnedFd,
    stat: Stat,
}

impl FileHandle {
    fn new(file: OwnedFd) -> io::Result<Self> {
        let stat = fstat(file.as_fd())?;
        Ok(Self { file, stat })
    }

    fn root() -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Self::new(open("/", flags, Mode::empty())?)
    }

    fn owner(&self) -> Ids {
        Ids {
            user: self.stat.st_uid,
            group: self.stat.st_gid,
        }
    }

    fn mode(&self) -> u32 {
        self.stat.st_mode
    }

    fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.stat.st_mode)
    }

    fn is_sticky(&self) -> bool {
        self.mode() & STICKY != 0
    }
}

/// Root must not touch the spool. The administrator must act.
#[derive(Debug, Error)]
pub(crate) enum PrivilegeError {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error(
        "use {}: it is a symbolic link in {}, where others than root can write, so root would \
         follow it anywhere (configure the directory itself)",
        path.display(),
        parent.display()
    )]
    Link { path: PathBuf, parent: PathBuf },
    #[error(
        "use {} as root: others than root can write into {}, and so put another directory there \
         (give it to Asterisk's user: chown asterisk:asterisk, or set fileowner to that user, or \
         run this as that user)",
        path.display(),
        parent.display()
    )]
    Replaceable { path: PathBuf, parent: PathBuf },
    #[error(
        "write call files of root into {}, which belongs to user {owner}: root would work in a \
         directory of that user (set fileowner to Asterisk's user, or remove it)",
        path.display()
    )]
    RootInAnothersDirectory { path: PathBuf, owner: u32 },
    #[error("{0} (name Asterisk's user in fileowner, or give numbers: fileowner = 101:101)")]
    UnknownOwner(#[from] UnknownAccount),
    #[error(transparent)]
    Accounts(#[from] UnreadableAccounts),
    #[error(
        "become user {} (group {}), who owns the spool (run this as that user, or let it become \
         that user: capabilities CAP_SETUID and CAP_SETGID)",
        ids.user,
        ids.group
    )]
    Refused { ids: Ids, source: io::Error },
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    use super::*;

    /// Resolved, because a link in a directory of others is refused.
    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        (folder, path)
    }

    #[test]
    fn directory_is_found_with_its_owner() {
        let (_guard, path) = folder();
        fs::create_dir(path.join("a")).unwrap();
        let found = find(&path.join("./a/../a")).unwrap();
        let metadata = path.join("a").metadata().unwrap();
        assert_eq!(
            (found.owner.user, found.owner.group),
            (metadata.uid(), metadata.gid())
        );
    }

    #[test]
    fn link_is_followed_only_where_root_alone_can_write() {
        let (_guard, path) = folder();
        fs::create_dir(path.join("a")).unwrap();
        symlink("a", path.join("link")).unwrap();
        symlink("loop", path.join("loop")).unwrap();
        let metadata = path.metadata().unwrap();
        assert_eq!(find(&path.join("link")).is_ok(), metadata.uid() == 0);
        assert!(matches!(
            find(&path.join("loop")),
            Err(PrivilegeError::Link { .. })
        ));
        fs::set_permissions(&path, Permissions::from_mode(0o1777)).unwrap();
        assert!(matches!(
            find(&path.join("link/")),
            Err(PrivilegeError::Link { .. })
        ));
    }

    #[test]
    fn directory_that_others_can_replace_is_noticed() {
        let (_guard, path) = folder();
        let (parent, directory) = (path.join("a"), path.join("a/b"));
        fs::create_dir_all(&directory).unwrap();
        let is_root = path.metadata().unwrap().uid() == 0;
        for (mode, own, replaceable) in [
            (0o755, 0o755, !is_root),
            (0o775, 0o755, true),
            (0o1777, 0o755, !is_root),
            (0o755, 0o775, true),
            (0o755, 0o1777, !is_root),
        ] {
            fs::set_permissions(&parent, Permissions::from_mode(mode)).unwrap();
            fs::set_permissions(&directory, Permissions::from_mode(own)).unwrap();
            let found = find(&directory).unwrap();
            assert_eq!(found.replaceable_in.is_some(), replaceable, "{mode:o}");
        }
    }

    #[test]
    fn file_is_no_directory() {
        let (_guard, path) = folder();
        fs::write(path.join("file"), "").unwrap();
        for name in ["file", "missing", "file/below"] {
            assert!(find(&path.join(name)).is_err(), "{name}");
        }
    }
}
