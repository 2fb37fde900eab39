//! Removes secrets that a peer repeats in its response.

/// A text with every copy of `private` replaced: as it is, and as forms and JSON
/// encode it. A secret of fewer than four bytes is left alone, because it could
/// stand in any word.
pub(crate) fn redact(text: &str, private: &str, replacement: &str) -> String {
    const LEAST: usize = 4;
    if private.len() < LEAST {
        return text.to_owned();
    }
    let form: String = form_urlencoded::byte_serialize(private.as_bytes()).collect();
    let json = serde_json::Value::from(private).to_string();
    let redacted = text.replace(private, replacement);
    let redacted = redacted.replace(&form, replacement);
    let json = json.get(1..json.len() - 1).unwrap_or(private);
    redacted.replace(json, replacement)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_is_redacted_in_every_encoding() {
        let private = "a \"b\"/\u{e9}";
        for text in [
            "got a \"b\"/\u{e9}!",
            "got a+%22b%22%2F%C3%A9!",
            "got a \\\"b\\\"/\u{e9}!",
        ] {
            assert_eq!(redact(text, private, "(x)"), "got (x)!", "{text}");
        }
        assert_eq!(redact("got abc", "abc", "(x)"), "got abc");
    }
}
