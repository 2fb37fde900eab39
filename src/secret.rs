//! Secrets, and where they come from.
//!
//! A configuration file may hold a secret itself or say where it is. Nothing
//! here ever prints one.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use subtle::ConstantTimeEq as _;

/// A password, token or signing key. `Debug` does not show it and there is no
/// `Display`; [`Secret::expose`] is the one way to it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    /// Takes charge of a secret.
    #[must_use]
    pub fn new(secret: String) -> Self {
        Self(secret)
    }

    /// Whether somebody knows it, compared in a time that does not tell how much of
    /// it.
    #[must_use]
    pub fn matches(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }

    /// The secret itself, for signing a request or comparing.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Where a secret is found.
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

    /// Whether there is one and it stands in the configuration itself.
    #[must_use]
    pub fn is_inline(&self) -> bool {
        matches!(self, Self::Inline(secret) if !secret.expose().is_empty())
    }

    /// Gets the secret. `environment` is usually [`std::env::var_os`].
    ///
    /// # Errors
    /// When the file or the variable cannot be read.
    pub fn resolve(
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
                match std::fs::read_to_string(&path) {
                    Ok(text) => Ok(Secret::new(text.trim_end_matches(['\r', '\n']).to_owned())),
                    Err(source) => Err(SecretError::File { path, source }),
                }
            }
        }
    }
}

impl SecretSource {
    /// Gets the secret, which must not be empty: an empty one would let everybody
    /// in.
    ///
    /// # Errors
    /// When the file or the variable cannot be read, or there is nothing in it.
    pub fn resolve_nonempty(
        &self,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Secret, SecretError> {
        let secret = self.resolve(environment)?;
        if secret.expose().is_empty() {
            return Err(SecretError::Empty);
        }
        Ok(secret)
    }
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

/// A secret that could not be had. The administrator must put it where the
/// configuration says it is.
#[derive(Debug)]
pub enum SecretError {
    /// There is nothing in it.
    Empty,
    /// The variable is not set, or not UTF-8.
    Environment(String),
    /// The file cannot be read, or is not UTF-8.
    File {
        /// The file, with the credentials directory before it.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("use an empty secret, which everybody knows"),
            Self::Environment(name) => {
                write!(
                    f,
                    "read the environment variable {name:?}, which is not set"
                )
            }
            Self::File { path, source } => write!(f, "read {}: {source}", path.display()),
        }
    }
}

impl std::error::Error for SecretError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_a_secret() {
        let source = SecretSource::parse("hunter2").unwrap();
        assert_eq!(format!("{source:?}"), "Inline(Secret(…))");
    }

    #[test]
    fn secret_comes_from_where_the_source_says() {
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
            let secret = SecretSource::parse(raw).unwrap().resolve(environment);
            assert_eq!(secret.unwrap().expose(), expected);
        }
        for bad in ["env:MISSING", "file:missing"] {
            let source = SecretSource::parse(bad).unwrap();
            assert!(source.resolve(environment).is_err(), "{bad}");
        }
        let outside = SecretSource::parse("file:token").unwrap().resolve(|_| None);
        assert!(outside.is_err(), "no credentials, no relative file");
        assert!(SecretSource::parse("file:").is_err());
        assert!(SecretSource::parse("env:").is_err());
    }
}
