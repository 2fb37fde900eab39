//! Takes a webhook through all steps: judged, read, stored, answered.

use std::fmt;
use std::mem::{Discriminant, discriminant};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hyper::{Method, Request};
use tracing::{debug, error, info, warn};

use crate::config::{AllowedMethod, AuthScheme, IncomingInterface};
use crate::document::Document;
use crate::http::server::Handler;
use crate::http::server::admission::Admission;
use crate::http::server::body::{Body, read_body};
use crate::http::server::client_address::TrustedProxies;
use crate::http::server::connection_table::ConnectionLimits;
use crate::http::server::log_limit::{KeyedLogLimit, LogLimit};
use crate::http::server::reply::Answer;
use crate::inbound::auth::{self, AuthError, TrustScope};
use crate::inbound::content_coding;
use crate::inbound::decode::{self, Content};
use crate::inbound::endpoint::{self, Endpoint, NoEndpoint};
use crate::inbound::extract::{self, Extracted};
use crate::inbound::observer::ReceiptObserver;
use crate::inbound::path_template;
use crate::inbound::probe;
use crate::inbound::reply::{self, Refusal};
use crate::inbound::request::WebhookRequest;
use crate::inbound::sender::ReplacedSender;
use crate::inbound::store::MessageStore;
use crate::logging::{chain, failed, masked};
use crate::model::interface::InterfaceName;
use crate::model::message::{Message, Receipt};
use crate::model::unix_time;
use crate::spool::SpoolError;
use crate::storage::blocking::blocking;

/// What to do about requests of another shape.
const OTHER_SHAPE_REMEDY: &str = "if these are messages, set match, key_to, key_from and key_body to \
     the names that are there; if they are not, set ignore";

/// Answers the providers' webhooks.
pub(crate) struct WebhookHandler {
    endpoints: Vec<Endpoint>,
    proxies: TrustedProxies,
    /// Largest body of a request in bytes.
    max_body: usize,
    receipts: Arc<dyn ReceiptObserver>,
    /// Shared with the tasks that store messages, which outlive a request that
    /// was cut off.
    store: Arc<MessageStore>,
    refusals: KeyedLogLimit<Discriminant<Refusal>>,
    challenges: LogLimit,
    ignored: LogLimit,
    guesses: KeyedLogLimit<InterfaceName>,
    /// Messages without a sender.
    nameless: LogLimit,
}

impl WebhookHandler {
    pub(crate) fn new(
        endpoints: Vec<Endpoint>,
        proxies: TrustedProxies,
        max_body: usize,
        receipts: Arc<dyn ReceiptObserver>,
        store: MessageStore,
    ) -> Self {
        Self {
            endpoints,
            proxies,
            max_body,
            receipts,
            store: Arc::new(store),
            refusals: KeyedLogLimit::default(),
            challenges: LogLimit::default(),
            ignored: LogLimit::default(),
            guesses: KeyedLogLimit::hourly(),
            nameless: LogLimit::default(),
        }
    }

    async fn respond(&self, peer: IpAddr, request: Request<Body>) -> Result<Answer, Refusal> {
        let client = self.proxies.client(peer, request.headers())?;
        let endpoint = self.endpoint(client, request.uri().path())?;
        if request.method() == Method::GET
            && let Some(value) = challenge(&request, endpoint)?
        {
            let response = reply::echo(&value)?;
            if let Some(suppressed) = self.challenges.allow() {
                let interface = &endpoint.settings.interface;
                info!(%client, %interface, suppressed, "echo challenge answered");
            }
            // Anybody may ask for it where no secret is needed.
            return Ok(Answer::Plain(response));
        }
        let (head, body) = request.into_parts();
        let now = unix_time::seconds(SystemTime::now());
        if probe::is_probe(&head.method) && probe::is_authentic(&head, endpoint, now).await {
            let interface = &endpoint.settings.interface;
            debug!(%client, %interface, method = %head.method, "probe answered");
            let methods = methods(&endpoint.settings);
            return Ok(Answer::Plain(probe::response(&head, &methods)));
        }
        check_method(&head.method, &endpoint.settings)?;
        let body = read_body(body, self.max_body).await?;
        let body = content_coding::decoded(&head.headers, body, self.max_body)?;
        let request = WebhookRequest::read(&head, body, endpoint).await;
        let scope = authenticate(&request, endpoint)?;
        if request.guessed {
            self.log_guess(client, &endpoint.settings.interface);
        }
        let document = document(request, scope)?;
        let extracted = extract::extract(&document, &endpoint.settings);
        self.store(peer, client, &endpoint.settings, extracted)
            .await?;
        let acknowledgement = &endpoint.settings.acknowledgement;
        Ok(Answer::Accepted(reply::accepted(acknowledgement)))
    }

    fn endpoint(&self, client: IpAddr, path: &str) -> Result<&Endpoint, Refusal> {
        endpoint::find(client, path, &self.endpoints).map_err(|error| {
            let paths = self
                .endpoints
                .iter()
                .filter_map(|it| it.settings.paths.as_ref());
            let path = path_template::loggable(path, paths.flatten().map(String::as_str));
            match error {
                NoEndpoint::Address => Refusal::Address(format!(
                    "address {client} is not in permit_addr of an interface for path {path:?}"
                )),
                NoEndpoint::Path => Refusal::NotFound(format!(
                    "path {path:?} is not in request_uri of an interface that permits {client}"
                )),
            }
        })
    }

    /// Records receipts and stores messages. A record that was rejected beside
    /// messages that were stored is only logged: posting it again would not help.
    async fn store(
        &self,
        peer: IpAddr,
        client: IpAddr,
        interface: &IncomingInterface,
        extracted: Extracted,
    ) -> Result<(), Refusal> {
        let Extracted {
            messages,
            replaced,
            rejected,
            receipts,
            ignored,
        } = extracted;
        let none = messages.is_empty() && receipts.is_empty();
        if none && rejected.is_empty() && ignored > 0 {
            if let Some(suppressed) = self.ignored.allow() {
                let interface = &interface.interface;
                info!(%client, %interface, ignored, suppressed, "event ignored by match/ignore rules");
            }
            return Ok(());
        }
        if none && rejected.is_empty() {
            debug!(%client, interface = %interface.interface, "request without messages");
        }
        self.log_replaced(client, interface, &replaced);
        self.record_receipts(receipts).await?;
        self.store_messages(client, messages, interface.dedupe_lifetime)
            .await?;
        for error in rejected {
            let refusal = Refusal::from(error);
            if none {
                return Err(refusal);
            }
            self.log_refusal(peer, &refusal);
        }
        Ok(())
    }

    async fn record_receipts(&self, receipts: Vec<Receipt>) -> Result<(), Refusal> {
        if receipts.is_empty() {
            return Ok(());
        }
        let observer = Arc::clone(&self.receipts);
        let recorded = blocking(move || {
            receipts
                .iter()
                .try_for_each(|receipt| observer.receipt(receipt))
        })
        .await;
        recorded.map_err(|error| {
            Refusal::Unavailable(format!("failed to record a receipt: {}", chain(&error)))
        })
    }

    /// Stores messages in a task of its own: a client that hangs up meanwhile
    /// must not leave it undecided whether its message was stored.
    async fn store_messages(
        &self,
        client: IpAddr,
        messages: Vec<Message>,
        lifetime: Duration,
    ) -> Result<(), Refusal> {
        let store = Arc::clone(&self.store);
        let stored =
            tokio::spawn(async move { store.store_once(client, messages, lifetime).await });
        Ok(stored.await.unwrap_or(Err(SpoolError::Closed))?)
    }

    /// Says that a text may be falsified, once an hour for each interface.
    fn log_guess(&self, client: IpAddr, interface: &InterfaceName) {
        if let Some(suppressed) = self.guesses.allow(interface.clone()) {
            let remedy = "set charset or key_charset of [websmsd]";
            warn!(%client, %interface, remedy, suppressed, "character set guessed");
        }
    }

    fn log_replaced(
        &self,
        client: IpAddr,
        interface: &IncomingInterface,
        replaced: &[ReplacedSender],
    ) {
        let interface = &interface.interface;
        for ReplacedSender { sent, used } in replaced {
            if !sent.is_empty() {
                let (sent, used) = (hidden(sent), hidden(used.as_str()));
                debug!(%client, %interface, ?sent, %used, "sender name replaced");
            } else if let Some(suppressed) = self.nameless.allow() {
                let remedy = "if there is one, set key_from to its place";
                info!(%client, %interface, %used, remedy, suppressed, "message without sender");
            }
        }
    }

    fn log_refusal(&self, peer: IpAddr, refusal: &Refusal) {
        let Some(suppressed) = self.refusals.allow(discriminant(refusal)) else {
            return;
        };
        let status = refusal.status().as_u16();
        match refusal {
            Refusal::Unavailable(reason) => {
                error!(%peer, status, %reason, suppressed, "message not stored");
            }
            Refusal::OtherShape { reason, members } => {
                let remedy = OTHER_SHAPE_REMEDY;
                warn!(%peer, status, %reason, members, remedy, suppressed, "request refused");
            }
            _ => warn!(%peer, status, reason = %refusal, suppressed, "request refused"),
        }
    }
}

impl fmt::Debug for WebhookHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookHandler")
            .field("endpoints", &self.endpoints)
            .finish_non_exhaustive()
    }
}

impl Handler for WebhookHandler {
    /// Providers use a handful. One address has the share of a busy one at most, and
    /// a dozen addresses cannot take all places from those that messages came from.
    const LIMITS: ConnectionLimits = ConnectionLimits {
        max: 512,
        reserved: 128,
        per_address: 32,
        per_recent_address: 128,
        waiting: 128,
        refused: 256,
    };

    /// A provider whose request is not answered by then sends it again.
    const DRAIN_TIMEOUT: Duration = Duration::from_secs(4);

    fn admission(&self) -> Admission {
        let lists = self.endpoints.iter().map(Endpoint::permitted);
        Admission::new("[websmsd]", self.proxies.clone(), lists)
    }

    async fn handle(&self, peer: IpAddr, request: Request<Body>) -> Answer {
        match self.respond(peer, request).await {
            Ok(answer) => answer,
            Err(refusal) => {
                self.log_refusal(peer, &refusal);
                Answer::Refused(refusal.response())
            }
        }
    }
}

/// A sender for the log: a name as it is, a number masked.
fn hidden(sender: &str) -> String {
    let digits = sender.chars().filter(char::is_ascii_digit).count();
    if digits < 5 {
        return sender.to_owned();
    }
    masked(sender)
}

fn check_method(method: &Method, interface: &IncomingInterface) -> Result<(), Refusal> {
    let is_it = |allowed: &AllowedMethod| method_name(*allowed) == method.as_str();
    if interface.methods.iter().any(is_it) {
        return Ok(());
    }
    Err(Refusal::MethodNotAllowed(methods(interface)))
}

/// The methods of messages, as in the header Allow.
fn methods(interface: &IncomingInterface) -> String {
    let names = interface.methods.iter().map(|method| method_name(*method));
    names.collect::<Vec<_>>().join(", ")
}

fn method_name(method: AllowedMethod) -> &'static str {
    match method {
        AllowedMethod::Get => "GET",
        AllowedMethod::Post => "POST",
        AllowedMethod::Put => "PUT",
    }
}

/// Authenticates a request, as far as the interface asks for it.
fn authenticate(request: &WebhookRequest, endpoint: &Endpoint) -> Result<TrustScope, Refusal> {
    let Some(auth) = endpoint.auth() else {
        return Ok(TrustScope::All);
    };
    let verified = auth::verify(&auth, request, unix_time::seconds(SystemTime::now()));
    verified.map_err(|error| match auth.scheme {
        AuthScheme::Basic { .. } => Refusal::Unauthorized(failed(&error)),
        _ => Refusal::from(error),
    })
}

/// The document that messages are read from: what can be trusted of a request.
pub(crate) fn document(request: WebhookRequest, scope: TrustScope) -> Result<Document, Refusal> {
    let mut headers = request.headers;
    let mut value = request.content.map(Content::into_value)?;
    // Few providers sign headers.
    if scope != TrustScope::All {
        headers.clear();
    }
    if let TrustScope::Fields(names) = scope {
        let neither = AuthError::Uncovered("a body that is not an object of fields");
        let fields = value.as_object_mut().ok_or(neither)?;
        fields.retain(|name, _| names.contains(name));
    }
    Ok(Document::new(value, headers))
}

/// The value of an echo challenge, by which a provider checks that the URL is
/// ours, if it shows the secret for it.
fn challenge(request: &Request<Body>, endpoint: &Endpoint) -> Result<Option<String>, Refusal> {
    let query = decode::query(request.uri().query().unwrap_or_default());
    let parameter = |wanted: &str| {
        let mut found = query.iter().filter(|(name, _)| name == wanted);
        found.next().map(|(_, value)| value.clone())
    };
    let key = endpoint.settings.key_echo.as_ref();
    let value = key.and_then(|key| parameter(key));
    if let (Some(_), Some((name, secret))) = (&value, endpoint.challenge())
        && !parameter(name).is_some_and(|given| secret.matches(&given))
    {
        return Err(Refusal::Forbidden(format!(
            "the challenge's {name} is not echo_secret"
        )));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::os::unix::fs::MetadataExt as _;
    use std::path::Path;
    use std::pin::pin;
    use std::task::Poll;

    use tokio::time::timeout;

    use super::*;
    use crate::config;
    use crate::inbound::dedupe::Dedupe;
    use crate::model::interface::InterfaceName;
    use crate::model::message::{PhoneNumber, Sender, Text};
    use crate::spool::Spool;
    use crate::storage::durable::{Access, Directory};

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const DAY: Duration = Duration::from_secs(86_400);

    fn message() -> Message {
        Message {
            to: PhoneNumber::parse("+1").unwrap(),
            from: Sender::parse("+2").unwrap(),
            text: Text::new("x"),
            interface: InterfaceName::unnamed(),
            provider_id: Some("id".to_owned()),
            pictures: Vec::new(),
        }
    }

    struct NoReceipts;

    impl ReceiptObserver for NoReceipts {
        fn receipt(&self, _: &Receipt) -> io::Result<()> {
            Ok(())
        }
    }

    /// A handler whose spool is in this folder.
    fn handler(folder: &Path) -> WebhookHandler {
        let [staging, outgoing] = ["staging", "outgoing"].map(|name| folder.join(name));
        std::fs::create_dir(&staging).unwrap();
        std::fs::create_dir(&outgoing).unwrap();
        let text = format!(
            "[astqueue]\nstagingdir = {}\noutgoingdir = {}\nmin_free = 0\n",
            staging.display(),
            outgoing.display()
        );
        let parsed = config::parse("websms.conf".as_ref(), &text, &|_, _| Ok(None));
        let (spool, _threads) = Spool::open(&parsed.unwrap().0.spool).unwrap();
        let metadata = staging.metadata().unwrap();
        let access = Access {
            mode: 0o600,
            user: metadata.uid(),
            group: metadata.gid(),
        };
        let dedupe = Dedupe::open(Directory::new(&staging, access)).unwrap();
        let proxies = TrustedProxies {
            networks: Vec::new(),
            header: String::new(),
        };
        let store = MessageStore::new(spool, dedupe, None, None);
        WebhookHandler::new(Vec::new(), proxies, 0, Arc::new(NoReceipts), store)
    }

    fn call_files(folder: &Path) -> usize {
        let files = |name: &str| std::fs::read_dir(folder.join(name)).unwrap();
        let files = files("staging").chain(files("outgoing"));
        let is_call = |path: &Path| {
            path.extension()
                .is_some_and(|extension| extension == "call")
        };
        files
            .filter(|file| is_call(&file.as_ref().unwrap().path()))
            .count()
    }

    /// A request is dropped when its connection is cut off. Its message is known
    /// all the same when the provider posts it again.
    #[test]
    fn message_of_a_dropped_request_is_stored_once() {
        let folder = tempfile::tempdir().unwrap();
        let handler = handler(folder.path());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            {
                let mut first = pin!(handler.store_messages(CLIENT, vec![message()], DAY));
                std::future::poll_fn(|context| {
                    assert!(first.as_mut().poll(context).is_pending());
                    Poll::Ready(())
                })
                .await;
            }
            let again = handler.store_messages(CLIENT, vec![message()], DAY);
            let stored = timeout(Duration::from_secs(10), again).await;
            assert_eq!(stored.expect("the id is not claimed for ever"), Ok(()));
        });
        assert_eq!(call_files(folder.path()), 1);
    }
}
