//! Reads files of a directory in which others may write, or a disk be damaged.
//!
//! A file is opened through its directory's descriptor, follows no link and blocks
//! on no FIFO or device. It must be a regular file of ours, of the directory's
//! owner or of root, and not too large.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::SystemTime;

use nix::unistd::geteuid;
use rustix::fs::{CWD, Mode, OFlags, openat};
use serde::de::DeserializeOwned;
use thiserror::Error;

/// A regular file.
#[derive(Debug)]
pub(crate) struct RegularFile {
    pub(crate) bytes: Vec<u8>,
    pub(crate) modified: SystemTime,
}

impl RegularFile {
    /// Reads a file of at most `max` bytes.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when it is missing; [`io::ErrorKind::InvalidData`]
    /// with [`UnusableFile`] when it is not such a file; another kind when the disk
    /// refuses.
    pub(crate) fn read(directory: &Path, name: &OsStr, max: u64) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = File::from(openat(CWD, directory, flags, Mode::empty())?);
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match openat(&directory, name, flags, Mode::empty()) {
            // A link, or a socket.
            Err(rustix::io::Errno::LOOP | rustix::io::Errno::NXIO) => {
                return Err(UnusableFile::NotRegular.into());
            }
            file => File::from(file?),
        };
        let metadata = file.metadata()?;
        UnusableFile::check(&metadata, max)?;
        let owner = metadata.uid();
        let owners = [0, geteuid().as_raw(), directory.metadata()?.uid()];
        if !owners.contains(&owner) {
            return Err(UnusableFile::Owner(owner).into());
        }
        let mut bytes = Vec::new();
        // It may grow meanwhile.
        file.take(max).read_to_end(&mut bytes)?;
        Ok(Self {
            bytes,
            modified: metadata.modified()?,
        })
    }

    /// The content as JSON.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] when it is not the JSON of a `T`.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> io::Result<T> {
        let parsed = serde_json::from_slice(&self.bytes);
        parsed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// The content as text. Bytes that are not UTF-8 are U+FFFD.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// Whether a file is damaged, and not only out of reach.
pub(crate) fn is_damage(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidData
}

/// Something else stands where a file of ours is expected.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum UnusableFile {
    #[error("not a regular file")]
    NotRegular,
    #[error("belongs to user {0}")]
    Owner(u32),
    #[error("has {0} bytes, and at most {1} are expected")]
    TooLarge(u64, u64),
}

impl UnusableFile {
    /// Checks kind and size.
    ///
    /// # Errors
    /// When it is not a regular file of at most `max` bytes.
    pub(crate) fn check(metadata: &Metadata, max: u64) -> Result<(), Self> {
        if !metadata.is_file() {
            return Err(Self::NotRegular);
        }
        if metadata.len() > max {
            return Err(Self::TooLarge(metadata.len(), max));
        }
        Ok(())
    }
}

impl From<UnusableFile> for io::Error {
    fn from(error: UnusableFile) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use nix::sys::stat::Mode as NixMode;
    use nix::unistd::mkfifo;

    use super::*;

    fn read(folder: &tempfile::TempDir, name: &str) -> io::Result<RegularFile> {
        RegularFile::read(folder.path(), OsStr::new(name), 10)
    }

    #[test]
    fn regular_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), b"12345\xff").unwrap();
        let file = read(&folder, "a").unwrap();
        assert_eq!(file.bytes, b"12345\xff");
        assert_eq!(file.text(), "12345\u{fffd}");
        let metadata = folder.path().join("a").metadata().unwrap();
        assert_eq!(file.modified, metadata.modified().unwrap());
    }

    #[test]
    fn anything_else_is_an_error_and_blocks_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "12345").unwrap();
        fs::write(path("large"), "12345678901").unwrap();
        fs::create_dir(path("directory")).unwrap();
        symlink("file", path("link")).unwrap();
        symlink("/dev/zero", path("device")).unwrap();
        mkfifo(&path("fifo"), NixMode::S_IRWXU).unwrap();
        let _socket = UnixListener::bind(path("socket")).unwrap();
        for name in ["large", "directory", "link", "device", "fifo", "socket"] {
            let error = read(&folder, name).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{name}: {error}");
        }
        let error = read(&folder, "missing").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let error = RegularFile::read(&path("file"), OsStr::new("x"), 10).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
    }
}
