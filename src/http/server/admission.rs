//! Who may connect, judged by the address alone, before a byte is read.

use std::net::IpAddr;

use hyper::HeaderMap;
use ipnet::IpNet;

use crate::http::server::client_address::{TrustedProxies, network};

/// What a peer is to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PeerClass {
    /// Its address is permitted.
    Known,
    /// A trusted proxy: the client's address is in its requests.
    Proxy,
    /// Whatever it asks for, it would be refused for its address.
    Stranger,
}

/// The networks that a server judges addresses by.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    /// The section of `websms.conf` that has the permitted networks.
    section: &'static str,
    proxies: TrustedProxies,
    /// `None` permits everybody.
    permitted: Option<Vec<IpNet>>,
}

impl Admission {
    /// Permits the networks of all lists together. A list that is missing permits
    /// everybody.
    pub(crate) fn new<'a>(
        section: &'static str,
        proxies: TrustedProxies,
        lists: impl IntoIterator<Item = Option<&'a Vec<IpNet>>>,
    ) -> Self {
        let lists: Option<Vec<_>> = lists.into_iter().collect();
        let permitted = lists.map(|lists| lists.into_iter().flatten().copied().collect());
        Self {
            section,
            proxies,
            permitted,
        }
    }

    /// Permits everybody and trusts no proxy.
    pub(crate) fn open() -> Self {
        let proxies = TrustedProxies {
            networks: Vec::new(),
            header: String::new(),
        };
        Self::new("", proxies, [None])
    }

    pub(crate) fn section(&self) -> &'static str {
        self.section
    }

    pub(crate) fn classify(&self, peer: IpAddr) -> PeerClass {
        let address = peer.to_canonical();
        let contains = |networks: &Vec<IpNet>| networks.iter().any(|it| it.contains(&address));
        if self.proxies.trust(peer) {
            PeerClass::Proxy
        } else if self.permitted.as_ref().is_none_or(contains) {
            PeerClass::Known
        } else {
            PeerClass::Stranger
        }
    }

    /// Whose connections are counted, if they are: neither those of proxies, which
    /// carry everybody's requests, nor those of this machine, where a proxy that is
    /// not named may run.
    pub(crate) fn counted(&self, peer: IpAddr) -> Option<IpAddr> {
        let is_exempt = peer.to_canonical().is_loopback() || self.proxies.trust(peer);
        (!is_exempt).then(|| network(peer))
    }

    /// Whose request a proxy hands on, if it is to be counted. An address that
    /// cannot be read is left to the handler, which refuses it.
    pub(crate) fn proxied(&self, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        if !self.proxies.trust(peer) {
            return None;
        }
        self.counted(self.proxies.client(peer, headers).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn networks(list: &[&str]) -> Vec<IpNet> {
        list.iter().map(|it| it.parse().unwrap()).collect()
    }

    fn admission(lists: &[Option<&[&str]>]) -> Admission {
        let proxies = TrustedProxies {
            networks: networks(&["10.0.0.0/8"]),
            header: "x-forwarded-for".to_owned(),
        };
        let lists: Vec<_> = lists.iter().map(|list| list.map(networks)).collect();
        Admission::new("[websmsd]", proxies, lists.iter().map(Option::as_ref))
    }

    #[test]
    fn peer_that_no_list_permits_is_a_stranger() {
        use PeerClass::{Known, Proxy, Stranger};
        let both: &[Option<&[&str]>] = &[Some(&["192.0.2.0/24"]), Some(&["2001:db8::/32"])];
        let open: &[Option<&[&str]>] = &[Some(&["192.0.2.0/24"]), None];
        for (lists, peer, expected) in [
            (both, "192.0.2.1", Known),
            (both, "::ffff:192.0.2.1", Known),
            (both, "2001:db8::1", Known),
            (both, "10.1.1.1", Proxy),
            (both, "::ffff:10.1.1.1", Proxy),
            (both, "198.51.100.1", Stranger),
            (both, "127.0.0.1", Stranger),
            (both, "2001:dead::1", Stranger),
            (open, "198.51.100.1", Known),
            (open, "10.1.1.1", Proxy),
            // No interface, nobody to post to.
            (&[], "192.0.2.1", Stranger),
        ] {
            let peer = peer.parse().unwrap();
            assert_eq!(admission(lists).classify(peer), expected, "{peer}");
        }
        assert_eq!(Admission::open().classify([10, 1, 1, 1].into()), Known);
    }

    #[test]
    fn connections_are_counted_by_network_and_not_those_of_proxies() {
        let admission = admission(&[None]);
        let counted = |peer: &str| {
            let counted = admission.counted(peer.parse().unwrap());
            counted.map(|network| network.to_string())
        };
        for (peer, expected) in [
            ("192.0.2.1", Some("192.0.2.1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("2001:db8::1:2", Some("2001:db8::")),
            ("10.1.1.1", None),
            ("127.0.0.9", None),
            ("::1", None),
        ] {
            assert_eq!(counted(peer).as_deref(), expected, "{peer}");
        }
    }

    #[test]
    fn request_behind_a_proxy_counts_for_its_client() {
        let admission = admission(&[None]);
        for (peer, header, expected) in [
            ("10.0.0.1", "192.0.2.1", Some("192.0.2.1")),
            ("10.0.0.1", "192.0.2.1, 10.0.0.2", Some("192.0.2.1")),
            ("10.0.0.1", "127.0.0.1", None),
            ("10.0.0.1", "unknown", None),
            ("198.51.100.1", "192.0.2.1", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", HeaderValue::from_str(header).unwrap());
            let counted = admission.proxied(peer.parse().unwrap(), &headers);
            let counted = counted.map(|network| network.to_string());
            assert_eq!(counted.as_deref(), expected, "{peer} {header}");
        }
    }
}
