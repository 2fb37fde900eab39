//! Finds the client's address: the TCP peer, or what trusted proxies say.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use hyper::HeaderMap;
use ipnet::IpNet;

/// The header of RFC 7239; every other one holds a list of addresses.
const FORWARDED: &str = "forwarded";

/// The proxies that are trusted to name the client, and the header they use.
#[derive(Debug, Clone)]
pub(crate) struct TrustedProxies {
    pub networks: Vec<IpNet>,
    /// In lower case.
    pub header: String,
}

impl TrustedProxies {
    /// The address of the client that a request came from.
    ///
    /// # Errors
    /// When a trusted proxy sends an entry that is not an address.
    pub(crate) fn client(
        &self,
        peer: IpAddr,
        headers: &HeaderMap,
    ) -> Result<IpAddr, MalformedProxyHeader> {
        let lines = headers.get_all(&self.header).iter();
        // Bytes that are not text are not an address either.
        let lines: Vec<_> = lines.map(|line| line.to_str().unwrap_or("?")).collect();
        client_address(peer, &self.header, &lines, &self.networks)
    }

    /// Whether the peer is a trusted proxy.
    pub(crate) fn trust(&self, peer: IpAddr) -> bool {
        is_trusted(peer.to_canonical(), &self.networks)
    }
}

/// The network that an address belongs to, as far as connections are counted: one
/// host has the 2^64 addresses of its IPv6 network. IPv4 addresses written as IPv6
/// are IPv4 addresses.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) if address.is_loopback() => IpAddr::V6(address),
        IpAddr::V6(address) => {
            let network = u128::from(address) >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from(network))
        }
    }
}

/// Walks the lines of the proxy header, which are in the order of the request,
/// from the right: each entry was written by the proxy whose address stands to
/// the right of it, and the rightmost one by the peer. The first address that is
/// not a trusted proxy is the client; if all are trusted, the leftmost is.
///
/// An entry that is not an address (`unknown`, `_hidden`, nothing) is an error:
/// guessing would let in everybody who can write it.
fn client_address(
    peer: IpAddr,
    header_name: &str,
    header: &[&str],
    proxies: &[IpNet],
) -> Result<IpAddr, MalformedProxyHeader> {
    let mut client = peer.to_canonical();
    for line in header.iter().rev() {
        for entry in line.rsplit(',') {
            if !is_trusted(client, proxies) {
                return Ok(client);
            }
            client = if header_name == FORWARDED {
                forwarded_for(entry)
            } else {
                parse_address(entry)
            }
            .ok_or_else(|| MalformedProxyHeader(entry.chars().take(60).collect()))?;
        }
    }
    Ok(client)
}

fn is_trusted(address: IpAddr, proxies: &[IpNet]) -> bool {
    proxies.iter().any(|network| network.contains(&address))
}

/// The `for` parameter of one element (RFC 7239, section 4). Quoted strings
/// with commas or semicolons in them do not occur in addresses.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut values = element.split(';').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("for")
            .then_some(value.trim())
    });
    let value = values.next()?;
    // A second one may come from the client.
    if values.next().is_some() {
        return None;
    }
    let unquoted = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'));
    parse_address(unquoted.unwrap_or(value))
}

/// An address, perhaps with a port, IPv6 perhaps in brackets.
fn parse_address(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim();
    let bracketed = entry
        .strip_prefix('[')
        .and_then(|entry| entry.strip_suffix(']'));
    let parsed = match bracketed {
        Some(inner) => inner.parse().ok().filter(IpAddr::is_ipv6),
        None => entry
            .parse()
            .or_else(|_| entry.parse().map(|socket: SocketAddr| socket.ip()))
            .ok(),
    };
    parsed.map(|address: IpAddr| address.to_canonical())
}

/// An entry of the proxy header that is not an address. The proxy's
/// administrator must make it send addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("find the client's address: {0:?} in the proxy header is not an address")]
pub(crate) struct MalformedProxyHeader(String);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const XFF: &str = "x-forwarded-for";

    fn networks(list: &[&str]) -> Vec<IpNet> {
        list.iter()
            .map(|network| network.parse().unwrap())
            .collect()
    }

    fn client(peer: &str, name: &str, header: &[&str]) -> Option<String> {
        let proxies = networks(&["10.0.0.0/8", "2001:db8::/32"]);
        client_address(peer.parse().unwrap(), name, header, &proxies)
            .ok()
            .map(|address| address.to_string())
    }

    #[test]
    fn client_is_the_rightmost_address_that_is_not_a_proxy() {
        for (peer, header, expected) in [
            ("198.51.100.1", &["203.0.113.9"][..], Some("198.51.100.1")),
            ("10.0.0.1", &["203.0.113.9"], Some("203.0.113.9")),
            ("10.0.0.1", &["1.1.1.1, 203.0.113.9"], Some("203.0.113.9")),
            ("10.0.0.1", &["203.0.113.9, 10.0.0.2"], Some("203.0.113.9")),
            (
                "10.0.0.1",
                &["1.1.1.1", "203.0.113.9, 10.0.0.2"],
                Some("203.0.113.9"),
            ),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], Some("10.0.0.3")),
            ("10.0.0.1", &[], Some("10.0.0.1")),
            ("::ffff:10.0.0.1", &["203.0.113.9"], Some("203.0.113.9")),
            ("10.0.0.1", &["::ffff:203.0.113.9"], Some("203.0.113.9")),
            ("2001:db8::1", &["2001:dead::1"], Some("2001:dead::1")),
            // The rest of the list comes from the client, and is ignored.
            ("10.0.0.1", &["garbage, 203.0.113.9"], Some("203.0.113.9")),
            ("198.51.100.1", &["garbage"], Some("198.51.100.1")),
        ] {
            assert_eq!(
                client(peer, XFF, header).as_deref(),
                expected,
                "{peer} {header:?}"
            );
        }
    }

    #[test]
    fn entries_may_have_ports_and_brackets() {
        for (entry, expected) in [
            ("203.0.113.9:4711", Some("203.0.113.9")),
            ("[2001:dead::1]:4711", Some("2001:dead::1")),
            ("[2001:dead::1]", Some("2001:dead::1")),
            ("2001:dead::1", Some("2001:dead::1")),
            ("  203.0.113.9\t", Some("203.0.113.9")),
            ("[203.0.113.9]", None),
            ("203.0.113.9:", None),
            ("203.0.113.9:99999", None),
            ("203.0.113", None),
            ("0203.0.113.9", None),
            ("unknown", None),
            ("_hidden", None),
            ("", None),
            ("\"203.0.113.9\"", None),
        ] {
            assert_eq!(
                client("10.0.0.1", XFF, &[entry]).as_deref(),
                expected,
                "{entry:?}"
            );
        }
    }

    #[test]
    fn forwarded_header_names_the_client_in_for() {
        for (entry, expected) in [
            ("for=203.0.113.9", Some("203.0.113.9")),
            ("For=\"[2001:dead::1]:4711\"", Some("2001:dead::1")),
            (
                "proto=https; for=203.0.113.9 ;by=10.0.0.1",
                Some("203.0.113.9"),
            ),
            (
                "for=1.1.1.1, for=203.0.113.9;by=x, for=10.0.0.2",
                Some("203.0.113.9"),
            ),
            ("for=unknown", None),
            ("for=_hidden", None),
            ("by=203.0.113.9", None),
            ("for=1.1.1.1;for=203.0.113.9", None),
            ("203.0.113.9", None),
            ("", None),
        ] {
            assert_eq!(
                client("10.0.0.1", "forwarded", &[entry]).as_deref(),
                expected,
                "{entry:?}"
            );
        }
    }

    /// What nginx does with `real_ip_recursive on`, written another way: all
    /// hops in one list, from the nearest; drop trusted ones while there is
    /// another.
    fn model(peer: IpAddr, chain: &[IpAddr], proxies: &[IpNet]) -> IpAddr {
        let hops: Vec<_> = std::iter::once(peer)
            .chain(chain.iter().rev().copied())
            .collect();
        *hops
            .iter()
            .find(|hop| !proxies.iter().any(|network| network.contains(*hop)))
            .unwrap_or(hops.last().unwrap())
    }

    fn hop() -> impl Strategy<Value = IpAddr> {
        prop_oneof![
            (0_u8..4).prop_map(|host| IpAddr::from([10, 0, 0, host])),
            (0_u8..4).prop_map(|host| IpAddr::from([203, 0, 113, host])),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn any_chain_is_walked_as_nginx_does(
            peer in hop(),
            chain in prop::collection::vec(hop(), 0..6),
            split in 0_usize..6,
        ) {
            let proxies = networks(&["10.0.0.0/8"]);
            let (left, right) = chain.split_at(split.min(chain.len()));
            let line = |part: &[IpAddr]| {
                part.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            };
            let lines: Vec<_> = [left, right]
                .into_iter()
                .filter(|part| !part.is_empty())
                .map(line)
                .collect();
            let header: Vec<_> = lines.iter().map(String::as_str).collect();
            let client = client_address(peer, XFF, &header, &proxies).unwrap();
            prop_assert_eq!(client, model(peer, &chain, &proxies));
        }

        #[test]
        fn range_contains_addresses_with_its_prefix(address in any::<u32>(), base in any::<u32>(), length in 0_u8..=32) {
            let network: IpNet = format!("{}/{length}", std::net::Ipv4Addr::from(base)).parse().unwrap();
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            let inside = address & mask == base & mask;
            let address = IpAddr::V4(address.into());
            prop_assert_eq!(is_trusted(address, &[network]), inside);
            // An IPv4 range holds no IPv6 address but the mapped one.
            let IpAddr::V4(v4) = address else { unreachable!() };
            let mapped = IpAddr::V6(v4.to_ipv6_mapped());
            prop_assert_eq!(is_trusted(mapped.to_canonical(), &[network]), inside);
        }

        #[test]
        fn ipv6_range_contains_addresses_with_its_prefix(
            address in any::<u128>(),
            flip in 0_u32..=128,
            length in 0_u8..=128,
        ) {
            // A neighbour that differs in one bit, or in none.
            let base = address ^ 1_u128.checked_shl(flip).unwrap_or(0);
            let (base, host) = (Ipv6Addr::from(base), Ipv6Addr::from(address));
            let network: IpNet = format!("{base}/{length}").parse().unwrap();
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            let inside = address & mask == u128::from(base) & mask;
            prop_assert_eq!(is_trusted(IpAddr::V6(host), &[network]), inside);
        }
    }
}
