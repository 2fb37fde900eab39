//! HTTP requests that go out: one builder for all clients, one bounded read.
//!
//! [`resolver`] finds addresses, [`tls`] defines who is trusted, [`failure`] why there is no response, and
//! [`mod@redact`] removes secrets from responses. [`json_api`] is a client
//! for APIs that speak JSON, [`api_error`] explains its errors.

use std::sync::Arc;

use reqwest::{Client, ClientBuilder, Response, redirect};
use rustls::ClientConfig;

pub(crate) mod api_error;
pub(crate) mod failure;
pub(crate) mod json_api;
mod redact;
pub(crate) mod resolver;
pub(crate) mod tls;

pub(crate) use failure::{TransportError, error_chain, retry_after};
pub(crate) use redact::redact;
use resolver::HostResolver;

const USER_AGENT: &str = concat!("asterisk-websms/", env!("CARGO_PKG_VERSION"));

/// A client with the settings of all our clients: the given TLS settings, no
/// redirects, repetitions and referrers. The caller sets the timeouts.
pub(crate) fn builder(tls: ClientConfig) -> ClientBuilder {
    Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(USER_AGENT)
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .dns_resolver(Arc::new(HostResolver::default()))
}

/// The body of a response, up to a limit.
#[derive(Debug)]
pub(crate) struct BoundedBody {
    pub bytes: Vec<u8>,
    /// Whether this is all of it.
    pub is_complete: bool,
}

/// Reads at most `max` bytes of a response's body.
///
/// # Errors
/// When the connection breaks or the time is over.
pub(crate) async fn read_bounded(
    response: &mut Response,
    max: usize,
) -> Result<BoundedBody, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > max {
            bytes.truncate(max);
            let is_complete = false;
            return Ok(BoundedBody { bytes, is_complete });
        }
    }
    let is_complete = true;
    Ok(BoundedBody { bytes, is_complete })
}
