//! `[websms]`: how messages go out to a provider.

use std::num::NonZeroU8;
use std::path::PathBuf;
use std::time::Duration;

use regex_lite::Regex;
use reqwest::Url;

use super::delivery::{self, Delivery};
use super::keys::websms as keys;
use super::reader::Reader;
use super::value;
use crate::message::InterfaceName;
use crate::secret::SecretSource;

/// One provider account, as `[websms]` describes it.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Its name, the `[index]`.
    pub interface: InterfaceName,
    /// Where requests go: `host` and `path` joined.
    pub url: Url,
    /// `path` alone, as configured; Zadarma signs it.
    pub path: String,
    /// Parameter that carries the destination number.
    pub key_to: String,
    /// Parameter that carries the originating number.
    pub key_from: String,
    /// Parameter that carries the text.
    pub key_body: String,
    /// How a request says who sends it.
    pub auth: Auth<SecretSource>,
    /// What the answer must hold besides a 2xx status.
    pub response_check: Option<ResponseCheck>,
    /// How numbers are written.
    pub number_format: NumberFormat,
    /// What is done about characters beyond U+FFFF.
    pub charset: Charset,
    /// Segments that a text may have; one with more is not sent.
    pub max_segments: Option<NonZeroU8>,
    /// Parameters that are always sent.
    pub fixed: Vec<(String, String)>,
    /// Bound of the whole exchange.
    pub timeout: Duration,
    /// Bound of name resolution, connection and TLS together; shorter than
    /// `timeout`.
    pub connect_timeout: Duration,
    /// PEM file with authorities to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// When it goes out, how often it is tried and what the sender is told.
    pub delivery: Delivery,
}

/// How a request says who sends it. `S` is where the secret is, or the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth<S> {
    /// RFC 7617.
    Basic {
        /// User name.
        user: String,
        /// Password.
        secret: S,
    },
    /// Not at all.
    None,
    /// As two more parameters of the form.
    Plain {
        /// Parameter and value that name the user.
        user: (String, String),
        /// Parameter that carries the secret.
        key_secret: String,
        /// Its value.
        secret: S,
    },
    /// Zadarma's signature over path and parameters
    /// (<https://zadarma.com/en/support/api/>).
    Zadarma {
        /// The user key.
        user: String,
        /// The signing secret.
        secret: S,
    },
}

impl Auth<SecretSource> {
    /// Whether the secret stands in the file itself.
    pub(super) fn holds_secret(&self) -> bool {
        match self {
            Self::None => false,
            Self::Basic { secret, .. }
            | Self::Plain { secret, .. }
            | Self::Zadarma { secret, .. } => {
                matches!(secret, SecretSource::Here(secret) if !secret.expose().is_empty())
            }
        }
    }
}

impl<S> Auth<S> {
    /// The same with the secret replaced by what `resolve` makes of it.
    ///
    /// # Errors
    /// What `resolve` says.
    pub fn try_map<T, E>(self, resolve: impl FnOnce(S) -> Result<T, E>) -> Result<Auth<T>, E> {
        Ok(match self {
            Self::Basic { user, secret } => Auth::Basic {
                user,
                secret: resolve(secret)?,
            },
            Self::None => Auth::None,
            Self::Plain {
                user,
                key_secret,
                secret,
            } => Auth::Plain {
                user,
                key_secret,
                secret: resolve(secret)?,
            },
            Self::Zadarma { user, secret } => Auth::Zadarma {
                user,
                secret: resolve(secret)?,
            },
        })
    }
}

/// What an answer must hold to mean "sent".
#[derive(Debug, Clone)]
pub enum ResponseCheck {
    /// A member of that name, at any depth of a JSON answer, with that value
    /// when both are written as text.
    Member {
        /// Its name.
        key: String,
        /// Its value.
        value: String,
    },
    /// A pattern that the answer as it came must match.
    Pattern(Regex),
}

/// How numbers are written in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberFormat {
    /// As they came (`E123` says the same).
    AsIs,
    /// Without any `+`.
    OmitPlus,
    /// Without a leading `+` and without the international prefix `00`.
    WithoutPrefix,
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

const NUMBER_FORMATS: [(&str, NumberFormat); 7] = [
    ("", NumberFormat::AsIs),
    ("E123", NumberFormat::AsIs),
    ("E.123", NumberFormat::AsIs),
    ("omit+", NumberFormat::OmitPlus),
    ("no+", NumberFormat::WithoutPrefix),
    ("E164", NumberFormat::WithoutPrefix),
    ("E.164", NumberFormat::WithoutPrefix),
];

/// The words of `auth_method`.
#[derive(Clone, Copy)]
enum Method {
    Basic,
    None,
    Plain,
    Zadarma,
}

const METHODS: [(&str, Method); 4] = [
    ("basic", Method::Basic),
    ("none", Method::None),
    ("plain", Method::Plain),
    ("zadarma", Method::Zadarma),
];

/// Reads one interface; `None` when there was a mistake, which has been noted.
pub(super) fn read(reader: &mut Reader<'_>, interface: InterfaceName) -> Option<Outgoing> {
    let host = reader.read(&keys::HOST, host);
    let path = reader.read(&keys::PATH, path);
    let url = host
        .zip(path.as_ref())
        .and_then(|(host, path)| url(reader, &host, path));
    let key_to = reader.read(&keys::KEY_TO, value::text);
    let key_from = reader.read(&keys::KEY_FROM, value::text);
    let key_body = reader.read(&keys::KEY_BODY, value::text);
    let auth = auth(reader);
    let response_check = reader.read(&keys::RESPONSE_CHECK, response_check);
    let number_format = reader.read(&keys::NUMBER_FORMAT, |raw| {
        value::choice(raw, &NUMBER_FORMATS)
    });
    let charset = reader.read(&keys::CHARSET, charset);
    let max_segments = reader.read(&keys::MAX_SEGMENTS, max_segments);
    let fixed = reader.read(&keys::VAL_STATIC, value::pairs);
    let timeout = reader.read(&keys::TIMEOUT, |raw| value::seconds(raw, 2..=120));
    let connect_timeout = reader.read(&keys::CONNECT_TIMEOUT, |raw| value::seconds(raw, 1..=60));
    let ca_file = reader.read(&keys::CA_FILE, ca_file);
    let delivery = delivery::read(reader);
    if connect_timeout >= timeout && timeout.is_some() {
        let message = "must be less than timeout, or a slow connection looks like a lost answer";
        reader.mistake(&keys::CONNECT_TIMEOUT, message);
        return None;
    }
    let outgoing = Outgoing {
        interface,
        url: url?,
        path: path?,
        key_to: key_to?,
        key_from: key_from?,
        key_body: key_body?,
        auth: auth?,
        response_check: response_check?,
        number_format: number_format?,
        charset: charset?,
        max_segments: max_segments?,
        fixed: fixed?,
        timeout: timeout?,
        connect_timeout: connect_timeout?,
        ca_file: ca_file?,
        delivery: delivery?,
    };
    distinct_parameters(reader, &outgoing)?;
    Some(outgoing)
}

/// `host` and `path` joined.
fn url(reader: &mut Reader<'_>, host: &str, path: &str) -> Option<Url> {
    let base = Url::parse(host).ok();
    let whole = Url::parse(&format!("{host}{path}")).ok();
    match (base, whole) {
        (Some(base), Some(whole))
            if base.host() == whole.host()
                && base.port() == whole.port()
                && whole.username().is_empty() =>
        {
            Some(whole)
        }
        _ => {
            let message = "does not continue the host: the path must start with /";
            reader.mistake(&keys::PATH, message);
            None
        }
    }
}

/// Scheme and host. One without a scheme is taken as http, which is what the
/// reference's library did.
fn host(raw: &str) -> Result<String, String> {
    const EXPECTED: &str = "expected scheme and host, e.g. https://api.example.com";
    if !raw
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
    {
        return Err(format!("holds what no host can ({EXPECTED})"));
    }
    let with_scheme = if raw.contains("://") {
        raw.to_owned()
    } else {
        format!("http://{raw}")
    };
    let url = Url::parse(&with_scheme).map_err(|error| format!("{error} ({EXPECTED})"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("neither http nor https ({EXPECTED})"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a user: put it into auth_user and auth_passwd".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!(
            "holds a ? or #, which belong into path ({EXPECTED})"
        ));
    }
    Ok(with_scheme)
}

fn path(raw: &str) -> Result<String, String> {
    if raw.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(raw.to_owned())
    } else {
        Err(
            "holds a blank or another character that a URL cannot hold: percent-encode it"
                .to_owned(),
        )
    }
}

fn auth(reader: &mut Reader<'_>) -> Option<Auth<SecretSource>> {
    let method = reader.read(&keys::AUTH_METHOD, |raw| value::choice(raw, &METHODS));
    let user = reader.read(&keys::AUTH_USER, value::optional);
    let secret = reader.read(&keys::AUTH_PASSWD, value::secret);
    let key_user = reader.read(&keys::KEY_USER, value::optional);
    let key_secret = reader.read(&keys::KEY_SECRET, value::optional);
    let (user, secret) = (user?, secret?);
    Some(match method? {
        Method::None => Auth::None,
        Method::Basic => Auth::Basic {
            user: needed(reader, &keys::AUTH_USER, user)?,
            // A token as the user and no password is what some providers want.
            secret: secret.unwrap_or_else(|| SecretSource::Here(crate::secret::Secret::default())),
        },
        Method::Plain => Auth::Plain {
            user: (
                needed(reader, &keys::KEY_USER, key_user?)?,
                needed(reader, &keys::AUTH_USER, user)?,
            ),
            key_secret: needed(reader, &keys::KEY_SECRET, key_secret?)?,
            secret: needed(reader, &keys::AUTH_PASSWD, secret)?,
        },
        Method::Zadarma => Auth::Zadarma {
            user: needed(reader, &keys::AUTH_USER, user)?,
            secret: needed(reader, &keys::AUTH_PASSWD, secret)?,
        },
    })
}

fn needed<T>(reader: &mut Reader<'_>, key: &super::keys::Key, value: Option<T>) -> Option<T> {
    if value.is_none() {
        let message = "is not set, and this auth_method needs it \
                       (auth_method = none sends without)";
        reader.mistake(key, message);
    }
    value
}

fn response_check(raw: &str) -> Result<Option<ResponseCheck>, String> {
    if raw.is_empty() {
        return Ok(None);
    }
    let check = if let Some(rest) = raw.strip_prefix('/') {
        ResponseCheck::Pattern(pattern(rest)?)
    } else {
        let (key, value) = value::pair(raw)
            .map_err(|_| "unknown check (expected key=value or /pattern/)".to_owned())?;
        ResponseCheck::Member { key, value }
    };
    Ok(Some(check))
}

/// The rest of `/pattern/flags`, with the flags that PHP and this program have
/// in common.
fn pattern(rest: &str) -> Result<Regex, String> {
    let (pattern, flags) = rest
        .rsplit_once('/')
        .ok_or("the pattern is not closed (expected /pattern/)")?;
    if !flags.chars().all(|flag| "imsx".contains(flag)) {
        return Err(format!(
            "unknown flags {flags:?} (expected some of i, m, s, x)"
        ));
    }
    let pattern = if flags.is_empty() {
        pattern.to_owned()
    } else {
        format!("(?{flags}){pattern}")
    };
    Regex::new(&pattern).map_err(|error| format!("not a pattern: {error}"))
}

fn charset(raw: &str) -> Result<Charset, String> {
    if raw.contains('=') {
        return value::pair(raw).map(|(key, value)| Charset::Marked { key, value });
    }
    match raw.to_ascii_lowercase().as_str() {
        "" | "utf-8" | "utf8" => Ok(Charset::Utf8),
        "ucs-2" | "ucs2" => Ok(Charset::Ucs2),
        _ => Err("unknown charset (expected UCS-2, UTF-8 or key=value)".to_owned()),
    }
}

/// 0, or nothing, is no bound.
fn max_segments(raw: &str) -> Result<Option<NonZeroU8>, String> {
    if raw.is_empty() {
        return Ok(None);
    }
    value::number(raw, 0..=u8::MAX).map(NonZeroU8::new)
}

fn ca_file(raw: &str) -> Result<Option<PathBuf>, String> {
    value::optional(raw)?
        .map(|raw| value::directory(&raw))
        .transpose()
}

/// A parameter that is given twice would be sent twice, and what the provider
/// makes of that nobody knows.
fn distinct_parameters(reader: &mut Reader<'_>, outgoing: &Outgoing) -> Option<()> {
    let mut seen = vec![outgoing.key_to.as_str()];
    let mut parameters = vec![
        (&keys::KEY_FROM, outgoing.key_from.as_str()),
        (&keys::KEY_BODY, outgoing.key_body.as_str()),
    ];
    if let Auth::Plain {
        user, key_secret, ..
    } = &outgoing.auth
    {
        parameters.push((&keys::KEY_USER, &user.0));
        parameters.push((&keys::KEY_SECRET, key_secret));
    }
    if let Some(key) = &outgoing.delivery.idempotency.parameter {
        parameters.push((&keys::KEY_IDEMPOTENCY, key));
    }
    if let Charset::Marked { key, .. } = &outgoing.charset {
        parameters.push((&keys::CHARSET, key));
    }
    parameters.extend(
        outgoing
            .fixed
            .iter()
            .map(|(key, _)| (&keys::VAL_STATIC, key.as_str())),
    );
    for (key, parameter) in parameters {
        if seen.contains(&parameter) {
            let message = format!("the parameter {parameter:?} is already used by another key");
            reader.mistake(key, &message);
            return None;
        }
        seen.push(parameter);
    }
    Some(())
}
