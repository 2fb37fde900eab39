//! Addresses, and headers of HTTP.

use std::net::{IpAddr, SocketAddr};

use ipnet::{IpNet, Ipv4Net};

use crate::config::syntax::value::kind::{Describe, Kind, expected};
use crate::config::syntax::value::text::{items, optional, words};

/// Addresses and networks in CIDR form, separated by commas; an address is a
/// network of one. Empty is `None`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NetworkList;

/// An address with a port to listen on; empty is `None`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ListenAddress;

/// Names of hosts and addresses, without ports, separated by commas.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HostList;

/// The name of an HTTP header, also in CGI's spelling: `HTTP_X_FORWARDED_FOR` is
/// `X-Forwarded-For`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HeaderName;

impl Describe for NetworkList {
    fn describe(&self) -> String {
        "addresses and networks, e.g. 185.45.152.42,3.104.90.0/24,2001:db8::/32".to_owned()
    }
}

impl Kind for NetworkList {
    type Value = Option<Vec<IpNet>>;

    fn parse(&self, raw: &str) -> Result<Option<Vec<IpNet>>, String> {
        if raw.trim().is_empty() {
            return Ok(None);
        }
        let network = |item: &str| {
            network(item).ok_or_else(|| format!("{item:?} is not an address ({})", expected(self)))
        };
        let networks: Vec<_> = items(raw).map(network).collect::<Result<_, _>>()?;
        if networks.is_empty() {
            return Err(expected(self));
        }
        Ok(Some(networks))
    }
}

fn network(item: &str) -> Option<IpNet> {
    let parsed = match item.parse::<IpAddr>() {
        Ok(address) => Ok(IpNet::from(address)),
        Err(_) => item.parse::<IpNet>(),
    };
    parsed.ok().map(canonical)
}

/// An IPv4 network written as IPv4-mapped IPv6 is the IPv4 network, because client
/// addresses are compared in that form too.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else {
        return network;
    };
    let mapped = v6.addr().to_ipv4_mapped();
    let length = v6.prefix_len().checked_sub(96);
    match (mapped, length) {
        (Some(address), Some(length)) => Ipv4Net::new(address, length).map_or(network, IpNet::V4),
        _ => network,
    }
}

impl Describe for ListenAddress {
    fn describe(&self) -> String {
        "an address and port".to_owned()
    }
}

impl Kind for ListenAddress {
    type Value = Option<SocketAddr>;

    fn parse(&self, raw: &str) -> Result<Option<SocketAddr>, String> {
        optional(raw)?
            .map(|raw| raw.parse())
            .transpose()
            .map_err(|_| format!("{}, e.g. 127.0.0.1:8081", expected(self)))
    }
}

impl Describe for HostList {
    fn describe(&self) -> String {
        "names without scheme and port, e.g. otp.example.com".to_owned()
    }
}

impl Kind for HostList {
    /// In lower case, IPv6 without brackets.
    type Value = Vec<String>;

    fn parse(&self, raw: &str) -> Result<Vec<String>, String> {
        let host = |item: String| {
            host(&item).ok_or_else(|| format!("{item:?} is not a host ({})", expected(self)))
        };
        words(raw)?.into_iter().map(host).collect()
    }
}

fn host(item: &str) -> Option<String> {
    let inside = item
        .strip_prefix('[')
        .and_then(|item| item.strip_suffix(']'));
    if let Ok(address) = inside.unwrap_or(item).parse::<IpAddr>() {
        return Some(address.to_string());
    }
    let item = item.strip_suffix('.').unwrap_or(item);
    let is_label = |label: &str| {
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        !label.is_empty() && label.bytes().all(valid)
    };
    item.split('.')
        .all(is_label)
        .then(|| item.to_ascii_lowercase())
}

impl Describe for HeaderName {
    fn describe(&self) -> String {
        "the name of a header".to_owned()
    }
}

impl Kind for HeaderName {
    /// In lower case.
    type Value = String;

    fn parse(&self, raw: &str) -> Result<String, String> {
        let name = raw
            .strip_prefix("HTTP_")
            .map_or_else(|| raw.to_owned(), |name| name.replace('_', "-"));
        // RFC 9110, section 5.6.2.
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(token) {
            return Err(format!("{}, e.g. X-Forwarded-For", expected(self)));
        }
        Ok(name.to_ascii_lowercase())
    }
}

/// A header line, `Name: value`; empty is `None`.
///
/// # Errors
/// When it is not such a line, or contains control characters.
pub(crate) fn header(raw: &str) -> Result<Option<(String, String)>, String> {
    const EXPECTED: &str = "expected a header, Name: value";
    let Some(raw) = optional(raw)? else {
        return Ok(None);
    };
    let (name, value) = raw.split_once(':').ok_or(EXPECTED)?;
    let name = HeaderName.parse(name.trim()).map_err(|_| EXPECTED)?;
    Ok(Some((name, value.trim().to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_list_takes_addresses_and_networks() {
        let parsed = NetworkList
            .parse(" 185.45.152.42, 3.104.90.0/24 ,2001:db8::/32,0.0.0.0/0,::/0,")
            .unwrap()
            .unwrap();
        let shown: Vec<_> = parsed.iter().map(ToString::to_string).collect();
        let expected = [
            "185.45.152.42/32",
            "3.104.90.0/24",
            "2001:db8::/32",
            "0.0.0.0/0",
            "::/0",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn mapped_network_is_the_ipv4_network() {
        let parsed = NetworkList.parse("::ffff:10.0.0.0/104").unwrap().unwrap();
        assert_eq!(parsed, ["10.0.0.0/8".parse::<IpNet>().unwrap()]);
    }

    #[test]
    fn network_list_names_the_bad_item() {
        for bad in [
            "1.2.3",
            "1.2.3.4/33",
            "::/129",
            "1.2.3.4/abc",
            "host",
            "1.2.3.4 5.6.7.8",
        ] {
            let message = NetworkList.parse(&format!("10.0.0.0/8,{bad}")).unwrap_err();
            assert!(
                message.starts_with(&format!("{bad:?} is not an address (expected addresses")),
                "{message}"
            );
        }
        assert!(NetworkList.parse(",").is_err());
        assert_eq!(NetworkList.parse("").unwrap(), None);
    }

    #[test]
    fn host_list_takes_names_and_addresses_without_ports() {
        let hosts = HostList.parse("OTP.example.com., [2001:DB8::1],192.0.2.1,a_b");
        assert_eq!(
            hosts.unwrap(),
            ["otp.example.com", "2001:db8::1", "192.0.2.1", "a_b"]
        );
        for bad in [
            "https://a.example",
            "a.example:80",
            "a/b",
            "*.a.example",
            "ä.example",
        ] {
            let message = HostList.parse(bad).unwrap_err();
            assert!(
                message.contains("is not a host (expected names"),
                "{message}"
            );
        }
        assert!(HostList.parse("").unwrap().is_empty());
    }

    #[test]
    fn header_name_reads_the_cgi_spelling() {
        assert_eq!(
            HeaderName.parse("HTTP_X_FORWARDED_FOR").unwrap(),
            "x-forwarded-for"
        );
        assert_eq!(HeaderName.parse("Forwarded").unwrap(), "forwarded");
        assert!(HeaderName.parse("X Forwarded").is_err());
        assert!(HeaderName.parse("").is_err());
    }
}
