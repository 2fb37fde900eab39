//! What an administrator's chores have in common: how they end, what they say,
//! and the files that they write.
//!
//! What was asked for goes to stdout, all else to stderr.

use std::fmt::Display;
use std::fs::Metadata;
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Uid};

use crate::exit::Exit;
use crate::http::client::json_api::ApiError;
use crate::storage::durable::{Access, Directory, StoreError};

/// Carries out a chore to its end.
pub(super) fn run(chore: impl Future<Output = Result<(), CommandError>>) -> Exit {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(chore),
        Err(error) => {
            let text = format!("failed to start: {error}");
            Err(CommandError::new(Exit::Internal, text))
        }
    };
    match done {
        Ok(()) => Exit::Success,
        Err(failure) => failed(&failure),
    }
}

/// Says why a chore came to nothing.
pub(super) fn failed(failure: &CommandError) -> Exit {
    hint(&failure.text);
    failure.exit
}

/// Says what was asked for, or why it could not be had.
pub(super) fn print_result<E: Display>(said: Result<String, E>) -> Exit {
    match said {
        Ok(said) => {
            print(&said);
            Exit::Success
        }
        Err(problem) => {
            hint(&problem.to_string());
            Exit::Failed
        }
    }
}

/// What was asked for. A closed stdout is no reason to fail.
pub(super) fn print(text: &str) {
    let mut stdout = io::stdout();
    let _ = stdout.write_all(text.as_bytes());
    let _ = stdout.flush();
}

/// What the administrator should know besides.
pub(super) fn hint(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// A file to be written whole, in place of one that may be there.
pub(super) struct OutputFile {
    path: PathBuf,
    name: PathBuf,
    directory: Directory,
}

impl OutputFile {
    /// The file at `path`. What a link leads to is replaced, not the link. Whose
    /// it will be says `access` of the file that is there.
    pub(super) fn new(
        path: &Path,
        access: impl FnOnce(Option<&Metadata>) -> Access,
    ) -> Result<Self, CommandError> {
        let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let there = path.metadata().ok();
        let name = path.file_name().map(PathBuf::from);
        // Neither a device nor a directory is replaced.
        let name = name.filter(|_| there.as_ref().is_none_or(Metadata::is_file));
        let Some(name) = name else {
            let text = format!("failed to write {}: that is no file", path.display());
            return Err(CommandError::configuration(text));
        };
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.map_or_else(|| PathBuf::from("."), Path::to_owned);
        let directory = Directory::new(&parent, access(there.as_ref()));
        Ok(Self {
            path,
            name,
            directory,
        })
    }

    /// Sees whether it can be written, without doing it.
    pub(super) fn probe(&self) -> Result<(), CommandError> {
        let probed = self.directory.prepare(b"").map(drop);
        probed.map_err(|error| self.failed(&error))
    }

    /// Writes it; it is there after a power failure too.
    pub(super) fn store(&self, content: &[u8]) -> Result<(), CommandError> {
        self.directory
            .replace(content, self.name.as_os_str())
            .and_then(|()| self.directory.sync())
            .map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &StoreError) -> CommandError {
        let path = self.path.display();
        CommandError::configuration(format!(
            "failed to write {path}: {error}: see that its directory is there, and that you may \
             write to it"
        ))
    }
}

/// Writes a file that its owner alone can read, whole, in place of one that may
/// be there and whose owner it keeps.
pub(super) fn store(path: &Path, content: &[u8]) -> Result<(), CommandError> {
    OutputFile::new(path, private)?.store(content)
}

fn private(there: Option<&Metadata>) -> Access {
    let (user, group) = there.map_or_else(
        || (Uid::effective().as_raw(), Gid::effective().as_raw()),
        |file| (file.uid(), file.gid()),
    );
    Access {
        mode: 0o600,
        user,
        group,
    }
}

/// A chore that came to nothing, and how the program ends.
#[derive(Debug)]
pub(super) struct CommandError {
    /// How it ends.
    pub(super) exit: Exit,
    /// What the administrator reads.
    pub(super) text: String,
    /// What was said by whom was asked, if that was it.
    pub(super) api_error: Option<Box<ApiError>>,
}

impl CommandError {
    /// A failure that nobody else has had a word in.
    pub(super) fn new(exit: Exit, text: String) -> Self {
        Self {
            exit,
            text,
            api_error: None,
        }
    }

    /// Something is not as it must be on this machine.
    pub(super) fn configuration(text: String) -> Self {
        Self::new(Exit::Configuration, text)
    }

    /// The administrator has not said what is needed.
    pub(super) fn usage(text: String) -> Self {
        Self::new(Exit::Usage, text)
    }
}

impl From<ApiError> for CommandError {
    fn from(trouble: ApiError) -> Self {
        Self {
            exit: trouble.class.exit,
            text: trouble.to_string(),
            api_error: Some(Box::new(trouble)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_is_replaced_and_its_link_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::create_dir(path("folder")).unwrap();
        std::fs::write(path("file"), "old").unwrap();
        for (link, to) in [("to-file", "file"), ("to-folder", "folder")] {
            std::os::unix::fs::symlink(to, path(link)).unwrap();
        }
        for name in ["folder", "to-folder", "..", "folder/.."] {
            let failure = store(&path(name), b"new").unwrap_err();
            assert!(
                failure.text.ends_with("that is no file"),
                "{}",
                failure.text
            );
        }
        assert!(store(&path("to-file"), b"new").is_ok() && path("to-file").is_symlink());
        assert_eq!(std::fs::read(path("file")).unwrap(), b"new");
        let failure = store(&path("none/file"), b"new").unwrap_err();
        assert!(
            failure.text.contains("none/file: create a file: "),
            "{}",
            failure.text
        );
    }
}
