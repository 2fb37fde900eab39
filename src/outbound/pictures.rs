//! URLs of pictures in a text, which are sent as pictures. Pure.

use reqwest::Url;
use serde_json::Value;

use crate::config::PictureSettings;
use crate::document::path::JsonPointer;
use crate::document::template;
use crate::model::media_type::{self, url_extension};
use crate::model::message::Text;

/// The text without the URLs of pictures, and these: URLs whose path has one of
/// the extensions, between blanks or line ends, as many as one message may have.
pub(crate) fn extract(text: &Text, pictures: &PictureSettings) -> (String, Vec<String>) {
    let text = text.as_str();
    if pictures.extensions.is_empty() {
        return (text.to_owned(), Vec::new());
    }
    let mut urls = Vec::new();
    let mut rest = String::new();
    for word in text.split_inclusive(char::is_whitespace) {
        let url = word.trim_end();
        if urls.len() < pictures.max && is_picture(url, &pictures.extensions) {
            urls.push(url.to_owned());
        } else {
            rest.push_str(word);
        }
    }
    if urls.is_empty() {
        return (text.to_owned(), urls);
    }
    (rest.trim().to_owned(), urls)
}

fn is_picture(word: &str, extensions: &[String]) -> bool {
    let Ok(url) = Url::parse(word) else {
        return false;
    };
    let listed = url_extension(&url).is_some_and(|extension| extensions.contains(&extension));
    matches!(url.scheme(), "http" | "https") && url.host().is_some() && listed
}

/// `{kind}` of a URL by its extension: `image`, `video`, `audio` or `document`.
pub(crate) fn media_kind(url: &str) -> &'static str {
    let extension = Url::parse(url).ok().and_then(|url| url_extension(&url));
    media_type::kind(&extension.unwrap_or_default()).as_str()
}

/// The parameters that carry pictures under a key: `name` once for each picture,
/// `name#` as `name1`, `name2` and so on, a pointer with `*` as list elements.
pub(crate) fn parameters(key: &str, urls: &[String]) -> impl Iterator<Item = (String, Value)> {
    let name = |position: usize| match (JsonPointer::parse(key), key.strip_suffix('#')) {
        (Ok(pointer), _) => pointer.numbered(position).to_string(),
        (Err(_), Some(family)) => format!("{family}{}", position + 1),
        (Err(_), None) => key.to_owned(),
    };
    urls.iter().enumerate().map(move |(position, url)| {
        let name = template::fill(&name(position), |_| media_kind(url).to_owned());
        (name, Value::from(url.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extracted(text: &str, extensions: &[&str]) -> (String, Vec<String>) {
        let pictures = PictureSettings {
            key: None,
            caption: None,
            max: 10,
            path: None,
            upload: None,
            extensions: extensions.iter().map(|e| (*e).to_owned()).collect(),
            fixed: Vec::new(),
        };
        extract(&Text::new(text), &pictures)
    }

    #[test]
    fn url_of_a_picture_is_taken_out_of_the_text() {
        let one = "https://example.com/a.jpg";
        let two = "http://example.com/b.PNG?x=1";
        for (text, rest, urls) in [
            ("https://example.com/a.jpg", "", vec![one]),
            ("Look: https://example.com/a.jpg", "Look:", vec![one]),
            (
                "a\nhttps://example.com/a.jpg\nb  c http://example.com/b.PNG?x=1",
                "a\nb  c",
                vec![one, two],
            ),
            (
                " see https://example.com/a.html ",
                " see https://example.com/a.html ",
                vec![],
            ),
            (
                "(https://example.com/a.jpg)",
                "(https://example.com/a.jpg)",
                vec![],
            ),
            ("ftp://example.com/a.jpg", "ftp://example.com/a.jpg", vec![]),
            ("https://example.com/jpg", "https://example.com/jpg", vec![]),
            ("a.jpg", "a.jpg", vec![]),
            ("", "", vec![]),
        ] {
            let urls: Vec<_> = urls.into_iter().map(str::to_owned).collect();
            assert_eq!(
                extracted(text, &["jpg", "png"]),
                (rest.to_owned(), urls),
                "{text}"
            );
        }
        assert_eq!(extracted(one, &[]), (one.to_owned(), vec![]));
        let many = format!("{one} ").repeat(12);
        let (rest, urls) = extracted(&many, &["jpg"]);
        assert_eq!((rest, urls.len()), (format!("{one} {one}"), 10));
    }

    #[test]
    fn media_kind_follows_the_extension() {
        for (url, expected) in [
            ("https://example.com/a.JPG?x", "image"),
            ("https://example.com/a.mp4", "video"),
            ("https://example.com/a.ogg", "audio"),
            ("https://example.com/a.pdf", "document"),
            ("https://example.com/a", "document"),
        ] {
            assert_eq!(media_kind(url), expected, "{url}");
        }
    }
}
