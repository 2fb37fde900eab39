//! The interface of the dialplan: `AGI(websms-otp,send,NUMBER)` and
//! `AGI(websms-otp,verify,NUMBER,CODE)`, and the variables that are set in answer.
//!
//! Asterisk executes stdout as AGI commands, so it holds only fixed words and a
//! number.

use std::ffi::OsString;

use thiserror::Error;

use crate::otp::outcome::OtpOutcome;

/// A request of the dialplan or a shell.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum OtpCommand {
    /// Sends a code to a phone.
    Send { phone: String },
    /// Checks the code that a user typed.
    Verify { phone: String, code: String },
}

impl OtpCommand {
    /// Reads `send NUMBER` or `verify NUMBER CODE`.
    ///
    /// # Errors
    /// When the arguments are neither.
    pub(crate) fn parse(arguments: &[OsString]) -> Result<Self, InvalidCommand> {
        let text = |raw: &OsString| raw.to_string_lossy().into_owned();
        match arguments {
            [action, phone] if action == "send" => Ok(Self::Send { phone: text(phone) }),
            [action, phone, code] if action == "verify" => Ok(Self::Verify {
                phone: text(phone),
                code: text(code),
            }),
            _ => Err(InvalidCommand),
        }
    }
}

/// The AGI commands that set `OTP_STATUS` and `OTP_LEFT`; `None` is a request that
/// did not reach the daemon.
pub(crate) fn commands(outcome: Option<OtpOutcome>) -> String {
    let word = outcome.map_or("FAILED", OtpOutcome::word);
    let left = match outcome {
        Some(OtpOutcome::Wrong(left)) => left,
        _ => 0,
    };
    format!("SET VARIABLE OTP_STATUS \"{word}\"\nSET VARIABLE OTP_LEFT \"{left}\"\n")
}

/// Wrong arguments. The dialplan must be corrected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("read the arguments (expected send,NUMBER or verify,NUMBER,CODE)")]
pub(crate) struct InvalidCommand;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<OtpCommand, InvalidCommand> {
        let arguments: Vec<_> = arguments.iter().map(OsString::from).collect();
        OtpCommand::parse(&arguments)
    }

    #[test]
    fn argument_with_dashes_is_data() {
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
