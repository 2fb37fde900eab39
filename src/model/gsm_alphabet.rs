//! The GSM 7 bit default alphabet and its extension table (3GPP TS 23.038, 6.2.1).

/// The default alphabet in order, without 0x1B, the escape. Only the capital C has a
/// cedilla.
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

/// Characters that are encoded with an escape (6.2.1.1).
const EXTENSION_TABLE: &str = "\u{c}^{}\\[~]|€";

/// What stands behind the escape, in the order of [`EXTENSION_TABLE`].
const EXTENSION_CODES: [u8; 10] = [0x0A, 0x14, 0x28, 0x29, 0x2F, 0x3C, 0x3D, 0x3E, 0x40, 0x65];

const ESCAPE: u8 = 0x1B;

/// Septets of a character; `None` if the GSM alphabet does not have it.
pub(crate) fn septets(character: char) -> Option<usize> {
    if DEFAULT_ALPHABET.contains(character) {
        Some(1)
    } else if EXTENSION_TABLE.contains(character) {
        Some(2)
    } else {
        None
    }
}

/// Reads a text of which each byte is a septet, as gateways hand it over. `None` when a
/// byte is none.
pub(crate) fn decode(bytes: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(byte) = rest.next() {
        let character = if *byte == ESCAPE {
            rest.next().map_or(Some(' '), |code| extended(*code))
        } else {
            plain(*byte)
        };
        text.push(character?);
    }
    Some(text)
}

fn plain(code: u8) -> Option<char> {
    let before_escape = usize::from(code > ESCAPE);
    let index = usize::from(code).checked_sub(before_escape)?;
    DEFAULT_ALPHABET.chars().nth(index)
}

/// A phone shows the character of the default alphabet where the table has none, and a
/// blank where another table would be meant (6.2.1.1).
fn extended(code: u8) -> Option<char> {
    let index = EXTENSION_CODES.iter().position(|known| *known == code);
    match index {
        Some(index) => EXTENSION_TABLE.chars().nth(index),
        None if code == ESCAPE => Some(' '),
        None => plain(code),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The default alphabet by code point, 0x00 to 0x7F; 0 is the escape.
    pub(in crate::model) const DEFAULT: [u32; 128] = [
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
    pub(in crate::model) const EXTENSION: [u32; 10] =
        [0x0c, 0x5e, 0x7b, 0x7d, 0x5c, 0x5b, 0x7e, 0x5d, 0x7c, 0x20ac];

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
    fn each_code_is_read_by_the_tables() {
        for (code, expected) in (0u8..).zip(DEFAULT) {
            if code != ESCAPE {
                let expected = char::from_u32(expected).unwrap().to_string();
                assert_eq!(decode(&[code]), Some(expected), "{code:02x}");
            }
        }
        for (code, expected) in EXTENSION_CODES.into_iter().zip(EXTENSION) {
            let expected = char::from_u32(expected).unwrap().to_string();
            assert_eq!(decode(&[ESCAPE, code]), Some(expected), "1b{code:02x}");
        }
        assert_eq!(decode(b"caf\x05 a\x00b").unwrap(), "caf\u{e9} a@b");
        for (unknown, shown) in [(&b"\x1bA"[..], "A"), (b"\x1b\x1bA", " A"), (b"A\x1b", "A ")] {
            assert_eq!(decode(unknown).unwrap(), shown);
        }
        assert_eq!(decode(b"\x80"), None);
        assert_eq!(decode(b"\x1b\xff"), None);
    }
}
