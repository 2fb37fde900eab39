//! A request and its way: judged, read, stored, answered.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming as Body};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response};
use tracing::{error, info, warn};

use crate::config::{
    AllowedMethod, AuthScheme, EchoSecret, IncomingInterface, ServerSettings, WebhookAuth,
};
use crate::document::path::Document;
use crate::http::server;
use crate::http::server::client_address::client_address;
use crate::http::server::log_limit::LogLimit;
use crate::inbound::auth::{self, AuthError, SignedRequest, TrustScope};
use crate::inbound::decode;
use crate::inbound::dedupe::Dedupe;
use crate::inbound::endpoint::{self, NoEndpoint};
use crate::inbound::extract::{self, Extracted};
use crate::inbound::reply::{self, Refusal};
use crate::inbound::store::MessageStore;
use crate::media::PictureRecorder;
use crate::model::message::{Message, Receipt};
use crate::outbox::reply_route::ReplyRoutes;
use crate::secret::{Secret, SecretError, SecretSource};
use crate::spool::{Spool, SpoolError};

/// Records what a provider says later about a message that went out.
pub(crate) type ReceiptRecorder = Arc<dyn Fn(&Receipt) -> io::Result<()> + Send + Sync>;

/// What the daemon needs to judge and store requests.
pub(crate) struct WebhookHandler {
    interfaces: Vec<IncomingInterface>,
    /// Who must show what, in the order of the interfaces.
    authenticators: Vec<Authenticator>,
    daemon: ServerSettings,
    record: ReceiptRecorder,
    /// Shared with what stores messages, which ends later than a request that
    /// was cut off.
    store: Arc<MessageStore>,
    log_limit: LogLimit,
}

impl WebhookHandler {
    /// Takes what `[websmsd]` says, where messages go, who records receipts and
    /// where pictures are noted that are to be kept.
    ///
    /// # Errors
    /// When a secret cannot be had.
    pub(crate) fn new(
        interfaces: Vec<IncomingInterface>,
        daemon: ServerSettings,
        spool: Spool,
        dedupe: Dedupe,
        record: ReceiptRecorder,
        intake: Option<PictureRecorder>,
        lately: Option<ReplyRoutes>,
    ) -> Result<Self, SecretError> {
        let guards = interfaces.iter().map(authenticator);
        Ok(Self {
            authenticators: guards.collect::<Result<_, _>>()?,
            interfaces,
            daemon,
            record,
            store: Arc::new(MessageStore::new(spool, dedupe, intake, lately)),
            log_limit: LogLimit::default(),
        })
    }
}

/// What whoever uses an interface must show, with its secrets fetched.
#[derive(Debug)]
pub(crate) struct Authenticator {
    pub(super) authenticity: Option<WebhookAuth<Secret>>,
    /// The query parameter of a challenge, and what it must hold.
    challenge: Option<(String, Secret)>,
}

/// The guard of an interface.
///
/// # Errors
/// When a secret cannot be had, or is empty.
pub(crate) fn authenticator(incoming: &IncomingInterface) -> Result<Authenticator, SecretError> {
    let resolve = |secret: SecretSource| secret.resolve_nonempty(|name| std::env::var_os(name));
    let authenticity = incoming.auth.clone();
    let challenge = incoming.echo_secret.clone();
    Ok(Authenticator {
        authenticity: authenticity
            .map(|authenticity| authenticity.try_map(resolve))
            .transpose()?,
        challenge: challenge
            .map(|EchoSecret { parameter, secret }| Ok((parameter, resolve(secret)?)))
            .transpose()?,
    })
}

impl fmt::Debug for WebhookHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("interfaces", &self.interfaces)
            .finish_non_exhaustive()
    }
}

impl server::Handler for WebhookHandler {
    /// Providers use a handful.
    const MAX_CONNECTIONS: usize = 512;

    async fn handle(&self, peer: IpAddr, request: Request<Body>) -> Response<Full<Bytes>> {
        match self.respond(peer, request).await {
            Ok(response) => response,
            Err(refusal) => {
                self.log_refusal(peer, &refusal);
                refusal.response()
            }
        }
    }
}

impl WebhookHandler {
    async fn respond(
        &self,
        peer: IpAddr,
        request: Request<Body>,
    ) -> Result<Response<Full<Bytes>>, Refusal> {
        let client = self.client(peer, &request)?;
        let (incoming, guard) = self.interface(client, request.uri().path())?;
        if request.method() == Method::GET
            && let Some(value) = challenge(&request, incoming, guard)?
        {
            let response = reply::echo(&value)?;
            if let Some(unsaid) = self.log_limit.allow() {
                let interface = &incoming.interface;
                info!(%client, %interface, unsaid, "answered a challenge");
            }
            return Ok(response);
        }
        check_method(request.method(), incoming)?;
        let (head, body) = request.into_parts();
        let body = server::read_body(body, self.daemon.max_body).await?;
        let authenticity = guard.authenticity.as_ref();
        let covered = authenticate(&head, &body, incoming, authenticity)?;
        let document = document(head, body, covered).await?;
        let extracted = extract::extract(&document, incoming);
        self.store_extracted(peer, client, incoming, extracted)
            .await?;
        Ok(reply::accepted(&incoming.acknowledgement))
    }

    /// Records receipts and stores messages. What was refused beside messages
    /// that were stored is but logged: posting them again would not help.
    async fn store_extracted(
        &self,
        peer: IpAddr,
        client: IpAddr,
        incoming: &IncomingInterface,
        extracted: Extracted,
    ) -> Result<(), Refusal> {
        let Extracted {
            messages,
            rejected: refused,
            receipts,
            ignored: passed_over,
        } = extracted;
        let none = messages.is_empty() && receipts.is_empty();
        if none && refused.is_empty() && passed_over > 0 {
            if let Some(unsaid) = self.log_limit.allow() {
                let interface = &incoming.interface;
                info!(%client, %interface, passed_over, unsaid, "not a message, as match and ignore say");
            }
            return Ok(());
        }
        self.record(receipts).await?;
        self.store(client, messages, incoming.dedupe_lifetime)
            .await?;
        for error in refused {
            let refusal = Refusal::from(error);
            if none {
                return Err(refusal);
            }
            self.log_refusal(peer, &refusal);
        }
        Ok(())
    }

    async fn record(&self, receipts: Vec<Receipt>) -> Result<(), Refusal> {
        if receipts.is_empty() {
            return Ok(());
        }
        let record = Arc::clone(&self.record);
        let recorded = tokio::task::spawn_blocking(move || {
            receipts.iter().try_for_each(|receipt| record(receipt))
        });
        recorded
            .await
            .map_err(io::Error::other)
            .flatten()
            .map_err(|error| Refusal::Unavailable(format!("failed to record a receipt: {error}")))
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
        client_address(peer, name, &header, &self.daemon.proxies)
            .map_err(|error| Refusal::Forbidden(error.to_string()))
    }

    fn interface(
        &self,
        client: IpAddr,
        path: &str,
    ) -> Result<(&IncomingInterface, &Authenticator), Refusal> {
        let found = endpoint::find(client, path, &self.interfaces).map_err(|error| {
            let path = loggable_path(path);
            match error {
                NoEndpoint::Address => Refusal::Forbidden(format!(
                    "address {client} is not in permit_addr of an interface for path {path:?}"
                )),
                NoEndpoint::Path => Refusal::NotFound(format!(
                    "path {path:?} is not in request_uri of an interface that permits {client}"
                )),
            }
        })?;
        let mut both = self.interfaces.iter().zip(&self.authenticators);
        both.find(|(incoming, _)| incoming.interface == found.interface)
            .ok_or_else(|| Refusal::Unavailable("an interface has gone".to_owned()))
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
        tokio::spawn(async move { store.store_once(client, messages, lifetime).await })
            .await
            .unwrap_or(Err(SpoolError::Closed))
            .map_err(|error| Refusal::Unavailable(error.to_string()))
    }

    fn log_refusal(&self, peer: IpAddr, refusal: &Refusal) {
        let status = refusal.status().as_u16();
        if let Refusal::Unavailable(reason) = refusal {
            error!(%peer, status, %reason, "message not stored");
        } else if let Some(unsaid) = self.log_limit.allow() {
            warn!(%peer, status, reason = %refusal, unsaid, "request refused");
        }
    }
}

/// Whether an interface takes messages by this method.
fn check_method(method: &Method, incoming: &IncomingInterface) -> Result<(), Refusal> {
    let name = |taken: &AllowedMethod| match taken {
        AllowedMethod::Get => Method::GET,
        AllowedMethod::Post => Method::POST,
        AllowedMethod::Put => Method::PUT,
    };
    let allowed: Vec<_> = incoming.methods.iter().map(name).collect();
    if allowed.contains(method) {
        return Ok(());
    }
    let allowed: Vec<_> = allowed.iter().map(Method::as_str).collect();
    Err(Refusal::MethodNotAllowed(allowed.join(", ")))
}

/// Whether a request is the provider's, as far as the interface asks.
fn authenticate(
    head: &Parts,
    body: &Bytes,
    incoming: &IncomingInterface,
    authenticity: Option<&WebhookAuth<Secret>>,
) -> Result<TrustScope, Refusal> {
    let Some(authenticity) = authenticity else {
        return Ok(TrustScope::All);
    };
    let signed = SignedRequest {
        method: head.method.as_str(),
        path: head.uri.path(),
        query: head.uri.query(),
        headers: &headers(head),
        body,
        paths: incoming.paths.as_deref().unwrap_or_default(),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let verified = auth::verify(authenticity, &signed, now.unwrap_or_default().as_secs());
    verified.map_err(|error| match authenticity.scheme {
        AuthScheme::Basic { .. } => Refusal::Unauthorized(error.to_string()),
        _ => Refusal::from(error),
    })
}

/// What a request says, as far as it is vouched for.
pub(super) async fn document(
    head: Parts,
    body: Bytes,
    covered: TrustScope,
) -> Result<Document, Refusal> {
    let mut headers = headers(&head);
    let mut value = if head.method == Method::GET {
        decode::object(decode::query(head.uri.query().unwrap_or_default()))
    } else {
        let content_type = headers.iter().find(|(name, _)| name == "content-type");
        decode::decode(content_type.map(|(_, value)| value.as_str()), body).await?
    };
    // Commonly nobody signs a header.
    if covered != TrustScope::All {
        headers.clear();
    }
    if let TrustScope::Fields(names) = covered {
        let fields = value
            .as_object_mut()
            .ok_or(AuthError::Uncovered("what is no object of fields"))?;
        fields.retain(|name, _| names.contains(name));
    }
    Ok(Document { value, headers })
}

/// Headers, by name in lower case; bytes that are no text are replaced.
fn headers(head: &Parts) -> Vec<(String, String)> {
    head.headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect()
}

/// A path as it may be logged: a long part of it could be a token that somebody
/// has put in the wrong place.
fn loggable_path(path: &str) -> String {
    const LONG: usize = 16;
    let part = |part: &str| match part.get(..3) {
        Some(start) if part.len() >= LONG => format!("{start}…"),
        _ => part.to_owned(),
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// The value that a provider wants to hear to know that this is us, if it knows
/// what it must.
fn challenge(
    request: &Request<Body>,
    incoming: &IncomingInterface,
    guard: &Authenticator,
) -> Result<Option<String>, Refusal> {
    let query = decode::query(request.uri().query().unwrap_or_default());
    let parameter = |wanted: &str| {
        let mut found = query.iter().filter(|(name, _)| name == wanted);
        found.next().map(|(_, value)| value.clone())
    };
    let value = incoming.key_echo.as_ref().and_then(|key| parameter(key));
    if let (Some(_), Some((name, secret))) = (&value, &guard.challenge)
        && !parameter(name).is_some_and(|given| secret.matches(&given))
    {
        return Err(Refusal::Forbidden(format!(
            "the challenge's {name} is not echo_secret"
        )));
    }
    Ok(value)
}
