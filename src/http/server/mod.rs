//! The HTTP server of all endpoints: connection limits, deadlines, the
//! client's address, log limit, plain responses.
//!
//! Each endpoint implements [`Handler`]. [`listener`] accepts connections,
//! [`client_address`] finds the client behind proxies, [`log_limit`] bounds the
//! log lines that a stranger can cause, [`reply`] makes responses.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::Request;
use hyper::body::{Bytes, Incoming as Body};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::{debug, warn};

pub(crate) mod client_address;
pub(crate) mod listener;
pub(crate) mod log_limit;
pub(crate) mod reply;

use crate::logging::chain;
use crate::resilience::shutdown::Shutdown;
use reply::Reply;

/// For a request's head, from the first byte of the connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// For a whole connection, however many requests it carries, so that none that
/// idles or never reads a response keeps its place.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(60);

/// For the request in progress when a connection reaches its time limit.
const LAST_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// Header lines in a request; hyper's own default, made explicit.
const HEADERS_MAX: usize = 100;

/// Bytes of a request's head.
const HEAD_MAX: usize = 16 * 1024;

/// Answers the requests of an endpoint.
pub(crate) trait Handler: Send + Sync + 'static {
    /// Connections at a time; further ones wait to be accepted. All handlers
    /// together must leave some of the 1,024 descriptors that systemd gives a
    /// process to files and to requests that go out.
    const MAX_CONNECTIONS: usize;

    /// How long requests in progress may take once the shutdown has started, if
    /// its deadline is not sooner.
    const DRAIN_TIMEOUT: Duration;

    /// The response to a request from a peer.
    fn handle(&self, peer: IpAddr, request: Request<Body>) -> impl Future<Output = Reply> + Send;
}

/// Serves until the shutdown starts, then finishes the requests in progress. The
/// caller owns the socket.
pub(crate) async fn run<H: Handler>(listener: TcpListener, handler: H, shutdown: Shutdown) {
    let handler = Arc::new(handler);
    let serve = |stream, peer: std::net::SocketAddr| {
        serve(stream, peer.ip(), Arc::clone(&handler), shutdown.clone())
    };
    listener::accept(listener, H::MAX_CONNECTIONS, shutdown.clone(), serve).await;
}

async fn serve<H: Handler>(stream: TcpStream, peer: IpAddr, handler: Arc<H>, shutdown: Shutdown) {
    let service = service_fn(|request| {
        let handler = Arc::clone(&handler);
        async move { Ok::<_, Infallible>(handler.handle(peer, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_headers(HEADERS_MAX)
        // A client may close its side after the request and still wants the
        // response; and one that has gone does not undo what it sent.
        .half_close(true)
        .max_buf_size(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let end = tokio::select! {
        ended = &mut connection => return log_end(peer, &ended),
        deadline = shutdown.started() => deadline.min(Instant::now() + H::DRAIN_TIMEOUT),
        () = sleep(CONNECTION_TIMEOUT) => Instant::now() + LAST_REQUEST_TIMEOUT,
    };
    // The request in progress is finished; no other one is begun.
    connection.as_mut().graceful_shutdown();
    match timeout_at(end, connection).await {
        Ok(ended) => log_end(peer, &ended),
        Err(_) if shutdown.has_started() => {
            warn!(%peer, "request cut off by shutdown");
        }
        Err(_) => debug!(%peer, "connection closed: time limit reached"),
    }
}

fn log_end(peer: IpAddr, ended: &hyper::Result<()>) {
    if let Err(error) = ended {
        debug!(%peer, error = %chain(error), "connection ended early");
    }
}

/// Reads a request's body of at most `max` bytes within the time for it.
///
/// # Errors
/// When it is larger, too slow or broken off.
pub(crate) async fn read_body(body: Body, max: usize) -> Result<Bytes, BodyError> {
    match timeout(BODY_TIMEOUT, Limited::new(body, max).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
        Ok(Err(error)) => Err(BodyError::Incomplete(chain(&*error))),
        Err(_) => Err(BodyError::TimedOut),
    }
}

/// A body that could not be read. The client may send it again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    /// The client ended it early.
    #[error("read the body: {0}")]
    Incomplete(String),
    #[error("read the body: it is larger than the limit")]
    TooLarge,
    #[error("read the body: it did not arrive in time")]
    TimedOut,
}
