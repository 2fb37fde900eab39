//! Twilio's rule, which `SignalWire` has too: HMAC-SHA1, in base64, over the URL and
//! the sorted parameters of the form; with a key for webhooks alone it is
//! HMAC-SHA256. For a body that is not a form, the URL has its digest, as
//! `bodySHA256`
//! (<https://www.twilio.com/docs/usage/security#validating-requests>).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::config::{HmacDigest, WebhookAuth};
use crate::inbound::auth::hmac::keyed_digest;
use crate::inbound::auth::{AuthError, TrustScope, constant_time_eq};
use crate::inbound::pairs::once;
use crate::inbound::request::WebhookRequest;
use crate::secret::Secret;

/// The texts that may be signed: Twilio signs the URL sometimes with the port and
/// sometimes without.
pub(super) fn signed(
    auth: &WebhookAuth<Secret>,
    request: &WebhookRequest,
) -> Result<Vec<String>, AuthError> {
    let parameters = if request.is_form() || request.body.is_empty() {
        sorted(request.form())
    } else {
        body_is_in_url(request)?;
        String::new()
    };
    let urls = with_and_without_port(&request.url(auth));
    Ok(urls.into_iter().map(|url| url + &parameters).collect())
}

/// Whether the signature is right for one of the texts.
pub(super) fn matches(secret: &Secret, signed: &[String], signature: &str) -> bool {
    let compared = signed.iter().flat_map(|signed| {
        [HmacDigest::Sha1, HmacDigest::Sha256].map(|digest| {
            let expected = keyed_digest(digest, secret, signed.as_bytes());
            constant_time_eq(STANDARD.encode(expected).as_bytes(), signature.as_bytes())
        })
    });
    compared.filter(|matches| *matches).count() > 0
}

/// The order of several values of one name is not signed, so they are not trusted.
pub(super) fn trust_scope(request: &WebhookRequest) -> Result<TrustScope, AuthError> {
    if request.is_get() {
        return Ok(TrustScope::Content);
    }
    if !request.is_form() {
        return request.body_scope();
    }
    let mut parameters = request.form().to_vec();
    parameters.sort();
    parameters.dedup();
    let mut names: Vec<_> = parameters.into_iter().map(|(name, _)| name).collect();
    let all = names.clone();
    names.retain(|name| all.iter().filter(|other| *other == name).count() == 1);
    Ok(TrustScope::Fields(names))
}

/// Names and values, sorted and concatenated, without repetitions.
fn sorted(fields: &[(String, String)]) -> String {
    let mut parameters = fields.to_vec();
    parameters.sort();
    parameters.dedup();
    parameters
        .into_iter()
        .map(|(name, value)| name + &value)
        .collect()
}

fn body_is_in_url(request: &WebhookRequest) -> Result<(), AuthError> {
    let uncovered = AuthError::Uncovered("the body (the URL has no bodySHA256)");
    let received = once(&request.parameters, "bodySHA256").ok_or(uncovered)?;
    let digest = hex::encode(Sha256::digest(&request.body));
    if constant_time_eq(digest.as_bytes(), received.to_ascii_lowercase().as_bytes()) {
        Ok(())
    } else {
        Err(AuthError::Mismatch)
    }
}

fn with_and_without_port(url: &str) -> Vec<String> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return vec![url.to_owned()];
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, rest) = rest.split_at(end);
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let (bare, port) = match host.rsplit_once(':') {
        Some((bare, port)) if is_port(port) => (bare, port),
        _ if scheme == "https" => (host, "443"),
        _ => (host, "80"),
    };
    vec![
        format!("{scheme}://{bare}{rest}"),
        format!("{scheme}://{bare}:{port}{rest}"),
    ]
}
