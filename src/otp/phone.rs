//! The phone number that a code is sent to.

use std::fmt;

use thiserror::Error;

use crate::logging::masked;

/// Digits of an international number: E.164 allows 15, and no country has numbers
/// with fewer than 7.
const LENGTH: std::ops::RangeInclusive<usize> = 7..=15;

/// A phone number in international form. `Debug` and `Display` mask all but its
/// end.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Phone(String);

impl Phone {
    /// Reads `15551234567`, `+1 (555) 123-4567` and `0015551234567` as the same
    /// number, and `+44 (0)7911 123456` as `447911123456`.
    ///
    /// # Errors
    /// When it is not a number with a country code.
    pub(crate) fn parse(raw: &str) -> Result<Self, InvalidPhone> {
        let digits = without_separators(&without_trunk_zero(raw));
        let bare = without_prefix(&digits);
        let valid = LENGTH.contains(&bare.len())
            && bare.bytes().all(|byte| byte.is_ascii_digit())
            && !bare.starts_with('0');
        valid.then(|| Self(bare.to_owned())).ok_or(InvalidPhone)
    }

    /// Country code and number, without the plus.
    pub(crate) fn digits(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&masked(&self.0))
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Phone({self})")
    }
}

/// Without the zero in parentheses that is dialled only inside a country, as phone
/// books write it behind the country code: `+44 (0)7911 123456`. In Italy that zero
/// belongs to the number.
fn without_trunk_zero(raw: &str) -> String {
    const COUNTRY_CODE_MAX: usize = 3;
    const ITALY: &str = "39";
    let parts = raw.split_once('(').and_then(|(before, rest)| {
        let (inside, after) = rest.split_once(')')?;
        Some((before, inside, after))
    });
    if let Some((before, inside, after)) = parts {
        let start = without_separators(before);
        let country = without_prefix(&start);
        let is_country = (1..=COUNTRY_CODE_MAX).contains(&country.len())
            && country.bytes().all(|byte| byte.is_ascii_digit())
            && country != ITALY;
        if inside.trim() == "0" && is_country {
            return format!("{before}{after}");
        }
    }
    raw.to_owned()
}

/// Without what people write between digits.
fn without_separators(raw: &str) -> String {
    let separator = |character: &char| " -.()".contains(*character);
    raw.chars()
        .filter(|character| !separator(character))
        .collect()
}

/// Without the `+` or `00` of an international number.
fn without_prefix(digits: &str) -> &str {
    let bare = digits
        .strip_prefix('+')
        .or_else(|| digits.strip_prefix("00"));
    bare.unwrap_or(digits)
}

/// Not a phone number in international form. The client must write it with its
/// country code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("read the phone number: it is not in international format")]
pub(crate) struct InvalidPhone;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_is_the_same_phone_in_every_notation() {
        for raw in [
            "15551234567",
            "+15551234567",
            "0015551234567",
            "+1 (555) 123-4567",
            "1.555.123.4567",
        ] {
            assert_eq!(Phone::parse(raw).unwrap().digits(), "15551234567", "{raw}");
        }
        for bad in [
            "",
            "+",
            "555123",
            "05551234567",
            "+05551234567",
            "1555123456789012",
            "15551234567x",
            "++15551234567",
            "1٥551234567",
            "15551234567\n",
            "../15551234567",
        ] {
            assert_eq!(Phone::parse(bad), Err(InvalidPhone), "{bad:?}");
        }
    }

    #[test]
    fn trunk_zero_in_parentheses_is_not_part_of_the_number() {
        for (raw, digits) in [
            ("+44(0)7911123456", "447911123456"),
            ("+44 (0) 7911 123456", "447911123456"),
            ("+44-( 0 )-7911-123456", "447911123456"),
            ("0044 (0)7911 123456", "447911123456"),
            ("44(0)7911123456", "447911123456"),
            ("+49 (0)170 1234567", "491701234567"),
            ("+353 (0)87 1234567", "353871234567"),
            ("+39 (0)6 12345678", "390612345678"),
            // Another zero belongs to the number.
            ("+1 555 0(0)1234567", "1555001234567"),
            ("+1555 (0) 1234567", "155501234567"),
            ("+44 (01)7911 12345", "4401791112345"),
            ("+44 (7911) (0)12345", "447911012345"),
        ] {
            let phone = Phone::parse(raw).unwrap();
            assert_eq!(phone.digits(), digits, "{raw}");
        }
        for bad in [
            "(0)7911123456",
            "+(0)7911123456",
            "+44(0)",
            "00(0)7911123456",
        ] {
            assert_eq!(Phone::parse(bad), Err(InvalidPhone), "{bad}");
        }
    }

    #[test]
    fn debug_and_display_mask_all_but_the_end() {
        let phone = Phone::parse("15551234567").unwrap();
        assert_eq!(
            format!("{phone} {phone:?}"),
            "*******4567 Phone(*******4567)"
        );
    }
}
