//! The way to a picture: its URL, where redirects led, and who learns the
//! account's credentials. Pure.

use std::net::IpAddr;

use reqwest::Url;

use crate::http::safe_fetch::failure::FetchError;

/// Redirects that are followed.
const REDIRECTS_MAX: u32 = 5;

/// The way so far.
#[derive(Debug, Clone)]
pub(crate) struct RedirectChain {
    url: Url,
    redirects: u32,
    /// It has led to another host, port or scheme than it began with.
    left_origin: bool,
}

impl RedirectChain {
    /// The way to a URL.
    ///
    /// # Errors
    /// When it is none that is fetched.
    pub(crate) fn start(url: &str) -> Result<Self, FetchError> {
        let url = Url::parse(url).map_err(|_| FetchError::permanent("it has no URL"))?;
        fetchable(url).map(|url| Self {
            url,
            redirects: 0,
            left_origin: false,
        })
    }

    /// Goes where a redirect leads.
    ///
    /// # Errors
    /// When that is nowhere, or too far.
    pub(crate) fn follow(&mut self, location: &str) -> Result<(), FetchError> {
        self.redirects += 1;
        if self.redirects > REDIRECTS_MAX {
            return Err(FetchError::permanent("there are too many redirects"));
        }
        let url = self.url.join(location);
        let url = url.map_err(|_| FetchError::permanent("a redirect leads nowhere"))?;
        let url = fetchable(url)?;
        self.left_origin |= url.origin() != self.url.origin();
        self.url = url;
        Ok(())
    }

    /// Where it has led to.
    #[must_use]
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// The host there, for the log, which the rest of the URL is not for: it may
    /// hold a token.
    #[must_use]
    pub(crate) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// The address there, when the URL has one in place of a name.
    #[must_use]
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.host().trim_matches(['[', ']']).parse().ok()
    }

    /// Whether the host there gets the account's credentials: the administrator
    /// names it in `hosts`, the way began there, and nobody listens, by TLS or
    /// because it is a `near` one.
    #[must_use]
    pub(crate) fn may_receive_credentials(&self, hosts: &[String], near: bool) -> bool {
        let secure = near || self.url.scheme() == "https";
        secure && !self.left_origin && hosts.iter().any(|host| host == self.host())
    }
}

/// A URL with a scheme that is fetched, and somebody to ask.
fn fetchable(mut url: Url) -> Result<Url, FetchError> {
    let has_host = url.host_str().is_some_and(|host| !host.is_empty());
    if !matches!(url.scheme(), "http" | "https") || !has_host {
        return Err(FetchError::permanent("its URL is neither http nor https"));
    }
    url.set_fragment(None);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_http_and_https_are_followed() {
        for url in [
            "ftp://example.com/a",
            "file:///etc/passwd",
            "data:,x",
            "gopher://a/",
            "x",
            "",
        ] {
            assert!(RedirectChain::start(url).is_err(), "{url}");
        }
        let mut way = RedirectChain::start("https://example.com/a/b").unwrap();
        for location in [
            "file:///etc/passwd",
            "ftp://example.com/",
            "javascript:x",
            "http://",
        ] {
            assert!(way.clone().follow(location).is_err(), "{location}");
        }
        way.follow("../c?d=e#f").unwrap();
        assert_eq!(way.url().as_str(), "https://example.com/c?d=e");
    }

    #[test]
    fn redirects_end() {
        let mut way = RedirectChain::start("https://example.com/").unwrap();
        for _ in 0..5 {
            way.follow("/").unwrap();
        }
        assert!(way.follow("/").is_err());
    }

    #[test]
    fn address_in_place_of_a_name_is_known_however_it_is_written() {
        for (host, expected) in [
            ("127.0.0.1", Some("127.0.0.1")),
            ("127.1", Some("127.0.0.1")),
            ("2130706433", Some("127.0.0.1")),
            ("0x7f.0.0.1", Some("127.0.0.1")),
            ("0177.0.0.1", Some("127.0.0.1")),
            ("127.0.0.1.", Some("127.0.0.1")),
            ("[::1]", Some("::1")),
            ("[::ffff:127.0.0.1]", Some("::ffff:127.0.0.1")),
            ("localhost", None),
            ("127.0.0.1.example.com", None),
        ] {
            let way = RedirectChain::start(&format!("http://{host}/")).unwrap();
            let expected = expected.map(|address| address.parse().unwrap());
            assert_eq!(way.address(), expected, "{host}");
        }
    }

    #[test]
    fn credentials_go_to_a_named_host_over_tls_and_not_along_a_redirect() {
        let hosts = ["api.example.com".to_owned(), "127.0.0.1".to_owned()];
        for (start, redirects, near, expected) in [
            ("https://api.example.com/a", &[][..], false, true),
            ("https://API.example.com/a", &[], false, true),
            ("https://api.example.com/a", &["/b", "c"], false, true),
            (
                "https://api.example.com/a",
                &["https://api.example.com:443/b"],
                false,
                true,
            ),
            ("http://api.example.com/a", &[], false, false),
            ("http://api.example.com/a", &[], true, true),
            ("http://127.0.0.1:8080/a", &[], true, true),
            ("https://other.example.com/a", &[], false, false),
            ("https://api.example.com.other.net/a", &[], false, false),
            ("https://api.example.com@other.net/a", &[], false, false),
            (
                "https://api.example.com/a",
                &["https://other.example.com/"],
                false,
                false,
            ),
            (
                "https://api.example.com/a",
                &["//api.example.com:8443/"],
                false,
                false,
            ),
            (
                "https://api.example.com/a",
                &["http://api.example.com/"],
                true,
                false,
            ),
            // Whoever is in between could lead it to any page there.
            (
                "https://api.example.com/a",
                &["https://b.net/", "https://api.example.com/"],
                false,
                false,
            ),
            (
                "https://b.net/a",
                &["https://api.example.com/"],
                false,
                false,
            ),
        ] {
            let mut way = RedirectChain::start(start).unwrap();
            for location in redirects {
                way.follow(location).unwrap();
            }
            assert_eq!(
                way.may_receive_credentials(&hosts, near),
                expected,
                "{start} {redirects:?}"
            );
        }
    }
}
