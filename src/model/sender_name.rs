//! Names of senders that Asterisk cannot carry as they are, made harmless. Pure.
//!
//! A name stands in `CallerID` and `MESSAGE(from)` of a call file, in an argument
//! of `MessageSend` and in a SIP URI. What one of these would read as syntax
//! becomes `-`, and letters become plain ones: `AT&T` is `AT-T`, `Søstrene G` is
//! `Sostrene G`.

use crate::model::message::{PhoneNumber, SENDER_MAX, Sender};

/// Stands for characters that a name cannot hold.
const REPLACEMENT: char = '-';

/// The nearest name that [`Sender::parse`] takes; `None` when no letter or digit of
/// it can be written. It is never a number: an answer would go to a stranger.
#[must_use]
pub fn harmless(raw: &str) -> Option<Sender> {
    let mut name = String::new();
    for character in raw.chars() {
        // No more can count, with what is cut off at the ends.
        if name.len() > SENDER_MAX {
            break;
        }
        push(&mut name, character);
    }
    name.truncate(SENDER_MAX);
    trim_end(&mut name);
    if PhoneNumber::parse(&name).is_ok() {
        // `7/11` would be the short code 711. A number holds no `_`.
        name.truncate(SENDER_MAX - 1);
        name.push('_');
    }
    Sender::parse(&name).ok()
}

/// A name without what no reader sees: blanks and controls at its ends, and marks
/// for the direction or the joining of letters anywhere.
#[must_use]
pub fn visible(raw: &str) -> String {
    let seen: String = raw.chars().filter(|seen| !is_invisible(*seen)).collect();
    let hidden = |end: char| end.is_whitespace() || end.is_control();
    seen.trim_matches(hidden).to_owned()
}

/// Appends what a character becomes. All of it is ASCII.
fn push(name: &mut String, character: char) {
    match character {
        _ if is_invisible(character) => {}
        _ if character.is_ascii_alphanumeric() => name.push(character),
        '.' | '_' | '+' | '-' => push_inner(name, character),
        _ if character.is_whitespace() => push_inner(name, ' '),
        _ => match plain(character) {
            Some(letters) => name.push_str(&letters),
            None if !name.ends_with(REPLACEMENT) => push_inner(name, REPLACEMENT),
            None => {}
        },
    }
}

/// Appends a character that a name cannot start with.
fn push_inner(name: &mut String, character: char) {
    let second_blank = character == ' ' && name.ends_with(' ');
    if !name.is_empty() && !second_blank {
        name.push(character);
    }
}

fn trim_end(name: &mut String) {
    let kept = name.trim_end_matches([' ', REPLACEMENT]).len();
    name.truncate(kept);
}

/// Marks above letters, joiners, variation selectors and marks of direction.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
    )
}

/// Plain letters for a letter with marks, of Greek or Cyrillic, or of full width.
fn plain(character: char) -> Option<String> {
    if let '\u{ff01}'..='\u{ff5e}' = character {
        let narrow = char::from_u32(u32::from(character) - 0xfee0)?;
        return narrow.is_ascii_alphanumeric().then(|| narrow.to_string());
    }
    let mut letters = String::new();
    // `ß` in upper case is `SS`.
    for upper in character.to_uppercase() {
        if upper.is_ascii_alphabetic() {
            letters.push(upper);
        } else {
            letters.push_str(latin(upper).or_else(|| greek_or_cyrillic(upper))?);
        }
    }
    if character.is_lowercase() {
        letters.make_ascii_lowercase();
    }
    Some(letters)
}

fn latin(upper: char) -> Option<&'static str> {
    let plain = match upper {
        'À'..='Å' | 'Ā' | 'Ă' | 'Ą' | 'Ǎ' | 'Ạ'..='Ặ' => "A",
        'Æ' => "Ae",
        'Ç' | 'Ć' | 'Ĉ' | 'Ċ' | 'Č' => "C",
        'Ð' | 'Ď' | 'Đ' => "D",
        'È'..='Ë' | 'Ē' | 'Ĕ' | 'Ė' | 'Ę' | 'Ě' | 'Ẹ'..='Ệ' => "E",
        'Ĝ' | 'Ğ' | 'Ġ' | 'Ģ' => "G",
        'Ĥ' | 'Ħ' => "H",
        'Ì'..='Ï' | 'Ĩ' | 'Ī' | 'Ĭ' | 'Į' | 'İ' | 'Ỉ' | 'Ị' => "I",
        'Ĵ' => "J",
        'Ķ' => "K",
        'Ĺ' | 'Ļ' | 'Ľ' | 'Ŀ' | 'Ł' => "L",
        'Ñ' | 'Ń' | 'Ņ' | 'Ň' => "N",
        'Ò'..='Ö' | 'Ø' | 'Ō' | 'Ŏ' | 'Ő' | 'Ơ' | 'Ọ'..='Ợ' => "O",
        'Œ' => "Oe",
        'Ŕ' | 'Ŗ' | 'Ř' => "R",
        'Ś' | 'Ŝ' | 'Ş' | 'Š' | 'Ș' => "S",
        'Ţ' | 'Ť' | 'Ŧ' | 'Ț' => "T",
        'Þ' => "Th",
        'Ù'..='Ü' | 'Ũ' | 'Ū' | 'Ŭ' | 'Ů' | 'Ű' | 'Ų' | 'Ư' | 'Ụ'..='Ự' => "U",
        'Ŵ' => "W",
        'Ý' | 'Ŷ' | 'Ÿ' | 'Ỳ'..='Ỹ' => "Y",
        'Ź' | 'Ż' | 'Ž' => "Z",
        'ẞ' => "SS",
        _ => return None,
    };
    Some(plain)
}

fn greek_or_cyrillic(upper: char) -> Option<&'static str> {
    let plain = match upper {
        'Α' | 'Ά' | 'А' => "A",
        'Б' => "B",
        'Β' | 'В' => "V",
        'Γ' | 'Г' | 'Ґ' => "G",
        'Δ' | 'Д' => "D",
        'Ε' | 'Έ' | 'Е' | 'Ё' | 'Э' | 'Є' => "E",
        'Ж' => "Zh",
        'Ζ' | 'З' => "Z",
        'Η' | 'Ή' | 'Ι' | 'Ί' | 'Ϊ' | 'И' | 'Й' | 'І' | 'Ї' => "I",
        'Θ' => "Th",
        'Ј' => "J",
        'Κ' | 'К' => "K",
        'Λ' | 'Л' => "L",
        'Μ' | 'М' => "M",
        'Ν' | 'Н' => "N",
        'Ξ' => "X",
        'Ο' | 'Ό' | 'Ω' | 'Ώ' | 'О' => "O",
        'Π' | 'П' => "P",
        'Ρ' | 'Р' => "R",
        'Σ' | 'С' => "S",
        'Τ' | 'Т' => "T",
        'У' | 'Ў' => "U",
        'Φ' | 'Ф' => "F",
        'Χ' | 'Ч' => "Ch",
        'Ψ' => "Ps",
        'Х' => "Kh",
        'Ц' => "Ts",
        'Ш' => "Sh",
        'Щ' => "Shch",
        'Υ' | 'Ύ' | 'Ϋ' | 'Ы' => "Y",
        'Ъ' | 'Ь' => "",
        'Ю' => "Yu",
        'Я' => "Ya",
        _ => return None,
    };
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(raw: &str) -> String {
        harmless(raw).map_or_else(String::new, |sender| sender.as_str().to_owned())
    }

    #[test]
    fn name_stays_readable() {
        for (raw, expected) in [
            ("AT&T", "AT-T"),
            ("H&M", "H-M"),
            ("O'Reilly", "O-Reilly"),
            ("Søstrene G", "Sostrene G"),
            ("FREE MSG!", "FREE MSG"),
            ("50% off!", "50- off"),
            ("Tom & Jerry", "Tom - Jerry"),
            ("<script>alert(1)</script>", "script-alert-1-script"),
            ("\"Bob\" <sip:1@h>", "Bob- -sip-1-h"),
            ("x\r\nApplication: System", "x Application- System"),
            ("${SHELL(id)}", "SHELL-id"),
            ("a,b;c\\d", "a-b-c-d"),
            ("Straße", "Strasse"),
            ("ÆRØ Ært", "AeRO Aert"),
            ("Cafe\u{301}", "Cafe"),
            ("Điện lực", "Dien luc"),
            ("Сбербанк", "Sberbank"),
            ("ΔΕΗ", "DEI"),
            ("ＡＢＣ", "ABC"),
            ("🎉 Party 🎉", "Party"),
            ("status@broadcast", "status-broadcast"),
            (" .x ", "x"),
            ("a\u{a0}\u{200b}\tb", "a b"),
            ("abcdefghijklmnopqrstuvw&yz", "abcdefghijklmnopqrstuvw"),
        ] {
            assert_eq!(name(raw), expected, "{raw:?}");
        }
        for raw in [
            "", " ", "\r\n", "\0", "🎉", "淘宝", "<>", "\"\"", "+", "\u{301}",
        ] {
            assert_eq!(harmless(raw), None, "{raw:?}");
        }
    }

    #[test]
    fn name_becomes_no_number() {
        for (raw, expected) in [
            ("7/11", "7-11_"),
            ("50%", "50_"),
            ("€100", "100_"),
            ("(+1) 202#", "1- 202_"),
            (
                "1-2-3-4-5-6-7-8-9-0-1-2-3-4-5-6-7-8-9-0-1",
                "1-2-3-4-5-6-7-8-9-0-1-2_",
            ),
            ("1234567890123456789012345", "123456789012345678901234"),
        ] {
            assert_eq!(name(raw), expected, "{raw:?}");
        }
    }

    /// All of ASCII: what a name may hold stays, a control that is a blank becomes
    /// one, and the rest becomes the replacement.
    #[test]
    fn every_ascii_character_is_kept_or_replaced() {
        for character in (0..=0x7f).map(char::from) {
            let between = match character {
                '0'..='9' | 'A'..='Z' | 'a'..='z' | '.' | '_' | '+' | '-' => character,
                '\t'..='\r' | ' ' => ' ',
                _ => '-',
            };
            assert_eq!(name(&format!("a{character}b")), format!("a{between}b"));
            let alone = name(&character.to_string());
            let expected = match character {
                '0'..='9' => format!("{character}_"),
                'A'..='Z' | 'a'..='z' => character.to_string(),
                _ => String::new(),
            };
            assert_eq!(alone, expected, "{character:?}");
        }
    }

    #[test]
    fn visible_has_no_marks_and_no_blanks_at_its_ends() {
        for (raw, expected) in [
            ("\u{202a}+12025550183\u{202c}\r\n", "+12025550183"),
            (" My Bank\t", "My Bank"),
            ("\0", ""),
            ("a\nb", "a\nb"),
        ] {
            assert_eq!(visible(raw), expected, "{raw:?}");
        }
    }

    fn assert_harmless(raw: &str) {
        if let Some(sender) = harmless(raw) {
            assert_eq!(Sender::parse(sender.as_str()).as_ref(), Ok(&sender));
            assert!(PhoneNumber::parse(sender.as_str()).is_err(), "{raw:?}");
        } else {
            assert!(
                !raw.contains(|c: char| c.is_ascii_alphanumeric()),
                "{raw:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_name_becomes_a_sender(raw in any::<String>()) {
            assert_harmless(&raw);
        }

        #[test]
        fn any_long_name_becomes_a_sender(raw in "[ -~ÄßЖ\r\n\u{1F600}\u{200D}]{0,600}") {
            assert_harmless(&raw);
        }
    }
}
