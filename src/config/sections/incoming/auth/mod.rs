//! `[websmsd]`: how a request shows that it is the provider's.

pub(crate) mod read;

use crate::document::template;
use crate::secret::SecretSource;

/// How a request shows that it is the provider's. `S` is where a secret is, or
/// the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookAuth<S> {
    /// The rule.
    pub scheme: AuthScheme,
    /// What only the provider and we know; one is enough. Of `ed25519` it is the
    /// provider's public key.
    pub secrets: Vec<S>,
    /// The URL under which the provider reaches us, without what the request
    /// adds; `None` goes by its Host header.
    pub public_url: Option<String>,
    /// Seconds that the time of signing may be off; `None` is any.
    pub max_age: Option<u64>,
}

/// The rule by which a request is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthScheme {
    /// HTTP Basic (RFC 7617).
    Basic {
        /// The user name.
        user: String,
    },
    /// Telnyx: Ed25519 over `timestamp|body`.
    Ed25519 {
        /// Where the signature is.
        place: AuthLocation,
        /// Where the time is.
        timestamp: AuthLocation,
    },
    /// A keyed hash over what a template says.
    Hmac(HmacScheme),
    /// A JSON Web Token, HS256, HS384 or HS512, whose `payload_hash` is the
    /// SHA-256 of the body.
    Jwt {
        /// Where the token is.
        place: AuthLocation,
    },
    /// The secret itself.
    Token {
        /// Where it is.
        place: AuthLocation,
    },
    /// Twilio: HMAC-SHA1 over URL and sorted parameters.
    Twilio {
        /// Where the signature is.
        place: AuthLocation,
    },
    /// Vonage's SMS API: a digest over the sorted parameters.
    Vonage {
        /// Which one.
        digest: VonageDigest,
        /// The parameter that carries it.
        place: AuthLocation,
    },
}

/// A keyed hash over what a template says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HmacScheme {
    /// Its digest.
    pub digest: HmacDigest,
    /// How it is written.
    pub encoding: DigestEncoding,
    /// What stands before it.
    pub prefix: String,
    /// What is signed, with the words of `auth_template` in braces.
    pub template: String,
    /// Where the signature is.
    pub place: AuthLocation,
    /// Where the time is.
    pub timestamp: Option<AuthLocation>,
    /// Where the nonce is.
    pub nonce: Option<AuthLocation>,
}

/// A digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HmacDigest {
    /// Broken; for those who have nothing else.
    Md5,
    /// As in Twilio's and Zadarma's schemes.
    Sha1,
    /// As in most.
    Sha256,
    /// As in some.
    Sha512,
}

/// A digest as Vonage makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VonageDigest {
    /// Keyed.
    Hmac(HmacDigest),
    /// MD5 of the text and the secret behind it.
    Md5Hash,
}

/// How a signature is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DigestEncoding {
    /// RFC 4648, section 4.
    Base64,
    /// Base64 of the hexadecimal digits, as Zadarma writes it.
    Base64Hex,
    /// In either case.
    Hex,
}

/// Where a value is in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthLocation {
    /// In a field of the form or a top-level member of the JSON document.
    Field(String),
    /// In a header, by its name in lower case.
    Header(String),
    /// In the path, where `request_uri` has `{token}`.
    Path,
    /// In a parameter of the query.
    Query(String),
}

/// The words that may stand in braces in `auth_template`, besides
/// `field:NAME`.
pub(crate) const SIGNED_WORDS: [&str; 9] = [
    "url",
    "url_noquery",
    "method",
    "body",
    "body_sha256",
    "body_sha256_hex",
    "fields_sorted",
    "timestamp",
    "nonce",
];

impl HmacScheme {
    /// The words in braces of its template.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        words(&self.template)
    }
}

impl AuthScheme {
    /// Whether what is in the query can be believed, where a GET says all.
    pub(crate) fn covers_query(&self) -> bool {
        match self {
            Self::Ed25519 { .. } => false,
            Self::Hmac(hmac) => {
                let has = |wanted: fn(&str) -> bool| hmac.words().any(wanted);
                has(|word| word == "url")
                    || (has(|word| word.starts_with("field:"))
                        && !has(|word| word.starts_with("body")))
            }
            // Of a token it shows when it comes whether it has the URL.
            Self::Basic { .. }
            | Self::Jwt { .. }
            | Self::Token { .. }
            | Self::Twilio { .. }
            | Self::Vonage { .. } => true,
        }
    }

    /// Whether headers can be believed: they are not part of a signature.
    pub(crate) fn covers_headers(&self) -> bool {
        matches!(self, Self::Basic { .. } | Self::Token { .. })
    }
}

/// The words in braces of a template.
fn words(template: &str) -> impl Iterator<Item = &str> {
    template::pieces(template).filter_map(|piece| match piece {
        template::Piece::Word(word) => Some(word),
        template::Piece::Literal(_) => None,
    })
}

impl WebhookAuth<SecretSource> {
    /// Whether a secret stands in the file itself.
    pub(crate) fn holds_secret(&self) -> bool {
        let is_public = matches!(self.scheme, AuthScheme::Ed25519 { .. });
        let here = |secret: &SecretSource| matches!(secret, SecretSource::Inline(_));
        !is_public && self.secrets.iter().any(here)
    }
}

impl<S> WebhookAuth<S> {
    /// The same with each secret replaced by what `resolve` makes of it.
    ///
    /// # Errors
    /// What `resolve` says.
    pub fn try_map<T, E>(self, resolve: impl Fn(S) -> Result<T, E>) -> Result<WebhookAuth<T>, E> {
        Ok(WebhookAuth {
            scheme: self.scheme,
            secrets: self
                .secrets
                .into_iter()
                .map(resolve)
                .collect::<Result<_, _>>()?,
            public_url: self.public_url,
            max_age: self.max_age,
        })
    }
}
