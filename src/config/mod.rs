//! `websms.conf`: text to typed, checked configuration.
//!
//! Four steps: `syntax::ini` turns lines into entries, `syntax::preset` adds those of
//! presets, `syntax::value` converts values to types, and `sections` puts the values
//! together, one file for each section. All mistakes of a file are found in one run; a
//! configuration exists only without mistakes. Reading touches nothing but text;
//! a secret that is stored elsewhere is read when it is used.

mod advice;
mod configuration;
mod load;
mod secret_places;
mod secrets;
mod sections;
pub mod syntax;

pub use configuration::Config;
pub(crate) use configuration::UnknownInterface;
pub(crate) use load::load_draft;
pub use load::{LoadError, load, parse};
pub(crate) use secrets::stored as stored_secrets;
pub(crate) use sections::incoming::auth::{
    AuthLocation, AuthScheme, DigestEncoding, HmacDigest, HmacScheme, VonageDigest, WebhookAuth,
};
pub(crate) use sections::incoming::body::{BodyFormat, BodySettings, WHOLE_BODY};
pub(crate) use sections::incoming::interface::{
    Acknowledgement, AllowedMethod, BodyEncoding, EchoSecret, IncomingInterface, TOKEN,
};
pub(crate) use sections::incoming::media::MediaMode;
pub(crate) use sections::incoming::receipts::ReceiptPaths;
pub(crate) use sections::media_store::MediaStoreSettings;
pub(crate) use sections::otp::{
    AccountSource, Identifier, OtpChannel, OtpDraft, OtpSettings, SmsSettings, WhatsappAccount,
    WhatsappCodes, sender,
};
pub(crate) use sections::outgoing::auth::{Auth, ClientCredentials};
#[cfg(test)]
pub(crate) use sections::outgoing::delivery::IdempotencySettings;
pub use sections::outgoing::delivery::RetrySettings;
pub(crate) use sections::outgoing::delivery::{DeliveryMode, DeliverySettings};
pub(crate) use sections::outgoing::error_codes::ErrorCodes;
pub(crate) use sections::outgoing::interface::{Charset, OutgoingInterface, RequestMethod};
pub(crate) use sections::outgoing::parameters::{BodyType, pointer};
pub(crate) use sections::outgoing::pictures::{PictureSettings, PrecedingUpload};
pub(crate) use sections::outgoing::response_place::ResponsePlace;
pub(crate) use sections::sak::{SakSettings, SessionId};
pub(crate) use sections::server::HttpSettings;
pub use sections::spool::CallFileSettings;
pub(crate) use sections::spool::SpoolSettings;
pub(crate) use syntax::problem::{Report, Severity};

/// The file that is read unless `--config` or `WEBSMS_CONF` names another.
pub const DEFAULT_PATH: &str = "/etc/asterisk/websms.conf";
