//! What comes back when others are asked over HTTP, besides an answer: why there
//! is none, when to ask again, and our own words repeated.

use std::error::Error;
use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};

pub(crate) mod json_api;
pub(crate) mod tls;

/// Why nobody answered. As long as there was no connection nothing was done;
/// after that nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransportError {
    /// There was a connection, and it ended too soon.
    ConnectionLost,
    /// The time was over.
    TimedOut,
    /// There was no connection.
    NoConnection,
    /// There was one, to somebody who cannot be trusted.
    Untrusted,
    /// The request could not be written.
    InvalidRequest,
}

impl TransportError {
    /// Why nobody answered, by the error that there was instead.
    #[must_use]
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

/// An error with all its causes in one line. The URL is left out: it may hold
/// what is none of the log's business.
#[must_use]
pub(crate) fn error_chain(error: &reqwest::Error) -> String {
    let texts: Vec<_> = causes(error).map(ToString::to_string).collect();
    if texts.is_empty() {
        return if error.is_timeout() {
            "timed out"
        } else {
            "request failed"
        }
        .to_owned();
    }
    texts.join(": ")
}

/// When to ask again: `Retry-After` in seconds or as a date (RFC 9110, section
/// 10.2.3).
#[must_use]
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// What somebody said, with `private` replaced wherever it repeats it, as it is
/// or as forms and JSON write it. What is too short to be told apart is left
/// alone.
#[must_use]
pub(crate) fn redact(said: &str, private: &str, replacement: &str) -> String {
    const LEAST: usize = 4;
    if private.len() < LEAST {
        return said.to_owned();
    }
    let form: String = form_urlencoded::byte_serialize(private.as_bytes()).collect();
    let json = serde_json::Value::from(private).to_string();
    let said = said.replace(private, replacement);
    let said = said.replace(&form, replacement);
    let json = json.get(1..json.len() - 1).unwrap_or(private);
    said.replace(json, replacement)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_repeated_is_hidden_however_it_is_written() {
        let private = "a \"b\"/\u{e9}";
        for said in [
            "got a \"b\"/\u{e9}!",
            "got a+%22b%22%2F%C3%A9!",
            "got a \\\"b\\\"/\u{e9}!",
        ] {
            assert_eq!(redact(said, private, "(x)"), "got (x)!", "{said}");
        }
        assert_eq!(redact("got abc", "abc", "(x)"), "got abc");
    }
}
