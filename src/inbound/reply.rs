//! What a peer is told. It is little: the reasons are for the log.

use std::fmt;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};

use super::decode::DecodeError;
use super::extract::ExtractError;

/// Longest value that is echoed; providers send a few digits.
const ECHO_MAX: usize = 256;

/// When to try again after a 503, in seconds.
const RETRY_SECONDS: &str = "30";

/// Why a request is refused. The text is for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// 400: no message can be made of it.
    BadRequest(String),
    /// 403: not from this address.
    Forbidden(String),
    /// 405: not with this method.
    MethodNotAllowed,
    /// 404: not at this path.
    NotFound(String),
    /// 408: it did not come in time.
    TooSlow,
    /// 413: more than is taken.
    TooLarge(String),
    /// 503: it could not be stored; the one refusal that is our fault.
    Unavailable(String),
    /// 415: nothing of this Content-Type is read here.
    UnsupportedMediaType(String),
}

impl Refusal {
    /// The status that goes with it.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }

    /// The answer: the status and its name, nothing of the reason.
    #[must_use]
    pub fn response(&self) -> Response<Full<Bytes>> {
        let status = self.status();
        let name = status.canonical_reason().unwrap_or_default();
        let mut response = text(status, format!("{name}\n"));
        let headers = response.headers_mut();
        match self {
            Self::MethodNotAllowed => {
                headers.insert(ALLOW, HeaderValue::from_static("POST"));
            }
            Self::Unavailable(_) => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static(RETRY_SECONDS));
            }
            _ => {}
        }
        response
    }
}

impl From<DecodeError> for Refusal {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Malformed(_) => Self::BadRequest(error.to_string()),
            DecodeError::Type(_) => Self::UnsupportedMediaType(error.to_string()),
        }
    }
}

impl From<ExtractError> for Refusal {
    fn from(error: ExtractError) -> Self {
        match error {
            ExtractError::Missing(_) | ExtractError::Party(..) => {
                Self::BadRequest(error.to_string())
            }
            ExtractError::TooLong(_) | ExtractError::TooMany(_) => {
                Self::TooLarge(error.to_string())
            }
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadRequest(reason)
            | Self::Forbidden(reason)
            | Self::NotFound(reason)
            | Self::TooLarge(reason)
            | Self::Unavailable(reason)
            | Self::UnsupportedMediaType(reason) => f.write_str(reason),
            Self::MethodNotAllowed => f.write_str("messages are taken by POST alone"),
            Self::TooSlow => f.write_str("the body did not arrive in time"),
        }
    }
}

impl std::error::Error for Refusal {}

/// The answer to a message that is durable: what `report_success` says, under
/// the type that it looks like.
#[must_use]
pub fn accepted(acknowledgement: &str) -> Response<Full<Bytes>> {
    let content_type = match acknowledgement.trim_start().chars().next() {
        Some('<') => "application/xml; charset=utf-8",
        Some('{' | '[') => "application/json",
        _ => "text/plain; charset=utf-8",
    };
    answer(StatusCode::OK, content_type, acknowledgement.to_owned())
}

/// The answer to a provider that tests whether somebody is here.
///
/// # Errors
/// When what it wants to hear could be more than a token to whoever reads it.
pub fn echo(value: &str) -> Result<Response<Full<Bytes>>, Refusal> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b" -._~:+/=".contains(&byte);
    if value.len() > ECHO_MAX || !value.bytes().all(plain) {
        return Err(Refusal::BadRequest(format!(
            "the value to echo is longer than {ECHO_MAX} or holds more than letters, digits, \
             blanks and - . _ ~ : + / ="
        )));
    }
    Ok(text(StatusCode::OK, value.to_owned()))
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    answer(status, "text/plain; charset=utf-8", body)
}

fn answer(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    // No browser shall see a page in what we echo.
    headers.insert(
        HeaderName::from_static("x-content-type-options"),
        HeaderValue::from_static("nosniff"),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_has_the_type_that_it_looks_like() {
        for (acknowledgement, expected) in [
            ("<Response></Response>", "application/xml; charset=utf-8"),
            ("{\"ok\":true}", "application/json"),
            ("ACK/Jasmin", "text/plain; charset=utf-8"),
            ("", "text/plain; charset=utf-8"),
        ] {
            let response = accepted(acknowledgement);
            assert_eq!(response.headers()[CONTENT_TYPE], expected);
        }
    }

    #[test]
    fn echo_gives_back_tokens_alone() {
        for token in ["abc 123", "", "a-b_c.d~e:f+g/h=", &"x".repeat(256)] {
            assert_eq!(echo(token).unwrap().status(), StatusCode::OK);
        }
        for more in [
            "<script>",
            "a\r\nb",
            "a\"b",
            "a&b",
            "☺",
            "\0",
            &"x".repeat(257),
        ] {
            assert!(echo(more).is_err(), "{more:?}");
        }
    }
}
