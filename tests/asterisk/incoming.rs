//! Webhook → `websmsd` → call file → Asterisk's spool → dialplan → phone.

use std::os::unix::fs::MetadataExt as _;

use crate::pbx::{Changes, Pbx};
use crate::support::daemon::list;
use crate::support::http::{self, FORM};
use crate::support::wait_for;
use crate::{ODD_TEXTS, assert_no_command_ran};

const JOHN: &str = "+12025550160";
const REMOTE: &str = "+15017122661";

fn odd_texts_arrive_through(changes: &Changes) {
    let (pbx, server) = Pbx::with_websmsd(changes);
    let john = pbx.phone("john");
    let long = [
        "x".repeat(1000),
        "Ж".repeat(172),
        "日".repeat(330),
        "😀 ".repeat(190),
    ];
    // The odd texts at both ends of a text that fits only in the compact form.
    let compact: Vec<_> = ODD_TEXTS
        .iter()
        .map(|text| format!("{text}{}{text}", "Ж".repeat(330)))
        .collect();
    let texts = ODD_TEXTS.iter().copied();
    let texts = texts.chain(long.iter().chain(&compact).map(String::as_str));
    for (count, text) in (1..).zip(texts) {
        assert_eq!(server.send(JOHN, REMOTE, text).status, 200);
        let got = john.wait_for(count).pop().unwrap();
        assert_eq!(got.text(), text);
        assert_eq!(got.from, REMOTE);
    }
    pbx.wait_for_empty_spool();
    assert_no_command_ran();
}

#[test]
fn odd_texts_reach_the_phone_exactly() {
    odd_texts_arrive_through(&Changes::default());
}

#[test]
fn odd_texts_reach_the_phone_through_the_second_names() {
    odd_texts_arrive_through(&Changes {
        contexts: Some(("dp_entry_answer", "dp_entry_text_in")),
        ..Changes::default()
    });
}

/// A dialplan that does only what the one for the PHP WebSMS does: answer, decode
/// if `MESSAGE_ENCODE` is set, send to every contact.
#[test]
fn odd_texts_reach_the_phone_through_a_dialplan_for_the_php_websms() {
    let extensions = "[php_answer]\n\
         exten => _[+0-9].,1,Answer()\n same => n,Hangup()\n\
         [php_text]\n\
         include => websms_phones\n\
         exten => _[+0-9].,1,GotoIf($[ ${MESSAGE_ENCODE} != rfc3986 ]?send)\n \
         same => n,Set(MESSAGE(body)=${URIDECODE(${MESSAGE(body)})})\n \
         same => n(send),Set(left=${PJSIP_DIAL_CONTACTS(${CUT(HINT,/,2)})})\n \
         same => n,While($[\"${SET(next=${SHIFT(left,&):6})}\" != \"\"])\n \
         same => n,MessageSend(pjsip:${next},${MESSAGE(from)})\n \
         same => n,EndWhile()\n same => n,Hangup()\n";
    odd_texts_arrive_through(&Changes {
        extensions: extensions.to_owned(),
        contexts: Some(("php_answer", "php_text")),
        ..Changes::default()
    });
}

#[test]
fn sender_names_arrive() {
    let (pbx, server) = Pbx::with_websmsd(&Changes::default());
    let john = pbx.phone("john");
    for (count, (sender, shown)) in (1..).zip([
        ("Google", "Google"),
        ("My Bank", "My%20Bank"),
        ("A.b-c_d+e", "A.b-c_d+e"),
        ("+1 (501) 712-2661", REMOTE),
        ("72404", "72404"),
        ("AT&T", "AT-T"),
        ("Søstrene G", "Sostrene%20G"),
        ("a, pjsip:jane", "a-%20pjsip-jane"),
        ("x>\r\nApplication: System", "x-%20Application-%20System"),
        ("${SHELL(touch /tmp/x)}", "SHELL-touch%20-tmp-x"),
        ("7/11", "7-11_"),
        ("🎉", "unknown"),
        ("", "unknown"),
    ]) {
        assert_eq!(server.send(JOHN, sender, "x").status, 200);
        assert_eq!(john.wait_for(count).pop().unwrap().from, shown);
    }
}

#[test]
fn answer_to_a_name_is_refused() {
    let (pbx, server) = Pbx::with_websmsd(&Changes::default());
    let john = pbx.phone("john");
    for (count, sender) in (1..).zip(["My Bank", "AT&T", "lid & 5", ""]) {
        assert_eq!(server.send(JOHN, sender, "x").status, 200);
        let name = john.wait_for(count).pop().unwrap().from;
        assert_eq!(john.send(&name, b"answer"), 404, "{name}");
    }
    // What starts with a digit gets as far as the dialplan.
    assert_eq!(server.send(JOHN, "7/11", "x").status, 200);
    let name = john.wait_for(5).pop().unwrap().from;
    assert_eq!(john.send(&name, b"answer"), 202);
    let notice = john.wait_for(6).pop().unwrap().text();
    assert_eq!(notice, "Not delivered: this is not a number");
}

#[test]
fn call_files_belong_to_asterisk() {
    let (pbx, server) = Pbx::with_websmsd(&Changes::default());
    // No phone has this number, so Asterisk keeps the file and retries.
    assert_eq!(server.send("+19999999999", REMOTE, "x").status, 200);
    let file = wait_for("the call file", || list(&pbx.outgoing()).pop());
    let (file, directory) = (file.metadata().unwrap(), pbx.outgoing().metadata().unwrap());
    assert_eq!((file.uid(), file.gid()), (directory.uid(), directory.gid()));
    assert_ne!(file.uid(), 0);
    assert_eq!(file.mode() & 0o777, 0o600);
    wait_for("the log message", || {
        pbx.log()
            .contains("nobody has the number +19999999999")
            .then_some(())
    });
}

#[test]
fn text_for_a_phone_that_is_off_waits() {
    let (pbx, server) = Pbx::with_websmsd(&Changes::default());
    let john = pbx.unregistered("john");
    assert_eq!(server.send(JOHN, REMOTE, "while you were out").status, 200);
    wait_for("a retry", || {
        (pbx.log()
            .matches("is not registered - the text for")
            .count()
            > 1)
        .then_some(())
    });
    assert_eq!(john.inbox(), []);
    john.register();
    assert_eq!(john.wait_for(1)[0].text(), "while you were out");
    pbx.wait_for_empty_spool();
    assert_eq!(john.inbox().len(), 1);
}

/// `MessageSend` reports FAILURE for an endpoint that does not exist, but not what
/// happens to a request later (`res_pjsip_messaging.c`, `msg_send`).
#[test]
fn text_that_cannot_be_sent_waits() {
    let (right, wrong) = ("MessageSend(pjsip:${contact},", "MessageSend(pjsip:nobody,");
    let (pbx, server) = Pbx::with_websmsd(&Changes {
        contexts_file: vec![(right, wrong)],
        ..Changes::default()
    });
    let john = pbx.phone("john");
    assert_eq!(server.send(JOHN, REMOTE, "try again").status, 200);
    wait_for("a retry", || {
        let failed = "no contact of john could be sent to";
        let is_failure = |line: &&str| line.contains(" WARNING[") && line.contains(failed);
        (pbx.log().lines().filter(is_failure).count() > 1).then_some(())
    });
    assert_eq!(list(&pbx.outgoing()).len(), 1);
    assert_eq!(john.inbox(), []);
    pbx.edit_contexts(wrong, right);
    pbx.console("dialplan reload");
    assert_eq!(john.wait_for(1)[0].text(), "try again");
    pbx.wait_for_empty_spool();
    assert_eq!(john.inbox().len(), 1);
}

#[test]
fn failed_text_is_kept_and_sent_on_retry() {
    let (pbx, server) = Pbx::with_websmsd(&Changes {
        max_retries: Some(1),
        ..Changes::default()
    });
    assert_eq!(server.send(JOHN, REMOTE, "where are you?").status, 200);
    let failed = pbx.path().join("spool/failed");
    let kept = wait_for("the message in failed", || list(&failed).pop());
    let content = std::fs::read_to_string(&kept).unwrap();
    assert!(content.contains("Status: Expired"), "{content}");
    server.wait_for_log("message not delivered");
    let john = pbx.phone("john");
    let output = std::process::Command::new(crate::support::program())
        .args(["queue", "--config"])
        .arg(pbx.config())
        .args(["retry", "--all"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(john.wait_for(1)[0].text(), "where are you?");
    wait_for("the completed call file", || {
        let done = list(&pbx.path().join("spool/outgoing_done")).pop()?;
        std::fs::read_to_string(done)
            .unwrap()
            .contains("Status: Completed")
            .then_some(())
    });
    assert!(list(&failed).is_empty());
    assert_eq!(john.inbox().len(), 1);
}

#[test]
fn attack_reaches_no_other_context() {
    let (pbx, server) = Pbx::with_websmsd(&Changes::default());
    let john = pbx.phone("john");
    let system = "x>\nApplication: System\nData: touch /tmp/websms-was-here";
    for (to, from) in [
        ("100@default/", REMOTE),
        ("100/n", REMOTE),
        ("h", REMOTE),
        (system, REMOTE),
        (JOHN, system),
        ("+1\r\nSetvar: FILE(/tmp/websms-was-here)=x", REMOTE),
    ] {
        // As a sender it is only a strange name.
        let expected = if to == JOHN { 200 } else { 400 };
        assert_eq!(server.send(to, from, "x").status, expected);
        let encoded = http::form(&[
            (
                "Body",
                br#"{"To":"+12025550161","From":"x>\nApplication: System\nData: id"}"#,
            ),
            ("To", to.as_bytes()),
        ]);
        assert_eq!(server.post("/", &[FORM], &encoded).status, expected);
    }
    let mut senders: Vec<_> = john.wait_for(2).into_iter().map(|text| text.from).collect();
    senders.sort();
    assert_eq!(senders, ["unknown", "x-%20Application-%20System%20D"]);
    assert_eq!(server.send(JOHN, REMOTE, "the last one").status, 200);
    assert_eq!(john.wait_for(3)[2].text(), "the last one");
    let log = pbx.log();
    let executed: Vec<_> = log
        .lines()
        .filter(|line| line.contains("Executing ["))
        .collect();
    assert!(!executed.is_empty());
    for line in executed {
        let contexts = [
            "@dp_entry_channel_open:",
            "@dp_entry_trunk_texting:",
            "@websms_",
        ];
        let is_ours = contexts.iter().any(|context| line.contains(context));
        assert!(is_ours, "{line}");
    }
    for warning in [
        "Unknown keyword",
        "extremely long line",
        "Unable to stat",
        "Invalid file",
    ] {
        assert!(!log.contains(warning), "{warning}");
    }
    assert_no_command_ran();
}
