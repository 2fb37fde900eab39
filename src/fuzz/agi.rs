//! What Asterisk hands over: arguments, and the stream of `FastAGI`.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::agi::arguments::parse;
use crate::agi::environment::{self, Script};
use crate::document::percent;
use crate::fuzz::{Input, ready};
use crate::otp::agi::OtpCommand;

/// Any arguments of `websms`: what is accepted can be sent, and is the same in each
/// encoding.
pub fn agi_arguments(data: &[u8]) {
    let arguments: Vec<_> = data
        .split(|byte| *byte == 0)
        .map(|argument| OsString::from_vec(argument.to_vec()))
        .collect();
    let _ = OtpCommand::parse(&arguments);
    let Ok(read) = parse(&arguments) else {
        return;
    };
    for address in [read.message.to.as_str(), read.message.from.as_str()] {
        assert!((1..=128).contains(&address.len()));
        assert!(!address.contains(char::is_control));
    }
    let text = read.message.text.as_str();
    assert!(!text.is_empty() && !text.contains('\0'));
    let [to, from, body, ..] = arguments.as_slice() else {
        return;
    };
    if arguments
        .get(4)
        .is_some_and(|encoding| !encoding.is_empty())
    {
        return;
    }
    let index = arguments.get(3).cloned().unwrap_or_default();
    let base64 = |bytes: &[u8]| OsString::from(STANDARD.encode(bytes));
    let percent = |text: &OsString| percent::encode(&text.to_string_lossy());
    for (from, body, encoding) in [
        (base64(from.as_bytes()), base64(body.as_bytes()), "base64"),
        (
            base64(percent(from).as_bytes()),
            base64(percent(body).as_bytes()),
            "base64-percent",
        ),
    ] {
        let encoded = [to.clone(), from, body, index.clone(), encoding.into()];
        assert_eq!(parse(&encoded).as_ref(), Ok(&read), "{encoding}");
    }
}

/// Any stream, and what Asterisk sends for any arguments: those are read as they are,
/// or refused when a line break in one forges lines.
pub fn fastagi(data: &[u8]) {
    let mut input = Input(data);
    if input.byte() % 2 == 0 {
        let _ = call(input.rest());
        return;
    }
    let script = input
        .choice(&["websms", "websms-otp"])
        .copied()
        .unwrap_or_default();
    let arguments: Vec<_> = input.rest().split(|byte| *byte == 0xFF).collect();
    let sent = environment(script, &arguments);
    let is_encoded = arguments
        .get(4)
        .is_some_and(|encoding| !encoding.is_empty());
    let is_plain = arguments.iter().all(|argument| !argument.contains(&b'\n'));
    match call(&sent) {
        Some((read, values)) => {
            assert_eq!(read == Script::Otp, script == "websms-otp");
            let text = |argument: &&[u8]| String::from_utf8_lossy(argument).into_owned();
            let expected: Vec<_> = arguments.iter().map(text).map(OsString::from).collect();
            // The last argument can only add more, which no dialplan of ours has.
            let start = expected.get(..expected.len() - 1).unwrap_or_default();
            let is_longer = !is_plain && values.starts_with(start);
            assert!(values == expected || is_longer);
        }
        None => assert!(!is_plain || (script == "websms" && !is_encoded)),
    }
}

fn call(sent: &[u8]) -> Option<(Script, Vec<OsString>)> {
    let mut reader = sent;
    let lines = ready(environment::read(&mut reader)).ok()?;
    if !reader.is_empty() {
        // Asterisk sends nothing more: the session finds out.
        return None;
    }
    assert!(
        lines
            .iter()
            .all(|line| !line.is_empty() && !line.contains('\n'))
    );
    environment::arguments(&lines).ok()
}

/// What Asterisk sends (`res/res_agi.c`, `setup_env`).
fn environment(script: &str, arguments: &[&[u8]]) -> Vec<u8> {
    let mut sent = format!("agi_network: yes\nagi_network_script: {script}\n").into_bytes();
    sent.extend_from_slice(b"agi_callerid: +12025550160\nagi_enhanced: 0.0\nagi_accountcode: \n");
    for (number, argument) in (1..).zip(arguments) {
        sent.extend_from_slice(format!("agi_arg_{number}: ").as_bytes());
        sent.extend_from_slice(argument);
        sent.push(b'\n');
    }
    sent.push(b'\n');
    sent
}
