//! What can be told about a text and done to it without knowing where it goes.

/// Last code point of the Basic Multilingual Plane, the last one that UCS-2
/// has (ISO/IEC 10646).
const UCS2_LAST: char = '\u{ffff}';

/// Whether a text holds characters that UCS-2 does not have.
#[must_use]
pub fn exceeds_ucs2(text: &str) -> bool {
    text.chars().any(|character| character > UCS2_LAST)
}

/// The text with U+FFFD in place of each character that UCS-2 does not have.
#[must_use]
pub fn to_ucs2(text: &str) -> String {
    text.chars()
        .map(|character| {
            if character > UCS2_LAST {
                char::REPLACEMENT_CHARACTER
            } else {
                character
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ucs2_replaces_each_character_beyond_the_plane_once() {
        assert_eq!(to_ucs2("Hi 😀 ☺ \u{ffff}"), "Hi \u{fffd} ☺ \u{ffff}");
        assert!(exceeds_ucs2("😀"));
        assert!(!exceeds_ucs2("Привет ☺ \u{ffff}"));
    }
}
