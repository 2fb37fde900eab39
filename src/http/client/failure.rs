//! Why a request got no response, and when to send it again.

use std::error::Error;
use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::logging::chain;

/// Why a request got no response. Without a connection the peer did nothing; after
/// that it is unknown whether it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransportError {
    /// The connection ended before the response did.
    ConnectionLost,
    /// The response did not arrive in time.
    TimedOut,
    NoConnection,
    /// The certificate is not trusted, or no encryption was agreed on.
    Untrusted,
    /// The request cannot be written as HTTP.
    InvalidRequest,
}

impl TransportError {
    /// Classifies an error of the HTTP library.
    pub(crate) fn classify(error: &reqwest::Error) -> Self {
        if error.is_builder() {
            Self::InvalidRequest
        } else if error.is_connect() && is_tls(error) {
            Self::Untrusted
        } else if error.is_connect() {
            Self::NoConnection
        } else if error.is_timeout() {
            Self::TimedOut
        } else {
            Self::ConnectionLost
        }
    }
}

/// The causes of an error in one line. The URL is left out: it may hold a
/// secret or a number.
pub(crate) fn error_chain(error: &reqwest::Error) -> String {
    match error.source() {
        Some(cause) => chain(cause),
        None if error.is_timeout() => "timed out".to_owned(),
        None => "request failed".to_owned(),
    }
}

/// How long to wait before the next request: `Retry-After` in seconds or as a
/// date (RFC 9110, section 10.2.3).
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

fn is_tls(error: &reqwest::Error) -> bool {
    causes(error).any(|cause| {
        // The connector wraps rustls' errors in I/O errors, whose `source`
        // leaves out what they wrap.
        let mut wrapped = Some(cause);
        while let Some(error) = wrapped {
            if error.is::<rustls::Error>() {
                return true;
            }
            let inner = error
                .downcast_ref::<std::io::Error>()
                .and_then(std::io::Error::get_ref);
            wrapped = inner.map(|inner| inner as _);
        }
        false
    })
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(error.source(), |cause: &&'a (dyn Error + 'static)| {
        (*cause).source()
    })
}
