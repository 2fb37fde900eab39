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
use crate::config::sections::outgoing::response_place::ResponsePlace;
use crate::document::condition::Condition;
use crate::model::interface::InterfaceName;
use crate::model::number::NumberFormat;
use crate::secret::SecretSource;

/// One interface of `[websms]`: an account at a provider.
#[derive(Debug, Clone)]
pub struct OutgoingInterface {
    pub interface: InterfaceName,
    /// `host`, without the path.
    pub host: Url,
    /// `path`, with `{to}`, `{from}`, `{body}` and `{id}` in it; Zadarma signs it.
    pub path: String,
    pub method: RequestMethod,
    /// More headers: names in lower case, values with the same words as `path`.
    pub headers: Vec<(String, String)>,
    pub parameters: Parameters,
    pub auth: Auth<SecretSource>,
    /// What a response must contain, besides a 2xx status, to mean "sent".
    pub response_check: Option<Condition>,
    /// Where a response has the provider's id of the message.
    pub response_id: Option<ResponsePlace>,
    pub errors: ErrorCodes,
    pub number_format: NumberFormat,
    /// What the destination must match in that format.
    pub to_match: Option<Regex>,
    pub charset: Charset,
    /// Segments that a text may need; a longer text is not sent.
    pub max_segments: Option<NonZeroU8>,
    /// Characters of one message; a longer text is sent as several.
    pub max_chars: Option<NonZeroUsize>,
    /// How URLs of pictures in the text are sent.
    pub pictures: PictureSettings,
    /// For the whole request and its response.
    pub timeout: Duration,
    /// For DNS, connection and TLS together; shorter than `timeout`.
    pub connect_timeout: Duration,
    /// PEM file with certificates of authorities to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    pub delivery: DeliverySettings,
}

impl OutgoingInterface {
    /// Where requests go to: the provider, and what issues tokens for it.
    pub(crate) fn urls(&self) -> impl Iterator<Item = &Url> {
        let token = match &self.auth {
            Auth::ClientCredentials(account) => Some(&account.token_url),
            _ => None,
        };
        [&self.host].into_iter().chain(token)
    }

    /// Whether path or headers contain this word, e.g. `{to}`.
    pub(crate) fn fills_in(&self, word: &str) -> bool {
        let mut headers = self.headers.iter();
        self.path.contains(word) || headers.any(|(_, value)| value.contains(word))
    }
}

/// The HTTP method of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestMethod {
    /// With all parameters in the URL.
    Get,
    Post,
    Put,
}

/// What is done with characters beyond U+FFFF, which UCS-2 does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Charset {
    /// A parameter is added to texts that contain one.
    Marked { key: String, value: String },
    /// Each is replaced by U+FFFD.
    Ucs2,
    /// Nothing.
    Utf8,
}
