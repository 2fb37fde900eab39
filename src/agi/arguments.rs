//! What Asterisk hands to an AGI program, and what it is told in return.
//!
//! Values come from the argument list and never from the environment block on
//! stdin: a line break in a text forges lines there (`res/res_agi.c`,
//! `setup_env`). What is printed on stdout is executed as AGI commands, so
//! nothing but the fixed words below is ever printed.

use std::ffi::OsString;
use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use percent_encoding::percent_decode_str;

use crate::model::address::{Address, InvalidAddress};
use crate::model::id::Id;
use crate::model::message::Text;
use crate::outbound::request::OutgoingMessage;
use crate::outbound::verdict::{Outcome, Reason};

/// A call of `websms`: `TO FROM BODY [INDEX [ENCODING]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// The message.
    pub message: OutgoingMessage,
    /// The interface to send it by; empty means "the first".
    pub index: String,
}

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Reads the arguments. With ENCODING `base64`, FROM and BODY are encoded in
/// it; with `base64-percent` they were percent-encoded before that, because
/// Asterisk takes a `:` behind a `)` for the end of the text that it shall
/// encode (`main/pbx_variables.c`, `parse_variable_name`). Bytes that are not UTF-8 become U+FFFD, so that a text is never lost
/// for one of them.
///
/// # Errors
/// When they are not what `websms` takes, or there is no text.
pub(crate) fn arguments(raw: &[OsString]) -> Result<Arguments, ArgumentError> {
    let (to, from, body, index, encoding) = match raw {
        [to, from, body] => (to, from, body, None, None),
        [to, from, body, index] => (to, from, body, Some(index), None),
        [to, from, body, index, encoding] => (to, from, body, Some(index), Some(encoding)),
        _ => return Err(ArgumentError::Count(raw.len())),
    };
    let encoding = encoding.map_or_else(String::new, lossy);
    let (from, body) = match encoding.as_str() {
        "" => (lossy(from), lossy(body)),
        "base64" => (base64("FROM", from)?, base64("BODY", body)?),
        "base64-percent" => (
            percent(&base64("FROM", from)?),
            percent(&base64("BODY", body)?),
        ),
        _ => return Err(ArgumentError::Encoding(encoding)),
    };
    if body.is_empty() {
        return Err(ArgumentError::EmptyText);
    }
    let to = Address::parse(&lossy(to)).map_err(|error| ArgumentError::Address("TO", error))?;
    let from = Address::parse(&from).map_err(|error| ArgumentError::Address("FROM", error))?;
    Ok(Arguments {
        message: OutgoingMessage {
            to,
            from,
            text: Text::new(&body),
        },
        index: index.map_or_else(String::new, lossy),
    })
}

fn lossy(raw: &OsString) -> String {
    raw.to_string_lossy().into_owned()
}

fn percent(encoded: &str) -> String {
    percent_decode_str(encoded).decode_utf8_lossy().into_owned()
}

fn base64(name: &'static str, raw: &OsString) -> Result<String, ArgumentError> {
    let bytes = BASE64
        .decode(raw.as_encoded_bytes())
        .map_err(|_| ArgumentError::NotBase64(name))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The AGI commands that tell the dialplan what became of a message and how
/// many segments it has. Every word is ours.
#[must_use]
pub(crate) fn commands(
    id: Id,
    outcome: Outcome,
    reason: Option<Reason>,
    segments: usize,
) -> String {
    let status = outcome.as_str();
    let error = reason.map_or("", Reason::text);
    format!(
        "SET VARIABLE WEBSMS_STATUS \"{status}\"\n\
         SET VARIABLE WEBSMS_ID \"{id}\"\n\
         SET VARIABLE WEBSMS_ERROR \"{error}\"\n\
         SET VARIABLE WEBSMS_SEGMENTS \"{segments}\"\n"
    )
}

/// Arguments that no message can be made of. The dialplan must be mended, or
/// the text was too long for Asterisk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ArgumentError {
    /// TO or FROM holds no number or name.
    Address(&'static str, InvalidAddress),
    /// Not three to five of them.
    Count(usize),
    /// There is no text.
    EmptyText,
    /// ENCODING is not a known one.
    Encoding(String),
    /// FROM or BODY is not in base64.
    NotBase64(&'static str),
}

impl ArgumentError {
    /// The words that the dialplan is told.
    #[must_use]
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::EmptyText => Reason::EmptyText,
            _ => Reason::BadArguments,
        }
    }
}

impl fmt::Display for ArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(name, error) => write!(f, "{name} {error}"),
            Self::Count(count) => write!(
                f,
                "got {count} arguments (expected TO FROM BODY [INDEX [ENCODING]])"
            ),
            Self::EmptyText => f.write_str(
                "the text is empty; Asterisk empties a SIP MESSAGE of more than 1,023 bytes",
            ),
            Self::Encoding(encoding) => {
                write!(
                    f,
                    "unknown encoding {encoding:?} (expected base64, base64-percent or nothing)"
                )
            }
            Self::NotBase64(name) => write!(f, "{name} is not base64, as ENCODING says"),
        }
    }
}

impl std::error::Error for ArgumentError {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt as _;

    fn read(arguments_given: &[&str]) -> Result<Arguments, ArgumentError> {
        let raw: Vec<_> = arguments_given.iter().map(OsString::from).collect();
        arguments(&raw)
    }

    #[test]
    fn arguments_are_data_whatever_they_look_like() {
        let read = read(&["-1", "--config", "-x\n\n --", "--help"]).unwrap();
        assert_eq!(read.message.to.as_str(), "-1");
        assert_eq!(read.message.from.as_str(), "--config");
        assert_eq!(read.message.text.as_str(), "-x\n\n --");
        assert_eq!(read.index, "--help");
    }

    #[test]
    fn encoded_arguments_are_decoded() {
        for body in ["aGkgOiggYnll", "aGkgOiggYnll\n"] {
            let result = read(&["+1", "PHNpcDpqb2huQGg+", body, "api-1", "base64"]);
            if body.ends_with('\n') {
                assert_eq!(result, Err(ArgumentError::NotBase64("BODY")));
                continue;
            }
            let read = result.unwrap();
            assert_eq!(read.message.from.as_str(), "john");
            assert_eq!(read.message.text.as_str(), "hi :( bye");
            assert_eq!(read.index, "api-1");
        }
    }

    #[test]
    fn percent_encoding_inside_is_undone_once() {
        // "a%3A%2541)" is what the dialplan makes of "a:%41)".
        let read = read(&["+1", "am9obg==", "YSUzQSUyNTQxKQ==", "", "base64-percent"]);
        assert_eq!(read.unwrap().message.text.as_str(), "a:%41)");
    }

    #[test]
    fn wrong_arguments_are_named() {
        for (given, expected) in [
            (&["1", "2"][..], ArgumentError::Count(2)),
            (
                &["1", "2", "x", "i", "base64", "y"],
                ArgumentError::Count(6),
            ),
            (&["1", "2", ""], ArgumentError::EmptyText),
            (&["1", "Mg==", "", "", "base64"], ArgumentError::EmptyText),
            (
                &["1", "2", "x", "i", "rot13"],
                ArgumentError::Encoding("rot13".to_owned()),
            ),
        ] {
            assert_eq!(read(given), Err(expected));
        }
        assert!(matches!(
            read(&["", "2", "x"]),
            Err(ArgumentError::Address("TO", _))
        ));
        assert!(matches!(
            read(&["1", "", "x"]),
            Err(ArgumentError::Address("FROM", _))
        ));
    }

    #[test]
    fn bytes_that_are_no_text_do_not_lose_the_text() {
        let body = OsString::from_vec(b"a\x80\xffb".to_vec());
        let read = arguments(&["1".into(), "2".into(), body]).unwrap();
        assert_eq!(read.message.text.as_str(), "a\u{fffd}\u{fffd}b");
    }

    #[test]
    fn commands_are_four_fixed_lines() {
        let id = "0000000000000001-0000000a".parse().unwrap();
        let commands = commands(id, Outcome::Rejected, Some(Reason::Refused), 3);
        assert_eq!(
            commands,
            "SET VARIABLE WEBSMS_STATUS \"REJECTED\"\n\
             SET VARIABLE WEBSMS_ID \"0000000000000001-0000000a\"\n\
             SET VARIABLE WEBSMS_ERROR \"refused by provider\"\n\
             SET VARIABLE WEBSMS_SEGMENTS \"3\"\n"
        );
    }
}
