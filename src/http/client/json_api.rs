//! A client for the JSON APIs by which commands manage an account: one request, no
//! redirect, within a bounded time.
//!
//! An [`ApiProfile`] describes the API: how its responses are read, and the error
//! texts for requests without a response. This module does not log, and no error
//! text contains a secret that the API repeats.

use std::path::Path;
use std::time::{Duration, SystemTime};

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{RequestBuilder, Response, Url};
use serde_json::Value;

use crate::exit::Exit;
use crate::http::client::api_error::{ApiError, ErrorClass};
use crate::http::client::{self, TransportError, tls};
use crate::secret::Secret;

/// Bytes of a response that are read; a list of a thousand entries is shorter.
const BODY_MAX: usize = 4 * 1024 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ApiMethod {
    Delete,
    Get,
    Post,
}

/// A request to the API. It has no `Debug`: a body may hold a password.
pub(crate) struct ApiRequest {
    pub method: ApiMethod,
    /// Appended to the URL of the API, or to its host with `at_host_root`.
    pub path: String,
    /// Whether the path prefix of the API's URL is left out.
    pub at_host_root: bool,
    pub body: Option<Value>,
    /// Names are in lower case.
    pub headers: Vec<(&'static str, Secret)>,
}

/// The differences between APIs.
#[derive(Debug)]
pub(crate) struct ApiProfile {
    /// Reads status and body of a response. After a failure it is called again with
    /// the secrets in the body redacted.
    pub parse_response: fn(u16, &[u8]) -> Result<Value, ApiError>,
    /// The connection ended before the response did.
    pub connection_lost: ErrorText,
    /// The response is longer than is read.
    pub too_large: ErrorText,
    pub timed_out: ErrorText,
    pub no_connection: ErrorText,
    /// The certificate is not trusted, or no encryption was agreed on.
    pub untrusted: ErrorText,
    /// A header value cannot be sent.
    pub invalid_request: ErrorText,
}

/// The text for the administrator about a failure of the network.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ErrorText {
    pub summary: &'static str,
    /// What the administrator can do about it.
    pub remedy: &'static str,
}

impl ErrorText {
    const fn with(self, exit: Exit) -> ErrorClass {
        ErrorClass::new(exit, self.summary, self.remedy)
    }
}

/// A client of one API, with its pool of connections.
#[derive(Debug)]
pub(crate) struct ApiClient {
    url: Url,
    profile: &'static ApiProfile,
    http: reqwest::Client,
}

impl ApiClient {
    /// Prepares connections to the API at `url`; makes none. `timeout` is for a
    /// request in all; the certificates in `ca_file` are trusted besides the
    /// system's.
    ///
    /// # Errors
    /// When certificates cannot be read.
    pub(crate) fn new(
        url: Url,
        timeout: Duration,
        ca_file: Option<&Path>,
        profile: &'static ApiProfile,
    ) -> Result<Self, ApiClientError> {
        let tls = tls::for_url(&url, ca_file)?;
        let http = client::builder(tls).timeout(timeout).build()?;
        Ok(Self { url, profile, http })
    }

    /// Sends a request, once. The error text holds none of `secrets`, even if the
    /// API repeats them.
    ///
    /// # Errors
    /// When there is no response, or it does not report success.
    pub(crate) async fn send(
        &self,
        request: &ApiRequest,
        secrets: &[&Secret],
    ) -> Result<Value, ApiError> {
        let sent = self.try_send(request, secrets).await;
        sent.map_err(|mut error| {
            // A GET changes nothing, so it is safe to repeat.
            if request.method == ApiMethod::Get && error.class.exit == Exit::Unknown {
                error.class.exit = Exit::Failed;
            }
            error
        })
    }

    async fn try_send(&self, request: &ApiRequest, secrets: &[&Secret]) -> Result<Value, ApiError> {
        let parse = self.profile.parse_response;
        let sent = self.build(request).send().await;
        let mut response = sent.map_err(|error| self.transport_error(&error))?;
        let status = response.status().as_u16();
        let retry_after = client::retry_after(response.headers(), SystemTime::now());
        let body = self.read_body(&mut response).await?;
        let parsed = parse(status, &body);
        if parsed.is_ok() {
            return parsed;
        }
        // Secrets are redacted before the error text is cut: half a secret could
        // not be recognised.
        let mut text = String::from_utf8_lossy(&body).into_owned();
        for secret in secrets {
            text = client::redact(&text, secret.expose(), "(the secret)");
        }
        parse(status, text.as_bytes()).map_err(|error| ApiError {
            retry_after,
            ..error
        })
    }

    fn build(&self, request: &ApiRequest) -> RequestBuilder {
        let method = match request.method {
            ApiMethod::Delete => reqwest::Method::DELETE,
            ApiMethod::Get => reqwest::Method::GET,
            ApiMethod::Post => reqwest::Method::POST,
        };
        let mut builder = self.http.request(method, self.target(request));
        for (name, value) in &request.headers {
            builder = match HeaderValue::from_str(value.expose()) {
                Ok(mut value) => {
                    value.set_sensitive(true);
                    builder.header(*name, value)
                }
                // The builder keeps the error and returns it from `send`.
                Err(_) => builder.header(*name, value.expose()),
            };
        }
        match &request.body {
            Some(body) => builder
                .header(CONTENT_TYPE, "application/json")
                .body(body.to_string()),
            None => builder,
        }
    }

    fn target(&self, request: &ApiRequest) -> String {
        let mut base = self.url.clone();
        if request.at_host_root {
            base.set_path("");
        }
        format!("{}{}", base.as_str().trim_end_matches('/'), request.path)
    }

    async fn read_body(&self, response: &mut Response) -> Result<Vec<u8>, ApiError> {
        let body = client::read_bounded(response, BODY_MAX).await;
        let body = body.map_err(|error| self.transport_error(&error))?;
        if body.is_complete {
            return Ok(body.bytes);
        }
        let class = self.profile.too_large.with(Exit::Unknown);
        Err(ApiError::new(class, format!("more than {BODY_MAX} bytes")))
    }

    /// Why there is no response.
    fn transport_error(&self, error: &reqwest::Error) -> ApiError {
        let profile = self.profile;
        let class = match TransportError::classify(error) {
            TransportError::ConnectionLost => profile.connection_lost.with(Exit::Unknown),
            TransportError::TimedOut => profile.timed_out.with(Exit::Unknown),
            TransportError::NoConnection => profile.no_connection.with(Exit::Failed),
            TransportError::Untrusted => profile.untrusted.with(Exit::Failed),
            TransportError::InvalidRequest => profile.invalid_request.with(Exit::Configuration),
        };
        ApiError::new(class, client::error_chain(error))
    }
}

/// Why there is no client. The administrator must act.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiClientError {
    #[error("prepare HTTP connections")]
    Http(#[from] reqwest::Error),
    #[error(transparent)]
    Trust(#[from] tls::TrustError),
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_TEXT: ErrorText = ErrorText {
        summary: "",
        remedy: "",
    };

    static PROFILE: ApiProfile = ApiProfile {
        parse_response: |_, _| Ok(Value::Null),
        connection_lost: NO_TEXT,
        too_large: NO_TEXT,
        timed_out: NO_TEXT,
        no_connection: NO_TEXT,
        untrusted: NO_TEXT,
        invalid_request: NO_TEXT,
    };

    #[test]
    fn path_is_appended_to_the_prefix_or_the_host() {
        for (url, at_prefix, at_root) in [
            (
                "http://h:5000/api/v1",
                "http://h:5000/api/v1/health",
                "http://h:5000/health",
            ),
            ("http://h", "http://h/health", "http://h/health"),
        ] {
            let url = Url::parse(url).unwrap();
            let client = ApiClient::new(url, Duration::from_secs(2), None, &PROFILE).unwrap();
            for (at_host_root, expected) in [(false, at_prefix), (true, at_root)] {
                let request = ApiRequest {
                    method: ApiMethod::Get,
                    path: "/health".to_owned(),
                    at_host_root,
                    body: None,
                    headers: Vec::new(),
                };
                assert_eq!(client.target(&request), expected);
            }
        }
    }
}
