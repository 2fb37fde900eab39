//! From a URL to a file, once.
//!
//! A host's name is looked up here, its addresses are judged, and the
//! connection is made to just those: a name that leads elsewhere a moment later
//! leads nowhere. No proxy is used, which would look it up again. Redirects are
//! followed by hand, each judged anew.

use std::error::Error;
use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::LookupIpStrategy;
use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, LOCATION};
use reqwest::{Client, Response, Url, redirect};
use rustls::ClientConfig;
use tempfile::NamedTempFile;
use tokio::time::timeout;

use super::failure::{Failure, Status, status};
use super::job::Job;
use super::pending::Pending;
use super::way::Way;
use super::{address, kind};
use crate::config::{Auth, Shelf};
use crate::outbound::{USER_AGENT, auth};
use crate::secret::Secret;

/// For name resolution, and for connection and TLS together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// For everything, with all redirects.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Bytes that are collected before they are written.
const WRITTEN_AT_ONCE: usize = 256 * 1024;

/// What one interface fetches with.
#[derive(Debug, Clone)]
pub struct Fetcher {
    /// What is taken, and from where.
    pub shelf: Shelf,
    /// Hosts that get the credentials, in lower case.
    pub hosts: Vec<String>,
    /// The credentials.
    pub auth: Auth<Secret>,
    /// Whom to believe to be such a host.
    pub tls: ClientConfig,
}

impl Fetcher {
    /// Fetches a picture into a file of `pending`, which is not kept yet.
    ///
    /// # Errors
    /// Why it was not fetched, and whether it may be later.
    pub async fn fetch(&self, job: &Job, pending: &Pending) -> Result<Fetched, Failure> {
        let fetched = timeout(TIMEOUT, self.try_fetch(job, pending)).await;
        let slow = |_| Err(Failure::Passing(format!("it took longer than {TIMEOUT:?}")));
        fetched.unwrap_or_else(slow)
    }

    async fn try_fetch(&self, job: &Job, pending: &Pending) -> Result<Fetched, Failure> {
        let mut way = Way::to(&job.url)?;
        loop {
            let response = self.ask(&way).await?;
            match status(response.status().as_u16()) {
                Status::Here => {
                    self.judge(&response, job)?;
                    return self.take(response, pending).await;
                }
                Status::Moved => way.follow(location(&response)?)?,
                Status::Not(failure) => return Err(failure),
            }
        }
    }

    /// Asks where the way has led to.
    async fn ask(&self, way: &Way) -> Result<Response, Failure> {
        let permitted = &self.shelf.permitted;
        let addresses = judged(way.host(), addresses(way).await?, permitted)?;
        let near = |address: &IpAddr| address::is_permitted(*address, permitted);
        let credentials = if way.is_trusted(&self.hosts, addresses.iter().all(near)) {
            self.credentials()
        } else {
            None
        };
        let url = way.url().clone();
        let client = self.client(addresses)?;
        let asking = match credentials {
            Some((name, value)) => client
                .get(without_user(url))
                .header(name, value.into_bytes()),
            None => client.get(url),
        };
        asking.send().await.map_err(broken)
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

    /// A client that connects to these addresses, whatever the name.
    fn client(&self, addresses: Vec<IpAddr>) -> Result<Client, Failure> {
        Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            .user_agent(USER_AGENT)
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .dns_resolver(Arc::new(Pinned(addresses)))
            .build()
            .map_err(broken)
    }

    /// Whether an answer is one that is kept, as far as its head says.
    fn judge(&self, response: &Response, job: &Job) -> Result<(), Failure> {
        // Bytes that are no text are no type either.
        let header = |name| {
            let value = response.headers().get(name);
            value.map(|value| value.to_str().unwrap_or("?"))
        };
        let content_type = header(CONTENT_TYPE).unwrap_or_default();
        if !kind::may_be_kept(content_type, job.name.extension(), &self.shelf.types) {
            let shown: String = content_type.chars().take(60).collect();
            return Err(Failure::Final(format!("its Content-Type is {shown:?}")));
        }
        if header(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
            return Err(Failure::final_("it is encoded, which nobody asked for"));
        }
        match response.content_length() {
            Some(length) if length > self.shelf.max => Err(self.too_large()),
            _ => Ok(()),
        }
    }

    /// Writes a body as it comes.
    async fn take(&self, mut response: Response, pending: &Pending) -> Result<Fetched, Failure> {
        let place = pending.clone();
        let mut file = blocking(move || place.begin().map_err(io::Error::other)).await?;
        let mut bytes = 0;
        loop {
            let (part, is_last) = self.part(&mut response, bytes).await?;
            if bytes == 0 && kind::is_markup(&part) {
                return Err(Failure::final_(
                    "it is a page or a drawing, not what it says",
                ));
            }
            bytes += part.len() as u64;
            file = blocking(move || file.write_all(&part).map(|()| file)).await?;
            if is_last {
                break;
            }
        }
        if bytes == 0 {
            return Err(Failure::passing("it is empty"));
        }
        Ok(Fetched { file, bytes })
    }

    /// The next part of a body of which there were `before` bytes, and whether it is
    /// the last one.
    async fn part(&self, response: &mut Response, before: u64) -> Result<(Vec<u8>, bool), Failure> {
        let mut part = Vec::new();
        while part.len() < WRITTEN_AT_ONCE {
            let Some(chunk) = response.chunk().await.map_err(broken)? else {
                return Ok((part, true));
            };
            part.extend_from_slice(&chunk);
            if before + part.len() as u64 > self.shelf.max {
                return Err(self.too_large());
            }
        }
        Ok((part, false))
    }

    fn too_large(&self) -> Failure {
        Failure::Final(format!("it has more than {} bytes", self.shelf.max))
    }
}

/// A picture that has been fetched and is not kept yet.
#[derive(Debug)]
pub struct Fetched {
    /// What it is in; removed when dropped.
    pub file: NamedTempFile,
    /// Its size.
    pub bytes: u64,
}

/// These addresses, whatever the name.
struct Pinned(Vec<IpAddr>);

impl Resolve for Pinned {
    fn resolve(&self, _name: Name) -> Resolving {
        // The port is the URL's.
        let addresses = self.0.iter().map(|address| SocketAddr::new(*address, 0));
        let addresses: Addrs = Box::new(addresses.collect::<Vec<_>>().into_iter());
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

/// The addresses of where the way has led to.
async fn addresses(way: &Way) -> Result<Vec<IpAddr>, Failure> {
    if let Some(address) = way.address() {
        return Ok(vec![address]);
    }
    let host = way.host();
    let failed = |error: &dyn Error| Failure::Passing(format!("failed to look up {host}: {error}"));
    let mut builder = TokioResolver::builder_tokio().map_err(|error| failed(&error))?;
    builder.options_mut().ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
    let resolver = builder.build().map_err(|error| failed(&error))?;
    let found = timeout(CONNECT_TIMEOUT, resolver.lookup_ip(host)).await;
    let found = found.map_err(|error| failed(&error))?;
    Ok(found.map_err(|error| failed(&error))?.iter().collect())
}

/// Those of a host's addresses that may be asked.
fn judged(host: &str, found: Vec<IpAddr>, permitted: &[IpNet]) -> Result<Vec<IpAddr>, Failure> {
    let (good, bad): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|address| address::may_be_asked(*address, permitted));
    match (good.is_empty(), bad.first()) {
        (false, _) => Ok(good),
        (true, Some(bad)) => Err(Failure::Final(format!(
            "{bad}, where {host} leads, is no public address and not in media_permit_addr"
        ))),
        (true, None) => Err(Failure::Passing(format!("{host} has no address"))),
    }
}

fn location(response: &Response) -> Result<&str, Failure> {
    let location = response.headers().get(LOCATION);
    let location = location.and_then(|location| location.to_str().ok());
    location.ok_or_else(|| Failure::final_("a redirect leads nowhere"))
}

/// The URL alone: a user in it would be a second answer to who asks.
fn without_user(mut url: Url) -> Url {
    // A URL with a host can do without.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

/// An error with all its causes and without the URL, which may hold a token.
fn broken(error: reqwest::Error) -> Failure {
    let error = error.without_url();
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        said.push_str(": ");
        said.push_str(&error.to_string());
        cause = error.source();
    }
    Failure::Passing(said)
}

/// Lets the disk take its time, beside everything else.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.map_err(io::Error::other).flatten();
    done.map_err(|error| Failure::Passing(format!("failed to write it: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_that_leads_to_public_and_private_addresses_leads_to_the_public_ones() {
        let addresses = |list: &[&str]| -> Vec<IpAddr> {
            list.iter()
                .map(|address| address.parse().unwrap())
                .collect()
        };
        let mixed = addresses(&["127.0.0.1", "1.1.1.1", "::1"]);
        assert_eq!(judged("h", mixed, &[]), Ok(addresses(&["1.1.1.1"])));
        let private = addresses(&["10.0.0.1", "::1"]);
        let permitted = ["10.0.0.0/8".parse().unwrap()];
        let judged_with = judged("h", private.clone(), &permitted);
        assert_eq!(judged_with, Ok(addresses(&["10.0.0.1"])));
        assert!(matches!(judged("h", private, &[]), Err(Failure::Final(_))));
        assert!(matches!(
            judged("h", Vec::new(), &[]),
            Err(Failure::Passing(_))
        ));
    }
}
