//! Is a request the provider's? One function for each scheme; all of them work
//! on the bytes as they came, compare in constant time, and say no when in
//! doubt. Pure: the time is an argument.
//!
//! Whoever signs a part of a request vouches for that part alone: [`verify`]
//! says which fields may be believed.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::Value;
use subtle::ConstantTimeEq as _;

mod hmac;
mod jwt;
mod twilio;
mod vonage;

use crate::config::{AuthLocation, AuthScheme, TOKEN, WebhookAuth};
use crate::document::path::as_text;
use crate::inbound::decode;
use crate::secret::Secret;

/// A request as it came, as far as somebody could sign it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SignedRequest<'a> {
    /// `POST`, `GET` or `PUT`.
    pub method: &'a str,
    /// The path, as it came.
    pub path: &'a str,
    /// What stands behind the `?`, if there is one.
    pub query: Option<&'a str>,
    /// Names in lower case and values.
    pub headers: &'a [(String, String)],
    /// The body.
    pub body: &'a [u8],
    /// The paths that the interface takes, with the place of the token.
    pub paths: &'a [String],
}

/// What may be believed of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TrustScope {
    /// Everything: who knows the secret has sent it.
    All,
    /// What it says, but for its headers.
    Content,
    /// The fields of these names.
    Fields(Vec<String>),
}

/// Whether a request is the provider's, at `now`, in seconds since 1970.
///
/// # Errors
/// What is missing or does not fit. It is for the log; the peer is told nothing.
pub(crate) fn verify(
    authenticity: &WebhookAuth<Secret>,
    request: &SignedRequest<'_>,
    now: u64,
) -> Result<TrustScope, AuthError> {
    let WebhookAuth {
        scheme, secrets, ..
    } = authenticity;
    let any = |fits: &dyn Fn(&Secret) -> bool| {
        // Each is looked at, so that the time does not tell which one it was.
        let fitting = secrets.iter().filter(|secret| fits(secret)).count();
        if fitting > 0 {
            Ok(TrustScope::All)
        } else {
            Err(AuthError::Mismatch)
        }
    };
    match scheme {
        AuthScheme::Basic { user } => {
            let given = request.header("authorization")?;
            any(&|secret| basic(user, secret, given))
        }
        AuthScheme::Token { place } => {
            let given = request.value_at(place)?;
            any(&|secret| constant_time_eq(secret.expose().as_bytes(), given.as_bytes()))
        }
        AuthScheme::Ed25519 { place, timestamp } => {
            let (given, timestamp) = (request.value_at(place)?, request.value_at(timestamp)?);
            authenticity.fresh(&timestamp, now)?;
            any(&|key| ed25519(key, &given, &timestamp, request.body))?;
            request.body_scope()
        }
        AuthScheme::Hmac(hmac) => {
            let given = request.value_at(&hmac.place)?;
            let signed = hmac::signed(hmac, authenticity, request, now)?;
            any(&|secret| hmac::matches(hmac, secret, &signed, &given))?;
            hmac::trust_scope(hmac, request)
        }
        AuthScheme::Jwt { place } => {
            let given = request.value_at(place)?;
            let token = given.strip_prefix("Bearer ").unwrap_or(&given);
            let url = request.url(authenticity);
            let fitting = secrets
                .iter()
                .find_map(|secret| jwt::claims(secret, token))
                .ok_or(AuthError::Mismatch)?;
            jwt::check(&fitting, authenticity, request, &url, now)
        }
        AuthScheme::Twilio { place } => {
            let given = request.value_at(place)?;
            let signed = twilio::signed(authenticity, request)?;
            any(&|secret| twilio::matches(secret, &signed, &given))?;
            twilio::trust_scope(request)
        }
        AuthScheme::Vonage { digest, place } => {
            let signed = vonage::signed(request, place, authenticity, now)?;
            any(&|secret| vonage::matches(*digest, secret, &signed))?;
            Ok(TrustScope::Content)
        }
    }
}

/// User and password (RFC 7617, section 2).
fn basic(user: &str, secret: &Secret, given: &str) -> bool {
    let credentials = STANDARD.encode(format!("{user}:{}", secret.expose()));
    let (scheme, rest) = given.split_once(' ').unwrap_or((given, ""));
    scheme.eq_ignore_ascii_case("basic")
        && constant_time_eq(credentials.as_bytes(), rest.trim().as_bytes())
}

/// Telnyx's rule: the signature, in base64, is over `timestamp|body`
/// (<https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks>).
fn ed25519(key: &Secret, given: &str, timestamp: &str, body: &[u8]) -> bool {
    // Hexadecimal digits first: they are base64 of something else, too.
    let key = key.expose();
    let key = hex::decode(key).or_else(|_| STANDARD.decode(key));
    let (Ok(key), Ok(given)) = (key, STANDARD.decode(given)) else {
        return false;
    };
    let signed = [timestamp.as_bytes(), b"|", body].concat();
    UnparsedPublicKey::new(&ED25519, key)
        .verify(&signed, &given)
        .is_ok()
}

fn constant_time_eq(expected: &[u8], given: &[u8]) -> bool {
    expected.ct_eq(given).into()
}

impl WebhookAuth<Secret> {
    /// Whether a timestamp, in seconds or milliseconds since 1970, is recent.
    fn fresh(&self, timestamp: &str, now: u64) -> Result<(), AuthError> {
        const MILLISECONDS: u64 = 100_000_000_000;
        let Some(max_age) = self.max_age else {
            return Ok(());
        };
        let seconds = timestamp.parse().map_err(|_| AuthError::Time)?;
        let seconds: u64 = if seconds >= MILLISECONDS {
            seconds / 1000
        } else {
            seconds
        };
        if now.abs_diff(seconds) <= max_age {
            Ok(())
        } else {
            Err(AuthError::Time)
        }
    }
}

impl SignedRequest<'_> {
    /// A header that is given once.
    fn header(&self, wanted: &str) -> Result<&str, AuthError> {
        let mut values = self.headers.iter().filter(|(name, _)| name == wanted);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Ok(value),
            _ => Err(AuthError::Missing(format!("header {wanted}"))),
        }
    }

    /// The value at a place.
    fn value_at(&self, place: &AuthLocation) -> Result<String, AuthError> {
        let found = match place {
            AuthLocation::Header(name) => return self.header(name).map(str::to_owned),
            AuthLocation::Field(name) => once(&self.fields()?, name),
            AuthLocation::Query(name) => once(&self.parameters(), name),
            AuthLocation::Path => self.token(),
        };
        found.ok_or_else(|| AuthError::Missing(place.to_string()))
    }

    /// What stands in the place of the token in the path.
    fn token(&self) -> Option<String> {
        let parts: Vec<_> = self.path.split('/').collect();
        self.paths.iter().find_map(|path| {
            let template: Vec<_> = path.split('/').collect();
            let position = template.iter().position(|part| *part == TOKEN)?;
            let fits = template.len() == parts.len()
                && (0..parts.len()).all(|at| at == position || template.get(at) == parts.get(at));
            let token = parts.get(position).filter(|_| fits)?;
            Some((*token).to_owned())
        })
    }

    /// The parameters of the query.
    fn parameters(&self) -> Vec<(String, String)> {
        decode::query(self.query.unwrap_or_default())
    }

    /// What the request says: the query of a GET, else the fields of the form or
    /// the top-level members of the JSON document that are values. They are read
    /// as [`decode`] reads them for a message, or not at all.
    fn fields(&self) -> Result<Vec<(String, String)>, AuthError> {
        let text = |(name, value): (String, Value)| Some((name, as_text(&value)?));
        Ok(self.members()?.into_iter().filter_map(text).collect())
    }

    /// The same, with what else stands in the JSON document.
    fn members(&self) -> Result<Vec<(String, Value)>, AuthError> {
        let texts = |fields: Vec<(String, String)>| {
            let value = |(name, value)| (name, Value::String(value));
            Ok(fields.into_iter().map(value).collect())
        };
        if self.method == "GET" {
            return texts(self.parameters());
        }
        if self.is_form() {
            return texts(decode::form(self.body));
        }
        match decode::json(self.body) {
            Ok(Value::Object(members)) if self.is_json() => Ok(members.into_iter().collect()),
            _ => Err(AuthError::Uncovered("what is no form and no JSON object")),
        }
    }

    /// What is covered when the bytes of the body are signed. Its type is not,
    /// and neither is the query: what looks like another type could be a signed
    /// body under a name that makes other fields of it.
    fn body_scope(&self) -> Result<TrustScope, AuthError> {
        if self.method == "GET" {
            return Err(AuthError::Uncovered("the URL, and a GET says all there"));
        }
        let start = self.body.first().copied().unwrap_or_default();
        let resembles = if self.is_form() {
            start.is_ascii_alphanumeric() || b"%_".contains(&start)
        } else {
            self.is_json() || start == b'-'
        };
        if self.body.is_empty() || resembles {
            Ok(TrustScope::Content)
        } else {
            Err(AuthError::Uncovered(
                "a Content-Type that the body does not look like",
            ))
        }
    }

    fn is_json(&self) -> bool {
        let content_type = self.header("content-type").unwrap_or_default();
        decode::is_json(content_type)
    }

    fn is_form(&self) -> bool {
        let content_type = self.header("content-type").unwrap_or_default();
        decode::is_form(content_type)
    }

    /// The Host header, unless it holds more than a host.
    fn host(&self) -> &str {
        let host = self.header("host").unwrap_or_default();
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
        if host.bytes().all(is_host) { host } else { "" }
    }

    /// The URL, as the provider has it.
    fn url(&self, authenticity: &WebhookAuth<Secret>) -> String {
        let base = match &authenticity.public_url {
            Some(url) => url.clone(),
            None => format!("http://{}", self.host()),
        };
        let query = self.query.map(|query| format!("?{query}"));
        format!("{base}{}{}", self.path, query.unwrap_or_default())
    }
}

/// The value of a name that is given once: of two nobody knows which one is
/// meant.
fn once(pairs: &[(String, String)], wanted: &str) -> Option<String> {
    let mut values = pairs.iter().filter(|(name, _)| name == wanted);
    match (values.next(), values.next()) {
        (Some((_, value)), None) => Some(value.clone()),
        _ => None,
    }
}

impl fmt::Display for AuthLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, "field {name}"),
            Self::Header(name) => write!(f, "header {name}"),
            Self::Path => f.write_str("token in the path"),
            Self::Query(name) => write!(f, "query parameter {name}"),
        }
    }
}

/// A request that is not shown to be the provider's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AuthError {
    /// The signature, token or password is another one.
    Mismatch,
    /// Something is not there, or is there twice.
    Missing(String),
    /// It was signed at another time.
    Time,
    /// Something is not covered by the signature.
    Uncovered(&'static str),
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mismatch => f.write_str(
                "the signature or token does not fit: compare auth_secret with the provider's, \
                 and public_url with the URL that it posts to",
            ),
            Self::Missing(what) => write!(f, "there is no {what}, or more than one"),
            Self::Time => f.write_str(
                "it was signed at another time (auth_max_age), or the clock of one of us is wrong",
            ),
            Self::Uncovered(what) => write!(f, "the signature does not cover {what}"),
        }
    }
}

impl std::error::Error for AuthError {}

#[cfg(test)]
mod tests;
