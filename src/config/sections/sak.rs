//! `[whatsapp]`: the account at a WhatsApp gateway, for the commands of
//! `asterisk-websms whatsapp`. Messages do not need it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use reqwest::Url;

use crate::config::syntax::keys::whatsapp as keys;
use crate::config::syntax::reader::Reader;
use crate::config::syntax::value;
use crate::secret::SecretSource;

/// Longest id of a session, in characters; a UUID has 36.
const SESSION_MAX: usize = 64;

/// The account at a gateway.
#[derive(Debug, Clone)]
pub struct SakSettings {
    /// Base URL of the API with its prefix, without a `/` at the end.
    pub url: Url,
    /// The JWT that `whatsapp login` gets.
    pub token: Option<SecretSource>,
    /// API key of the user, for sessions and, with `session`, for messages.
    pub user_key: Option<SecretSource>,
    /// API key of `session`, for the messages of that session.
    pub session_key: Option<SecretSource>,
    /// The session for commands that name none.
    pub session: Option<SessionId>,
    /// For a whole request.
    pub timeout: Duration,
    /// PEM file with certificates of authorities to trust besides the system's.
    pub ca_file: Option<PathBuf>,
}

impl SakSettings {
    /// Whether the file itself contains a secret.
    pub(crate) fn holds_secret(&self) -> bool {
        [&self.token, &self.user_key, &self.session_key]
            .into_iter()
            .flatten()
            .any(SecretSource::is_inline)
    }
}

/// The gateway's id of a session, which is one connected phone. It is safe in the path
/// of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionId(String);

impl SessionId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SessionId {
    type Err = String;

    fn from_str(raw: &str) -> Result<Self, String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if (1..=SESSION_MAX).contains(&raw.len()) && raw.bytes().all(plain) {
            Ok(Self(raw.to_owned()))
        } else {
            Err(format!(
                "not the id of a session (expected 1 to {SESSION_MAX} letters, digits, - and _, \
                 as `asterisk-websms whatsapp session list` shows it)"
            ))
        }
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads the section; `None` after a mistake, which has been recorded.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<SakSettings> {
    let url = reader.read(&keys::URL);
    let token = reader.read(&keys::TOKEN);
    let user_key = reader.read(&keys::USER_KEY);
    let session_key = reader.read(&keys::SESSION_KEY);
    let session = reader.read_as(&keys::SESSION, |raw| {
        value::optional(raw)?.map(|raw| raw.parse()).transpose()
    });
    let timeout = reader.read(&keys::TIMEOUT);
    let ca_file = reader.read(&keys::CA_FILE);
    Some(SakSettings {
        url: url?,
        token: token?,
        user_key: user_key?,
        session_key: session_key?,
        session: session?,
        timeout: timeout?,
        ca_file: ca_file?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_id_that_could_leave_its_place_in_a_path_is_refused() {
        let uuid = "3f0a5f0e-7a39-4f5c-9d8f-6f3d2a1b0c9d";
        assert_eq!(uuid.parse::<SessionId>().unwrap().as_str(), uuid);
        for bad in ["", "a/b", "..", "a?b", "a b", "a%2fb", "ä", &"x".repeat(65)] {
            assert!(bad.parse::<SessionId>().is_err(), "{bad}");
        }
    }
}
