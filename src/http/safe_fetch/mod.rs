//! Requests to URLs that a stranger has chosen, protected against server-side
//! request forgery.
//!
//! A URL in a message could lead anywhere: into our own network, to the metadata
//! service of a cloud, and by redirects elsewhere. So the addresses that are really
//! connected to are checked, again after each redirect. [`mod@address`] defines which
//! addresses are allowed, [`redirects`] follows redirects and decides who gets
//! credentials, [`failure`] whether another attempt makes sense.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

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
use crate::http::client::resolver::HostResolver;
use crate::logging::chain;
use failure::{FetchError, FetchStatus, classify};
use redirects::RedirectChain;

/// For name resolution, and for connection and TLS together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// An HTTP client that connects to allowed addresses only.
#[derive(Debug, Clone)]
pub(crate) struct SafeClient {
    /// Private networks that are allowed besides public addresses.
    pub permitted: Vec<IpNet>,
    pub tls: ClientConfig,
}

impl SafeClient {
    /// Requests a URL and follows redirects. The body of the response is still to
    /// be read.
    ///
    /// For each request `credentials` returns the header with credentials, if the
    /// host may get them; it is called with the redirects so far and whether all
    /// addresses of the host are permitted private ones.
    ///
    /// # Errors
    /// When an address is not allowed, there is no response, or its status is not
    /// 2xx.
    pub(crate) async fn get(
        &self,
        url: &str,
        credentials: &(impl Fn(&RedirectChain, bool) -> Option<(HeaderName, String)> + Sync),
    ) -> Result<Response, FetchError> {
        let mut redirects = RedirectChain::start(url)?;
        loop {
            let response = self.request(&redirects, credentials).await?;
            match classify(response.status().as_u16()) {
                FetchStatus::Found => return Ok(response),
                FetchStatus::Redirected => redirects.follow(location(&response)?)?,
                FetchStatus::Failed(error) => return Err(error),
            }
        }
    }

    /// Requests the last URL of a chain.
    async fn request(
        &self,
        redirects: &RedirectChain,
        credentials: &(impl Fn(&RedirectChain, bool) -> Option<(HeaderName, String)> + Sync),
    ) -> Result<Response, FetchError> {
        let resolved = resolve(redirects).await?;
        let addresses = allowed_addresses(redirects.host(), resolved, &self.permitted)?;
        let is_private = addresses
            .iter()
            .all(|address| address::is_permitted(*address, &self.permitted));
        let url = redirects.url().clone();
        let client = self.client(addresses)?;
        let request = match credentials(redirects, is_private) {
            Some((name, value)) => client
                .get(without_user(url))
                .header(name, value.into_bytes()),
            None => client.get(url),
        };
        request
            .send()
            .await
            .map_err(|error| transport_error(&error))
    }

    /// A client that connects to these addresses, whatever the host. A proxy would
    /// resolve the host itself, so none is used.
    fn client(&self, addresses: Vec<IpAddr>) -> Result<Client, FetchError> {
        client::builder(self.tls.clone())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .dns_resolver(Arc::new(PinnedResolver(addresses)))
            .build()
            .map_err(|error| transport_error(&error))
    }
}

/// Resolves every name to these addresses.
struct PinnedResolver(Vec<IpAddr>);

impl Resolve for PinnedResolver {
    fn resolve(&self, _name: Name) -> Resolving {
        // reqwest replaces port 0 by that of the URL.
        let addresses = self.0.iter().map(|address| SocketAddr::new(*address, 0));
        let addresses: Addrs = Box::new(addresses.collect::<Vec<_>>().into_iter());
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

/// The addresses of the last URL's host.
async fn resolve(redirects: &RedirectChain) -> Result<Vec<IpAddr>, FetchError> {
    if let Some(address) = redirects.address() {
        return Ok(vec![address]);
    }
    let host = redirects.host();
    let failed = |error: &dyn Error| {
        FetchError::Temporary(format!("failed to look up {host}: {}", chain(error)))
    };
    let resolver = HostResolver::default();
    let found = timeout(CONNECT_TIMEOUT, resolver.addresses(host)).await;
    let found = found.map_err(|error| failed(&error))?;
    found.map_err(|error| failed(&error))
}

/// The allowed ones of a host's addresses.
fn allowed_addresses(
    host: &str,
    resolved: Vec<IpAddr>,
    permitted: &[IpNet],
) -> Result<Vec<IpAddr>, FetchError> {
    let (allowed, refused): (Vec<_>, Vec<_>) = resolved
        .into_iter()
        .partition(|address| address::is_allowed(*address, permitted));
    match (allowed.is_empty(), refused.first()) {
        (false, _) => Ok(allowed),
        (true, Some(refused)) => Err(FetchError::Permanent(format!(
            "{host} has the address {refused}, which is not public and not in media_permit_addr"
        ))),
        (true, None) => Err(FetchError::Temporary(format!("{host} has no address"))),
    }
}

fn location(response: &Response) -> Result<&str, FetchError> {
    let location = response.headers().get(LOCATION);
    let location = location.and_then(|location| location.to_str().ok());
    location.ok_or_else(|| FetchError::permanent("redirect without a usable Location"))
}

/// The URL without user and password, which would be credentials as well.
fn without_user(mut url: Url) -> Url {
    // This fails only for URLs without a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

/// The error for a request without response, which a later attempt may get.
pub(crate) fn transport_error(error: &reqwest::Error) -> FetchError {
    FetchError::Temporary(client::error_chain(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_with_public_and_private_addresses_is_connected_to_at_the_public_ones() {
        let addresses = |list: &[&str]| -> Vec<IpAddr> {
            list.iter()
                .map(|address| address.parse().unwrap())
                .collect()
        };
        let mixed = addresses(&["127.0.0.1", "1.1.1.1", "::1"]);
        assert_eq!(
            allowed_addresses("h", mixed, &[]),
            Ok(addresses(&["1.1.1.1"]))
        );
        let private = addresses(&["10.0.0.1", "::1"]);
        let permitted = ["10.0.0.0/8".parse().unwrap()];
        let found = allowed_addresses("h", private.clone(), &permitted);
        assert_eq!(found, Ok(addresses(&["10.0.0.1"])));
        assert!(matches!(
            allowed_addresses("h", private, &[]),
            Err(FetchError::Permanent(_))
        ));
        assert!(matches!(
            allowed_addresses("h", Vec::new(), &[]),
            Err(FetchError::Temporary(_))
        ));
    }
}
