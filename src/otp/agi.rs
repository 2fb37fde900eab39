//! What the dialplan asks, and what it is told: `AGI(websms-otp,send,NUMBER)` and
//! `AGI(websms-otp,verify,NUMBER,CODE)`.
//!
//! What is printed on stdout is executed as AGI commands, so nothing but fixed
//! words and a number is.

use std::ffi::OsString;
use std::fmt;

use crate::otp::outcome::OtpOutcome;

/// What is asked.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum OtpCommand {
    /// A code for a phone.
    Send {
        /// Its number.
        phone: String,
    },
    /// Whether a code is the right one.
    Verify {
        /// The number of the phone that it was sent to.
        phone: String,
        /// What was typed.
        code: String,
    },
}

impl OtpCommand {
    /// Reads `send NUMBER` or `verify NUMBER CODE`.
    ///
    /// # Errors
    /// When it is neither.
    pub(crate) fn parse(arguments: &[OsString]) -> Result<Self, InvalidCommand> {
        let text = |raw: &OsString| raw.to_string_lossy().into_owned();
        match arguments {
            [act, phone] if act == "send" => Ok(Self::Send { phone: text(phone) }),
            [act, phone, code] if act == "verify" => Ok(Self::Verify {
                phone: text(phone),
                code: text(code),
            }),
            _ => Err(InvalidCommand),
        }
    }
}

/// The AGI commands that tell the dialplan what became of it; without an answer
/// the daemon could not be asked.
#[must_use]
pub(crate) fn commands(answer: Option<OtpOutcome>) -> String {
    let word = answer.map_or("FAILED", OtpOutcome::word);
    let left = match answer {
        Some(OtpOutcome::Wrong(left)) => left,
        _ => 0,
    };
    format!("SET VARIABLE OTP_STATUS \"{word}\"\nSET VARIABLE OTP_LEFT \"{left}\"\n")
}

/// A call that asks for nothing that there is. The dialplan must be mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InvalidCommand;

impl fmt::Display for InvalidCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected send,NUMBER or verify,NUMBER,CODE")
    }
}

impl std::error::Error for InvalidCommand {}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<OtpCommand, InvalidCommand> {
        let arguments: Vec<_> = arguments.iter().map(OsString::from).collect();
        OtpCommand::parse(&arguments)
    }

    #[test]
    fn arguments_are_data() {
        assert!(matches!(
            parse(&["send", "--config=/x"]),
            Ok(OtpCommand::Send { phone }) if phone == "--config=/x"
        ));
        assert!(matches!(
            parse(&["verify", "+1", "12\n34"]),
            Ok(OtpCommand::Verify { phone, code }) if phone == "+1" && code == "12\n34"
        ));
        for bad in [
            &[][..],
            &["send"],
            &["send", "1", "2"],
            &["verify", "1"],
            &["setup", "1"],
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn commands_are_two_fixed_lines() {
        assert_eq!(
            commands(Some(OtpOutcome::Wrong(2))),
            "SET VARIABLE OTP_STATUS \"WRONG\"\nSET VARIABLE OTP_LEFT \"2\"\n"
        );
        assert_eq!(
            commands(None),
            "SET VARIABLE OTP_STATUS \"FAILED\"\nSET VARIABLE OTP_LEFT \"0\"\n"
        );
    }
}
