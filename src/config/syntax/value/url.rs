//! URLs and paths of URLs.

use reqwest::Url;

use crate::config::syntax::value::kind::{Describe, Kind, expected};
use crate::config::syntax::value::text::items;

/// Paths of URLs, separated by commas; empty is `None`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UrlPaths;

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
                    "{item:?} is no path ({}, without ? and blanks)",
                    expected(self)
                ))
            }
        };
        items(raw).map(path).collect::<Result<_, _>>().map(Some)
    }
}

/// The base URL of an API, without a `/` at the end; paths are put behind it.
///
/// # Errors
/// When it is none; `example` is one.
pub(crate) fn base_url(raw: &str, example: &str) -> Result<Url, String> {
    let expected = format!("expected the URL of the API, e.g. {example}");
    let url =
        Url::parse(raw.trim_end_matches('/')).map_err(|error| format!("{error} ({expected})"))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_url_has_a_scheme_and_nothing_behind_the_prefix() {
        for (raw, expected) in [
            (
                "http://192.0.2.1:5000/api/v1",
                "http://192.0.2.1:5000/api/v1",
            ),
            ("https://h/api/v1//", "https://h/api/v1"),
            ("https://h", "https://h/"),
        ] {
            assert_eq!(
                base_url(raw, "http://192.0.2.1").unwrap().as_str(),
                expected
            );
        }
        for bad in [
            "",
            "h/api",
            "192.0.2.1:5000/api",
            "ftp://h",
            "http://u:p@h",
            "http://h/?a",
        ] {
            assert!(
                base_url(bad, "http://192.0.2.1")
                    .unwrap_err()
                    .contains("http://192.0.2.1"),
                "{bad}"
            );
        }
    }
}
