//! A DNS server with chosen responses, the only one that is used.

use std::io::Write as _;
use std::net::{IpAddr, UdpSocket};
use std::path::Path;
use std::sync::{Arc, Mutex};

use tempfile::NamedTempFile;

use crate::namespace::cover;

/// Types of records (RFC 1035, section 3.2.2; RFC 3596, section 2.1).
pub(crate) const A: u16 = 1;
pub(crate) const AAAA: u16 = 28;

/// The response to a query.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// Those of these addresses that have the requested type.
    Addresses(Vec<IpAddr>),
    /// This RCODE (RFC 1035, section 4.1.1).
    Error(u8),
    /// No response.
    Nothing,
}

pub(crate) const SERVFAIL: Reply = Reply::Error(2);
pub(crate) const NXDOMAIN: Reply = Reply::Error(3);

/// The server in `/etc/resolv.conf`, inside of
/// [`isolated`](crate::namespace::isolated).
pub(crate) struct Resolver {
    queried: Arc<Mutex<Vec<u16>>>,
    _configuration: NamedTempFile,
}

impl Resolver {
    /// Responds with what `decide` returns for the requested type.
    pub(crate) fn deciding(decide: impl Fn(u16) -> Reply + Send + 'static) -> Self {
        let socket = UdpSocket::bind("127.0.0.53:53").unwrap();
        let mut configuration = NamedTempFile::new().unwrap();
        writeln!(configuration, "nameserver 127.0.0.53").unwrap();
        cover(Path::new("/etc/resolv.conf"), configuration.path());
        let queried = Arc::default();
        let record = Arc::clone(&queried);
        std::thread::spawn(move || serve(&socket, &decide, &record));
        Self {
            queried,
            _configuration: configuration,
        }
    }

    /// The types of all queries.
    pub(crate) fn queried(&self) -> Vec<u16> {
        self.queried.lock().unwrap().clone()
    }
}

fn serve(socket: &UdpSocket, decide: &dyn Fn(u16) -> Reply, queried: &Mutex<Vec<u16>>) {
    let mut datagram = [0; 1500];
    while let Ok((length, peer)) = socket.recv_from(&mut datagram) {
        let query = &datagram[..length];
        let (question, kind) = question(query);
        queried.lock().unwrap().push(kind);
        let (error, addresses) = match decide(kind) {
            Reply::Addresses(addresses) => (0, addresses),
            Reply::Error(error) => (error, Vec::new()),
            Reply::Nothing => continue,
        };
        let answers: Vec<_> = addresses
            .into_iter()
            .filter(|address| {
                (kind == AAAA && address.is_ipv6()) || (kind == A && address.is_ipv4())
            })
            .map(|address| answer(kind, address))
            .collect();
        let count = u8::try_from(answers.len()).unwrap();
        // The header of a recursive resolver's response to one question.
        let head = [0x81, 0x80 | error, 0, 1, 0, count, 0, 0, 0, 0];
        let reply = [&query[..2], &head, question, &answers.concat()].concat();
        let _ = socket.send_to(&reply, peer);
    }
}

/// The question of a query, and the type that it requests.
fn question(query: &[u8]) -> (&[u8], u16) {
    const HEAD: usize = 12;
    let mut end = HEAD;
    while query[end] != 0 {
        end += usize::from(query[end]) + 1;
    }
    let kind = u16::from_be_bytes([query[end + 1], query[end + 2]]);
    (&query[HEAD..end + 5], kind)
}

fn answer(kind: u16, address: IpAddr) -> Vec<u8> {
    let data = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let [high, low] = kind.to_be_bytes();
    let length = u8::try_from(data.len()).unwrap();
    // The name of the question, class IN, TTL 0.
    let head = [0xC0, 12, high, low, 0, 1, 0, 0, 0, 0, 0, length];
    [head.as_slice(), &data].concat()
}
