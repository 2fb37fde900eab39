//! What an administrator types, or what stands on stdin in its place.
//!
//! Only a terminal is asked: questions go to stderr, because stdout has what was
//! asked for.

use std::io::{self, BufRead, IsTerminal as _, Read as _, Write as _};
use std::os::fd::AsFd as _;

use nix::sys::termios::{
    LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr,
};

use crate::command::terminal::{CommandError, hint};
use crate::secret::Secret;

/// Longest line that is read.
const LINE_MAX: u64 = 4096;

/// What Ctrl-C types.
const INTERRUPT: u8 = 3;

/// What is asked for.
pub(super) struct Question<'a> {
    /// How it is asked for, without the colon.
    pub(super) prompt: &'a str,
    /// What it is called when it is not there.
    pub(super) what: &'a str,
    /// What else can be done than typing it.
    pub(super) otherwise: &'a str,
}

impl Question<'_> {
    /// Something secret: typed without being shown, or a line of stdin.
    pub(super) fn secret(&self) -> Result<Secret, CommandError> {
        let hidden = io::stdin()
            .is_terminal()
            .then(|| Hidden::begin(self.prompt));
        let read = line(io::stdin().lock());
        drop(hidden);
        self.given(read).map(Secret::new)
    }

    /// A line that `parse` takes. On a terminal it is asked for until it does.
    pub(super) fn answer<T>(
        &self,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, CommandError> {
        loop {
            let terminal = io::stdin().is_terminal();
            if terminal {
                show(self.prompt);
            }
            let given = self.given(line(io::stdin().lock()))?;
            match parse(given.trim()) {
                Ok(answer) => return Ok(answer),
                Err(problem) if terminal => hint(&format!("{}: {problem}", self.what)),
                Err(problem) => {
                    return Err(CommandError::usage(format!("{}: {problem}", self.what)));
                }
            }
        }
    }

    /// What was read, if it was anything.
    fn given(&self, read: io::Result<Vec<u8>>) -> Result<String, CommandError> {
        let Self {
            what, otherwise, ..
        } = self;
        let line = read
            .map_err(|error| CommandError::usage(format!("failed to read the {what}: {error}")))?;
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

/// A line, or what comes before Ctrl-C and it.
fn line(input: impl BufRead) -> io::Result<Vec<u8>> {
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

/// A terminal that does not show what is typed, as long as this is held. Ctrl-C
/// does not end the program meanwhile, which would leave the terminal like that,
/// but the line.
struct Hidden(Option<Termios>);

impl Hidden {
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

impl Drop for Hidden {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = tcsetattr(io::stdin().as_fd(), SetArg::TCSADRAIN, before);
        }
        // The line end that was typed was not shown either.
        hint("");
    }
}
