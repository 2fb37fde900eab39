//! A chain of redirects, and whether the host at its end may get the interface's
//! credentials. Pure.

use std::net::IpAddr;

use reqwest::Url;

use crate::http::safe_fetch::failure::FetchError;

/// Most redirects that are followed.
const REDIRECTS_MAX: u32 = 5;

/// A URL and the redirects from it.
#[derive(Debug, Clone)]
pub(crate) struct RedirectChain {
    /// The last URL.
    url: Url,
    redirects: u32,
    /// Whether a redirect has led to another origin (scheme, host and port).
    left_origin: bool,
}

impl RedirectChain {
    /// A chain without redirects.
    ///
    /// # Errors
    /// When `url` is not an http or https URL.
    pub(crate) fn start(url: &str) -> Result<Self, FetchError> {
        let url = Url::parse(url).map_err(|_| FetchError::permanent("invalid URL"))?;
        fetchable(url).map(|url| Self {
            url,
            redirects: 0,
            left_origin: false,
        })
    }

    /// Follows a redirect.
    ///
    /// # Errors
    /// When `location` does not lead to an http or https URL, or there were too
    /// many redirects.
    pub(crate) fn follow(&mut self, location: &str) -> Result<(), FetchError> {
        self.redirects += 1;
        if self.redirects > REDIRECTS_MAX {
            return Err(FetchError::permanent("too many redirects"));
        }
        let url = self.url.join(location);
        let url = url.map_err(|_| FetchError::permanent("redirect without a usable Location"))?;
        let url = fetchable(url)?;
        self.left_origin |= url.origin() != self.url.origin();
        self.url = url;
        Ok(())
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// The host of the last URL. Unlike the rest of the URL, which may hold a
    /// token, it can be logged.
    pub(crate) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// The address of the last URL, when its host is an address.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.host().trim_matches(['[', ']']).parse().ok()
    }

    /// Whether the host may get the interface's credentials: the administrator
    /// trusts it (`hosts`, in lower case), no redirect has ever left its origin,
    /// and the connection is private, by TLS or because the host is
    /// (`is_private`).
    pub(crate) fn may_receive_credentials(&self, hosts: &[String], is_private: bool) -> bool {
        let secure = is_private || self.url.scheme() == "https";
        secure && !self.left_origin && hosts.iter().any(|host| host == self.host())
    }
}

/// Checks that a URL is http or https and has a host, and removes its fragment.
fn fetchable(mut url: Url) -> Result<Url, FetchError> {
    let has_host = url.host_str().is_some_and(|host| !host.is_empty());
    if !matches!(url.scheme(), "http" | "https") || !has_host {
        return Err(FetchError::permanent("URL is neither http nor https"));
    }
    url.set_fragment(None);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_schemes_than_http_and_https_are_refused() {
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
        let mut chain = RedirectChain::start("https://example.com/a/b").unwrap();
        for location in [
            "file:///etc/passwd",
            "ftp://example.com/",
            "javascript:x",
            "http://",
        ] {
            assert!(chain.clone().follow(location).is_err(), "{location}");
        }
        chain.follow("../c?d=e#f").unwrap();
        assert_eq!(chain.url().as_str(), "https://example.com/c?d=e");
    }

    #[test]
    fn sixth_redirect_is_refused() {
        let mut chain = RedirectChain::start("https://example.com/").unwrap();
        for _ in 0..5 {
            chain.follow("/").unwrap();
        }
        assert!(chain.follow("/").is_err());
    }

    #[test]
    fn address_is_recognised_in_every_spelling() {
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
            let chain = RedirectChain::start(&format!("http://{host}/")).unwrap();
            let expected = expected.map(|address| address.parse().unwrap());
            assert_eq!(chain.address(), expected, "{host}");
        }
    }

    #[test]
    fn credentials_go_only_to_a_trusted_host_that_no_redirect_left() {
        let hosts = ["api.example.com".to_owned(), "127.0.0.1".to_owned()];
        for (start, locations, is_private, expected) in [
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
            // The host in between could choose any path of the trusted one.
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
            let mut chain = RedirectChain::start(start).unwrap();
            for location in locations {
                chain.follow(location).unwrap();
            }
            assert_eq!(
                chain.may_receive_credentials(&hosts, is_private),
                expected,
                "{start} {locations:?}"
            );
        }
    }

    #[test]
    fn redirect_within_the_trusted_host_does_not_restore_credentials() {
        let hosts = ["api.example.com".to_owned()];
        let mut chain = RedirectChain::start("https://b.net/a").unwrap();
        for location in [
            "https://api.example.com/a",
            "/b",
            "c",
            "https://api.example.com/d",
        ] {
            chain.follow(location).unwrap();
            assert!(!chain.may_receive_credentials(&hosts, true), "{location}");
        }
    }
}
