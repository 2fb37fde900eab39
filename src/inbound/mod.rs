//! From a provider's request to a stored message.
//!
//! A request is judged in this order, and refused at the first step that says
//! no: [`peer`] finds the client's address, [`route`] the interface, then
//! method and size, [`decode`] reads the body, [`extract`] finds the messages
//! in it, [`dedupe`] knows which of them came before. Only when the spool says that they are durable is the answer 200.
//! What the peer is told is in [`reply`]; the reason is in the log.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming as Body};
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, error, info, warn};

pub mod decode;
pub mod dedupe;
pub mod extract;
pub mod peer;
mod quota;
pub mod reply;
pub mod route;
mod store;

use crate::config::{Daemon, Incoming};
use crate::message::Message;
use crate::spool::{Spool, SpoolError};
use dedupe::Dedupe;
use extract::Extracted;
use quota::Quota;
use reply::Refusal;
use route::NoRoute;
use store::Store;

/// Connections at a time. Providers use a handful; the rest waits to be
/// accepted and takes no memory.
const CONNECTIONS_MAX: usize = 512;

/// For a request's head, from the first byte of the connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// For a request's body.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);

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

/// What the daemon needs to judge and store requests.
#[derive(Debug)]
pub struct Receiver {
    interfaces: Vec<Incoming>,
    daemon: Daemon,
    /// Shared with what stores messages, which ends later than a request that
    /// was cut off.
    store: Arc<Store>,
    said: Quota,
}

impl Receiver {
    /// Takes what `[websmsd]` says and where messages go.
    #[must_use]
    pub fn new(interfaces: Vec<Incoming>, daemon: Daemon, spool: Spool, dedupe: Dedupe) -> Self {
        Self {
            interfaces,
            daemon,
            store: Arc::new(Store::new(spool, dedupe)),
            said: Quota::default(),
        }
    }
}

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

impl Receiver {
    async fn answer(&self, peer: IpAddr, request: Request<Body>) -> Response<Full<Bytes>> {
        match self.judge(peer, request).await {
            Ok(response) => response,
            Err(refusal) => {
                self.log_refusal(peer, &refusal);
                refusal.response()
            }
        }
    }

    async fn judge(
        &self,
        peer: IpAddr,
        request: Request<Body>,
    ) -> Result<Response<Full<Bytes>>, Refusal> {
        let client = self.client(peer, &request)?;
        let incoming = self.interface(client, request.uri().path())?;
        if request.method() == Method::GET
            && let Some(value) = challenge(&request, incoming)
        {
            let response = reply::echo(&value)?;
            if let Some(unsaid) = self.said.take() {
                let interface = &incoming.interface;
                info!(%client, %interface, unsaid, "answered a challenge");
            }
            return Ok(response);
        }
        if request.method() != Method::POST {
            return Err(Refusal::MethodNotAllowed);
        }
        let content_type = request
            .headers()
            .get(CONTENT_TYPE)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let body = self.body(request).await?;
        let fields = decode::decode(content_type.as_deref(), body).await?;
        let Extracted { messages, refused } = extract::extract(&fields, incoming);
        let none = messages.is_empty();
        self.store(client, messages, incoming.dedupe_lifetime)
            .await?;
        for error in refused {
            let refusal = Refusal::from(error);
            if none {
                return Err(refusal);
            }
            // The others have been stored; posting them again would not help.
            self.log_refusal(peer, &refusal);
        }
        Ok(reply::accepted(&incoming.acknowledgement))
    }

    fn client(&self, peer: IpAddr, request: &Request<Body>) -> Result<IpAddr, Refusal> {
        let name = self.daemon.proxy_header.as_str();
        // Bytes that are no text are no address either.
        let header: Vec<_> = request
            .headers()
            .get_all(name)
            .iter()
            .map(|value| value.to_str().unwrap_or("?"))
            .collect();
        peer::client_address(peer, name, &header, &self.daemon.proxies)
            .map_err(|error| Refusal::Forbidden(error.to_string()))
    }

    fn interface(&self, client: IpAddr, path: &str) -> Result<&Incoming, Refusal> {
        route::route(client, path, &self.interfaces).map_err(|error| match error {
            NoRoute::Address => Refusal::Forbidden(format!(
                "address {client} is not in permit_addr of an interface for path {path:?}"
            )),
            NoRoute::Path => Refusal::NotFound(format!(
                "path {path:?} is not in request_uri of an interface that permits {client}"
            )),
        })
    }

    async fn body(&self, request: Request<Body>) -> Result<Bytes, Refusal> {
        let body = Limited::new(request.into_body(), self.daemon.max_body);
        match timeout(BODY_TIMEOUT, body.collect()).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::TooLarge(
                "the body is larger than max_body".to_owned(),
            )),
            Ok(Err(error)) => Err(Refusal::BadRequest(format!("the body broke off: {error}"))),
            Err(_) => Err(Refusal::TooSlow),
        }
    }

    /// Stores messages in a task of its own: a client that hangs up meanwhile
    /// must not leave it undone whether its message is known.
    async fn store(
        &self,
        client: IpAddr,
        messages: Vec<Message>,
        lifetime: Duration,
    ) -> Result<(), Refusal> {
        let store = Arc::clone(&self.store);
        tokio::spawn(async move { store.once(client, messages, lifetime).await })
            .await
            .unwrap_or(Err(SpoolError::Closed))
            .map_err(|error| Refusal::Unavailable(error.to_string()))
    }

    fn log_refusal(&self, peer: IpAddr, refusal: &Refusal) {
        let status = refusal.status().as_u16();
        if let Refusal::Unavailable(reason) = refusal {
            error!(%peer, status, %reason, "message not stored");
        } else if let Some(unsaid) = self.said.take() {
            warn!(%peer, status, reason = %refusal, unsaid, "request refused");
        }
    }
}

/// The value that a provider wants to hear to know that this is us.
fn challenge(request: &Request<Body>, incoming: &Incoming) -> Option<String> {
    let key = incoming.key_echo.as_ref()?;
    let query = decode::form(request.uri().query()?.as_bytes());
    query
        .into_iter()
        .find(|(name, _)| name == key)
        .map(|(_, value)| value)
}
