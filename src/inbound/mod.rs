//! From a provider's request to a stored message.
//!
//! A request is judged in this order, and refused at the first step that says
//! no: [`peer`] finds the client's address, [`route`] the interface, then
//! method and size, [`signature`] says whether it is the provider's, [`decode`]
//! reads the body, [`extract`] finds the messages in its [`element`]s and what is
//! a receipt, [`dedupe`] knows which of them came before. Only when the spool
//! says that they are durable is the answer 200. What the peer is told is in
//! [`reply`]; the reason is in the log.
//!
//! [`receiver`] takes a request through these steps; the connections are here.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, error, info, warn};

pub mod decode;
pub mod dedupe;
pub mod element;
pub mod extract;
pub mod kinds;
pub mod peer;
mod quota;
mod receipt;
pub mod receiver;
pub mod reply;
pub mod route;
pub mod signature;
mod store;

pub use receiver::{Receiver, Recorder, guard};

/// Connections at a time. Providers use a handful; the rest waits to be
/// accepted and takes no memory.
const CONNECTIONS_MAX: usize = 512;

/// For a request's head, from the first byte of the connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// For a connection in all, however many requests it carries: none that idles
/// or never reads an answer keeps its place.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(60);

/// For the request that is under way when a connection's time is over.
const LAST_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// For requests under way when the daemon is told to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(4);

/// Header lines in a request; hyper's own default, said aloud.
const HEADERS_MAX: usize = 100;

/// Bytes of a request's head.
const HEAD_MAX: usize = 16 * 1024;

/// Serves until `shutdown` is over, then finishes what is under way, within
/// bounds. The caller owns socket and signals.
pub async fn run(listener: TcpListener, receiver: Receiver, shutdown: impl Future<Output = ()>) {
    let receiver = Arc::new(receiver);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
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
                let serving = serve(
                    stream,
                    address.ip(),
                    Arc::clone(&receiver),
                    stopping.clone(),
                );
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
    drain(connections).await;
}

async fn drain(mut connections: JoinSet<()>) {
    let under_way = connections.len();
    let finished = timeout(DRAIN_TIMEOUT, async {
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

async fn serve(
    stream: TcpStream,
    peer: IpAddr,
    receiver: Arc<Receiver>,
    mut stopping: watch::Receiver<()>,
) {
    let service = service_fn(|request| {
        let receiver = Arc::clone(&receiver);
        async move { Ok::<_, Infallible>(receiver.answer(peer, request).await) }
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
