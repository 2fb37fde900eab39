//! `whatsapp`: manages the account at a WhatsApp gateway.
//!
//! Results go to stdout, everything else to stderr. No key, token or password is
//! shown or logged, except that a new one is shown once, because the gateway shows
//! it only once.

use std::io;

use serde_json::Value;

use crate::cli::{
    ApiKeyAction, SessionAction, WebhookAction, WhatsappAction, WhatsappOptions as Options,
};
use crate::command::load;
use crate::command::terminal::{self, CommandError, hint, print, table};
use crate::config::{SakSettings, SessionId};
use crate::exit::Exit;
use crate::http::client::json_api::ApiClient;
use crate::logging::{self, chain};
use crate::sak::client;
use crate::sak::request::{self, Credentials, MissingCredential, SakRequest};
use crate::sak::response;
use crate::secret::{Secret, SecretError, SecretSource};

mod login;
mod print;
mod qr;

/// Runs `whatsapp`.
#[must_use]
pub fn run(options: &Options) -> Exit {
    logging::start("whatsapp", false, crate::command::log_level().as_deref());
    let Some((config, _)) = load(&options.configured) else {
        return Exit::Configuration;
    };
    let Some(settings) = &config.sak else {
        return terminal::failed(&CommandError::configuration(
            "[whatsapp] url is not set: set it to the URL of the gateway's API, e.g. \
             url = http://192.0.2.1:5000/api/v1"
                .to_owned(),
        ));
    };
    terminal::run(execute(settings, &options.action))
}

async fn execute(settings: &SakSettings, action: &WhatsappAction) -> Result<(), CommandError> {
    // Neither health nor login needs a credential, and the token may not exist yet.
    let anonymous = || SakSession::new(settings, Credentials::default());
    let authenticated = || SakSession::new(settings, credentials(settings)?);
    match action {
        WhatsappAction::ApiKey { act } => api_key(&authenticated()?, act).await,
        WhatsappAction::Health => health(&anonymous()?).await,
        WhatsappAction::History {
            session,
            limit,
            offset,
        } => history(&authenticated()?, session.as_ref(), *limit, *offset).await,
        WhatsappAction::Login { email } => {
            login::login(&anonymous()?, email, settings.token.as_ref()).await
        }
        WhatsappAction::Session { act } => session(&authenticated()?, act).await,
        WhatsappAction::Webhook { act } => webhook(&authenticated()?, act).await,
    }
}

async fn session(sak: &SakSession, act: &SessionAction) -> Result<(), CommandError> {
    match act {
        SessionAction::Create { name, webhook } => create(sak, name, webhook.as_deref()).await,
        SessionAction::List => {
            let listed = response::sessions(&sak.send(&SakRequest::SessionList).await?)?;
            print(&print::sessions(&listed));
            Ok(())
        }
        SessionAction::Status { id } => {
            let session = &sak.choose_session(id.as_ref()).await?;
            let data = sak.send(&SakRequest::SessionStatus { session }).await?;
            print(&print::session(&response::session(&data)?));
            Ok(())
        }
        SessionAction::Qr(options) => qr::show(sak, options).await,
        SessionAction::Delete { id } => {
            sak.send(&SakRequest::SessionDelete { session: id }).await?;
            print(&format!("deleted session {id}\n"));
            Ok(())
        }
    }
}

async fn create(sak: &SakSession, name: &str, webhook: Option<&str>) -> Result<(), CommandError> {
    let data = sak
        .send(&SakRequest::SessionCreate { name, webhook })
        .await?;
    let created = response::created(&data)?;
    print(&print::created(&created));
    if webhook.is_some() && created.webhook.is_none() {
        let id = &created.session.id;
        let text = format!(
            "the session was created without its webhook: run `asterisk-websms whatsapp webhook \
             register {id} URL`"
        );
        return Err(CommandError::new(Exit::Rejected, text));
    }
    hint("next: `asterisk-websms whatsapp session qr` shows the code that the phone scans");
    Ok(())
}

async fn webhook(sak: &SakSession, act: &WebhookAction) -> Result<(), CommandError> {
    match act {
        WebhookAction::Register { session, url } => {
            let session = &sak.choose_session(session.as_ref()).await?;
            let data = sak
                .send(&SakRequest::WebhookRegister { session, url })
                .await?;
            print(&print::webhook(&response::webhook(&data)?));
            Ok(())
        }
        WebhookAction::Test { session } => {
            let session = &sak.choose_message_session(session.as_ref()).await?;
            let session = session.as_ref();
            let data = sak.send(&SakRequest::WebhookTest { session }).await?;
            let (text, all_accepted) = print::deliveries(&response::deliveries(&data)?);
            print(&text);
            if all_accepted {
                return Ok(());
            }
            let text = "the test message was not accepted: websmsd must run and be reachable at \
                        this URL; `asterisk-websms whatsapp webhook register URL` sets another \
                        one";
            Err(CommandError::new(Exit::Rejected, text.to_owned()))
        }
    }
}

async fn api_key(sak: &SakSession, act: &ApiKeyAction) -> Result<(), CommandError> {
    let text = match act {
        ApiKeyAction::Create { name } => {
            let data = sak.send(&SakRequest::KeyCreate { name }).await?;
            print::user_key(&response::api_key(&data)?)
        }
        ApiKeyAction::List => {
            let keys = response::api_keys(&sak.send(&SakRequest::KeyList).await?)?;
            table(&["NAME", "KEY", "MADE", "USED"], &keys)
        }
    };
    print(&text);
    Ok(())
}

async fn history(
    sak: &SakSession,
    named: Option<&SessionId>,
    limit: u32,
    offset: u32,
) -> Result<(), CommandError> {
    let session = &sak.choose_message_session(named).await?;
    let request = SakRequest::History {
        session: session.as_ref(),
        limit,
        offset,
    };
    let messages = response::history(&sak.send(&request).await?)?;
    let headings = ["TIME", "TO", "TYPE", "STATUS", "MESSAGE"];
    print(&table(&headings, &messages));
    Ok(())
}

/// The API guide does not say whether the path has the API's prefix.
async fn health(sak: &SakSession) -> Result<(), CommandError> {
    let at_root = sak.send(&SakRequest::Health { at_host_root: true }).await;
    let not_found = |error: &CommandError| error.exit == Exit::Configuration;
    let health = if at_root.as_ref().is_err_and(not_found) {
        let at_host_root = false;
        sak.send(&SakRequest::Health { at_host_root }).await
    } else {
        at_root
    };
    let status = response::health(&health?)?;
    print(&format!("the gateway is {status}\n"));
    Ok(())
}

/// A gateway, and our credentials.
struct SakSession {
    client: ApiClient,
    credentials: Credentials,
}

impl SakSession {
    fn new(settings: &SakSettings, credentials: Credentials) -> Result<Self, CommandError> {
        let client = client::client(settings)
            .map_err(|error| CommandError::configuration(format!("failed to {}", chain(&error))))?;
        Ok(Self {
            client,
            credentials,
        })
    }

    async fn send(&self, sak_request: &SakRequest<'_>) -> Result<Value, CommandError> {
        let request = request::build(sak_request, &self.credentials)?;
        let mut secrets: Vec<_> = self.credentials.secrets().collect();
        if let SakRequest::Login { password, .. } = sak_request {
            secrets.push(password);
        }
        Ok(self.client.send(&request, &secrets).await?)
    }

    /// The named session, else the configured one, else the only one.
    async fn choose_session(&self, named: Option<&SessionId>) -> Result<SessionId, CommandError> {
        if let Some(session) = named.or(self.credentials.session.as_ref()) {
            return Ok(session.clone());
        }
        let mut listed = response::sessions(&self.send(&SakRequest::SessionList).await?)?;
        match (listed.pop(), listed.is_empty()) {
            (Some(only), true) => Ok(only.id),
            (None, _) => Err(CommandError::configuration(
                "there is no session: create one with `asterisk-websms whatsapp session create \
                 NAME`"
                    .to_owned(),
            )),
            (Some(last), false) => {
                listed.push(last);
                hint(print::sessions(&listed).trim_end());
                Err(MissingCredential::Session.into())
            }
        }
    }

    /// The same for requests about messages, where `None` is the session of the key.
    async fn choose_message_session(
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
            "[whatsapp] {key}: failed to {}",
            chain(&error)
        ))),
    }
}

impl From<MissingCredential> for CommandError {
    fn from(missing: MissingCredential) -> Self {
        Self::configuration(missing.to_string())
    }
}
