//! `[websmsd]`: one interface that messages come in on.

use std::time::Duration;

use ipnet::IpNet;

use crate::config::sections::incoming::auth::WebhookAuth;
use crate::config::sections::incoming::media::MediaSettings;
use crate::config::sections::incoming::receipts::ReceiptPaths;
use crate::document::condition::Condition;
use crate::document::path::FieldPath;
use crate::model::interface::InterfaceName;
use crate::model::number::NumberFormat;
use crate::secret::SecretSource;

/// In a path of `request_uri`, where the token stands.
pub(crate) const TOKEN: &str = "{token}";

/// One provider account, as `[websmsd]` describes it.
#[derive(Debug, Clone)]
pub struct IncomingInterface {
    /// Its name, the `[index]`.
    pub interface: InterfaceName,
    /// Addresses that may post; `None` is anyone.
    pub permitted: Option<Vec<IpNet>>,
    /// Paths that may be posted to; `None` is any.
    pub paths: Option<Vec<String>>,
    /// Methods by which messages are taken.
    pub methods: Vec<AllowedMethod>,
    /// How a request shows that it is the provider's; `None` is not at all.
    pub auth: Option<WebhookAuth<SecretSource>>,
    /// Where what is.
    pub keys: FieldPaths,
    /// What a message must hold, all of it.
    pub matching: Vec<Condition>,
    /// What makes it none; any of these.
    pub ignored: Vec<Condition>,
    /// How the text is encoded.
    pub body_encoding: BodyEncoding,
    /// How numbers are written for the dialplan.
    pub number_format: NumberFormat,
    /// What is done about pictures.
    pub media: MediaSettings,
    /// What is a delivery receipt.
    pub receipts: ReceiptPaths,
    /// How long such an id is remembered.
    pub dedupe_lifetime: Duration,
    /// Query parameter whose value is echoed to a provider that tests us.
    pub key_echo: Option<String>,
    /// What such a provider must know; `None` is nothing.
    pub echo_secret: Option<EchoSecret>,
    /// The answer to an accepted message.
    pub acknowledgement: Acknowledgement,
}

/// What a provider that tests us must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EchoSecret {
    /// The query parameter that carries it.
    pub parameter: String,
    /// Where it is found.
    pub secret: SecretSource,
}

/// Where what is in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldPaths {
    /// The destination number.
    pub to: Vec<FieldPath>,
    /// The originating number.
    pub from: Vec<FieldPath>,
    /// The text.
    pub body: Vec<FieldPath>,
    /// The provider's id of the message; without it no message is taken for one
    /// that came before.
    pub id: Vec<FieldPath>,
}

/// A method by which messages are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowedMethod {
    /// The fields are in the query.
    Get,
    /// They are in the body.
    Post,
    /// They are in the body.
    Put,
}

/// How a text is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyEncoding {
    /// RFC 4648, section 4.
    Base64,
    /// It is what it is.
    None,
    /// RFC 3986, section 2.1.
    Percent,
    /// A message object as Meta's Cloud API posts it.
    WhatsApp,
}

/// The answer to an accepted message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Its body.
    pub body: String,
    /// Its Content-Type; `None` is what it looks like.
    pub content_type: Option<String>,
    /// Its status, of 200 to 299.
    pub status: u16,
}
