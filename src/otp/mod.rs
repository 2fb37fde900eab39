//! One-time passwords: a code is sent to a phone by `WhatsApp` or SMS, and a user
//! who types it has shown that the phone is theirs.
//!
//! [`http`] takes requests by HTTP as Meta's sample server does, unless a web page
//! caused them ([`own_host`]), [`agi`] those of
//! the dialplan. Both use the [`service`], which limits the codes ([`hourly_limits`],
//! and [`phone_state`] for each phone), generates one ([`code`]), sends it
//! ([`channels`]) and stores its hash ([`store`]). [`phone_state`] decides whether a
//! typed code is right, [`outcome`] how that is answered. [`meta`] is the API of
//! `WhatsApp`, where [`template_approval`](meta::template_approval) waits until
//! codes can be sent. [`client`] asks the daemon from another process.
//!
//! No file and no log line holds a code or a whole number.

pub(crate) mod agi;
pub(crate) mod channels;
pub(crate) mod client;
pub(crate) mod code;
pub(crate) mod counters;
pub(crate) mod hourly_limits;
pub(crate) mod http;
pub(crate) mod meta;
pub(crate) mod outcome;
pub(crate) mod own_host;
pub(crate) mod phone;
pub(crate) mod phone_state;
pub(crate) mod service;
pub(crate) mod store;

use std::sync::Arc;

use thiserror::Error;

use crate::config::{Config, OtpChannel, OtpSettings};
use crate::http::client::json_api::ApiClientError;
use crate::secret::{Secret, SecretError, SecretSource};
use crate::storage::directory_error::DirectoryError;
use channels::{ChannelError, CodeChannel, SmsChannel, WhatsappChannel};
use code::CodeHasher;
use meta::account::AccountError;
use meta::template_approval::TemplateApproval;
use service::OtpService;
use store::OtpStore;

/// What the daemon serves and runs.
#[derive(Debug)]
pub(crate) struct OtpParts {
    pub service: Arc<OtpService>,
    /// The bearer token that clients by HTTP must present.
    pub token: Option<Secret>,
    /// Each is to be waited for before its channel is activated.
    pub approvals: Vec<(TemplateApproval, WhatsappChannel)>,
}

/// Opens the store and prepares the channels; makes no connection.
///
/// # Errors
/// When the configuration leads to something that cannot be used.
pub(crate) fn open(config: &Config, settings: &OtpSettings) -> Result<OtpParts, OpenError> {
    let Prepared {
        key,
        token,
        channels,
        approvals,
    } = prepare(config, settings)?;
    let store = OtpStore::open(&settings.directory)?;
    let service = OtpService::new(settings.clone(), CodeHasher::new(key), store, channels);
    Ok(OtpParts {
        service: Arc::new(service),
        token,
        approvals,
    })
}

/// Checks what [`open`] needs, also while a running daemon has the store open.
///
/// # Errors
/// When the configuration leads to something that cannot be used.
pub(crate) fn probe(config: &Config, settings: &OtpSettings) -> Result<(), OpenError> {
    prepare(config, settings)?;
    Ok(store::probe(&settings.directory)?)
}

/// What the service needs besides its store.
struct Prepared {
    key: Secret,
    token: Option<Secret>,
    channels: Vec<CodeChannel>,
    approvals: Vec<(TemplateApproval, WhatsappChannel)>,
}

fn prepare(config: &Config, settings: &OtpSettings) -> Result<Prepared, OpenError> {
    let mut key = resolve(settings.hash_key.as_ref()).map_err(OpenError::HashKey)?;
    let token = resolve(settings.client_token.as_ref()).map_err(OpenError::ClientToken)?;
    let minutes = settings.lifetime.as_secs().div_ceil(60);
    let (mut channels, mut approvals) = (Vec::new(), Vec::new());
    for channel in &settings.channels {
        channels.push(match channel {
            OtpChannel::Sms(sms) => {
                CodeChannel::Sms(Box::new(SmsChannel::new(config, sms, minutes)?))
            }
            OtpChannel::Whatsapp(codes) => {
                let account = meta::account::load(&codes.account)?;
                let whatsapp = WhatsappChannel::default();
                approvals.push((TemplateApproval::new(codes, &account)?, whatsapp.clone()));
                key.get_or_insert(account.access_token);
                CodeChannel::Whatsapp(whatsapp)
            }
        });
    }
    Ok(Prepared {
        key: key.ok_or(OpenError::HashKey(SecretError::Empty))?,
        token,
        channels,
        approvals,
    })
}

fn resolve(source: Option<&SecretSource>) -> Result<Option<Secret>, SecretError> {
    source.map(SecretSource::resolve_nonempty).transpose()
}

/// Why one-time passwords cannot be sent. The administrator must act.
#[derive(Debug, Error)]
pub(crate) enum OpenError {
    #[error(transparent)]
    Account(#[from] AccountError),
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error("use Meta's API")]
    Client(#[from] ApiClientError),
    #[error("read client_token")]
    ClientToken(#[source] SecretError),
    /// Also the secret that is used in place of `hash_key`.
    #[error("read hash_key")]
    HashKey(#[source] SecretError),
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}
