//! Number formats: providers differ, and the dialplan expects one form.

use crate::model::address::without_scheme;

/// Most digits of a short code. Short codes have no international form.
const SHORT_CODE_MAX: usize = 6;

/// Digits of a number of the North American Numbering Plan, without country
/// code.
const NANP_DIGITS: usize = 10;

/// Prefix for WhatsApp identities (LIDs) that reveal no phone number.
const LID: &str = "lid";

/// A way to write numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberFormat {
    /// Unchanged. `E123` in the configuration means the same.
    AsIs,
    /// The form of WhatsApp gateways: `12025550183@c.us`.
    Jid,
    /// The form of WhatsApp gateways, without the server: `12025550183`.
    JidDigits,
    /// North American numbers in 10 digits, without the country code.
    Nanp10,
    /// North American numbers in 11 digits, with the country code.
    Nanp11,
    /// With a leading `+`; numbers of 10 digits with `+1`.
    NanpPlus,
    /// Without any `+`.
    OmitPlus,
    /// With a leading `+`, and without the international prefix `00`.
    Plus,
    /// Without a leading `+` and without the international prefix `00`.
    WithoutPrefix,
}

impl NumberFormat {
    /// A number in this format. Text with other characters than digits and `+`
    /// is a name, which stays unchanged. Formats that add a prefix leave short
    /// codes unchanged.
    #[must_use]
    pub fn apply(self, address: &str) -> String {
        let is_number = !address.is_empty()
            && address
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'+');
        if !is_number {
            return self.apply_to_name(address);
        }
        match self {
            Self::AsIs => address.to_owned(),
            Self::Jid => format!("{}@c.us", digits(address)),
            Self::JidDigits => digits(address).to_owned(),
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

    /// Names stay unchanged, but a LID regains its server.
    fn apply_to_name(self, address: &str) -> String {
        match (self, address.strip_prefix(LID)) {
            (Self::Jid | Self::JidDigits, Some(lid)) if is_digits(lid) => format!("{lid}@lid"),
            _ => address.to_owned(),
        }
    }

    /// Whether senders may be WhatsApp identities, which are not always numbers.
    #[must_use]
    pub fn has_identities(self) -> bool {
        matches!(self, Self::Jid | Self::JidDigits)
    }

    /// Converts a number from a provider for the dialplan, without the scheme of a
    /// URI (`whatsapp:`, `tel:`, `sip:`). A WhatsApp identity
    /// (`user:device@server`) becomes its phone number, or `lid` and its digits
    /// when it has none: never an invented number.
    #[must_use]
    pub fn read(self, raw: &str) -> String {
        let raw: &str = &without_scheme(raw);
        if !self.has_identities() {
            return self.apply(raw);
        }
        let (user, server) = raw.split_once('@').unwrap_or((raw, "c.us"));
        let user = user.split([':', '.']).next().unwrap_or_default();
        let number = user.strip_prefix('+').unwrap_or(user);
        match server {
            "c.us" | "s.whatsapp.net" if is_digits(number) => format!("+{number}"),
            "lid" if is_digits(user) => format!("{LID}{user}"),
            _ => raw.to_owned(),
        }
    }

    /// The formats that distinguish national from international numbers.
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

/// The number without its international prefix, `+` or `00`.
fn digits(number: &str) -> &str {
    let digits = number
        .strip_prefix('+')
        .or_else(|| number.strip_prefix("00"));
    digits.unwrap_or(number)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatsapp_identity_becomes_number_or_lid() {
        use NumberFormat::{Jid, JidDigits, Plus};
        for (raw, expected) in [
            ("12025550183@s.whatsapp.net", "+12025550183"),
            ("12025550183:17@s.whatsapp.net", "+12025550183"),
            ("12025550183@c.us", "+12025550183"),
            ("+12025550183", "+12025550183"),
            ("12025550183", "+12025550183"),
            ("123456789012345@lid", "lid123456789012345"),
            ("120363041234567890@g.us", "120363041234567890@g.us"),
            ("status@broadcast", "status@broadcast"),
        ] {
            assert_eq!(Jid.read(raw), expected, "{raw}");
            assert_eq!(JidDigits.read(raw), expected, "{raw}");
        }
        assert_eq!(Plus.read("12025550183"), "+12025550183");
        for (address, jid, digits) in [
            ("+12025550183", "12025550183@c.us", "12025550183"),
            ("0012025550183", "12025550183@c.us", "12025550183"),
            (
                "lid123456789012345",
                "123456789012345@lid",
                "123456789012345@lid",
            ),
            ("lido", "lido", "lido"),
        ] {
            assert_eq!(Jid.apply(address), jid);
            assert_eq!(JidDigits.apply(address), digits);
        }
    }

    #[test]
    fn number_is_written_in_the_format() {
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
