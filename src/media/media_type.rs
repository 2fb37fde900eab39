//! What is a picture, and what is it called? Pure.
//!
//! Only what stands in the table here is ever kept, so that a web server does
//! not hand out a page or a script that a stranger sent.

use reqwest::Url;

/// Content-Types, and the extensions of files that hold them.
const MEDIA_TYPES: &[(&str, &[&str])] = &[
    ("application/msword", &["doc"]),
    ("application/ogg", &["ogg", "oga"]),
    ("application/pdf", &["pdf"]),
    ("application/vnd.ms-excel", &["xls"]),
    ("application/vnd.ms-powerpoint", &["ppt"]),
    (
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        &["pptx"],
    ),
    (
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        &["xlsx"],
    ),
    (
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        &["docx"],
    ),
    ("application/zip", &["zip"]),
    ("audio/3gpp", &["3gp"]),
    ("audio/aac", &["aac"]),
    ("audio/amr", &["amr"]),
    ("audio/amr-wb", &["awb", "amr"]),
    ("audio/mp3", &["mp3"]),
    ("audio/mp4", &["m4a", "mp4"]),
    ("audio/mpeg", &["mp3"]),
    ("audio/ogg", &["ogg", "oga", "opus"]),
    ("audio/opus", &["opus"]),
    ("audio/vnd.wave", &["wav"]),
    ("audio/wav", &["wav"]),
    ("audio/webm", &["webm"]),
    ("audio/x-m4a", &["m4a"]),
    ("audio/x-wav", &["wav"]),
    ("image/avif", &["avif"]),
    ("image/bmp", &["bmp"]),
    ("image/gif", &["gif"]),
    ("image/heic", &["heic"]),
    ("image/heif", &["heif", "heic"]),
    ("image/jpeg", &["jpg", "jpeg"]),
    ("image/jpg", &["jpg", "jpeg"]),
    ("image/pjpeg", &["jpg", "jpeg"]),
    ("image/png", &["png"]),
    ("image/tiff", &["tiff", "tif"]),
    ("image/webp", &["webp"]),
    ("text/calendar", &["ics"]),
    ("text/directory", &["vcf"]),
    ("text/plain", &["txt"]),
    ("text/vcard", &["vcf"]),
    ("text/x-vcalendar", &["ics"]),
    ("text/x-vcard", &["vcf"]),
    ("video/3gpp", &["3gp"]),
    ("video/3gpp2", &["3g2", "3gp"]),
    ("video/mp4", &["mp4"]),
    ("video/mpeg", &["mpeg", "mpg"]),
    ("video/quicktime", &["mov"]),
    ("video/webm", &["webm"]),
];

/// Content-Types that say nothing about what it is.
const GENERIC_TYPES: [&str; 4] = [
    "",
    "application/octet-stream",
    "application/x-download",
    "binary/octet-stream",
];

/// Whether files with this extension are ever kept.
#[must_use]
pub(crate) fn is_known(extension: &str) -> bool {
    let mut known = MEDIA_TYPES.iter().flat_map(|(_, extensions)| *extensions);
    known.any(|known| *known == extension)
}

/// The extension in the path of a URL, if it is one of `types`.
#[must_use]
pub(crate) fn extension(url: &str, types: &[String]) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let (_, extension) = url.path_segments()?.next_back()?.rsplit_once('.')?;
    let extension = extension.to_ascii_lowercase();
    (types.contains(&extension) && is_known(&extension)).then_some(extension)
}

/// The first of `types` that a Content-Type goes with.
#[must_use]
pub(crate) fn extension_of(content_type: &str, types: &[String]) -> Option<String> {
    let essence = content_type.split(';').next().unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    let (_, extensions) = MEDIA_TYPES.iter().find(|(known, _)| *known == essence)?;
    let mut taken = extensions.iter().map(|extension| (*extension).to_owned());
    taken.find(|extension| types.contains(extension))
}

/// Whether what has this Content-Type may be kept. When that says nothing, the
/// extension that the URL had must do.
#[must_use]
pub(crate) fn is_allowed(content_type: &str, extension: Option<&str>, types: &[String]) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    if GENERIC_TYPES.contains(&essence.as_str()) {
        return extension.is_some();
    }
    let found = MEDIA_TYPES
        .iter()
        .find(|(content_type, _)| *content_type == essence);
    let extensions = found.map_or(&[][..], |(_, extensions)| *extensions);
    types.iter().any(|kind| extensions.contains(&kind.as_str()))
}

/// Whether it starts as pages and drawings do, whatever its Content-Type says: a
/// browser that guesses would run what is in them.
#[must_use]
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
    fn extension_is_the_one_of_the_path_if_it_is_taken() {
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
            // Not even when the administrator asks for it.
            ("https://example.com/a.html", None),
            ("https://example.com/a.svg", None),
            ("https://example.com/a.php", None),
            ("https://example.com/a.xyz", None),
            ("https://example.com/a.jpg%2f..", None),
            ("a.jpg", None),
        ] {
            assert_eq!(extension(url, &types).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn only_what_is_taken_is_kept() {
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
    fn markup_is_known_by_its_start() {
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
