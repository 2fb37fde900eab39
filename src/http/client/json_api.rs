//! Asks an API that speaks JSON for an administrator's chores: one request, no
//! redirect, within a bounded time.
//!
//! Whose API it is says a [`ApiProfile`]: how it answers, and what its administrator
//! reads when it does not. Nothing here logs, and what is said of a failure holds
//! no secret that the API repeats.

use std::fmt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{RequestBuilder, Response, Url};
use serde_json::Value;

use crate::exit::Exit;
use crate::http::client::tls;
use crate::http::client::{self, TransportError};
use crate::secret::Secret;

/// As much of an answer as is read; a list of a thousand is less.
const ANSWER_MAX: usize = 4 * 1024 * 1024;

/// How something is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ApiMethod {
    /// Removes.
    Delete,
    /// Looks.
    Get,
    /// Makes.
    Post,
}

/// What goes to the API. There is no `Debug`: a body may hold a password.
pub(crate) struct ApiRequest {
    /// By which method.
    pub method: ApiMethod,
    /// Behind the API's URL, or behind its host.
    pub path: String,
    /// Whether it is behind the host, without the prefix.
    pub at_host_root: bool,
    /// JSON.
    pub body: Option<Value>,
    /// Names in lower case.
    pub headers: Vec<(&'static str, Secret)>,
}

/// Why a chore was not done, in the fixed words of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ErrorClass {
    /// How the program ends.
    pub exit: Exit,
    /// What is wrong.
    pub summary: &'static str,
    /// What the administrator does about it.
    pub remedy: &'static str,
    /// How long the API is left alone that does not say how long, when all that
    /// is wrong is that it was asked too often.
    pub default_retry_after: Option<Duration>,
}

impl ErrorClass {
    /// A reason that is more than having asked too often.
    #[must_use]
    pub(crate) const fn new(exit: Exit, words: &'static str, remedy: &'static str) -> Self {
        Self {
            exit,
            summary: words,
            remedy,
            default_retry_after: None,
        }
    }

    /// It was only asked too often, and nothing was done.
    #[must_use]
    pub(crate) const fn rate_limited(
        pause: Duration,
        words: &'static str,
        remedy: &'static str,
    ) -> Self {
        Self {
            exit: Exit::Failed,
            summary: words,
            remedy,
            default_retry_after: Some(pause),
        }
    }
}

/// A chore that was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    /// Why.
    pub class: ErrorClass,
    /// What it was seen by: the API's words, or the network's.
    pub detail: String,
    /// How long the API wants to be left alone, if it said so.
    pub retry_after: Option<Duration>,
}

impl ApiError {
    /// Trouble for this reason.
    #[must_use]
    pub(crate) fn new(reason: ErrorClass, detail: String) -> Self {
        Self {
            class: reason,
            detail,
            retry_after: None,
        }
    }

    /// Whether it was only asked too often.
    #[must_use]
    pub(crate) fn is_rate_limited(&self) -> bool {
        self.class.default_retry_after.is_some()
    }

    /// Whether it may be over soon by itself.
    #[must_use]
    pub(crate) fn is_temporary(&self) -> bool {
        matches!(self.class.exit, Exit::Failed | Exit::Unknown)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ErrorClass {
            summary: words,
            remedy,
            default_retry_after: pause,
            ..
        } = self.class;
        write!(f, "{words} ({}): ", self.detail)?;
        if let Some(pause) = pause {
            let seconds = self.retry_after.unwrap_or(pause).as_secs();
            write!(f, "try again in {seconds} seconds; ")?;
        }
        f.write_str(remedy)
    }
}

/// What is an API's own.
#[derive(Debug)]
pub(crate) struct ApiProfile {
    /// What status and body hold of what was asked for, or why they do not. It
    /// judges a failure once more when the secrets in it are hidden.
    pub parse_response: fn(u16, &[u8]) -> Result<Value, ApiError>,
    /// The connection ended before the answer did.
    pub connection_lost: ErrorText,
    /// The answer is longer than any that there is.
    pub too_large: ErrorText,
    /// The answer took too long.
    pub timed_out: ErrorText,
    /// There is no connection.
    pub no_connection: ErrorText,
    /// Whoever is there cannot be trusted.
    pub untrusted: ErrorText,
    /// The request holds what none can.
    pub invalid_request: ErrorText,
}

/// What is said of what happens in the network.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ErrorText {
    /// What is wrong.
    pub summary: &'static str,
    /// What the administrator does about it.
    pub remedy: &'static str,
}

impl ErrorText {
    /// The words, and how the program ends.
    const fn with(self, exit: Exit) -> ErrorClass {
        ErrorClass::new(exit, self.summary, self.remedy)
    }
}

/// An API, with its pool of connections.
#[derive(Debug)]
pub(crate) struct ApiClient {
    url: Url,
    profile: &'static ApiProfile,
    http: reqwest::Client,
}

impl ApiClient {
    /// Prepares connections to the API at `url`; makes none. A request may take
    /// `timeout`; authorities in `ca_file` are trusted besides the system's.
    ///
    /// # Errors
    /// When the certificates cannot be had.
    pub(crate) fn new(
        url: Url,
        timeout: Duration,
        ca_file: Option<&Path>,
        dialect: &'static ApiProfile,
    ) -> Result<Self, ApiClientError> {
        let tls = tls::for_url(&url, ca_file).map_err(ApiClientError::Trust)?;
        let http = client::builder(tls)
            .timeout(timeout)
            .build()
            .map_err(ApiClientError::Http)?;
        Ok(Self {
            url,
            profile: dialect,
            http,
        })
    }

    /// Asks, once. What is said of a failure holds none of `secrets`, even if the
    /// API repeats them.
    ///
    /// # Errors
    /// When there is no answer, or none of success.
    pub(crate) async fn send(
        &self,
        request: &ApiRequest,
        secrets: &[&Secret],
    ) -> Result<Value, ApiError> {
        self.try_send(request, secrets)
            .await
            .map_err(|mut trouble| {
                // Whoever only looks can look again.
                if request.method == ApiMethod::Get && trouble.class.exit == Exit::Unknown {
                    trouble.class.exit = Exit::Failed;
                }
                trouble
            })
    }

    async fn try_send(&self, request: &ApiRequest, secrets: &[&Secret]) -> Result<Value, ApiError> {
        let judge = self.profile.parse_response;
        let sent = self.build(request).send().await;
        let mut response = sent.map_err(|error| self.transport_error(&error))?;
        let status = response.status().as_u16();
        let retry_after = client::retry_after(response.headers(), SystemTime::now());
        let body = self.read(&mut response).await?;
        let Err(_) = judge(status, &body) else {
            return judge(status, &body);
        };
        // Some repeat what they got. It is hidden before the start of it is
        // taken, because half a secret cannot be recognised.
        let mut said = String::from_utf8_lossy(&body).into_owned();
        for secret in secrets {
            said = client::redact(&said, secret.expose(), "(the secret)");
        }
        judge(status, said.as_bytes()).map_err(|trouble| ApiError {
            retry_after,
            ..trouble
        })
    }

    fn build(&self, request: &ApiRequest) -> RequestBuilder {
        let method = match request.method {
            ApiMethod::Delete => reqwest::Method::DELETE,
            ApiMethod::Get => reqwest::Method::GET,
            ApiMethod::Post => reqwest::Method::POST,
        };
        let mut asking = self.http.request(method, self.target(request));
        for (name, value) in &request.headers {
            // What no header can carry makes the whole request an error.
            asking = match HeaderValue::from_str(value.expose()) {
                Ok(mut value) => {
                    value.set_sensitive(true);
                    asking.header(*name, value)
                }
                Err(_) => asking.header(*name, value.expose()),
            };
        }
        match &request.body {
            Some(body) => asking
                .header(CONTENT_TYPE, "application/json")
                .body(body.to_string()),
            None => asking,
        }
    }

    fn target(&self, request: &ApiRequest) -> String {
        let mut base = self.url.clone();
        if request.at_host_root {
            base.set_path("");
        }
        format!("{}{}", base.as_str().trim_end_matches('/'), request.path)
    }

    async fn read(&self, response: &mut Response) -> Result<Vec<u8>, ApiError> {
        let body = client::read_bounded(response, ANSWER_MAX).await;
        let body = body.map_err(|error| self.transport_error(&error))?;
        if body.is_complete {
            return Ok(body.bytes);
        }
        let class = self.profile.too_large.with(Exit::Unknown);
        let detail = format!("more than {ANSWER_MAX} bytes");
        Err(ApiError::new(class, detail))
    }

    /// What became of a request that nobody answered.
    fn transport_error(&self, error: &reqwest::Error) -> ApiError {
        let ApiProfile {
            connection_lost: broken_off,
            timed_out: late,
            no_connection: unconnected,
            untrusted,
            invalid_request: unwritable,
            ..
        } = self.profile;
        let reason = match TransportError::classify(error) {
            TransportError::ConnectionLost => broken_off.with(Exit::Unknown),
            TransportError::TimedOut => late.with(Exit::Unknown),
            TransportError::NoConnection => unconnected.with(Exit::Failed),
            TransportError::Untrusted => untrusted.with(Exit::Failed),
            TransportError::InvalidRequest => unwritable.with(Exit::Configuration),
        };
        ApiError::new(reason, client::error_chain(error))
    }
}

/// An API that cannot be asked. The administrator must act.
#[derive(Debug)]
pub(crate) enum ApiClientError {
    /// The HTTP client cannot be made.
    Http(reqwest::Error),
    /// The certificates cannot be had.
    Trust(tls::TrustError),
}

impl fmt::Display for ApiClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(error) => write!(f, "prepare connections: {error}"),
            Self::Trust(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ApiClientError {}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: ErrorText = ErrorText {
        summary: "",
        remedy: "",
    };

    static DIALECT: ApiProfile = ApiProfile {
        parse_response: |_, _| Ok(Value::Null),
        connection_lost: QUIET,
        too_large: QUIET,
        timed_out: QUIET,
        no_connection: QUIET,
        untrusted: QUIET,
        invalid_request: QUIET,
    };

    #[test]
    fn path_goes_behind_the_prefix_or_the_host() {
        for (url, inside, outside) in [
            (
                "http://h:5000/api/v1",
                "http://h:5000/api/v1/health",
                "http://h:5000/health",
            ),
            ("http://h", "http://h/health", "http://h/health"),
        ] {
            let url = Url::parse(url).unwrap();
            let client = ApiClient::new(url, Duration::from_secs(2), None, &DIALECT).unwrap();
            for (is_outside, expected) in [(false, inside), (true, outside)] {
                let request = ApiRequest {
                    method: ApiMethod::Get,
                    path: "/health".to_owned(),
                    at_host_root: is_outside,
                    body: None,
                    headers: Vec::new(),
                };
                assert_eq!(client.target(&request), expected);
            }
        }
    }

    #[test]
    fn trouble_says_how_long_to_wait_when_that_is_all() {
        let told = Some(Duration::from_secs(7));
        let limit = ErrorClass::rate_limited(Duration::from_secs(9), "too often", "wait");
        let other = ErrorClass::new(Exit::Failed, "unwell", "see its log");
        for (reason, retry_after, expected) in [
            (limit, None, "too often (x): try again in 9 seconds; wait"),
            (limit, told, "too often (x): try again in 7 seconds; wait"),
            (other, told, "unwell (x): see its log"),
        ] {
            let trouble = ApiError {
                retry_after,
                ..ApiError::new(reason, "x".to_owned())
            };
            assert_eq!(trouble.to_string(), expected);
            assert_eq!(trouble.is_rate_limited(), reason == limit);
            assert!(trouble.is_temporary());
        }
    }
}
