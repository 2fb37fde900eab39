//! Secrets, and where they are read from.
//!
//! A configuration file contains a secret itself or names a file or an environment
//! variable that does. Nothing here ever prints one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, io, thread};

use subtle::ConstantTimeEq as _;
use thiserror::Error;

pub(crate) mod stored;

/// How often a file is read that is empty or cannot be read, because it may be
/// replaced at this moment, and the time between.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(20);

/// A password, token or signing key. `Debug` does not show it and there is no
/// `Display`; [`Secret::expose`] is the only access to it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    pub fn new(secret: String) -> Self {
        Self(secret)
    }

    /// Whether `given` is the secret, compared in a time that does not depend on
    /// how much of it is right.
    pub fn matches(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }

    /// The secret itself, to sign or send a request with.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Where a secret is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// `env:NAME`: an environment variable.
    Environment(String),
    /// `file:/path`, or `file:name` in systemd's credentials directory: the
    /// file's content without the line end.
    File(PathBuf),
    /// Written in the configuration itself.
    Inline(Secret),
}

impl SecretSource {
    /// Reads `file:…`, `env:…` or the secret itself.
    ///
    /// # Errors
    /// When `file:` or `env:` is followed by nothing.
    pub fn parse(raw: &str) -> Result<Self, String> {
        let source = if let Some(path) = raw.strip_prefix("file:") {
            Self::File(PathBuf::from(path))
        } else if let Some(name) = raw.strip_prefix("env:") {
            Self::Environment(name.to_owned())
        } else {
            return Ok(Self::Inline(Secret::new(raw.to_owned())));
        };
        match &source {
            Self::File(path) if path.as_os_str().is_empty() => {
                Err("names no file (expected file:/path/to/secret)".to_owned())
            }
            Self::Environment(name) if name.is_empty() => {
                Err("names no variable (expected env:NAME)".to_owned())
            }
            _ => Ok(source),
        }
    }

    /// Whether the configuration itself contains the secret, and it is not empty.
    pub fn is_inline(&self) -> bool {
        matches!(self, Self::Inline(secret) if !secret.expose().is_empty())
    }

    /// The file that has the secret, if one has.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        match self {
            Self::File(path) => in_credentials(path, |name| std::env::var_os(name)).ok(),
            Self::Environment(_) | Self::Inline(_) => None,
        }
    }

    /// Gets the secret, from the environment of this process or from a file if
    /// need be.
    ///
    /// # Errors
    /// When the file or the variable cannot be read.
    pub(crate) fn resolve(&self) -> Result<Secret, SecretError> {
        self.resolve_in(|name| std::env::var_os(name))
    }

    /// Gets a secret that must not be empty: an empty one would let everybody
    /// in.
    ///
    /// # Errors
    /// When the file or the variable cannot be read or is empty.
    pub(crate) fn resolve_nonempty(&self) -> Result<Secret, SecretError> {
        let secret = self.resolve()?;
        if secret.expose().is_empty() {
            return Err(SecretError::Empty);
        }
        Ok(secret)
    }

    /// Gets the secret, with this environment in place of the process's own.
    fn resolve_in(
        &self,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Secret, SecretError> {
        match self {
            Self::Inline(secret) => Ok(secret.clone()),
            Self::Environment(name) => environment(name)
                .and_then(|value| value.into_string().ok())
                .map(Secret::new)
                .ok_or_else(|| SecretError::Environment(name.clone())),
            Self::File(path) => {
                let path = in_credentials(path, &environment)?;
                let read = patiently(|| read_file(&path), || thread::sleep(PAUSE));
                read.map_err(|source| SecretError::File { path, source })
            }
        }
    }
}

/// Reads a secret, several times if need be: a file that is being replaced, e.g. by
/// `echo TOKEN > FILE`, is missing or empty for a moment.
fn patiently(
    mut read: impl FnMut() -> io::Result<Secret>,
    mut pause: impl FnMut(),
) -> io::Result<Secret> {
    let mut secret = read();
    for _ in 1..ATTEMPTS {
        if secret
            .as_ref()
            .is_ok_and(|secret| !secret.expose().is_empty())
        {
            break;
        }
        pause();
        secret = read();
    }
    secret
}

fn read_file(path: &Path) -> io::Result<Secret> {
    let text = std::fs::read_to_string(path)?;
    Ok(Secret::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

/// A relative path is one of systemd's credentials (systemd.exec(5),
/// `LoadCredential=`).
fn in_credentials(
    path: &Path,
    environment: impl Fn(&str) -> Option<OsString>,
) -> Result<PathBuf, SecretError> {
    const DIRECTORY: &str = "CREDENTIALS_DIRECTORY";
    if path.is_absolute() {
        return Ok(path.to_owned());
    }
    environment(DIRECTORY)
        .map(|directory| Path::new(&directory).join(path))
        .ok_or_else(|| SecretError::Environment(DIRECTORY.to_owned()))
}

/// Why there is no secret. The administrator must put it where the
/// configuration says it is.
#[derive(Debug, Error)]
pub(crate) enum SecretError {
    #[error("use the secret: it is empty")]
    Empty,
    /// The variable is not set, or not UTF-8.
    #[error("read the environment variable {0:?}: it is not set")]
    Environment(String),
    /// The file cannot be read, or is not UTF-8.
    #[error("read the secret in {}", path.display())]
    File {
        /// With the credentials directory before it.
        path: PathBuf,
        source: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_a_secret() {
        let source = SecretSource::parse("hunter2").unwrap();
        assert_eq!(format!("{source:?}"), "Inline(Secret(…))");
    }

    #[test]
    fn file_that_is_being_replaced_is_read_again() {
        for (contents, expected, pauses) in [
            (&[Some("a")][..], Some("a"), 0),
            (&[Some(""), None, Some("a")], Some("a"), 2),
            (&[Some("")], Some(""), 4),
            (&[None], None, 4),
        ] {
            let (mut reads, mut paused) = (0, 0);
            let read = || {
                let content = contents[reads.min(contents.len() - 1)];
                reads += 1;
                let missing = io::Error::from(io::ErrorKind::NotFound);
                content
                    .map(|text| Secret::new(text.to_owned()))
                    .ok_or(missing)
            };
            let secret = patiently(read, || paused += 1).ok();
            assert_eq!(
                secret.as_ref().map(Secret::expose),
                expected,
                "{contents:?}"
            );
            assert_eq!(paused, pauses, "{contents:?}");
        }
    }

    #[test]
    fn secret_is_read_from_file_variable_or_value() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("token"), "from file\n").unwrap();
        let environment = |name: &str| match name {
            "TOKEN" => Some(OsString::from("from environment")),
            "CREDENTIALS_DIRECTORY" => Some(directory.path().as_os_str().to_owned()),
            _ => None,
        };
        let absolute = format!("file:{}/token", directory.path().display());
        for (raw, expected) in [
            ("inline", "inline"),
            ("env:TOKEN", "from environment"),
            ("file:token", "from file"),
            (absolute.as_str(), "from file"),
        ] {
            let secret = SecretSource::parse(raw).unwrap().resolve_in(environment);
            assert_eq!(secret.unwrap().expose(), expected);
        }
        for bad in ["env:MISSING", "file:missing"] {
            let source = SecretSource::parse(bad).unwrap();
            assert!(source.resolve_in(environment).is_err(), "{bad}");
        }
        let outside = SecretSource::parse("file:token")
            .unwrap()
            .resolve_in(|_| None);
        assert!(outside.is_err(), "a relative file needs the directory");
        assert!(SecretSource::parse("file:").is_err());
        assert!(SecretSource::parse("env:").is_err());
    }
}
