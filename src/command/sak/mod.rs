//! `whatsapp`: the account at a WhatsApp gateway.
//!
//! What was asked for goes to stdout, all else to stderr. No key, token or
//! password is shown or logged but one that is made here: it is shown once,
//! because the gateway shows it once.

use std::io;

use serde_json::Value;

use crate::cli::{
    ApiKeyAction, SessionAction, WebhookAction, WhatsappAction, WhatsappOptions as Options,
};
use crate::command::load;
use crate::command::terminal::{self, CommandError, hint, print};
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

/// Does what the administrator asks; success when it could be done.
#[must_use]
pub fn run(options: &Options) -> Exit {
    logging::start("whatsapp", false, crate::command::log_level().as_deref());
    let Some((config, _)) = load(&options.configured) else {
        return Exit::Configuration;
    };
    let Some(whatsapp) = &config.sak else {
        return terminal::failed(&CommandError::configuration(
            "[whatsapp] url is not set: write where the gateway's API is, e.g. \
             url = http://192.0.2.1:5000/api/v1"
                .to_owned(),
        ));
    };
    terminal::run(execute(whatsapp, &options.action))
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

async fn session(desk: &SakSession, act: &SessionAction) -> Result<(), CommandError> {
    match act {
        SessionAction::Create { name, webhook } => create(desk, name, webhook.as_deref()).await,
        SessionAction::List => {
            let listed = response::sessions(&desk.send(&SakRequest::SessionList).await?)?;
            print(&print::sessions(&listed));
            Ok(())
        }
        SessionAction::Status { id } => {
            let session = &desk.session(id.as_ref()).await?;
            let data = desk.send(&SakRequest::SessionStatus { session }).await?;
            print(&print::session(&response::session(&data)?));
            Ok(())
        }
        SessionAction::Qr(options) => qr::show(desk, options).await,
        SessionAction::Delete { id } => {
            desk.send(&SakRequest::SessionDelete { session: id })
                .await?;
            print(&format!("deleted session {id}\n"));
            Ok(())
        }
    }
}

async fn create(desk: &SakSession, name: &str, webhook: Option<&str>) -> Result<(), CommandError> {
    let data = desk
        .send(&SakRequest::SessionCreate { name, webhook })
        .await?;
    let created = response::created(&data)?;
    print(&print::created(&created));
    if webhook.is_some() && created.webhook.is_none() {
        let id = &created.session.id;
        let text = format!(
            "the session is there, but its webhook is not: run `asterisk-websms whatsapp webhook \
             register {id} URL`"
        );
        return Err(CommandError::new(Exit::Rejected, text));
    }
    hint("next: `asterisk-websms whatsapp session qr` shows the code that the phone scans");
    Ok(())
}

async fn webhook(desk: &SakSession, act: &WebhookAction) -> Result<(), CommandError> {
    match act {
        WebhookAction::Register { session, url } => {
            let session = &desk.session(session.as_ref()).await?;
            let data = desk
                .send(&SakRequest::WebhookRegister { session, url })
                .await?;
            print(&print::webhook(&response::webhook(&data)?));
            Ok(())
        }
        WebhookAction::Test { session } => {
            let session = &desk.of_messages(session.as_ref()).await?;
            let session = session.as_ref();
            let data = desk.send(&SakRequest::WebhookTest { session }).await?;
            let (said, well) = print::deliveries(&response::deliveries(&data)?);
            print(&said);
            if well {
                return Ok(());
            }
            let text = "the test did not arrive: see that websmsd runs and can be reached there; \
                        `asterisk-websms whatsapp webhook register URL` sets another place";
            Err(CommandError::new(Exit::Rejected, text.to_owned()))
        }
    }
}

async fn api_key(desk: &SakSession, act: &ApiKeyAction) -> Result<(), CommandError> {
    let said = match act {
        ApiKeyAction::Create { name } => {
            let data = desk.send(&SakRequest::KeyCreate { name }).await?;
            print::user_key(&response::api_key(&data)?)
        }
        ApiKeyAction::List => {
            let keys = response::api_keys(&desk.send(&SakRequest::KeyList).await?)?;
            print::table(&["NAME", "KEY", "MADE", "USED"], &keys)
        }
    };
    print(&said);
    Ok(())
}

async fn history(
    desk: &SakSession,
    named: Option<&SessionId>,
    limit: u32,
    offset: u32,
) -> Result<(), CommandError> {
    let session = &desk.of_messages(named).await?;
    let chore = SakRequest::History {
        session: session.as_ref(),
        limit,
        offset,
    };
    let messages = response::history(&desk.send(&chore).await?)?;
    let headings = ["TIME", "TO", "TYPE", "STATUS", "MESSAGE"];
    print(&print::table(&headings, &messages));
    Ok(())
}

/// The guide leaves open whether the prefix belongs to it.
async fn health(desk: &SakSession) -> Result<(), CommandError> {
    let mut asked = desk.send(&SakRequest::Health { inside: false }).await;
    let elsewhere = |trouble: &CommandError| trouble.exit == Exit::Configuration;
    if asked.as_ref().is_err_and(elsewhere) {
        asked = desk.send(&SakRequest::Health { inside: true }).await;
    }
    let status = response::health(&asked?)?;
    print(&format!("the gateway is {status}\n"));
    Ok(())
}

/// A gateway, and who we are to it.
struct SakSession {
    client: ApiClient,
    credentials: Credentials,
}

impl SakSession {
    fn new(whatsapp: &SakSettings, credentials: Credentials) -> Result<Self, CommandError> {
        let client = client::client(whatsapp)
            .map_err(|error| CommandError::configuration(format!("failed to {error}")))?;
        Ok(Self {
            client,
            credentials,
        })
    }

    async fn send(&self, chore: &SakRequest<'_>) -> Result<Value, CommandError> {
        let request = request::build(chore, &self.credentials)?;
        let mut secrets: Vec<_> = self.credentials.secrets().collect();
        if let SakRequest::Login { password, .. } = chore {
            secrets.push(password);
        }
        Ok(self.client.send(&request, &secrets).await?)
    }

    /// The session that is meant: the one that is named, else the configured one,
    /// else the only one that there is.
    async fn session(&self, named: Option<&SessionId>) -> Result<SessionId, CommandError> {
        if let Some(session) = named.or(self.credentials.session.as_ref()) {
            return Ok(session.clone());
        }
        let mut listed = response::sessions(&self.send(&SakRequest::SessionList).await?)?;
        match (listed.pop(), listed.is_empty()) {
            (Some(only), true) => Ok(only.id),
            (None, _) => Err(CommandError::configuration(
                "there is no session: make one with `asterisk-websms whatsapp session create NAME`"
                    .to_owned(),
            )),
            (Some(last), false) => {
                listed.push(last);
                hint(print::sessions(&listed).trim_end());
                Err(MissingCredential::Session.into())
            }
        }
    }

    /// The same for messages, where a key may say which one is meant.
    async fn of_messages(
        &self,
        named: Option<&SessionId>,
    ) -> Result<Option<SessionId>, CommandError> {
        if request::needs_session(&self.credentials, named) {
            return self.session(named).await.map(Some);
        }
        Ok(named.cloned())
    }
}

/// Gets the secrets from where they are. A token that is in no file yet is none.
fn credentials(whatsapp: &SakSettings) -> Result<Credentials, CommandError> {
    Ok(Credentials {
        token: secret("token", whatsapp.token.as_ref())?,
        user_key: secret("user_key", whatsapp.user_key.as_ref())?,
        session_key: secret("session_key", whatsapp.session_key.as_ref())?,
        session: whatsapp.session.clone(),
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
