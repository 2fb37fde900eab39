//! Makes one attempt to fetch a picture into a file, by way of
//! [`crate::http::safe_fetch`].

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
use crate::logging::chain;
use crate::media::filter;
use crate::media::job::MediaJob;
use crate::media::store::MediaStore;
use crate::outbound::auth;
use crate::secret::stored::StoredSecret;
use crate::storage::blocking::blocking;

/// For the whole attempt, including redirects.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Bytes of a body that are collected before they are written.
const WRITE_BUFFER: usize = 256 * 1024;

/// Fetches the pictures of one interface.
#[derive(Debug)]
pub(crate) struct Fetcher {
    pub settings: MediaStoreSettings,
    /// Hosts that may get the credentials, in lower case.
    pub hosts: Vec<String>,
    pub auth: Auth<StoredSecret>,
    pub client: SafeClient,
}

impl Fetcher {
    /// Fetches a picture into a file that is not yet kept in `store`.
    ///
    /// # Errors
    /// Why it was not fetched, and whether another attempt makes sense.
    pub(crate) async fn fetch(
        &self,
        job: &MediaJob,
        store: &MediaStore,
    ) -> Result<Fetched, FetchError> {
        let fetched = timeout(TIMEOUT, self.try_fetch(job, store)).await;
        let slow = |_| {
            Err(FetchError::Temporary(format!(
                "took longer than {TIMEOUT:?}"
            )))
        };
        fetched.unwrap_or_else(slow)
    }

    async fn try_fetch(&self, job: &MediaJob, store: &MediaStore) -> Result<Fetched, FetchError> {
        let credentials = |redirects: &RedirectChain, is_private: bool| {
            let trusted = redirects.may_receive_credentials(&self.hosts, is_private);
            self.credentials().filter(|_| trusted)
        };
        let mut response = self.client.get(&job.url, &credentials).await?;
        if job.lookup {
            let url = url_in(response).await?;
            response = self.client.get(&url, &credentials).await?;
        }
        self.check_head(&response, job)?;
        self.write_body(response, store).await
    }

    /// The header with credentials, for methods whose header does not depend on
    /// the request.
    fn credentials(&self) -> Option<(HeaderName, String)> {
        match &self.auth {
            auth @ (Auth::Basic { .. } | Auth::Bearer { .. } | Auth::Header { .. }) => {
                let auth = auth.map(StoredSecret::current);
                let (name, value) = auth::header(&auth, "", "")?;
                Some((name.parse().ok()?, value))
            }
            Auth::ClientCredentials(_)
            | Auth::Digest { .. }
            | Auth::None
            | Auth::Plain { .. }
            | Auth::Zadarma { .. } => None,
        }
    }

    /// Checks whether the picture may be stored, by the headers of its response.
    fn check_head(&self, response: &Response, job: &MediaJob) -> Result<(), FetchError> {
        // A value that is not ASCII matches no type.
        let header = |name| {
            let value = response.headers().get(name);
            value.map(|value| value.to_str().unwrap_or("?"))
        };
        let content_type = header(CONTENT_TYPE).unwrap_or_default();
        if !filter::is_allowed(content_type, job.name.extension(), &self.settings.types) {
            let excerpt: String = content_type.chars().take(60).collect();
            return Err(FetchError::Permanent(format!(
                "Content-Type {excerpt:?} is not allowed"
            )));
        }
        if header(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
            return Err(FetchError::permanent("unexpected Content-Encoding"));
        }
        match response.content_length() {
            Some(length) if length > self.settings.max => Err(self.too_large()),
            _ => Ok(()),
        }
    }

    /// Writes the body of a response to a file while it arrives.
    async fn write_body(
        &self,
        mut response: Response,
        store: &MediaStore,
    ) -> Result<Fetched, FetchError> {
        let store = store.clone();
        let mut file = blocking(move || Ok(store.begin()?))
            .await
            .map_err(|error| not_written(&error))?;
        let mut bytes = 0;
        loop {
            let (chunk, is_last) = self.next_chunk(&mut response, bytes).await?;
            if bytes == 0 && filter::is_markup(&chunk) {
                return Err(FetchError::permanent(
                    "content is HTML or SVG, not the declared type",
                ));
            }
            bytes += chunk.len() as u64;
            file = blocking(move || file.write_all(&chunk).map(|()| file))
                .await
                .map_err(|error| not_written(&error))?;
            if is_last {
                break;
            }
        }
        if bytes == 0 {
            return Err(FetchError::temporary("empty body"));
        }
        Ok(Fetched { file, bytes })
    }

    /// The next chunk of a body after `before` bytes, and whether it is the last
    /// one.
    async fn next_chunk(
        &self,
        response: &mut Response,
        before: u64,
    ) -> Result<(Vec<u8>, bool), FetchError> {
        let mut chunk = Vec::new();
        while chunk.len() < WRITE_BUFFER {
            let Some(received) = response
                .chunk()
                .await
                .map_err(|error| transport_error(&error))?
            else {
                return Ok((chunk, true));
            };
            chunk.extend_from_slice(&received);
            if before + chunk.len() as u64 > self.settings.max {
                return Err(self.too_large());
            }
        }
        Ok((chunk, false))
    }

    fn too_large(&self) -> FetchError {
        FetchError::Permanent(format!("more than {} bytes", self.settings.max))
    }
}

/// A picture that is fetched, but not kept yet.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// Removed when dropped.
    pub file: NamedTempFile,
    pub bytes: u64,
}

/// The URL in the member `url` of a JSON document.
async fn url_in(mut response: Response) -> Result<String, FetchError> {
    const DOCUMENT_MAX: usize = 64 * 1024;
    let body = read_bounded(&mut response, DOCUMENT_MAX).await;
    let body = body.map_err(|error| transport_error(&error))?;
    let document: Value = serde_json::from_slice(&body.bytes).unwrap_or_default();
    let url = document.get("url").and_then(as_text);
    url.ok_or_else(|| FetchError::permanent("the document of the picture holds no url"))
}

fn not_written(error: &io::Error) -> FetchError {
    FetchError::Temporary(format!("failed to write the file: {}", chain(error)))
}
