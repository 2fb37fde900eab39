//! Character sets: what the bytes of a text mean.

use encoding_rs::{Encoding, REPLACEMENT, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252, X_USER_DEFINED};

use crate::model::gsm_alphabet;

/// The character set of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CharacterSet {
    /// One of the Encoding Standard of the WHATWG.
    Encoding(&'static Encoding),
    /// The GSM 7 bit default alphabet, a septet in each byte.
    Gsm,
    /// UTF-16 in the order that the text begins with; without, high byte first, as in
    /// SMS.
    Utf16,
}

/// Names that gateways use and the Encoding Standard does not know, or knows for
/// something else.
const NAMES: [(&str, CharacterSet); 11] = [
    ("gsm", CharacterSet::Gsm),
    ("gsm-7", CharacterSet::Gsm),
    ("gsm0338", CharacterSet::Gsm),
    ("gsm7", CharacterSet::Gsm),
    ("iso-10646-ucs-2", CharacterSet::Utf16),
    ("latin-1", CharacterSet::Encoding(WINDOWS_1252)),
    ("ucs-2", CharacterSet::Utf16),
    ("ucs-2be", CharacterSet::Encoding(UTF_16BE)),
    ("ucs2", CharacterSet::Utf16),
    ("utf-16", CharacterSet::Utf16),
    ("utf16", CharacterSet::Utf16),
];

/// A text that was decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodedText {
    /// With all characters that the bytes stand for.
    pub text: String,
    /// Whether nobody said which character set it has, or it has another one.
    pub guessed: bool,
}

impl CharacterSet {
    /// The character set with this name, in upper or lower case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let name = name.trim().to_ascii_lowercase();
        let ours = NAMES.iter().find(|(known, _)| *known == name);
        if let Some((_, set)) = ours {
            return Some(*set);
        }
        let encoding = Encoding::for_label(name.as_bytes())?;
        // These two decode nothing.
        let is_real = encoding != REPLACEMENT && encoding != X_USER_DEFINED;
        is_real.then_some(Self::Encoding(encoding))
    }

    /// Whether a text of ASCII characters has the same bytes in this set.
    #[must_use]
    pub fn is_ascii_compatible(self) -> bool {
        matches!(self, Self::Encoding(encoding) if encoding.is_ascii_compatible())
    }

    /// Whether each ASCII character is one byte and each byte below 128 that character,
    /// whatever is before it: in such sets a text has the same structure.
    #[must_use]
    pub fn keeps_ascii(self) -> bool {
        match self {
            Self::Encoding(encoding) => {
                let alone = encoding == UTF_8 || encoding.is_single_byte();
                alone && encoding.is_ascii_compatible()
            }
            Self::Gsm | Self::Utf16 => false,
        }
    }

    /// The text that bytes of this set mean.
    fn decode(self, bytes: &[u8]) -> Option<String> {
        let (encoding, bytes) = match (self, bytes) {
            (Self::Encoding(encoding), bytes) => (encoding, bytes),
            (Self::Gsm, bytes) => return gsm_alphabet::decode(bytes),
            (Self::Utf16, [0xFF, 0xFE, rest @ ..]) => (UTF_16LE, rest),
            (Self::Utf16, [0xFE, 0xFF, rest @ ..] | rest) => (UTF_16BE, rest),
        };
        let (text, had_errors) = encoding.decode_without_bom_handling(bytes);
        // What is not UTF-8 was declared wrongly. In the other sets an error is in the
        // text itself, such as half of an emoji.
        let is_wrong = had_errors && encoding == UTF_8;
        (!is_wrong).then(|| text.into_owned())
    }
}

/// The text that bytes mean. Without a declared set, or when they are not of it, they
/// are UTF-8 or else windows-1252, which has a character for each byte.
#[must_use]
pub fn decode(bytes: &[u8], declared: Option<CharacterSet>) -> DecodedText {
    if let Some(text) = declared.and_then(|set| set.decode(bytes)) {
        let guessed = false;
        return DecodedText { text, guessed };
    }
    let is_plain = declared.is_none() || bytes.is_ascii();
    match CharacterSet::Encoding(UTF_8).decode(bytes) {
        Some(text) => DecodedText {
            text,
            guessed: !is_plain,
        },
        None => DecodedText {
            text: WINDOWS_1252
                .decode_without_bom_handling(bytes)
                .0
                .into_owned(),
            guessed: true,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(name: &str, bytes: &[u8]) -> String {
        let decoded = decode(bytes, Some(CharacterSet::named(name).expect(name)));
        assert!(!decoded.guessed, "{name}");
        decoded.text
    }

    #[test]
    fn bytes_are_read_by_the_declared_set() {
        for (name, bytes, text) in [
            ("UTF-8", &b"tr\xc3\xa8s \xe2\x82\xac"[..], "très €"),
            ("utf8", b"\xef\xbb\xbfx", "\u{feff}x"),
            ("ISO-8859-1", b"tr\xe8s", "très"),
            ("latin-1", b"tr\xe8s", "très"),
            ("windows-1252", b"\x80 \x93x\x94", "€ “x”"),
            ("iso-8859-15", b"\xa4", "€"),
            ("ISO-8859-5", b"\xbf\xe0\xd8", "При"),
            ("koi8-r", b"\xf0\xd2\xc9", "При"),
            ("windows-1251", b"\xcf\xf0\xe8", "При"),
            ("iso-8859-8", b"\xf9\xec\xe5\xed", "שלום"),
            ("Shift_JIS", b"\x82\xb1\x82\xf1", "こん"),
            ("euc-kr", b"\xbe\xc8", "안"),
            ("gb2312", b"\xc4\xe3", "你"),
            ("big5", b"\xa7\x41", "你"),
            ("UTF-16BE", b"\0a\xd8\x3d\xde\x00", "a😀"),
            ("utf-16le", b"a\0\x3d\xd8\x00\xde", "a😀"),
            ("UCS-2", b"\0a\x26\x3a", "a☺"),
            ("UTF-16", b"\xff\xfea\0", "a"),
            ("UTF-16", b"\xfe\xff\0a", "a"),
            ("utf-16be", b"\0a\xd8\x3d", "a\u{fffd}"),
            ("GSM", b"caf\x05 \x1be", "café €"),
        ] {
            assert_eq!(by(name, bytes), text, "{name}");
        }
    }

    #[test]
    fn name_that_nobody_knows_is_none() {
        for name in [
            "",
            "utf-99",
            "binary",
            "x-user-defined",
            "iso-2022-kr",
            "ucs 2",
        ] {
            assert_eq!(CharacterSet::named(name), None, "{name}");
        }
        assert_eq!(CharacterSet::named(" Gsm "), Some(CharacterSet::Gsm));
    }

    #[test]
    fn undeclared_bytes_are_utf_8_or_windows_1252() {
        let decoded = |bytes: &[u8], declared| {
            let DecodedText { text, guessed } = decode(bytes, declared);
            (text, guessed)
        };
        let pair = |text: &str, guessed| (text.to_owned(), guessed);
        assert_eq!(decoded(b"x", None), pair("x", false));
        assert_eq!(decoded("très ☺".as_bytes(), None), pair("très ☺", false));
        assert_eq!(decoded(b"tr\xe8s", None), pair("très", true));
        let utf_8 = CharacterSet::named("utf-8");
        assert_eq!(decoded(b"tr\xe8s", utf_8), pair("très", true));
        let gsm = Some(CharacterSet::Gsm);
        assert_eq!(decoded("très".as_bytes(), gsm), pair("très", true));
        assert_eq!(decoded(b"tr\xe8s", gsm), pair("très", true));
    }

    #[test]
    fn every_byte_has_a_character() {
        let bytes: Vec<u8> = (0..=255).collect();
        let DecodedText { text, .. } = decode(&bytes, None);
        assert_eq!(text.chars().count(), 256);
        assert!(!text.contains('\u{fffd}'));
    }
}
