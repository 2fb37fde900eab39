//! The arguments of `websms`: `TO FROM BODY [INDEX [ENCODING]]`.
//!
//! They come from the argument list and never from the environment block on
//! stdin: a line break in a text forges lines there (`res/res_agi.c`,
//! `setup_env`).

use std::ffi::OsString;

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine as _, alphabet};
use percent_encoding::percent_decode_str;

use crate::model::address::{Address, InvalidAddress};
use crate::model::message::Text;
use crate::model::outgoing::OutgoingMessage;
use crate::outbound::verdict::Reason;

/// What `websms` was called with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub message: OutgoingMessage,
    /// The interface to send it by; empty means the first one of the file.
    pub index: String,
}

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Reads the arguments.
///
/// With ENCODING `base64`, FROM and BODY are encoded in it. With `base64-percent`
/// they were percent-encoded before that, because Asterisk takes a `:` behind a `)`
/// for the end of the text to encode (`main/pbx_variables.c`,
/// `parse_variable_name`). Bytes that are not UTF-8 become U+FFFD, so that a text is
/// never lost for one of them.
///
/// # Errors
/// When they are not what `websms` expects, or the text is empty.
pub(crate) fn parse(raw: &[OsString]) -> Result<Arguments, ArgumentError> {
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

/// Arguments that no message can be read from. The dialplan must be changed, or
/// the text was too long for Asterisk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ArgumentError {
    /// TO or FROM holds neither a number nor a name.
    #[error("read {0}")]
    Address(&'static str, #[source] InvalidAddress),
    #[error("read the arguments: got {0} (expected TO FROM BODY [INDEX [ENCODING]])")]
    Count(usize),
    #[error("read BODY: it is empty; Asterisk empties a SIP MESSAGE of more than 1,023 bytes")]
    EmptyText,
    #[error("read ENCODING: {0:?} is unknown (expected base64, base64-percent or nothing)")]
    Encoding(String),
    #[error("read {0}: it is not base64, as ENCODING says")]
    NotBase64(&'static str),
}

impl ArgumentError {
    /// The reason that the dialplan gets.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::EmptyText => Reason::EmptyText,
            _ => Reason::BadArguments,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt as _;

    fn read(arguments: &[&str]) -> Result<Arguments, ArgumentError> {
        let raw: Vec<_> = arguments.iter().map(OsString::from).collect();
        parse(&raw)
    }

    #[test]
    fn arguments_that_look_like_options_are_data() {
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
    fn percent_encoding_is_decoded_once() {
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
    fn bytes_that_are_not_utf8_do_not_lose_the_text() {
        let body = OsString::from_vec(b"a\x80\xffb".to_vec());
        let read = parse(&["1".into(), "2".into(), body]).unwrap();
        assert_eq!(read.message.text.as_str(), "a\u{fffd}\u{fffd}b");
    }
}
