//! Responses: a status, a body and a type that no browser guesses anew; and whether
//! they refuse a request.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::{Response, StatusCode};

pub(crate) type Reply = Response<Full<Bytes>>;

/// The answer to a request.
#[derive(Debug)]
pub(crate) enum Answer {
    Plain(Reply),
    /// The client gets nothing.
    Refused(Reply),
}

pub(crate) fn text(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
    with_type(status, PLAIN, body)
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
