//! Addresses of outgoing messages, as Asterisk writes them.

use std::borrow::Cow;

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
    uri_user(raw, &["sip:", "sips:", "tel:"]).unwrap_or_else(|| {
        let user = raw.split_once('@').map_or(raw, |(user, _)| user);
        user.to_owned()
    })
}

/// An address as providers write it, without the scheme of a URI and what belongs to
/// that: `whatsapp:+1…`, `tel:+1-202-555-0160` (RFC 3966), `sip:+1…@host`. Others stay
/// as they are.
pub(crate) fn without_scheme(raw: &str) -> Cow<'_, str> {
    const SCHEMES: [&str; 6] = ["sip:", "sips:", "tel:", "sms:", "whatsapp:", "messenger:"];
    let raw_address = raw.trim_start();
    let Some(user) = uri_user(raw_address, &SCHEMES) else {
        return Cow::Borrowed(raw);
    };
    let is_number = |text: &str| text.bytes().all(|byte| b"+0123456789-.() ".contains(&byte));
    if is_number(&user) {
        // Visual separators (RFC 3966, 5.1.1).
        return Cow::Owned(user.replace(['-', '.', '(', ')', ' '], ""));
    }
    Cow::Owned(user)
}

/// The user part of a URI with one of these schemes.
fn uri_user(raw: &str, schemes: &[&str]) -> Option<String> {
    let uri = schemes.iter().find_map(|scheme| {
        let (start, rest) = raw.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    })?;
    let user = match uri.split_once('@') {
        Some((user, _)) => user.split_once(':').map_or(user, |(user, _)| user),
        None => uri,
    };
    let user = user.split_once(';').map_or(user, |(user, _)| user);
    Some(percent_decode_str(user).decode_utf8_lossy().into_owned())
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
    fn scheme_of_a_provider_is_taken_off() {
        for (raw, expected) in [
            ("whatsapp:+12025550160", "+12025550160"),
            ("WhatsApp:12025550160", "12025550160"),
            ("tel:+1-202-555-0160", "+12025550160"),
            ("tel:+1(202)555.0160;phone-context=x", "+12025550160"),
            ("tel:%2B12025550160", "+12025550160"),
            ("sip:+12025550160@example.com;user=phone", "+12025550160"),
            ("sips:john.doe@example.com", "john.doe"),
            (
                "whatsapp:US.13491208655302741918",
                "US.13491208655302741918",
            ),
            ("messenger:1234", "1234"),
            ("+12025550160", "+12025550160"),
            ("+1 202-555-0160", "+1 202-555-0160"),
            ("12025550160@s.whatsapp.net", "12025550160@s.whatsapp.net"),
            ("Telco: offers", "Telco: offers"),
            ("whatsapp:", ""),
            ("", ""),
        ] {
            assert_eq!(without_scheme(raw), expected, "{raw}");
        }
    }

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
