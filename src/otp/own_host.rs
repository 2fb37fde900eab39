//! Refuses what a web page has a browser send: the browser may run on this machine,
//! or be permitted, and each code costs money.
//!
//! A page of another site shows in `Sec-Fetch-Site` or `Origin`. A page whose name
//! was made to point at our address after it was loaded shows in `Host`, which then
//! has that name. Programs send neither of the first two, and the address or name
//! that they were given as the third.

use std::net::IpAddr;

use hyper::Uri;
use hyper::header::{HOST, HeaderMap, HeaderName, ORIGIN};
use hyper::http::uri::Authority;
use thiserror::Error;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What browsers say of a request that no other site has caused: `none` is an address
/// that was typed. `same-site` is a neighbour, perhaps of another owner.
const OWN_SITES: [&str; 2] = ["none", "same-origin"];

/// Characters of a header that a message repeats at most.
const SHOWN: usize = 60;

/// Under which hosts clients reach the server.
#[derive(Debug, Clone)]
pub(crate) struct OwnHosts {
    /// Where the server listens.
    pub listen: IpAddr,
    /// `otp_host`: names in lower case and addresses, which a proxy may pass on.
    pub names: Vec<String>,
}

impl OwnHosts {
    /// Whether a request was meant for this server and not caused by another site.
    ///
    /// A request without `Host` (HTTP/1.0) is not from a browser. It is taken from
    /// this machine alone, because others have no reason to leave it out.
    ///
    /// # Errors
    /// When it was not.
    pub(crate) fn check(
        &self,
        peer: IpAddr,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<(), ForeignRequest> {
        for site in headers.get_all(SEC_FETCH_SITE) {
            let site = site.to_str().unwrap_or("?");
            if !OWN_SITES.contains(&site) {
                return Err(ForeignRequest::Site(shown(site)));
            }
        }
        let host = self.host(peer, uri, headers)?;
        for origin in headers.get_all(ORIGIN) {
            let origin = origin.to_str().unwrap_or("?");
            if !self.is_own_origin(origin, host.as_ref()) {
                return Err(ForeignRequest::Origin(shown(origin)));
            }
        }
        Ok(())
    }

    /// The host that the client has asked for, which is one of ours; `None` if it
    /// names none.
    fn host(
        &self,
        peer: IpAddr,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<Option<Host>, ForeignRequest> {
        let mut host = None;
        let lines = headers.get_all(HOST).iter();
        let lines = lines.map(|line| line.to_str().unwrap_or("?"));
        // A proxy's client may name it in the request line.
        let named = uri.authority().map(Authority::as_str);
        for line in lines.chain(named).filter(|line| !line.is_empty()) {
            let own = Host::parse(line).filter(|host| self.is_own(&host.name));
            let own = own.ok_or_else(|| ForeignRequest::Host(shown(line)))?;
            if host.as_ref().is_some_and(|first| *first != own) {
                return Err(ForeignRequest::Host(shown(line)));
            }
            host = Some(own);
        }
        if host.is_none() && !peer.to_canonical().is_loopback() {
            return Err(ForeignRequest::NoHost);
        }
        Ok(host)
    }

    /// A server on all addresses has every one that a client reaches it by. The port
    /// may be another one, of a tunnel or a container.
    fn is_own(&self, name: &str) -> bool {
        let listen = self.listen.to_canonical();
        if self.names.iter().any(|own| own == name) {
            return true;
        }
        match name.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
            Ok(ip) => {
                let both_loopback = listen.is_loopback() && ip.is_loopback();
                listen.is_unspecified() || ip == listen || both_loopback
            }
            Err(_) => name == "localhost" && (listen.is_unspecified() || listen.is_loopback()),
        }
    }

    /// Whether a page was loaded from this server: from the same host and port, or
    /// from a name of ours, whose port a proxy may have changed.
    fn is_own_origin(&self, origin: &str, host: Option<&Host>) -> bool {
        let origin = origin
            .split_once("://")
            .and_then(|(_, authority)| Host::parse(authority));
        origin.is_some_and(|origin| Some(&origin) == host || self.names.contains(&origin.name))
    }
}

/// A host as clients write it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Host {
    /// In lower case, IPv6 without brackets.
    name: String,
    port: Option<u16>,
}

impl Host {
    /// Reads `name`, `name:port` and `[address]:port`.
    fn parse(raw: &str) -> Option<Self> {
        let authority: Authority = raw.parse().ok().filter(|_| !raw.contains('@'))?;
        let name = authority.host();
        let inside = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'));
        let name = inside.unwrap_or(name);
        Some(Self {
            name: name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase(),
            port: authority.port_u16(),
        })
    }
}

fn shown(value: &str) -> String {
    value.chars().take(SHOWN).collect()
}

/// A request that a web page may have caused. The administrator must act if it was
/// not one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum ForeignRequest {
    #[error(
        "Host {0:?} is neither an address of this listener nor in otp_host of [otp]: add it there \
         if it is yours"
    )]
    Host(String),
    #[error(
        "the request has no Host, which only this machine may leave out: have the client or proxy \
         send it"
    )]
    NoHost,
    #[error(
        "it is from a web page of Origin {0:?}: add its host to otp_host of [otp] if that is this \
         server"
    )]
    Origin(String),
    #[error(
        "it is from a web page of another site (Sec-Fetch-Site: {0}): have your own server ask, \
         not the browser"
    )]
    Site(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(listen: &str, headers: &[(&'static str, &str)]) -> Result<(), ForeignRequest> {
        let own = OwnHosts {
            listen: listen.parse().unwrap(),
            names: vec!["otp.example.com".to_owned(), "198.51.100.7".to_owned()],
        };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let peer = "192.0.2.1".parse().unwrap();
        own.check(peer, &Uri::from_static("/otp/1/"), &map)
    }

    #[test]
    fn host_is_an_address_of_the_listener_or_a_name_of_ours() {
        for (listen, host, own) in [
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.1:3000", true),
            ("127.0.0.1", "127.0.0.1:8080", true),
            ("127.0.0.1", "localhost", true),
            ("127.0.0.1", "LocalHost.:3000", true),
            ("127.0.0.1", "otp.example.com", true),
            ("127.0.0.1", "OTP.example.com:443", true),
            ("127.0.0.1", "198.51.100.7", true),
            ("127.0.0.1", "192.0.2.9", false),
            ("127.0.0.1", "evil.example", false),
            ("127.0.0.1", "evil.otp.example.com", false),
            ("127.0.0.1", "otp.example.com.evil", false),
            ("127.0.0.1", "localhost.evil.example", false),
            ("127.0.0.1", "127.0.0.1.evil.example", false),
            ("127.0.0.1", "evil@127.0.0.1", false),
            ("127.0.0.1", "127.0.0.1, evil.example", false),
            ("127.0.0.1", "2130706433", false),
            ("127.0.0.1", "0177.0.0.1", false),
            ("::1", "[::1]:3000", true),
            ("::1", "[::ffff:127.0.0.1]", true),
            ("::1", "[2001:db8::1]", false),
            ("192.0.2.9", "192.0.2.9:3000", true),
            ("192.0.2.9", "[::ffff:192.0.2.9]", true),
            ("192.0.2.9", "127.0.0.1", false),
            ("192.0.2.9", "localhost", false),
            ("0.0.0.0", "192.0.2.9", true),
            ("0.0.0.0", "localhost:3000", true),
            ("::", "[2001:db8::1]:3000", true),
            ("0.0.0.0", "evil.example", false),
        ] {
            let checked = check(listen, &[("host", host)]);
            assert_eq!(checked.is_ok(), own, "{listen} {host}");
        }
        let twice = [("host", "127.0.0.1"), ("host", "localhost")];
        assert!(check("127.0.0.1", &twice).is_err());
    }

    #[test]
    fn page_of_another_site_is_refused() {
        for (name, value, own) in [
            ("sec-fetch-site", "none", true),
            ("sec-fetch-site", "same-origin", true),
            ("sec-fetch-site", "same-site", false),
            ("sec-fetch-site", "cross-site", false),
            ("sec-fetch-site", "Other", false),
            ("origin", "http://127.0.0.1:3000", true),
            ("origin", "https://otp.example.com", true),
            ("origin", "https://otp.example.com:8443", true),
            ("origin", "http://127.0.0.1:8080", false),
            ("origin", "http://localhost:3000", false),
            ("origin", "http://evil.example", false),
            ("origin", "null", false),
            ("origin", "", false),
        ] {
            let checked = check("127.0.0.1", &[("host", "127.0.0.1:3000"), (name, value)]);
            assert_eq!(checked.is_ok(), own, "{name}: {value}");
        }
    }

    #[test]
    fn host_may_be_missing_on_this_machine_alone() {
        let own = OwnHosts {
            listen: "0.0.0.0".parse().unwrap(),
            names: Vec::new(),
        };
        for (peer, target, expected) in [
            ("127.0.0.1", "/otp/1/", Ok(())),
            ("::1", "/otp/1/", Ok(())),
            ("::ffff:127.0.0.1", "/otp/1/", Ok(())),
            ("192.0.2.1", "/otp/1/", Err(ForeignRequest::NoHost)),
            ("192.0.2.1", "http://192.0.2.9:3000/otp/1/", Ok(())),
            (
                "127.0.0.1",
                "http://evil.example/otp/1/",
                Err(ForeignRequest::Host("evil.example".to_owned())),
            ),
        ] {
            let peer: IpAddr = peer.parse().unwrap();
            let checked = own.check(peer, &target.parse().unwrap(), &HeaderMap::new());
            assert_eq!(checked, expected, "{peer} {target}");
        }
    }
}
