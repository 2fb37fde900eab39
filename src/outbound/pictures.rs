//! URLs of pictures in a text, which go out as pictures.

use reqwest::Url;
use serde_json::Value;

use crate::message::Text;
use crate::pointer::Pointer;

/// As many as go with one message; the rest stays in the text. It is what the
/// providers with the highest limit take.
const MOST: usize = 10;

/// The text without the URLs whose path has one of the extensions, and these.
/// A URL counts when blanks or line ends stand around it.
#[must_use]
pub fn take(text: &Text, extensions: &[String]) -> (String, Vec<String>) {
    let text = text.as_str();
    if extensions.is_empty() {
        return (text.to_owned(), Vec::new());
    }
    let mut urls = Vec::new();
    let mut rest = String::new();
    for word in text.split_inclusive(char::is_whitespace) {
        let url = word.trim_end();
        if urls.len() < MOST && is_picture(url, extensions) {
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
    let extension = url.path().rsplit_once('.').map(|(_, extension)| extension);
    matches!(url.scheme(), "http" | "https")
        && url.host().is_some()
        && extension.is_some_and(|given| {
            extensions
                .iter()
                .any(|known| known.eq_ignore_ascii_case(given))
        })
}

/// The parameters for pictures: `name` as often as there are pictures, `name#`
/// as `name1`, `name2` and so on, a pointer with `*` as elements of a list.
pub fn parameters(key: &str, urls: &[String]) -> impl Iterator<Item = (String, Value)> {
    let name = |position: usize| match (Pointer::parse(key), key.strip_suffix('#')) {
        (Ok(pointer), _) => pointer.numbered(position).to_string(),
        (Err(_), Some(family)) => format!("{family}{}", position + 1),
        (Err(_), None) => key.to_owned(),
    };
    urls.iter()
        .enumerate()
        .map(move |(position, url)| (name(position), Value::from(url.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(text: &str) -> (String, Vec<String>) {
        take(&Text::new(text), &["jpg".to_owned(), "png".to_owned()])
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
            assert_eq!(taken(text), (rest.to_owned(), urls), "{text}");
        }
        assert_eq!(take(&Text::new(one), &[]), (one.to_owned(), vec![]));
        let many = format!("{one} ").repeat(12);
        let (rest, urls) = taken(&many);
        assert_eq!((rest, urls.len()), (format!("{one} {one}"), MOST));
    }
}
