//! What commands print, how they fail, and the files that they write.
//!
//! Results go to stdout, everything else to stderr. Control characters are escaped here,
//! whoever wrote them.

use std::fmt::{Display, Write as _};
use std::fs::Metadata;
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Uid};

use crate::exit::Exit;
use crate::http::client::api_error::ApiError;
use crate::logging::{chain, escaped};
use crate::storage::durable::{Access, Directory, StoreError};

/// Runs a command to its end and prints the error, if there is one.
pub(super) fn run(command: impl Future<Output = Result<(), CommandError>>) -> Exit {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(command),
        Err(error) => {
            let text = format!("failed to start the runtime: {}", chain(&error));
            Err(CommandError::new(Exit::Internal, text))
        }
    };
    match result {
        Ok(()) => Exit::Success,
        Err(error) => failed(&error),
    }
}

/// Prints why a command failed.
pub(super) fn failed(error: &CommandError) -> Exit {
    hint(&error.text);
    error.exit
}

/// Prints a result, or the problem that there is in its place.
pub(super) fn print_result<E: Display>(result: Result<String, E>) -> Exit {
    match result {
        Ok(text) => {
            print(&text);
            Exit::Success
        }
        Err(problem) => {
            hint(&problem.to_string());
            Exit::Failed
        }
    }
}

/// Prints to stdout. What a file or a peer has written cannot control the terminal.
pub(super) fn print(text: &str) {
    print_raw(&escaped(text));
}

/// Prints what controls the terminal, and has nothing in it that others have written.
/// A closed stdout is not an error.
pub(super) fn print_raw(text: &str) {
    let mut stdout = io::stdout();
    let _ = stdout.write_all(text.as_bytes());
    let _ = stdout.flush();
}

/// Prints a line to stderr, for the administrator and not for programs.
pub(super) fn hint(line: &str) {
    let _ = writeln!(io::stderr(), "{}", escaped(line));
}

/// Rows in aligned columns under their headings, and the number of rows.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let headings: Vec<String> = headings.iter().map(|&heading| heading.to_owned()).collect();
    let lines: Vec<&Vec<String>> = std::iter::once(&headings).chain(rows).collect();
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..headings.len()).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(&widths);
        let padded: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", padded.join("  ").trim_end());
    }
    let _ = writeln!(text, "{} in all", rows.len());
    text
}

/// A file that is written as a whole and replaces one that may exist.
pub(super) struct OutputFile {
    path: PathBuf,
    name: PathBuf,
    directory: Directory,
}

impl OutputFile {
    /// The file at `path`; through a symbolic link its target is replaced. `access`
    /// chooses owner and mode by those of the existing file.
    pub(super) fn new(
        path: &Path,
        access: impl FnOnce(Option<&Metadata>) -> Access,
    ) -> Result<Self, CommandError> {
        let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let existing = path.metadata().ok();
        let name = path.file_name().map(PathBuf::from);
        // Neither a device nor a directory is replaced.
        let name = name.filter(|_| existing.as_ref().is_none_or(Metadata::is_file));
        let Some(name) = name else {
            let text = format!("failed to write {}: not a regular file", path.display());
            return Err(CommandError::configuration(text));
        };
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.map_or_else(|| PathBuf::from("."), Path::to_owned);
        let directory = Directory::new(&parent, access(existing.as_ref()));
        Ok(Self {
            path,
            name,
            directory,
        })
    }

    /// Checks that the file can be written, without writing it.
    pub(super) fn probe(&self) -> Result<(), CommandError> {
        self.directory.probe().map_err(|error| self.failed(&error))
    }

    /// Writes the file durably.
    pub(super) fn store(&self, content: &[u8]) -> Result<(), CommandError> {
        self.directory
            .replace(content, self.name.as_os_str())
            .and_then(|()| self.directory.sync())
            .map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &StoreError) -> CommandError {
        let (path, error) = (self.path.display(), chain(error));
        CommandError::configuration(format!(
            "failed to write {path}: {error} (its directory must exist, and you must be allowed to \
             write to it)"
        ))
    }
}

/// Writes a file that only its owner can read; an existing file keeps its owner.
pub(super) fn store(path: &Path, content: &[u8]) -> Result<(), CommandError> {
    OutputFile::new(path, private)?.store(content)
}

fn private(existing: Option<&Metadata>) -> Access {
    let (user, group) = existing.map_or_else(
        || (Uid::effective().as_raw(), Gid::effective().as_raw()),
        |file| (file.uid(), file.gid()),
    );
    Access {
        mode: 0o600,
        user,
        group,
    }
}

/// Why a command failed, as whole sentences for the administrator.
#[derive(Debug)]
pub(super) struct CommandError {
    pub(super) exit: Exit,
    pub(super) text: String,
    /// The error of the API that was asked, if it was that.
    pub(super) api_error: Option<Box<ApiError>>,
}

impl CommandError {
    pub(super) fn new(exit: Exit, text: String) -> Self {
        Self {
            exit,
            text,
            api_error: None,
        }
    }

    /// Configuration, files or the account must be changed first.
    pub(super) fn configuration(text: String) -> Self {
        Self::new(Exit::Configuration, text)
    }

    /// An argument or an answer is missing or wrong.
    pub(super) fn usage(text: String) -> Self {
        Self::new(Exit::Usage, text)
    }
}

impl From<ApiError> for CommandError {
    fn from(error: ApiError) -> Self {
        Self {
            exit: error.class.exit,
            text: error.to_string(),
            api_error: Some(Box::new(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_regular_file_is_replaced_and_links_stay() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::create_dir(path("folder")).unwrap();
        std::fs::write(path("file"), "old").unwrap();
        for (link, to) in [("to-file", "file"), ("to-folder", "folder")] {
            std::os::unix::fs::symlink(to, path(link)).unwrap();
        }
        for name in ["folder", "to-folder", "..", "folder/.."] {
            let error = store(&path(name), b"new").unwrap_err();
            assert!(error.text.ends_with("not a regular file"), "{}", error.text);
        }
        assert!(store(&path("to-file"), b"new").is_ok() && path("to-file").is_symlink());
        assert_eq!(std::fs::read(path("file")).unwrap(), b"new");
        let error = store(&path("none/file"), b"new").unwrap_err();
        assert!(
            error.text.contains("none/file: create a file: "),
            "{}",
            error.text
        );
    }

    #[test]
    fn table_is_aligned_and_counted() {
        let rows = [vec!["ä".to_owned(), "b".to_owned()]];
        assert_eq!(
            table(&["ONE", "TWO"], &rows),
            "ONE  TWO\nä    b\n1 in all\n"
        );
    }
}
