//! Whose phone is to be verified.

use std::fmt;

use crate::logging::masked;

/// Digits of an international number (E.164 allows 15; with fewer than 7 no
/// country has any).
const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// A phone by its number in international form. `Debug` and `Display` show but
/// its end.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Phone(String);

impl Phone {
    /// Reads `15551234567`, `+1 (555) 123-4567` and `0015551234567` as the same
    /// number.
    ///
    /// # Errors
    /// When it is none with a country code.
    pub(crate) fn parse(raw: &str) -> Result<Self, InvalidPhone> {
        let digits: String = raw
            .chars()
            .filter(|character| !" -.()".contains(*character))
            .collect();
        let bare = digits.strip_prefix('+');
        let bare = bare
            .or_else(|| digits.strip_prefix("00"))
            .unwrap_or(&digits);
        let sound = DIGITS.contains(&bare.len())
            && bare.bytes().all(|byte| byte.is_ascii_digit())
            && !bare.starts_with('0');
        sound.then(|| Self(bare.to_owned())).ok_or(InvalidPhone)
    }

    /// Country code and number, without the plus.
    #[must_use]
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

/// Something that is no number in international form. Whoever asked must write it
/// with its country code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InvalidPhone;

impl fmt::Display for InvalidPhone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a phone number in international format")
    }
}

impl std::error::Error for InvalidPhone {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_is_one_phone_however_it_is_written() {
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
    fn no_more_than_its_end_is_shown() {
        let phone = Phone::parse("15551234567").unwrap();
        assert_eq!(
            format!("{phone} {phone:?}"),
            "*******4567 Phone(*******4567)"
        );
    }
}
