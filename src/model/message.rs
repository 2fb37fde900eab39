//! A message and the parties to it, in types that cannot hold what would be
//! dangerous further down.
//!
//! What comes from outside is untrusted: one byte of a call file decides
//! whether Asterisk delivers a text or runs a command. The allow-lists here
//! are the ones that hold for every line of a call file at once; no caller
//! checks again.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use crate::model::digest::digest;
use crate::model::interface::InterfaceName;

/// Longest number: E.164 has at most 15 digits, the rest is for prefixes.
const NUMBER_MAX: usize = 20;

/// Longest alphanumeric sender. GSM has 11 characters (3GPP TS 23.040,
/// 9.1.2.5); some providers hand on a few more, and an identity of WhatsApp's
/// without a number has 18, or 23.
const SENDER_MAX: usize = 24;

/// A telephone number: up to 20 digits, perhaps with a leading `+`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PhoneNumber(String);

impl PhoneNumber {
    /// Reads a number. Blanks, `-`, `.`, `(` and `)` between the digits are
    /// punctuation and left out.
    ///
    /// # Errors
    /// When anything else than digits and one leading `+` remains, or nothing.
    pub fn parse(raw: &str) -> Result<Self, InvalidParty> {
        let number: String = raw
            .chars()
            .filter(|character| !" -.()".contains(*character))
            .collect();
        let digits = number.strip_prefix('+').unwrap_or(&number);
        let allowed = (1..=NUMBER_MAX).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit());
        // A leading `-` is no punctuation: it makes an option of an argument.
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

/// Who a message is from: a number, or the alphanumeric name that companies
/// send under.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sender(String);

impl Sender {
    /// Reads a number, or a name of up to 24 letters, digits, blanks and
    /// `.`, `_`, `+`, `-` that starts with a letter or digit.
    ///
    /// # Errors
    /// When it is neither.
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

/// A party to a message that is not written as one can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidParty {
    expected: &'static str,
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

impl fmt::Display for InvalidParty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not {}", self.given, self.expected)
    }
}

impl std::error::Error for InvalidParty {}

/// The text of a message: UTF-8 without NUL, and otherwise as it was written.
/// It is never interpreted, whatever it looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(String);

impl Text {
    /// Takes a text; NUL, which would end it inside Asterisk, becomes U+FFFD.
    #[must_use]
    pub fn new(raw: &str) -> Self {
        Self(raw.replace('\0', "\u{fffd}"))
    }

    /// The text itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Who writes to whom by which account: messages of one conversation arrive in
/// the order in which they were accepted. It is known by 64 bits of a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Conversation(u64);

impl Conversation {
    /// The conversation of messages to one party from another by an interface,
    /// none of which holds a line break.
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

/// What a provider says later about a message that went out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The account that it came in on.
    pub interface: InterfaceName,
    /// What the provider calls the message.
    pub provider_id: String,
    /// What became of it.
    pub state: ReceiptState,
    /// The provider's word for that.
    pub status: String,
    /// Why, in the provider's words, if it says so.
    pub reason: Option<String>,
    /// The provider's code for that.
    pub code: Option<String>,
}

/// What became of a message that went out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptState {
    /// It is on the phone.
    Delivered,
    /// It will not get there.
    Failed,
    /// It is on its way.
    Pending,
}

/// A message on its way to a phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Our number, which the dialplan maps to a phone.
    pub to: PhoneNumber,
    /// Their number or name.
    pub from: Sender,
    /// What they wrote.
    pub text: Text,
    /// The account that it came in on.
    pub interface: InterfaceName,
    /// What the provider calls it, if it says so.
    pub provider_id: Option<String>,
    /// Pictures that are to be kept; links to them will stand behind the text.
    pub pictures: Vec<Picture>,
}

/// A picture or other file that comes with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Where it is.
    pub url: String,
    /// Whether the URL is of a document that says where it is.
    pub lookup: bool,
    /// What the message says that it is, if it does.
    pub content_type: Option<String>,
}

impl Message {
    /// The conversation that it belongs to.
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
    fn conversation_is_who_to_whom_by_which() {
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
        // The files of an earlier version must keep their conversation.
        assert_eq!(one.conversation().to_string(), "17d6a77553b38f78");
        let text = one.conversation().to_string();
        assert_eq!((text.len(), text.parse()), (16, Ok(one.conversation())));
    }

    #[test]
    fn number_is_read_without_punctuation() {
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
    fn number_with_anything_else_is_refused() {
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
    fn sender_that_could_leave_its_line_is_refused() {
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
    fn text_has_no_nul() {
        assert_eq!(Text::new("a\0b").as_str(), "a\u{fffd}b");
    }
}
