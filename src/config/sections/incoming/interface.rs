//! `[websmsd]`: one interface that messages come in on.

use std::time::Duration;

use ipnet::IpNet;

use crate::config::sections::incoming::auth::WebhookAuth;
use crate::config::sections::incoming::body::BodySettings;
use crate::config::sections::incoming::media::MediaSettings;
use crate::config::sections::incoming::receipts::ReceiptPaths;
use crate::document::condition::Condition;
use crate::document::path::FieldPath;
use crate::model::interface::InterfaceName;
use crate::model::message::Sender;
use crate::model::number::NumberFormat;
use crate::secret::SecretSource;

/// The part of a path in `request_uri` where the token is.
pub(crate) const TOKEN: &str = "{token}";

/// One interface of `[websmsd]`: an account at a provider.
#[derive(Debug, Clone)]
pub struct IncomingInterface {
    pub interface: InterfaceName,
    /// Addresses that may post; `None` permits any.
    pub permitted: Option<Vec<IpNet>>,
    /// Paths that may be posted to; `None` permits any.
    pub paths: Option<Vec<String>>,
    pub methods: Vec<AllowedMethod>,
    /// How requests authenticate; `None` accepts all.
    pub auth: Option<WebhookAuth<SecretSource>>,
    pub keys: FieldPaths,
    /// The sender of a message that names none.
    pub from_default: Sender,
    /// What a message must fulfil: all of these.
    pub matching: Vec<Condition>,
    /// What makes a request no message: any of these.
    pub ignored: Vec<Condition>,
    pub body: BodySettings,
    pub body_encoding: BodyEncoding,
    /// For the dialplan.
    pub number_format: NumberFormat,
    pub media: MediaSettings,
    pub receipts: ReceiptPaths,
    /// How long the id of a message is remembered.
    pub dedupe_lifetime: Duration,
    /// Query parameter whose value is returned to a provider that tests us.
    pub key_echo: Option<String>,
    /// What such a provider must send; `None` accepts all.
    pub echo_secret: Option<EchoSecret>,
    pub acknowledgement: Acknowledgement,
}

/// What a provider that tests us must send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EchoSecret {
    /// The query parameter of the secret.
    pub parameter: String,
    pub secret: SecretSource,
}

/// Where the fields of a message are in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldPaths {
    /// The destination number.
    pub to: Vec<FieldPath>,
    /// The originating number.
    pub from: Vec<FieldPath>,
    /// The text.
    pub body: Vec<FieldPath>,
    /// The provider's id of the message; without it no message is recognized as a
    /// repetition.
    pub id: Vec<FieldPath>,
}

/// An HTTP method by which messages are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowedMethod {
    /// The fields are in the query.
    Get,
    /// The fields are in the body.
    Post,
    /// The fields are in the body.
    Put,
}

/// How a text is encoded inside its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyEncoding {
    /// RFC 4648, section 4.
    Base64,
    /// Two hexadecimal digits for each byte.
    Hex,
    None,
    /// RFC 3986, section 2.1.
    Percent,
    /// A message object as Meta's Cloud API posts it.
    WhatsApp,
}

/// The response to an accepted message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    pub body: String,
    /// `None` depends on what the body looks like.
    pub content_type: Option<String>,
    /// From 200 to 299.
    pub status: u16,
}
