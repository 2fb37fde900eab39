//! JSON as programs write it, which is not always as RFC 8259 wants it.
//!
//! Accepted besides: a byte order mark, half of a surrogate pair as an escape, which
//! JavaScript writes for half of an emoji and which becomes U+FFFD, and control
//! characters in strings as they are. Bytes that are not UTF-8 become U+FFFD.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::str::Chars;

use serde::Deserialize as _;
use serde_json::{Deserializer, Value};

/// Reads a document.
///
/// # Errors
/// When it is not JSON in this sense either.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    let text = text(bytes);
    // Most documents need no repair.
    serde_json::from_str(&text).or_else(|_| serde_json::from_str(&repaired(&text)))
}

/// Reads the first of several documents, or one that other text follows.
///
/// # Errors
/// When the bytes do not start with a document.
pub(crate) fn parse_first(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    let first = |text: &str| Value::deserialize(&mut Deserializer::from_str(text));
    let text = text(bytes);
    first(&text).or_else(|_| first(&repaired(&text)))
}

fn text(bytes: &[u8]) -> Cow<'_, str> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    String::from_utf8_lossy(bytes)
}

/// The same document with strings that `serde_json` accepts.
fn repaired(text: &str) -> String {
    let mut repaired = String::with_capacity(text.len() + 16);
    let mut rest = text.chars();
    let mut in_string = false;
    while let Some(character) = rest.next() {
        match character {
            '"' => {
                in_string = !in_string;
                repaired.push('"');
            }
            '\\' if in_string => escape(&mut rest, &mut repaired),
            control if in_string && control < ' ' => {
                // Writing to a string cannot fail.
                let _ = write!(repaired, "\\u{:04x}", u32::from(control));
            }
            other => repaired.push(other),
        }
    }
    repaired
}

/// Copies an escape, behind its backslash; half of a surrogate pair becomes U+FFFD.
fn escape(rest: &mut Chars<'_>, repaired: &mut String) {
    let escaped = rest.as_str();
    let low = || code_unit(escaped.get(5..)?.strip_prefix('\\')?);
    let length = match code_unit(escaped) {
        Some(0xD800..=0xDBFF) if matches!(low(), Some(0xDC00..=0xDFFF)) => 11,
        Some(0xD800..=0xDFFF) => {
            repaired.push_str("\\ufffd");
            rest.nth(4);
            return;
        }
        _ => 1,
    };
    repaired.push('\\');
    repaired.extend(rest.take(length));
}

/// The code unit of `uXXXX` at the start.
fn code_unit(text: &str) -> Option<u32> {
    let digits = text.strip_prefix('u')?.get(..4)?;
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u32::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_read_as_their_writers_meant_them() {
        for (written, meant) in [
            (r#""\ud83d""#, "\u{fffd}"),
            (r#""a\uDE00b""#, "a\u{fffd}b"),
            (r#""\ud83d\ude00""#, "😀"),
            (r#""\uD83D\uD83D\uDE00\ude00""#, "\u{fffd}😀\u{fffd}"),
            (r#""\ud83d\n""#, "\u{fffd}\n"),
            (r#""\ud83d\\ude00""#, "\u{fffd}\\ude00"),
            (r#""\\ud83d""#, "\\ud83d"),
            ("\"a\tb\nc\0\u{1f}\"", "a\tb\nc\0\u{1f}"),
            ("\"\\ud83d ☺ é\t\"", "\u{fffd} ☺ é\t"),
            (r#""\"\ud83d\"""#, "\"\u{fffd}\""),
            ("\u{feff}\"x\"", "x"),
        ] {
            assert_eq!(parse(written.as_bytes()).unwrap(), meant, "{written}");
        }
        assert_eq!(parse(b"\"\xff\"").unwrap(), "\u{fffd}");
    }

    #[test]
    fn first_of_several_documents_is_read() {
        for (written, first) in [
            ("{} {\"a\":1}", "{}"),
            ("\u{feff}[1]\n[2]", "[1]"),
            ("[\"\\ud83d\"]<br>", "[\"\u{fffd}\"]"),
            ("[1]", "[1]"),
        ] {
            let parsed = parse_first(written.as_bytes()).unwrap();
            assert_eq!(parsed.to_string(), first, "{written}");
        }
        for broken in ["", "<br>{}", "{\"a\":1", "[1,]"] {
            assert!(parse_first(broken.as_bytes()).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn what_is_around_strings_stays_strict() {
        for broken in [
            "",
            "{",
            "{'a':1}",
            "[1,]",
            "{\"a\":1",
            "\"a",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\",
            "nul",
            "{} {}",
            "\u{feff}",
        ] {
            assert!(parse(broken.as_bytes()).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn repair_changes_nothing_of_a_good_document() {
        let good = r#"{"a" : ["\u0041\"\\\/\b\f\n\r\t", 1.50, "\ud83d\ude00", null, "é☺"]}"#;
        assert_eq!(repaired(good), good);
        let numbers = "[12345678901234567890123, 1e+400, -0]";
        assert_eq!(
            parse(numbers.as_bytes()).unwrap().to_string(),
            numbers.replace(' ', "")
        );
    }
}
