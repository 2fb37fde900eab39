//! Attempts to inject lines into a call file, where one line can be a command on
//! the machine.

use std::cell::RefCell;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use asterisk_websms::config;
use asterisk_websms::model::interface::InterfaceName;
use asterisk_websms::model::message::{Message, PhoneNumber, Sender, Text};
use asterisk_websms::spool::callfile::render;

use crate::support::http::{self, FORM, JSON};
use crate::support::{Daemon, callfile, size};

const TO: &str = "12025550160";
const FROM: &str = "15017122661";

fn number_allowed(value: &[u8]) -> bool {
    let digits: Vec<u8> = value
        .iter()
        .copied()
        .filter(|b| !b" -.()".contains(b))
        .collect();
    let digits = digits.strip_prefix(b"+").unwrap_or(&digits);
    !value.starts_with(b"-")
        && (1..=20).contains(&digits.len())
        && digits.iter().all(u8::is_ascii_digit)
}

fn sender_allowed(value: &[u8]) -> bool {
    let inner = |b: &u8| b.is_ascii_alphanumeric() || b" ._+-".contains(b);
    number_allowed(value)
        || (value.len() <= 24
            && value.first().is_some_and(u8::is_ascii_alphanumeric)
            && value.iter().all(inner)
            && value.last() != Some(&b' '))
}

#[test]
fn every_byte_at_every_position_is_harmless_or_refused() {
    let daemon = Daemon::start("");
    let mut accepted = 0;
    for byte in 0..=255_u8 {
        for position in [0, 5, TO.len()] {
            let with = |base: &str| {
                let (start, end) = base.as_bytes().split_at(position);
                [start, &[byte], end].concat()
            };
            for (to, from, allowed) in [
                (
                    with(TO),
                    FROM.as_bytes().to_vec(),
                    number_allowed(&with(TO)),
                ),
                (TO.as_bytes().to_vec(), with(FROM), true),
            ] {
                let form = http::form(&[("To", &to), ("From", &from), ("Body", b"x")]);
                let status = daemon.post("/", &[FORM], &form).status;
                let expected = if allowed { 200 } else { 400 };
                assert_eq!(status, expected, "byte {byte:#04x} at {position}");
                accepted += usize::from(allowed);
            }
        }
    }
    let files = daemon.spool.wait_for(accepted);
    assert_eq!(files.len(), accepted);
    for file in files {
        let (to, from, body) = callfile::message(file.as_bytes()).unwrap();
        assert!(
            number_allowed(to.as_bytes()) && sender_allowed(from.as_bytes()),
            "{to} {from}"
        );
        assert_eq!(body, b"x");
    }
}

#[test]
fn line_break_never_becomes_a_directive() {
    let daemon = Daemon::start("");
    let directive = "Application: System\nData: touch /tmp/websms-was-here";
    let mut texts = Vec::new();
    for line_end in [
        "\n", "\r", "\r\n", "\u{2028}", "\u{85}", "\u{b}", "\u{c}", "%0a", "%250a", "\\n",
    ] {
        let payload = format!("x>{line_end}{directive}{line_end}");
        for (to, from, text, expected) in [
            (payload.as_str(), FROM, "x", 400),
            (TO, payload.as_str(), "x", 200),
            (TO, FROM, payload.as_str(), 200),
        ] {
            assert_eq!(daemon.send(to, from, text).status, expected, "{line_end:?}");
            let document = serde_json::json!({"To": to, "From": from, "Body": text});
            let status = daemon
                .post("/", &[JSON], document.to_string().as_bytes())
                .status;
            assert_eq!(status, expected, "{line_end:?}");
        }
        texts.extend(["x".to_owned(), "x".to_owned(), payload.clone(), payload]);
    }
    let files = daemon.spool.wait_for(texts.len());
    for (file, text) in files.iter().zip(texts) {
        let (to, from, body) = callfile::message(file.as_bytes()).unwrap();
        assert_eq!(to, TO);
        assert!(
            from == FROM || text == "x" && sender_allowed(from.as_bytes()),
            "{from}"
        );
        assert_eq!(String::from_utf8(body).unwrap(), text);
    }
}

#[test]
fn recipient_never_leads_to_another_context_or_path() {
    let daemon = Daemon::start("");
    let long = "1".repeat(5000);
    for to in [
        "100@from-internal/",
        "100/n",
        "100@ctx",
        "h",
        "s",
        "i",
        "t",
        "o",
        "a",
        "e",
        "_X.",
        "../../etc/cron.d/x",
        "/etc/passwd",
        "a/b",
        "..",
        ".",
        "1\0",
        "1;2",
        "1&PJSIP/2",
        "1,2",
        "1|2",
        "${SHELL(id)}",
        "-1",
        "",
        &long,
        "123456789012345678901",
    ] {
        assert_eq!(daemon.send(to, FROM, "x").status, 400, "{to:?}");
    }
    assert!(daemon.spool.is_untouched());
    let senders = [
        "",
        "x\" <1>",
        "a@b",
        "1>",
        "sip:1@h",
        "<1>",
        &long,
        "x\u{202e}",
        "1,2",
        "${SHELL(id)}",
        "x@from-internal/",
    ];
    for from in senders {
        assert_eq!(daemon.send(TO, from, "x").status, 200, "{from:?}");
    }
    for file in daemon.spool.wait_for(senders.len()) {
        let (to, from, _) = callfile::message(file.as_bytes()).unwrap();
        assert_eq!(to, TO);
        assert!(sender_allowed(from.as_bytes()), "{from}");
    }
}

#[test]
fn file_name_never_holds_input() {
    let daemon = Daemon::start("");
    for from in ["Google", "1.2.3", "My_Bank"] {
        assert_eq!(daemon.send("+12025550160", from, "../x").status, 200);
    }
    daemon.spool.wait_for(3);
    for (name, _) in daemon.spool.take() {
        let name = name.to_str().unwrap();
        let ours = |c: char| c.is_ascii_hexdigit() || c == '-' || c == 'o';
        let stem = name.strip_suffix(".call").unwrap();
        assert!(stem.chars().all(ours), "{name}");
        assert!(!name.contains("12025550160"), "{name}");
    }
    // No file is created elsewhere.
    let mut names: Vec<_> = std::fs::read_dir(daemon.spool.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["failed", "outgoing", "staging", "websms.conf"]);
}

#[test]
fn text_never_changes_other_fields() {
    let daemon = Daemon::start("");
    let payloads = [
        r#"{"To":"+46999","From":"CEO","Body":"x"}"#,
        "{\"To\":\"+46999\",\"From\":\"CEO>\\nApplication: System\\nData: id\"}",
        "To=+46999&From=CEO",
        "<To>+46999</To>",
        "\u{feff}{\"To\":\"+46999\"}",
    ];
    for payload in payloads {
        assert_eq!(daemon.send(TO, FROM, payload).status, 200);
        let document = serde_json::json!({"To": TO, "From": FROM, "Body": payload}).to_string();
        assert_eq!(daemon.post("/", &[JSON], document.as_bytes()).status, 200);
        let inside = http::form(&[("event", b"SMS"), ("result", document.as_bytes())]);
        assert_eq!(daemon.post("/", &[FORM], &inside).status, 200);
    }
    let files = daemon.spool.wait_for(3 * payloads.len());
    for (file, payload) in files.chunks(3).zip(payloads) {
        for file in file {
            let (to, from, body) = callfile::message(file.as_bytes()).unwrap();
            assert_eq!((to.as_str(), from.as_str()), (TO, FROM));
            assert_eq!(String::from_utf8(body).unwrap(), payload);
        }
    }
}

#[test]
fn any_request_stores_its_own_message_or_none() {
    let daemon = Daemon::start("");
    let config = Config {
        cases: 300,
        failure_persistence: None,
        ..Config::default()
    };
    let text = || prop_oneof![any::<Vec<u8>>(), "\\PC{0,80}".prop_map(String::into_bytes)];
    let number = || prop_oneof![text(), "[+]?[0-9]{1,20}".prop_map(String::into_bytes)];
    let accepted = RefCell::new(Vec::new());
    TestRunner::new(config)
        .run(&(number(), number(), text()), |(to, from, body)| {
            let form = http::form(&[("To", &to), ("From", &from), ("Body", &body)]);
            let status = daemon.post("/", &[FORM], &form).status;
            let allowed = number_allowed(&to);
            prop_assert_eq!(status, if allowed { 200 } else { 400 });
            if allowed {
                let text = match std::str::from_utf8(&body) {
                    Ok(text) => text.to_owned(),
                    Err(_) => encoding_rs::WINDOWS_1252.decode(&body).0.into_owned(),
                };
                let text = text.replace('\0', "\u{fffd}");
                accepted.borrow_mut().push((plain(&to), from, text));
            }
            Ok(())
        })
        .unwrap();
    let accepted = accepted.into_inner();
    assert!(accepted.len() > 20, "too few to be significant");
    let stored: Vec<_> = daemon
        .spool
        .wait_for(accepted.len())
        .iter()
        .map(|file| {
            let (to, from, body) = callfile::message(file.as_bytes()).unwrap();
            (to, from, String::from_utf8(body).unwrap())
        })
        .collect();
    assert_eq!(stored.len(), accepted.len());
    for (stored, (to, sent, text)) in stored.iter().zip(accepted) {
        assert_eq!((&stored.0, &stored.2), (&to, &text));
        let from = stored.1.as_bytes();
        assert!(sender_allowed(from), "{sent:?} {:?}", stored.1);
        if sender_allowed(&sent) {
            assert_eq!(stored.1, plain_sender(&sent));
        }
    }
}

#[test]
fn any_message_is_rendered_as_exactly_itself() {
    // Without the daemon, so that many cases can be tested.
    let cases = size("WEBSMS_TEST_CASES", 2000);
    let config = Config {
        cases: cases.try_into().unwrap(),
        failure_persistence: None,
        ..Config::default()
    };
    let settings = |max_text: usize| config::CallFileSettings {
        wait_time: 45,
        max_retries: 4320,
        retry_time: 60,
        archive: true,
        channel_context: "dp_entry_channel_open".to_owned(),
        context: "dp_entry_trunk_texting".to_owned(),
        priority: 1,
        max_text,
    };
    // Characters with a meaning in a call file, for URIDECODE or in a dialplan.
    let special =
        "[ \t\r\n\\\\;#%:=,()\\[\\]{}<>|&\"'$+*@/Ж日😀\u{301}\u{200d}\u{85}\u{2028}\u{feff}aA0]";
    let directive = "(\n|\r|\r\n|%0a|\\\\n|\u{2028}| #|;)(Application|Data|setvar|Channel|Set|#exec): [a-zA-Z(){}$ /=;]{0,30}";
    let text = prop_oneof![
        any::<String>(),
        prop::collection::vec(prop_oneof![special, directive, "\\PC{1,5}"], 0..60)
            .prop_map(|pieces| pieces.concat()),
        (special, 0_usize..1100).prop_map(|(piece, times)| piece.repeat(times)),
    ];
    let to = "[+]?[0-9]{1,20}";
    let from = prop_oneof![
        "[+]?[0-9]{1,20}",
        "[A-Za-z0-9][A-Za-z0-9 ._+-]{0,13}[A-Za-z0-9]"
    ];
    let files = RefCell::new((0_usize, 0_usize));
    TestRunner::new(config)
        .run(
            &(to, from, text, 40_usize..=1000),
            |(to, from, text, max)| {
                let message = Message {
                    to: PhoneNumber::parse(&to).unwrap(),
                    from: Sender::parse(&from).unwrap(),
                    text: Text::new(&text),
                    interface: InterfaceName::unnamed(),
                    provider_id: None,
                    pictures: Vec::new(),
                };
                let mut arrived = Vec::new();
                let rendered = render(&message, &settings(max));
                for file in &rendered {
                    let (read_to, read_from, body) = callfile::message(file.as_bytes())
                        .map_err(|problem| TestCaseError::fail(format!("{file:?}: {problem}")))?;
                    prop_assert_eq!(&read_to, &to);
                    prop_assert_eq!(read_from.as_str(), message.from.as_str());
                    prop_assert!(file.lines().all(|line| line.len() <= 1022));
                    prop_assert!(body.len() <= max);
                    arrived.extend(body);
                }
                prop_assert_eq!(
                    String::from_utf8(arrived).unwrap(),
                    text.replace('\0', "\u{fffd}")
                );
                let mut files = files.borrow_mut();
                *files = (
                    files.0 + rendered.len(),
                    files.1 + usize::from(rendered.len() > 1),
                );
                Ok(())
            },
        )
        .unwrap();
    let (files, long) = files.into_inner();
    println!("{cases} messages, {files} call files, {long} messages with several");
    assert!(long > cases / 100, "too few to be significant");
}

/// A number without its punctuation.
fn plain(number: &[u8]) -> String {
    let kept = number.iter().filter(|byte| !b" -.()".contains(byte));
    kept.map(|byte| char::from(*byte)).collect()
}

fn plain_sender(sender: &[u8]) -> String {
    if number_allowed(sender) {
        plain(sender)
    } else {
        String::from_utf8(sender.to_vec()).unwrap()
    }
}
