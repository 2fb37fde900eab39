//! When a connection ends, and how, so that the peer can read the last response.

use std::time::Duration;

use hyper::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::http::server::admission::PeerClass;

/// How long a connection may last, and how long it may wait for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConnectionTimes {
    /// For a request's head, also while the connection waits for one.
    pub head: Duration,
    /// After this, the next response is the last one.
    pub last_response: Duration,
    /// After this, no request is begun.
    pub end: Duration,
}

impl ConnectionTimes {
    /// `head` is for peers that are not trusted proxies.
    ///
    /// A proxy sends a request on a connection of its pool, and answers 502 if the
    /// other side closes it at that moment. So the proxy must be the one that closes
    /// it, and the time is longer than that of their pools: Caddy 120 s, nginx and
    /// Apache 60 s, HAProxy and lighttpd less. Of other peers each waiting
    /// connection takes a place, and their clients repeat a request on a connection
    /// that has been closed; they are told with a response that it is the last one.
    pub(crate) fn of(class: PeerClass, head: Duration) -> Self {
        const PROXY_IDLE: Duration = Duration::from_secs(150);
        const PROXY_LIFE: Duration = Duration::from_secs(3600);
        match class {
            PeerClass::Proxy => Self {
                head: PROXY_IDLE,
                last_response: PROXY_LIFE,
                end: PROXY_LIFE.saturating_add(PROXY_IDLE),
            },
            PeerClass::Known | PeerClass::Stranger => Self {
                head,
                last_response: Duration::from_secs(45),
                end: Duration::from_secs(60),
            },
        }
    }
}

/// Whether the connection ends with a response that refuses a request.
///
/// Who is refused has to connect again for the next attempt, so that asking again
/// and again keeps no place. The connections of a trusted proxy are not the client's
/// but a pool for everybody's requests, and stay open. If the body has not been read,
/// the connection always ends: the next request would stand behind the rest of it.
pub(crate) fn closes(class: PeerClass, body_is_read: bool) -> bool {
    class != PeerClass::Proxy || !body_is_read
}

/// The whole response for a peer that gets no place, with these further headers.
pub(crate) fn farewell(status: StatusCode, headers: &str) -> String {
    let name = status.canonical_reason().unwrap_or_default();
    let retry = match status {
        StatusCode::SERVICE_UNAVAILABLE => "Retry-After: 30\r\n",
        _ => "",
    };
    format!(
        "HTTP/1.1 {} {name}\r\nContent-Type: text/plain; charset=utf-8\r\n\
         X-Content-Type-Options: nosniff\r\nContent-Length: {}\r\n{retry}{headers}\
         Connection: close\r\n\r\n{name}\n",
        status.as_u16(),
        name.len() + 1
    )
}

/// Ends a connection so that the peer can read what it was sent: closing a socket
/// with unread bytes resets the connection, and the response is lost, also to a
/// proxy, which makes a 502 of it. Reads at most `max` bytes within `patience`.
pub(crate) async fn linger(mut stream: TcpStream, max: usize, patience: Duration) {
    let drain = async {
        if stream.shutdown().await.is_err() {
            return;
        }
        let mut buffer = [0; 4096];
        let mut left = max;
        while left > 0 {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(read) => left = left.saturating_sub(read),
            }
        }
    };
    // Whoever is not done by then is cut off.
    let _ = timeout(patience, drain).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn farewell_is_a_whole_response() {
        assert_eq!(
            farewell(StatusCode::FORBIDDEN, "Server: x\r\n"),
            "HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain; charset=utf-8\r\n\
             X-Content-Type-Options: nosniff\r\nContent-Length: 10\r\n\
             Server: x\r\nConnection: close\r\n\r\nForbidden\n"
        );
        let busy = farewell(StatusCode::SERVICE_UNAVAILABLE, "");
        assert!(busy.contains("\r\nRetry-After: 30\r\n"), "{busy}");
        assert!(busy.contains("\r\nContent-Length: 20\r\n"), "{busy}");
    }

    #[test]
    fn refusal_ends_a_connection_but_not_the_pool_of_a_proxy() {
        for (class, body_is_read, expected) in [
            (PeerClass::Known, true, true),
            (PeerClass::Known, false, true),
            (PeerClass::Proxy, true, false),
            (PeerClass::Proxy, false, true),
        ] {
            assert_eq!(closes(class, body_is_read), expected, "{class:?}");
        }
    }

    #[test]
    fn connection_of_a_proxy_waits_longer_than_pools_do() {
        let head = Duration::from_secs(10);
        let proxy = ConnectionTimes::of(PeerClass::Proxy, head);
        assert!(proxy.head > Duration::from_secs(120));
        assert!(proxy.end >= proxy.last_response + proxy.head);
        let known = ConnectionTimes::of(PeerClass::Known, head);
        assert_eq!(known.head, head);
        assert!(known.end >= known.last_response + known.head);
    }
}
