//! Responses: a status, a body and a type that no browser guesses anew; and what
//! they say of the client.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use hyper::{Response, StatusCode};

pub(crate) type Reply = Response<Full<Bytes>>;

/// The answer to a request, and what it says of the client.
#[derive(Debug)]
pub(crate) enum Answer {
    /// It is who it should be: places are kept free for its address.
    Accepted(Reply),
    /// Nothing.
    Plain(Reply),
    /// It gets nothing, and no place either.
    Refused(Reply),
}

pub(crate) fn text(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
    with_type(status, PLAIN, body)
}

/// 503 for a client that has too many requests in progress: a provider repeats what
/// was answered 503, and not what was answered 429.
pub(crate) fn busy() -> Reply {
    let mut response = text(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable\n");
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    const JSON: HeaderValue = HeaderValue::from_static("application/json");
    with_type(status, JSON, body)
}

pub(crate) fn with_type(
    status: StatusCode,
    content_type: HeaderValue,
    body: impl Into<Bytes>,
) -> Reply {
    const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    response
}
