//! `[websmsd]`: how a request shows that it is the provider's.

use crate::config::syntax::keys::websmsd as keys;
use crate::config::syntax::reader::Reader;
use crate::config::syntax::value::{self, Kind as _, RequiredText};
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

/// Why a key must be set.
const NEEDED: &str = "is not set, and this auth needs it";

/// The words of `auth`.
#[derive(Clone, Copy)]
enum Word {
    Basic,
    Ed25519,
    Hmac,
    Jwt,
    None,
    Token,
    Twilio,
    Vonage,
}

const WORDS: [(&str, Word); 8] = [
    ("none", Word::None),
    ("basic", Word::Basic),
    ("token", Word::Token),
    ("twilio", Word::Twilio),
    ("hmac", Word::Hmac),
    ("ed25519", Word::Ed25519),
    ("jwt", Word::Jwt),
    ("vonage", Word::Vonage),
];

const DIGESTS: [(&str, VonageDigest); 5] = [
    ("md5", VonageDigest::Hmac(HmacDigest::Md5)),
    ("sha1", VonageDigest::Hmac(HmacDigest::Sha1)),
    ("sha256", VonageDigest::Hmac(HmacDigest::Sha256)),
    ("sha512", VonageDigest::Hmac(HmacDigest::Sha512)),
    ("md5hash", VonageDigest::Md5Hash),
];

const ENCODINGS: [(&str, DigestEncoding); 3] = [
    ("hex", DigestEncoding::Hex),
    ("base64", DigestEncoding::Base64),
    ("base64-hex", DigestEncoding::Base64Hex),
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

/// Reads what one interface says; `None` when there was a mistake, which has
/// been noted, and `Some(None)` when nothing is to be shown.
#[expect(clippy::option_option, reason = "a mistake is not the same as nothing")]
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Option<WebhookAuth<SecretSource>>> {
    let word = reader.choose(&keys::AUTH, &WORDS);
    let secret = reader.read(&keys::AUTH_SECRET);
    let old = reader.read(&keys::AUTH_SECRET_OLD);
    let public_url = reader.read_as(&keys::PUBLIC_URL, public_url);
    let max_age = reader.read(&keys::AUTH_MAX_AGE);
    let word = word?;
    if matches!(word, Word::None) {
        return Some(None);
    }
    let scheme = scheme(reader, word);
    let secrets: Vec<_> = secret?.into_iter().chain(old?).collect();
    if secrets.is_empty() || secrets.iter().any(is_empty) {
        reader.mistake(&keys::AUTH_SECRET, NEEDED);
        return None;
    }
    Some(Some(WebhookAuth {
        scheme: scheme?,
        secrets,
        public_url: public_url?,
        max_age: max_age?,
    }))
}

fn is_empty(secret: &SecretSource) -> bool {
    matches!(secret, SecretSource::Inline(secret) if secret.expose().is_empty())
}

fn scheme(reader: &mut Reader<'_>, word: Word) -> Option<AuthScheme> {
    let place = reader.read_as(&keys::AUTH_PLACE, spot);
    let timestamp = reader.read_as(&keys::AUTH_TIMESTAMP, spot);
    let (place, timestamp) = (place?, timestamp?);
    let header = |name: &str| AuthLocation::Header(name.to_owned());
    Some(match word {
        Word::None => return None,
        Word::Basic => {
            let user = reader.read(&keys::AUTH_USER)?;
            let user = reader.needed(&keys::AUTH_USER, NEEDED, user)?;
            AuthScheme::Basic { user }
        }
        Word::Token => AuthScheme::Token {
            place: reader.needed(&keys::AUTH_PLACE, NEEDED, place)?,
        },
        Word::Twilio => AuthScheme::Twilio {
            place: place.unwrap_or_else(|| header("x-twilio-signature")),
        },
        Word::Hmac => AuthScheme::Hmac(hmac(reader, place, timestamp)?),
        Word::Ed25519 => AuthScheme::Ed25519 {
            place: place.unwrap_or_else(|| header("telnyx-signature-ed25519")),
            timestamp: timestamp.unwrap_or_else(|| header("telnyx-timestamp")),
        },
        Word::Jwt => AuthScheme::Jwt {
            place: place.unwrap_or_else(|| header("authorization")),
        },
        Word::Vonage => AuthScheme::Vonage {
            digest: reader.choose(&keys::AUTH_ALGORITHM, &DIGESTS)?,
            place: place.unwrap_or_else(|| AuthLocation::Field("sig".to_owned())),
        },
    })
}

fn hmac(
    reader: &mut Reader<'_>,
    place: Option<AuthLocation>,
    timestamp: Option<AuthLocation>,
) -> Option<HmacScheme> {
    let digest = reader.choose(&keys::AUTH_ALGORITHM, &DIGESTS);
    let encoding = reader.choose(&keys::AUTH_ENCODING, &ENCODINGS);
    let prefix = reader.read(&keys::AUTH_PREFIX);
    let template = reader.read_as(&keys::AUTH_TEMPLATE, signed);
    let nonce = reader.read_as(&keys::AUTH_NONCE, spot);
    let (template, nonce) = (template?, nonce?);
    let VonageDigest::Hmac(digest) = digest? else {
        let message =
            "md5hash goes with auth = vonage alone (expected md5, sha1, sha256 or sha512)";
        reader.mistake(&keys::AUTH_ALGORITHM, message);
        return None;
    };
    for (word, key, spot) in [
        ("{timestamp}", &keys::AUTH_TIMESTAMP, &timestamp),
        ("{nonce}", &keys::AUTH_NONCE, &nonce),
    ] {
        match (template.contains(word), spot) {
            (true, None) => {
                let message = format!("is not set, and auth_template has {word}");
                reader.mistake(key, &message);
                return None;
            }
            // What is not signed could be changed by anyone.
            (false, Some(_)) => {
                let message = format!("is set, and auth_template does not have {word}");
                reader.mistake(key, &message);
                return None;
            }
            _ => {}
        }
    }
    Some(HmacScheme {
        digest,
        encoding: encoding?,
        prefix: prefix?.unwrap_or_default(),
        template,
        place: reader.needed(&keys::AUTH_PLACE, NEEDED, place)?,
        timestamp,
        nonce,
    })
}

/// What is signed: `\n` is a line end.
fn signed(raw: &str) -> Result<String, String> {
    let template = RequiredText.parse(raw)?.replace("\\n", "\n");
    let is_strange = |word: &&str| !SIGNED_WORDS.contains(word) && !word.starts_with("field:");
    let stranger = words(&template).find(is_strange).map(str::to_owned);
    let has = |wanted: &[&str]| {
        let starts = |word: &str| wanted.iter().any(|wanted| word.starts_with(wanted));
        words(&template).any(starts)
    };
    // Plivo's V2 signs where and when alone: that is as good as a token.
    let is_token = has(&["url"]) && has(&["timestamp", "nonce"]);
    match stranger {
        Some(word) => Err(format!(
            "unknown word {{{word}}} (expected some of {{{}}} and {{field:NAME}})",
            SIGNED_WORDS.join("}, {")
        )),
        // A signature that does not cover what is said could be put on anything.
        None if !has(&["body", "field"]) && !is_token => Err(
            "signs nothing of the body: put {body}, {fields_sorted} or {field:NAME} into it"
                .to_owned(),
        ),
        None => Ok(template),
    }
}

/// Where a value is; empty is nowhere.
fn spot(raw: &str) -> Result<Option<AuthLocation>, String> {
    let Some(raw) = value::optional(raw)? else {
        return Ok(None);
    };
    let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
    let spot = match raw.split_once(':') {
        None if raw == "path" => Some(AuthLocation::Path),
        Some(("header", name)) => {
            named(name).map(|name| AuthLocation::Header(name.to_ascii_lowercase()))
        }
        Some(("query", name)) => named(name).map(AuthLocation::Query),
        Some(("field", name)) => named(name).map(AuthLocation::Field),
        _ => None,
    };
    spot.map(Some).ok_or_else(|| keys::AUTH_PLACE.expected())
}

/// Scheme and host, perhaps with the start of a path; empty is not set.
fn public_url(raw: &str) -> Result<Option<String>, String> {
    let Some(raw) = value::optional(raw)? else {
        return Ok(None);
    };
    let parsed = reqwest::Url::parse(&raw).ok();
    let whole = parsed.filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.query().is_none()
            && url.fragment().is_none()
    });
    match whole {
        Some(_) => Ok(Some(raw.trim_end_matches('/').to_owned())),
        None => Err(keys::PUBLIC_URL.expected()),
    }
}
