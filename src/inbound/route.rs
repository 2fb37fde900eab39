//! Which interface is a request for? Decided by the client's address and the
//! path.

use std::net::IpAddr;

use crate::config::Incoming;

/// Why a request is for no interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRoute {
    /// No interface of that path, or none at all, permits the address.
    Address,
    /// No interface has that path.
    Path,
}

/// The interface that a request is for. The path is compared as it came, byte
/// for byte and without the query: what is encoded or has a slash more is
/// another path.
///
/// When several interfaces permit the address and the path, those that name
/// the path come before those that take any, then those that name the address;
/// then the last one in the file, as in the reference.
///
/// # Errors
/// Whether address or path was wrong.
pub fn route<'a>(
    client: IpAddr,
    path: &str,
    interfaces: &'a [Incoming],
) -> Result<&'a Incoming, NoRoute> {
    let permitted = |incoming: &&Incoming| permits(incoming, client);
    let here = || {
        interfaces
            .iter()
            .filter(|incoming| has_path(incoming, path))
    };
    let found = here()
        .filter(permitted)
        .max_by_key(|incoming| (incoming.paths.is_some(), incoming.permitted.is_some()));
    found.ok_or_else(|| {
        if interfaces.iter().any(|incoming| permits(incoming, client)) && here().next().is_none() {
            NoRoute::Path
        } else {
            NoRoute::Address
        }
    })
}

fn permits(incoming: &Incoming, client: IpAddr) -> bool {
    incoming
        .permitted
        .as_ref()
        .is_none_or(|networks| networks.iter().any(|network| network.contains(&client)))
}

fn has_path(incoming: &Incoming, path: &str) -> bool {
    incoming
        .paths
        .as_ref()
        .is_none_or(|paths| paths.iter().any(|configured| configured == path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::InterfaceName;

    fn interface(name: &str, permitted: &[&str], paths: &[&str]) -> Incoming {
        Incoming {
            interface: InterfaceName::parse(name).unwrap(),
            permitted: (!permitted.is_empty()).then(|| {
                permitted
                    .iter()
                    .map(|network| network.parse().unwrap())
                    .collect()
            }),
            paths: (!paths.is_empty())
                .then(|| paths.iter().map(|path| (*path).to_owned()).collect()),
            key_to: "To".to_owned(),
            key_from: "From".to_owned(),
            key_body: "Body".to_owned(),
            key_id: Some("Id".to_owned()),
            dedupe_lifetime: std::time::Duration::from_secs(60),
            key_echo: None,
            acknowledgement: String::new(),
        }
    }

    fn routed(interfaces: &[Incoming], client: &str, path: &str) -> Result<String, NoRoute> {
        route(client.parse().unwrap(), path, interfaces)
            .map(|incoming| incoming.interface.as_str().to_owned())
    }

    #[test]
    fn path_is_compared_byte_for_byte() {
        let interfaces = [interface("a", &[], &["/hook/1", "/hook/2"])];
        for (path, found) in [
            ("/hook/1", true),
            ("/hook/2", true),
            ("/hook/1/", false),
            ("/hook%2f1", false),
            ("/hook//1", false),
            ("/hook/../hook/1", false),
            ("/HOOK/1", false),
            ("/hook/10", false),
            ("/", false),
            ("", false),
        ] {
            let expected = if found {
                Ok("a".to_owned())
            } else {
                Err(NoRoute::Path)
            };
            assert_eq!(routed(&interfaces, "192.0.2.1", path), expected, "{path}");
        }
    }

    #[test]
    fn address_of_one_provider_reaches_no_other() {
        let interfaces = [
            interface("a", &["192.0.2.0/24"], &["/a"]),
            interface("b", &["198.51.100.0/24"], &["/b"]),
        ];
        for (client, path, expected) in [
            ("192.0.2.1", "/a", Ok("a")),
            ("198.51.100.1", "/b", Ok("b")),
            ("192.0.2.1", "/b", Err(NoRoute::Address)),
            ("198.51.100.1", "/a", Err(NoRoute::Address)),
            ("192.0.2.1", "/c", Err(NoRoute::Path)),
            ("203.0.113.1", "/a", Err(NoRoute::Address)),
            // Who may post nothing learns nothing about paths.
            ("203.0.113.1", "/c", Err(NoRoute::Address)),
        ] {
            let expected = expected.map(str::to_owned);
            assert_eq!(
                routed(&interfaces, client, path),
                expected,
                "{client} {path}"
            );
        }
    }

    #[test]
    fn more_particular_interface_comes_first() {
        let interfaces = [
            interface("path", &[], &["/a"]),
            interface("address", &["192.0.2.0/24"], &[]),
            interface("any", &[], &[]),
        ];
        assert_eq!(routed(&interfaces, "192.0.2.1", "/a").unwrap(), "path");
        assert_eq!(routed(&interfaces, "192.0.2.1", "/b").unwrap(), "address");
        assert_eq!(routed(&interfaces, "203.0.113.1", "/b").unwrap(), "any");
        let same = [interface("first", &[], &[]), interface("last", &[], &[])];
        assert_eq!(routed(&same, "192.0.2.1", "/").unwrap(), "last");
    }
}
