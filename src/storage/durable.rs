//! Files that are there after a power failure, whole, or not at all.
//!
//! A file is written under a temporary name, gets its mode and owner, is
//! synced, renamed to a name that nobody has, and the directory is synced:
//! fsync(2) of a file does not make its name durable. Nothing here knows what
//! the files hold.
//!
//! Failure at any step leaves neither the name nor the temporary file; a crash
//! can leave the temporary one, which [`Directory::remove_temporary`] removes.

use std::ffi::OsStr;
use std::fs::{DirBuilder, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{panic, thread};

use nix::fcntl::{AT_FDCWD, Flock, FlockArg, RenameFlags, renameat2};
use nix::sys::statvfs::statvfs;
use nix::unistd::{Gid, Uid, fchown};
use tempfile::{Builder, NamedTempFile, TempPath};

/// Start and end of a temporary name. Asterisk takes files with any name, so
/// the two kinds are never in one directory with it.
const TEMPORARY: (&str, &str) = (".", ".tmp");

/// Files that are synced side by side. Syncs that run at the same time share
/// commits of the file system's journal and flushes of the disk; more than this
/// gain nothing.
const SIDE_BY_SIDE: usize = 8;

/// Who owns the files and who may read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Access {
    /// Permission bits.
    pub mode: u32,
    /// Numeric user.
    pub user: u32,
    /// Numeric group.
    pub group: u32,
}

/// A directory that files are stored in. It is looked up anew at every step, so
/// that what is synced is what was written to, whatever an administrator does
/// to directories meanwhile.
#[derive(Debug, Clone)]
pub(crate) struct Directory {
    path: PathBuf,
    access: Access,
}

/// The word that nobody else stores into a directory, as long as it is held.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    _lock: Flock<File>,
}

impl Directory {
    /// A directory that exists.
    #[must_use]
    pub(crate) fn new(path: &Path, access: Access) -> Self {
        Self {
            path: path.to_owned(),
            access,
        }
    }

    /// A directory that exists, whose files have this mode and belong to whoever
    /// owns it.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub(crate) fn with_owner_of(path: &Path, mode: u32) -> io::Result<Self> {
        let metadata = path.metadata()?;
        let (user, group) = (metadata.uid(), metadata.gid());
        Ok(Self::new(path, Access { mode, user, group }))
    }

    /// The same of one that is created, with the owner of the directory around it, if
    /// it is not there.
    ///
    /// # Errors
    /// When it cannot be created or looked at.
    pub(crate) fn open_or_create(path: &Path, mode: u32) -> io::Result<Self> {
        if !path.is_dir() {
            let parent = path.parent().unwrap_or(path);
            match Self::with_owner_of(parent, mode)?.create(path) {
                // Another one was faster.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                created => created?,
            }
        }
        Self::with_owner_of(path, mode)
    }

    /// Another directory whose files have the same owner and mode.
    #[must_use]
    pub(crate) fn at(&self, path: &Path) -> Self {
        Self::new(path, self.access)
    }

    /// Claims the directory for this process (flock(2)).
    ///
    /// # Errors
    /// When another process has claimed it, or it cannot be opened.
    pub(crate) fn lock(&self) -> io::Result<DirectoryLock> {
        let handle = File::open(&self.path)?;
        match Flock::lock(handle, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(DirectoryLock { _lock: lock }),
            Err((_, errno)) => Err(errno.into()),
        }
    }

    /// Where it is.
    #[must_use]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file that has no name yet; [`Self::publish`] gives it one.
    ///
    /// # Errors
    /// When any step fails; nothing is left behind then.
    pub(crate) fn prepare(&self, content: &[u8]) -> Result<TempPath, StoreError> {
        let mut file = self.begin()?;
        file.write_all(content).map_err(|cause| StoreError {
            step: "write",
            cause,
        })?;
        self.finish(file)
    }

    /// Creates a file that has no name yet and that nobody else can read, to be
    /// written bit by bit; [`Self::finish`] makes it what [`Self::prepare`] does.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn begin(&self) -> Result<NamedTempFile, StoreError> {
        Builder::new()
            .prefix(TEMPORARY.0)
            .suffix(TEMPORARY.1)
            .tempfile_in(&self.path)
            .map_err(|cause| StoreError {
                step: "create a file",
                cause,
            })
    }

    /// Gives a written file, which may have been begun in another directory of this
    /// file system, its owner and mode, and syncs it.
    ///
    /// # Errors
    /// When any step fails; nothing is left behind then.
    pub(crate) fn finish(&self, file: NamedTempFile) -> Result<TempPath, StoreError> {
        self.give_away(file.as_file())?;
        file.as_file().sync_all().map_err(|cause| StoreError {
            step: "sync the file",
            cause,
        })?;
        // Closed, so that many can wait for their names.
        Ok(file.into_temp_path())
    }

    /// [`Self::prepare`] for several sets of files, side by side: of each set all
    /// or none. One set can fail and the others be well.
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
        let share = sets.len().div_ceil(SIDE_BY_SIDE);
        thread::scope(|scope| {
            let shares: Vec<_> = sets
                .chunks(share)
                .map(|share| {
                    let thread = thread::Builder::new();
                    let begun = thread.spawn_scoped(scope, move || prepare(share));
                    // Without another thread this one does it.
                    begun.map_err(|_| prepare(share))
                })
                .collect();
            let finished = shares.into_iter().flat_map(|share| match share {
                Ok(thread) => thread
                    .join()
                    .unwrap_or_else(|panic| panic::resume_unwind(panic)),
                Err(done) => done,
            });
            finished.collect()
        })
    }

    fn give_away(&self, file: &File) -> Result<(), StoreError> {
        let step = |step| move |cause| StoreError { step, cause };
        let Access { mode, user, group } = self.access;
        let metadata = file.metadata().map_err(step("look at the file"))?;
        if (metadata.uid(), metadata.gid()) != (user, group) {
            fchown(file, Some(Uid::from_raw(user)), Some(Gid::from_raw(group)))
                .map_err(|errno| step("change the owner")(errno.into()))?;
        }
        file.set_permissions(Permissions::from_mode(mode))
            .map_err(step("change the mode"))
    }

    /// Names a prepared file. The name is durable only after [`Self::sync`].
    ///
    /// # Errors
    /// When there is a file of that name; it stays as it is.
    pub(crate) fn publish(&self, file: TempPath, name: &OsStr) -> Result<(), StoreError> {
        file.persist_noclobber(self.path.join(name))
            .map_err(|error| StoreError {
                step: "rename",
                cause: error.error,
            })
    }

    /// Writes a file whole, in place of one of that name; durable but for its name,
    /// which a crash may take back.
    ///
    /// # Errors
    /// The step that failed; then the old file is there as before.
    pub(crate) fn replace(&self, content: &[u8], name: &OsStr) -> Result<(), StoreError> {
        let path = self.path.join(name);
        let new = self.prepare(content)?;
        new.persist(path).map_err(|error| StoreError {
            step: "rename",
            cause: error.error,
        })
    }

    /// Moves a file to another directory of this file system, as [`move_to`]
    /// does.
    ///
    /// # Errors
    /// When it is not there, or the name is taken; then nothing has changed.
    pub(crate) fn move_file_to(&self, other: &Path, name: &OsStr) -> io::Result<()> {
        move_to(&self.path.join(name), &other.join(name))
    }

    /// Takes a published file back, because something else failed.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub(crate) fn remove(&self, name: &OsStr) -> io::Result<()> {
        std::fs::remove_file(self.path.join(name))
    }

    /// Makes the names of all published files durable.
    ///
    /// # Errors
    /// When the disk says so; then none of them can be relied on.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        File::open(&self.path)
            .and_then(|directory| directory.sync_all())
            .map_err(|cause| StoreError {
                step: "sync the directory",
                cause,
            })
    }

    /// How many bytes of the disk are free for whoever is not root.
    ///
    /// # Errors
    /// When the directory is not there.
    pub(crate) fn free(&self) -> io::Result<u64> {
        let disk = statvfs(&self.path)?;
        Ok(disk.blocks_available().saturating_mul(disk.fragment_size()))
    }

    /// Creates a directory beside or inside this one, with the same owner, if
    /// it is not there.
    ///
    /// # Errors
    /// When it cannot be created or given away.
    pub(crate) fn create(&self, path: &Path) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        DirBuilder::new().mode(0o750).create(path)?;
        let Access { user, group, .. } = self.access;
        let metadata = path.metadata()?;
        if (metadata.uid(), metadata.gid()) != (user, group) {
            chown(path, Some(user), Some(group))?;
        }
        Ok(())
    }

    /// Removes what a crash left half written, at least so long ago, and says
    /// how many files those were. It would take a file from under a writer: where
    /// others write, they must have had the time to finish.
    ///
    /// # Errors
    /// When the directory cannot be read or a file not removed.
    pub(crate) fn remove_temporary(&self, age: Duration) -> io::Result<usize> {
        let mut swept = 0;
        for entry in std::fs::read_dir(&self.path)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            let old = || {
                metadata.modified().is_ok_and(|time| {
                    // One of the future is old as well: the clock was set back.
                    time.elapsed().map_or(true, |passed| passed >= age)
                })
            };
            if is_temporary(&entry.file_name()) && metadata.is_file() && old() {
                std::fs::remove_file(entry.path())?;
                swept += 1;
            }
        }
        Ok(swept)
    }
}

/// Renames a file to a name that nobody has: nothing is overwritten, and the
/// file is under one of the two names at any time.
///
/// # Errors
/// When it is not there, or the name is taken; then nothing has changed.
pub(crate) fn move_to(from: &Path, to: &Path) -> io::Result<()> {
    let flags = RenameFlags::RENAME_NOREPLACE;
    Ok(renameat2(AT_FDCWD, from, AT_FDCWD, to, flags)?)
}

fn is_temporary(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(TEMPORARY.0.as_bytes()) && name.ends_with(TEMPORARY.1.as_bytes())
}

/// A file could not be stored. Its content is lost unless its sender repeats it;
/// the administrator must check the disk.
///
/// The text includes the cause: most callers turn this into an [`io::Error`], which
/// is often logged without its sources.
#[derive(Debug, thiserror::Error)]
#[error("{step}: {cause}")]
pub(crate) struct StoreError {
    step: &'static str,
    cause: io::Error,
}

impl From<StoreError> for io::Error {
    /// The kind is always [`io::ErrorKind::Other`]: callers must not take a missing
    /// directory for a missing file.
    fn from(error: StoreError) -> Self {
        Self::other(error)
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
    fn stored_file_has_content_and_mode() {
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
    fn files_prepared_side_by_side_keep_their_order() {
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
    fn directory_is_claimed_once() {
        let (_guard, directory) = directory();
        let claim = directory.lock().unwrap();
        let error = directory.lock().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        drop(claim);
        directory.lock().unwrap();
    }

    #[test]
    fn sweep_removes_only_what_is_half_written() {
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
