//! Names of senders: none of them refuses a text, and none of them is more than a
//! name in the call file.

use asterisk_websms::model::message::Sender;

use crate::support::http::{self, FORM, JSON};
use crate::support::{Daemon, callfile};

const TO: &str = "+12025550160";

/// Sender and call file of the text that came as the `count`th.
fn delivered(daemon: &Daemon, count: usize) -> (String, String) {
    let file = daemon.spool.wait_for(count).remove(count - 1);
    let (to, from, text) = callfile::message(file.as_bytes()).unwrap();
    assert_eq!(
        (to.as_str(), text.as_slice()),
        (TO, b"code 1234".as_slice())
    );
    (from, file)
}

#[test]
fn text_arrives_whatever_its_sender_is_called() {
    let daemon = Daemon::start("");
    let long = "x".repeat(500);
    let mut count = 0..;
    let mut arrived = || delivered(&daemon, count.next().unwrap() + 1).0;
    for (sent, expected) in [
        ("AT&T", "AT-T"),
        ("H&M", "H-M"),
        ("O'Reilly", "O-Reilly"),
        ("Søstrene G", "Sostrene G"),
        ("50% off!", "50- off"),
        ("<script>", "script"),
        ("\"Bob\" <sip:bob@evil>", "Bob- -sip-bob-evil"),
        ("🎉", "unknown"),
        ("a\u{1}b\u{7f}c\0", "a-b-c"),
        (&long, "xxxxxxxxxxxxxxxxxxxxxxxx"),
        (" ", "unknown"),
        ("", "unknown"),
        ("x>\r\nApplication: System", "x- Application- System"),
        ("a, pjsip:1@h", "a- pjsip-1-h"),
        ("${SHELL(id)}", "SHELL-id"),
        ("# x", "x"),
        ("7/11", "7-11_"),
        ("+12025550183\u{202c}\r\n", "+12025550183"),
    ] {
        assert!(Sender::parse(expected).is_ok());
        assert_eq!(daemon.send(TO, sent, "code 1234").status, 200, "{sent:?}");
        assert_eq!(arrived(), expected, "{sent:?}");
        let json = serde_json::json!({"To": TO, "From": sent, "Body": "code 1234"});
        let answer = daemon.post("/", &[JSON], json.to_string().as_bytes());
        assert_eq!(answer.status, 200, "{sent:?}");
        assert_eq!(arrived(), expected, "{sent:?}");
    }
    let line = daemon.wait_for_log("sent=\"AT&T\"");
    assert!(
        line.contains("sender name replaced") && line.contains("used=AT-T"),
        "{line}"
    );
}

/// Those that were taken before are written as before, and are not reported.
#[test]
fn call_file_of_a_plain_sender_is_unchanged() {
    let daemon = Daemon::start("");
    for (count, (sent, expected)) in (1..).zip([
        ("+1 (501) 712-2661", "+15017122661"),
        ("My Bank", "My Bank"),
        ("1-800-FLOWERS", "1-800-FLOWERS"),
    ]) {
        assert_eq!(daemon.send(TO, sent, "code 1234").status, 200);
        let (_, file) = delivered(&daemon, count);
        for line in [
            format!("CallerID: \"\" <{expected}>"),
            format!("setvar: MESSAGE(from)={expected}"),
        ] {
            assert!(file.lines().any(|found| found == line), "{file}");
        }
    }
    let (_, log) = daemon.stop();
    assert!(!log.contains("sender name replaced"), "{log}");
}

#[test]
fn missing_sender_is_the_configured_one() {
    let daemon = Daemon::start(
        "[websmsd]\nrequest_uri [a] = /a\nrequest_uri [b] = /b\nfrom_default [b] = No name\n",
    );
    let mut count = 0;
    for (target, expected) in [("/a", "unknown"), ("/b", "No name")] {
        for from in ["", ",\"From\":null", ",\"From\":\"\"", ",\"From\":[]"] {
            let body = format!("{{\"To\":\"{TO}\",\"Body\":\"code 1234\"{from}}}");
            assert_eq!(daemon.post(target, &[JSON], body.as_bytes()).status, 200);
            count += 1;
            assert_eq!(delivered(&daemon, count).0, expected, "{body}");
        }
    }
    let line = daemon.wait_for_log("message without sender");
    assert!(
        line.contains(" INFO ") && line.contains("key_from"),
        "{line}"
    );
    let refused = http::form(&[("Body", b"code 1234")]);
    assert_eq!(daemon.post("/a", &[FORM], &refused).status, 400);
}

#[test]
fn scheme_of_an_address_is_taken_off() {
    let daemon = Daemon::start("");
    for (from, to) in [
        ("whatsapp:+12025550183", "whatsapp:+12025550160"),
        ("tel:+1-202-555-0183", "tel:+1-202-555-0160"),
        (
            "sip:+12025550183@example.com",
            "sip:+12025550160@example.net;user=phone",
        ),
    ] {
        assert_eq!(daemon.send(to, from, "x").status, 200, "{from}");
    }
    for file in daemon.spool.wait_for(3) {
        let (to, from, _) = callfile::message(file.as_bytes()).unwrap();
        assert_eq!((to.as_str(), from.as_str()), (TO, "+12025550183"));
    }
}
