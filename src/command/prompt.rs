//! Asks the administrator at a terminal, or reads the answers from stdin.
//!
//! Prompts appear only at a terminal, on stderr: stdout is for results.

use std::io::{self, BufRead, IsTerminal as _, Read as _, Write as _};
use std::os::fd::AsFd as _;

use nix::sys::termios::{
    LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr,
};

use crate::command::terminal::{CommandError, hint};
use crate::logging::chain;
use crate::secret::Secret;

/// Bytes of a line that are read at most.
const LINE_MAX: u64 = 4096;

/// The byte that Ctrl-C types.
const INTERRUPT: u8 = 3;

pub(super) struct Question<'a> {
    /// The prompt, without the colon.
    pub(super) prompt: &'a str,
    /// What the answer is, for error texts.
    pub(super) what: &'a str,
    /// What to do instead of typing it, for error texts.
    pub(super) otherwise: &'a str,
}

impl Question<'_> {
    /// Asks for a secret, which is not shown while it is typed.
    pub(super) fn ask_secret(&self) -> Result<Secret, CommandError> {
        let hidden = io::stdin()
            .is_terminal()
            .then(|| HiddenInput::begin(self.prompt));
        let line = read_line(io::stdin().lock());
        drop(hidden);
        self.check(line).map(Secret::new)
    }

    /// Asks for a line that `parse` accepts. At a terminal it asks again until it
    /// does.
    pub(super) fn ask<T>(
        &self,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, CommandError> {
        loop {
            let is_terminal = io::stdin().is_terminal();
            if is_terminal {
                show(self.prompt);
            }
            let line = self.check(read_line(io::stdin().lock()))?;
            match parse(line.trim()) {
                Ok(answer) => return Ok(answer),
                Err(problem) if is_terminal => hint(&format!("{}: {problem}", self.what)),
                Err(problem) => {
                    return Err(CommandError::usage(format!("{}: {problem}", self.what)));
                }
            }
        }
    }

    /// The line as text.
    ///
    /// # Errors
    /// When it could not be read, is empty or not UTF-8, or Ctrl-C was typed.
    fn check(&self, line: io::Result<Vec<u8>>) -> Result<String, CommandError> {
        let Self {
            what, otherwise, ..
        } = self;
        let line = line.map_err(|error| {
            CommandError::usage(format!("failed to read the {what}: {}", chain(&error)))
        })?;
        if line.contains(&INTERRUPT) {
            return Err(CommandError::usage(format!(
                "there is no {what}: interrupted"
            )));
        }
        let line = String::from_utf8(line)
            .map_err(|_| CommandError::usage(format!("the {what} is not in UTF-8")))?;
        let line = line.trim_end_matches(['\r', '\n']);
        if line.is_empty() {
            let text = format!("there is no {what}: type it, or {otherwise}");
            return Err(CommandError::usage(text));
        }
        Ok(line.to_owned())
    }
}

fn show(prompt: &str) {
    let mut stderr = io::stderr();
    let _ = write!(stderr, "{prompt}: ");
    let _ = stderr.flush();
}

/// Reads up to the end of the line or Ctrl-C, inclusive.
fn read_line(input: impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    for byte in input.take(LINE_MAX).bytes() {
        let byte = byte?;
        line.push(byte);
        if [b'\n', INTERRUPT].contains(&byte) {
            break;
        }
    }
    Ok(line)
}

/// Turns off the echo of the terminal until it is dropped. Meanwhile Ctrl-C ends
/// the line and not the program, which would leave the echo off.
struct HiddenInput(Option<Termios>);

impl HiddenInput {
    fn begin(prompt: &str) -> Self {
        let stdin = io::stdin();
        let before = tcgetattr(stdin.as_fd()).ok();
        if let Some(mut settings) = before.clone() {
            settings
                .local_flags
                .remove(LocalFlags::ECHO | LocalFlags::ISIG);
            let end_of_line = SpecialCharacterIndices::VEOL as usize;
            if let Some(end) = settings.control_chars.get_mut(end_of_line) {
                *end = INTERRUPT;
            }
            let _ = tcsetattr(stdin.as_fd(), SetArg::TCSAFLUSH, &settings);
        }
        show(prompt);
        Self(before)
    }
}

impl Drop for HiddenInput {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = tcsetattr(io::stdin().as_fd(), SetArg::TCSADRAIN, before);
        }
        // The line end was not echoed either.
        hint("");
    }
}
