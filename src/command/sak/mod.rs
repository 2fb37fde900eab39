//! `whatsapp`: the account at a WhatsApp gateway.
//!
//! What was asked for goes to stdout, all else to stderr. No key, token or
//! password is shown or logged but one that is made here: it is shown once,
//! because the gateway shows it once.

use std::io;

use serde_json::Value;

use crate::cli::{ApiKeyAct, SessionAct, WebhookAct, Whatsapp as Options, WhatsappAct};
use crate::command::load;
use crate::command::terminal::{self, Failure, note, say};
use crate::config::{SakSettings, SessionId};
use crate::exit::Exit;
use crate::http::client::json_api::ApiClient;
use crate::logging;
use crate::sak::client;
use crate::sak::print;
use crate::sak::request::{self, Chore, Credentials, Missing};
use crate::sak::response;
use crate::secret::{Secret, SecretError, SecretSource};

mod login;
mod qr;

/// Does what the administrator asks; success when it could be done.
#[must_use]
pub fn run(options: &Options) -> Exit {
    logging::start("whatsapp", false, crate::command::log_level().as_deref());
    let Some((config, _)) = load(&options.configured) else {
        return Exit::Configuration;
    };
    let Some(whatsapp) = &config.sak else {
        return terminal::failed(&Failure::configuration(
            "[whatsapp] url is not set: write where the gateway's API is, e.g. \
             url = http://192.0.2.1:5000/api/v1"
                .to_owned(),
        ));
    };
    terminal::carry_out(carry_out(whatsapp, &options.act))
}

async fn carry_out(whatsapp: &SakSettings, act: &WhatsappAct) -> Result<(), Failure> {
    match act {
        // Neither needs a credential, and the token may not be there yet.
        WhatsappAct::Health => health(&Desk::new(whatsapp, Credentials::default())?).await,
        WhatsappAct::Login { email } => {
            let desk = Desk::new(whatsapp, Credentials::default())?;
            login::login(&desk, email, whatsapp.token.as_ref()).await
        }
        other => {
            let desk = Desk::new(whatsapp, credentials(whatsapp)?)?;
            match other {
                WhatsappAct::Session { act } => session(&desk, act).await,
                WhatsappAct::Webhook { act } => webhook(&desk, act).await,
                WhatsappAct::ApiKey { act } => api_key(&desk, act).await,
                WhatsappAct::History {
                    session,
                    limit,
                    offset,
                } => history(&desk, session.as_ref(), *limit, *offset).await,
                WhatsappAct::Health | WhatsappAct::Login { .. } => Ok(()),
            }
        }
    }
}

async fn session(desk: &Desk, act: &SessionAct) -> Result<(), Failure> {
    match act {
        SessionAct::Create { name, webhook } => create(desk, name, webhook.as_deref()).await,
        SessionAct::List => {
            let listed = response::sessions(&desk.ask(&Chore::SessionList).await?)?;
            say(&print::sessions(&listed));
            Ok(())
        }
        SessionAct::Status { id } => {
            let session = &desk.session(id.as_ref()).await?;
            let data = desk.ask(&Chore::SessionStatus { session }).await?;
            say(&print::session(&response::session(&data)?));
            Ok(())
        }
        SessionAct::Qr(options) => qr::show(desk, options).await,
        SessionAct::Delete { id } => {
            desk.ask(&Chore::SessionDelete { session: id }).await?;
            say(&format!("deleted session {id}\n"));
            Ok(())
        }
    }
}

async fn create(desk: &Desk, name: &str, webhook: Option<&str>) -> Result<(), Failure> {
    let data = desk.ask(&Chore::SessionCreate { name, webhook }).await?;
    let created = response::created(&data)?;
    say(&print::created(&created));
    if webhook.is_some() && created.webhook.is_none() {
        let id = &created.session.id;
        let text = format!(
            "the session is there, but its webhook is not: run `asterisk-websms whatsapp webhook \
             register {id} URL`"
        );
        return Err(Failure::new(Exit::Rejected, text));
    }
    note("next: `asterisk-websms whatsapp session qr` shows the code that the phone scans");
    Ok(())
}

async fn webhook(desk: &Desk, act: &WebhookAct) -> Result<(), Failure> {
    match act {
        WebhookAct::Register { session, url } => {
            let session = &desk.session(session.as_ref()).await?;
            let data = desk.ask(&Chore::WebhookRegister { session, url }).await?;
            say(&print::webhook(&response::webhook(&data)?));
            Ok(())
        }
        WebhookAct::Test { session } => {
            let session = &desk.of_messages(session.as_ref()).await?;
            let session = session.as_ref();
            let data = desk.ask(&Chore::WebhookTest { session }).await?;
            let (said, well) = print::deliveries(&response::deliveries(&data)?);
            say(&said);
            if well {
                return Ok(());
            }
            let text = "the test did not arrive: see that websmsd runs and can be reached there; \
                        `asterisk-websms whatsapp webhook register URL` sets another place";
            Err(Failure::new(Exit::Rejected, text.to_owned()))
        }
    }
}

async fn api_key(desk: &Desk, act: &ApiKeyAct) -> Result<(), Failure> {
    let said = match act {
        ApiKeyAct::Create { name } => {
            let data = desk.ask(&Chore::KeyCreate { name }).await?;
            print::user_key(&response::api_key(&data)?)
        }
        ApiKeyAct::List => {
            let keys = response::api_keys(&desk.ask(&Chore::KeyList).await?)?;
            print::table(&["NAME", "KEY", "MADE", "USED"], &keys)
        }
    };
    say(&said);
    Ok(())
}

async fn history(
    desk: &Desk,
    named: Option<&SessionId>,
    limit: u32,
    offset: u32,
) -> Result<(), Failure> {
    let session = &desk.of_messages(named).await?;
    let chore = Chore::History {
        session: session.as_ref(),
        limit,
        offset,
    };
    let messages = response::history(&desk.ask(&chore).await?)?;
    let headings = ["TIME", "TO", "TYPE", "STATUS", "MESSAGE"];
    say(&print::table(&headings, &messages));
    Ok(())
}

/// The guide leaves open whether the prefix belongs to it.
async fn health(desk: &Desk) -> Result<(), Failure> {
    let mut asked = desk.ask(&Chore::Health { inside: false }).await;
    let elsewhere = |trouble: &Failure| trouble.exit == Exit::Configuration;
    if asked.as_ref().is_err_and(elsewhere) {
        asked = desk.ask(&Chore::Health { inside: true }).await;
    }
    let status = response::health(&asked?)?;
    say(&format!("the gateway is {status}\n"));
    Ok(())
}

/// A gateway, and who we are to it.
struct Desk {
    client: ApiClient,
    credentials: Credentials,
}

impl Desk {
    fn new(whatsapp: &SakSettings, credentials: Credentials) -> Result<Self, Failure> {
        let client = client::client(whatsapp)
            .map_err(|error| Failure::configuration(format!("failed to {error}")))?;
        Ok(Self {
            client,
            credentials,
        })
    }

    async fn ask(&self, chore: &Chore<'_>) -> Result<Value, Failure> {
        let request = request::build(chore, &self.credentials)?;
        let mut secrets: Vec<_> = self.credentials.secrets().collect();
        if let Chore::Login { password, .. } = chore {
            secrets.push(password);
        }
        Ok(self.client.send(&request, &secrets).await?)
    }

    /// The session that is meant: the one that is named, else the configured one,
    /// else the only one that there is.
    async fn session(&self, named: Option<&SessionId>) -> Result<SessionId, Failure> {
        if let Some(session) = named.or(self.credentials.session.as_ref()) {
            return Ok(session.clone());
        }
        let mut listed = response::sessions(&self.ask(&Chore::SessionList).await?)?;
        match (listed.pop(), listed.is_empty()) {
            (Some(only), true) => Ok(only.id),
            (None, _) => Err(Failure::configuration(
                "there is no session: make one with `asterisk-websms whatsapp session create NAME`"
                    .to_owned(),
            )),
            (Some(last), false) => {
                listed.push(last);
                note(print::sessions(&listed).trim_end());
                Err(Missing::Session.into())
            }
        }
    }

    /// The same for messages, where a key may say which one is meant.
    async fn of_messages(&self, named: Option<&SessionId>) -> Result<Option<SessionId>, Failure> {
        if request::needs_session(&self.credentials, named) {
            return self.session(named).await.map(Some);
        }
        Ok(named.cloned())
    }
}

/// Gets the secrets from where they are. A token that is in no file yet is none.
fn credentials(whatsapp: &SakSettings) -> Result<Credentials, Failure> {
    Ok(Credentials {
        token: secret("token", whatsapp.token.as_ref())?,
        user_key: secret("user_key", whatsapp.user_key.as_ref())?,
        session_key: secret("session_key", whatsapp.session_key.as_ref())?,
        session: whatsapp.session.clone(),
    })
}

fn secret(key: &str, source: Option<&SecretSource>) -> Result<Option<Secret>, Failure> {
    let Some(source) = source else {
        return Ok(None);
    };
    match source.resolve(|name| std::env::var_os(name)) {
        Ok(secret) => Ok(Some(secret).filter(|secret| !secret.expose().is_empty())),
        Err(SecretError::File { source, .. })
            if key == "token" && source.kind() == io::ErrorKind::NotFound =>
        {
            Ok(None)
        }
        Err(error) => Err(Failure::configuration(format!(
            "[whatsapp] {key}: failed to {error}"
        ))),
    }
}

impl From<Missing> for Failure {
    fn from(missing: Missing) -> Self {
        Self::configuration(missing.to_string())
    }
}
