//! The HTTP server of all endpoints: who may connect and how often, deadlines, the
//! client's address, log limit, plain responses.
//!
//! Each endpoint implements [`Handler`]. [`listener`] accepts connections: by
//! [`admission`] it knows who is a stranger, by [`connection_table`] whether there
//! is a place. [`connection`] serves its requests. [`client_address`] finds the client behind proxies, [`body`] reads
//! what it sends, [`closing`] ends connections, [`log_limit`] bounds the log lines
//! that a stranger can cause, [`reply`] makes responses.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::{Request, StatusCode};
use tokio::net::TcpListener;

pub(crate) mod admission;
pub(crate) mod body;
pub(crate) mod client_address;
pub(crate) mod closing;
pub(crate) mod connection;
pub(crate) mod connection_table;
pub(crate) mod listener;
pub(crate) mod log_limit;
pub(crate) mod recent;
pub(crate) mod reply;

use crate::resilience::shutdown::Shutdown;
use admission::Admission;
use body::Body;
use connection::Server;
use connection_table::ConnectionLimits;
use listener::Entrance;
use reply::Answer;

/// Answers the requests of an endpoint.
pub(crate) trait Handler: Send + Sync + 'static {
    const LIMITS: ConnectionLimits;

    /// For a request's head, also while a connection waits for the next one.
    const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

    /// How long requests in progress may take once the shutdown has started, if
    /// its deadline is not sooner.
    const DRAIN_TIMEOUT: Duration;

    /// The networks that the handler judges addresses by.
    fn admission(&self) -> Admission;

    /// The whole response to a peer that is turned away before it asks.
    fn farewell(status: StatusCode) -> String {
        closing::farewell(status, "")
    }

    /// The answer to a request from a peer.
    fn handle(&self, peer: IpAddr, request: Request<Body>) -> impl Future<Output = Answer> + Send;
}

/// Serves until the shutdown starts, then finishes the requests in progress. The
/// caller owns the socket.
pub(crate) async fn run<H: Handler>(listener: TcpListener, handler: H, shutdown: Shutdown) {
    let server = Arc::new(Server::new(handler));
    let entrance = Entrance {
        admission: server.admission.clone(),
        table: Arc::clone(&server.table),
        farewell: H::farewell,
    };
    let ending = shutdown.clone();
    let serve = move |stream, peer: SocketAddr, place| {
        let server = Arc::clone(&server);
        connection::serve(server, stream, peer.ip(), place, ending.clone())
    };
    listener::accept(listener, entrance, shutdown, serve).await;
}
