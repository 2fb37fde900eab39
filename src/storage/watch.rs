//! Watches directories with inotify(7).

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::mpsc::Sender;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tracing::error;

/// Report files that were renamed into the directory.
pub(crate) const APPEARED: AddWatchFlags = AddWatchFlags::IN_MOVED_TO;

/// Report files that were deleted or renamed out of the directory.
pub(crate) const LEFT: AddWatchFlags = AddWatchFlags::IN_DELETE.union(AddWatchFlags::IN_MOVED_FROM);

/// Report files that were closed after they had been opened for writing.
pub(crate) const WRITTEN: AddWatchFlags = AddWatchFlags::IN_CLOSE_WRITE;

/// A change of a watched directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DirectoryChange {
    /// See [`APPEARED`].
    Appeared(OsString),
    /// See [`LEFT`].
    Left(OsString),
    /// See [`WRITTEN`].
    Written(OsString),
    /// A watched directory was itself deleted, renamed or unmounted. Later
    /// changes of what is at its path now are not reported.
    DirectoryGone,
    /// The queue of the kernel was full (`fs.inotify.max_queued_events`), and
    /// changes are missing: time to read the directories.
    Overflow,
}

/// Watches each directory for the kinds of changes that it is given with, and
/// sends what `event` makes of each change until the receiver is gone. A thread
/// of its own does this and ends with the process.
///
/// # Errors
/// When a directory does not exist, or the kernel has no more watches
/// (`fs.inotify.max_user_instances`, `max_user_watches`).
pub(crate) fn watch<E: Send + 'static>(
    directories: &[(&Path, AddWatchFlags)],
    events: Sender<E>,
    event: impl Fn(DirectoryChange) -> E + Send + 'static,
) -> io::Result<()> {
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC)?;
    let itself = AddWatchFlags::IN_DELETE_SELF | AddWatchFlags::IN_MOVE_SELF;
    for (directory, kinds) in directories {
        inotify.add_watch(*directory, *kinds | itself)?;
    }
    std::thread::spawn(move || {
        loop {
            let changes = match inotify.read_events() {
                Ok(changes) => changes,
                // A signal has interrupted the read.
                Err(Errno::EINTR) => continue,
                Err(errno) => return error!(%errno, "directory watch ended"),
            };
            for change in changes {
                let change = classify(change.mask, change.name);
                if events.send(event(change)).is_err() {
                    return;
                }
            }
        }
    });
    Ok(())
}

fn classify(mask: AddWatchFlags, name: Option<OsString>) -> DirectoryChange {
    match name {
        _ if mask.contains(AddWatchFlags::IN_Q_OVERFLOW) => DirectoryChange::Overflow,
        None => DirectoryChange::DirectoryGone,
        Some(name) if mask.intersects(LEFT) => DirectoryChange::Left(name),
        Some(name) if mask.intersects(APPEARED) => DirectoryChange::Appeared(name),
        Some(name) => DirectoryChange::Written(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn changes_of_the_wanted_kinds_are_sent_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let [one, other] = ["one", "other"].map(|name| folder.path().join(name));
        fs::create_dir(&one).unwrap();
        fs::create_dir(&other).unwrap();
        let (sender, events) = mpsc::channel();
        let directories = [(one.as_path(), LEFT | WRITTEN), (&other, APPEARED)];
        watch(&directories, sender, |change| change).unwrap();
        fs::write(one.join("a"), "x").unwrap();
        fs::rename(one.join("a"), other.join("b")).unwrap();
        fs::write(other.join("c"), "not wanted").unwrap();
        fs::remove_file(other.join("b")).unwrap();
        fs::remove_dir(&one).unwrap();
        let next = || events.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!(next(), DirectoryChange::Written("a".into()));
        assert_eq!(next(), DirectoryChange::Left("a".into()));
        assert_eq!(next(), DirectoryChange::Appeared("b".into()));
        assert_eq!(next(), DirectoryChange::DirectoryGone);
    }

    #[test]
    fn overflow_is_not_taken_for_a_directory_that_is_gone() {
        for (mask, expected) in [
            (AddWatchFlags::IN_Q_OVERFLOW, DirectoryChange::Overflow),
            (
                AddWatchFlags::IN_DELETE_SELF,
                DirectoryChange::DirectoryGone,
            ),
            (AddWatchFlags::IN_MOVE_SELF, DirectoryChange::DirectoryGone),
            (AddWatchFlags::IN_IGNORED, DirectoryChange::DirectoryGone),
            (AddWatchFlags::IN_UNMOUNT, DirectoryChange::DirectoryGone),
        ] {
            assert_eq!(classify(mask, None), expected);
        }
    }

    #[test]
    fn missing_directory_is_an_error() {
        let (sender, _events) = mpsc::channel();
        let watched = watch(
            &["/nowhere/at/all".as_ref()].map(|path| (path, LEFT)),
            sender,
            |change| change,
        );
        assert_eq!(watched.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
