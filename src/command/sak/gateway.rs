//! A gateway and the credentials for it.

use std::io;

use serde_json::Value;

use crate::command::sak::print;
use crate::command::terminal::{CommandError, hint};
use crate::config::{SakSettings, SessionId};
use crate::http::client::api_error::ApiError;
use crate::http::client::json_api::ApiClient;
use crate::logging::failed;
use crate::sak::request::{self, Credentials, MissingCredential, SakRequest};
use crate::sak::{client, error_codes, response};
use crate::secret::{Secret, SecretError, SecretSource};

pub(super) struct Gateway {
    client: ApiClient,
    credentials: Credentials,
}

impl Gateway {
    /// With the configured credentials.
    pub(super) fn new(settings: &SakSettings) -> Result<Self, CommandError> {
        Self::with(settings, credentials(settings)?)
    }

    /// Without credentials, which need not exist yet.
    pub(super) fn anonymous(settings: &SakSettings) -> Result<Self, CommandError> {
        Self::with(settings, Credentials::default())
    }

    fn with(settings: &SakSettings, credentials: Credentials) -> Result<Self, CommandError> {
        let client = client::client(settings)
            .map_err(|error| CommandError::configuration(failed(&error)))?;
        Ok(Self {
            client,
            credentials,
        })
    }

    pub(super) async fn send(&self, sak_request: &SakRequest<'_>) -> Result<Value, CommandError> {
        let request = request::build(sak_request, &self.credentials)?;
        let mut secrets: Vec<_> = self.credentials.secrets().collect();
        let SakRequest::Login { password, .. } = sak_request else {
            return Ok(self.client.send(&request, &secrets).await?);
        };
        secrets.push(password);
        let sent = self.client.send(&request, &secrets).await;
        Ok(sent.map_err(|error| ApiError {
            class: error_codes::of_login(error.class),
            ..error
        })?)
    }

    /// The named session, else the configured one, else the only one.
    pub(super) async fn choose_session(
        &self,
        named: Option<&SessionId>,
    ) -> Result<SessionId, CommandError> {
        if let Some(session) = named.or(self.credentials.session.as_ref()) {
            return Ok(session.clone());
        }
        let sessions = response::sessions(&self.send(&SakRequest::SessionList).await?)?;
        match sessions.as_slice() {
            [only] => Ok(only.id.clone()),
            [] => Err(CommandError::configuration(
                "there is no session: create one with `asterisk-websms whatsapp session create \
                 NAME`"
                    .to_owned(),
            )),
            several => {
                hint(print::sessions(several).trim_end());
                Err(MissingCredential::Session.into())
            }
        }
    }

    /// The same for requests about messages, where `None` is the session of the key.
    pub(super) async fn choose_message_session(
        &self,
        named: Option<&SessionId>,
    ) -> Result<Option<SessionId>, CommandError> {
        if request::needs_session(&self.credentials, named) {
            return self.choose_session(named).await.map(Some);
        }
        Ok(named.cloned())
    }
}

/// Reads the configured secrets. The file of the token may not exist yet.
fn credentials(settings: &SakSettings) -> Result<Credentials, CommandError> {
    Ok(Credentials {
        token: secret("token", settings.token.as_ref())?,
        user_key: secret("user_key", settings.user_key.as_ref())?,
        session_key: secret("session_key", settings.session_key.as_ref())?,
        session: settings.session.clone(),
    })
}

fn secret(key: &str, source: Option<&SecretSource>) -> Result<Option<Secret>, CommandError> {
    let Some(source) = source else {
        return Ok(None);
    };
    match source.resolve() {
        Ok(secret) => Ok(Some(secret).filter(|secret| !secret.expose().is_empty())),
        Err(SecretError::File { source, .. })
            if key == "token" && source.kind() == io::ErrorKind::NotFound =>
        {
            Ok(None)
        }
        Err(error) => Err(CommandError::configuration(format!(
            "[whatsapp] {key}: {}",
            failed(&error)
        ))),
    }
}

impl From<MissingCredential> for CommandError {
    fn from(missing: MissingCredential) -> Self {
        Self::configuration(missing.to_string())
    }
}
