//! The HTTP interface of Meta's sample server: `GET /otp/PHONE/` sends a code,
//! `POST /otp/PHONE/` checks one. [`crate::otp::outcome`] has the responses.
//!
//! A GET costs money, so a client must have an address in `permit_addr`, and the
//! `client_token` if one is configured, and must not be a web page of another site.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, HeaderMap, HeaderValue, RETRY_AFTER, SERVER,
    WWW_AUTHENTICATE,
};
use hyper::{Method, Request, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use thiserror::Error;
use tracing::warn;

use crate::config::HttpSettings;
use crate::http::server::Handler;
use crate::http::server::admission::Admission;
use crate::http::server::body::{Body, BodyError, read_body};
use crate::http::server::client_address::TrustedProxies;
use crate::http::server::closing;
use crate::http::server::connection_table::ConnectionLimits;
use crate::http::server::log_limit::KeyedLogLimit;
use crate::http::server::reply::{self, Answer, Reply};
use crate::logging::failed;
use crate::otp::outcome::{OTP_STATUS, OtpOutcome};
use crate::otp::own_host::{ForeignRequest, OwnHosts};
use crate::otp::service::OtpService;
use crate::secret::Secret;

/// Bytes of a body; a code has at most 15 digits.
const BODY_MAX: usize = 16 * 1024;

/// The `Server` header, by which `websms-otp` distinguishes the daemon from other
/// programs that listen at port 3000.
pub(crate) const SERVER_NAME: &str = "websmsd";

/// Headers that proxies add, in lower case.
const PROXY_HEADERS: [&str; 8] = [
    "cf-connecting-ip",
    "forwarded",
    "true-client-ip",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
];

#[derive(Debug)]
pub(crate) struct OtpHandler {
    service: Arc<OtpService>,
    token: Option<Secret>,
    proxies: TrustedProxies,
    own_hosts: OwnHosts,
    refusals: KeyedLogLimit<StatusCode>,
}

impl OtpHandler {
    /// Clients must present `token`, if there is one. Only proxies that the
    /// administrator has named are trusted, not the default networks: a proxy there
    /// could claim that the client is this machine, which is permitted.
    pub(crate) fn new(
        service: Arc<OtpService>,
        token: Option<Secret>,
        settings: &HttpSettings,
    ) -> Self {
        let networks = settings.proxies_named.then(|| settings.proxies.clone());
        let own_hosts = OwnHosts {
            listen: service.settings().listen.ip(),
            names: service.settings().hosts.clone(),
        };
        Self {
            own_hosts,
            service,
            token,
            proxies: TrustedProxies {
                networks: networks.unwrap_or_default(),
                header: settings.proxy_header.clone(),
            },
            refusals: KeyedLogLimit::default(),
        }
    }

    pub(crate) fn service(&self) -> &Arc<OtpService> {
        &self.service
    }

    async fn respond(&self, peer: IpAddr, request: Request<Body>) -> Result<OtpReply, OtpRefusal> {
        let client = self.client(peer, request.headers())?;
        self.authorize(client, request.headers())?;
        let own = self.own_hosts.check(peer, request.uri(), request.headers());
        own?;
        let phone = read_phone(request.uri().path()).ok_or(OtpRefusal::NotFound)?;
        let outcome = match *request.method() {
            Method::GET => self.service.send(client, &phone).await,
            Method::POST => {
                let body = read_body(request.into_body(), BODY_MAX).await?;
                self.service.verify(&phone, read_code(&body)?).await
            }
            _ => return Err(OtpRefusal::Method),
        };
        Ok(OtpReply { outcome, phone })
    }

    /// The client's address. A request through an unknown proxy is refused: it would
    /// seem to come from the proxy, which is often this machine.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Result<IpAddr, OtpRefusal> {
        let client = self.proxies.client(peer, headers);
        let client = client.map_err(|error| OtpRefusal::Forbidden(failed(&error)))?;
        let proxied = PROXY_HEADERS.iter().any(|name| headers.contains_key(*name));
        if proxied && !self.proxies.trust(peer) {
            return Err(OtpRefusal::Forbidden(format!(
                "proxy at {peer} is not in proxy_addr of [websmsd]"
            )));
        }
        Ok(client)
    }

    fn authorize(&self, client: IpAddr, headers: &HeaderMap) -> Result<(), OtpRefusal> {
        let permitted = &self.service.settings().permitted;
        if !permitted.iter().any(|range| range.contains(&client)) {
            return Err(OtpRefusal::Forbidden(format!(
                "address {client} is not in permit_addr of [otp]"
            )));
        }
        let Some(token) = &self.token else {
            return Ok(());
        };
        let credentials = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '));
        match credentials.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) {
            Some((_, given)) if token.matches(given.trim()) => Ok(()),
            Some(_) => Err(OtpRefusal::Unauthorized("wrong bearer token")),
            None => Err(OtpRefusal::Unauthorized("no bearer token")),
        }
    }
}

impl Handler for OtpHandler {
    /// An application needs a few, which wait while a provider is slow.
    const LIMITS: ConnectionLimits = ConnectionLimits {
        max: 128,
        reserved: 32,
        per_address: 48,
        per_recent_address: 64,
        waiting: 32,
        refused: 32,
    };

    /// A provider may take its time; the shutdown's deadline bounds it.
    const DRAIN_TIMEOUT: Duration = Duration::from_secs(60);

    fn admission(&self) -> Admission {
        let permitted = &self.service.settings().permitted;
        Admission::new("[otp]", self.proxies.clone(), [Some(permitted)])
    }

    /// `websms-otp` must see that it is the daemon that refuses it.
    fn farewell(status: StatusCode) -> String {
        closing::farewell(status, &format!("Server: {SERVER_NAME}\r\n"))
    }

    async fn handle(&self, peer: IpAddr, request: Request<Body>) -> Answer {
        match self.respond(peer, request).await {
            Ok(reply) => Answer::Accepted(reply.response()),
            Err(refusal) => {
                let status = refusal.status();
                if let Some(suppressed) = self.refusals.allow(status) {
                    let status = status.as_u16();
                    warn!(%peer, status, reason = %refusal, suppressed, "OTP request refused");
                }
                Answer::Refused(refusal.response())
            }
        }
    }
}

/// The phone of a path, decoded: `/otp/PHONE`, in any case, with or without a
/// slash at the end.
fn read_phone(path: &str) -> Option<String> {
    let (start, rest) = path.split_at_checked("/otp/".len())?;
    let phone = rest.strip_suffix('/').unwrap_or(rest);
    let valid = start.eq_ignore_ascii_case("/otp/") && !phone.is_empty() && !phone.contains('/');
    valid.then(|| percent_decode_str(phone).decode_utf8_lossy().into_owned())
}

/// The code in a body, whatever its Content-Type: `{"code": "123456"}`. A number
/// is not a code: no sample server accepts it.
fn read_code(body: &[u8]) -> Result<Option<String>, OtpRefusal> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let body: Value = serde_json::from_slice(body).map_err(|_| OtpRefusal::NotJson)?;
    Ok(body.get("code").and_then(Value::as_str).map(str::to_owned))
}

/// The response to a permitted request.
struct OtpReply {
    outcome: OtpOutcome,
    /// As the client wrote it.
    phone: String,
}

impl OtpReply {
    fn response(&self) -> Reply {
        let mut response = text(self.outcome.status(), self.outcome.text(&self.phone));
        let headers = response.headers_mut();
        headers.insert(OTP_STATUS, self.outcome.to_header());
        if let OtpOutcome::Limited(seconds) = self.outcome {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

fn text(status: StatusCode, text: String) -> Reply {
    // The phone in a text is whatever the client wrote.
    let mut response = reply::text(status, text);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(SERVER, HeaderValue::from_static(SERVER_NAME));
    response
}

/// Why a request is refused before the service sees it. The text is for the log
/// alone.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
enum OtpRefusal {
    /// 400, 408 or 413.
    #[error("failed to {0}")]
    Body(#[from] BodyError),
    /// 403.
    #[error("{0}")]
    Forbidden(String),
    /// 403.
    #[error(transparent)]
    Foreign(#[from] ForeignRequest),
    /// 405.
    #[error("neither GET nor POST")]
    Method,
    /// 404.
    #[error("the path is not /otp/PHONE/")]
    NotFound,
    /// 400.
    #[error("the body is not JSON")]
    NotJson,
    /// 401.
    #[error("{0}")]
    Unauthorized(&'static str),
}

impl OtpRefusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Body(BodyError::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Body(BodyError::TimedOut) => StatusCode::REQUEST_TIMEOUT,
            Self::Body(BodyError::Incomplete(_)) | Self::NotJson => StatusCode::BAD_REQUEST,
            Self::Forbidden(_) | Self::Foreign(_) => StatusCode::FORBIDDEN,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
        }
    }

    fn response(&self) -> Reply {
        let status = self.status();
        let body = match self {
            Self::Method => "Method not allowed".to_owned(),
            Self::NotJson => OtpOutcome::NoCode.text(""),
            _ => status.canonical_reason().unwrap_or_default().to_owned(),
        };
        let mut response = text(status, body);
        let headers = response.headers_mut();
        match self {
            Self::NotJson => {
                headers.insert(OTP_STATUS, OtpOutcome::NoCode.to_header());
            }
            Self::Method => {
                headers.insert(ALLOW, HeaderValue::from_static("GET, POST"));
            }
            Self::Unauthorized(_) => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ => {}
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::otp::code::CodeHasher;
    use crate::otp::store::OtpStore;

    #[test]
    fn phone_is_the_rest_of_the_path() {
        for (path, expected) in [
            ("/otp/15551234567/", Some("15551234567")),
            ("/otp/15551234567", Some("15551234567")),
            ("/OTP/15551234567", Some("15551234567")),
            ("/Otp/%2B1555%201234567/", Some("+1555 1234567")),
            ("/otp/", None),
            ("/otp", None),
            ("/otp//", None),
            ("/otp/1/2", None),
            ("/otpx/1", None),
            ("/", None),
            ("/\u{e4}tp/1", None),
        ] {
            assert_eq!(read_phone(path).as_deref(), expected, "{path}");
        }
    }

    /// A client in one of the default networks could claim to be this machine.
    #[test]
    fn only_named_proxies_are_trusted() {
        let directory = tempfile::tempdir().unwrap();
        for (named, client) in [
            ("", None),
            ("[websmsd]\nproxy_addr = 192.0.2.1\n", None),
            ("[websmsd]\nproxy_addr = 172.16.0.0/12\n", Some("127.0.0.1")),
            ("[websmsd]\nprox_addr = 172.16.5.5\n", Some("127.0.0.1")),
        ] {
            let text = format!("{named}[otp]\ninfo_file = /x\n");
            let parsed = config::parse("websms.conf".as_ref(), &text, &|_, _| Ok(None));
            let (config, _) = parsed.unwrap();
            let store = OtpStore::open(directory.path()).unwrap();
            let hasher = CodeHasher::new(Secret::new("key".to_owned()));
            let service = OtpService::new(config.otp.unwrap(), hasher, store, Vec::new());
            let server = OtpHandler::new(Arc::new(service), None, &config.server.http);
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", HeaderValue::from_static("127.0.0.1"));
            let found = server.client("172.16.5.5".parse().unwrap(), &headers).ok();
            let client = client.map(|client| client.parse().unwrap());
            assert_eq!(found, client, "{named}");
        }
    }

    #[test]
    fn code_is_a_string_in_json() {
        for (body, expected) in [
            (r#"{"code": "123456"}"#, Ok(Some("123456"))),
            (r#"{"code": ""}"#, Ok(Some(""))),
            (r#"{"code": 123456}"#, Ok(None)),
            (r#"{"code": null}"#, Ok(None)),
            (r#"{"other": "123456"}"#, Ok(None)),
            (r#"["123456"]"#, Ok(None)),
            ("", Ok(None)),
            (" \r\n", Ok(None)),
            ("{", Err(OtpRefusal::NotJson)),
            ("code=123456", Err(OtpRefusal::NotJson)),
        ] {
            let read = read_code(body.as_bytes());
            assert_eq!(read, expected.map(|code| code.map(str::to_owned)), "{body}");
        }
    }
}
