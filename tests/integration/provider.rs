//! Providers that are slow, broken or not trusted.

use std::io::Read as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, CertifiedIssuer, Issuer, KeyPair, date_time_ymd};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::support::{Answer, Provider, Websms, section, wait_for};

/// Keys that keep a test short.
const SHORT: [(&str, &str); 2] = [("timeout", "2"), ("connect_timeout", "1")];

#[test]
fn endless_answer_times_out() {
    let silent = Answer::Silence;
    let endless_headers = Answer::Endless(b"HTTP/1.1 200 OK\r\n".repeat(100));
    for (answer, exit) in [(silent, 75), (endless_headers, 75)] {
        let provider = Provider::answering(answer.clone());
        let start = Instant::now();
        let status = Websms::to(&provider, &SHORT).status(&["+1", "+2", "x"]);
        assert_eq!(status, exit, "{answer:?}");
        assert!(start.elapsed() < Duration::from_secs(10), "{answer:?}");
        assert_eq!(provider.requests().len(), 1, "{answer:?}");
    }
}

#[test]
fn endless_body_does_not_hide_the_status() {
    let head = |status| {
        let bytes = format!("HTTP/1.1 {status} X\r\nContent-Length: 1000000000\r\n\r\n");
        let answered = Mutex::new(bytes.into_bytes());
        Provider::deciding(move |_| {
            let mut bytes = answered.lock().unwrap().clone();
            bytes.extend(vec![b'x'; 1 << 20]);
            Answer::Raw(bytes)
        })
    };
    assert_eq!(Websms::to(&head(200), &SHORT).status(&["+1", "+2", "x"]), 0);
    assert_eq!(
        Websms::to(&head(400), &SHORT).status(&["+1", "+2", "x"]),
        76
    );
    // What the check looks for may come after the bytes that are read: unknown.
    let checked = [SHORT[0], SHORT[1], ("response_check", "status=success")];
    assert_eq!(
        Websms::to(&head(200), &checked).status(&["+1", "+2", "x"]),
        75
    );
}

/// Answers with status 200 that do not show whether the provider accepted a message.
pub(crate) fn unreadable_answers() -> Vec<(&'static str, Vec<u8>)> {
    let answer = |headers: &str, body: &[u8]| {
        let mut bytes = format!("HTTP/1.1 200 OK\r\n{headers}\r\n").into_bytes();
        bytes.extend(body);
        bytes
    };
    let length = |bytes: usize| format!("Content-Length: {bytes}\r\n");
    let body = br#"{"status":"success"}"#;
    // `gzip -n` of an empty file.
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0";
    let large = format!(
        "{{\"x\":\"{}\",\"status\":\"success\"}}",
        "x".repeat(70_000)
    );
    let encoded = format!("Content-Encoding: gzip\r\n{}", length(gzip.len()));
    let chunked = "Transfer-Encoding: chunked\r\n";
    vec![
        ("too large", answer(&length(large.len()), large.as_bytes())),
        ("compressed", answer(&encoded, gzip)),
        ("compressed in secret", answer(&length(gzip.len()), gzip)),
        ("too short a length", answer(&length(12), body)),
        ("no length", answer(&length(0), body)),
        ("too long a length", answer(&length(100), body)),
        ("cut off in a chunk", answer(chunked, b"14\r\n{\"sta")),
        ("without a last chunk", answer(chunked, b"3\r\n{\"s\r\n")),
        (
            "cut off at the end of the connection",
            answer("", b"{\"sta"),
        ),
    ]
}

#[test]
fn success_that_cannot_be_read_is_unknown() {
    for (case, answer) in unreadable_answers() {
        let provider = Provider::answering(Answer::Raw(answer));
        let checked = [SHORT[0], SHORT[1], ("response_check", "status=success")];
        let status = Websms::to(&provider, &checked).status(&["+1", "+2", "x"]);
        assert_eq!(status, 75, "{case}");
        assert_eq!(provider.requests().len(), 1, "{case}");
        // Without a check the status decides.
        let status = Websms::to(&provider, &SHORT).status(&["+1", "+2", "x"]);
        assert_eq!(status, 0, "{case}");
    }
}

#[test]
fn broken_answers_are_unknown() {
    for raw in [
        "",
        "HTTP/1.1 2",
        "garbage\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-",
    ] {
        let provider = Provider::answering(Answer::Raw(raw.as_bytes().to_vec()));
        let status = Websms::to(&provider, &SHORT).status(&["+1", "+2", "x"]);
        assert_eq!(status, 75, "{raw:?}");
    }
}

#[test]
fn no_connection_is_failed_and_safe_to_repeat() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    for host in [
        format!("http://{closed}"),
        "http://nonexistent.invalid".to_owned(),
    ] {
        let config = section(
            "websms",
            &[("host", &host), ("auth_user", "id"), SHORT[0], SHORT[1]],
        );
        assert_eq!(
            Websms::configured(&config).status(&["+1", "+2", "x"]),
            69,
            "{host}"
        );
    }
}

#[test]
fn redirects_are_not_followed() {
    let elsewhere = Provider::answering(Answer::ok());
    for status in [301, 302, 303, 307, 308] {
        let location = elsewhere.url();
        let provider = Provider::deciding(move |_| {
            let raw = format!(
                "HTTP/1.1 {status} X\r\nLocation: {location}/\r\nContent-Length: 0\r\n\r\n"
            );
            Answer::Raw(raw.into_bytes())
        });
        assert_eq!(
            Websms::to(&provider, &[]).status(&["+1", "+2", "x"]),
            76,
            "{status}"
        );
        assert_eq!(provider.requests().len(), 1);
    }
    assert!(elsewhere.requests().is_empty());
}

#[test]
fn values_cannot_escape_from_their_field_in_the_request() {
    let provider = Provider::answering(Answer::ok());
    let websms = Websms::to(&provider, &[]);
    let evil = "x\r\nX-Evil: 1\r\n\r\nPOST /evil HTTP/1.1\r\n&To=+9&Body=y#%00?";
    assert_eq!(websms.status(&["+1&To=+9", "sip:+2&Body=z@h", evil]), 0);
    let requests = provider.requests();
    assert_eq!(requests.len(), 1);
    let parameters = requests[0].parameters();
    assert_eq!(parameters["To"], "+1&To=+9");
    assert_eq!(parameters["From"], "+2&Body=z");
    assert_eq!(parameters["Body"], evil);
    assert_eq!(requests[0].body.matches('&').count(), 2);
    assert!(
        !requests[0]
            .header_lines
            .iter()
            .any(|line| line.contains("Evil"))
    );
    // The configuration refuses values that could break out.
    for (key, value) in [
        ("path", "/a b"),
        ("path", "/a\u{7f}"),
        ("host", "http://h\\nx"),
    ] {
        let config = section(
            "websms",
            &[("host", "http://127.0.0.1:1"), ("auth_user", "id")],
        );
        let config = format!("{config}{key} [1] = \"{value}\"\n");
        assert_eq!(
            Websms::configured(&config).status(&["+1", "+2", "x"]),
            78,
            "{value:?}"
        );
    }
}

/// An authority that issues certificates of every kind.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let issuer = CertifiedIssuer::self_signed(params, key).unwrap();
        Self { issuer }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    pub(crate) fn issue(&self, change: impl FnOnce(&mut CertificateParams)) -> Certified {
        Certified::new(Some(&self.issuer), change)
    }
}

pub(crate) struct Certified {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Certified {
    fn new(
        issuer: Option<&Issuer<'_, KeyPair>>,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Self {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = match issuer {
            Some(issuer) => params.signed_by(&key, issuer).unwrap(),
            None => params.self_signed(&key).unwrap(),
        };
        Self {
            certificate: certificate.der().clone(),
            key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        }
    }

    /// A server with this certificate.
    pub(crate) fn acceptor(self) -> TlsAcceptor {
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate], self.key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// Serves connections one after the other, on a thread of its own.
pub(crate) fn serve(
    listener: TcpListener,
    handle: impl AsyncFn(tokio::net::TcpStream) + Send + 'static,
) {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(async move {
            listener.set_nonblocking(true).unwrap();
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                handle(stream).await;
            }
        });
    });
}

/// A provider behind TLS, which records what it can read of requests.
pub(crate) struct TlsProvider {
    address: SocketAddr,
    read: Arc<Mutex<Vec<u8>>>,
}

impl TlsProvider {
    pub(crate) fn with(certified: Certified) -> Self {
        Self::answering(certified, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    }

    pub(crate) fn answering(certified: Certified, answer: &'static [u8]) -> Self {
        let acceptor = certified.acceptor();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let read = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&read);
        serve(listener, async move |stream| {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                return;
            };
            let mut request = vec![0; 65_536];
            let length = stream.read(&mut request).await.unwrap_or(0);
            record.lock().unwrap().extend_from_slice(&request[..length]);
            let _ = stream.write_all(answer).await;
            let _ = stream.shutdown().await;
        });
        Self { address, read }
    }

    /// Everything that it could read.
    pub(crate) fn read(&self) -> String {
        String::from_utf8(self.read.lock().unwrap().clone()).unwrap()
    }

    pub(crate) fn url(&self, host: &str) -> String {
        format!("https://{host}:{}", self.address.port())
    }
}

/// Sends to `url`, trusting `authority`.
fn send(url: &str, authority: &Authority) -> std::process::Output {
    let keys = [
        ("host", url),
        ("auth_user", "id"),
        ("auth_passwd", "hunter2"),
    ];
    let websms = Websms::configured(&section("websms", &keys));
    let ca_file = websms.path().join("ca.pem");
    std::fs::write(&ca_file, authority.pem()).unwrap();
    let config = websms.path().join("websms.conf");
    let with_ca = format!(
        "{}ca_file = {}\n",
        std::fs::read_to_string(&config).unwrap(),
        ca_file.display()
    );
    std::fs::write(&config, with_ca).unwrap();
    websms.under_agi().run(&["+1", "+2", "x"])
}

#[test]
fn trusted_provider_gets_the_message() {
    let authority = Authority::new();
    let provider = TlsProvider::with(authority.issue(|_| {}));
    let output = send(&provider.url("localhost"), &authority);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let read = provider.read();
    assert!(read.contains("authorization: Basic "), "{read}");
}

#[test]
fn untrusted_provider_gets_nothing() {
    let authority = Authority::new();
    let other = Authority::new();
    let names = |name: &str| vec![rcgen::SanType::DnsName(name.try_into().unwrap())];
    for (name, certified) in [
        ("self-signed", Certified::new(None, |_| {})),
        ("of an unknown authority", other.issue(|_| {})),
        (
            "for another name",
            authority.issue(|p| p.subject_alt_names = names("example.com")),
        ),
        (
            "expired",
            authority.issue(|p| p.not_after = date_time_ymd(2020, 1, 1)),
        ),
        (
            "not yet valid",
            authority.issue(|p| p.not_before = date_time_ymd(4000, 1, 1)),
        ),
    ] {
        let provider = TlsProvider::with(certified);
        let output = send(&provider.url("localhost"), &authority);
        assert_eq!(output.status.code(), Some(69), "{name}: {output:?}");
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert!(
            stdout.contains("certificate not trusted"),
            "{name}: {stdout}"
        );
        assert!(provider.read().is_empty(), "{name}");
    }
}

#[test]
fn old_tls_is_refused_before_the_request() {
    // Answers the ClientHello with a ServerHello of TLS 1.0 (RFC 2246, 7.4.1.3).
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let read = Arc::new(Mutex::new(None));
    let record = Arc::clone(&read);
    std::thread::spawn(move || {
        use std::io::Write as _;
        let (mut stream, _) = listener.accept().unwrap();
        let mut hello = vec![0; 16_384];
        let length = stream.read(&mut hello).unwrap();
        assert_eq!(hello[0], 22, "a handshake");
        assert!(length > 40);
        let mut body = vec![3, 1];
        body.extend([7; 32]);
        body.extend([0, 0, 0x2f, 0]);
        let mut message = vec![2, 0, 0, u8::try_from(body.len()).unwrap()];
        message.extend(body);
        let mut server_hello = vec![22, 3, 1, 0, u8::try_from(message.len()).unwrap()];
        server_hello.extend(message);
        stream.write_all(&server_hello).unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        *record.lock().unwrap() = Some(rest);
    });
    let output = send(&format!("https://localhost:{port}"), &Authority::new());
    assert_eq!(output.status.code(), Some(69), "{output:?}");
    let rest = wait_for("the end of the connection", || read.lock().unwrap().clone());
    // At most an alert (RFC 8446, 6): type, version, length, level, reason.
    assert!(
        rest.len() <= 7 && rest.first().is_none_or(|kind| *kind == 21),
        "{rest:?}"
    );
}

#[test]
fn unusable_ca_file_is_named() {
    let keys = [("host", "https://localhost:1"), ("auth_user", "id")];
    let config = section("websms", &keys);
    for (content, problem) in [(None, "No such file"), (Some("nonsense"), "no certificate")] {
        let websms = Websms::configured(&config);
        let path = websms.path().join("ca.pem");
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let config = format!("{config}ca_file = {}\n", path.display());
        std::fs::write(websms.path().join("websms.conf"), config).unwrap();
        let output = websms.run(&["+1", "+2", "x"]);
        assert_eq!(output.status.code(), Some(78));
        let log = String::from_utf8(output.stderr).unwrap();
        assert!(log.contains("ca.pem") && log.contains(problem), "{log}");
    }
}
