//! Which interface is a request for? Decided by the client's address and the
//! path.

use std::net::IpAddr;

use crate::config::{IncomingInterface, TOKEN};

/// Why a request is for no interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoEndpoint {
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
pub(crate) fn find<'a>(
    client: IpAddr,
    path: &str,
    interfaces: &'a [IncomingInterface],
) -> Result<&'a IncomingInterface, NoEndpoint> {
    let permitted = |incoming: &&IncomingInterface| permits(incoming, client);
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
            NoEndpoint::Path
        } else {
            NoEndpoint::Address
        }
    })
}

fn permits(incoming: &IncomingInterface, client: IpAddr) -> bool {
    incoming
        .permitted
        .as_ref()
        .is_none_or(|networks| networks.iter().any(|network| network.contains(&client)))
}

fn has_path(incoming: &IncomingInterface, path: &str) -> bool {
    incoming.paths.as_ref().is_none_or(|paths| {
        paths
            .iter()
            .any(|configured| matches_template(configured, path))
    })
}

/// Whether a path is the configured one; in the place of the token anything may
/// stand, which is looked at later.
fn matches_template(configured: &str, path: &str) -> bool {
    if !configured.contains(TOKEN) {
        return configured == path;
    }
    let (configured, path) = (configured.split('/'), path.split('/'));
    configured.clone().count() == path.clone().count()
        && configured
            .zip(path)
            .all(|(configured, given)| configured == TOKEN || configured == given)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn interface(name: &str, permitted: &[&str], paths: &[&str]) -> IncomingInterface {
        let token = if paths.iter().any(|path| path.contains(TOKEN)) {
            "auth = token\nauth_place = path\nauth_secret = s"
        } else {
            ""
        };
        let text = format!(
            "[websmsd]\nkey_to [{name}] = To\npermit_addr = {}\nrequest_uri = {}\n{token}\n",
            permitted.join(","),
            paths.join(",")
        );
        let parsed = config::parse("websms.conf".as_ref(), &text, &|_, _| Ok(None));
        parsed.unwrap().0.incoming.remove(0)
    }

    fn routed(
        interfaces: &[IncomingInterface],
        client: &str,
        path: &str,
    ) -> Result<String, NoEndpoint> {
        find(client.parse().unwrap(), path, interfaces)
            .map(|incoming| incoming.interface.as_str().to_owned())
    }

    #[test]
    fn anything_may_stand_in_the_place_of_a_token() {
        let interfaces = [interface("a", &[], &["/hook/{token}/in"])];
        for (path, found) in [
            ("/hook/x/in", true),
            ("/hook//in", true),
            ("/hook/x/y/in", false),
            ("/hook/x", false),
            ("/hook/x/out", false),
        ] {
            assert_eq!(
                routed(&interfaces, "192.0.2.1", path).is_ok(),
                found,
                "{path}"
            );
        }
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
                Err(NoEndpoint::Path)
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
            ("192.0.2.1", "/b", Err(NoEndpoint::Address)),
            ("198.51.100.1", "/a", Err(NoEndpoint::Address)),
            ("192.0.2.1", "/c", Err(NoEndpoint::Path)),
            ("203.0.113.1", "/a", Err(NoEndpoint::Address)),
            // Who may post nothing learns nothing about paths.
            ("203.0.113.1", "/c", Err(NoEndpoint::Address)),
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
