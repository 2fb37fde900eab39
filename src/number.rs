//! The forms in which numbers are written.
//!
//! Providers differ, the dialplan wants one form. Pure; the same for both
//! directions.

/// Numbers of up to so many digits are short codes, which have no other form.
const SHORT_CODE_MAX: usize = 6;

/// Digits of a number of the North American plan without its country code.
const NANP_DIGITS: usize = 10;

/// How numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberFormat {
    /// As they came (`E123` says the same).
    AsIs,
    /// North American ones in 10 digits, without the country code.
    Nanp10,
    /// North American ones in 11 digits, with the country code.
    Nanp11,
    /// With a leading `+`, those of 10 digits with `+1`.
    NanpPlus,
    /// Without any `+`.
    OmitPlus,
    /// With a leading `+`, and without the international prefix `00`.
    Plus,
    /// Without a leading `+` and without the international prefix `00`.
    WithoutPrefix,
}

impl NumberFormat {
    /// A number in this form. What holds anything else than digits and `+` is a
    /// name and left alone; so are short codes by those formats that add
    /// something.
    #[must_use]
    pub fn apply(self, address: &str) -> String {
        let is_number = !address.is_empty()
            && address
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'+');
        if !is_number {
            return address.to_owned();
        }
        match self {
            Self::AsIs => address.to_owned(),
            Self::OmitPlus => address.replace('+', ""),
            Self::WithoutPrefix => {
                let address = address.strip_prefix('+').unwrap_or(address);
                address.strip_prefix("00").unwrap_or(address).to_owned()
            }
            Self::Nanp10 | Self::Nanp11 | Self::NanpPlus | Self::Plus => {
                self.international(address)
            }
        }
    }

    /// The forms that tell national from international numbers.
    fn international(self, address: &str) -> String {
        let with_prefix = address
            .strip_prefix('+')
            .or_else(|| address.strip_prefix("00"));
        let digits = with_prefix.unwrap_or(address);
        if digits.len() <= SHORT_CODE_MAX || digits.contains('+') {
            return address.to_owned();
        }
        let national = with_prefix.is_none() && digits.len() == NANP_DIGITS;
        match self {
            Self::Nanp10 => match digits.strip_prefix('1') {
                Some(rest) if rest.len() == NANP_DIGITS => rest.to_owned(),
                _ => digits.to_owned(),
            },
            Self::Nanp11 if national => format!("1{digits}"),
            Self::Nanp11 => digits.to_owned(),
            Self::NanpPlus if national => format!("+1{digits}"),
            _ => format!("+{digits}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_takes_the_form_that_is_asked_for() {
        use NumberFormat::{AsIs, Nanp10, Nanp11, NanpPlus, OmitPlus, Plus, WithoutPrefix};
        for (format, number, expected) in [
            (AsIs, "+12025550183", "+12025550183"),
            (AsIs, "0012025550183", "0012025550183"),
            (OmitPlus, "+12025550183", "12025550183"),
            (OmitPlus, "0012025550183", "0012025550183"),
            (WithoutPrefix, "+12025550183", "12025550183"),
            (WithoutPrefix, "0012025550183", "12025550183"),
            (WithoutPrefix, "+0012", "12"),
            (WithoutPrefix, "++1202", "+1202"),
            (WithoutPrefix, "02025550183", "02025550183"),
            (WithoutPrefix, "72404", "72404"),
            (WithoutPrefix, "00Seven", "00Seven"),
            (OmitPlus, "A+B", "A+B"),
            (Plus, "12025550183", "+12025550183"),
            (Plus, "+12025550183", "+12025550183"),
            (Plus, "0046701740605", "+46701740605"),
            (Plus, "72404", "72404"),
            (Plus, "724041", "724041"),
            (Plus, "", ""),
            (Plus, "My Company", "My Company"),
            (Plus, "++12025550183", "++12025550183"),
            (Nanp10, "+12025550183", "2025550183"),
            (Nanp10, "12025550183", "2025550183"),
            (Nanp10, "2025550183", "2025550183"),
            (Nanp10, "+46701740605", "46701740605"),
            (Nanp10, "72404", "72404"),
            (Nanp11, "+12025550183", "12025550183"),
            (Nanp11, "2025550183", "12025550183"),
            (Nanp11, "+4670174060", "4670174060"),
            (NanpPlus, "2025550183", "+12025550183"),
            (NanpPlus, "12025550183", "+12025550183"),
            (NanpPlus, "+4670174060", "+4670174060"),
            (NanpPlus, "0046701740605", "+46701740605"),
            (NanpPlus, "911", "911"),
        ] {
            assert_eq!(format.apply(number), expected, "{format:?} {number}");
        }
    }
}
