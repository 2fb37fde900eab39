//! Tokens for OAuth 2.0 client credentials (RFC 6749, section 4.4).
//!
//! A token is kept in memory, so each process gets its own. Messages that need one at
//! the same time wait for one request, and share its failure. The response to that
//! request is never logged when it may contain a token.

use std::time::{Duration, Instant, SystemTime};

use form_urlencoded::Serializer;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::config::ClientCredentials;
use crate::crypto::basic_credentials;
use crate::document::as_text;
use crate::http::client::{self, redact};
use crate::logging::excerpt;
use crate::outbound::response::{self, Answer};
use crate::outbound::transport;
use crate::outbound::verdict::{Outcome, Reason, Verdict};
use crate::secret::Secret;

/// How long before its end a token is renewed, at most; short ones for a tenth of
/// their lifetime.
const RENEWAL_MAX: Duration = Duration::from_secs(30);

/// After a renewal that failed, until the next one is tried: with a server that does
/// not answer, each message would wait for it although the token is still good.
const RENEWAL_PAUSE: Duration = Duration::from_secs(5);

/// Bytes of a response that are read.
const RESPONSE_MAX: usize = 64 * 1024;

/// As much of the words of a server as the log shows, in characters.
const WORDS_MAX: usize = 200;

/// Errors that say that the client is not accepted (RFC 6749, section 5.2).
const REFUSALS: [&str; 4] = [
    "access_denied",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
];

/// The token of an interface.
#[derive(Debug, Default)]
pub(super) struct TokenCache(Mutex<CacheState>);

#[derive(Debug, Default)]
struct CacheState {
    token: Option<CachedToken>,
    /// When the last request failed, and why.
    failure: Option<(Instant, Verdict)>,
}

#[derive(Debug)]
struct CachedToken {
    secret: Secret,
    /// From when on it is renewed, and until when it can be used; `None` is until it
    /// is refused.
    lifetime: Option<(Instant, Instant)>,
}

/// What a server has issued.
#[derive(Debug, PartialEq, Eq)]
struct IssuedToken {
    secret: Secret,
    expires_in: Option<Duration>,
}

impl TokenCache {
    /// The token that is kept, unless it is `refused` or too old, or else a new one.
    ///
    /// # Errors
    /// The verdict on a message when there is no token: the message was not sent.
    pub(super) async fn get(
        &self,
        account: &ClientCredentials<Secret>,
        refused: Option<&Secret>,
        client: &Client,
    ) -> Result<Secret, Verdict> {
        let asked = Instant::now();
        let mut state = self.0.lock().await;
        if let Some(token) = state.fresh(refused, Instant::now()) {
            return Ok(token);
        }
        if let Some(verdict) = state.failure_since(asked) {
            return Err(verdict);
        }
        match fetch(account, client).await {
            Ok(issued) => Ok(state.keep(issued, Instant::now())),
            Err(verdict) => state.fail(refused, verdict, Instant::now()),
        }
    }
}

impl CacheState {
    /// The token, if it need not be renewed.
    fn fresh(&self, refused: Option<&Secret>, now: Instant) -> Option<Secret> {
        self.unless(refused, |(renewal, _)| now < renewal)
    }

    /// The token, if it is not refused and its lifetime permits it.
    fn unless(
        &self,
        refused: Option<&Secret>,
        permits: impl Fn((Instant, Instant)) -> bool,
    ) -> Option<Secret> {
        let CachedToken { secret, lifetime } = self.token.as_ref()?;
        let is_usable = Some(secret) != refused && lifetime.is_none_or(permits);
        is_usable.then(|| secret.clone())
    }

    /// The failure of a request that was made while the caller waited.
    fn failure_since(&self, asked: Instant) -> Option<Verdict> {
        let (failed, verdict) = self.failure.as_ref()?;
        (*failed >= asked).then(|| verdict.clone())
    }

    fn keep(&mut self, issued: IssuedToken, now: Instant) -> Secret {
        let IssuedToken { secret, expires_in } = issued;
        let lifetime = expires_in.and_then(|time| {
            let expires = now.checked_add(time)?;
            Some((expires.checked_sub(RENEWAL_MAX.min(time / 10))?, expires))
        });
        self.failure = None;
        let token = secret.clone();
        self.token = Some(CachedToken { secret, lifetime });
        token
    }

    /// Remembers a failure. A token that was to be renewed can still be used until its
    /// end.
    fn fail(
        &mut self,
        refused: Option<&Secret>,
        verdict: Verdict,
        now: Instant,
    ) -> Result<Secret, Verdict> {
        if let Some(token) = self.unless(refused, |(_, expires)| now < expires) {
            self.postpone_renewal(now);
            return Ok(token);
        }
        self.token = None;
        self.failure = Some((now, verdict.clone()));
        Err(verdict)
    }

    fn postpone_renewal(&mut self, now: Instant) {
        let lifetime = self.token.as_mut().and_then(|it| it.lifetime.as_mut());
        if let Some((renewal, expires)) = lifetime {
            *renewal = now.checked_add(RENEWAL_PAUSE).unwrap_or(now).min(*expires);
        }
    }
}

async fn fetch(
    account: &ClientCredentials<Secret>,
    client: &Client,
) -> Result<IssuedToken, Verdict> {
    let lost = |error| no_token(transport::verdict(&error));
    let mut response = request(account, client).send().await.map_err(lost)?;
    let status = response.status().as_u16();
    let retry_after = client::retry_after(response.headers(), SystemTime::now());
    let body = client::read_bounded(&mut response, RESPONSE_MAX).await;
    let body = body.map_err(lost)?;
    judge(status, &body.bytes, &account.secret, &encoded(account)).map_err(|verdict| {
        no_token(Verdict {
            retry_after,
            ..verdict
        })
    })
}

/// The request for a token.
fn request(account: &ClientCredentials<Secret>, client: &Client) -> RequestBuilder {
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    if let Some(scope) = &account.scope {
        form.append_pair("scope", scope);
    }
    form.extend_pairs(&account.parameters);
    if account.in_body {
        form.append_pair("client_id", &account.user);
        form.append_pair("client_secret", account.secret.expose());
    }
    let request = client
        .post(account.token_url.clone())
        .header(ACCEPT, "application/json")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(form.finish());
    if account.in_body {
        return request;
    }
    let mut basic = HeaderValue::from_str(&format!("Basic {}", encoded(account)));
    if let Ok(value) = &mut basic {
        value.set_sensitive(true);
    }
    match basic {
        Ok(value) => request.header(AUTHORIZATION, value),
        // Base64 is a valid value.
        Err(_) => request,
    }
}

/// User and secret as HTTP Basic carries them: both are encoded as in a form before
/// they are joined (section 2.3.1).
fn encoded(account: &ClientCredentials<Secret>) -> String {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let secret = Secret::new(encode(account.secret.expose()));
    basic_credentials(&encode(&account.user), &secret)
}

/// What a response says: a token, or the verdict on the message.
fn judge(status: u16, body: &[u8], secret: &Secret, encoded: &str) -> Result<IssuedToken, Verdict> {
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    let member = |name: &str| document.get(name).and_then(as_text).unwrap_or_default();
    if (200..300).contains(&status)
        && let Some(issued) = issued(&document)
    {
        return Ok(issued);
    }
    let error = member("error");
    let words = format!("{error} {}", member("error_description"));
    let words = if words.trim().is_empty() && !(200..300).contains(&status) {
        String::from_utf8_lossy(body).into_owned()
    } else {
        words
    };
    let words = redact(&words, secret.expose(), "(the secret)");
    let words = redact(&words, encoded, "(the secret)");
    let detail = format!(
        "HTTP status {status}: {:?}",
        excerpt(words.trim(), WORDS_MAX)
    );
    if matches!(status, 401 | 403) || REFUSALS.contains(&error.as_str()) {
        let (outcome, reason) = (Outcome::Rejected, Reason::Credentials);
        return Err(Verdict::not_sent(outcome, reason, detail));
    }
    if (200..300).contains(&status) {
        let (outcome, reason) = (Outcome::Failed, Reason::UnexpectedAnswer);
        let detail = format!("no access_token of type Bearer in the answer; {detail}");
        return Err(Verdict::not_sent(outcome, reason, detail));
    }
    let is_complete = true;
    let answer = Answer {
        status,
        body,
        is_complete,
    };
    Err(Verdict {
        detail,
        ..response::verdict(None, answer)
    })
}

fn issued(document: &Value) -> Option<IssuedToken> {
    let member = |name: &str| document.get(name).and_then(as_text);
    let is_bearer = |name: String| name.eq_ignore_ascii_case("bearer");
    // Some servers leave the type out.
    if !member("token_type").is_none_or(is_bearer) {
        return None;
    }
    let token = member("access_token").filter(|token| !token.is_empty())?;
    let seconds = member("expires_in").and_then(|text| text.trim().parse().ok());
    Some(IssuedToken {
        secret: Secret::new(token),
        expires_in: seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
    })
}

/// The verdict on a message for which there is no token.
fn no_token(verdict: Verdict) -> Verdict {
    let detail = format!("no token from token_url: {}", verdict.detail);
    response::message_not_sent(Verdict { detail, ..verdict })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    fn token(text: &str, expires_in: Option<u64>) -> IssuedToken {
        IssuedToken {
            secret: secret(text),
            expires_in: expires_in.map(Duration::from_secs),
        }
    }

    #[test]
    fn token_is_kept_until_shortly_before_its_end() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        for (expires_in, fresh, old) in [(3600, 3569, 3571), (100, 89, 91), (0, 0, 0)] {
            let mut state = CacheState::default();
            assert!(state.fresh(None, start).is_none());
            state.keep(token("a", Some(expires_in)), start);
            let is_fresh = state.fresh(None, at(fresh)).is_some();
            assert_eq!(is_fresh, expires_in > 0, "{expires_in}");
            assert!(state.fresh(None, at(old)).is_none(), "{expires_in}");
        }
        let mut state = CacheState::default();
        state.keep(token("a", None), start);
        assert!(state.fresh(None, at(1_000_000)).is_some());
        assert!(state.fresh(Some(&secret("a")), start).is_none());
        assert!(state.fresh(Some(&secret("b")), start).is_some());
    }

    #[test]
    fn failure_is_shared_by_those_who_waited_for_it() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let failed = || Verdict::not_sent(Outcome::Failed, Reason::Busy, String::new());
        let mut state = CacheState::default();
        state.keep(token("a", Some(100)), start);
        // It still holds while it was to be renewed.
        assert_eq!(state.fail(None, failed(), at(95)), Ok(secret("a")));
        assert_eq!(state.failure_since(start), None);
        // For a while nobody asks again.
        assert_eq!(state.fresh(None, at(99)), Some(secret("a")));
        assert_eq!(state.fresh(None, at(100)), None);
        assert!(state.fail(Some(&secret("a")), failed(), at(95)).is_err());
        assert_eq!(state.failure_since(at(94)), Some(failed()));
        assert_eq!(state.failure_since(at(96)), None);
        state.keep(token("b", None), at(97));
        assert_eq!(state.failure_since(at(94)), None);
    }

    fn judged(status: u16, body: &str) -> Result<IssuedToken, Verdict> {
        judge(status, body.as_bytes(), &secret("s3cret"), "enc0ded")
    }

    #[test]
    fn token_is_read_from_the_answer() {
        for (more, expires_in) in [
            (r#","token_type":"Bearer","expires_in":60"#, Some(60)),
            (r#","token_type":"bearer","expires_in":"60""#, Some(60)),
            (r#","expires_in":null"#, None),
            (r#","expires_in":-1"#, None),
            ("", None),
        ] {
            let body = format!("{{\"access_token\":\"t\"{more}}}");
            assert_eq!(judged(200, &body), Ok(token("t", expires_in)), "{body}");
        }
    }

    #[test]
    fn failures_of_token_servers_are_told_apart() {
        use Outcome::{Failed, Rejected};
        use Reason::{Busy, Credentials, ProviderError, Redirected, Refused, UnexpectedAnswer};
        let refused = r#"{"error":"invalid_client"}"#;
        let mac = r#"{"access_token":"t0ken","token_type":"mac"}"#;
        for (status, body, outcome, reason) in [
            (400, refused, Rejected, Credentials),
            (401, "", Rejected, Credentials),
            (403, "no", Rejected, Credentials),
            (200, refused, Rejected, Credentials),
            (400, r#"{"error":"invalid_scope"}"#, Rejected, Refused),
            (404, "", Rejected, Refused),
            (302, "", Rejected, Redirected),
            (429, "", Failed, Busy),
            (503, "", Failed, Busy),
            (500, "", Failed, ProviderError),
            (200, "<html>", Failed, UnexpectedAnswer),
            (200, r#"{"access_token":""}"#, Failed, UnexpectedAnswer),
            (200, mac, Failed, UnexpectedAnswer),
        ] {
            let verdict = no_token(judged(status, body).unwrap_err());
            assert_eq!(verdict.outcome, outcome, "{status} {body}");
            assert_eq!(verdict.reason, Some(reason), "{status} {body}");
            assert!(!verdict.detail.contains("t0ken"), "{verdict:?}");
        }
        let body = r#"{"error":"x","error_description":"s3cret or enc0ded"}"#;
        let detail = judged(400, body).unwrap_err().detail;
        let expected = "HTTP status 400: \"x (the secret) or (the secret)\"";
        assert_eq!(detail, expected);
    }
}
