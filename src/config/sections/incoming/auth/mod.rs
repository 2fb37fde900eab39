//! `[websmsd]`: how a request proves that it is from the provider.

pub(crate) mod read;

use std::convert::Infallible;

use crate::document::template;
use crate::secret::SecretSource;

/// How a request proves that it is from the provider. `S` is the source of a secret,
/// or the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookAuth<S> {
    pub scheme: AuthScheme,
    /// Secrets shared with the provider, each of which is accepted. With `ed25519`
    /// the provider's public key.
    pub secrets: Vec<S>,
    /// Scheme, host and start of the path under which the provider reaches us; `None`
    /// takes the Host header.
    pub public_url: Option<String>,
    /// Seconds that the time of signing may differ; `None` sets no limit.
    pub max_age: Option<u64>,
}

/// How a request is authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthScheme {
    /// HTTP Basic (RFC 7617).
    Basic { user: String },
    /// Telnyx: Ed25519 over `timestamp|body`.
    Ed25519 {
        location: AuthLocation,
        timestamp: AuthLocation,
    },
    /// A keyed hash over a template that is filled in.
    Hmac(HmacScheme),
    /// A JSON Web Token, HS256, HS384 or HS512, whose `payload_hash` is the
    /// SHA-256 of the body.
    Jwt { location: AuthLocation },
    /// The secret itself.
    Token { location: AuthLocation },
    /// Twilio: HMAC-SHA1 over URL and sorted parameters.
    Twilio { location: AuthLocation },
    /// Vonage's SMS API: a digest over the sorted parameters.
    Vonage {
        digest: VonageDigest,
        location: AuthLocation,
    },
}

impl AuthScheme {
    /// Whether the body is signed, and the rest of the request is not.
    #[must_use]
    pub fn signs(&self) -> bool {
        !matches!(self, Self::Basic { .. } | Self::Token { .. })
    }
}

/// A keyed hash over a template that is filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HmacScheme {
    pub digest: HmacDigest,
    pub encoding: DigestEncoding,
    /// What precedes the signature.
    pub prefix: String,
    /// What is signed, with the words of `auth_template` in braces.
    pub template: String,
    pub location: AuthLocation,
    pub timestamp: Option<AuthLocation>,
    pub nonce: Option<AuthLocation>,
}

/// The digest of an HMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HmacDigest {
    /// Broken; for providers that offer no other.
    Md5,
    Sha1,
    Sha256,
    Sha512,
}

/// The digest of a signature of Vonage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VonageDigest {
    Hmac(HmacDigest),
    /// MD5 of the text followed by the secret.
    Md5Hash,
}

/// How a signature is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DigestEncoding {
    /// RFC 4648, section 4.
    Base64,
    /// Base64 of the hexadecimal digits, as Zadarma writes it.
    Base64Hex,
    /// Upper or lower case.
    Hex,
}

/// Where a value is in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthLocation {
    /// A field of the form or a top-level member of the JSON document.
    Field(String),
    /// A header, by its name in lower case.
    Header(String),
    /// The part of the path where `request_uri` has `{token}`.
    Path,
    /// A parameter of the query.
    Query(String),
}

impl HmacScheme {
    /// The words in braces of the template.
    pub fn placeholders(&self) -> impl Iterator<Item = &str> {
        placeholders(&self.template)
    }
}

impl AuthScheme {
    /// Whether the query, which has all fields of a GET, can be trusted.
    pub(crate) fn covers_query(&self) -> bool {
        match self {
            Self::Ed25519 { .. } => false,
            Self::Hmac(hmac) => {
                let has = |wanted: fn(&str) -> bool| hmac.placeholders().any(wanted);
                has(|word| word == "url")
                    || (has(|word| word.starts_with("field:"))
                        && !has(|word| word.starts_with("body")))
            }
            // Whether a JWT covers the URL shows only when it arrives.
            Self::Basic { .. }
            | Self::Jwt { .. }
            | Self::Token { .. }
            | Self::Twilio { .. }
            | Self::Vonage { .. } => true,
        }
    }

    /// Whether headers can be trusted: no signature covers them.
    pub(crate) fn covers_headers(&self) -> bool {
        matches!(self, Self::Basic { .. } | Self::Token { .. })
    }
}

/// The words in braces of a template.
fn placeholders(template: &str) -> impl Iterator<Item = &str> {
    template::pieces(template).filter_map(|piece| match piece {
        template::Piece::Placeholder(word) => Some(word),
        template::Piece::Literal(_) => None,
    })
}

impl WebhookAuth<SecretSource> {
    /// Whether the file itself contains a secret.
    pub(crate) fn holds_secret(&self) -> bool {
        let is_public = matches!(self.scheme, AuthScheme::Ed25519 { .. });
        let is_inline = |secret: &SecretSource| matches!(secret, SecretSource::Inline(_));
        !is_public && self.secrets.iter().any(is_inline)
    }
}

impl<S> WebhookAuth<S> {
    /// The same with the secrets that `resolve` returns.
    ///
    /// # Errors
    /// Those of `resolve`.
    pub fn try_map<T, E>(&self, resolve: impl Fn(&S) -> Result<T, E>) -> Result<WebhookAuth<T>, E> {
        let secrets = self.secrets.iter().map(resolve);
        Ok(WebhookAuth {
            scheme: self.scheme.clone(),
            secrets: secrets.collect::<Result<_, _>>()?,
            public_url: self.public_url.clone(),
            max_age: self.max_age,
        })
    }

    /// The same with the secrets that `resolve` returns.
    pub fn map<T>(&self, resolve: impl Fn(&S) -> T) -> WebhookAuth<T> {
        let Ok(auth) = self.try_map(|secret| Ok::<_, Infallible>(resolve(secret)));
        auth
    }
}
