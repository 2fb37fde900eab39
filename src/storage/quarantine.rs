//! Where damaged files go, so that they hold up nothing and nothing of them is lost.

use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

use tracing::error;

use crate::logging::chain;
use crate::storage::durable::Directory;

/// The directory for damaged files, in the one that they are damaged in.
const QUARANTINE: &str = "quarantine";

/// Names that are tried when one is taken.
const ATTEMPTS: u32 = 1000;

/// Moves what stands at `path` into `quarantine` in `directory`, which must be on the
/// same file system, and logs it. Whether that succeeded; otherwise the caller leaves
/// the file alone.
pub(crate) fn put_aside(directory: &Directory, path: &Path, reason: &dyn Display) -> bool {
    let reason = reason.to_string();
    match move_aside(directory, path) {
        Ok(kept) => {
            error!(
                path = %path.display(), reason, kept = %kept.display(),
                remedy = "look at the file, mend it or remove it", "damaged file put aside"
            );
            true
        }
        Err(error) => {
            error!(
                path = %path.display(), reason, error = %chain(&error),
                remedy = "move the file away", "damaged file not put aside"
            );
            false
        }
    }
}

fn move_aside(directory: &Directory, path: &Path) -> io::Result<PathBuf> {
    let quarantine = directory.path().join(QUARANTINE);
    directory.create(&quarantine)?;
    let name = path.file_name().unwrap_or_default();
    for attempt in 0..ATTEMPTS {
        let kept = quarantine.join(numbered(name, attempt));
        match crate::storage::durable::move_to(path, &kept) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            moved => return moved.map(|()| kept),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn numbered(name: &OsStr, attempt: u32) -> OsString {
    let mut name = name.to_owned();
    if attempt > 0 {
        name.push(format!(".{attempt}"));
    }
    name
}

/// How many files were put aside in a directory, and where they are; `None` when
/// there are none.
pub(crate) fn kept(directory: &Path) -> Option<(usize, PathBuf)> {
    let quarantine = directory.join(QUARANTINE);
    let count = std::fs::read_dir(&quarantine).ok()?.count();
    (count > 0).then_some((count, quarantine))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn files_are_kept_under_names_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::with_owner_of(folder.path(), 0o600).unwrap();
        assert_eq!(kept(folder.path()), None);
        let path = folder.path().join("a");
        for number in 0..3 {
            fs::create_dir(&path).unwrap();
            fs::write(path.join("content"), number.to_string()).unwrap();
            assert!(put_aside(&directory, &path, &"a directory"));
            assert!(!path.exists());
        }
        let quarantine = folder.path().join(QUARANTINE);
        assert_eq!(kept(folder.path()), Some((3, quarantine.clone())));
        let content = fs::read_to_string(quarantine.join("a.2/content")).unwrap();
        assert_eq!(content, "2");
        assert!(!put_aside(&directory, &path, &"missing"));
    }
}
