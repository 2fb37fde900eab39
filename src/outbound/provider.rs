//! A provider: one request for one message, and the verdict on it.

use std::time::SystemTime;

use reqwest::header::{CONTENT_ENCODING, HeaderMap};
use reqwest::multipart::Form;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use rustls::ClientConfig;

use crate::config::{Auth, OutgoingInterface, RequestMethod};
use crate::http::client::tls::{self, TrustError};
use crate::http::client::{self, BoundedBody};
use crate::http::safe_fetch::SafeClient;
use crate::model::id::Id;
use crate::model::outgoing::OutgoingMessage;
use crate::outbound::credentials::{self, Credentials, Sent};
use crate::outbound::redaction::Redaction;
use crate::outbound::request::{self, ProviderRequest, RequestBody};
use crate::outbound::response::{self, Answer};
use crate::outbound::verdict::{Outcome, Reason, Verdict};
use crate::outbound::{transport, upload};
use crate::secret::{Secret, SecretError};

/// Bytes of a response that are read; the response to one message is shorter.
const RESPONSE_MAX: usize = 64 * 1024;

/// An interface at its provider, with a pool of connections.
#[derive(Debug)]
pub(crate) struct Provider {
    pub(super) settings: OutgoingInterface,
    credentials: Credentials,
    client: Client,
    tls: ClientConfig,
    /// Fetches pictures that are sent as files.
    fetcher: SafeClient,
}

impl Provider {
    /// Reads the secret and prepares connections; makes none.
    ///
    /// # Errors
    /// When the secret or the certificates cannot be read.
    pub(crate) fn new(settings: OutgoingInterface) -> Result<Self, ProviderError> {
        let credentials = Credentials::new(&settings.auth)?;
        let encrypted = settings.urls().find(|url| url.scheme() == "https");
        let url = encrypted.unwrap_or(&settings.host);
        let tls = tls::for_url(url, settings.ca_file.as_deref())?;
        let client = connections(&settings, &tls).map_err(ProviderError::Client)?;
        let fetcher = match &settings.pictures.upload {
            Some(upload) => SafeClient {
                permitted: upload.permitted.clone(),
                tls: tls::with_roots(None)?,
            },
            None => SafeClient {
                permitted: Vec::new(),
                tls: tls::without_roots(),
            },
        };
        Ok(Self {
            settings,
            credentials,
            client,
            tls,
            fetcher,
        })
    }

    /// Sends a message, once. The caller has made sure that the provider takes
    /// messages to this destination and texts of this length.
    ///
    /// The verdict repeats parts of the response, without the secret, the text and
    /// whole numbers.
    pub(crate) async fn send(&self, id: Id, message: &OutgoingMessage) -> Verdict {
        match self.request(id, message).await {
            Ok(answered) => self.verdict(answered, message).await,
            Err(verdict) => verdict,
        }
    }

    async fn request(&self, id: Id, message: &OutgoingMessage) -> Result<Answered, Verdict> {
        let uploaded_id = self.upload_picture(id, message).await?;
        let settings = &self.settings;
        let uploaded_id = uploaded_id.as_deref();
        self.exchange(|auth| request::build(settings, auth, id, message, uploaded_id))
            .await
    }

    /// Sends the request that `build` makes with the credentials as they are now. One
    /// that is refused because the provider asks for others, or the secret has been
    /// renewed meanwhile, is sent again, once: status 401 says that nothing was done.
    async fn exchange(
        &self,
        build: impl Fn(&Auth<Secret>) -> ProviderRequest,
    ) -> Result<Answered, Verdict> {
        let auth = self.credentials.current(&self.client).await?;
        let answered = self.send_once(build(&auth), auth, &self.client).await?;
        let Answered { response, sent } = &answered;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(answered);
        }
        let renewed = self
            .credentials
            .renewed(sent, response.headers(), &self.client);
        let Some(auth) = renewed.await? else {
            return Ok(answered);
        };
        // Small servers close a connection after they refused a request, and do not say
        // so: what is sent on it meanwhile is lost.
        let fresh = connections(&self.settings, &self.tls);
        let fresh = fresh.map_err(|error| transport::verdict(&error))?;
        self.send_once(build(&auth), auth, &fresh).await
    }

    async fn send_once(
        &self,
        request: ProviderRequest,
        auth: Auth<Secret>,
        client: &Client,
    ) -> Result<Answered, Verdict> {
        let lost = |error| transport::verdict(&error);
        let mut request = self.prepare(request).await?.build().map_err(lost)?;
        let nonce = self.credentials.sign(&auth, &mut request);
        let sent = Sent { auth, nonce };
        let response = client.execute(request).await.map_err(lost)?;
        Ok(Answered { response, sent })
    }

    async fn verdict(&self, answered: Answered, message: &OutgoingMessage) -> Verdict {
        let Answered { mut response, sent } = answered;
        let auth = &sent.auth;
        let settings = &self.settings;
        let status = response.status().as_u16();
        let retry_after = client::retry_after(response.headers(), SystemTime::now());
        let is_encoded = is_encoded(response.headers());
        let check = settings.response_check.as_ref();
        let verdict = match read(&mut response).await {
            Ok(BoundedBody { bytes, is_complete }) => {
                let body = bytes.as_slice();
                let answer = Answer {
                    status,
                    body,
                    is_complete: is_complete && !is_encoded,
                };
                let verdict = response::verdict(check, answer);
                let verdict = response::with_explanation(verdict, &settings.errors, answer);
                let location = settings.response_id.as_ref();
                let provider_id =
                    location.and_then(|location| response::provider_id(location, body));
                let verdict = Verdict {
                    provider_id: provider_id.filter(|_| verdict.outcome == Outcome::Sent),
                    ..verdict
                };
                Redaction { auth, message }.verdict(verdict, status, body)
            }
            // Without a check the status alone decides, and it has arrived.
            Err(_) if check.is_none() || !response.status().is_success() => {
                let (body, is_complete) = (&b""[..], false);
                let answer = Answer {
                    status,
                    body,
                    is_complete,
                };
                let verdict = response::verdict(None, answer);
                response::with_explanation(verdict, &settings.errors, answer)
            }
            Err(error) => transport::verdict(&error),
        };
        let hint = credentials::hint(auth, response.headers());
        let hint = hint.filter(|_| verdict.reason == Some(Reason::Credentials));
        Verdict {
            retry_after,
            detail: verdict.detail + &hint.map(|hint| format!("; {hint}")).unwrap_or_default(),
            ..verdict
        }
    }

    /// Uploads the picture of a message before the message, if the interface
    /// wants that; the provider's id of the picture.
    ///
    /// # Errors
    /// The verdict on the message when the upload fails. Nothing of the message
    /// has been sent.
    async fn upload_picture(
        &self,
        id: Id,
        message: &OutgoingMessage,
    ) -> Result<Option<String>, Verdict> {
        let settings = &self.settings;
        let upload = settings.pictures.upload.as_ref();
        let upload = upload.and_then(|upload| upload.preceding.as_ref());
        let picture = request::picture_to_upload(settings, id, message);
        let (Some(upload), Some(picture)) = (upload, picture) else {
            return Ok(None);
        };
        let request = |auth: &Auth<Secret>| {
            request::upload_request(settings, upload, auth, id, message, &picture)
        };
        let sent = self.exchange(request).await;
        let Answered { mut response, sent } = sent.map_err(response::message_not_sent)?;
        let lost = |error| response::message_not_sent(transport::verdict(&error));
        let status = response.status().as_u16();
        let body = read(&mut response).await.map_err(lost)?.bytes;
        response::uploaded_id(&upload.id, &settings.errors, status, &body)
            .map(Some)
            .map_err(|verdict| {
                let auth = &sent.auth;
                Redaction { auth, message }.verdict(verdict, status, &body)
            })
    }

    /// The request as the HTTP client sends it.
    ///
    /// # Errors
    /// The verdict on the message when its picture cannot be fetched.
    async fn prepare(&self, request: ProviderRequest) -> Result<RequestBuilder, Verdict> {
        let method = match request.method {
            RequestMethod::Get => reqwest::Method::GET,
            RequestMethod::Post => reqwest::Method::POST,
            RequestMethod::Put => reqwest::Method::PUT,
        };
        let mut builder = self.client.request(method, request.url);
        builder = match request.body {
            RequestBody::Multipart(fields) => builder.multipart(form(fields)),
            RequestBody::None => builder,
            RequestBody::Text(body) => builder.body(body),
            RequestBody::Upload { fields, field, url } => {
                let (form, timeout) = (form(fields), self.settings.timeout);
                builder
                    .multipart(upload::add_file(form, field, &url, &self.fetcher, timeout).await?)
            }
        };
        for (name, value) in request.headers {
            // What no header can carry makes the whole request an error.
            builder = builder.header(name, value.into_bytes());
        }
        Ok(builder)
    }
}

/// A pool of connections to the provider; makes none.
fn connections(settings: &OutgoingInterface, tls: &ClientConfig) -> Result<Client, reqwest::Error> {
    client::builder(tls.clone())
        .connect_timeout(settings.connect_timeout)
        .timeout(settings.timeout)
        .build()
}

/// A response, and what its request was sent with.
struct Answered {
    response: Response,
    sent: Sent,
}

fn form(fields: Vec<(String, String)>) -> Form {
    let add = |form: Form, (name, value)| form.text(name, value);
    fields.into_iter().fold(Form::new(), add)
}

async fn read(response: &mut Response) -> Result<BoundedBody, reqwest::Error> {
    client::read_bounded(response, RESPONSE_MAX).await
}

/// Whether a body is compressed, although the request did not ask for that.
fn is_encoded(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    encodings.any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Why a provider cannot be used. The administrator must act.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProviderError {
    #[error("prepare connections")]
    Client(#[source] reqwest::Error),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Trust(#[from] TrustError),
}
