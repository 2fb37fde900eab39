//! How much of the air a text takes: what it is written in and how many short
//! messages it makes. Pure.
//!
//! Counted is the text as the provider gets it, by the rules of 3GPP TS 23.038
//! (alphabets) and TS 23.040, 9.2.3.24.1 (concatenation). A provider that
//! replaces characters, or uses a national table, counts otherwise.

use std::fmt;
use std::num::{NonZeroU8, NonZeroUsize};
use unicode_segmentation::UnicodeSegmentation as _;

/// What a text is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextEncoding {
    /// The GSM 7 bit default alphabet with its extension table.
    Gsm7,
    /// UTF-16 code units, which is what phones make of UCS-2.
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

/// What a text is written in, and how many short messages it makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextSize {
    /// What it is written in.
    pub encoding: TextEncoding,
    /// How many short messages it makes; an empty text is one, too.
    pub segments: usize,
}

impl TextSize {
    /// The size of a text. One character that the GSM alphabet does not have
    /// makes all of it UCS-2.
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

    /// Whether that is `most` segments or fewer.
    #[must_use]
    pub fn fits(self, most: NonZeroU8) -> bool {
        self.segments <= usize::from(most.get())
    }
}

/// What a character of the GSM alphabet takes.
fn septets(character: char) -> Option<usize> {
    if DEFAULT_ALPHABET.contains(character) {
        Some(1)
    } else if EXTENSION_TABLE.contains(character) {
        Some(2)
    } else {
        None
    }
}

/// How many segments characters of these widths fill: one of `alone`, or
/// several of `each`, which leaves room for the header that joins them. What
/// is two wide stays whole and may leave the last place of a segment empty.
fn segments(widths: &[usize], alone: usize, each: usize) -> usize {
    if widths.iter().sum::<usize>() <= alone {
        return 1;
    }
    let (mut segments, mut used) = (1, 0);
    for width in widths {
        if used + width > each {
            segments += 1;
            used = 0;
        }
        used += width;
    }
    segments
}

/// 3GPP TS 23.038, 6.2.1, in order; 0x1B, the escape, is no character. The
/// cedilla is on the capital C alone.
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

/// 3GPP TS 23.038, 6.2.1.1: what stands behind an escape.
const EXTENSION_TABLE: &str = "\u{c}^{}\\[~]|€";

/// A text in parts of so many characters at most, cut between what a reader sees
/// as characters; whole when there is no bound.
#[must_use]
pub fn parts(text: &str, most: Option<NonZeroUsize>) -> Vec<&str> {
    let Some(most) = most else {
        return vec![text];
    };
    let (mut parts, mut start, mut count) = (Vec::new(), 0, 0);
    for (at, seen) in text.grapheme_indices(true) {
        let characters = seen.chars().count();
        if count > 0 && count + characters > most.get() {
            parts.extend(text.get(start..at));
            (start, count) = (at, 0);
        }
        count += characters;
    }
    parts.extend(text.get(start..));
    parts
}

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
    use proptest::prelude::*;

    #[test]
    fn long_text_is_cut_between_what_a_reader_sees() {
        let most = NonZeroUsize::new(3);
        assert_eq!(parts("abcdefg", most), ["abc", "def", "g"]);
        assert_eq!(
            parts("ab\u{1f468}\u{200d}\u{1f469}c", most),
            ["ab", "\u{1f468}\u{200d}\u{1f469}", "c"]
        );
        assert_eq!(parts("abc", most), ["abc"]);
        assert_eq!(parts("", most), [""]);
        assert_eq!(parts("abcdefg", None), ["abcdefg"]);
    }

    #[test]
    fn ucs2_replaces_each_character_beyond_the_plane_once() {
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
    fn alphabet_is_the_tables_and_no_other_character() {
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
    fn each_character_of_the_tables_takes_its_place() {
        for (codes, alone, each) in [(&DEFAULT[..], 160, 153), (&EXTENSION, 80, 76)] {
            for code in codes.iter().filter(|code| **code != 0) {
                let character = char::from_u32(*code).unwrap().to_string();
                for (count, segments) in [
                    (1, 1),
                    (alone, 1),
                    (alone + 1, 2),
                    (2 * each, 2),
                    (2 * each + 1, 3),
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
    fn one_foreign_character_makes_all_of_it_ucs2() {
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
    fn size_counts_pairs_as_two_and_splits_none() {
        use TextEncoding::{Gsm7, Ucs2};
        let x = |count: usize| "x".repeat(count);
        for (text, encoding, segments) in [
            (String::new(), Gsm7, 1),
            ("\r\n".repeat(80), Gsm7, 1),
            (x(158) + "€", Gsm7, 1),
            (x(159) + "€", Gsm7, 2),
            (x(151) + "€" + &x(153), Gsm7, 2),
            // 306 septets are two segments, but a pair stands on the cut.
            (x(152) + "€" + &x(152), Gsm7, 3),
            (x(152) + "€" + &x(151), Gsm7, 2),
            // The same twice: 459 septets would be three.
            (x(152) + "€" + &x(151) + "€" + &x(152), Gsm7, 4),
            ("{}".repeat(40), Gsm7, 1),
            ("😀".repeat(35), Ucs2, 1),
            ("😀".repeat(36), Ucs2, 2),
            // 33 pairs in a segment, and one unit empty.
            ("😀".repeat(66), Ucs2, 2),
            ("😀".repeat(67), Ucs2, 3),
            (x(65) + "😀" + &x(67), Ucs2, 2),
            (x(66) + "😀" + &x(66), Ucs2, 3),
            (x(68) + "😀", Ucs2, 1),
            (x(69) + "😀", Ucs2, 2),
            // Characters of several code points may be split between these.
            ("e\u{301}".repeat(35), Ucs2, 1),
        ] {
            let size = TextSize::of(&text);
            let expected = TextSize { encoding, segments };
            assert_eq!(size, expected, "{text:?}");
        }
    }

    #[test]
    fn size_fits_up_to_the_bound() {
        let fits = |segments, most| {
            let encoding = TextEncoding::Gsm7;
            TextSize { encoding, segments }.fits(NonZeroU8::new(most).unwrap())
        };
        assert!(fits(1, 1) && fits(2, 3) && fits(255, 255));
        assert!(!fits(2, 1) && !fits(256, 255) && !fits(257, 1));
    }

    /// Lays a text down unit by unit, as a phone would, and counts the
    /// segments that were laid.
    fn naive(text: &str) -> TextSize {
        let code = |character: char| u32::from(character);
        let in_tables =
            |character| DEFAULT.contains(&code(character)) || EXTENSION.contains(&code(character));
        let gsm = text
            .chars()
            .all(|character| character != '\0' && in_tables(character));
        let (encoding, alone, each) = if gsm {
            (TextEncoding::Gsm7, 160, 153)
        } else {
            (TextEncoding::Ucs2, 70, 67)
        };
        let pieces = text.chars().map(|character| -> Vec<u16> {
            if !gsm {
                return character.encode_utf16(&mut [0; 2]).to_vec();
            }
            let place = |table: &[u32]| table.iter().position(|of| *of == code(character));
            match (place(&DEFAULT), place(&EXTENSION)) {
                (Some(place), _) => vec![u16::try_from(place).unwrap()],
                (None, place) => vec![0x1b, u16::try_from(place.unwrap()).unwrap()],
            }
        });
        let mut laid: Vec<Vec<u16>> = vec![Vec::new()];
        for piece in pieces.clone() {
            if laid.last().unwrap().len() + piece.len() > each {
                laid.push(Vec::new());
            }
            laid.last_mut().unwrap().extend(piece);
        }
        let segments = if pieces.flatten().count() <= alone {
            1
        } else {
            laid.len()
        };
        TextSize { encoding, segments }
    }

    proptest! {
        #[test]
        fn size_is_what_laying_it_down_gives(text in any::<String>()) {
            prop_assert_eq!(TextSize::of(&text), naive(&text));
        }

        #[test]
        fn size_of_long_gsm_text_is_what_laying_it_down_gives(
            text in "[a-cÇ€{\u{c}\r\n]{60,700}"
        ) {
            prop_assert_eq!(TextSize::of(&text).encoding, TextEncoding::Gsm7);
            prop_assert_eq!(TextSize::of(&text), naive(&text));
        }

        #[test]
        fn size_of_long_other_text_is_what_laying_it_down_gives(
            text in "[a-cç€Ж日😀🇸\u{301}]{20,400}"
        ) {
            prop_assert_eq!(TextSize::of(&text), naive(&text));
        }

        #[test]
        fn size_is_never_less_than_division_says(text in "[x€]{0,500}") {
            let septets: usize = text.chars().filter_map(septets).sum();
            let divided = if septets <= 160 { 1 } else { septets.div_ceil(153) };
            let size = TextSize::of(&text).segments;
            // Each segment may leave one septet empty.
            let most = septets.div_ceil(152).max(1);
            prop_assert!((divided..=most).contains(&size), "{} of {}", size, septets);
        }
    }
}
