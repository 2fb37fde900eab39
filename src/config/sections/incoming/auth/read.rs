//! `[websmsd]`: reads how a request authenticates.

use crate::config::sections::incoming::auth::{
    AuthLocation, AuthScheme, DigestEncoding, HmacDigest, HmacScheme, SIGNED_WORDS, VonageDigest,
    WebhookAuth, words,
};
use crate::config::syntax::keys::websmsd as keys;
use crate::config::syntax::reader::Reader;
use crate::config::syntax::value::{self, Kind as _, RequiredText};
use crate::secret::SecretSource;

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
