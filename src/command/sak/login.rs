//! `whatsapp login`: exchanges a password for a token.

use std::path::Path;

use crate::command::prompt::Question;
use crate::command::sak::gateway::Gateway;
use crate::command::terminal::{CommandError, hint, print, store};
use crate::sak::request::SakRequest;
use crate::sak::response;
use crate::secret::SecretSource;

const PASSWORD: Question<'_> = Question {
    prompt: "Password",
    what: "password",
    otherwise: "give it on stdin",
};

/// Gets a token and writes it to the configured file, else to stdout.
pub(super) async fn login(
    gateway: &Gateway,
    email: &str,
    configured: Option<&SecretSource>,
) -> Result<(), CommandError> {
    let target = token_target(configured)?;
    let password = &PASSWORD.ask_secret()?;
    let data = gateway.send(&SakRequest::Login { email, password }).await?;
    let token = response::token(&data)?;
    match target {
        TokenTarget::File(path) => {
            store(path, format!("{}\n", token.expose()).as_bytes())?;
            print(&format!("logged in; the token is in {}\n", path.display()));
        }
        TokenTarget::Stdout(reason) => {
            hint(reason);
            print(&format!("{}\n", token.expose()));
        }
    }
    Ok(())
}

enum TokenTarget<'a> {
    File(&'a Path),
    /// With the reason why it is not written to a file.
    Stdout(&'static str),
}

fn token_target(source: Option<&SecretSource>) -> Result<TokenTarget<'_>, CommandError> {
    match source {
        None => Ok(TokenTarget::Stdout(
            "logged in; this is the token. With token = file:/path in [whatsapp] it is written \
             to that file:",
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
            "[whatsapp] token is one of systemd's credentials, which cannot be written: give \
             the absolute path of a file, token = file:/path"
                .to_owned(),
        )),
    }
}
