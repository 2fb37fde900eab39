//! The credentials of an interface: its secret as it is now, its [`token`], and what
//! the provider has asked for.
//!
//! A provider that asks first ([`digest`]) answers a request with status 401, which
//! says that nothing was done, so the request is sent a second time with the answer.
//! What it asked for is kept for the requests that follow.

use parking_lot::Mutex;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Client, Request};

mod digest;
mod token;

use crate::config::Auth;
use crate::logging::excerpt;
use crate::outbound::verdict::Verdict;
use crate::secret::stored::StoredSecret;
use crate::secret::{Secret, SecretError, SecretSource};
use digest::{Challenge, SignedRequest};
use token::TokenCache;

/// As much of the names of a provider's methods as the log shows, in characters.
const SCHEMES_MAX: usize = 60;

/// The credentials of an interface.
#[derive(Debug)]
pub(super) struct Credentials {
    auth: Auth<StoredSecret>,
    /// What the provider asked for last.
    digest: Mutex<Option<DigestSession>>,
    token: TokenCache,
}

/// A challenge, and the requests that have been signed for it.
#[derive(Debug)]
struct DigestSession {
    challenge: Challenge,
    cnonce: String,
    count: u32,
}

/// What one request was sent with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    pub auth: Auth<Secret>,
    /// The nonce of the challenge that it answers.
    pub nonce: Option<String>,
}

impl Credentials {
    /// Reads the secret.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn new(auth: &Auth<SecretSource>) -> Result<Self, SecretError> {
        Ok(Self {
            auth: auth.try_map(StoredSecret::new)?,
            digest: Mutex::default(),
            token: TokenCache::default(),
        })
    }

    /// The credentials as they are now. A token is got with `client` if need be.
    ///
    /// # Errors
    /// The verdict on the message when there is no token.
    pub(super) async fn current(&self, client: &Client) -> Result<Auth<Secret>, Verdict> {
        self.other_than(None, client).await
    }

    /// The same, but not with the `refused` token.
    async fn other_than(
        &self,
        refused: Option<&Auth<Secret>>,
        client: &Client,
    ) -> Result<Auth<Secret>, Verdict> {
        match self.auth.map(StoredSecret::current) {
            Auth::ClientCredentials(account) => {
                let refused = refused.and_then(Auth::secret);
                let secret = self.token.get(&account, refused, client).await?;
                Ok(Auth::Bearer { secret })
            }
            auth => Ok(auth),
        }
    }

    /// Answers the last challenge, if the interface does that; returns its nonce.
    pub(super) fn sign(&self, auth: &Auth<Secret>, request: &mut Request) -> Option<String> {
        let Auth::Digest { user, secret } = auth else {
            return None;
        };
        let mut session = self.digest.lock();
        let session = session.as_mut()?;
        session.count = session.count.wrapping_add(1);
        let url = request.url();
        let query = url.query().map(|query| format!("?{query}"));
        let signed = SignedRequest {
            method: request.method().as_str(),
            uri: &format!("{}{}", url.path(), query.unwrap_or_default()),
            count: session.count,
            cnonce: &session.cnonce,
        };
        let answer = session.challenge.answer(user, secret, signed);
        let mut value = HeaderValue::from_bytes(answer.as_bytes()).ok()?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
        Some(session.challenge.nonce.clone())
    }

    /// Other credentials than those of a request that was answered with status 401;
    /// `None` when there are no others.
    ///
    /// # Errors
    /// The verdict on the message when a token was refused and there is no other.
    pub(super) async fn renewed(
        &self,
        sent: &Sent,
        headers: &HeaderMap,
        client: &Client,
    ) -> Result<Option<Auth<Secret>>, Verdict> {
        let auth = self.other_than(Some(&sent.auth), client).await?;
        let is_other = match &auth {
            Auth::Digest { .. } => self.is_challenged(sent.nonce.as_deref(), headers),
            _ => false,
        };
        Ok((is_other || auth != sent.auth).then_some(auth))
    }

    /// Whether the provider asks for something else than the answer to `answered`;
    /// that is remembered.
    fn is_challenged(&self, answered: Option<&str>, headers: &HeaderMap) -> bool {
        let Some(challenge) = Challenge::find(offers(headers)) else {
            return false;
        };
        if answered == Some(&challenge.nonce) && !challenge.is_stale {
            return false;
        }
        let mut random = [0; 16];
        // A nonce of ours is not secret, and protects against providers alone.
        let _ = getrandom::fill(&mut random);
        *self.digest.lock() = Some(DigestSession {
            challenge,
            cnonce: hex::encode(random),
            count: 0,
        });
        true
    }
}

/// What the administrator has to know about a refusal of credentials: another method
/// that the provider asks for.
pub(super) fn hint(auth: &Auth<Secret>, headers: &HeaderMap) -> Option<String> {
    let asks_for_digest = Challenge::find(offers(headers)).is_some();
    match (auth, asks_for_digest) {
        (Auth::Digest { .. }, true) => None,
        (Auth::Digest { .. }, false) => {
            let schemes = digest::schemes(offers(headers)).join(", ");
            let schemes = excerpt(&schemes, SCHEMES_MAX);
            Some(format!(
                "it asks for no Digest that is known, but for {schemes:?}: see auth_method"
            ))
        }
        (_, true) => Some("it asks for Digest: set auth_method = digest".to_owned()),
        (_, false) => None,
    }
}

/// What the provider asks for, a header each.
fn offers(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(WWW_AUTHENTICATE).iter();
    values.filter_map(|value| value.to_str().ok())
}
