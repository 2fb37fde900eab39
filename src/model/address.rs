//! Who a message goes to and comes from, as Asterisk writes it.

use std::fmt;

use percent_encoding::percent_decode_str;

/// Longest address in bytes that is handed to a provider.
const ADDRESS_MAX: usize = 128;

/// A number or name, taken out of whatever stood around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// Reads `+1…`, `sip:user@host`, `"Name" <sip:user@host>` and the like
    /// (RFC 3261, sections 19.1 and 25.1); what counts is the user part.
    ///
    /// # Errors
    /// When nothing is left, or something that no number or name can hold.
    pub fn parse(raw: &str) -> Result<Self, InvalidAddress> {
        let address = user(bare(raw.trim()));
        let allowed = !address.is_empty()
            && address.len() <= ADDRESS_MAX
            && !address.chars().any(char::is_control);
        if allowed {
            Ok(Self(address))
        } else {
            Err(InvalidAddress(raw.chars().take(12).collect()))
        }
    }

    /// The number or name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What stands between the last `<` and its `>`; a display name may hold
/// others, and Asterisk's argument splitter has removed the quotes around it.
fn bare(raw: &str) -> &str {
    let Some((_, rest)) = raw.rsplit_once('<') else {
        return raw;
    };
    rest.split_once('>').map_or(rest, |(inner, _)| inner).trim()
}

/// The user part of a URI, or all of what is none.
fn user(raw: &str) -> String {
    let uri = ["sip:", "sips:", "tel:"].iter().find_map(|scheme| {
        let (start, rest) = raw.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    });
    let Some(uri) = uri else {
        return raw.split_once('@').map_or(raw, |(user, _)| user).to_owned();
    };
    let user = match uri.split_once('@') {
        Some((user, _)) => user.split_once(':').map_or(user, |(user, _)| user),
        None => uri,
    };
    let user = user.split_once(';').map_or(user, |(user, _)| user);
    percent_decode_str(user).decode_utf8_lossy().into_owned()
}

/// An address without anything to address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidAddress(String);

impl fmt::Display for InvalidAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not a number, SIP URI or name with a SIP URI",
            self.0
        )
    }
}

impl std::error::Error for InvalidAddress {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_the_user_part() {
        for (raw, expected) in [
            ("+12025550160", "+12025550160"),
            ("++1202", "++1202"),
            ("john", "john"),
            ("<sip:john@127.0.0.1>", "john"),
            ("sip:+12025550160@example.com", "+12025550160"),
            (
                "sips:%2B12025550160@example.com:5061;transport=tls",
                "+12025550160",
            ),
            ("\"John Doe\" <sip:john@example.com>", "john"),
            ("Doe, John (work) <sip:john@example.com>;tag=1", "john"),
            ("\"a <b> @ c\" <sip:+1202@h>", "+1202"),
            ("\"John\" <+12025550160>", "+12025550160"),
            (
                "tel:+1-202-555-0160;phone-context=example.com",
                "+1-202-555-0160",
            ),
            ("SIP:john:secret@example.com", "john"),
            ("sip:+1202;isub=1@example.com", "+1202"),
            ("john@example.com", "john"),
            ("My Company", "My Company"),
        ] {
            assert_eq!(Address::parse(raw).unwrap().as_str(), expected, "{raw}");
        }
    }

    #[test]
    fn address_without_anything_in_it_is_refused() {
        for raw in [
            "",
            "  ",
            "<>",
            "sip:@example.com",
            "<sip:>",
            "a\nb",
            "sip:%0a@h",
        ] {
            assert!(Address::parse(raw).is_err(), "{raw:?}");
        }
        assert!(Address::parse(&"1".repeat(129)).is_err());
    }
}
