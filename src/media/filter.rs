//! Which files are stored. Pure.
//!
//! Only files of a known media type are stored, so that a web server does not
//! serve a page or a script of a stranger.

use reqwest::Url;

use crate::model::media_type;

/// Content-Types that do not name the format of a file.
const GENERIC_TYPES: [&str; 4] = [
    "",
    "application/octet-stream",
    "application/x-download",
    "binary/octet-stream",
];

/// The extension in the path of a URL, if it is known and one of `allowed`.
pub(crate) fn extension_of_url(url: &str, allowed: &[String]) -> Option<String> {
    let extension = media_type::url_extension(&Url::parse(url).ok()?)?;
    (allowed.contains(&extension) && media_type::is_known(&extension)).then_some(extension)
}

/// The most usual extension of a Content-Type that is one of `allowed`.
pub(crate) fn extension_of_type(content_type: &str, allowed: &[String]) -> Option<&'static str> {
    let mut extensions = media_type::extensions(content_type);
    extensions.find(|extension| is_one_of(extension, allowed))
}

/// Whether a file with this Content-Type may be stored. A generic Content-Type
/// needs a URL with an allowed extension.
pub(crate) fn is_allowed(
    content_type: &str,
    url_extension: Option<&str>,
    allowed: &[String],
) -> bool {
    if GENERIC_TYPES.contains(&media_type::essence(content_type).as_str()) {
        return url_extension.is_some();
    }
    extension_of_type(content_type, allowed).is_some()
}

fn is_one_of(extension: &str, allowed: &[String]) -> bool {
    allowed.iter().any(|allowed| allowed == extension)
}

/// Whether a file starts like HTML, XML or SVG, with any Content-Type: a
/// browser that guesses the type would run its scripts.
pub(crate) fn is_markup(start: &[u8]) -> bool {
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    start.trim_ascii_start().starts_with(b"<")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(list: &str) -> Vec<String> {
        list.split(',').map(str::to_owned).collect()
    }

    #[test]
    fn extension_of_a_url_must_be_known_and_allowed() {
        let types = types("jpg,png,html,svg,php,xyz");
        for (url, expected) in [
            ("https://example.com/a.jpg", Some("jpg")),
            ("https://example.com/a.b.PNG?x=1.gif#y.z", Some("png")),
            ("https://example.com/a.jpg/", None),
            ("https://example.com/a.jpg/b", None),
            ("https://example.com/a.gif", None),
            ("https://example.com/a?name=b.jpg", None),
            ("https://example.com/jpg", None),
            ("https://example.com/.jpg", Some("jpg")),
            ("https://example.jpg", None),
            // Not even when the administrator allows them.
            ("https://example.com/a.html", None),
            ("https://example.com/a.svg", None),
            ("https://example.com/a.php", None),
            ("https://example.com/a.xyz", None),
            ("https://example.com/a.jpg%2f..", None),
            ("a.jpg", None),
        ] {
            assert_eq!(extension_of_url(url, &types).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn only_files_of_allowed_types_are_stored() {
        let types = types("jpg,png,mp4,vcf,html,svg,xml,js");
        for (content_type, extension, expected) in [
            ("image/jpeg", None, true),
            ("Image/JPEG; name=a.jpg", None, true),
            ("image/png", Some("jpg"), true),
            ("video/mp4", None, true),
            ("text/x-vcard; charset=utf-8", None, true),
            ("image/gif", Some("jpg"), false),
            ("text/html", Some("jpg"), false),
            ("text/html; charset=utf-8", None, false),
            ("image/svg+xml", Some("jpg"), false),
            ("application/xhtml+xml", None, false),
            ("text/xml", None, false),
            ("application/javascript", None, false),
            ("text/javascript", Some("png"), false),
            ("text/plain", Some("jpg"), false),
            ("multipart/mixed", None, false),
            ("application/octet-stream", Some("jpg"), true),
            ("binary/octet-stream", Some("jpg"), true),
            ("application/octet-stream", None, false),
            ("", Some("jpg"), true),
            ("", None, false),
            ("x", Some("jpg"), false),
        ] {
            assert_eq!(
                is_allowed(content_type, extension, &types),
                expected,
                "{content_type}"
            );
        }
    }

    #[test]
    fn markup_is_recognised_by_its_start() {
        for start in ["<html>", "\u{feff}<svg", " \r\n\t<?xml", "<!--"] {
            assert!(is_markup(start.as_bytes()), "{start}");
        }
        for start in [
            &b"\xff\xd8\xff\xe0"[..],
            b"\x89PNG",
            b"GIF89a<",
            b"BEGIN:VCARD",
            b"",
        ] {
            assert!(!is_markup(start));
        }
    }
}
