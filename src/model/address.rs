//! Addresses of outgoing messages, as Asterisk writes them.

use percent_encoding::percent_decode_str;

/// Most bytes of an address that is passed to a provider.
const ADDRESS_MAX: usize = 128;

/// A number or name: the user part of a SIP URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// Parses `+1…`, `sip:user@host`, `"Name" <sip:user@host>` and other forms of
    /// RFC 3261, sections 19.1 and 25.1, and takes the user part.
    ///
    /// # Errors
    /// When the user part is empty, longer than 128 bytes, or holds a control
    /// character.
    pub fn parse(raw: &str) -> Result<Self, InvalidAddress> {
        let address = user_part(without_display_name(raw.trim()));
        let allowed = !address.is_empty()
            && address.len() <= ADDRESS_MAX
            && !address.chars().any(char::is_control);
        if allowed {
            Ok(Self(address))
        } else {
            Err(InvalidAddress(raw.chars().take(12).collect()))
        }
    }

    /// The number or name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text between the last `<` and its `>`. A display name may hold other
/// `<`, because Asterisk's argument splitter has removed the quotes around it.
fn without_display_name(raw: &str) -> &str {
    let Some((_, rest)) = raw.rsplit_once('<') else {
        return raw;
    };
    rest.split_once('>').map_or(rest, |(inner, _)| inner).trim()
}

/// The user part of a URI; text without a scheme up to its `@`.
fn user_part(raw: &str) -> String {
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

/// The start of a text without a number or name. The author of the dialplan or of
/// the record must correct it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a number, SIP URI or name with a SIP URI")]
pub struct InvalidAddress(String);

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
    fn text_without_user_part_is_refused() {
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
