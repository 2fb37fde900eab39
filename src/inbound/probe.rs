//! OPTIONS and HEAD, by which providers try a URL before they post to it. They are
//! answered where a message could be posted, and carry none.

use hyper::body::Bytes;
use hyper::header::{ALLOW, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};

use crate::config::AuthScheme;
use crate::http::server::reply::{self, Reply};
use crate::inbound::auth;
use crate::inbound::endpoint::Endpoint;
use crate::inbound::request::WebhookRequest;

/// By these two headers a sender of `CloudEvents` asks whether it may post (HTTP 1.1
/// Web Hooks for Event Delivery, section 4).
const REQUEST_ORIGIN: HeaderName = HeaderName::from_static("webhook-request-origin");
const ALLOWED_ORIGIN: HeaderName = HeaderName::from_static("webhook-allowed-origin");

/// Whether a method asks only whether there is something.
pub(crate) fn is_probe(method: &Method) -> bool {
    matches!(*method, Method::HEAD | Method::OPTIONS)
}

/// Whether a probe shows the secret, if the interface has one that a request without
/// a body can show at `now`, in seconds since 1970. Nobody can sign what is not there.
pub(crate) async fn is_authentic(head: &Parts, endpoint: &Endpoint, now: u64) -> bool {
    let Some(auth) = endpoint.auth() else {
        return true;
    };
    match auth.scheme {
        AuthScheme::Basic { .. } | AuthScheme::Token { .. } => {
            let request = WebhookRequest::read(head, Bytes::new(), endpoint).await;
            auth::verify(&auth, &request, now).is_ok()
        }
        AuthScheme::Ed25519 { .. }
        | AuthScheme::Hmac(_)
        | AuthScheme::Jwt { .. }
        | AuthScheme::Twilio { .. }
        | AuthScheme::Vonage { .. } => true,
    }
}

/// The response to a probe; `methods` are those of messages.
pub(crate) fn response(head: &Parts, methods: &str) -> Reply {
    if head.method == Method::HEAD {
        return reply::text(StatusCode::OK, "");
    }
    let mut response = reply::text(StatusCode::NO_CONTENT, "");
    let headers = response.headers_mut();
    let allowed = HeaderValue::from_str(&format!("{methods}, HEAD, OPTIONS"));
    headers.extend(allowed.map(|allowed| (ALLOW, allowed)));
    if head.headers.contains_key(REQUEST_ORIGIN) {
        headers.insert(ALLOWED_ORIGIN, HeaderValue::from_static("*"));
    }
    response
}
