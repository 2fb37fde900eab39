//! The rule of Vonage's SMS API: a digest over the sorted parameters
//! (<https://developer.vonage.com/en/getting-started/concepts/signing-messages>).

use md5::{Digest as _, Md5};
use serde_json::Value;

use crate::config::{AuthLocation, VonageDigest, WebhookAuth};
use crate::document::as_text;
use crate::inbound::auth::hmac::keyed_digest;
use crate::inbound::auth::{AuthError, constant_time_eq};
use crate::inbound::pairs::once;
use crate::inbound::request::WebhookRequest;
use crate::secret::Secret;

/// The text that is signed, and the signature.
#[derive(Debug)]
pub(super) struct SignedParameters {
    text: String,
    signature: String,
}

/// The parameters without the signature, sorted, with `&` before each; separators
/// inside of values are replaced.
pub(super) fn signed(
    request: &WebhookRequest,
    location: &AuthLocation,
    auth: &WebhookAuth<Secret>,
    now: u64,
) -> Result<SignedParameters, AuthError> {
    let signature = request.value_at(location)?;
    let mut fields = flat(request.signed_members()?)?;
    if let AuthLocation::Field(name) = location {
        fields.retain(|(field, _)| field != name);
    }
    let timestamp = once(&fields, "timestamp");
    if auth.max_age.is_some() {
        let missing = || AuthError::Missing("field timestamp".to_owned());
        auth.check_age(timestamp.ok_or_else(missing)?, now)?;
    }
    fields.sort();
    let mut text = String::new();
    for (name, value) in fields {
        text.extend(["&", &name, "=", &value.replace(['&', '='], "_")]);
    }
    Ok(SignedParameters { text, signature })
}

/// Names and texts. Nested members are not signed; names that repeat, or hold a
/// separator, could be rearranged under the same signature.
fn flat(members: Vec<(String, Value)>) -> Result<Vec<(String, String)>, AuthError> {
    let mut fields = Vec::new();
    for (name, value) in members {
        let text = as_text(&value).ok_or(AuthError::Uncovered("nested members"))?;
        if name.contains(['&', '=']) || fields.iter().any(|(other, _)| *other == name) {
            return Err(AuthError::Uncovered(
                "repeated names or separators in names",
            ));
        }
        fields.push((name, text));
    }
    Ok(fields)
}

/// Whether the signature is right.
pub(super) fn matches(digest: VonageDigest, secret: &Secret, signed: &SignedParameters) -> bool {
    let SignedParameters { text, signature } = signed;
    let expected = match digest {
        VonageDigest::Hmac(digest) => keyed_digest(digest, secret, text.as_bytes()),
        VonageDigest::Md5Hash => Md5::digest(format!("{text}{}", secret.expose())).to_vec(),
    };
    let signature = signature.to_ascii_lowercase();
    constant_time_eq(hex::encode(expected).as_bytes(), signature.as_bytes())
}
