//! A configured interface of `[websmsd]` with its secrets, and which one a
//! request is for.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::config::{EchoSecret, IncomingInterface, WebhookAuth};
use crate::inbound::path_template;
use crate::secret::stored::StoredSecret;
use crate::secret::{Secret, SecretError};

/// An interface that messages come in on.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub settings: IncomingInterface,
    auth: Option<WebhookAuth<StoredSecret>>,
    challenge: Option<(String, StoredSecret)>,
}

impl Endpoint {
    /// Resolves the secrets of an interface.
    ///
    /// # Errors
    /// When one cannot be read, or is empty.
    pub(crate) fn new(settings: IncomingInterface) -> Result<Self, SecretError> {
        let auth = settings.auth.as_ref();
        let auth = auth.map(|auth| auth.try_map(StoredSecret::nonempty));
        let challenge = settings.echo_secret.as_ref();
        let challenge = challenge.map(|EchoSecret { parameter, secret }| {
            Ok((parameter.clone(), StoredSecret::nonempty(secret)?))
        });
        Ok(Self {
            auth: auth.transpose()?,
            challenge: challenge.transpose()?,
            settings,
        })
    }

    /// How its requests are authenticated, with the secrets as they are now; `None`
    /// when the address is enough.
    pub(crate) fn auth(&self) -> Option<WebhookAuth<Secret>> {
        let auth = self.auth.as_ref();
        auth.map(|auth| auth.map(StoredSecret::current))
    }

    /// The query parameter of an echo challenge, and the secret it must hold.
    pub(crate) fn challenge(&self) -> Option<(&str, Secret)> {
        let (parameter, secret) = self.challenge.as_ref()?;
        Some((parameter, secret.current()))
    }

    /// The part of the path in the place of the token.
    pub(crate) fn token<'a>(&self, path: &'a str) -> Option<&'a str> {
        let mut templates = self.settings.paths.iter().flatten();
        templates.find_map(|template| path_template::matched(template, path)?.token)
    }

    /// The networks that may post; `None` is everybody.
    pub(crate) fn permitted(&self) -> Option<&Vec<IpNet>> {
        self.settings.permitted.as_ref()
    }

    fn permits(&self, client: IpAddr) -> bool {
        let permitted = self.permitted();
        permitted.is_none_or(|networks| networks.iter().any(|network| network.contains(&client)))
    }

    fn has_path(&self, path: &str) -> bool {
        let is_it = |template: &String| path_template::matched(template, path).is_some();
        let paths = self.settings.paths.as_ref();
        paths.is_none_or(|paths| paths.iter().any(is_it))
    }
}

/// Why no interface takes a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoEndpoint {
    /// No interface with that path, or none at all, permits the address.
    Address,
    /// No interface has that path.
    Path,
}

/// Finds the interface that a request is for. The path is compared byte for byte
/// and without the query: another encoding or a further slash makes another path.
///
/// When several interfaces permit the address and the path, those that name the
/// path come before those that take any, then those that name the address; then
/// the last one in the file, as in the PHP WebSMS.
///
/// # Errors
/// Whether address or path was wrong.
pub(crate) fn find<'a>(
    client: IpAddr,
    path: &str,
    endpoints: &'a [Endpoint],
) -> Result<&'a Endpoint, NoEndpoint> {
    let with_path = || endpoints.iter().filter(|endpoint| endpoint.has_path(path));
    let found = with_path()
        .filter(|endpoint| endpoint.permits(client))
        .max_by_key(|Endpoint { settings, .. }| {
            (settings.paths.is_some(), settings.permitted.is_some())
        });
    found.ok_or_else(|| {
        let is_permitted = endpoints.iter().any(|endpoint| endpoint.permits(client));
        if is_permitted && with_path().next().is_none() {
            NoEndpoint::Path
        } else {
            NoEndpoint::Address
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, TOKEN};
    use crate::http::server::admission::{Admission, PeerClass};
    use crate::http::server::client_address::TrustedProxies;

    fn endpoint(name: &str, permitted: &[&str], paths: &[&str]) -> Endpoint {
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
        Endpoint::new(parsed.unwrap().0.incoming.remove(0)).unwrap()
    }

    fn found(endpoints: &[Endpoint], client: &str, path: &str) -> Result<String, NoEndpoint> {
        find(client.parse().unwrap(), path, endpoints)
            .map(|endpoint| endpoint.settings.interface.as_str().to_owned())
    }

    #[test]
    fn token_is_read_from_the_path() {
        let endpoint = endpoint("a", &[], &["/{token}/out", "/hook/{token}/in"]);
        assert_eq!(endpoint.token("/hook/x/in"), Some("x"));
        assert_eq!(endpoint.token("/y/out"), Some("y"));
        assert_eq!(endpoint.token("/hook/x/other"), None);
    }

    #[test]
    fn unknown_path_is_not_found() {
        let endpoints = [endpoint("a", &[], &["/hook/1", "/hook/2"])];
        for path in ["/hook/1", "/hook/2"] {
            assert_eq!(found(&endpoints, "192.0.2.1", path), Ok("a".to_owned()));
        }
        for path in ["/hook/1/", "/hook/3", "/", ""] {
            let result = found(&endpoints, "192.0.2.1", path);
            assert_eq!(result, Err(NoEndpoint::Path), "{path}");
        }
    }

    #[test]
    fn address_of_one_provider_reaches_no_other_interface() {
        let endpoints = [
            endpoint("a", &["192.0.2.0/24"], &["/a"]),
            endpoint("b", &["198.51.100.0/24"], &["/b"]),
        ];
        for (client, path, expected) in [
            ("192.0.2.1", "/a", Ok("a")),
            ("198.51.100.1", "/b", Ok("b")),
            ("192.0.2.1", "/b", Err(NoEndpoint::Address)),
            ("198.51.100.1", "/a", Err(NoEndpoint::Address)),
            ("192.0.2.1", "/c", Err(NoEndpoint::Path)),
            ("203.0.113.1", "/a", Err(NoEndpoint::Address)),
            // An address that is not permitted learns nothing about paths.
            ("203.0.113.1", "/c", Err(NoEndpoint::Address)),
        ] {
            let expected = expected.map(str::to_owned);
            assert_eq!(found(&endpoints, client, path), expected, "{client} {path}");
        }
    }

    /// Who is turned away before a request is read would be refused for any path.
    #[test]
    fn stranger_is_whom_no_interface_permits() {
        let lists: [&[&[&str]]; 4] = [
            &[],
            &[&[]],
            &[&["192.0.2.0/24"], &["198.51.100.0/24", "2001:db8::/32"]],
            &[&["192.0.2.0/24"], &[]],
        ];
        for lists in lists {
            let endpoints: Vec<_> = lists.iter().map(|list| endpoint("a", list, &[])).collect();
            let proxies = TrustedProxies {
                networks: Vec::new(),
                header: String::new(),
            };
            let admission = Admission::new(
                "[websmsd]",
                proxies,
                endpoints.iter().map(Endpoint::permitted),
            );
            for client in [
                "192.0.2.1",
                "198.51.100.1",
                "2001:db8::1",
                "203.0.113.1",
                "::1",
            ] {
                let client: IpAddr = client.parse().unwrap();
                let refused = find(client, "/", &endpoints).is_err();
                let stranger = admission.classify(client) == PeerClass::Stranger;
                assert_eq!(stranger, refused, "{client} {lists:?}");
            }
        }
    }

    #[test]
    fn more_specific_interface_comes_first() {
        let endpoints = [
            endpoint("path", &[], &["/a"]),
            endpoint("address", &["192.0.2.0/24"], &[]),
            endpoint("any", &[], &[]),
        ];
        assert_eq!(found(&endpoints, "192.0.2.1", "/a").unwrap(), "path");
        assert_eq!(found(&endpoints, "192.0.2.1", "/b").unwrap(), "address");
        assert_eq!(found(&endpoints, "203.0.113.1", "/b").unwrap(), "any");
        let same = [endpoint("first", &[], &[]), endpoint("last", &[], &[])];
        assert_eq!(found(&same, "192.0.2.1", "/").unwrap(), "last");
    }
}
