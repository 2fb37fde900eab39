//! Who may connect, judged by the address alone, before a byte is read.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::http::server::client_address::TrustedProxies;

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
    proxies: TrustedProxies,
    /// `None` permits everybody.
    permitted: Option<Vec<IpNet>>,
}

impl Admission {
    /// Permits the networks of all lists together. A list that is missing permits
    /// everybody.
    pub(crate) fn new<'a>(
        proxies: TrustedProxies,
        lists: impl IntoIterator<Item = Option<&'a Vec<IpNet>>>,
    ) -> Self {
        let lists: Option<Vec<_>> = lists.into_iter().collect();
        let permitted = lists.map(|lists| lists.into_iter().flatten().copied().collect());
        Self { proxies, permitted }
    }

    /// Permits everybody and trusts no proxy.
    pub(crate) fn open() -> Self {
        let proxies = TrustedProxies {
            networks: Vec::new(),
            header: String::new(),
        };
        Self::new(proxies, [None])
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
}

#[cfg(test)]
mod tests {
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
        Admission::new(proxies, lists.iter().map(Option::as_ref))
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
}
