//! `whatsapp login`: a password to a token.

use std::io::{self, BufRead, IsTerminal as _, Read as _};
use std::os::fd::AsFd as _;
use std::path::Path;

use nix::sys::termios::{
    LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr,
};

use super::{Desk, Failure, note, say, store};
use crate::exit::Exit;
use crate::secret::{Secret, SecretSource};
use crate::whatsapp::answer;
use crate::whatsapp::request::Chore;

/// Longest password that is read.
const PASSWORD_MAX: u64 = 4096;

/// What Ctrl-C types.
const INTERRUPT: u8 = 3;

/// Gets a token, and puts it where the configuration says that it is.
pub(super) async fn login(
    desk: &Desk,
    email: &str,
    place: Option<&SecretSource>,
) -> Result<(), Failure> {
    let place = place_of(place)?;
    let password = &password()?;
    let data = desk.ask(&Chore::Login { email, password }).await?;
    let token = answer::token(&data)?;
    match place {
        Place::File(path) => {
            store(path, format!("{}\n", token.expose()).as_bytes())?;
            say(&format!("logged in; the token is in {}\n", path.display()));
        }
        Place::Stdout(why) => {
            note(why);
            say(&format!("{}\n", token.expose()));
        }
    }
    Ok(())
}

/// Where a token goes.
enum Place<'a> {
    File(&'a Path),
    /// And why not into a file.
    Stdout(&'static str),
}

fn place_of(source: Option<&SecretSource>) -> Result<Place<'_>, Failure> {
    match source {
        None => Ok(Place::Stdout(
            "logged in; this is the token. With token = file:/path in [whatsapp] it would have \
             been written there:",
        )),
        Some(SecretSource::Environment(_)) => Ok(Place::Stdout(
            "logged in; this is the token for the variable that token in [whatsapp] names:",
        )),
        Some(SecretSource::Here(_)) => Ok(Place::Stdout(
            "logged in; this is the token for [whatsapp] in websms.conf, where token = file:/path \
             would be better:",
        )),
        Some(SecretSource::File(path)) if path.is_absolute() => Ok(Place::File(path)),
        Some(SecretSource::File(_)) => Err(Failure::configuration(
            "[whatsapp] token is one of systemd's credentials, which cannot be written: name a \
             file with its whole path, token = file:/path"
                .to_owned(),
        )),
    }
}

/// The password: typed without being shown, or the first line of stdin.
fn password() -> Result<Secret, Failure> {
    let usage = |text: &str| Failure::new(Exit::Usage, text.to_owned());
    let hidden = io::stdin().is_terminal().then(Hidden::begin);
    let read = first_line(io::stdin().lock());
    drop(hidden);
    let line = read.map_err(|error| usage(&format!("failed to read the password: {error}")))?;
    if line.contains(&INTERRUPT) {
        return Err(usage("not logged in"));
    }
    let line = String::from_utf8(line).map_err(|_| usage("the password is not in UTF-8"))?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(usage("there is no password: type it, or give it on stdin"));
    }
    Ok(Secret::new(password.to_owned()))
}

/// The first line, or what comes before Ctrl-C and it.
fn first_line(input: impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    for byte in input.take(PASSWORD_MAX).bytes() {
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
    fn begin() -> Self {
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
        let _ = io::Write::write_all(&mut io::stderr(), b"Password: ");
        Self(before)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = tcsetattr(io::stdin().as_fd(), SetArg::TCSADRAIN, before);
        }
        // The line end that was typed was not shown either.
        note("");
    }
}
