//! `whatsapp login`: a password to a token.

use std::path::Path;

use crate::command::prompt::Question;
use crate::command::sak::SakSession;
use crate::command::terminal::{CommandError, hint, print, store};
use crate::sak::request::SakRequest;
use crate::sak::response;
use crate::secret::SecretSource;

const PASSWORD: Question<'_> = Question {
    prompt: "Password",
    what: "password",
    otherwise: "give it on stdin",
};

/// Gets a token, and puts it where the configuration says that it is.
pub(super) async fn login(
    desk: &SakSession,
    email: &str,
    place: Option<&SecretSource>,
) -> Result<(), CommandError> {
    let place = token_target(place)?;
    let password = &PASSWORD.ask_secret()?;
    let data = desk.send(&SakRequest::Login { email, password }).await?;
    let token = response::token(&data)?;
    match place {
        TokenTarget::File(path) => {
            store(path, format!("{}\n", token.expose()).as_bytes())?;
            print(&format!("logged in; the token is in {}\n", path.display()));
        }
        TokenTarget::Stdout(why) => {
            hint(why);
            print(&format!("{}\n", token.expose()));
        }
    }
    Ok(())
}

/// Where a token goes.
enum TokenTarget<'a> {
    File(&'a Path),
    /// And why not into a file.
    Stdout(&'static str),
}

fn token_target(source: Option<&SecretSource>) -> Result<TokenTarget<'_>, CommandError> {
    match source {
        None => Ok(TokenTarget::Stdout(
            "logged in; this is the token. With token = file:/path in [whatsapp] it would have \
             been written there:",
        )),
        Some(SecretSource::Environment(_)) => Ok(TokenTarget::Stdout(
            "logged in; this is the token for the variable that token in [whatsapp] names:",
        )),
        Some(SecretSource::Inline(_)) => Ok(TokenTarget::Stdout(
            "logged in; this is the token for [whatsapp] in websms.conf, where token = file:/path \
             would be better:",
        )),
        Some(SecretSource::File(path)) if path.is_absolute() => Ok(TokenTarget::File(path)),
        Some(SecretSource::File(_)) => Err(CommandError::configuration(
            "[whatsapp] token is one of systemd's credentials, which cannot be written: name a \
             file with its whole path, token = file:/path"
                .to_owned(),
        )),
    }
}
