//! One-time passwords: a code goes to a phone by `WhatsApp` or SMS, and whoever
//! types it has the phone.
//!
//! [`http`] takes requests by HTTP as Meta's sample server does, [`agi`] those of
//! the dialplan; both come to the [`service`], which bounds how many codes there are
//! ([`client_limit`] and, for a phone, [`phone_state`]), makes one ([`code`]), sends it
//! ([`channels`], of which [`template_approval`](meta::template_approval) knows when `WhatsApp`'s is open) and keeps what
//! is needed to know it again ([`store`]). [`phone_state`] decides what a code that
//! somebody typed is worth, [`outcome`] how that is said.
//!
//! Nothing that is stored or logged reveals a code or a whole number.

pub(crate) mod agi;
pub(crate) mod channels;
pub(crate) mod client;
pub(crate) mod client_limit;
pub(crate) mod code;
pub(crate) mod counters;
pub(crate) mod http;
pub(crate) mod meta;
pub(crate) mod outcome;
pub(crate) mod phone;
pub(crate) mod phone_state;
pub(crate) mod service;
pub(crate) mod store;

use std::fmt;
use std::io;
use std::sync::Arc;

use crate::config::{Config, OtpChannel, OtpSettings};
use crate::http::client::json_api::ApiClientError;
use crate::logging::chain;
use crate::secret::{Secret, SecretError, SecretSource};
use channels::{ChannelError, CodeChannel, SmsChannel, WhatsappChannel};
use code::CodeHasher;
use meta::account::AccountError;
use meta::template_approval::TemplateApproval;
use service::OtpService;
use store::OtpStore;

/// A desk, and what is to be done beside it.
#[derive(Debug)]
pub(crate) struct OtpParts {
    /// Where codes are asked for.
    pub service: Arc<OtpService>,
    /// What whoever asks by HTTP must show.
    pub token: Option<Secret>,
    /// Templates that are to be approved before codes can go in them.
    pub approvals: Vec<(TemplateApproval, WhatsappChannel)>,
}

/// Opens a desk as `[otp]` says; makes no connection.
///
/// # Errors
/// When something that it needs cannot be had.
pub(crate) fn open(config: &Config, otp: &OtpSettings) -> Result<OtpParts, OpenError> {
    let prepared = prepare(config, otp)?;
    let store = OtpStore::open(&otp.directory).map_err(OpenError::Store)?;
    let Prepared {
        key,
        token,
        channels,
        approvals,
    } = prepared;
    let service = OtpService::new(otp.clone(), CodeHasher::new(key), store, channels);
    Ok(OtpParts {
        service: Arc::new(service),
        token,
        approvals,
    })
}

/// Whether a desk could be opened, as far as that can be seen while another
/// process has it open.
///
/// # Errors
/// When something that it needs cannot be had.
pub(crate) fn probe(config: &Config, otp: &OtpSettings) -> Result<(), OpenError> {
    prepare(config, otp)?;
    store::probe(&otp.directory).map_err(OpenError::Store)
}

/// What a desk needs besides its store.
struct Prepared {
    key: Secret,
    token: Option<Secret>,
    channels: Vec<CodeChannel>,
    approvals: Vec<(TemplateApproval, WhatsappChannel)>,
}

fn prepare(config: &Config, otp: &OtpSettings) -> Result<Prepared, OpenError> {
    let minutes = otp.lifetime.as_secs().div_ceil(60);
    let (mut channels, mut approvals) = (Vec::new(), Vec::new());
    let mut key = otp.hash_key.as_ref().map(resolve).transpose()?;
    for channel in &otp.channels {
        channels.push(match channel {
            OtpChannel::Sms(sms) => {
                let sms = SmsChannel::new(config, sms, minutes).map_err(OpenError::Channel)?;
                CodeChannel::Sms(Box::new(sms))
            }
            OtpChannel::Whatsapp(codes) => {
                let account = meta::account::load(&codes.account).map_err(OpenError::Account)?;
                let approval = TemplateApproval::new(codes, &account).map_err(OpenError::Client)?;
                let template = WhatsappChannel::default();
                approvals.push((approval, template.clone()));
                key.get_or_insert(account.access_token);
                CodeChannel::Whatsapp(template)
            }
        });
    }
    Ok(Prepared {
        key: key.ok_or(OpenError::Secret(SecretError::Empty))?,
        token: otp.client_token.as_ref().map(resolve).transpose()?,
        channels,
        approvals,
    })
}

fn resolve(source: &SecretSource) -> Result<Secret, OpenError> {
    let resolved = source.resolve_nonempty();
    resolved.map_err(OpenError::Secret)
}

/// A desk that cannot be opened. The administrator must act.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// The account at Meta is not described.
    Account(AccountError),
    /// Meta cannot be asked.
    Client(ApiClientError),
    /// `hash_key`, what is in its place, or `client_token` cannot be had.
    Secret(SecretError),
    /// The directory cannot be used.
    Store(io::Error),
    /// SMS cannot be sent.
    Channel(ChannelError),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(error) => error.fmt(f),
            Self::Client(error) => error.fmt(f),
            Self::Secret(error) => write!(f, "{} (hash_key or client_token)", chain(error)),
            Self::Store(error) => write!(f, "use otpdir: {error}"),
            Self::Channel(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for OpenError {}
