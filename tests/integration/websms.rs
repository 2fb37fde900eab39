//! `websms`: its arguments, its exit statuses, and the variables that it sets in the
//! dialplan.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::process::{Output, Stdio};
use std::sync::{Mutex, mpsc};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Answer, Provider, Websms, section};

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The value of a channel variable that `websms` has set.
fn variable(output: &Output, name: &str) -> String {
    let prefix = format!("SET VARIABLE {name} \"");
    let stdout = stdout(output);
    let line = stdout.lines().find_map(|line| line.strip_prefix(&prefix));
    line.and_then(|line| line.strip_suffix('"'))
        .unwrap_or_else(|| panic!("no {name} in {stdout:?}"))
        .to_owned()
}

#[test]
fn response_of_the_provider_decides_exit_status_and_variables() {
    let empty = |status| Answer::Http(status, "text/plain", String::new());
    for (answer, exit, status, error) in [
        (empty(200), 0, "SENT", ""),
        (empty(204), 0, "SENT", ""),
        (empty(302), 76, "REJECTED", "provider has moved"),
        (empty(400), 76, "REJECTED", "refused by provider"),
        (empty(401), 76, "REJECTED", "credentials not accepted"),
        (empty(429), 69, "FAILED", "provider is busy"),
        (empty(500), 75, "UNKNOWN", "error at provider"),
        (empty(503), 69, "FAILED", "provider is busy"),
        (Answer::HangUp, 75, "UNKNOWN", "no answer from provider"),
    ] {
        let provider = Provider::answering(answer.clone());
        let output = Websms::to(&provider, &[])
            .under_agi()
            .run(&["+1", "+2", "x"]);
        assert_eq!(output.status.code(), Some(exit), "{answer:?}");
        assert_eq!(variable(&output, "WEBSMS_STATUS"), status, "{answer:?}");
        assert_eq!(variable(&output, "WEBSMS_ERROR"), error, "{answer:?}");
        assert_eq!(variable(&output, "WEBSMS_SEGMENTS"), "1", "{answer:?}");
        let id = variable(&output, "WEBSMS_ID");
        assert_eq!(id.len(), 25, "{id}");
        assert_eq!(provider.requests().len(), 1, "{answer:?}");
    }
}

#[test]
fn response_check_decides_after_a_successful_status() {
    for (check, body, exit) in [
        ("status=success", r#"{"status":"success"}"#, 0),
        (
            "status=success",
            r#"{"status":"error","message":"no funds"}"#,
            76,
        ),
        ("status=0", r#"{"messages":[{"status":"0"}]}"#, 0),
        ("ok=true", r#"{"data":{"ok":true}}"#, 0),
        ("/^Success \"[0-9a-f-]+\"$/", "Success \"07033084-5cfd\"", 0),
        ("/^success/i", "SUCCESS", 0),
        ("/^Success/", "Error \"x\"", 76),
    ] {
        let body = body.to_owned();
        let provider = Provider::answering(Answer::Http(200, "text/plain", body));
        let check = check.replace('"', "\\\"");
        let websms = Websms::to(&provider, &[("response_check", &check)]);
        assert_eq!(websms.status(&["+1", "+2", "x"]), exit, "{check}");
    }
}

#[test]
fn stdout_has_four_commands_under_agi_and_is_empty_otherwise() {
    let hostile = "EXEC System touch /tmp/x\nfailure\nHANGUP\n".to_owned();
    let provider = Provider::answering(Answer::Http(400, "text/plain", hostile));
    let arguments = [
        "+1",
        "\"x\nEXEC Hangup\" <sip:+2@h>",
        "EXEC Hangup\n\nfailure",
    ];
    let output = Websms::to(&provider, &[]).under_agi().run(&arguments);
    let names: Vec<_> = stdout(&output)
        .lines()
        .map(|line| line.split(' ').take(3).collect::<Vec<_>>().join(" "))
        .collect();
    let expected = [
        "WEBSMS_STATUS",
        "WEBSMS_ID",
        "WEBSMS_ERROR",
        "WEBSMS_SEGMENTS",
    ];
    assert_eq!(names, expected.map(|name| format!("SET VARIABLE {name}")));
    let output = Websms::to(&provider, &[]).run(&arguments);
    assert_eq!(stdout(&output), "");
    assert!(
        stderr(&output).contains("EXEC System"),
        "the log has the reason"
    );
    assert_eq!(stderr(&output).lines().count(), 1);
}

#[test]
fn arguments_that_look_like_options_are_sent_as_data() {
    let provider = Provider::answering(Answer::ok());
    let websms = Websms::to(&provider, &[]);
    assert_eq!(websms.status(&["--", "-1", "-2", "-3"]), 0);
    assert_eq!(websms.status(&["-1", "-2", "-3"]), 0);
    let websms = websms.under_agi();
    assert_eq!(
        websms.status(&["--config=/dev/null", "--help", "--version"]),
        0
    );
    let sent: Vec<_> = provider
        .requests()
        .iter()
        .map(|request| {
            let parameters = request.parameters();
            ["To", "From", "Body"].map(|key| parameters[key].clone())
        })
        .collect();
    let dashes = ["-1", "-2", "-3"].map(str::to_owned);
    let options = ["--config=/dev/null", "--help", "--version"].map(str::to_owned);
    assert_eq!(sent, [dashes.clone(), dashes, options]);
}

#[test]
fn index_chooses_the_interface() {
    let first = Provider::answering(Answer::ok());
    let second = Provider::answering(Answer::ok());
    let config = section(
        "websms",
        &[
            ("host [api-1]", &first.url()),
            ("host[2]", &second.url()),
            ("auth_user", "id"),
            ("auth_secret [2]", "s"),
            ("key_body [2]", "text"),
        ],
    );
    let websms = Websms::configured(&config);
    assert_eq!(websms.status(&["+1", "+2", "a", "api-1"]), 0);
    assert_eq!(websms.status(&["+1", "+2", "b", "2"]), 0);
    assert_eq!(websms.status(&["+1", "+2", "c", ""]), 0);
    assert_eq!(websms.status(&["+1", "+2", "d"]), 0);
    let bodies = |provider: &Provider, key: &str| -> Vec<_> {
        let requests = provider.requests();
        requests
            .iter()
            .map(|request| request.parameters()[key].clone())
            .collect()
    };
    assert_eq!(bodies(&first, "Body"), ["a", "c", "d"]);
    assert_eq!(bodies(&second, "text"), ["b"]);
}

#[test]
fn empty_index_is_numbered_as_in_php() {
    let first = Provider::answering(Answer::ok());
    let second = Provider::answering(Answer::ok());
    let config = section(
        "websms",
        &[
            ("url_host []", &first.url()),
            ("url_host []", &second.url()),
            ("auth_user []", "a"),
            ("auth_user []", "b"),
        ],
    );
    let websms = Websms::configured(&config);
    assert_eq!(websms.status(&["+1", "+2", "x", "1"]), 0);
    assert!(first.requests().is_empty());
    assert_eq!(second.requests()[0].headers["authorization"], "Basic Yjo=");
}

#[test]
fn unknown_index_sends_nothing() {
    let provider = Provider::answering(Answer::ok());
    let websms = Websms::to(&provider, &[("val_static [api-1]", "a=b")]).under_agi();
    let output = websms.run(&["+1", "+2", "x", "api-2"]);
    assert_eq!(output.status.code(), Some(78));
    assert_eq!(variable(&output, "WEBSMS_ERROR"), "unknown index");
    assert_eq!(variable(&output, "WEBSMS_SEGMENTS"), "0");
    assert!(provider.requests().is_empty());
    let log = stderr(&output);
    assert!(
        log.contains("find the interface \"api-2\": [websms] has api-1 (did you mean \"api-1\"?)"),
        "{log}"
    );
}

#[test]
fn sender_may_be_a_number_a_uri_or_a_name_with_a_uri() {
    let provider = Provider::answering(Answer::ok());
    let websms = Websms::to(&provider, &[]);
    let senders = [
        "+12025550160",
        "<sip:+12025550160@127.0.0.1>",
        "sip:+12025550160@pbx.example.com:5061;transport=tls",
        "\"John (work), Doe\" <sip:%2B12025550160@pbx.example.com>;tag=x",
        "\"John\" <+12025550160>",
    ];
    for sender in senders {
        assert_eq!(websms.status(&["+1", sender, "x"]), 0, "{sender}");
    }
    for request in provider.requests() {
        assert_eq!(request.parameters()["From"], "+12025550160");
    }
    assert_eq!(provider.requests().len(), senders.len());
}

#[test]
fn encoded_arguments_are_sent_unchanged() {
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::STANDARD;
    let provider = Provider::answering(Answer::ok());
    let websms = Websms::to(&provider, &[("number_format [api-1]", "E164")]).under_agi();
    let texts = [
        "hi :( bye",
        "[ open",
        "a \"q\" , b \\ c",
        "one\n\nagi_arg_1: two\r\n",
        "${SHELL(id)} $[1+1] %41",
        "  blanks  ",
        &"😀".repeat(255),
    ];
    for text in texts {
        let from = base64.encode("\"Bob (work\" <sip:+2@h>");
        let arguments = ["+1", from.as_str(), &base64.encode(text), "api-1", "base64"];
        assert_eq!(websms.status(&arguments), 0, "{text}");
    }
    let requests = provider.requests();
    let bodies: Vec<_> = requests
        .iter()
        .map(|r| r.parameters()["Body"].clone())
        .collect();
    assert_eq!(bodies, texts);
    assert!(requests.iter().all(|r| r.parameters()["From"] == "2"));
}

#[test]
fn empty_text_is_rejected_with_exit_status_65() {
    let provider = Provider::answering(Answer::ok());
    let websms = Websms::to(&provider, &[]).under_agi();
    for arguments in [&["+1", "+2", ""][..], &["+1", "PDI+", "", "", "base64"]] {
        let output = websms.run(arguments);
        assert_eq!(output.status.code(), Some(65));
        assert_eq!(variable(&output, "WEBSMS_STATUS"), "REJECTED");
        assert_eq!(variable(&output, "WEBSMS_ERROR"), "text empty or too long");
        assert_eq!(variable(&output, "WEBSMS_SEGMENTS"), "0");
        let log = stderr(&output);
        assert!(log.contains("more than 1,023 bytes"), "{log}");
    }
    assert!(provider.requests().is_empty());
}

#[test]
fn wrong_arguments_end_with_exit_status_64() {
    let provider = Provider::answering(Answer::ok());
    let websms = Websms::to(&provider, &[]);
    for arguments in [
        &[][..],
        &["+1"],
        &["+1", "+2"],
        &["+1", "+2", "x", "", "base64", "more"],
        &["+1", "+2", "x", "", "rot13"],
        &["+1", "+2", "not base64!", "", "base64"],
        &["", "+2", "x"],
        &["+1", "", "x"],
        &["+1\r\nX: y", "+2", "x"],
    ] {
        assert_eq!(websms.status(arguments), 64, "{arguments:?}");
    }
    assert!(provider.requests().is_empty());
}

#[test]
fn invalid_utf8_becomes_replacement_characters() {
    let provider = Provider::answering(Answer::ok());
    let body = OsString::from_vec([b"a", &(0x80..=0xff).collect::<Vec<u8>>()[..], b"z"].concat());
    for charset in ["", "UCS-2", "type=unicode"] {
        let websms = Websms::to(&provider, &[("charset", charset)]);
        let arguments = ["+1".into(), "+2".into(), body.clone()];
        assert_eq!(websms.status(&arguments), 0, "{charset}");
    }
    for request in provider.requests() {
        let body = &request.parameters()["Body"];
        assert!(
            body.starts_with("a\u{fffd}") && body.ends_with("\u{fffd}z"),
            "{body}"
        );
    }
}

#[test]
fn charset_parameter_is_added_only_to_unicode_texts() {
    let provider = Provider::answering(Answer::ok());
    let websms = Websms::to(&provider, &[("charset", "type=unicode")]);
    for text in ["plain", "Привет ☺", "😀"] {
        assert_eq!(websms.status(&["+1", "+2", text]), 0);
    }
    let marked: Vec<_> = provider
        .requests()
        .iter()
        .map(|request| request.parameters().get("type").cloned())
        .collect();
    assert_eq!(marked, [None, None, Some("unicode".to_owned())]);
}

#[test]
fn segments_are_counted_in_the_encoding_of_the_text() {
    let provider = Provider::answering(Answer::ok());
    let x = |count| "x".repeat(count);
    for (charset, text, segments, encoding) in [
        ("", "x".to_owned(), "1", "GSM-7"),
        ("", x(160), "1", "GSM-7"),
        ("", x(161), "2", "GSM-7"),
        ("", "one\r\ntwo\u{c}".to_owned(), "1", "GSM-7"),
        ("", "Ç".repeat(160), "1", "GSM-7"),
        ("", "ç".repeat(71), "2", "UCS-2"),
        ("", "€".repeat(80), "1", "GSM-7"),
        ("", "€".repeat(81), "2", "GSM-7"),
        ("", x(152) + "€" + &x(152), "3", "GSM-7"),
        ("", x(70) + "`", "2", "UCS-2"),
        ("", "😀".repeat(35), "1", "UCS-2"),
        ("", "😀".repeat(67), "3", "UCS-2"),
        ("type=unicode", "😀".repeat(36), "2", "UCS-2"),
        // UCS-2 has no 😀: each becomes one U+FFFD.
        ("UCS-2", "😀".repeat(70), "1", "UCS-2"),
        ("UCS-2", "😀".repeat(71), "2", "UCS-2"),
    ] {
        let output = Websms::to(&provider, &[("charset", charset)])
            .under_agi()
            .run(&["+1", "+2", &text]);
        assert_eq!(output.status.code(), Some(0), "{text}");
        assert_eq!(variable(&output, "WEBSMS_SEGMENTS"), segments, "{text}");
        let log = stderr(&output);
        let logged = format!("segments={segments} encoding={encoding} ");
        assert!(
            log.contains("message sent") && log.contains(&logged),
            "{text}: {log}"
        );
    }
}

#[test]
fn segments_of_an_unsent_text_are_reported() {
    let provider = Provider::answering(Answer::Http(400, "text/plain", "no".to_owned()));
    let websms = Websms::to(&provider, &[]).under_agi();
    let output = websms.run(&["+1", "+2", &"ж".repeat(71)]);
    assert_eq!(variable(&output, "WEBSMS_SEGMENTS"), "2");
    let log = stderr(&output);
    assert!(log.contains("segments=2 encoding=UCS-2 "), "{log}");
    // No request could be made, but the segments could be counted.
    let websms = Websms::to(&provider, &[("auth_secret [1]", "env:MISSING")]).under_agi();
    let output = websms.run(&["+1", "+2", &"ж".repeat(71)]);
    assert_eq!(output.status.code(), Some(78));
    assert_eq!(variable(&output, "WEBSMS_SEGMENTS"), "2");
}

#[test]
fn text_with_too_many_segments_is_rejected_unsent() {
    let provider = Provider::answering(Answer::ok());
    let websms = Websms::to(&provider, &[("max_segments", "2")]).under_agi();
    for (text, segments, encoding) in [
        ("x".repeat(307), "3", "GSM-7"),
        ("x".repeat(133) + "😀", "3", "UCS-2"),
        ("x".repeat(153 * 258), "258", "GSM-7"),
    ] {
        let output = websms.run(&["+12025550183", "+12025550160", &text]);
        assert_eq!(output.status.code(), Some(76));
        assert_eq!(variable(&output, "WEBSMS_STATUS"), "REJECTED");
        assert_eq!(variable(&output, "WEBSMS_ERROR"), "text too long");
        assert_eq!(variable(&output, "WEBSMS_SEGMENTS"), segments);
        let log = stderr(&output);
        assert_eq!(log.lines().count(), 1, "{log}");
        let counted = format!("segments={segments} encoding={encoding} max_segments=2");
        for part in ["text exceeds max_segments", &counted, "********0183"] {
            assert!(log.contains(part), "{part:?} is not in {log}");
        }
        assert!(!log.contains("xxx") && !log.contains("2025550183"), "{log}");
    }
    assert!(provider.requests().is_empty());
    assert_eq!(websms.status(&["+1", "+2", &"x".repeat(306)]), 0);
    assert_eq!(provider.requests().len(), 1);
}

#[test]
fn max_segments_is_that_of_the_interface() {
    let provider = Provider::answering(Answer::ok());
    let config = section(
        "websms",
        &[
            ("host", &provider.url()),
            ("auth_user", "id"),
            ("max_segments", "1"),
            ("max_segments [two]", "2"),
            ("max_segments [any]", "0"),
            ("max_segments [empty]", ""),
            ("auth_user [one]", "id"),
        ],
    );
    let websms = Websms::configured(&config);
    for (index, count, exit) in [
        ("one", 160, 0),
        ("one", 161, 76),
        ("two", 306, 0),
        ("two", 307, 76),
        ("any", 40_000, 0),
        ("empty", 40_000, 0),
        // No index: the first interface of the file.
        ("", 306, 0),
        ("", 307, 76),
    ] {
        let text = "x".repeat(count);
        let status = websms.status(&["+1", "+2", &text, index]);
        assert_eq!(status, exit, "{index} {count}");
    }
    assert_eq!(provider.requests().len(), 5);
    // Without the key there is no limit.
    let websms = Websms::to(&provider, &[]);
    assert_eq!(websms.status(&["+1", "+2", &"x".repeat(40_000)]), 0);
}

#[test]
fn missing_configuration_ends_with_exit_status_78() {
    let output = Websms::configured("")
        .under_agi()
        .with_environment("WEBSMS_CONF", "/nonexistent/websms.conf")
        .run(&["+1", "+2", "x"]);
    assert_eq!(output.status.code(), Some(78));
    assert_eq!(variable(&output, "WEBSMS_ERROR"), "bad configuration");
    assert_eq!(variable(&output, "WEBSMS_SEGMENTS"), "0");
    let log = stderr(&output);
    assert!(
        log.contains(
            "configuration not loaded error=failed to read the configuration /nonexistent/websms.conf"
        ),
        "{log}"
    );
    // A file without an interface.
    let output = Websms::configured("[astqueue]\n").run(&["+1", "+2", "x"]);
    assert_eq!(output.status.code(), Some(78));
    let log = stderr(&output);
    assert!(
        log.contains("find an interface to send by: set host"),
        "{log}"
    );
}

#[test]
fn secret_is_read_from_variable_file_or_credential() {
    let provider = Provider::answering(Answer::ok());
    let credentials = tempfile::tempdir().unwrap();
    std::fs::write(credentials.path().join("token"), "from file\n").unwrap();
    let path = credentials.path().to_str().unwrap();
    for source in ["env:TOKEN", "file:token", &format!("file:{path}/token")] {
        let websms = Websms::to(&provider, &[("auth_secret [1]", source)])
            .with_environment("TOKEN", "from file")
            .with_environment("CREDENTIALS_DIRECTORY", path);
        assert_eq!(websms.status(&["+1", "+2", "x"]), 0, "{source}");
    }
    let expected = "Basic aWQ6ZnJvbSBmaWxl";
    let requests = provider.requests();
    assert!(
        requests
            .iter()
            .all(|r| r.headers["authorization"] == expected)
    );
    let websms = Websms::to(&provider, &[("auth_secret [1]", "file:missing")]);
    assert_eq!(websms.status(&["+1", "+2", "x"]), 78);
    assert_eq!(provider.requests().len(), 3);
}

#[test]
fn secret_is_not_shown_when_the_provider_refuses() {
    let provider = Provider::answering(Answer::Http(401, "text/plain", "no".to_owned()));
    let secret = "hunter2;&!(";
    for method in ["basic", "plain", "zadarma"] {
        let more = [
            ("auth_method", method),
            ("key_user", "u"),
            ("key_secret", "p"),
            ("auth_passwd [1]", secret),
        ];
        let output = Websms::to(&provider, &more)
            .under_agi()
            .run(&["+1", "+2", "x"]);
        assert_eq!(output.status.code(), Some(76));
        assert!(!stderr(&output).contains("hunter2"), "{}", stderr(&output));
        assert!(!stdout(&output).contains("hunter2"));
    }
}

#[test]
fn text_and_complete_numbers_are_not_logged() {
    let provider = Provider::answering(Answer::ok());
    let output = Websms::to(&provider, &[]).run(&["+12025550183", "+12025550160", "psst!"]);
    let log = stderr(&output);
    assert!(log.contains("message sent"), "{log}");
    assert!(log.contains("********0183"), "{log}");
    for hidden in ["2025550183", "2025550160", "psst"] {
        assert!(!log.contains(hidden), "{log}");
    }
}

#[test]
fn text_and_number_in_an_error_of_the_provider_are_not_logged() {
    let error = "no credit for 12025550183: Hello from 2002, your code is 4711";
    let provider = Provider::answering(Answer::Http(400, "text/plain", error.to_owned()));
    let text = "Hello from 2002, your code is 4711";
    let output = Websms::to(&provider, &[]).run(&["+12025550183", "+12025550160", text]);
    let log = stderr(&output);
    assert!(
        log.contains("no credit for *******0183: (the text)"),
        "{log}"
    );
}

#[test]
fn open_stdin_does_not_delay_the_exit() {
    let provider = Provider::answering(Answer::ok());
    let websms = Websms::to(&provider, &[]).under_agi();
    let mut child = websms
        .command(&["+1", "+2", "x"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    // Kept open and never written to, as Asterisk does.
    let stdin = child.stdin.take();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    drop(stdin);
}

#[test]
fn signals_are_blocked_until_the_provider_has_answered() {
    for signal in [Signal::SIGHUP, Signal::SIGTERM, Signal::SIGPIPE] {
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let may_go_on = Mutex::new(may_go_on);
        let provider = Provider::deciding(move |_| {
            may_go_on.lock().unwrap().recv().unwrap();
            Answer::ok()
        });
        let websms = Websms::to(&provider, &[]).under_agi();
        let child = websms.start(&["+1", "+2", "x"]);
        provider.wait_for(1);
        kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
        go_on.send(()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{signal}");
        assert_eq!(variable(&output, "WEBSMS_STATUS"), "SENT", "{signal}");
    }
}

#[test]
fn closed_stdout_does_not_change_the_exit_status() {
    let provider = Provider::answering(Answer::ok());
    let websms = Websms::to(&provider, &[]).under_agi();
    let mut child = websms.start(&["+1", "+2", "x"]);
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
