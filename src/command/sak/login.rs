//! `whatsapp login`: a password to a token.

use std::path::Path;

use crate::command::prompt::Question;
use crate::command::sak::Desk;
use crate::command::terminal::{Failure, note, say, store};
use crate::sak::request::Chore;
use crate::sak::response;
use crate::secret::SecretSource;

const PASSWORD: Question<'_> = Question {
    prompt: "Password",
    what: "password",
    otherwise: "give it on stdin",
};

/// Gets a token, and puts it where the configuration says that it is.
pub(super) async fn login(
    desk: &Desk,
    email: &str,
    place: Option<&SecretSource>,
) -> Result<(), Failure> {
    let place = place_of(place)?;
    let password = &PASSWORD.secret()?;
    let data = desk.ask(&Chore::Login { email, password }).await?;
    let token = response::token(&data)?;
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
