//! The door for whoever speaks HTTP to the daemon: how many come in, for how
//! long, and who they are.
//!
//! What is behind it is a [`Handler`], which answers requests. [`client_address`] finds the
//! address of a client behind proxies, [`log_limit`] bounds what a stranger can make
//! us say in the log.

use std::convert::Infallible;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming as Body};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, error, info, warn};

pub(crate) mod client_address;
pub(crate) mod log_limit;
pub(crate) mod reply;

/// For a request's head, from the first byte of the connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// For a connection in all, however many requests it carries: none that idles
/// or never reads an answer keeps its place.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(60);

/// For the request that is under way when a connection's time is over.
const LAST_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// For a request's body.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// Header lines in a request; hyper's own default, said aloud.
const HEADERS_MAX: usize = 100;

/// Bytes of a request's head.
const HEAD_MAX: usize = 16 * 1024;

/// What is behind the door.
pub(crate) trait Handler: Send + Sync + 'static {
    /// Connections at a time; the rest waits to be accepted and takes no memory.
    /// All rooms together must leave some of the 1,024 descriptors that systemd
    /// gives a process to files, calls and requests.
    const MAX_CONNECTIONS: usize;

    /// For requests in progress when the daemon is told to stop.
    const DRAIN_TIMEOUT: Duration;

    /// The answer to a request from a peer.
    fn handle(
        &self,
        peer: IpAddr,
        request: Request<Body>,
    ) -> impl Future<Output = Response<Full<Bytes>>> + Send;
}

/// Serves until `shutdown` is over, then finishes what is under way, within
/// bounds. The caller owns socket and signals.
pub(crate) async fn run<R: Handler>(
    listener: TcpListener,
    room: R,
    shutdown: impl Future<Output = ()>,
) {
    let room = Arc::new(room);
    let places = Arc::new(Semaphore::new(R::MAX_CONNECTIONS));
    let (stop, stopping) = watch::channel(());
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (listener.accept().await, place)
        };
        let (stream, place) = tokio::select! {
            (stream, place) = accepted => (stream, place),
            () = &mut shutdown => break,
        };
        match stream {
            Ok((stream, address)) => {
                let serving = serve(stream, address.ip(), Arc::clone(&room), stopping.clone());
                connections.spawn(async move {
                    serving.await;
                    drop(place);
                });
            }
            // Out of descriptors or memory: no peer may end this loop.
            Err(error) => {
                error!(%error, "failed to accept a connection");
                sleep(Duration::from_millis(200)).await;
            }
        }
    }
    drop(listener);
    drop(stop);
    drain(connections, R::DRAIN_TIMEOUT).await;
}

async fn drain(mut connections: JoinSet<()>, time: Duration) {
    let under_way = connections.len();
    let finished = timeout(time, async {
        while connections.join_next().await.is_some() {}
    });
    if finished.await.is_ok() {
        info!(connections = under_way, "finished all connections");
    } else {
        warn!(
            connections = connections.len(),
            "cut off connections that did not finish"
        );
    }
}

async fn serve<R: Handler>(
    stream: TcpStream,
    peer: IpAddr,
    room: Arc<R>,
    mut stopping: watch::Receiver<()>,
) {
    let service = service_fn(|request| {
        let room = Arc::clone(&room);
        async move { Ok::<_, Infallible>(room.handle(peer, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_headers(HEADERS_MAX)
        // Who has said all may close its side and still wants the answer; and
        // who has gone does not undo what it sent.
        .half_close(true)
        .max_buf_size(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        ended = &mut connection => return log_end(peer, &ended),
        _ = stopping.changed() => {}
        () = sleep(CONNECTION_TIMEOUT) => {}
    }
    // A request that is under way is finished; another one is not begun.
    connection.as_mut().graceful_shutdown();
    if let Ok(ended) = timeout(LAST_REQUEST_TIMEOUT, connection).await {
        log_end(peer, &ended);
    } else {
        debug!(%peer, "connection cut off: its time was over");
    }
}

fn log_end(peer: IpAddr, ended: &hyper::Result<()>) {
    if let Err(error) = ended {
        debug!(%peer, %error, "connection ended early");
    }
}

/// A request's body, in time and within a size in bytes.
///
/// # Errors
/// Why it cannot be had.
pub(crate) async fn read_body(body: Body, most: usize) -> Result<Bytes, BodyError> {
    match timeout(BODY_TIMEOUT, Limited::new(body, most).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
        Ok(Err(error)) => Err(BodyError::Incomplete(error.to_string())),
        Err(_) => Err(BodyError::TimedOut),
    }
}

/// A body that cannot be had. Whoever sent it may send it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// The peer ended it early, and how that was seen.
    Incomplete(String),
    /// It has more bytes than are taken.
    TooLarge,
    /// It did not come in time.
    TimedOut,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incomplete(error) => write!(f, "the body broke off: {error}"),
            Self::TooLarge => f.write_str("the body is larger than is taken"),
            Self::TimedOut => f.write_str("the body did not come in time"),
        }
    }
}

impl std::error::Error for BodyError {}
