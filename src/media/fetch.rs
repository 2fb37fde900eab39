//! From a URL to a file, once.
//!
//! A host's name is looked up here, its addresses are judged, and the
//! connection is made to just those: a name that leads elsewhere a moment later
//! leads nowhere. No proxy is used, which would look it up again. Redirects are
//! followed by hand, each judged anew.

use std::io::{self, Write as _};
use std::time::Duration;

use reqwest::Response;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName};
use serde_json::Value;
use tempfile::NamedTempFile;
use tokio::time::timeout;

use crate::config::{Auth, MediaStoreSettings};
use crate::document::as_text;
use crate::http::client::read_bounded;
use crate::http::safe_fetch::failure::FetchError;
use crate::http::safe_fetch::redirects::RedirectChain;
use crate::http::safe_fetch::{SafeClient, transport_error};
use crate::media::filter;
use crate::media::job::MediaJob;
use crate::media::store::MediaStore;
use crate::outbound::auth;
use crate::secret::Secret;
use crate::storage::blocking::blocking;

/// For everything, with all redirects.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Bytes that are collected before they are written.
const WRITE_BUFFER: usize = 256 * 1024;

/// What one interface fetches with.
#[derive(Debug, Clone)]
pub(crate) struct Fetcher {
    /// What is taken, and from where.
    pub settings: MediaStoreSettings,
    /// Hosts that get the credentials, in lower case.
    pub hosts: Vec<String>,
    /// The credentials.
    pub auth: Auth<Secret>,
    /// How it is asked for.
    pub client: SafeClient,
}

impl Fetcher {
    /// Fetches a picture into a file of `pending`, which is not kept yet.
    ///
    /// # Errors
    /// Why it was not fetched, and whether it may be later.
    pub(crate) async fn fetch(
        &self,
        job: &MediaJob,
        pending: &MediaStore,
    ) -> Result<Fetched, FetchError> {
        let fetched = timeout(TIMEOUT, self.try_fetch(job, pending)).await;
        let slow = |_| {
            Err(FetchError::Temporary(format!(
                "it took longer than {TIMEOUT:?}"
            )))
        };
        fetched.unwrap_or_else(slow)
    }

    async fn try_fetch(&self, job: &MediaJob, pending: &MediaStore) -> Result<Fetched, FetchError> {
        let shown = |way: &RedirectChain, near: bool| {
            let trusted = way.may_receive_credentials(&self.hosts, near);
            self.credentials().filter(|_| trusted)
        };
        let mut response = self.client.get(&job.url, &shown).await?;
        if job.lookup {
            let url = address_in(response).await?;
            response = self.client.get(&url, &shown).await?;
        }
        self.check_head(&response, job)?;
        self.write_body(response, pending).await
    }

    /// The header that shows who we are, with methods that have one for any
    /// request.
    fn credentials(&self) -> Option<(HeaderName, String)> {
        match &self.auth {
            auth @ (Auth::Basic { .. } | Auth::Bearer { .. } | Auth::Header { .. }) => {
                let (name, value) = auth::header(auth, "", "")?;
                Some((name.parse().ok()?, value))
            }
            Auth::None | Auth::Plain { .. } | Auth::Zadarma { .. } => None,
        }
    }

    /// Whether an answer is one that is kept, as far as its head says.
    fn check_head(&self, response: &Response, job: &MediaJob) -> Result<(), FetchError> {
        // Bytes that are no text are no type either.
        let header = |name| {
            let value = response.headers().get(name);
            value.map(|value| value.to_str().unwrap_or("?"))
        };
        let content_type = header(CONTENT_TYPE).unwrap_or_default();
        if !filter::is_allowed(content_type, job.name.extension(), &self.settings.types) {
            let shown: String = content_type.chars().take(60).collect();
            return Err(FetchError::Permanent(format!(
                "its Content-Type is {shown:?}"
            )));
        }
        if header(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
            return Err(FetchError::permanent(
                "it is encoded, which nobody asked for",
            ));
        }
        match response.content_length() {
            Some(length) if length > self.settings.max => Err(self.too_large()),
            _ => Ok(()),
        }
    }

    /// Writes a body as it comes.
    async fn write_body(
        &self,
        mut response: Response,
        pending: &MediaStore,
    ) -> Result<Fetched, FetchError> {
        let place = pending.clone();
        let mut file = blocking(move || place.begin().map_err(io::Error::other))
            .await
            .map_err(|error| not_written(&error))?;
        let mut bytes = 0;
        loop {
            let (part, is_last) = self.next_chunk(&mut response, bytes).await?;
            if bytes == 0 && filter::is_markup(&part) {
                return Err(FetchError::permanent(
                    "it is a page or a drawing, not what it says",
                ));
            }
            bytes += part.len() as u64;
            file = blocking(move || file.write_all(&part).map(|()| file))
                .await
                .map_err(|error| not_written(&error))?;
            if is_last {
                break;
            }
        }
        if bytes == 0 {
            return Err(FetchError::temporary("it is empty"));
        }
        Ok(Fetched { file, bytes })
    }

    /// The next part of a body of which there were `before` bytes, and whether it is
    /// the last one.
    async fn next_chunk(
        &self,
        response: &mut Response,
        before: u64,
    ) -> Result<(Vec<u8>, bool), FetchError> {
        let mut part = Vec::new();
        while part.len() < WRITE_BUFFER {
            let Some(chunk) = response
                .chunk()
                .await
                .map_err(|error| transport_error(&error))?
            else {
                return Ok((part, true));
            };
            part.extend_from_slice(&chunk);
            if before + part.len() as u64 > self.settings.max {
                return Err(self.too_large());
            }
        }
        Ok((part, false))
    }

    fn too_large(&self) -> FetchError {
        FetchError::Permanent(format!("it has more than {} bytes", self.settings.max))
    }
}

/// A picture that has been fetched and is not kept yet.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// What it is in; removed when dropped.
    pub file: NamedTempFile,
    /// Its size.
    pub bytes: u64,
}

/// Where a picture is, as a document says in its member `url`.
async fn address_in(mut response: Response) -> Result<String, FetchError> {
    const LONGEST: usize = 64 * 1024;
    let body = read_bounded(&mut response, LONGEST).await;
    let body = body.map_err(|error| transport_error(&error))?;
    let document: Value = serde_json::from_slice(&body.bytes).unwrap_or_default();
    let url = document.get("url").and_then(as_text);
    url.ok_or_else(|| FetchError::permanent("nothing says where it is"))
}

fn not_written(error: &io::Error) -> FetchError {
    FetchError::Temporary(format!("failed to write it: {error}"))
}
