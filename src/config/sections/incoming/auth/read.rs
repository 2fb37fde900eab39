//! `[websmsd]`: reads how a request authenticates.

use crate::config::sections::incoming::auth::{
    AuthLocation, AuthScheme, DigestEncoding, HmacDigest, HmacScheme, VonageDigest, WebhookAuth,
    placeholders,
};
use crate::config::syntax::keys::websmsd as keys;
use crate::config::syntax::reader::Reader;
use crate::config::syntax::value::{self, Kind as _, RequiredText};
use crate::secret::SecretSource;

/// The words that `auth_template` may have in braces, besides `field:NAME`.
const SIGNED_WORDS: [&str; 9] = [
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

const REQUIRED: &str = "is not set, and auth needs it";

/// The words of `auth`.
#[derive(Clone, Copy)]
enum SchemeName {
    Basic,
    Ed25519,
    Hmac,
    Jwt,
    None,
    Token,
    Twilio,
    Vonage,
}

const SCHEMES: [(&str, SchemeName); 8] = [
    ("none", SchemeName::None),
    ("basic", SchemeName::Basic),
    ("token", SchemeName::Token),
    ("twilio", SchemeName::Twilio),
    ("hmac", SchemeName::Hmac),
    ("ed25519", SchemeName::Ed25519),
    ("jwt", SchemeName::Jwt),
    ("vonage", SchemeName::Vonage),
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

/// Reads one interface; `None` after a mistake, which has been recorded, and
/// `Some(None)` if requests need not authenticate.
#[expect(clippy::option_option, reason = "a mistake is not the same as nothing")]
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Option<WebhookAuth<SecretSource>>> {
    let name = reader.choose(&keys::AUTH, &SCHEMES);
    let secret = reader.read(&keys::AUTH_SECRET);
    let old = reader.read(&keys::AUTH_SECRET_OLD);
    let public_url = reader.read_as(&keys::PUBLIC_URL, public_url);
    let max_age = reader.read(&keys::AUTH_MAX_AGE);
    let name = name?;
    if matches!(name, SchemeName::None) {
        return Some(None);
    }
    let scheme = scheme(reader, name);
    let secrets: Vec<_> = secret?.into_iter().chain(old?).collect();
    if secrets.is_empty() || secrets.iter().any(is_empty) {
        reader.mistake(&keys::AUTH_SECRET, REQUIRED);
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

fn scheme(reader: &mut Reader<'_>, name: SchemeName) -> Option<AuthScheme> {
    let location = reader.read_as(&keys::AUTH_PLACE, parse_location);
    let timestamp = reader.read_as(&keys::AUTH_TIMESTAMP, parse_location);
    let (location, timestamp) = (location?, timestamp?);
    let header = |name: &str| AuthLocation::Header(name.to_owned());
    Some(match name {
        SchemeName::None => return None,
        SchemeName::Basic => {
            let user = reader.read(&keys::AUTH_USER)?;
            let user = reader.required(&keys::AUTH_USER, REQUIRED, user)?;
            AuthScheme::Basic { user }
        }
        SchemeName::Token => AuthScheme::Token {
            location: reader.required(&keys::AUTH_PLACE, REQUIRED, location)?,
        },
        SchemeName::Twilio => AuthScheme::Twilio {
            location: location.unwrap_or_else(|| header("x-twilio-signature")),
        },
        SchemeName::Hmac => AuthScheme::Hmac(hmac(reader, location, timestamp)?),
        SchemeName::Ed25519 => AuthScheme::Ed25519 {
            location: location.unwrap_or_else(|| header("telnyx-signature-ed25519")),
            timestamp: timestamp.unwrap_or_else(|| header("telnyx-timestamp")),
        },
        SchemeName::Jwt => AuthScheme::Jwt {
            location: location.unwrap_or_else(|| header("authorization")),
        },
        SchemeName::Vonage => AuthScheme::Vonage {
            digest: reader.choose(&keys::AUTH_ALGORITHM, &DIGESTS)?,
            location: location.unwrap_or_else(|| AuthLocation::Field("sig".to_owned())),
        },
    })
}

fn hmac(
    reader: &mut Reader<'_>,
    location: Option<AuthLocation>,
    timestamp: Option<AuthLocation>,
) -> Option<HmacScheme> {
    let digest = reader.choose(&keys::AUTH_ALGORITHM, &DIGESTS);
    let encoding = reader.choose(&keys::AUTH_ENCODING, &ENCODINGS);
    let prefix = reader.read(&keys::AUTH_PREFIX);
    let template = reader.read_as(&keys::AUTH_TEMPLATE, template);
    let nonce = reader.read_as(&keys::AUTH_NONCE, parse_location);
    let (template, nonce) = (template?, nonce?);
    let VonageDigest::Hmac(digest) = digest? else {
        let message = "md5hash is for auth = vonage alone (expected sha256, sha1, sha512 or md5)";
        reader.mistake(&keys::AUTH_ALGORITHM, message);
        return None;
    };
    for (word, key, location) in [
        ("{timestamp}", &keys::AUTH_TIMESTAMP, &timestamp),
        ("{nonce}", &keys::AUTH_NONCE, &nonce),
    ] {
        match (template.contains(word), location) {
            (true, None) => {
                let message = format!("is not set, and auth_template contains {word}");
                reader.mistake(key, &message);
                return None;
            }
            // Anyone could change what is not signed.
            (false, Some(_)) => {
                let message = format!("is set, and auth_template does not contain {word}");
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
        location: reader.required(&keys::AUTH_PLACE, REQUIRED, location)?,
        timestamp,
        nonce,
    })
}

/// The template of what is signed; `\n` is a line end.
fn template(raw: &str) -> Result<String, String> {
    let template = RequiredText.parse(raw)?.replace("\\n", "\n");
    let is_unknown = |word: &&str| !SIGNED_WORDS.contains(word) && !word.starts_with("field:");
    let unknown = placeholders(&template).find(is_unknown).map(str::to_owned);
    let has = |wanted: &[&str]| {
        let starts = |word: &str| wanted.iter().any(|wanted| word.starts_with(wanted));
        placeholders(&template).any(starts)
    };
    // Plivo's V2 signs URL and nonce alone: that is as good as a token.
    let is_token = has(&["url"]) && has(&["timestamp", "nonce"]);
    match unknown {
        Some(word) => Err(format!(
            "unknown word {{{word}}} (expected {{{}}} or {{field:NAME}})",
            SIGNED_WORDS.join("}, {")
        )),
        // Such a signature could be used with any text.
        None if !has(&["body", "field"]) && !is_token => {
            Err("signs nothing of the body: add {body}, {fields_sorted} or {field:NAME}".to_owned())
        }
        None => Ok(template),
    }
}

/// Where a value is; empty is `None`.
fn parse_location(raw: &str) -> Result<Option<AuthLocation>, String> {
    let Some(raw) = value::optional(raw)? else {
        return Ok(None);
    };
    let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
    let location = match raw.split_once(':') {
        None if raw == "path" => Some(AuthLocation::Path),
        Some(("header", name)) => {
            named(name).map(|name| AuthLocation::Header(name.to_ascii_lowercase()))
        }
        Some(("query", name)) => named(name).map(AuthLocation::Query),
        Some(("field", name)) => named(name).map(AuthLocation::Field),
        _ => None,
    };
    location
        .map(Some)
        .ok_or_else(|| keys::AUTH_PLACE.expected())
}

/// Scheme and host, perhaps with the start of a path; empty is `None`.
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
