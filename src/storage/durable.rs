//! Durable files: after a power failure a file is complete or missing.
//!
//! A file is written under a temporary name, gets its owner and mode, is synced,
//! and is renamed to a free name. Then the directory is synced, because fsync(2)
//! of a file does not make its name durable.
//!
//! A step that fails leaves neither the name nor the temporary file. A crash can
//! leave the temporary file, which [`Directory::remove_temporary`] removes.

use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{panic, thread};

use nix::fcntl::{Flock, FlockArg};
use nix::sys::statvfs::statvfs;
use nix::unistd::{Gid, Uid, fchown, geteuid};
use rustix::fs::{CWD, Mode, OFlags, RenameFlags, mkdirat, openat, renameat_with};
use tempfile::{Builder, NamedTempFile, TempPath};

/// Prefix and suffix of temporary names. Asterisk reads files with any name, so
/// temporary files are never in its directory.
const TEMPORARY: (&str, &str) = (".", ".tmp");

/// Mode of directories that are created.
const DIRECTORY_MODE: u32 = 0o750;

/// Threads that sync files. Concurrent syncs share commits of the file system's
/// journal and flushes of the disk; more threads than this gain nothing.
const SYNC_THREADS: usize = 8;

/// Owner and mode of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Access {
    /// Permission bits.
    pub mode: u32,
    pub user: u32,
    pub group: u32,
}

/// A directory of durable files. Every step looks its path up again, so that the
/// directory that is synced is the one that was written to, even when an
/// administrator replaces it meanwhile.
#[derive(Debug, Clone)]
pub(crate) struct Directory {
    path: PathBuf,
    access: Access,
}

/// An exclusive lock on a directory, released when dropped.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    _lock: Flock<File>,
}

impl Directory {
    /// A directory that exists, whose files get this owner and mode.
    pub(crate) fn new(path: &Path, access: Access) -> Self {
        Self {
            path: path.to_owned(),
            access,
        }
    }

    /// A directory that exists, whose files get its own owner and this mode.
    ///
    /// # Errors
    /// When its metadata cannot be read.
    pub(crate) fn with_owner_of(path: &Path, mode: u32) -> io::Result<Self> {
        let metadata = path.metadata()?;
        let (user, group) = (metadata.uid(), metadata.gid());
        Ok(Self::new(path, Access { mode, user, group }))
    }

    /// Like [`Self::with_owner_of`], but creates a missing directory, with the
    /// owner of its parent.
    ///
    /// # Errors
    /// When it cannot be created, or its metadata cannot be read.
    pub(crate) fn open_or_create(path: &Path, mode: u32) -> io::Result<Self> {
        if !path.is_dir() {
            let parent = path.parent().unwrap_or(path);
            match Self::with_owner_of(parent, mode)?.create(path) {
                // Another process has created it meanwhile.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                created => created?,
            }
        }
        Self::with_owner_of(path, mode)
    }

    /// Another directory whose files get the same owner and mode.
    pub(crate) fn at(&self, path: &Path) -> Self {
        Self::new(path, self.access)
    }

    /// Locks the directory for this process (flock(2)). Only processes that lock
    /// it as well are kept out.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when another process has locked it; another
    /// kind when it cannot be opened.
    pub(crate) fn lock(&self) -> io::Result<DirectoryLock> {
        let handle = File::open(&self.path)?;
        match Flock::lock(handle, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(DirectoryLock { _lock: lock }),
            Err((_, errno)) => Err(errno.into()),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Owner and mode of its files.
    pub(crate) fn access(&self) -> Access {
        self.access
    }

    /// Writes and syncs a file under a temporary name; [`Self::publish`] gives it
    /// its name.
    ///
    /// # Errors
    /// The step that failed; the temporary file is removed then.
    pub(crate) fn prepare(&self, content: &[u8]) -> Result<TempPath, StoreError> {
        let mut file = self.begin()?;
        file.write_all(content).map_err(failed("write"))?;
        self.finish(file)
    }

    /// Writes, syncs and removes a temporary file, to find out whether files can be
    /// stored.
    ///
    /// # Errors
    /// The step that failed.
    pub(crate) fn probe(&self) -> Result<(), StoreError> {
        // Dropping the file removes it.
        self.prepare(b"probe").map(drop)
    }

    /// Creates an empty temporary file that only its owner can read, for content
    /// that comes in chunks. [`Self::finish`] does the rest of [`Self::prepare`].
    ///
    /// # Errors
    /// When the file cannot be created.
    pub(crate) fn begin(&self) -> Result<NamedTempFile, StoreError> {
        Builder::new()
            .prefix(TEMPORARY.0)
            .suffix(TEMPORARY.1)
            .tempfile_in(&self.path)
            .map_err(failed("create a file"))
    }

    /// Gives a file of [`Self::begin`] its owner and mode, and syncs it. The file
    /// may be in another directory of the same file system.
    ///
    /// # Errors
    /// The step that failed; the temporary file is removed then.
    pub(crate) fn finish(&self, file: NamedTempFile) -> Result<TempPath, StoreError> {
        self.set_access(file.as_file())?;
        file.as_file().sync_all().map_err(failed("sync the file"))?;
        // Closed, because many files can wait for their names.
        Ok(file.into_temp_path())
    }

    /// [`Self::prepare`] for several sets of files, on several threads. Each set
    /// succeeds or fails as a whole, independently of the others.
    #[must_use]
    pub(crate) fn prepare_all(
        &self,
        sets: &[Vec<&[u8]>],
    ) -> Vec<Result<Vec<TempPath>, StoreError>> {
        let prepare = |sets: &[Vec<&[u8]>]| -> Vec<_> {
            let set = |set: &Vec<&[u8]>| set.iter().map(|content| self.prepare(content)).collect();
            sets.iter().map(set).collect()
        };
        if sets.len() < 2 {
            return prepare(sets);
        }
        let chunk_size = sets.len().div_ceil(SYNC_THREADS);
        thread::scope(|scope| {
            let chunks: Vec<_> = sets
                .chunks(chunk_size)
                .map(|chunk| {
                    let thread = thread::Builder::new();
                    let spawned = thread.spawn_scoped(scope, move || prepare(chunk));
                    // When the system has no more threads, this one does it.
                    spawned.map_err(|_| prepare(chunk))
                })
                .collect();
            let prepared = chunks.into_iter().flat_map(|chunk| match chunk {
                Ok(thread) => thread
                    .join()
                    .unwrap_or_else(|panic| panic::resume_unwind(panic)),
                Err(prepared) => prepared,
            });
            prepared.collect()
        })
    }

    fn set_access(&self, file: &File) -> Result<(), StoreError> {
        self.set_owner(file).map_err(failed("change the owner"))?;
        file.set_permissions(Permissions::from_mode(self.access.mode))
            .map_err(failed("change the mode"))
    }

    /// Gives a prepared file its name, which is durable only after [`Self::sync`].
    ///
    /// # Errors
    /// When the rename fails, or a file with this name exists; that stays as it
    /// is.
    pub(crate) fn publish(&self, file: TempPath, name: &OsStr) -> Result<(), StoreError> {
        file.persist_noclobber(self.path.join(name))
            .map_err(|error| failed("rename")(error.error))
    }

    /// Writes a file and replaces the one with this name, if there is one. Until
    /// [`Self::sync`], a crash may bring the old file back.
    ///
    /// # Errors
    /// The step that failed; the old file stays as it is.
    pub(crate) fn replace(&self, content: &[u8], name: &OsStr) -> Result<(), StoreError> {
        let path = self.path.join(name);
        let new = self.prepare(content)?;
        new.persist(path)
            .map_err(|error| failed("rename")(error.error))
    }

    /// Moves a file to another directory of the same file system, like
    /// [`move_to`].
    ///
    /// # Errors
    /// When the file is missing, or the name exists there; nothing has changed
    /// then.
    pub(crate) fn move_file_to(&self, other: &Path, name: &OsStr) -> io::Result<()> {
        move_to(&self.path.join(name), &other.join(name))
    }

    /// Removes a file.
    ///
    /// # Errors
    /// When it is missing or cannot be removed.
    pub(crate) fn remove(&self, name: &OsStr) -> io::Result<()> {
        std::fs::remove_file(self.path.join(name))
    }

    /// Makes the names of all published files durable.
    ///
    /// # Errors
    /// When the sync fails; each of the names may then be lost in a crash.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        File::open(&self.path)
            .and_then(|directory| directory.sync_all())
            .map_err(failed("sync the directory"))
    }

    /// Free bytes of the file system, without the reserve of root.
    ///
    /// # Errors
    /// When the directory is missing.
    pub(crate) fn free(&self) -> io::Result<u64> {
        let disk = statvfs(&self.path)?;
        Ok(disk.blocks_available().saturating_mul(disk.fragment_size()))
    }

    /// Creates another directory with the owner of this one's files, unless it
    /// exists.
    ///
    /// # Errors
    /// When it cannot be created, or its owner not changed.
    pub(crate) fn create(&self, path: &Path) -> io::Result<()> {
        let Some(name) = path.file_name().filter(|_| !path.is_dir()) else {
            return Ok(());
        };
        // By descriptors: what is at the path may be another one a moment later.
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let parent = path.parent().unwrap_or(path);
        let parent = openat(CWD, parent, flags | OFlags::PATH, Mode::empty())?;
        mkdirat(&parent, name, Mode::from_raw_mode(DIRECTORY_MODE))?;
        let created = openat(&parent, name, flags | OFlags::NOFOLLOW, Mode::empty())?;
        self.set_owner(&File::from(created))
    }

    /// Gives a file or directory that this process has created its owner.
    fn set_owner(&self, file: &File) -> io::Result<()> {
        let Access { user, group, .. } = self.access;
        let metadata = file.metadata()?;
        if (metadata.uid(), metadata.gid()) == (user, group) {
            return Ok(());
        }
        if metadata.uid() != geteuid().as_raw() {
            return Err(io::Error::other(
                "somebody has put another one in its place",
            ));
        }
        fchown(file, Some(Uid::from_raw(user)), Some(Gid::from_raw(group)))?;
        Ok(())
    }

    /// Removes temporary files that are at least `age` old, and returns how many.
    /// They may belong to a process that is still writing: unless the directory is
    /// locked, `age` must be long enough for it to finish.
    ///
    /// # Errors
    /// When the directory cannot be read, or a file cannot be removed.
    pub(crate) fn remove_temporary(&self, age: Duration) -> io::Result<usize> {
        let mut removed = 0;
        for entry in std::fs::read_dir(&self.path)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            let old = || {
                metadata.modified().is_ok_and(|time| {
                    // A time in the future counts as old: the clock was set back.
                    time.elapsed().map_or(true, |passed| passed >= age)
                })
            };
            if is_temporary(&entry.file_name()) && metadata.is_file() && old() {
                std::fs::remove_file(entry.path())?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

/// Renames a file within its file system, but overwrites no other file.
///
/// # Errors
/// When the file is missing, or the new name exists; nothing has changed then.
pub(crate) fn move_to(from: &Path, to: &Path) -> io::Result<()> {
    Ok(renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?)
}

fn is_temporary(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(TEMPORARY.0.as_bytes()) && name.ends_with(TEMPORARY.1.as_bytes())
}

/// A file could not be stored. Its content is lost unless its sender repeats it;
/// the administrator must check the disk.
#[derive(Debug, thiserror::Error)]
#[error("{step}")]
pub(crate) struct StoreError {
    step: &'static str,
    source: io::Error,
}

impl StoreError {
    /// Whether space or quota is used up, so that it may work later.
    pub(crate) fn is_disk_full(&self) -> bool {
        is_disk_full(&self.source)
    }
}

/// Whether space or quota is used up.
pub(crate) fn is_disk_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

fn failed(step: &'static str) -> impl FnOnce(io::Error) -> StoreError {
    move |source| StoreError { step, source }
}

impl From<StoreError> for io::Error {
    /// The kind is [`io::ErrorKind::Other`] unless the disk is full: callers must not
    /// take a missing directory for a missing file.
    fn from(error: StoreError) -> Self {
        let kind = if error.is_disk_full() {
            error.source.kind()
        } else {
            io::ErrorKind::Other
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> (tempfile::TempDir, Directory) {
        let temporary = tempfile::tempdir().unwrap();
        let metadata = temporary.path().metadata().unwrap();
        let access = Access {
            mode: 0o640,
            user: metadata.uid(),
            group: metadata.gid(),
        };
        let directory = Directory::new(temporary.path(), access);
        (temporary, directory)
    }

    fn names(directory: &Directory) -> Vec<String> {
        std::fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn stored_file_has_its_content_and_mode() {
        let (_guard, directory) = directory();
        let file = directory.prepare(b"content").unwrap();
        directory.publish(file, OsStr::new("a.call")).unwrap();
        directory.sync().unwrap();
        assert_eq!(names(&directory), ["a.call"]);
        let path = directory.path().join("a.call");
        assert_eq!(std::fs::read(&path).unwrap(), b"content");
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o640);
    }

    #[test]
    fn files_prepared_on_several_threads_keep_their_order() {
        let (_guard, directory) = directory();
        for count in [0, 1, 2, 7, 8, 9, 100] {
            let contents: Vec<_> = (0..count).map(|number| format!("{number}")).collect();
            let sets: Vec<_> = contents
                .iter()
                .map(|content| vec![content.as_bytes(), b"and more"])
                .collect();
            let files = directory.prepare_all(&sets);
            let read = |path: &TempPath| std::fs::read(path).unwrap();
            let read: Vec<Vec<_>> = files
                .iter()
                .map(|set| set.as_ref().unwrap().iter().map(read).collect())
                .collect();
            assert_eq!(read, sets);
        }
        assert!(names(&directory).is_empty());
    }

    #[test]
    fn file_of_the_same_name_is_not_overwritten() {
        let (_guard, directory) = directory();
        let path = directory.path().join("a.call");
        std::fs::write(&path, "first").unwrap();
        let file = directory.prepare(b"second").unwrap();
        assert!(directory.publish(file, OsStr::new("a.call")).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        assert_eq!(names(&directory), ["a.call"]);
    }

    #[test]
    fn locked_directory_cannot_be_locked_again() {
        let (_guard, directory) = directory();
        let lock = directory.lock().unwrap();
        let error = directory.lock().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        drop(lock);
        directory.lock().unwrap();
    }

    #[test]
    fn only_old_temporary_files_are_removed() {
        let (_guard, directory) = directory();
        for name in [".abc.tmp", ".hidden", "x.tmp", "y.call"] {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        assert_eq!(
            directory.remove_temporary(Duration::from_secs(60)).unwrap(),
            0
        );
        assert_eq!(directory.remove_temporary(Duration::ZERO).unwrap(), 1);
        let mut left = names(&directory);
        left.sort();
        assert_eq!(left, [".hidden", "x.tmp", "y.call"]);
    }
}
