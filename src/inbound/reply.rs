//! What a peer is told. It is little: the reasons are for the log.

use std::fmt;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};

use crate::config::Acknowledgement;
use crate::http::server::BodyError;
use crate::inbound::auth::AuthError;
use crate::inbound::decode::DecodeError;
use crate::inbound::extract::ExtractError;

/// Longest value that is echoed; providers send a few digits.
const ECHO_MAX: usize = 256;

/// When to try again after a 503, in seconds.
const RETRY_SECONDS: &str = "30";

/// Why a request is refused. The text is for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// 400: no message can be made of it.
    BadRequest(String),
    /// 403: not from this address.
    Forbidden(String),
    /// 405: not with this method, but with those.
    MethodNotAllowed(String),
    /// 404: not at this path.
    NotFound(String),
    /// 408: it did not come in time.
    TooSlow,
    /// 413: more than is taken.
    TooLarge(String),
    /// 401: without user and password.
    Unauthorized(String),
    /// 503: it could not be stored; the one refusal that is our fault.
    Unavailable(String),
    /// 415: nothing of this Content-Type is read here.
    UnsupportedMediaType(String),
}

impl Refusal {
    /// The status that goes with it.
    #[must_use]
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }

    /// The answer: the status and its name, nothing of the reason.
    #[must_use]
    pub(crate) fn response(&self) -> Response<Full<Bytes>> {
        let status = self.status();
        let name = status.canonical_reason().unwrap_or_default();
        let mut response = text(status, format!("{name}\n"));
        let headers = response.headers_mut();
        match self {
            Self::MethodNotAllowed(allowed) => {
                headers.extend(HeaderValue::from_str(allowed).map(|value| (ALLOW, value)));
            }
            Self::Unauthorized(_) => {
                let basic = HeaderValue::from_static("Basic realm=\"websmsd\"");
                headers.insert(WWW_AUTHENTICATE, basic);
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

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Incomplete(_) => Self::BadRequest(error.to_string()),
            BodyError::TooLarge => Self::TooLarge("the body is larger than max_body".to_owned()),
            BodyError::TimedOut => Self::TooSlow,
        }
    }
}

impl From<AuthError> for Refusal {
    fn from(error: AuthError) -> Self {
        Self::Forbidden(error.to_string())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadRequest(reason)
            | Self::Forbidden(reason)
            | Self::NotFound(reason)
            | Self::TooLarge(reason)
            | Self::Unauthorized(reason)
            | Self::Unavailable(reason)
            | Self::UnsupportedMediaType(reason) => f.write_str(reason),
            Self::MethodNotAllowed(allowed) => write!(f, "messages are taken by {allowed} alone"),
            Self::TooSlow => f.write_str("the body did not arrive in time"),
        }
    }
}

impl std::error::Error for Refusal {}

/// The answer to a message that is durable: what `report_success` says, under
/// the type that it looks like unless `resp_type` says another.
#[must_use]
pub(crate) fn accepted(acknowledgement: &Acknowledgement) -> Response<Full<Bytes>> {
    let body = &acknowledgement.body;
    let looks_like = match body.trim_start().chars().next() {
        Some('<') => "application/xml; charset=utf-8",
        Some('{' | '[') => "application/json",
        _ => "text/plain; charset=utf-8",
    };
    let content_type = acknowledgement.content_type.as_deref();
    let status = StatusCode::from_u16(acknowledgement.status).unwrap_or(StatusCode::OK);
    answer(status, content_type.unwrap_or(looks_like), body.clone())
}

/// The answer to a provider that tests whether somebody is here.
///
/// # Errors
/// When what it wants to hear could be more than a token to whoever reads it.
pub(crate) fn echo(value: &str) -> Result<Response<Full<Bytes>>, Refusal> {
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

fn answer(status: StatusCode, content_type: &str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    // One that no header can carry was refused when the file was read.
    headers.extend(HeaderValue::from_str(content_type).map(|value| (CONTENT_TYPE, value)));
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
        for (body, content_type, expected) in [
            (
                "<Response></Response>",
                None,
                "application/xml; charset=utf-8",
            ),
            ("{\"ok\":true}", None, "application/json"),
            ("ACK/Jasmin", None, "text/plain; charset=utf-8"),
            ("", None, "text/plain; charset=utf-8"),
            ("ok", Some("text/html"), "text/html"),
        ] {
            let response = accepted(&Acknowledgement {
                body: body.to_owned(),
                content_type: content_type.map(str::to_owned),
                status: 202,
            });
            assert_eq!(response.headers()[CONTENT_TYPE], expected);
            assert_eq!(response.status(), StatusCode::ACCEPTED);
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
