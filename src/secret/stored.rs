//! A secret whose file may be replaced while the program runs.
//!
//! The file is read at each use, so that a renewed token counts at once. While it
//! cannot be read, or is empty because somebody is writing it, the last secret
//! counts.

use std::path::PathBuf;
use std::time::{Duration, Instant};
use std::{fs, io};

use parking_lot::Mutex;
use tracing::{info, warn};

use crate::logging::failed;
use crate::secret::{Secret, SecretError, SecretSource, read_file};

/// Between two warnings about the same file.
const WARNING_PERIOD: Duration = Duration::from_secs(600);

/// Largest file in bytes that is taken for a secret.
const FILE_MAX: u64 = 64 * 1024;

/// A secret, and the file that it is read from, if it is in one.
#[derive(Debug)]
pub(crate) struct StoredSecret {
    /// `None` when the secret cannot change: it is in the configuration or in the
    /// environment, or its file is a pipe.
    path: Option<PathBuf>,
    last: Mutex<LastRead>,
}

#[derive(Debug)]
struct LastRead {
    secret: Secret,
    warned: Option<Instant>,
}

impl StoredSecret {
    /// Reads the secret for the first time.
    ///
    /// # Errors
    /// When the file or the variable cannot be read.
    pub(crate) fn new(source: &SecretSource) -> Result<Self, SecretError> {
        source.resolve().map(|secret| Self::with(source, secret))
    }

    /// The same for a secret that must not be empty.
    ///
    /// # Errors
    /// When the file or the variable cannot be read or is empty.
    pub(crate) fn nonempty(source: &SecretSource) -> Result<Self, SecretError> {
        let secret = source.resolve_nonempty()?;
        Ok(Self::with(source, secret))
    }

    fn with(source: &SecretSource, secret: Secret) -> Self {
        let path = source.path();
        let warned = None;
        Self {
            // What can be read only once is not read again.
            path: path.filter(|path| fs::metadata(path).is_ok_and(|it| it.is_file())),
            last: Mutex::new(LastRead { secret, warned }),
        }
    }

    /// The secret as its file has it now.
    pub(crate) fn current(&self) -> Secret {
        let mut last = self.last.lock();
        if let Some(path) = &self.path {
            match read_again(path, &last.secret) {
                Ok(secret) => {
                    if secret != last.secret {
                        info!(file = %path.display(), "secret renewed");
                    }
                    last.secret = secret;
                }
                Err(error) => last.warn(&error),
            }
        }
        last.secret.clone()
    }
}

impl LastRead {
    fn warn(&mut self, error: &SecretError) {
        let is_due = |warned: Instant| warned.elapsed() >= WARNING_PERIOD;
        if self.warned.is_none_or(is_due) {
            self.warned = Some(Instant::now());
            let error = failed(error);
            warn!(
                error,
                remedy = "make the file readable for the owner of the spool, and replace it by \
                          renaming a new one",
                "last secret kept"
            );
        }
    }
}

/// Reads a file again. Nothing else than a file of some size is opened, because it
/// might block.
fn read_again(path: &PathBuf, last: &Secret) -> Result<Secret, SecretError> {
    let unreadable = |source| SecretError::File {
        path: path.clone(),
        source,
    };
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() || metadata.len() > FILE_MAX {
        let kind = io::Error::new(io::ErrorKind::InvalidData, "not a file with a secret");
        return Err(unreadable(kind));
    }
    let secret = read_file(path).map_err(unreadable)?;
    if secret.expose().is_empty() && !last.expose().is_empty() {
        let empty = io::Error::new(io::ErrorKind::InvalidData, "the file is empty");
        return Err(unreadable(empty));
    }
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewed_file_counts_at_once_and_a_broken_one_never() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let source = SecretSource::parse(&format!("file:{}", path.display())).unwrap();
        fs::write(&path, "one\n").unwrap();
        let stored = StoredSecret::nonempty(&source).unwrap();
        let counts = |secret: &str| assert_eq!(stored.current().expose(), secret);
        counts("one");
        // The same size within the same tick of the file system's clock.
        fs::write(&path, "two\n").unwrap();
        counts("two");
        let large = vec![b'x'; 65 * 1024];
        for broken in [b"", &b"\n"[..], b"\xff", &large] {
            fs::write(&path, broken).unwrap();
            counts("two");
        }
        fs::remove_file(&path).unwrap();
        counts("two");
        fs::create_dir(&path).unwrap();
        counts("two");
        fs::remove_dir(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        counts("two");
        fs::remove_file(&path).unwrap();
        fs::write(folder.path().join("new"), "three").unwrap();
        fs::rename(folder.path().join("new"), &path).unwrap();
        counts("three");
    }

    #[test]
    fn secret_that_is_in_no_file_stays() {
        let inline = SecretSource::parse("inline").unwrap();
        let stored = StoredSecret::new(&inline).unwrap();
        assert!(stored.path.is_none());
        assert_eq!(stored.current().expose(), "inline");
        let empty = SecretSource::parse("").unwrap();
        assert!(StoredSecret::nonempty(&empty).is_err());
        assert_eq!(StoredSecret::new(&empty).unwrap().current().expose(), "");
    }
}
