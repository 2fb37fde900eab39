//! `whatsapp`: manages the account at a WhatsApp gateway.
//!
//! Results go to stdout, everything else to stderr. No key, token or password is
//! shown or logged, except that a new one is shown once, because the gateway shows
//! it only once.

use crate::cli::{
    ApiKeyAction, SessionAction, WebhookAction, WhatsappAction, WhatsappOptions as Options,
};
use crate::command::load;
use crate::command::terminal::{self, CommandError, hint, print, table};
use crate::config::{SakSettings, SessionId};
use crate::exit::Exit;
use crate::logging;
use crate::sak::request::SakRequest;
use crate::sak::response;
use gateway::Gateway;

mod gateway;
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
    let anonymous = || Gateway::anonymous(settings);
    let gateway = || Gateway::new(settings);
    match action {
        WhatsappAction::ApiKey { action } => api_key(&gateway()?, action).await,
        WhatsappAction::Health => health(&anonymous()?).await,
        WhatsappAction::History {
            session,
            limit,
            offset,
        } => history(&gateway()?, session.as_ref(), *limit, *offset).await,
        WhatsappAction::Login { email } => {
            login::login(&anonymous()?, email, settings.token.as_ref()).await
        }
        WhatsappAction::Session { action } => session(&gateway()?, action).await,
        WhatsappAction::Webhook { action } => webhook(&gateway()?, action).await,
    }
}

async fn session(gateway: &Gateway, action: &SessionAction) -> Result<(), CommandError> {
    match action {
        SessionAction::Create { name, webhook } => create(gateway, name, webhook.as_deref()).await,
        SessionAction::List => {
            let listed = response::sessions(&gateway.send(&SakRequest::SessionList).await?)?;
            print(&print::sessions(&listed));
            Ok(())
        }
        SessionAction::Status { id } => {
            let session = &gateway.choose_session(id.as_ref()).await?;
            let data = gateway.send(&SakRequest::SessionStatus { session }).await?;
            print(&print::session(&response::session(&data)?));
            Ok(())
        }
        SessionAction::Qr(options) => qr::show(gateway, options).await,
        SessionAction::Delete { id } => {
            gateway
                .send(&SakRequest::SessionDelete { session: id })
                .await?;
            print(&format!("deleted session {id}\n"));
            Ok(())
        }
    }
}

async fn create(gateway: &Gateway, name: &str, webhook: Option<&str>) -> Result<(), CommandError> {
    let data = gateway
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

async fn webhook(gateway: &Gateway, action: &WebhookAction) -> Result<(), CommandError> {
    match action {
        WebhookAction::Register { session, url } => {
            let session = &gateway.choose_session(session.as_ref()).await?;
            let data = gateway
                .send(&SakRequest::WebhookRegister { session, url })
                .await?;
            print(&print::webhook(&response::webhook(&data)?));
            Ok(())
        }
        WebhookAction::Test { session } => {
            let session = &gateway.choose_message_session(session.as_ref()).await?;
            let session = session.as_ref();
            let data = gateway.send(&SakRequest::WebhookTest { session }).await?;
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

async fn api_key(gateway: &Gateway, action: &ApiKeyAction) -> Result<(), CommandError> {
    let text = match action {
        ApiKeyAction::Create { name } => {
            let data = gateway.send(&SakRequest::KeyCreate { name }).await?;
            print::user_key(&response::api_key(&data)?)
        }
        ApiKeyAction::List => {
            let keys = response::api_keys(&gateway.send(&SakRequest::KeyList).await?)?;
            table(&["NAME", "KEY", "MADE", "USED"], &keys)
        }
    };
    print(&text);
    Ok(())
}

async fn history(
    gateway: &Gateway,
    named: Option<&SessionId>,
    limit: u32,
    offset: u32,
) -> Result<(), CommandError> {
    let session = &gateway.choose_message_session(named).await?;
    let request = SakRequest::History {
        session: session.as_ref(),
        limit,
        offset,
    };
    let messages = response::history(&gateway.send(&request).await?)?;
    let headings = ["TIME", "TO", "TYPE", "STATUS", "MESSAGE"];
    print(&table(&headings, &messages));
    Ok(())
}

/// The API guide does not say whether the path has the API's prefix.
async fn health(gateway: &Gateway) -> Result<(), CommandError> {
    let at_root = gateway
        .send(&SakRequest::Health { at_host_root: true })
        .await;
    let not_found = |error: &CommandError| error.exit == Exit::Configuration;
    let health = if at_root.as_ref().is_err_and(not_found) {
        let at_host_root = false;
        gateway.send(&SakRequest::Health { at_host_root }).await
    } else {
        at_root
    };
    let status = response::health(&health?)?;
    print(&format!("the gateway is {status}\n"));
    Ok(())
}
