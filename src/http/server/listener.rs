//! One accept loop for every protocol: who gets a place, errors that never end it,
//! and a shutdown within its deadline.
//!
//! The loop never waits for a place: who gets none is turned away beside those that
//! have one, so that nobody stands in front of those for whom places are reserved.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use socket2::{SockFilter, SockRef};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::{error, info, warn};

use crate::http::server::admission::{Admission, PeerClass};
use crate::http::server::client_address::network;
use crate::http::server::closing::linger;
use crate::http::server::connection_table::{ConnectionTable, NoPlace, Origin, Place};
use crate::http::server::log_limit::KeyedLogLimit;
use crate::logging::chain;
use crate::resilience::shutdown::Shutdown;

/// The pause after a failed accept: descriptors or memory are used up, and it
/// takes a while until some are free.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);

/// Beyond the shutdown's deadline, for tasks that end at it themselves and say what
/// they have cut off.
const ABORT_DELAY: Duration = Duration::from_millis(100);

/// How long a connection beyond the limit waits for a place. A burst is over by
/// then, and a provider still waits for the answer.
const PLACE_TIMEOUT: Duration = Duration::from_secs(2);

/// For the response to a peer that is turned away, and for what it sends meanwhile.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(1);

/// Of it, for the first byte of a request.
const ASKING_TIMEOUT: Duration = Duration::from_millis(500);

/// Bytes that are read from it.
const FAREWELL_READ: usize = 2 * 1024 * 1024;

/// A packet filter (`linux/filter.h`) that drops the first packet of a connection, SYN
/// without ACK: whoever wants to connect tries again after a second.
const DROP_NEW: [SockFilter; 5] = [
    // The flags of TCP; of these SYN and ACK.
    SockFilter::new(0x30, 0, 0, 13),
    SockFilter::new(0x54, 0, 0, 0x12),
    SockFilter::new(0x15, 0, 1, 0x02),
    SockFilter::new(0x06, 0, 0, 0),
    SockFilter::new(0x06, 0, 0, u32::MAX),
];

/// For the end of handshakes that have begun: a round trip.
const HANDSHAKE_TIME: Duration = Duration::from_millis(250);

/// Who gets a place, and what the others are told.
#[derive(Debug)]
pub(crate) struct Entrance {
    pub admission: Admission,
    pub table: Arc<ConnectionTable>,
    /// What a peer is told that is turned away, in the protocol of the listener.
    pub farewell: fn(StatusCode) -> String,
}

/// Why a connection is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
enum NotServed {
    #[error("it could not be accepted")]
    Error,
    #[error("{0}")]
    NoPlace(NoPlace),
    #[error("its address is not in permit_addr of {0}")]
    Stranger(&'static str),
}

impl NotServed {
    /// Providers repeat what was answered 503, and not what was answered 4xx.
    fn status(self) -> StatusCode {
        match self {
            Self::Stranger(_) => StatusCode::FORBIDDEN,
            Self::Error | Self::NoPlace(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// Serves each connection that gets a place by a task of its own, until the shutdown
/// starts. Then waits for the tasks, which know the deadline, and aborts those that
/// do not keep it.
pub(crate) async fn accept<S>(
    listener: TcpListener,
    entrance: Entrance,
    shutdown: Shutdown,
    serve: impl Fn(TcpStream, SocketAddr, Place) -> S + Clone + Send + Sync + 'static,
) where
    S: Future<Output = ()> + Send + 'static,
{
    let mut connections = Connections {
        reception: Arc::new(Reception::new(entrance)),
        serve,
        served: JoinSet::new(),
        refused: JoinSet::new(),
    };
    let started = shutdown.started();
    tokio::pin!(started);
    let deadline = loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            deadline = &mut started => break deadline,
        };
        match accepted {
            Ok((stream, peer)) => connections.begin(stream, peer),
            Err(error) => {
                connections.reception.log_failure(&error);
                sleep(ACCEPT_RETRY).await;
            }
        }
    };
    connections.begin_established(&listener, deadline).await;
    drop(listener);
    drop(connections.refused);
    finish(connections.served, deadline).await;
}

/// The connections of a listener in progress.
struct Connections<F> {
    reception: Arc<Reception>,
    serve: F,
    served: JoinSet<()>,
    refused: JoinSet<()>,
}

impl<F, S> Connections<F>
where
    F: Fn(TcpStream, SocketAddr, Place) -> S + Clone + Send + Sync + 'static,
    S: Future<Output = ()> + Send + 'static,
{
    fn begin(&mut self, stream: TcpStream, peer: SocketAddr) {
        while self.served.try_join_next().is_some() {}
        while self.refused.try_join_next().is_some() {}
        let reception = Arc::clone(&self.reception);
        match reception.place(peer) {
            Ok(place) => {
                self.served.spawn((self.serve)(stream, peer, place));
            }
            Err(NotServed::NoPlace(_)) => {
                let serve = self.serve.clone();
                self.served.spawn(async move {
                    if let Some((stream, place)) = reception.wait(stream, peer).await {
                        serve(stream, peer, place).await;
                    }
                });
            }
            Err(reason) => {
                self.refused
                    .spawn(async move { reception.turn_away(stream, peer, reason).await });
            }
        }
    }

    /// Begins what is established or about to be, and lets nothing else in: closing the
    /// listener resets what it has not accepted, and with it requests under way.
    async fn begin_established(&mut self, listener: &TcpListener, deadline: Instant) {
        if let Err(error) = SockRef::from(listener).attach_filter(&DROP_NEW) {
            self.reception.log_failure(&error);
        }
        let end = deadline.min(Instant::now() + HANDSHAKE_TIME);
        while let Ok(accepted) = timeout_at(end, listener.accept()).await {
            match accepted {
                Ok((stream, peer)) => self.begin(stream, peer),
                Err(error) => {
                    self.reception.log_failure(&error);
                    sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }
}

/// Waits for the connections until shortly after the deadline.
async fn finish(mut connections: JoinSet<()>, deadline: Instant) {
    let open = connections.len();
    let finished = timeout_at(deadline + ABORT_DELAY, async {
        while connections.join_next().await.is_some() {}
    });
    if finished.await.is_ok() {
        info!(connections = open, "connections finished");
    } else {
        let connections = connections.len();
        warn!(connections, "connections aborted by shutdown");
    }
}

/// Gives places to connections and turns the others away.
struct Reception {
    entrance: Entrance,
    waiting: Semaphore,
    refused: Semaphore,
    log_limit: KeyedLogLimit<NotServed>,
}

impl Reception {
    fn new(entrance: Entrance) -> Self {
        let limits = entrance.table.limits();
        Self {
            waiting: Semaphore::new(limits.waiting),
            refused: Semaphore::new(limits.refused),
            log_limit: KeyedLogLimit::default(),
            entrance,
        }
    }

    fn log_failure(&self, error: &io::Error) {
        if let Some(suppressed) = self.log_limit.allow(NotServed::Error) {
            error!(error = %chain(error), suppressed, "failed to accept a connection");
        }
    }

    fn place(&self, peer: SocketAddr) -> Result<Place, NotServed> {
        let admission = &self.entrance.admission;
        if admission.classify(peer.ip()) == PeerClass::Stranger {
            return Err(NotServed::Stranger(admission.section()));
        }
        let taken = self.entrance.table.take(self.origin(peer));
        taken.map_err(NotServed::NoPlace)
    }

    /// Waits for a place; turns the peer away if there is none.
    async fn wait(&self, stream: TcpStream, peer: SocketAddr) -> Option<(TcpStream, Place)> {
        let table = &self.entrance.table;
        let origin = self.origin(peer);
        let taken = match self.waiting.try_acquire() {
            Ok(_waiting) => table.take_within(origin, PLACE_TIMEOUT).await,
            Err(_) => table.take(origin),
        };
        match taken {
            Ok(place) => Some((stream, place)),
            Err(reason) => {
                let reason = NotServed::NoPlace(reason);
                self.turn_away(stream, peer, reason).await;
                None
            }
        }
    }

    /// Answers without a look at the request, and closes. When too many are being
    /// answered, it closes without a word.
    async fn turn_away(&self, mut stream: TcpStream, peer: SocketAddr, reason: NotServed) {
        let status = reason.status();
        if let Some(suppressed) = self.log_limit.allow(reason) {
            let (peer, status) = (peer.ip(), status.as_u16());
            warn!(%peer, status, %reason, suppressed, "connection refused");
        }
        let Ok(_refused) = self.refused.try_acquire() else {
            return;
        };
        let farewell = (self.entrance.farewell)(status);
        let part = async {
            // Clients take a response for an error that comes before their request.
            let _ = timeout(ASKING_TIMEOUT, stream.peek(&mut [0])).await;
            if stream.write_all(farewell.as_bytes()).await.is_ok() {
                linger(stream, FAREWELL_READ, FAREWELL_TIMEOUT).await;
            }
        };
        // Whoever is not done by then is cut off.
        let _ = timeout(FAREWELL_TIMEOUT, part).await;
    }

    fn origin(&self, peer: SocketAddr) -> Origin {
        let admission = &self.entrance.admission;
        Origin {
            network: network(peer.ip()),
            counted: admission.counted(peer.ip()).is_some(),
            proxy: admission.classify(peer.ip()) == PeerClass::Proxy,
        }
    }
}
