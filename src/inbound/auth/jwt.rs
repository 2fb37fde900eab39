//! A JSON Web Token (RFC 7519) that names the digest of the body, as Vonage's
//! Messages API and `MessageBird` send it.

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::signature::{self, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use ring::hmac;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::config::WebhookAuth;
use crate::inbound::auth::{AuthError, TrustScope, WebhookRequest, constant_time_eq};
use crate::secret::Secret;

/// How far two clocks may be apart, in seconds.
const SKEW: u64 = 60;

/// What the token claims.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Claims {
    exp: Option<u64>,
    nbf: Option<u64>,
    iat: Option<u64>,
    /// SHA-256 of the body, in hexadecimal.
    payload_hash: Option<String>,
    /// SHA-256 of the URL, in hexadecimal.
    url_hash: Option<String>,
}

/// The claims of a token, if it is signed with this secret.
pub(super) fn claims(secret: &Secret, token: &str) -> Option<Claims> {
    // The first one counts, and all of them are the same.
    let _ = HMAC_ONLY.install_default();
    let mut validation = Validation::new(Algorithm::HS256);
    validation.algorithms = vec![Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
    // The times are checked below, with a clock that is an argument.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let key = DecodingKey::from_secret(secret.expose().as_bytes());
    let token = decode::<Claims>(token, &key, &validation).ok()?;
    Some(token.claims)
}

/// What `jsonwebtoken` computes with: its own choices would bring RSA and elliptic
/// curves that no provider here uses.
static HMAC_ONLY: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::InvalidAlgorithm.into()),
    verifier_factory: |algorithm, key| {
        let digest = match algorithm {
            Algorithm::HS256 => hmac::HMAC_SHA256,
            Algorithm::HS384 => hmac::HMAC_SHA384,
            Algorithm::HS512 => hmac::HMAC_SHA512,
            _ => return Err(ErrorKind::InvalidAlgorithm.into()),
        };
        Ok(Box::new(HmacVerifier {
            algorithm: *algorithm,
            key: hmac::Key::new(digest, key.try_get_as_bytes()?),
        }))
    },
    key_utils: KeyUtils::new_unimplemented(),
};

struct HmacVerifier {
    algorithm: Algorithm,
    key: hmac::Key,
}

impl Verifier<Vec<u8>> for HmacVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let verified = hmac::verify(&self.key, message, signature);
        verified.map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for HmacVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

/// Checks that the claims are about this request, and about now.
pub(super) fn check(
    claims: &Claims,
    auth: &WebhookAuth<Secret>,
    request: &WebhookRequest,
    url: &str,
    now: u64,
) -> Result<TrustScope, AuthError> {
    check_times(claims, auth.max_age, now)?;
    let hash = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
    let matches = |claim: &String, expected: String| {
        constant_time_eq(expected.as_bytes(), claim.to_ascii_lowercase().as_bytes())
    };
    let payload = claims.payload_hash.as_ref();
    let url_hash = claims.url_hash.as_ref();
    if payload.is_none() && !request.body.is_empty() {
        return Err(AuthError::Uncovered("the body (no payload_hash)"));
    }
    if url_hash.is_none() && request.is_get() {
        return Err(AuthError::Uncovered("the URL (no url_hash)"));
    }
    if payload.is_some_and(|claim| !matches(claim, hash(&request.body)))
        || url_hash.is_some_and(|claim| !matches(claim, hash(url.as_bytes())))
    {
        return Err(AuthError::Mismatch);
    }
    if request.is_get() {
        return Ok(TrustScope::Content);
    }
    request.body_scope()
}

/// A token has an end, or else a beginning that is recent.
fn check_times(claims: &Claims, max_age: Option<u64>, now: u64) -> Result<(), AuthError> {
    let Some(max_age) = max_age else {
        return Ok(());
    };
    let valid_from = claims.nbf.or(claims.iat);
    let ended = claims
        .exp
        .or_else(|| Some(valid_from?.saturating_add(max_age)))
        .ok_or_else(|| AuthError::Missing("exp or iat in the token".to_owned()))?;
    if now > ended.saturating_add(SKEW) || valid_from.is_some_and(|from| from > now + SKEW) {
        return Err(AuthError::Time);
    }
    Ok(())
}
