//! Messages to phones, their parties and their receipts.
//!
//! Input from providers is untrusted: one byte of a call file decides whether
//! Asterisk delivers a text or runs a command. The types here cannot hold a
//! dangerous value. Their allow-lists are safe for every line of a call file, so
//! that no caller has to check again.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use crate::model::digest::digest;
use crate::model::interface::InterfaceName;

/// Most digits of a number: 15 of E.164, the rest for prefixes.
const NUMBER_MAX: usize = 20;

/// Most bytes of an alphanumeric sender. GSM has 11 characters (3GPP TS 23.040,
/// 9.1.2.5), some providers pass on a few more, and a LID of WhatsApp has 18 or
/// 23.
pub(super) const SENDER_MAX: usize = 24;

/// A phone number: up to 20 digits, with or without a leading `+`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PhoneNumber(String);

impl PhoneNumber {
    /// Parses a number and removes its punctuation: blanks, `-`, `.`, `(`, `)`.
    ///
    /// # Errors
    /// When other characters than digits and a leading `+` remain, or no digit.
    pub fn parse(raw: &str) -> Result<Self, InvalidParty> {
        let number: String = raw
            .chars()
            .filter(|character| !" -.()".contains(*character))
            .collect();
        let digits = number.strip_prefix('+').unwrap_or(&number);
        let allowed = (1..=NUMBER_MAX).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit());
        // A leading `-` would make the number an option of a command.
        if allowed && !raw.starts_with('-') {
            Ok(Self(number))
        } else {
            Err(InvalidParty::new("a phone number", raw))
        }
    }

    /// The number as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The sender of a message: a number, or the alphanumeric name of a company.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sender(String);

impl Sender {
    /// Parses a number, or a name of up to 24 letters, digits, blanks and `.`,
    /// `_`, `+`, `-` that starts with a letter or digit.
    ///
    /// # Errors
    /// When `raw` is neither.
    pub fn parse(raw: &str) -> Result<Self, InvalidParty> {
        if let Ok(number) = PhoneNumber::parse(raw) {
            return Ok(Self(number.0));
        }
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || b" ._+-".contains(&byte);
        let allowed = raw.len() <= SENDER_MAX
            && raw.starts_with(|first: char| first.is_ascii_alphanumeric())
            && raw.bytes().all(inner)
            && !raw.ends_with(' ');
        if allowed {
            Ok(Self(raw.to_owned()))
        } else {
            Err(InvalidParty::new("a number or sender name", raw))
        }
    }

    /// The sender as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is not a number or name. The provider sent it; the message is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not {expected}")]
pub struct InvalidParty {
    expected: &'static str,
    /// The first characters.
    given: String,
}

impl InvalidParty {
    fn new(expected: &'static str, given: &str) -> Self {
        Self {
            expected,
            given: given.chars().take(12).collect(),
        }
    }
}

/// The text of a message as its sender wrote it: UTF-8 without NUL. It is never
/// interpreted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(String);

impl Text {
    /// A text in which U+FFFD replaces NUL, which would end the text in Asterisk.
    #[must_use]
    pub fn new(raw: &str) -> Self {
        Self(raw.replace('\0', "\u{fffd}"))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A conversation: recipient, sender and interface, as 64 bits of a digest.
/// Messages of one conversation are delivered in the order of acceptance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Conversation(u64);

impl Conversation {
    /// The conversation of messages `to` a party `from` another on an interface.
    /// None of the three holds a line break.
    #[must_use]
    pub fn between(to: &str, from: &str, interface: &str) -> Self {
        Self(u64::from_be_bytes(digest(&[to, from, interface])))
    }
}

impl fmt::Display for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Conversation {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

/// A delivery receipt: a provider's report about an outgoing message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The interface that received the receipt.
    pub interface: InterfaceName,
    /// The provider's id of the message.
    pub provider_id: String,
    /// The state that decides what happens next.
    pub state: ReceiptState,
    /// The state in the provider's words.
    pub status: String,
    /// The provider's text about a failure.
    pub reason: Option<String>,
    /// The provider's code of a failure.
    pub code: Option<String>,
}

/// The state of an outgoing message, as far as the provider knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptState {
    /// On the recipient's phone.
    Delivered,
    /// Finally not delivered.
    Failed,
    /// Still on its way.
    Pending,
}

/// A message on its way to a phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Our number, which the dialplan maps to a phone.
    pub to: PhoneNumber,
    /// Their number or name.
    pub from: Sender,
    /// The text, without the links to pictures.
    pub text: Text,
    /// The interface that received the message.
    pub interface: InterfaceName,
    /// The provider's id of the message.
    pub provider_id: Option<String>,
    /// Pictures to store; links to them are appended to the text.
    pub pictures: Vec<Picture>,
}

/// A picture or other file that is attached to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Chosen by the provider or by the sender: untrusted.
    pub url: String,
    /// Whether `url` leads to a JSON document that holds the picture's URL.
    pub lookup: bool,
    /// The media type that the message declares.
    pub content_type: Option<String>,
}

impl Message {
    /// The conversation that the message belongs to.
    #[must_use]
    pub fn conversation(&self) -> Conversation {
        Conversation::between(
            self.to.as_str(),
            self.from.as_str(),
            self.interface.as_str(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversation_depends_on_parties_and_interface() {
        let message = |to: &str, from: &str, interface: &str| Message {
            to: PhoneNumber::parse(to).unwrap(),
            from: Sender::parse(from).unwrap(),
            text: Text::new("x"),
            interface: InterfaceName::try_from(interface.to_owned()).unwrap(),
            provider_id: None,
            pictures: Vec::new(),
        };
        let one = message("+1", "+2", "");
        assert_eq!(one.conversation(), message("+1", "+2", "").conversation());
        for other in [
            message("+2", "+1", ""),
            message("+1", "+2", "x"),
            message("+12", "+2", ""),
            message("+1", "+22", ""),
        ] {
            assert_ne!(one.conversation(), other.conversation());
        }
        // Conversations are in file names, so they must never change.
        assert_eq!(one.conversation().to_string(), "17d6a77553b38f78");
        let text = one.conversation().to_string();
        assert_eq!((text.len(), text.parse()), (16, Ok(one.conversation())));
    }

    #[test]
    fn punctuation_of_a_number_is_removed() {
        for (raw, expected) in [
            ("+12025550160", "+12025550160"),
            ("+1 (202) 555-0160", "+12025550160"),
            ("202.555.0160", "2025550160"),
            (" 12025550160", "12025550160"),
            ("72404", "72404"),
        ] {
            assert_eq!(PhoneNumber::parse(raw).unwrap().as_str(), expected);
        }
    }

    #[test]
    fn number_with_other_characters_is_refused() {
        for raw in [
            "",
            "+",
            "++1",
            "1+",
            "h",
            "s",
            "-1",
            "100/n",
            "100@ctx/",
            "../1",
            "1;2",
            "1&2",
            "1,2",
            "1\n2",
            "1\0",
            "1\t",
            "1%202",
            "٣٣",
            "１２",
            "1\u{2028}",
            "123456789012345678901",
        ] {
            assert!(PhoneNumber::parse(raw).is_err(), "{raw:?}");
        }
    }

    #[test]
    fn sender_may_be_a_name() {
        for (raw, expected) in [
            ("Google", "Google"),
            ("My Bank", "My Bank"),
            ("1-800-FLOWERS", "1-800-FLOWERS"),
            ("+1 202 555", "+1202555"),
        ] {
            assert_eq!(Sender::parse(raw).unwrap().as_str(), expected);
        }
    }

    #[test]
    fn sender_with_dangerous_characters_is_refused() {
        for raw in [
            "",
            " x",
            "x ",
            "-x",
            "+x",
            ".x",
            "_x",
            "x>",
            "x\"",
            "x\n",
            "x@y",
            "x;y",
            "x<y",
            "Škoda",
            "SixteenLetters!!",
            "abcdefghijklmnopqrstuvwxy",
            "x\0",
        ] {
            assert!(Sender::parse(raw).is_err(), "{raw:?}");
        }
    }

    #[test]
    fn nul_in_a_text_is_replaced() {
        assert_eq!(Text::new("a\0b").as_str(), "a\u{fffd}b");
    }
}
