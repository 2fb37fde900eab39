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
    /// number.
    ///
    /// # Errors
    /// When it is not a number with a country code.
    pub(crate) fn parse(raw: &str) -> Result<Self, InvalidPhone> {
        let digits: String = raw
            .chars()
            .filter(|character| !" -.()".contains(*character))
            .collect();
        let bare = digits.strip_prefix('+');
        let bare = bare
            .or_else(|| digits.strip_prefix("00"))
            .unwrap_or(&digits);
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
    fn debug_and_display_mask_all_but_the_end() {
        let phone = Phone::parse("15551234567").unwrap();
        assert_eq!(
            format!("{phone} {phone:?}"),
            "*******4567 Phone(*******4567)"
        );
    }
}
