//! An HMAC over a template: the rule of most providers, each with a template of its
//! own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};

use crate::config::{self, AuthLocation, DigestEncoding, HmacDigest, WebhookAuth};
use crate::crypto::hmac;
use crate::document::template::{Piece, pieces};
use crate::inbound::auth::{AuthError, TrustScope, constant_time_eq};
use crate::inbound::pairs::once;
use crate::inbound::request::WebhookRequest;
use crate::secret::Secret;

/// The bytes that are signed: the template, filled.
pub(super) fn signed(
    hmac: &config::HmacScheme,
    auth: &WebhookAuth<Secret>,
    request: &WebhookRequest,
    now: u64,
) -> Result<Vec<u8>, AuthError> {
    let timestamp = timestamp_or_nonce(hmac, hmac.timestamp.as_ref(), request)?;
    if hmac.timestamp.is_some() {
        auth.check_age(&timestamp, now)?;
    }
    let nonce = timestamp_or_nonce(hmac, hmac.nonce.as_ref(), request)?;
    let url = request.url(auth);
    let mut signed = Vec::new();
    for piece in pieces(&hmac.template) {
        let word = match piece {
            Piece::Literal(text) => {
                signed.extend_from_slice(text.as_bytes());
                continue;
            }
            Piece::Placeholder(word) => word,
        };
        match word {
            "body" => signed.extend_from_slice(&request.body),
            "body_sha256" => signed.extend_from_slice(&Sha256::digest(&request.body)),
            "body_sha256_hex" => {
                signed.extend_from_slice(hex::encode(Sha256::digest(&request.body)).as_bytes());
            }
            "method" => signed.extend_from_slice(request.method.as_str().as_bytes()),
            "nonce" => signed.extend_from_slice(nonce.as_bytes()),
            "timestamp" => signed.extend_from_slice(timestamp.as_bytes()),
            "url" => signed.extend_from_slice(url.as_bytes()),
            "url_noquery" => {
                let url = url.split_once('?').map_or(url.as_str(), |(url, _)| url);
                signed.extend_from_slice(url.as_bytes());
            }
            "fields_sorted" => signed.extend_from_slice(sorted(request)?.as_bytes()),
            field => {
                let name = field.strip_prefix("field:").unwrap_or(field);
                let fields = request.fields()?;
                let value = once(&fields, name)
                    .ok_or_else(|| AuthError::Missing(format!("field {name}")))?;
                signed.extend_from_slice(value.as_bytes());
            }
        }
    }
    Ok(signed)
}

/// Timestamp or nonce. It must not hold what separates the parts of the template:
/// with such a value it could take over the end of its neighbour.
fn timestamp_or_nonce(
    hmac: &config::HmacScheme,
    location: Option<&AuthLocation>,
    request: &WebhookRequest,
) -> Result<String, AuthError> {
    let Some(location) = location else {
        return Ok(String::new());
    };
    let value = request.value_at(location)?;
    let divides = |piece: Piece<'_>| match piece {
        Piece::Literal(text) => value.contains(|c| text.contains(c)),
        Piece::Placeholder(_) => false,
    };
    if value.is_empty() || pieces(&hmac.template).any(divides) {
        return Err(AuthError::Missing(location.to_string()));
    }
    Ok(value)
}

/// Names and values of the form, sorted and concatenated, as Plivo's V3 signs
/// them.
fn sorted(request: &WebhookRequest) -> Result<String, AuthError> {
    if !request.is_form() {
        return Err(AuthError::Uncovered("a body that is not a form"));
    }
    let mut fields = request.fields()?;
    fields.sort();
    Ok(fields
        .into_iter()
        .map(|(name, value)| name + &value)
        .collect())
}

/// Whether one of `signatures`, separated by commas, is right.
pub(super) fn matches(
    hmac: &config::HmacScheme,
    secret: &Secret,
    signed: &[u8],
    signatures: &str,
) -> bool {
    let digest = keyed_digest(hmac.digest, secret, signed);
    let expected = match hmac.encoding {
        DigestEncoding::Base64 => STANDARD.encode(digest),
        DigestEncoding::Base64Hex => STANDARD.encode(hex::encode(digest)),
        DigestEncoding::Hex => hex::encode(digest),
    };
    let is_right = |signature: &str| {
        let signature = match hmac.encoding {
            DigestEncoding::Hex => signature.to_ascii_lowercase(),
            DigestEncoding::Base64 | DigestEncoding::Base64Hex => signature.to_owned(),
        };
        constant_time_eq(expected.as_bytes(), signature.as_bytes())
    };
    let signatures = signatures.split(',').map(str::trim);
    let signatures = signatures.filter_map(|one| one.strip_prefix(hmac.prefix.as_str()));
    signatures.filter(|signature| is_right(signature)).count() > 0
}

/// The body, or the fields that the template names. With a template that names
/// neither, as Plivo's V2, the signature is a token that only identifies the sender
/// of the request.
pub(super) fn trust_scope(
    hmac: &config::HmacScheme,
    request: &WebhookRequest,
) -> Result<TrustScope, AuthError> {
    let words: Vec<_> = hmac.placeholders().collect();
    if request.is_get() && words.contains(&"url") {
        return Ok(TrustScope::Content);
    }
    if words.iter().any(|word| word.starts_with("body")) {
        return request.body_scope();
    }
    let fields = words.iter().filter_map(|word| word.strip_prefix("field:"));
    let fields: Vec<_> = fields.map(str::to_owned).collect();
    if fields.is_empty() && !request.is_get() {
        return Ok(TrustScope::Content);
    }
    Ok(TrustScope::Fields(fields))
}

/// HMAC (RFC 2104).
pub(super) fn keyed_digest(digest: HmacDigest, key: &Secret, data: &[u8]) -> Vec<u8> {
    match digest {
        HmacDigest::Md5 => hmac::<Md5>(key, data),
        HmacDigest::Sha1 => hmac::<Sha1>(key, data),
        HmacDigest::Sha256 => hmac::<Sha256>(key, data),
        HmacDigest::Sha512 => hmac::<Sha512>(key, data),
    }
}
