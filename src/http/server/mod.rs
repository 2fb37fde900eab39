//! The HTTP server of all endpoints: connection limits, deadlines, the client's
//! address, log limit, plain responses.
//!
//! Each endpoint implements [`Handler`]. [`listener`] accepts connections,
//! [`connection`] serves their requests. [`admission`] knows who is a stranger,
//! [`client_address`] finds the client behind proxies, [`body`] reads what it
//! sends, [`closing`] ends connections, [`log_limit`] bounds the log lines that a
//! stranger can cause, [`reply`] makes responses.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use tokio::net::TcpListener;

pub(crate) mod admission;
pub(crate) mod body;
pub(crate) mod client_address;
pub(crate) mod closing;
pub(crate) mod connection;
pub(crate) mod listener;
pub(crate) mod log_limit;
pub(crate) mod reply;

use crate::resilience::shutdown::Shutdown;
use admission::Admission;
use body::Body;
use connection::Server;
use reply::Answer;

/// Answers the requests of an endpoint.
pub(crate) trait Handler: Send + Sync + 'static {
    /// Connections at a time; further ones wait to be accepted. All handlers
    /// together must leave some of the 1,024 descriptors that systemd gives a
    /// process to files and to requests that go out.
    const MAX_CONNECTIONS: usize;

    /// For a request's head, also while a connection waits for the next one.
    const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

    /// How long requests in progress may take once the shutdown has started, if
    /// its deadline is not sooner.
    const DRAIN_TIMEOUT: Duration;

    /// The networks that the handler judges addresses by.
    fn admission(&self) -> Admission;

    /// The answer to a request from a peer.
    fn handle(&self, peer: IpAddr, request: Request<Body>) -> impl Future<Output = Answer> + Send;
}

/// Serves until the shutdown starts, then finishes the requests in progress. The
/// caller owns the socket.
pub(crate) async fn run<H: Handler>(listener: TcpListener, handler: H, shutdown: Shutdown) {
    let server = Arc::new(Server::new(handler));
    let serve = |stream, peer: SocketAddr| {
        let server = Arc::clone(&server);
        connection::serve(server, stream, peer.ip(), shutdown.clone())
    };
    listener::accept(listener, H::MAX_CONNECTIONS, shutdown.clone(), serve).await;
}
