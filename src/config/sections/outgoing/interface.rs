//! `[websms]`: one interface that messages go out by.

use std::num::{NonZeroU8, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use regex_lite::Regex;
use reqwest::Url;

use crate::config::sections::outgoing::auth::Auth;
use crate::config::sections::outgoing::delivery::DeliverySettings;
use crate::config::sections::outgoing::error_codes::ErrorCodes;
use crate::config::sections::outgoing::parameters::Parameters;
use crate::config::sections::outgoing::pictures::PictureSettings;
use crate::document::condition::Condition;
use crate::document::path::FieldPath;
use crate::model::interface::InterfaceName;
use crate::model::number::NumberFormat;
use crate::secret::SecretSource;

/// One provider account, as `[websms]` describes it.
#[derive(Debug, Clone)]
pub struct OutgoingInterface {
    /// Its name, the `[index]`.
    pub interface: InterfaceName,
    /// Where requests go: `host`, without what `path` adds.
    pub host: Url,
    /// `path`, with `{to}`, `{from}`, `{body}` and `{id}` in it; Zadarma signs it.
    pub path: String,
    /// By which method.
    pub method: RequestMethod,
    /// Other headers, by name in lower case, with the same words in them.
    pub headers: Vec<(String, String)>,
    /// What says which, and how it is written.
    pub parameters: Parameters,
    /// How a request says who sends it.
    pub auth: Auth<SecretSource>,
    /// What the answer must hold besides a 2xx status.
    pub response_check: Option<Condition>,
    /// Where the answer says what the provider calls the message.
    pub response_id: Option<ResponseId>,
    /// What its refusals mean.
    pub errors: ErrorCodes,
    /// How numbers are written.
    pub number_format: NumberFormat,
    /// What the destination must look like then.
    pub to_match: Option<Regex>,
    /// What is done about characters beyond U+FFFF.
    pub charset: Charset,
    /// Segments that a text may have; one with more is not sent.
    pub max_segments: Option<NonZeroU8>,
    /// Characters of one message; a longer text is sent as several.
    pub max_chars: Option<NonZeroUsize>,
    /// What becomes of URLs of pictures in the text.
    pub pictures: PictureSettings,
    /// Bound of the whole exchange.
    pub timeout: Duration,
    /// Bound of name resolution, connection and TLS together; shorter than
    /// `timeout`.
    pub connect_timeout: Duration,
    /// PEM file with authorities to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// When it goes out, how often it is tried and what the sender is told.
    pub delivery: DeliverySettings,
}

/// Where the answer says what the provider calls the message.
#[derive(Debug, Clone)]
pub enum ResponseId {
    /// In its JSON, at the first of these that is there.
    At(Vec<FieldPath>),
    /// In the first group of a pattern that the answer as it came matches.
    Matched(Regex),
}

/// By which method a request is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestMethod {
    /// With everything in the URL.
    Get,
    /// As most want it.
    Post,
    /// As some do.
    Put,
}

/// What is done about characters beyond U+FFFF, which UCS-2 does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Charset {
    /// A parameter is added to messages that hold one.
    Marked {
        /// The parameter.
        key: String,
        /// Its value.
        value: String,
    },
    /// They are replaced by U+FFFD.
    Ucs2,
    /// Nothing.
    Utf8,
}
