//! Asking on the web for what a stranger names.
//!
//! A URL that came with a message, or stands in one, could lead anywhere: into
//! our own network, to a cloud's secrets, from there to somewhere else. What is
//! asked is judged by the addresses that are really connected to, at each step of
//! the way: [`mod@address`] says which may be asked, [`redirects`] where redirects lead and
//! who learns a secret, [`failure`] whether it is worth another try.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::LookupIpStrategy;
use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderName, LOCATION};
use reqwest::{Client, Response, Url};
use rustls::ClientConfig;
use tokio::time::timeout;

pub(crate) mod address;
pub(crate) mod failure;
pub(crate) mod redirects;

use crate::http::client;
use failure::{FetchError, FetchStatus, classify};
use redirects::RedirectChain;

/// For name resolution, and for connection and TLS together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Whom may be asked, and whom to believe.
#[derive(Debug, Clone)]
pub(crate) struct SafeClient {
    /// Private addresses that may be asked.
    pub permitted: Vec<IpNet>,
    /// Certificates that are believed.
    pub tls: ClientConfig,
}

/// The header that shows who we are, for where a way has led to, if that is to
/// know; it is also told whether the host there is a permitted private one.
pub(crate) type CredentialsFor<'a> =
    &'a (dyn Fn(&RedirectChain, bool) -> Option<(HeaderName, String)> + Sync);

impl SafeClient {
    /// The head of what is at a URL, after all redirects.
    ///
    /// # Errors
    /// Why it cannot be had, and whether it may be later.
    pub(crate) async fn get(
        &self,
        url: &str,
        shown: CredentialsFor<'_>,
    ) -> Result<Response, FetchError> {
        let mut way = RedirectChain::start(url)?;
        loop {
            let response = self.request(&way, shown).await?;
            match classify(response.status().as_u16()) {
                FetchStatus::Found => return Ok(response),
                FetchStatus::Redirected => way.follow(location(&response)?)?,
                FetchStatus::Failed(failure) => return Err(failure),
            }
        }
    }

    /// Asks where the way has led to.
    async fn request(
        &self,
        way: &RedirectChain,
        shown: CredentialsFor<'_>,
    ) -> Result<Response, FetchError> {
        let addresses = permitted_addresses(way.host(), addresses(way).await?, &self.permitted)?;
        let near = |address: &IpAddr| address::is_permitted(*address, &self.permitted);
        let credentials = shown(way, addresses.iter().all(near));
        let url = way.url().clone();
        let client = self.client(addresses)?;
        let asking = match credentials {
            Some((name, value)) => client
                .get(without_user(url))
                .header(name, value.into_bytes()),
            None => client.get(url),
        };
        asking.send().await.map_err(|error| transport_error(&error))
    }

    /// A client that connects to these addresses, whatever the name.
    fn client(&self, addresses: Vec<IpAddr>) -> Result<Client, FetchError> {
        client::builder(self.tls.clone())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .dns_resolver(Arc::new(PinnedResolver(addresses)))
            .build()
            .map_err(|error| transport_error(&error))
    }
}

/// These addresses, whatever the name.
struct PinnedResolver(Vec<IpAddr>);

impl Resolve for PinnedResolver {
    fn resolve(&self, _name: Name) -> Resolving {
        // The port is the URL's.
        let addresses = self.0.iter().map(|address| SocketAddr::new(*address, 0));
        let addresses: Addrs = Box::new(addresses.collect::<Vec<_>>().into_iter());
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

/// The addresses of where the way has led to.
async fn addresses(way: &RedirectChain) -> Result<Vec<IpAddr>, FetchError> {
    if let Some(address) = way.address() {
        return Ok(vec![address]);
    }
    let host = way.host();
    let failed =
        |error: &dyn Error| FetchError::Temporary(format!("failed to look up {host}: {error}"));
    let mut builder = TokioResolver::builder_tokio().map_err(|error| failed(&error))?;
    builder.options_mut().ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
    let resolver = builder.build().map_err(|error| failed(&error))?;
    let found = timeout(CONNECT_TIMEOUT, resolver.lookup_ip(host)).await;
    let found = found.map_err(|error| failed(&error))?;
    Ok(found.map_err(|error| failed(&error))?.iter().collect())
}

/// Those of a host's addresses that may be asked.
fn permitted_addresses(
    host: &str,
    found: Vec<IpAddr>,
    permitted: &[IpNet],
) -> Result<Vec<IpAddr>, FetchError> {
    let (good, bad): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|address| address::is_allowed(*address, permitted));
    match (good.is_empty(), bad.first()) {
        (false, _) => Ok(good),
        (true, Some(bad)) => Err(FetchError::Permanent(format!(
            "{bad}, where {host} leads, is no public address and not in media_permit_addr"
        ))),
        (true, None) => Err(FetchError::Temporary(format!("{host} has no address"))),
    }
}

fn location(response: &Response) -> Result<&str, FetchError> {
    let location = response.headers().get(LOCATION);
    let location = location.and_then(|location| location.to_str().ok());
    location.ok_or_else(|| FetchError::permanent("a redirect leads nowhere"))
}

/// The URL alone: a user in it would be a second answer to who asks.
fn without_user(mut url: Url) -> Url {
    // A URL with a host can do without.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

/// A request that got no response may get one later.
#[must_use]
pub(crate) fn transport_error(error: &reqwest::Error) -> FetchError {
    FetchError::Temporary(client::error_chain(error))
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
        assert_eq!(
            permitted_addresses("h", mixed, &[]),
            Ok(addresses(&["1.1.1.1"]))
        );
        let private = addresses(&["10.0.0.1", "::1"]);
        let permitted = ["10.0.0.0/8".parse().unwrap()];
        let judged_with = permitted_addresses("h", private.clone(), &permitted);
        assert_eq!(judged_with, Ok(addresses(&["10.0.0.1"])));
        assert!(matches!(
            permitted_addresses("h", private, &[]),
            Err(FetchError::Permanent(_))
        ));
        assert!(matches!(
            permitted_addresses("h", Vec::new(), &[]),
            Err(FetchError::Temporary(_))
        ));
    }
}
