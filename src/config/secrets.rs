//! Whether others can read or guess a secret of the configuration.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::config::syntax::problem::{Problem, Report};
use crate::secret::{Secret, SecretSource};

/// Characters below which a secret can be guessed: a password or token by asking, the
/// secret of a signature from one signed webhook without asking anybody.
const LENGTH_MIN: usize = 16;

/// A secret, and the key that has it.
#[derive(Debug, Clone)]
pub(crate) struct PlacedSecret {
    /// Without a message.
    pub(crate) place: Problem,
    pub(crate) source: SecretSource,
    /// Whether whoever guesses it is let in, so that it must not be short.
    pub(crate) admits: bool,
}

impl PlacedSecret {
    /// The warning that the secret in the file itself is short.
    pub(crate) fn short(&self) -> Option<Problem> {
        match &self.source {
            SecretSource::Inline(secret) => self.guessable(secret),
            SecretSource::Environment(_) | SecretSource::File(_) => None,
        }
    }

    fn guessable(&self, secret: &Secret) -> Option<Problem> {
        let length = secret.expose().chars().count();
        (self.admits && length < LENGTH_MIN).then(|| {
            self.warning(format!(
                "has {length} characters, so it can be guessed: use {LENGTH_MIN} or more, e.g. \
                 from `openssl rand -hex 16`"
            ))
        })
    }

    /// What is wrong with a secret that is stored elsewhere. One that cannot be read
    /// is an error of what needs it.
    fn stored(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some(path) = self.source.path().filter(|path| is_world_readable(path)) {
            problems.push(self.warning(format!(
                "every user of this machine can read {}: chown root:asterisk, chmod 0640",
                path.display()
            )));
        }
        let elsewhere = !matches!(self.source, SecretSource::Inline(_));
        if self.admits
            && elsewhere
            && let Ok(secret) = self.source.resolve()
        {
            problems.extend(self.guessable(&secret));
        }
        problems
    }

    fn warning(&self, message: String) -> Problem {
        Problem {
            message,
            ..self.place.clone()
        }
    }
}

/// Warnings about secrets that are stored elsewhere, which are read for it.
pub(crate) fn stored(secrets: &[PlacedSecret], path: &Path) -> Report {
    let mut problems: Vec<_> = secrets.iter().flat_map(PlacedSecret::stored).collect();
    // Interfaces share plain keys and so their secrets.
    problems.dedup();
    Report {
        path: path.to_owned(),
        problems,
    }
}

/// Whether every user of this machine can read a file.
pub(crate) fn is_world_readable(path: &Path) -> bool {
    const OTHERS_READ: u32 = 0o004;
    path.metadata()
        .is_ok_and(|metadata| metadata.mode() & OTHERS_READ != 0)
}
