//! A provider: one request for one message, and what became of it.

use std::error::Error;
use std::fmt;
use std::time::SystemTime;

use reqwest::multipart::Form;
use reqwest::{Client, RequestBuilder, Response};

use crate::config::{Auth, OutgoingInterface, RequestMethod, ResponseId};
use crate::http::client::tls;
use crate::http::client::{self, TransportError, redact};
use crate::http::safe_fetch::SafeClient;
use crate::logging::masked;
use crate::model::id::Id;
use crate::model::outgoing::OutgoingMessage;
use crate::outbound::request::{self, ProviderRequest, RequestBody};
use crate::outbound::verdict::{Outcome, Reason, Verdict};
use crate::outbound::{auth, response, upload};
use crate::secret::{Secret, SecretError};

/// As much of an answer as is read; no provider says more to one message.
const ANSWER_MAX: usize = 64 * 1024;

/// A provider that messages can be sent to, with its pool of connections.
#[derive(Debug)]
pub(crate) struct Provider {
    pub(super) outgoing: OutgoingInterface,
    auth: Auth<Secret>,
    client: Client,
    /// Fetches pictures that go out themselves.
    fetcher: SafeClient,
}

impl Provider {
    /// Fetches the secret and prepares connections; makes none.
    ///
    /// # Errors
    /// When the secret or the certificates cannot be had.
    pub(crate) fn new(outgoing: OutgoingInterface) -> Result<Self, ProviderError> {
        let auth = outgoing
            .auth
            .clone()
            .try_map(|secret| secret.resolve(|name| std::env::var_os(name)))
            .map_err(ProviderError::Secret)?;
        let tls = tls::for_url(&outgoing.host, outgoing.ca_file.as_deref());
        let tls = tls.map_err(ProviderError::Trust)?;
        let asker = SafeClient {
            permitted: outgoing
                .pictures
                .upload
                .as_ref()
                .map_or_else(Vec::new, |upload| upload.permitted.clone()),
            tls: if outgoing.pictures.upload.is_some() {
                tls::with_roots(None).map_err(ProviderError::Trust)?
            } else {
                tls::without_roots()
            },
        };
        let client = client::builder(tls)
            .connect_timeout(outgoing.connect_timeout)
            .timeout(outgoing.timeout)
            .build()
            .map_err(ProviderError::Client)?;
        Ok(Self {
            outgoing,
            auth,
            client,
            fetcher: asker,
        })
    }

    /// Sends a message, once. What the verdict repeats of the provider's words
    /// holds neither the secret nor the text nor whole numbers.
    pub(crate) async fn send(&self, id: Id, message: &OutgoingMessage) -> Verdict {
        if !request::accepts_destination(&self.outgoing, message) {
            let (outcome, reason) = (Outcome::Rejected, Reason::BadNumber);
            return Verdict::not_sent(outcome, reason, String::new());
        }
        let handle = match self.upload_picture(id, message).await {
            Ok(handle) => handle,
            Err(verdict) => return verdict,
        };
        let request = request::build(&self.outgoing, &self.auth, id, message, handle.as_deref());
        let making = match self.prepare(request).await {
            Ok(making) => making,
            Err(verdict) => return verdict,
        };
        let mut response = match making.send().await {
            Ok(response) => response,
            Err(error) => return transport_verdict(&error),
        };
        let status = response.status().as_u16();
        let retry_after = client::retry_after(response.headers(), SystemTime::now());
        let check = self.outgoing.response_check.as_ref();
        let verdict = match read(&mut response).await {
            Ok(body) => {
                let verdict = response::verdict(check, status, &body);
                let verdict = response::with_explanation(verdict, &self.outgoing.errors, &body);
                let place = self.outgoing.response_id.as_ref();
                let provider_id = place.and_then(|place| response::provider_id(place, &body));
                let verdict = Verdict {
                    provider_id: provider_id.filter(|_| verdict.outcome == Outcome::Sent),
                    ..verdict
                };
                self.redacted(verdict, status, &body, message)
            }
            // Without a check the status alone decides, and it is here.
            Err(_) if check.is_none() || !response.status().is_success() => {
                response::verdict(None, status, b"")
            }
            Err(error) => transport_verdict(&error),
        };
        Verdict {
            retry_after,
            ..verdict
        }
    }

    /// Hands a picture over before its message; what the provider calls it.
    ///
    /// # Errors
    /// What becomes of the message when that fails. Nothing of it has been sent.
    async fn upload_picture(
        &self,
        id: Id,
        message: &OutgoingMessage,
    ) -> Result<Option<String>, Verdict> {
        let upload = self.outgoing.pictures.upload.as_ref();
        let before = upload.and_then(|upload| upload.preceding.as_ref());
        let request = request::upload_request(&self.outgoing, &self.auth, id, message);
        let (Some(before), Some(request)) = (before, request) else {
            return Ok(None);
        };
        let answered = self.prepare(request).await?.send().await;
        let mut response = answered.map_err(|error| nothing_sent(transport_verdict(&error)))?;
        let status = response.status().as_u16();
        let body = read(&mut response).await;
        let body = body.map_err(|error| nothing_sent(transport_verdict(&error)))?;
        let verdict = response::verdict(None, status, &body);
        let place = ResponseId::At(before.id.clone());
        match response::provider_id(&place, &body) {
            Some(handle) if verdict.outcome == Outcome::Sent => Ok(Some(handle)),
            Some(_) | None => {
                let reason = verdict.reason.or(Some(Reason::UnexpectedAnswer));
                let outcome = match verdict.outcome {
                    Outcome::Sent => Outcome::Rejected,
                    outcome => outcome,
                };
                let verdict = Verdict {
                    outcome,
                    reason,
                    ..verdict
                };
                let errors = &self.outgoing.errors;
                let verdict = response::with_explanation(verdict, errors, &body);
                Err(self.redacted(nothing_sent(verdict), status, &body, message))
            }
        }
    }

    /// Some providers repeat what they got. It is hidden before the start of it
    /// is taken for the log, because half a secret cannot be recognised.
    fn redacted(
        &self,
        verdict: Verdict,
        status: u16,
        body: &[u8],
        message: &OutgoingMessage,
    ) -> Verdict {
        if verdict.reason.is_none() {
            return verdict;
        }
        let explanation = verdict.explanation.as_deref();
        let explanation = explanation.map(|said| self.without_secrets(said, message));
        let said = self.without_secrets(&String::from_utf8_lossy(body), message);
        let detail = response::detail(status, &without_numbers(said, message));
        // Whoever wrote the message may read the number in it, the log may not.
        let words = explanation.clone();
        let words = words.map(|words| without_numbers(words, message) + "; ");
        Verdict {
            detail: words.unwrap_or_default() + &detail,
            explanation,
            ..verdict
        }
    }

    /// What a provider said, without secret and text.
    fn without_secrets(&self, said: &str, message: &OutgoingMessage) -> String {
        let spoken = auth::transmitted_secrets(&self.auth);
        let said = spoken.iter().fold(said.to_owned(), |said, secret| {
            redact(&said, secret, "(the secret)")
        });
        redact(&said, message.text.as_str(), "(the text)")
    }

    /// A request, ready to be sent.
    async fn prepare(&self, request: ProviderRequest) -> Result<RequestBuilder, Verdict> {
        let method = match request.method {
            RequestMethod::Get => reqwest::Method::GET,
            RequestMethod::Post => reqwest::Method::POST,
            RequestMethod::Put => reqwest::Method::PUT,
        };
        let mut making = self.client.request(method, request.url);
        making = match request.body {
            RequestBody::Multipart(fields) => making.multipart(form(fields)),
            RequestBody::None => making,
            RequestBody::Text(body) => making.body(body),
            RequestBody::Upload { fields, field, url } => {
                let (form, time) = (form(fields), self.outgoing.timeout);
                making.multipart(upload::add_file(form, field, &url, &self.fetcher, time).await?)
            }
        };
        for (name, value) in request.headers {
            // What no header can carry makes the whole request an error.
            making = making.header(name, value.into_bytes());
        }
        Ok(making)
    }
}

/// What a provider said, with no whole number of the message in it.
fn without_numbers(said: String, message: &OutgoingMessage) -> String {
    [&message.to, &message.from]
        .into_iter()
        .fold(said, |said, party| {
            // A provider may repeat a number without its plus.
            let party = party.as_str().trim_start_matches('+');
            redact(&said, party, &masked(party))
        })
}

fn form(fields: Vec<(String, String)>) -> Form {
    let add = |form: Form, (name, value)| form.text(name, value);
    fields.into_iter().fold(Form::new(), add)
}

/// What is not known of a picture that was handed over does no harm: its message
/// has not been sent.
fn nothing_sent(verdict: Verdict) -> Verdict {
    let outcome = match verdict.outcome {
        Outcome::Unknown => Outcome::Failed,
        outcome => outcome,
    };
    Verdict { outcome, ..verdict }
}

/// The answer's body, as much of it as is read.
async fn read(response: &mut Response) -> Result<Vec<u8>, reqwest::Error> {
    let body = client::read_bounded(response, ANSWER_MAX).await?;
    Ok(body.bytes)
}

/// What became of a message that nobody answered. As long as there was no
/// connection nothing was sent; after that nobody knows.
fn transport_verdict(error: &reqwest::Error) -> Verdict {
    let (outcome, reason) = match TransportError::classify(error) {
        TransportError::ConnectionLost | TransportError::TimedOut => {
            (Outcome::Unknown, Reason::NoAnswer)
        }
        TransportError::NoConnection => (Outcome::Failed, Reason::NoConnection),
        TransportError::Untrusted => (Outcome::Failed, Reason::Certificate),
        TransportError::InvalidRequest => (Outcome::Failed, Reason::BadConfiguration),
    };
    Verdict::not_sent(outcome, reason, client::error_chain(error))
}

/// A provider that cannot be used. The administrator must act.
#[derive(Debug)]
pub(crate) enum ProviderError {
    /// The HTTP client cannot be made.
    Client(reqwest::Error),
    /// The secret cannot be had.
    Secret(SecretError),
    /// The certificates cannot be had.
    Trust(tls::TrustError),
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(error) => write!(f, "prepare connections: {error}"),
            Self::Secret(error) => error.fmt(f),
            Self::Trust(error) => error.fmt(f),
        }
    }
}

impl Error for ProviderError {}
