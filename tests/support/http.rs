//! HTTP, byte for byte, over loopback.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::PATIENCE;

/// A response, or as much of it as arrived before the connection was closed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Response {
    /// 0 when no status line arrived.
    pub(crate) status: u16,
    /// By name in lower case.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends these bytes on a new connection and reads one response.
pub(crate) fn send(address: SocketAddr, raw: &[u8]) -> Response {
    let mut stream = connect(address);
    // The daemon may close the connection before it has read everything.
    let _ = stream.write_all(raw);
    read_response(&mut BufReader::new(stream))
}

/// The same from this address of the machine.
pub(crate) fn send_from(client: IpAddr, server: SocketAddr, raw: &[u8]) -> Response {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    let connected = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(client, 0)).unwrap();
        socket.connect(server).await.expect("connect")
    });
    let mut stream = connected.into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let _ = stream.write_all(raw);
    read_response(&mut BufReader::new(stream))
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("connect");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

pub(crate) fn read_response(reader: &mut impl BufRead) -> Response {
    let mut response = Response::default();
    let mut line = String::new();
    if reader.read_line(&mut line).is_err() {
        return response;
    }
    response.status = line
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or(0);
    let (_, headers) = read_headers(reader);
    let length = headers
        .get("content-length")
        .map_or(u64::MAX, |length| length.parse().unwrap());
    response.headers = headers;
    let _ = reader.take(length).read_to_end(&mut response.body);
    response
}

/// Reads header lines up to the empty line: the lines as sent, and the values by
/// name in lower case.
pub(crate) fn read_headers(reader: &mut impl BufRead) -> (Vec<String>, HashMap<String, String>) {
    let mut lines = Vec::new();
    let mut map = HashMap::new();
    loop {
        let mut line = String::new();
        match reader.read_line(&mut line) {
            Ok(0) | Err(_) => break,
            Ok(_) if line.trim().is_empty() => break,
            Ok(_) => {}
        }
        let line = line.trim_end().to_owned();
        if let Some((name, value)) = line.split_once(':') {
            map.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        lines.push(line);
    }
    (lines, map)
}

/// The bytes of a request: these headers, `Host`, `Connection: close` and, if it
/// has a body, `Content-Length`.
pub(crate) fn request(
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Vec<u8> {
    let host = [("Host", "test")];
    request_with(method, target, &[&host, headers].concat(), body)
}

/// The same with the address of the server as `Host`, unless the headers have one.
pub(crate) fn request_to(
    server: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Vec<u8> {
    let server = server.to_string();
    let host = [("Host", server.as_str())];
    let has_host = headers.iter().any(|(name, _)| *name == "Host");
    let host = if has_host { &[][..] } else { &host };
    request_with(method, target, &[host, headers].concat(), body)
}

fn request_with(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut request = format!("{method} {target} HTTP/1.1\r\nConnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() || method == "POST" {
        request.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    request.push_str("\r\n");
    [request.as_bytes(), body].concat()
}

/// The same without `Connection: close`: the connection may be used again.
pub(crate) fn kept_request(
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Vec<u8> {
    const CLOSE: &[u8] = b"Connection: close\r\n";
    let mut raw = request(method, target, headers, body);
    let found = raw.windows(CLOSE.len()).position(|part| part == CLOSE);
    let start = found.expect("every request has it");
    raw.drain(start..start + CLOSE.len());
    raw
}

pub(crate) const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
pub(crate) const JSON: (&str, &str) = ("Content-Type", "application/json");

/// A form in which every byte but ASCII letters and digits is encoded.
pub(crate) fn form(pairs: &[(&str, &[u8])]) -> Vec<u8> {
    let encode = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(*byte).to_string(),
                other => format!("%{other:02X}"),
            })
            .collect::<String>()
    };
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name.as_bytes()), encode(value)))
        .collect();
    pairs.join("&").into_bytes()
}

/// The form of a message in the default fields of `websmsd`.
pub(crate) fn message(to: &str, from: &str, body: &str) -> Vec<u8> {
    form(&[
        ("To", to.as_bytes()),
        ("From", from.as_bytes()),
        ("Body", body.as_bytes()),
    ])
}

/// The value of a header that signs a body as Meta and SAK do.
pub(crate) fn sha256_signature(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// A connection that carries one request after another, as providers use it.
pub(crate) struct Connection {
    address: SocketAddr,
    writer: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Connection {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self::open(address).expect("connect")
    }

    /// To a daemon that may not be running.
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let writer = TcpStream::connect(address)?;
        writer.set_read_timeout(Some(PATIENCE))?;
        writer.set_write_timeout(Some(PATIENCE))?;
        writer.set_nodelay(true)?;
        let reader = BufReader::new(writer.try_clone()?);
        Ok(Self {
            address,
            writer,
            reader,
        })
    }

    /// Posts a form and returns the status. If the connection was closed, which
    /// happens at the time limit of a connection, it posts again on a new one.
    pub(crate) fn deliver(&mut self, form: &[u8]) -> u16 {
        match self.post(form) {
            0 => {
                *self = Self::new(self.address);
                self.post(form)
            }
            status => status,
        }
    }

    /// Posts a form; returns the status, or 0 if the connection was closed.
    pub(crate) fn post(&mut self, form: &[u8]) -> u16 {
        self.exchange(form).status
    }

    /// Posts a form; returns the response, which is empty if the connection was
    /// closed.
    pub(crate) fn exchange(&mut self, form: &[u8]) -> Response {
        let head = format!(
            "POST / HTTP/1.1\r\nHost: test\r\n{}: {}\r\nContent-Length: {}\r\n\r\n",
            FORM.0,
            FORM.1,
            form.len()
        );
        let request = [head.as_bytes(), form].concat();
        if self.writer.write_all(&request).is_err() {
            return Response::default();
        }
        read_response(&mut self.reader)
    }
}
