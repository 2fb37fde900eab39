//! Segments: the encoding of a text in SMS, and how many short messages it
//! takes.
//!
//! The rules are those of 3GPP TS 23.038 (alphabets) and TS 23.040, 9.2.3.24.1
//! (concatenation), applied to the text as the provider gets it. Providers that
//! replace characters or use national tables get another count.

use std::fmt;
use std::num::{NonZeroU8, NonZeroUsize};
use unicode_segmentation::UnicodeSegmentation as _;

use crate::model::gsm_alphabet::septets;

/// The encoding of a text in SMS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextEncoding {
    /// The GSM 7 bit default alphabet with its extension table.
    Gsm7,
    /// UTF-16 code units, as which phones interpret UCS-2.
    Ucs2,
}

impl fmt::Display for TextEncoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gsm7 => "GSM-7",
            Self::Ucs2 => "UCS-2",
        })
    }
}

/// Encoding and segments of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextSize {
    /// The encoding that all segments share.
    pub encoding: TextEncoding,
    /// Number of short messages; 1 for an empty text.
    pub segments: usize,
}

impl TextSize {
    /// The size of a text. A single character outside of the GSM alphabet makes
    /// the whole text UCS-2.
    #[must_use]
    pub fn of(text: &str) -> Self {
        if let Some(septets) = text.chars().map(septets).collect::<Option<Vec<_>>>() {
            return Self {
                encoding: TextEncoding::Gsm7,
                segments: segments(&septets, 160, 153),
            };
        }
        let units: Vec<_> = text.chars().map(char::len_utf16).collect();
        Self {
            encoding: TextEncoding::Ucs2,
            segments: segments(&units, 70, 67),
        }
    }

    /// Whether the text takes `max` segments or fewer.
    #[must_use]
    pub fn fits(self, max: NonZeroU8) -> bool {
        self.segments <= usize::from(max.get())
    }
}

/// Segments for characters of these widths: one of `single` units, or several
/// of `part` units, which leaves space for the concatenation header. A character
/// of two units is not split, and may leave the last unit of a segment unused.
fn segments(widths: &[usize], single: usize, part: usize) -> usize {
    if widths.iter().sum::<usize>() <= single {
        return 1;
    }
    let (mut segments, mut used) = (1, 0);
    for width in widths {
        if used + width > part {
            segments += 1;
            used = 0;
        }
        used += width;
    }
    segments
}

/// Cuts a text, between grapheme clusters, into parts of `max` characters at
/// most. Without `max` the text is one part.
#[must_use]
pub fn parts(text: &str, max: Option<NonZeroUsize>) -> Vec<&str> {
    let Some(max) = max else {
        return vec![text];
    };
    let (mut parts, mut start, mut count) = (Vec::new(), 0, 0);
    for (at, cluster) in text.grapheme_indices(true) {
        let characters = cluster.chars().count();
        if count > 0 && count + characters > max.get() {
            parts.extend(text.get(start..at));
            (start, count) = (at, 0);
        }
        count += characters;
    }
    parts.extend(text.get(start..));
    parts
}

/// The last character of UCS-2: the end of the Basic Multilingual Plane (ISO/IEC
/// 10646).
const UCS2_LAST: char = '\u{ffff}';

/// Whether a text holds characters outside of UCS-2.
#[must_use]
pub fn exceeds_ucs2(text: &str) -> bool {
    text.chars().any(|character| character > UCS2_LAST)
}

/// The text with each character outside of UCS-2 replaced by U+FFFD.
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
    use proptest::prelude::*;

    use super::*;
    use crate::model::gsm_alphabet::tests::{DEFAULT, EXTENSION};

    #[test]
    fn long_text_is_cut_between_grapheme_clusters() {
        let max = NonZeroUsize::new(3);
        assert_eq!(parts("abcdefg", max), ["abc", "def", "g"]);
        assert_eq!(
            parts("ab\u{1f468}\u{200d}\u{1f469}c", max),
            ["ab", "\u{1f468}\u{200d}\u{1f469}", "c"]
        );
        assert_eq!(parts("abc", max), ["abc"]);
        assert_eq!(parts("", max), [""]);
        assert_eq!(parts("abcdefg", None), ["abcdefg"]);
    }

    #[test]
    fn each_character_outside_ucs2_is_replaced_once() {
        assert_eq!(to_ucs2("Hi 😀 ☺ \u{ffff}"), "Hi \u{fffd} ☺ \u{ffff}");
        assert!(exceeds_ucs2("😀"));
        assert!(!exceeds_ucs2("Привет ☺ \u{ffff}"));
    }

    #[test]
    fn each_character_of_the_tables_has_its_width() {
        for (codes, single, part) in [(&DEFAULT[..], 160, 153), (&EXTENSION, 80, 76)] {
            for code in codes.iter().filter(|code| **code != 0) {
                let character = char::from_u32(*code).unwrap().to_string();
                for (count, segments) in [
                    (1, 1),
                    (single, 1),
                    (single + 1, 2),
                    (2 * part, 2),
                    (2 * part + 1, 3),
                ] {
                    let expected = TextSize {
                        encoding: TextEncoding::Gsm7,
                        segments,
                    };
                    let size = TextSize::of(&character.repeat(count));
                    assert_eq!(size, expected, "{count} of {character:?}");
                }
            }
        }
    }

    #[test]
    fn one_foreign_character_makes_the_text_ucs2() {
        for foreign in [
            "ç", "`", "á", "Α", "☺", "\u{1b}", "\t", "\0", "\u{a0}", "\u{2126}", "\u{2019}",
            "\u{fffd}", "\u{ffff}",
        ] {
            for (others, segments) in [(0, 1), (69, 1), (70, 2), (133, 2), (134, 3)] {
                let size = TextSize::of(&format!("{}{foreign}", "x".repeat(others)));
                let expected = TextSize {
                    encoding: TextEncoding::Ucs2,
                    segments,
                };
                assert_eq!(size, expected, "{others} and {foreign:?}");
            }
        }
    }

    #[test]
    fn characters_of_two_units_are_not_split() {
        use TextEncoding::{Gsm7, Ucs2};
        let x = |count: usize| "x".repeat(count);
        for (text, encoding, segments) in [
            (String::new(), Gsm7, 1),
            ("\r\n".repeat(80), Gsm7, 1),
            (x(158) + "€", Gsm7, 1),
            (x(159) + "€", Gsm7, 2),
            (x(151) + "€" + &x(153), Gsm7, 2),
            // 306 septets would fit into two segments, but a pair is on the cut.
            (x(152) + "€" + &x(152), Gsm7, 3),
            (x(152) + "€" + &x(151), Gsm7, 2),
            // The same twice: 459 septets would fit into three.
            (x(152) + "€" + &x(151) + "€" + &x(152), Gsm7, 4),
            ("{}".repeat(40), Gsm7, 1),
            ("😀".repeat(35), Ucs2, 1),
            ("😀".repeat(36), Ucs2, 2),
            // 33 pairs in a segment, and one unit is unused.
            ("😀".repeat(66), Ucs2, 2),
            ("😀".repeat(67), Ucs2, 3),
            (x(65) + "😀" + &x(67), Ucs2, 2),
            (x(66) + "😀" + &x(66), Ucs2, 3),
            (x(68) + "😀", Ucs2, 1),
            (x(69) + "😀", Ucs2, 2),
            // A grapheme cluster may be split between its code points.
            ("e\u{301}".repeat(35), Ucs2, 1),
        ] {
            let size = TextSize::of(&text);
            let expected = TextSize { encoding, segments };
            assert_eq!(size, expected, "{text:?}");
        }
    }

    #[test]
    fn size_fits_up_to_the_maximum() {
        let fits = |segments, max| {
            let encoding = TextEncoding::Gsm7;
            TextSize { encoding, segments }.fits(NonZeroU8::new(max).unwrap())
        };
        assert!(fits(1, 1) && fits(2, 3) && fits(255, 255));
        assert!(!fits(2, 1) && !fits(256, 255) && !fits(257, 1));
    }

    /// Writes a text unit by unit, as a phone would, and counts the segments.
    fn naive(text: &str) -> TextSize {
        let code = |character: char| u32::from(character);
        let in_tables =
            |character| DEFAULT.contains(&code(character)) || EXTENSION.contains(&code(character));
        let gsm = text
            .chars()
            .all(|character| character != '\0' && in_tables(character));
        let (encoding, single, part) = if gsm {
            (TextEncoding::Gsm7, 160, 153)
        } else {
            (TextEncoding::Ucs2, 70, 67)
        };
        let pieces = text.chars().map(|character| -> Vec<u16> {
            if !gsm {
                return character.encode_utf16(&mut [0; 2]).to_vec();
            }
            let index = |table: &[u32]| table.iter().position(|of| *of == code(character));
            match (index(&DEFAULT), index(&EXTENSION)) {
                (Some(index), _) => vec![u16::try_from(index).unwrap()],
                (None, index) => vec![0x1b, u16::try_from(index.unwrap()).unwrap()],
            }
        });
        let mut written: Vec<Vec<u16>> = vec![Vec::new()];
        for piece in pieces.clone() {
            if written.last().unwrap().len() + piece.len() > part {
                written.push(Vec::new());
            }
            written.last_mut().unwrap().extend(piece);
        }
        let segments = if pieces.flatten().count() <= single {
            1
        } else {
            written.len()
        };
        TextSize { encoding, segments }
    }

    proptest! {
        #[test]
        fn size_equals_the_naive_count(text in any::<String>()) {
            prop_assert_eq!(TextSize::of(&text), naive(&text));
        }

        #[test]
        fn size_of_long_gsm_text_equals_the_naive_count(
            text in "[a-cÇ€{\u{c}\r\n]{60,700}"
        ) {
            prop_assert_eq!(TextSize::of(&text).encoding, TextEncoding::Gsm7);
            prop_assert_eq!(TextSize::of(&text), naive(&text));
        }

        #[test]
        fn size_of_long_other_text_equals_the_naive_count(
            text in "[a-cç€Ж日😀🇸\u{301}]{20,400}"
        ) {
            prop_assert_eq!(TextSize::of(&text), naive(&text));
        }

        #[test]
        fn size_is_near_septets_by_division(text in "[x€]{0,500}") {
            let septets: usize = text.chars().filter_map(septets).sum();
            let divided = if septets <= 160 { 1 } else { septets.div_ceil(153) };
            let size = TextSize::of(&text).segments;
            // Each segment may leave one septet unused.
            let max = septets.div_ceil(152).max(1);
            prop_assert!((divided..=max).contains(&size), "{} of {}", size, septets);
        }
    }
}
