//! Media types of files, and the extensions of their names.

use reqwest::Url;

/// How a messenger presents a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MediaKind {
    Audio,
    /// A file to download. Also what messengers do not present otherwise.
    Document,
    Image,
    Video,
}

impl MediaKind {
    /// `{kind}` in requests to providers.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Document => "document",
            Self::Image => "image",
            Self::Video => "video",
        }
    }
}

use MediaKind::{Audio, Document, Image, Video};

/// Extensions, how their files are presented, and their media types. Where several
/// extensions have one media type, the most usual one is first.
const MEDIA_TYPES: &[(&str, MediaKind, &[&str])] = &[
    ("3g2", Document, &["video/3gpp2"]),
    ("3gp", Video, &["audio/3gpp", "video/3gpp", "video/3gpp2"]),
    ("aac", Audio, &["audio/aac"]),
    ("avif", Document, &["image/avif"]),
    ("awb", Document, &["audio/amr-wb"]),
    ("amr", Audio, &["audio/amr", "audio/amr-wb"]),
    ("bmp", Document, &["image/bmp"]),
    ("doc", Document, &["application/msword"]),
    (
        "docx",
        Document,
        &["application/vnd.openxmlformats-officedocument.wordprocessingml.document"],
    ),
    ("gif", Image, &["image/gif"]),
    ("heif", Document, &["image/heif"]),
    ("heic", Image, &["image/heic", "image/heif"]),
    ("ics", Document, &["text/calendar", "text/x-vcalendar"]),
    ("jpg", Image, &["image/jpeg", "image/jpg", "image/pjpeg"]),
    ("jpeg", Image, &["image/jpeg", "image/jpg", "image/pjpeg"]),
    ("m4a", Audio, &["audio/mp4", "audio/x-m4a"]),
    ("mov", Video, &["video/quicktime"]),
    ("mp3", Audio, &["audio/mp3", "audio/mpeg"]),
    ("mp4", Video, &["audio/mp4", "video/mp4"]),
    ("mpeg", Document, &["video/mpeg"]),
    ("mpg", Document, &["video/mpeg"]),
    ("ogg", Audio, &["application/ogg", "audio/ogg"]),
    ("oga", Document, &["application/ogg", "audio/ogg"]),
    ("opus", Audio, &["audio/ogg", "audio/opus"]),
    ("pdf", Document, &["application/pdf"]),
    ("png", Image, &["image/png"]),
    ("ppt", Document, &["application/vnd.ms-powerpoint"]),
    (
        "pptx",
        Document,
        &["application/vnd.openxmlformats-officedocument.presentationml.presentation"],
    ),
    ("tiff", Document, &["image/tiff"]),
    ("tif", Document, &["image/tiff"]),
    ("txt", Document, &["text/plain"]),
    (
        "vcf",
        Document,
        &["text/directory", "text/vcard", "text/x-vcard"],
    ),
    (
        "wav",
        Audio,
        &["audio/vnd.wave", "audio/wav", "audio/x-wav"],
    ),
    ("webm", Video, &["audio/webm", "video/webm"]),
    ("webp", Image, &["image/webp"]),
    ("xls", Document, &["application/vnd.ms-excel"]),
    (
        "xlsx",
        Document,
        &["application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"],
    ),
    ("zip", Document, &["application/zip"]),
];

/// Whether the table has this extension.
pub(crate) fn is_known(extension: &str) -> bool {
    MEDIA_TYPES.iter().any(|(known, ..)| *known == extension)
}

/// The kind of files with this extension; unknown ones are documents.
pub(crate) fn kind(extension: &str) -> MediaKind {
    let mut known = MEDIA_TYPES.iter();
    known
        .find(|(known, ..)| *known == extension)
        .map_or(Document, |(_, kind, _)| *kind)
}

/// The extensions of files with this Content-Type, the most usual one first.
pub(crate) fn extensions(content_type: &str) -> impl Iterator<Item = &'static str> {
    let essence = essence(content_type);
    MEDIA_TYPES
        .iter()
        .filter(move |(_, _, types)| types.contains(&essence.as_str()))
        .map(|(extension, ..)| *extension)
}

/// The extension in the path of a URL, in lower case.
pub(crate) fn url_extension(url: &Url) -> Option<String> {
    let (_, extension) = url.path_segments()?.next_back()?.rsplit_once('.')?;
    Some(extension.to_ascii_lowercase())
}

/// A Content-Type without its parameters, in lower case.
pub(crate) fn essence(content_type: &str) -> String {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

/// A parameter of a Content-Type, without quotes.
pub(crate) fn parameter<'a>(content_type: &'a str, wanted: &str) -> Option<&'a str> {
    let parameters = content_type.split(';').skip(1);
    let (_, value) = parameters
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted))?;
    let value = value.trim().trim_matches(['"', '\'']);
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_is_found_in_any_spelling() {
        for (content_type, expected) in [
            ("text/plain; charset=UTF-8", Some("UTF-8")),
            ("text/plain;Charset=\"utf-8\" ; x=y", Some("utf-8")),
            ("multipart/form-data; boundary=a; charset = 'b'", Some("b")),
            ("text/plain; charset=", None),
            ("text/plain", None),
            ("charset=x", None),
        ] {
            assert_eq!(parameter(content_type, "charset"), expected);
        }
    }

    #[test]
    fn extension_determines_the_kind() {
        for (list, kind_of_all) in [
            ("jpg jpeg png gif webp heic", Image),
            ("mp4 3gp mov webm", Video),
            ("mp3 ogg amr m4a aac opus wav", Audio),
            ("pdf docx bmp mpg oga svg xyz", Document),
        ] {
            for extension in list.split(' ') {
                assert_eq!(kind(extension), kind_of_all, "{extension}");
            }
        }
    }

    #[test]
    fn most_usual_extension_of_a_content_type_is_first() {
        for (content_type, expected) in [
            ("image/jpeg", &["jpg", "jpeg"][..]),
            ("Image/JPEG; name=a.png", &["jpg", "jpeg"]),
            ("audio/amr-wb", &["awb", "amr"]),
            ("audio/mp4", &["m4a", "mp4"]),
            ("audio/ogg", &["ogg", "oga", "opus"]),
            ("image/heif", &["heif", "heic"]),
            ("image/tiff", &["tiff", "tif"]),
            ("video/3gpp2", &["3g2", "3gp"]),
            ("video/mpeg", &["mpeg", "mpg"]),
            ("text/html", &[]),
            ("image/svg+xml", &[]),
            ("", &[]),
        ] {
            let found: Vec<_> = extensions(content_type).collect();
            assert_eq!(found, expected, "{content_type}");
        }
    }

    #[test]
    fn extension_is_that_of_the_last_path_segment() {
        for (url, expected) in [
            ("https://example.com/a.b.PNG?x=1.gif#y.z", Some("png")),
            ("https://example.com/a.jpg/", None),
            ("https://example.com/a.jpg/b", None),
            ("https://example.com/a?name=b.jpg", None),
            ("https://example.com/jpg", None),
            ("https://example.com/.jpg", Some("jpg")),
            ("https://example.jpg", None),
            ("data:a.jpg", None),
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!(url_extension(&url).as_deref(), expected, "{url}");
        }
    }
}
