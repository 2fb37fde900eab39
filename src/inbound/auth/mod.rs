//! Authenticates webhooks: one function for each scheme. All of them work on the
//! bytes as they came, compare in constant time, and refuse when in doubt. Pure:
//! the time is an argument.
//!
//! A signature over a part of a request vouches for that part alone: [`verify`]
//! says which fields can be trusted.

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

use crate::config::{AuthLocation, AuthScheme, WebhookAuth};
use crate::crypto::basic_credentials;
use crate::document::as_text;
use crate::inbound::decode::Content;
use crate::inbound::pairs::once;
use crate::inbound::request::WebhookRequest;
use crate::secret::Secret;

/// What can be trusted in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TrustScope {
    /// Everything: the sender knows the secret.
    All,
    /// Everything but the headers.
    Content,
    /// The fields with these names.
    Fields(Vec<String>),
}

/// Authenticates a request at `now`, in seconds since 1970.
///
/// # Errors
/// What is missing or does not match.
pub(crate) fn verify(
    auth: &WebhookAuth<Secret>,
    request: &WebhookRequest,
    now: u64,
) -> Result<TrustScope, AuthError> {
    let WebhookAuth {
        scheme, secrets, ..
    } = auth;
    let any = |matches: &dyn Fn(&Secret) -> bool| match_any(secrets, matches);
    match scheme {
        AuthScheme::Basic { user } => {
            let authorization = request.required_header("authorization")?;
            any(&|secret| basic(user, secret, authorization))
        }
        AuthScheme::Token { location } => {
            let token = request.value_at(location)?;
            any(&|secret| constant_time_eq(secret.expose().as_bytes(), token.as_bytes()))
        }
        AuthScheme::Ed25519 {
            location,
            timestamp,
        } => {
            let signature = request.value_at(location)?;
            let timestamp = request.value_at(timestamp)?;
            auth.check_age(&timestamp, now)?;
            any(&|key| ed25519(key, &signature, &timestamp, &request.body))?;
            request.body_scope()
        }
        AuthScheme::Hmac(hmac) => {
            let signatures = request.value_at(&hmac.location)?;
            let signed = hmac::signed(hmac, auth, request, now)?;
            any(&|secret| hmac::matches(hmac, secret, &signed, &signatures))?;
            hmac::trust_scope(hmac, request)
        }
        AuthScheme::Jwt { location } => {
            let value = request.value_at(location)?;
            let token = value.strip_prefix("Bearer ").unwrap_or(&value);
            let claims = secrets.iter().find_map(|secret| jwt::claims(secret, token));
            let claims = claims.ok_or(AuthError::Mismatch)?;
            jwt::check(&claims, auth, request, &request.url(auth), now)
        }
        AuthScheme::Twilio { location } => {
            let signature = request.value_at(location)?;
            let signed = twilio::signed(auth, request)?;
            any(&|secret| twilio::matches(secret, &signed, &signature))?;
            twilio::trust_scope(request)
        }
        AuthScheme::Vonage { digest, location } => {
            let signed = vonage::signed(request, location, auth, now)?;
            any(&|secret| vonage::matches(*digest, secret, &signed))?;
            Ok(TrustScope::Content)
        }
    }
}

/// All secrets are compared, so that the time does not reveal which one matched.
fn match_any(
    secrets: &[Secret],
    matches: &dyn Fn(&Secret) -> bool,
) -> Result<TrustScope, AuthError> {
    let matching = secrets.iter().filter(|secret| matches(secret)).count();
    if matching > 0 {
        Ok(TrustScope::All)
    } else {
        Err(AuthError::Mismatch)
    }
}

fn basic(user: &str, secret: &Secret, authorization: &str) -> bool {
    let credentials = basic_credentials(user, secret);
    let (scheme, rest) = authorization.split_once(' ').unwrap_or((authorization, ""));
    scheme.eq_ignore_ascii_case("basic")
        && constant_time_eq(credentials.as_bytes(), rest.trim().as_bytes())
}

/// Telnyx's rule: the signature, in base64, is over `timestamp|body`
/// (<https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks>).
fn ed25519(key: &Secret, signature: &str, timestamp: &str, body: &[u8]) -> bool {
    // Hexadecimal digits first: they are base64 of something else, too.
    let key = key.expose();
    let key = hex::decode(key).or_else(|_| STANDARD.decode(key));
    let (Ok(key), Ok(signature)) = (key, STANDARD.decode(signature)) else {
        return false;
    };
    let signed = [timestamp.as_bytes(), b"|", body].concat();
    UnparsedPublicKey::new(&ED25519, key)
        .verify(&signed, &signature)
        .is_ok()
}

fn constant_time_eq(expected: &[u8], received: &[u8]) -> bool {
    expected.ct_eq(received).into()
}

impl WebhookAuth<Secret> {
    /// Checks that a timestamp, in seconds or milliseconds since 1970, is recent.
    fn check_age(&self, timestamp: &str, now: u64) -> Result<(), AuthError> {
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

impl WebhookRequest {
    /// A header that must be given once.
    fn required_header(&self, name: &str) -> Result<&str, AuthError> {
        let value = self.header(name);
        value.ok_or_else(|| AuthError::Missing(format!("header {name}")))
    }

    fn value_at(&self, location: &AuthLocation) -> Result<String, AuthError> {
        let found = match location {
            AuthLocation::Header(name) => self.required_header(name).ok().map(str::to_owned),
            AuthLocation::Field(name) => once(&self.fields()?, name).map(str::to_owned),
            AuthLocation::Query(name) => once(&self.parameters, name).map(str::to_owned),
            AuthLocation::Path => self.token.clone(),
        };
        found.ok_or_else(|| AuthError::Missing(location.to_string()))
    }

    /// Names and texts of the members of the request; other values are left out.
    fn fields(&self) -> Result<Vec<(String, String)>, AuthError> {
        let text = |(name, value): (String, Value)| Some((name, as_text(&value)?));
        Ok(self
            .signed_members()?
            .into_iter()
            .filter_map(text)
            .collect())
    }

    /// Names and values of the members of the request, as they are read for a message.
    fn signed_members(&self) -> Result<Vec<(String, Value)>, AuthError> {
        let neither = "a body that is neither a form nor a JSON object";
        self.members().ok_or(AuthError::Uncovered(neither))
    }

    /// What is covered when the bytes of the body are signed. Its type is not, and
    /// neither is the query: a signed body under another Content-Type could be read
    /// as other fields.
    fn body_scope(&self) -> Result<TrustScope, AuthError> {
        if self.is_get() {
            return Err(AuthError::Uncovered("the query of a GET"));
        }
        let start = self.body.first().copied().unwrap_or_default();
        let resembles = match &self.content {
            Ok(_) if self.typed => true,
            Ok(Content::Form(_)) => start.is_ascii_alphanumeric() || b"%_".contains(&start),
            Ok(Content::Parts(_)) => start == b'-',
            Ok(Content::Query(_) | Content::Text(_)) => false,
            // What cannot be read is refused for that.
            Ok(Content::Json(_)) | Err(_) => true,
        };
        if self.body.is_empty() || resembles {
            Ok(TrustScope::Content)
        } else {
            Err(AuthError::Uncovered(
                "a Content-Type that the body does not look like",
            ))
        }
    }

    /// The Host header, unless it holds more than a host.
    fn host(&self) -> &str {
        let host = self.header("host").unwrap_or_default();
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
        if host.bytes().all(is_host) { host } else { "" }
    }

    /// The URL, as the provider has it.
    fn url(&self, auth: &WebhookAuth<Secret>) -> String {
        let base = match &auth.public_url {
            Some(url) => url.clone(),
            None => format!("http://{}", self.host()),
        };
        let query = self.query.as_ref().map(|query| format!("?{query}"));
        format!("{base}{}{}", self.path, query.unwrap_or_default())
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

/// A request that was not authenticated. The text is for the log; the peer
/// learns nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AuthError {
    /// The signature, token or password is wrong.
    #[error(
        "authenticate the request: the signature or token does not match; compare auth_secret \
         with the provider's, and public_url with the URL that it posts to"
    )]
    Mismatch,
    #[error("authenticate the request: {0} is missing, or given more than once")]
    Missing(String),
    /// The signature is too old or from the future.
    #[error(
        "authenticate the request: it was signed too long ago or in the future (auth_max_age); \
         check both clocks"
    )]
    Time,
    #[error("authenticate the request: the signature does not cover {0}")]
    Uncovered(&'static str),
}

#[cfg(test)]
mod tests;
