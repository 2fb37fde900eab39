//! What Asterisk sends first by `FastAGI`: what a program would get on stdin, with
//! the arguments among it (`res/res_agi.c`, `setup_env`).
//!
//! A line break in an argument forges lines here, so FROM and BODY must be encoded,
//! and lines that are not numbered one after another are refused. Whether the empty
//! line at the end is Asterisk's own is for the session to find out.

use std::ffi::OsString;
use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

/// The lines that Asterisk sends, up to the empty one.
pub(crate) async fn read(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let mut line = Vec::new();
        reader.read_until(b'\n', &mut line).await?;
        if line.pop() != Some(b'\n') {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line.is_empty() {
            return Ok(lines);
        }
        lines.push(String::from_utf8_lossy(&line).into_owned());
    }
}

/// The program that the dialplan names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Script {
    Otp,
    Websms,
}

/// Program and arguments in the lines that Asterisk sends.
///
/// # Errors
/// When the program is unknown, or a line could be forged.
pub(crate) fn arguments(environment: &[String]) -> Result<(Script, Vec<OsString>), RejectedCall> {
    let mut script = None;
    let mut arguments = Vec::new();
    for line in environment {
        let (name, value) = line.split_once(": ").ok_or(RejectedCall::Forged)?;
        if name == "agi_network_script" && script.is_none() {
            script = Some(value);
        } else if let Some(number) = name.strip_prefix("agi_arg_") {
            if number.parse() != Ok(arguments.len() + 1) {
                return Err(RejectedCall::Forged);
            }
            arguments.push(OsString::from(value));
        } else if !name.starts_with("agi_") || !arguments.is_empty() {
            return Err(RejectedCall::Forged);
        }
    }
    match (script, arguments.get(4)) {
        (Some("websms-otp"), _) => Ok((Script::Otp, arguments)),
        (Some("websms"), Some(encoding)) if !encoding.is_empty() => Ok((Script::Websms, arguments)),
        (Some("websms"), _) => Err(RejectedCall::Unencoded),
        (script, _) => Err(RejectedCall::Other(script.unwrap_or_default().to_owned())),
    }
}

/// An AGI call that is refused. The dialplan must be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RejectedCall {
    /// Lines that Asterisk does not write.
    #[error("an argument holds a line break, or this is not Asterisk")]
    Forged,
    /// Another script.
    #[error("the script is {0:?} (expected agi://ADDRESS/websms or websms-otp)")]
    Other(String),
    #[error(
        "by FastAGI, FROM and BODY must be encoded: pass base64 or base64-percent as the fifth \
         argument"
    )]
    Unencoded,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(sent: &str) -> io::Result<Vec<String>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(super::read(&mut sent.as_bytes()))
    }

    fn read(sent: &str) -> Result<Vec<OsString>, RejectedCall> {
        arguments(&lines(sent).unwrap()).map(|(_, arguments)| arguments)
    }

    const START: &str = "agi_network: yes\nagi_network_script: websms\n\
                         agi_request: agi://127.0.0.1/websms\nagi_callerid: \nagi_enhanced: 0.0\n\
                         agi_accountcode: \n";

    #[test]
    fn arguments_are_those_of_the_dialplan() {
        let sent = "agi_arg_1: +1\nagi_arg_2: Mg==\nagi_arg_3: YTogYg==\nagi_arg_4: \n\
                    agi_arg_5: base64\n\n";
        let arguments = read(&format!("{START}{sent}")).unwrap();
        assert_eq!(arguments, ["+1", "Mg==", "YTogYg==", "", "base64"]);
    }

    #[test]
    fn forged_line_is_refused() {
        for (sent, expected) in [
            // BODY is "x\nagi_arg_4: other\nagi_arg_5: base64".
            (
                "agi_arg_1: +1\nagi_arg_2: 2\nagi_arg_3: x\nagi_arg_4: other\nagi_arg_5: base64\n\
                 agi_arg_4: \n\n",
                RejectedCall::Forged,
            ),
            ("agi_arg_1: +1\nagi_arg_3: x\n\n", RejectedCall::Forged),
            ("agi_arg_1: +1\nhello\n\n", RejectedCall::Forged),
            (
                "agi_arg_1: +1\nagi_network_script: x\n\n",
                RejectedCall::Forged,
            ),
            ("evil: +1\n\n", RejectedCall::Forged),
            (
                "agi_arg_1: +1\nagi_arg_2: 2\nagi_arg_3: x\n\n",
                RejectedCall::Unencoded,
            ),
            (
                "agi_arg_1: 1\nagi_arg_2: 2\nagi_arg_3: x\nagi_arg_4: \nagi_arg_5: \n\n",
                RejectedCall::Unencoded,
            ),
        ] {
            assert_eq!(read(&format!("{START}{sent}")), Err(expected), "{sent}");
        }
        let other = "agi_network_script: other\n\n";
        assert_eq!(read(other), Err(RejectedCall::Other("other".to_owned())));
    }

    #[test]
    fn one_time_password_is_another_script() {
        let sent = "agi_network_script: websms-otp\nagi_arg_1: verify\nagi_arg_2: +1\n";
        let lines = lines(&format!("{sent}agi_arg_3: 12\n\n")).unwrap();
        let (script, arguments) = arguments(&lines).unwrap();
        assert_eq!(script, Script::Otp);
        assert_eq!(arguments, ["verify", "+1", "12"]);
        // A number that holds a line break.
        let forged = format!("{sent}agi_arg_3: 123456\nagi_arg_3: 12\n\n");
        assert_eq!(read(&forged), Err(RejectedCall::Forged));
    }

    #[test]
    fn incomplete_environment_is_an_error() {
        for sent in ["", "agi_network: yes\n", "agi_network: yes"] {
            assert!(lines(sent).is_err(), "{sent}");
        }
    }
}
