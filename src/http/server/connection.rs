//! One connection: its requests, its deadlines and its end.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{debug, warn};

use super::Handler;
use crate::http::server::admission::{Admission, PeerClass};
use crate::http::server::body::{Body, BodyRead};
use crate::http::server::closing::{ConnectionTimes, closes, linger};
use crate::http::server::connection_table::{ConnectionTable, Place};
use crate::http::server::log_limit::LogLimit;
use crate::http::server::reply::{self, Answer, Reply};
use crate::logging::chain;
use crate::resilience::shutdown::Shutdown;

/// For the request in progress when a connection reaches its time limit.
const LAST_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// For the rest of a request that is not wanted, and how much of it is read: a client
/// that sends everything before it reads can read the response then.
const LINGER_TIMEOUT: Duration = Duration::from_secs(5);
const LINGER_MAX: usize = 4 * 1024 * 1024;

/// After the start of the shutdown, for the next request of a connection: it may be
/// under way, and is answered as the last one.
const FAREWELL_TIME: Duration = Duration::from_millis(500);

/// Header lines in a request; hyper's own default, made explicit.
const HEADERS_MAX: usize = 100;

/// Bytes of a request's head.
const HEAD_MAX: usize = 16 * 1024;

/// What all connections of an endpoint share.
pub(crate) struct Server<H> {
    handler: H,
    pub admission: Admission,
    pub table: Arc<ConnectionTable>,
    unreadable: LogLimit,
    busy: LogLimit,
}

impl<H: Handler> Server<H> {
    pub(crate) fn new(handler: H) -> Self {
        Self {
            admission: handler.admission(),
            handler,
            table: ConnectionTable::new(H::LIMITS),
            unreadable: LogLimit::default(),
            busy: LogLimit::default(),
        }
    }
}

/// Serves the requests of a connection until it ends.
pub(crate) async fn serve<H: Handler>(
    server: Arc<Server<H>>,
    stream: TcpStream,
    peer: IpAddr,
    place: Place,
    shutdown: Shutdown,
) {
    let class = server.admission.classify(peer);
    let serving = Arc::new(Serving {
        server,
        peer,
        class,
        times: ConnectionTimes::of(class, H::HEAD_TIMEOUT),
        opened: Instant::now(),
        place,
        shutdown: shutdown.clone(),
        in_request: AtomicBool::new(false),
        lingers: AtomicBool::new(false),
    });
    let Some(stream) = serve_requests(&serving, stream, &shutdown).await else {
        return;
    };
    if serving.lingers.load(Ordering::Relaxed) {
        tokio::select! {
            () = linger(stream, LINGER_MAX, LINGER_TIMEOUT) => {}
            () = serving.place.evicted() => {}
            _ = shutdown.started() => {}
        }
    }
}

/// Returns the stream when the connection has ended by itself.
async fn serve_requests<H: Handler>(
    serving: &Arc<Serving<H>>,
    stream: TcpStream,
    shutdown: &Shutdown,
) -> Option<TcpStream> {
    let service = service_fn(|request| {
        let serving = Arc::clone(serving);
        async move { Ok::<_, Infallible>(serving.respond(request).await) }
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(serving.times.head)
        .max_headers(HEADERS_MAX)
        // A client may close its side after the request and still wants the
        // response; and one that has gone does not undo what it sent.
        .half_close(true)
        .max_buf_size(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let end = tokio::select! {
        ended = &mut connection => {
            serving.log_end(&ended);
            return Some(connection.into_parts().io.into_inner());
        }
        deadline = shutdown.started() => {
            let end = deadline.min(Instant::now() + H::DRAIN_TIMEOUT);
            let farewell = end.min(Instant::now() + FAREWELL_TIME);
            if let Ok(ended) = timeout_at(farewell, &mut connection).await {
                serving.log_end(&ended);
                return Some(connection.into_parts().io.into_inner());
            }
            end
        }
        () = sleep(serving.times.end) => Instant::now() + LAST_REQUEST_TIMEOUT,
        () = serving.place.evicted() => {
            if !serving.in_request.load(Ordering::Relaxed) {
                debug!(peer = %serving.peer, "connection closed: its place is needed");
                return None;
            }
            Instant::now() + LAST_REQUEST_TIMEOUT
        }
    };
    // The request in progress is finished; no other one is begun.
    Pin::new(&mut connection).graceful_shutdown();
    match timeout_at(end, &mut connection).await {
        Ok(ended) => {
            serving.log_end(&ended);
            return Some(connection.into_parts().io.into_inner());
        }
        Err(_) if shutdown.has_started() => {
            warn!(peer = %serving.peer, "request cut off by shutdown");
        }
        Err(_) => debug!(peer = %serving.peer, "connection closed: time limit reached"),
    }
    None
}

/// A connection that is being served.
struct Serving<H> {
    server: Arc<Server<H>>,
    peer: IpAddr,
    class: PeerClass,
    times: ConnectionTimes,
    opened: Instant,
    place: Place,
    shutdown: Shutdown,
    in_request: AtomicBool,
    /// Whether the client may still be sending what is not wanted.
    lingers: AtomicBool,
}

impl<H: Handler> Serving<H> {
    async fn respond(&self, request: Request<Incoming>) -> Reply {
        self.in_request.store(true, Ordering::Relaxed);
        self.place.begin();
        let (head, body) = request.into_parts();
        let (body, read) = Body::new(body);
        let answer = self.answer(Request::from_parts(head, body)).await;
        let response = self.finish(answer, &read);
        self.in_request.store(false, Ordering::Relaxed);
        self.place.rest();
        response
    }

    async fn answer(&self, request: Request<Body>) -> Answer {
        let Server {
            handler,
            admission,
            table,
            busy,
            ..
        } = &*self.server;
        let client = admission.proxied(self.peer, request.headers());
        let begun = client.map(|client| table.begin_request(client)).transpose();
        let _in_progress = match begun {
            Ok(in_progress) => in_progress,
            Err(reason) => {
                if let (Some(client), Some(suppressed)) = (client, busy.allow()) {
                    let peer = self.peer;
                    warn!(%peer, %client, status = 503, %reason, suppressed, "request refused");
                }
                return Answer::Refused(reply::busy());
            }
        };
        let answer = handler.handle(self.peer, request).await;
        if let Answer::Accepted(_) = answer {
            match client {
                Some(client) => table.note_client(client),
                None if self.class != PeerClass::Proxy => self.place.note_peer(),
                None => {}
            }
        }
        answer
    }

    /// The response, which may be the last one.
    fn finish(&self, answer: Answer, read: &BodyRead) -> Reply {
        let (mut response, refused) = match answer {
            Answer::Accepted(response) | Answer::Plain(response) => (response, false),
            Answer::Refused(response) => (response, true),
        };
        let is_read = read.is_complete();
        self.lingers.store(!is_read, Ordering::Relaxed);
        let is_old = self.opened.elapsed() >= self.times.last_response;
        let ends = self.shutdown.has_started();
        if is_old || ends || !is_read || (refused && closes(self.class, is_read)) {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        response
    }

    fn log_end(&self, ended: &hyper::Result<()>) {
        let Err(error) = ended else {
            return;
        };
        let peer = self.peer;
        if !error.is_parse() {
            debug!(%peer, error = %chain(error), "connection ended early");
            return;
        }
        self.lingers.store(true, Ordering::Relaxed);
        if let Some(suppressed) = self.server.unreadable.allow() {
            warn!(
                %peer, error = %chain(error), suppressed,
                hint = "neither TLS nor the PROXY protocol is understood here",
                "unreadable request refused"
            );
        }
    }
}
