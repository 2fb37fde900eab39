//! Why a directory cannot be used, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// A directory of the configuration cannot be used. The administrator must act.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DirectoryError {
    #[error(
        "use {}: another websmsd uses it (stop the other one, or name another directory with {key})",
        path.display()
    )]
    InUse { path: PathBuf, key: &'static str },
    #[error(
        "find {path} (create it for Asterisk's user: install -d -o asterisk -g asterisk -m 0750 \
         {path}; or set {key} to another directory)",
        path = path.display()
    )]
    Missing {
        path: PathBuf,
        key: &'static str,
        source: io::Error,
    },
    #[error("use {}: not a directory (set {key} to a directory)", path.display())]
    NotADirectory { path: PathBuf, key: &'static str },
    #[error(
        "use {0} (create it for Asterisk's user: install -d -o asterisk -g asterisk -m {mode:04o} {0})",
        path.display()
    )]
    Unusable {
        path: PathBuf,
        mode: u32,
        source: io::Error,
    },
}

impl DirectoryError {
    /// Names the remedy for `source`: another process holds the lock of the
    /// directory ([`io::ErrorKind::WouldBlock`]), or the directory is to be created
    /// with this mode. `key` is the key that names it.
    pub(crate) fn new(path: &Path, key: &'static str, mode: u32, source: io::Error) -> Self {
        let path = path.to_owned();
        if source.kind() == io::ErrorKind::WouldBlock {
            Self::InUse { path, key }
        } else {
            Self::Unusable { path, mode, source }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logging::chain;

    #[test]
    fn remedy_follows_the_cause() {
        let error = |kind: io::ErrorKind| {
            let path = Path::new("/var/spool/x");
            chain(&DirectoryError::new(path, "outboxdir", 0o750, kind.into()))
        };
        assert_eq!(
            error(io::ErrorKind::WouldBlock),
            "use /var/spool/x: another websmsd uses it (stop the other one, or name another \
             directory with outboxdir)"
        );
        assert_eq!(
            error(io::ErrorKind::PermissionDenied),
            "use /var/spool/x (create it for Asterisk's user: install -d -o asterisk -g asterisk \
             -m 0750 /var/spool/x): permission denied"
        );
    }
}
