//! Signs and sends texts as Twilio does.

use std::io::{BufReader, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

use crate::page;
use crate::support::http::{self, Response};
use crate::support::messages::Message;
use crate::support::{PATIENCE, Spool};

/// The URL at which Twilio reaches `websmsd`.
const PUBLIC_URL: &str = "https://sms.example.com";
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// `websms.conf` as `docs/proxies.md` has it, with these lines more in `[websmsd]`.
pub(crate) fn config(spool: &Spool, health: SocketAddr, more: &str) -> String {
    let documented = page::snippet("websms.conf").replace("127.0.0.1:8081", &health.to_string());
    let documented = documented.as_str();
    format!(
        "{documented}preset = twilio\nauth_secret = {SECRET}\n{more}\n{}",
        spool.section()
    )
}

/// The text with this number, long enough for several parts.
pub(crate) fn text(number: usize) -> Message {
    Message {
        to: "+12025550160".to_owned(),
        from: format!("+120255502{:02}", number % 100),
        text: format!(
            "Nr. {number}: {}",
            "Zwölf Boxkämpfer + 😀 & 100 % ".repeat(20)
        ),
    }
}

/// The bytes of the request that brings a text, with these headers more.
pub(crate) fn request(number: usize, target: &str, headers: &str) -> Vec<u8> {
    let Message { to, from, text } = text(number);
    let id = format!("SM{number:032x}");
    // Sorted by name, as they are signed.
    let fields = [
        ("Body", text.as_str()),
        ("From", &from),
        ("MessageSid", &id),
        ("SmsStatus", "received"),
        ("To", &to),
    ];
    post(target, &signature(target, &fields), headers, &form(&fields))
}

/// A request with a body of this size that nobody wants.
pub(crate) fn unwanted(target: &str, size: usize) -> Vec<u8> {
    post(target, "none", "", &vec![b'x'; size])
}

fn post(target: &str, signature: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: sms.example.com\r\nX-Twilio-Signature: {signature}\r\n\
         Content-Type: {}\r\nContent-Length: {}\r\n{headers}\r\n",
        http::FORM.1,
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn form(fields: &[(&str, &str)]) -> Vec<u8> {
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_bytes()))
        .collect();
    http::form(&fields)
}

/// As <https://www.twilio.com/docs/usage/security> says: the URL, then names and
/// values, by HMAC-SHA1.
fn signature(target: &str, fields: &[(&str, &str)]) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{PUBLIC_URL}{target}").as_bytes());
    for (name, value) in fields {
        mac.update(format!("{name}{value}").as_bytes());
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

/// Connections to a proxy, one for each request or one for many.
pub(crate) struct Client {
    source: IpAddr,
    proxy: SocketAddr,
    keeps: bool,
    connection: Option<BufReader<TcpStream>>,
}

impl Client {
    pub(crate) fn new(proxy: SocketAddr, keeps: bool) -> Self {
        Self {
            keeps,
            ..Self::from("127.0.0.1", proxy)
        }
    }

    /// With this address of its own.
    pub(crate) fn from(source: &str, proxy: SocketAddr) -> Self {
        Self {
            source: source.parse().unwrap(),
            proxy,
            keeps: false,
            connection: None,
        }
    }

    /// Sends a request. The status of the response is 0 if there was none.
    pub(crate) fn send(&mut self, raw: &[u8]) -> Response {
        let mut connection = self
            .connection
            .take()
            .unwrap_or_else(|| BufReader::new(connect(self.source, self.proxy)));
        // A proxy may refuse it before it has read everything.
        let _ = connection.get_mut().write_all(raw);
        let response = http::read_response(&mut connection);
        let closed = response.headers.get("connection");
        let closed = closed.is_some_and(|value| value.eq_ignore_ascii_case("close"));
        if self.keeps && !closed && response.status == 200 {
            self.connection = Some(connection);
        }
        response
    }
}

fn connect(source: IpAddr, address: SocketAddr) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind((source, 0).into()).unwrap();
        let stream = socket.connect(address).await.expect("the proxy listens");
        stream.into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}
