//! Runs commands of the program as an administrator does, in a directory with a
//! configuration.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use asterisk_websms::exit::Exit;
use nix::pty::openpty;
use nix::sys::termios::{LocalFlags, tcgetattr};
use tempfile::TempDir;

use super::program;

/// A temporary directory with `websms.conf`.
pub(crate) struct ConfigDirectory(TempDir);

impl ConfigDirectory {
    pub(crate) fn new(config: &str) -> Self {
        let directory = Self(tempfile::tempdir().unwrap());
        directory.configure(config);
        directory
    }

    pub(crate) fn configure(&self, config: &str) {
        std::fs::write(self.path("websms.conf"), config).unwrap();
    }

    pub(crate) fn directory(&self) -> &Path {
        self.0.path()
    }

    /// A path in the directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// The program with this configuration, in the directory.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command
            .env_clear()
            .env("WEBSMS_CONF", self.path("websms.conf"))
            .current_dir(self.directory())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// The result of a command.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            status: output.status.code().expect("no signal"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Asserts success; returns stdout.
    #[track_caller]
    pub(crate) fn succeeds(self) -> String {
        assert_eq!(self.status, 0, "{self:?}");
        self.stdout
    }

    /// Asserts success, and that stdout has these parts.
    #[track_caller]
    pub(crate) fn prints(self, parts: &[&str]) {
        assert_eq!(self.status, 0, "{self:?}");
        for part in parts {
            assert!(self.stdout.contains(part), "{part:?} is not in {self:?}");
        }
    }

    /// Asserts this status, and that stderr has these parts.
    #[track_caller]
    pub(crate) fn fails(&self, exit: Exit, parts: &[&str]) {
        assert_eq!(self.status, i32::from(exit.status()), "{self:?}");
        for part in parts {
            assert!(self.stderr.contains(part), "{part:?} is not in {self:?}");
        }
    }
}

pub(crate) fn run(command: &mut Command) -> Finished {
    Finished::of(command.output().unwrap())
}

/// Runs a command with this on stdin.
pub(crate) fn run_with_input(command: &mut Command, input: &str) -> Finished {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // The command may end before it has read all.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    Finished::of(child.wait_with_output().unwrap())
}

/// Runs a command whose stdin is a terminal, and types this after the prompt.
/// Returns what the terminal shows of it. The settings of the terminal must be
/// as before in the end.
pub(crate) fn run_at_terminal(
    command: &mut Command,
    prompt: &str,
    typed: &str,
) -> (String, Finished) {
    let terminal = openpty(None, None).unwrap();
    let stdin = terminal.slave.try_clone().unwrap();
    let mut child = command.stdin(Stdio::from(stdin)).spawn().unwrap();
    let mut shown = vec![0; prompt.len()];
    child
        .stderr
        .as_mut()
        .unwrap()
        .read_exact(&mut shown)
        .unwrap();
    assert_eq!(shown, prompt.as_bytes());
    let mut keyboard = File::from(terminal.master);
    keyboard.write_all(typed.as_bytes()).unwrap();
    let finished = Finished::of(child.wait_with_output().unwrap());
    let settings = tcgetattr(&terminal.slave).unwrap();
    let usual = LocalFlags::ECHO | LocalFlags::ISIG | LocalFlags::ICANON;
    assert!(settings.local_flags.contains(usual), "{typed:?}");
    // Everything that the terminal shows comes before this.
    File::from(terminal.slave).write_all(b"END").unwrap();
    let mut shown = Vec::new();
    while !shown.ends_with(b"END") {
        let mut byte = [0];
        keyboard.read_exact(&mut byte).unwrap();
        shown.extend(byte);
    }
    shown.truncate(shown.len() - b"END".len());
    (String::from_utf8(shown).unwrap(), finished)
}
