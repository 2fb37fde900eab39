//! URLs and paths of URLs.

use reqwest::Url;

use crate::config::syntax::value::kind::{Describe, Kind, expected};
use crate::config::syntax::value::text::items;

/// Paths of URLs, separated by commas; empty is `None`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UrlPaths;

/// The base URL of an API, without a `/` at the end; paths are put behind it. The text
/// is an example.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BaseUrl(pub(crate) &'static str);

impl Describe for UrlPaths {
    fn describe(&self) -> String {
        "paths, e.g. /hook/1,/hook/2".to_owned()
    }
}

impl Kind for UrlPaths {
    type Value = Option<Vec<String>>;

    fn parse(&self, raw: &str) -> Result<Option<Vec<String>>, String> {
        if raw.trim().is_empty() {
            return Ok(None);
        }
        let path = |item: &str| {
            let plain = item.bytes().all(|byte| byte.is_ascii_graphic());
            if item.starts_with('/') && plain && !item.contains(['?', '#']) {
                Ok(item.to_owned())
            } else {
                Err(format!(
                    "{item:?} is not a path ({}, without ? and blanks)",
                    expected(self)
                ))
            }
        };
        items(raw).map(path).collect::<Result<_, _>>().map(Some)
    }
}

impl Describe for BaseUrl {
    fn describe(&self) -> String {
        format!("a URL, e.g. {}", self.0)
    }
}

impl Kind for BaseUrl {
    type Value = Url;

    fn parse(&self, raw: &str) -> Result<Url, String> {
        let expected = expected(self);
        if raw.is_empty() {
            return Err(expected);
        }
        let url = Url::parse(raw.trim_end_matches('/'))
            .map_err(|error| format!("{error} ({expected})"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("neither http nor https ({expected})"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(format!("contains a user, which is not used ({expected})"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(format!("contains a ? or # ({expected})"));
        }
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_url_has_a_scheme_and_no_query() {
        for (raw, expected) in [
            (
                "http://192.0.2.1:5000/api/v1",
                "http://192.0.2.1:5000/api/v1",
            ),
            ("https://h/api/v1//", "https://h/api/v1"),
            ("https://h", "https://h/"),
        ] {
            let url = BaseUrl("http://192.0.2.1").parse(raw).unwrap();
            assert_eq!(url.as_str(), expected);
        }
        for bad in [
            "",
            "h/api",
            "192.0.2.1:5000/api",
            "ftp://h",
            "http://u:p@h",
            "http://h/?a",
        ] {
            let message = BaseUrl("http://192.0.2.1").parse(bad).unwrap_err();
            assert!(
                message.contains("expected a URL, e.g. http://192.0.2.1"),
                "{bad}"
            );
        }
    }
}
