//! Responses to peers: a status and its name. The reason is only in the log.

use hyper::StatusCode;
use hyper::header::{ALLOW, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};

use crate::config::Acknowledgement;
use crate::http::server::body::BodyError;
use crate::http::server::client_address::MalformedProxyHeader;
use crate::http::server::reply::{self, Reply};
use crate::inbound::auth::AuthError;
use crate::inbound::content_coding::ContentCodingError;
use crate::inbound::decode::DecodeError;
use crate::inbound::extract::ExtractError;
use crate::logging::failed;
use crate::spool::SpoolError;

/// Longest value that is echoed; providers send a few digits.
const ECHO_MAX: usize = 256;

/// When to try again after a 503, in seconds.
const RETRY_SECONDS: &str = "30";

/// Why a request is refused. The text is for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// 403: the address is not permitted.
    #[error("{0}")]
    Address(String),
    /// 400: no message can be read from it.
    #[error("{0}")]
    BadRequest(String),
    /// 403: the signature, the token or a proxy's header is wrong.
    #[error("{0}")]
    Forbidden(String),
    /// 405, with the methods that are allowed.
    #[error("the method is not allowed (expected {0})")]
    MethodNotAllowed(String),
    /// 404: no interface has this path.
    #[error("{0}")]
    NotFound(String),
    /// 400: the request is not of the shape that the interface is configured for.
    #[error("{reason}")]
    OtherShape {
        reason: String,
        /// The names that are there.
        members: String,
    },
    /// 408.
    #[error("the body did not arrive in time")]
    TooSlow,
    /// 413.
    #[error("{0}")]
    TooLarge(String),
    /// 401: user and password are missing or wrong.
    #[error("{0}")]
    Unauthorized(String),
    /// 503: the message could not be stored; the one refusal that is our fault.
    #[error("{0}")]
    Unavailable(String),
    /// 415.
    #[error("{0}")]
    UnsupportedMediaType(String),
}

impl Refusal {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) | Self::OtherShape { .. } => StatusCode::BAD_REQUEST,
            Self::Address(_) | Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }

    /// The status and its name, nothing of the reason.
    pub(crate) fn response(&self) -> Reply {
        let status = self.status();
        let name = status.canonical_reason().unwrap_or_default();
        let mut response = reply::text(status, format!("{name}\n"));
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
            DecodeError::Malformed(_) => Self::BadRequest(failed(&error)),
            DecodeError::CharacterSet(_) | DecodeError::Type(_) => {
                Self::UnsupportedMediaType(failed(&error))
            }
        }
    }
}

impl From<ContentCodingError> for Refusal {
    fn from(error: ContentCodingError) -> Self {
        match error {
            ContentCodingError::Malformed(_) => Self::BadRequest(failed(&error)),
            ContentCodingError::TooLarge => Self::TooLarge(failed(&error)),
            ContentCodingError::Unknown(_) => Self::UnsupportedMediaType(failed(&error)),
        }
    }
}

impl From<ExtractError> for Refusal {
    fn from(error: ExtractError) -> Self {
        let reason = failed(&error);
        match error {
            ExtractError::Destination(..) | ExtractError::Missing(_) => Self::BadRequest(reason),
            ExtractError::OtherShape { members, .. } => Self::OtherShape { reason, members },
            ExtractError::TooLong(_) | ExtractError::TooMany(_) => Self::TooLarge(reason),
        }
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Incomplete(_) => Self::BadRequest(failed(&error)),
            BodyError::TooLarge => Self::TooLarge("the body is larger than max_body".to_owned()),
            BodyError::TimedOut => Self::TooSlow,
        }
    }
}

impl From<AuthError> for Refusal {
    fn from(error: AuthError) -> Self {
        Self::Forbidden(failed(&error))
    }
}

impl From<MalformedProxyHeader> for Refusal {
    fn from(error: MalformedProxyHeader) -> Self {
        Self::Forbidden(failed(&error))
    }
}

impl From<SpoolError> for Refusal {
    fn from(error: SpoolError) -> Self {
        Self::Unavailable(failed(&error))
    }
}

/// The response to a message that is durable: the text of `report_success`, with
/// the type that it looks like unless `resp_type` gives another.
pub(crate) fn accepted(acknowledgement: &Acknowledgement) -> Reply {
    let body = &acknowledgement.body;
    let looks_like = match body.trim_start().chars().next() {
        Some('<') => "application/xml; charset=utf-8",
        Some('{' | '[') => "application/json",
        _ => "text/plain; charset=utf-8",
    };
    let content_type = acknowledgement.content_type.as_deref();
    // What is not a header value was refused when the file was read.
    let content_type = HeaderValue::from_str(content_type.unwrap_or(looks_like))
        .unwrap_or(HeaderValue::from_static("text/plain"));
    let status = StatusCode::from_u16(acknowledgement.status).unwrap_or(StatusCode::OK);
    reply::with_type(status, content_type, body.clone())
}

/// The response to a provider's echo challenge.
///
/// # Errors
/// When the value could be more than a token, such as a page, to its reader.
pub(crate) fn echo(value: &str) -> Result<Reply, Refusal> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b" -._~:+/=".contains(&byte);
    if value.len() > ECHO_MAX || !value.bytes().all(plain) {
        return Err(Refusal::BadRequest(format!(
            "the value to echo is longer than {ECHO_MAX} or holds more than letters, digits, \
             blanks and - . _ ~ : + / ="
        )));
    }
    Ok(reply::text(StatusCode::OK, value.to_owned()))
}

#[cfg(test)]
mod tests {
    use hyper::header::CONTENT_TYPE;

    use super::*;

    #[test]
    fn response_has_the_type_that_its_body_looks_like() {
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
    fn echo_returns_only_tokens() {
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
