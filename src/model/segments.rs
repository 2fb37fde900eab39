//! Segments: the encoding of a text in SMS, and how many short messages it
//! takes.
//!
//! The rules are those of 3GPP TS 23.038 (alphabets) and TS 23.040, 9.2.3.24.1
//! (concatenation), applied to the text as the provider gets it. Providers that
//! replace characters or use national tables get another count.

use std::fmt;
use std::num::{NonZeroU8, NonZeroUsize};
use unicode_segmentation::UnicodeSegmentation as _;

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

/// Septets of a character; `None` if the GSM alphabet does not have it.
fn septets(character: char) -> Option<usize> {
    if DEFAULT_ALPHABET.contains(character) {
        Some(1)
    } else if EXTENSION_TABLE.contains(character) {
        Some(2)
    } else {
        None
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

/// 3GPP TS 23.038, 6.2.1, in order, without 0x1B, the escape. Only the capital
/// C has a cedilla.
const DEFAULT_ALPHABET: &str = concat!(
    "@£$¥èéùìòÇ\nØø\rÅå",
    "Δ_ΦΓΛΩΠΨΣΘΞÆæßÉ",
    " !\"#¤%&'()*+,-./",
    "0123456789:;<=>?",
    "¡ABCDEFGHIJKLMNO",
    "PQRSTUVWXYZÄÖÑÜ§",
    "¿abcdefghijklmno",
    "pqrstuvwxyzäöñüà",
);

/// 3GPP TS 23.038, 6.2.1.1: characters that are encoded with an escape.
const EXTENSION_TABLE: &str = "\u{c}^{}\\[~]|€";

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
    use super::*;
    use proptest::prelude::*;

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

    /// The default alphabet by code point, 0x00 to 0x7F; 0 is the escape.
    const DEFAULT: [u32; 128] = [
        0x40, 0xa3, 0x24, 0xa5, 0xe8, 0xe9, 0xf9, 0xec, 0xf2, 0xc7, 0x0a, 0xd8, 0xf8, 0x0d, 0xc5,
        0xe5, 0x394, 0x5f, 0x3a6, 0x393, 0x39b, 0x3a9, 0x3a0, 0x3a8, 0x3a3, 0x398, 0x39e, 0, 0xc6,
        0xe6, 0xdf, 0xc9, 0x20, 0x21, 0x22, 0x23, 0xa4, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x2b,
        0x2c, 0x2d, 0x2e, 0x2f, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a,
        0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0xa1, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49,
        0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f, 0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58,
        0x59, 0x5a, 0xc4, 0xd6, 0xd1, 0xdc, 0xa7, 0xbf, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67,
        0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f, 0x70, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76,
        0x77, 0x78, 0x79, 0x7a, 0xe4, 0xf6, 0xf1, 0xfc, 0xe0,
    ];

    /// The extension table by code point: 0x0A, 0x14, 0x28, 0x29, 0x2F, 0x3C,
    /// 0x3D, 0x3E, 0x40, 0x65.
    const EXTENSION: [u32; 10] = [0x0c, 0x5e, 0x7b, 0x7d, 0x5c, 0x5b, 0x7e, 0x5d, 0x7c, 0x20ac];

    #[test]
    fn alphabet_has_exactly_the_characters_of_the_tables() {
        let escape = DEFAULT.iter().position(|code| *code == 0);
        assert_eq!(escape, Some(0x1b));
        let in_tables = DEFAULT.len() - 1 + EXTENSION.len();
        let mut found = 0;
        for character in '\0'..=char::MAX {
            let code = u32::from(character);
            let expected = if EXTENSION.contains(&code) {
                Some(2)
            } else if code != 0 && DEFAULT.contains(&code) {
                Some(1)
            } else {
                None
            };
            assert_eq!(septets(character), expected, "U+{code:04X}");
            found += usize::from(expected.is_some());
        }
        assert_eq!(found, in_tables);
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
