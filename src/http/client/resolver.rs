//! Resolves the names of hosts: by `/etc/hosts`, else by DNS.
//!
//! A name in `/etc/hosts` needs no DNS at all, not even for the other family of
//! addresses. From DNS, IPv4 and IPv6 are asked for at the same time, and an answer
//! with addresses does not wait long for the other one: some servers never give it.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{GOOGLE, LookupIpStrategy, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::time::timeout;

const HOSTS: &str = "/etc/hosts";

/// How long the answer for one family is waited for once the other has addresses.
/// Whoever connects needs both of them if one does not work (RFC 8305, section 3).
const PATIENCE: Duration = Duration::from_millis(300);

/// Addresses of one family.
type Found = Result<Vec<IpAddr>, NetError>;

/// Resolves names. Clones share what DNS has answered.
#[derive(Debug, Clone, Default)]
pub(crate) struct HostResolver(Arc<OnceLock<Families>>);

/// DNS for each family. They are made within the runtime, when they are needed.
#[derive(Debug)]
struct Families {
    v4: TokioResolver,
    v6: TokioResolver,
}

impl HostResolver {
    /// The addresses of a host, IPv6 first.
    ///
    /// # Errors
    /// When `/etc/hosts` does not have it and DNS has no answer.
    pub(crate) async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, NetError> {
        // Without the file there is DNS. It is small, so reading it does not block.
        let hosts = std::fs::read(HOSTS).unwrap_or_default();
        let listed = listed(&String::from_utf8_lossy(&hosts), host);
        if !listed.is_empty() {
            return Ok(listed);
        }
        let Families { v4, v6 } = self.families()?;
        let (v4, v6) = (lookup(v4, host), lookup(v6, host));
        tokio::pin!(v4, v6);
        let (v6, v4) = tokio::select! {
            found = &mut v6 => {
                let other = second(&found, v4).await;
                (found, other)
            }
            found = &mut v4 => {
                let other = second(&found, v6).await;
                (other, found)
            }
        };
        both(v6, v4)
    }

    fn families(&self) -> Result<&Families, NetError> {
        if let Some(families) = self.0.get() {
            return Ok(families);
        }
        let families = Families {
            v4: resolver(LookupIpStrategy::Ipv4Only)?,
            v6: resolver(LookupIpStrategy::Ipv6Only)?,
        };
        Ok(self.0.get_or_init(|| families))
    }
}

impl Resolve for HostResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let found = resolver.addresses(name.as_str()).await?;
            // The port is replaced by that of the URL.
            let addresses = found.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

/// DNS as `/etc/resolv.conf` has it; without one, a public server.
fn resolver(strategy: LookupIpStrategy) -> Result<TokioResolver, NetError> {
    let public = || {
        let config = ResolverConfig::udp_and_tcp(&GOOGLE);
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    let mut builder = TokioResolver::builder_tokio().unwrap_or_else(|_| public());
    builder.options_mut().ip_strategy = strategy;
    builder.build()
}

async fn lookup(resolver: &TokioResolver, host: &str) -> Found {
    let found = resolver.lookup_ip(host).await?;
    Ok(found.iter().collect())
}

/// The second answer, which is waited for as long as the first one was in vain, or
/// for a short time.
async fn second(first: &Found, other: impl Future<Output = Found>) -> Found {
    if first.as_ref().map_or(true, Vec::is_empty) {
        return other.await;
    }
    timeout(PATIENCE, other).await.unwrap_or(Ok(Vec::new()))
}

/// The addresses of both families.
fn both(v6: Found, v4: Found) -> Result<Vec<IpAddr>, NetError> {
    match (v6, v4) {
        (Ok(v6), Ok(v4)) => Ok([v6, v4].concat()),
        (Ok(found), Err(_)) | (Err(_), Ok(found)) if !found.is_empty() => Ok(found),
        (_, Err(error)) | (Err(error), _) => Err(error),
    }
}

/// The addresses of a host in the text of `/etc/hosts` (hosts(5)), IPv6 first.
fn listed(hosts: &str, host: &str) -> Vec<IpAddr> {
    let host = host.trim_end_matches('.');
    let named = hosts.lines().filter_map(|line| {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let address: IpAddr = words.next()?.parse().ok()?;
        words
            .any(|name| name.eq_ignore_ascii_case(host))
            .then_some(address)
    });
    let (v6, v4): (Vec<_>, Vec<_>) = named.partition(IpAddr::is_ipv6);
    [v6, v4].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_file_is_read_as_hosts_5_has_it() {
        let hosts = "# comment\n127.0.0.1\tlocalhost\n::1 localhost ip6-localhost\n\
             192.0.2.1 sms.example.com sms # 192.0.2.9 other\n192.0.2.2 SMS\n\n\
             2001:db8::1 sms\nnonsense sms\n192.0.2.3\n";
        for (host, expected) in [
            ("localhost", &["::1", "127.0.0.1"][..]),
            ("Sms.Example.COM", &["192.0.2.1"]),
            ("sms.", &["2001:db8::1", "192.0.2.1", "192.0.2.2"]),
            ("example.com", &[]),
            ("other", &[]),
            ("", &[]),
        ] {
            let found: Vec<_> = listed(hosts, host).iter().map(IpAddr::to_string).collect();
            assert_eq!(found, expected, "{host}");
        }
    }
}
