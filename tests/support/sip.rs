//! A SIP phone over UDP: it registers, sends and receives MESSAGEs (RFC 3261,
//! RFC 3428), makes calls, and answers requests with 200.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use md5::{Digest as _, Md5};

use super::{PATIENCE, wait_for};

mod call;

pub(crate) use call::Call;

/// A message that the phone has received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Received {
    /// The user part of the From URI.
    pub(crate) from: String,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("UTF-8")
    }
}

#[derive(Default)]
struct Shared {
    inbox: Vec<Received>,
    /// Final responses by `Call-ID` and `CSeq`.
    responses: HashMap<(String, String), Packet>,
    /// Branches of the MESSAGEs in the inbox, to recognize retransmissions.
    seen: Vec<String>,
    /// `Call-ID`s of the calls that Asterisk has ended.
    ended: Vec<String>,
}

pub(crate) struct Phone {
    user: String,
    password: String,
    /// Display name, quoted. By default one that would shift AGI arguments.
    pub(crate) display: &'static str,
    /// The number in its From header, as in a URI, if not its user.
    pub(crate) number: Option<String>,
    asterisk: SocketAddr,
    socket: UdpSocket,
    shared: Arc<Mutex<Shared>>,
    counter: AtomicU32,
}

/// A request to Asterisk.
struct Request<'a> {
    method: &'a str,
    uri: &'a str,
    /// With a tag.
    from: &'a str,
    to: &'a str,
    call_id: &'a str,
    cseq: u32,
    headers: &'a str,
    body: &'a [u8],
}

impl Phone {
    /// A phone that is not yet registered.
    pub(crate) fn new(user: &str, password: &str, asterisk: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let shared = Arc::new(Mutex::new(Shared::default()));
        let (listener, record) = (socket.try_clone().unwrap(), Arc::clone(&shared));
        std::thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            while let Ok((length, from)) = listener.recv_from(&mut buffer) {
                if let Some(packet) = Packet::parse(&buffer[..length]) {
                    handle(packet, from, &listener, &record);
                }
            }
        });
        Self {
            user: user.to_owned(),
            password: password.to_owned(),
            display: "\"Doe, John (work) [x\"",
            number: None,
            asterisk,
            socket,
            shared,
            counter: AtomicU32::new(1),
        }
    }

    /// A phone that is registered.
    pub(crate) fn registered(user: &str, password: &str, asterisk: SocketAddr) -> Self {
        let phone = Self::new(user, password, asterisk);
        phone.register();
        phone
    }

    pub(crate) fn register(&self) {
        let domain = self.asterisk.ip();
        let uri = format!("sip:{domain}");
        let to = format!("<sip:{}@{domain}>", self.user);
        let status = self.request("REGISTER", &uri, &to, "Expires: 3600\r\n", b"");
        assert_eq!(status, 200, "REGISTER");
    }

    /// Sends a text to a number; returns the status of Asterisk's response.
    pub(crate) fn send(&self, number: &str, text: &[u8]) -> u16 {
        let uri = format!("sip:{number}@{}", self.asterisk.ip());
        let headers = "Content-Type: text/plain\r\n";
        self.request("MESSAGE", &uri, &format!("<{uri}>"), headers, text)
    }

    /// How long Asterisk takes to answer OPTIONS.
    pub(crate) fn options(&self) -> Duration {
        let start = Instant::now();
        let uri = format!("sip:{}", self.asterisk.ip());
        self.request("OPTIONS", &uri, &format!("<{uri}>"), "", b"");
        start.elapsed()
    }

    /// The messages received so far.
    pub(crate) fn inbox(&self) -> Vec<Received> {
        self.shared.lock().unwrap().inbox.clone()
    }

    /// How many messages were received so far.
    pub(crate) fn count(&self) -> usize {
        self.shared.lock().unwrap().inbox.len()
    }

    /// The length of all texts received so far.
    pub(crate) fn bytes(&self) -> usize {
        let shared = self.shared.lock().unwrap();
        shared.inbox.iter().map(|message| message.body.len()).sum()
    }

    /// The messages received so far; empties the inbox.
    pub(crate) fn take_inbox(&self) -> Vec<Received> {
        std::mem::take(&mut self.shared.lock().unwrap().inbox)
    }

    /// Waits for at least `count` messages and returns all.
    pub(crate) fn wait_for(&self, count: usize) -> Vec<Received> {
        wait_for(&format!("{count} messages at {}", self.user), || {
            (self.count() >= count).then(|| self.inbox())
        })
    }

    fn request(&self, method: &str, uri: &str, to: &str, headers: &str, body: &[u8]) -> u16 {
        let (call_id, tag) = self.new_call_id_and_tag();
        let request = Request {
            method,
            uri,
            from: &self.from(&tag),
            to,
            call_id: &call_id,
            cseq: 1,
            headers,
            body,
        };
        self.exchange(&request).status
    }

    /// A `Call-ID` and a tag that were not used before.
    fn new_call_id_and_tag(&self) -> (String, String) {
        let me = self.socket.local_addr().unwrap();
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        let tag = format!("{number}-{}", me.port());
        (format!("{tag}@{}", me.ip()), tag)
    }

    /// The From header.
    fn from(&self, tag: &str) -> String {
        let user = self.number.as_ref().unwrap_or(&self.user);
        let domain = self.asterisk.ip();
        format!("{} <sip:{user}@{domain}>;tag={tag}", self.display)
    }

    /// Sends a request, and again with credentials if Asterisk asks for them;
    /// returns the final response.
    fn exchange(&self, request: &Request<'_>) -> Packet {
        let mut authorization = String::new();
        let mut response = Packet::default();
        for cseq in request.cseq..request.cseq + 2 {
            let packet = self.packet(request, cseq, &authorization);
            let cseq = format!("{cseq} {}", request.method);
            response = self.transact(&packet, request.call_id, &cseq);
            match response.headers.get("www-authenticate") {
                Some(challenge) => {
                    authorization = self.digest(challenge, request.method, request.uri);
                }
                None => break,
            }
        }
        response
    }

    fn packet(&self, request: &Request<'_>, cseq: u32, authorization: &str) -> Vec<u8> {
        let me = self.socket.local_addr().unwrap();
        let packet = format!(
            "{method} {uri} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {me};branch=z9hG4bK-{branch}-{cseq};rport\r\n\
             Max-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:{user}@{me}>\r\n{headers}{authorization}\
             Content-Length: {length}\r\n\r\n",
            method = request.method,
            uri = request.uri,
            from = request.from,
            to = request.to,
            call_id = request.call_id,
            branch = request.call_id.replace('@', "-"),
            user = self.user,
            headers = request.headers,
            length = request.body.len(),
        );
        [packet.as_bytes(), request.body].concat()
    }

    /// Sends a packet again and again until a final response arrives; UDP may lose
    /// packets (RFC 3261, 17.1.2).
    fn transact(&self, packet: &[u8], call_id: &str, cseq: &str) -> Packet {
        let id = (call_id.to_owned(), cseq.to_owned());
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            self.socket.send_to(packet, self.asterisk).unwrap();
            let again = Instant::now() + Duration::from_millis(500);
            while Instant::now() < again {
                if let Some(response) = self.shared.lock().unwrap().responses.get(&id) {
                    return response.clone();
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        panic!("no response to {cseq}");
    }

    /// The Authorization header for a challenge (RFC 2617, section 3.2.2), with MD5
    /// and qop auth.
    fn digest(&self, challenge: &str, method: &str, uri: &str) -> String {
        let parameter = |name: &str| {
            let (_, rest) = challenge.split_once(&format!("{name}=")).unwrap();
            let end = |c: char| c == '"' || c == ',';
            rest.trim_start_matches('"')
                .split(end)
                .next()
                .unwrap()
                .to_owned()
        };
        let md5 = |text: String| hex::encode(Md5::digest(text));
        let (realm, nonce) = (parameter("realm"), parameter("nonce"));
        let secret = md5(format!("{}:{realm}:{}", self.user, self.password));
        let target = md5(format!("{method}:{uri}"));
        let response = md5(format!("{secret}:{nonce}:00000001:test:auth:{target}"));
        format!(
            "Authorization: Digest username=\"{}\", realm=\"{realm}\", nonce=\"{nonce}\", \
             uri=\"{uri}\", response=\"{response}\", algorithm=MD5, qop=auth, nc=00000001, \
             cnonce=\"test\", opaque=\"{}\"\r\n",
            self.user,
            parameter("opaque")
        )
    }
}

/// Records a packet from Asterisk. Answers a request, and acknowledges a response to
/// an INVITE.
fn handle(packet: Packet, from: SocketAddr, socket: &UdpSocket, shared: &Mutex<Shared>) {
    let mut shared = shared.lock().unwrap();
    if packet.status > 0 {
        let id = |name: &str| packet.headers.get(name).cloned().unwrap_or_default();
        if packet.status >= 200 {
            // Retransmissions as well (RFC 3261, 13.2.2.4 and 17.1.1.3).
            if id("cseq").ends_with(" INVITE") {
                let ack = acknowledgement(&packet);
                socket.send_to(ack.as_bytes(), from).unwrap();
            }
            shared.responses.insert((id("call-id"), id("cseq")), packet);
        }
        return;
    }
    let headers: String = packet
        .lines
        .iter()
        .filter(|line| {
            let name = line
                .split(':')
                .next()
                .unwrap_or_default()
                .to_ascii_lowercase();
            ["via", "from", "to", "call-id", "cseq"].contains(&name.trim())
        })
        .flat_map(|line| [line, "\r\n"])
        .collect();
    let response = format!("SIP/2.0 200 OK\r\n{headers}Content-Length: 0\r\n\r\n");
    socket.send_to(response.as_bytes(), from).unwrap();
    if packet.method == "BYE" {
        shared.ended.push(packet.headers["call-id"].clone());
    }
    let branch = packet.headers.get("via").cloned().unwrap_or_default();
    if packet.method == "MESSAGE" && !shared.seen.contains(&branch) {
        shared.seen.push(branch);
        let from = packet.headers.get("from").cloned().unwrap_or_default();
        let user = from.split("sip:").nth(1).unwrap_or_default();
        let user = user.split('@').next().unwrap_or_default().to_owned();
        let body = packet.body;
        shared.inbox.push(Received { from: user, body });
    }
}

/// The ACK for the final response to an INVITE. After a refusal it belongs to the
/// INVITE's transaction and has its branch; after a success it has its own branch.
fn acknowledgement(response: &Packet) -> String {
    let header = |name: &str| response.headers.get(name).cloned().unwrap_or_default();
    let branch = if response.status < 300 { "-ack" } else { "" };
    let via = header("via").replacen("branch=z9hG4bK", &format!("branch=z9hG4bK{branch}"), 1);
    let contact = header("contact");
    let to = header("to");
    let (_, target) = contact.split_once('<').or(to.split_once('<')).unwrap();
    format!(
        "ACK {target} SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\nFrom: {from}\r\n\
         To: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq}\r\nContent-Length: 0\r\n\r\n",
        target = target.split('>').next().unwrap_or_default(),
        from = header("from"),
        call_id = header("call-id"),
        cseq = header("cseq").replace("INVITE", "ACK"),
    )
}

/// A SIP request or response.
#[derive(Debug, Clone, Default)]
struct Packet {
    /// 0 for a request.
    status: u16,
    method: String,
    /// The header lines as received.
    lines: Vec<String>,
    /// By name in lower case.
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

impl Packet {
    fn parse(raw: &[u8]) -> Option<Self> {
        let end = raw.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&raw[..end]).into_owned();
        let mut lines = head.lines().map(str::to_owned);
        let first = lines.next()?;
        let lines: Vec<_> = lines.collect();
        let headers = lines
            .iter()
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut words = first.split(' ');
        let (method, second) = (words.next()?.to_owned(), words.next()?);
        let status = if method == "SIP/2.0" {
            second.parse().ok()?
        } else {
            0
        };
        Some(Self {
            status,
            method,
            lines,
            headers,
            body: raw[end + 4..].to_vec(),
        })
    }
}
