//! Webhook → `websmsd` → call file → Asterisk's spool → dialplan → phone.

use std::os::unix::fs::MetadataExt as _;

use crate::pbx::{Changes, Pbx};
use crate::support::daemon::{self, Server, list};
use crate::support::http::{self, FORM};
use crate::support::{Answer, Provider, wait_for};
use crate::{ODD_TEXTS, assert_no_command_ran};

const JOHN: &str = "+12025550160";
const THEIRS: &str = "+15017122661";

fn start(changes: &Changes) -> (Pbx, Server) {
    let provider = Provider::answering(Answer::ok());
    let pbx = Pbx::changed(&provider, changes);
    let server = Server::run(daemon::command(&pbx.config()));
    (pbx, server)
}

fn odd_texts_arrive_through(changes: &Changes) {
    let (pbx, server) = start(changes);
    let john = pbx.phone("john");
    let long = [
        "x".repeat(1000),
        "Ж".repeat(172),
        "日".repeat(330),
        "😀 ".repeat(190),
    ];
    // The odd ones again where only the compact form fits, at both ends of it.
    let compact: Vec<_> = ODD_TEXTS
        .iter()
        .map(|text| format!("{text}{}{text}", "Ж".repeat(330)))
        .collect();
    let texts = ODD_TEXTS.iter().copied();
    let texts = texts.chain(long.iter().chain(&compact).map(String::as_str));
    for (count, text) in (1..).zip(texts) {
        assert_eq!(server.send(JOHN, THEIRS, text).status, 200);
        let got = john.wait_for(count).pop().unwrap();
        assert_eq!(got.text(), text);
        assert_eq!(got.from, THEIRS);
    }
    wait_for("an empty spool", || {
        list(&pbx.outgoing()).is_empty().then_some(())
    });
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

/// A dialplan that does only what the reference's does: answer, decode when
/// `MESSAGE_ENCODE` says so, send to every contact.
#[test]
fn odd_texts_reach_the_phone_through_a_dialplan_like_the_reference() {
    let extensions = "[reference_answer]\n\
         exten => _[+0-9].,1,Answer()\n same => n,Hangup()\n\
         [reference_text]\n\
         include => websms_phones\n\
         exten => _[+0-9].,1,GotoIf($[ ${MESSAGE_ENCODE} != rfc3986 ]?send)\n \
         same => n,Set(MESSAGE(body)=${URIDECODE(${MESSAGE(body)})})\n \
         same => n(send),Set(left=${PJSIP_DIAL_CONTACTS(${CUT(HINT,/,2)})})\n \
         same => n,While($[\"${SET(next=${SHIFT(left,&):6})}\" != \"\"])\n \
         same => n,MessageSend(pjsip:${next},${MESSAGE(from)})\n \
         same => n,EndWhile()\n same => n,Hangup()\n";
    odd_texts_arrive_through(&Changes {
        extensions: extensions.to_owned(),
        contexts: Some(("reference_answer", "reference_text")),
        ..Changes::default()
    });
}

#[test]
fn sender_names_arrive() {
    let (pbx, server) = start(&Changes::default());
    let john = pbx.phone("john");
    for (count, (sender, shown)) in (1..).zip([
        ("Google", "Google"),
        ("My Bank", "My%20Bank"),
        ("A.b-c_d+e", "A.b-c_d+e"),
        ("+1 (501) 712-2661", THEIRS),
        ("72404", "72404"),
    ]) {
        assert_eq!(server.send(JOHN, sender, "x").status, 200);
        assert_eq!(john.wait_for(count).pop().unwrap().from, shown);
    }
}

#[test]
fn call_files_belong_to_asterisk() {
    let (pbx, server) = start(&Changes::default());
    // Nobody has this number, so Asterisk keeps the file and tries again.
    assert_eq!(server.send("+19999999999", THEIRS, "x").status, 200);
    let file = wait_for("the call file", || list(&pbx.outgoing()).pop());
    let (file, directory) = (file.metadata().unwrap(), pbx.outgoing().metadata().unwrap());
    assert_eq!((file.uid(), file.gid()), (directory.uid(), directory.gid()));
    assert_ne!(file.uid(), 0);
    assert_eq!(file.mode() & 0o777, 0o600);
    wait_for("a word about it", || {
        pbx.log()
            .contains("nobody has the number +19999999999")
            .then_some(())
    });
}

#[test]
fn text_for_a_phone_that_is_off_waits_for_it() {
    let (pbx, server) = start(&Changes::default());
    let john = pbx.unregistered("john");
    assert_eq!(server.send(JOHN, THEIRS, "while you were out").status, 200);
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
    wait_for("an empty spool", || {
        list(&pbx.outgoing()).is_empty().then_some(())
    });
    assert_eq!(john.inbox().len(), 1);
}

/// `MessageSend` says FAILURE for an endpoint that is not there; of what happens to
/// a request later it says nothing (`res_pjsip_messaging.c`, `msg_send`).
#[test]
fn text_that_cannot_be_sent_waits_as_well() {
    let (right, wrong) = ("MessageSend(pjsip:${contact},", "MessageSend(pjsip:nobody,");
    let (pbx, server) = start(&Changes {
        contexts_file: vec![(right, wrong)],
        ..Changes::default()
    });
    let john = pbx.phone("john");
    assert_eq!(server.send(JOHN, THEIRS, "try again").status, 200);
    wait_for("a retry", || {
        let failed = "no contact of john could be sent to";
        let told = |line: &&str| line.contains(" WARNING[") && line.contains(failed);
        (pbx.log().lines().filter(told).count() > 1).then_some(())
    });
    assert_eq!(list(&pbx.outgoing()).len(), 1);
    assert_eq!(john.inbox(), []);
    let dialplan = pbx.path().join("etc/extensions_websms.conf");
    let mended = std::fs::read_to_string(&dialplan)
        .unwrap()
        .replace(wrong, right);
    std::fs::write(&dialplan, mended).unwrap();
    pbx.console("dialplan reload");
    assert_eq!(john.wait_for(1)[0].text(), "try again");
    wait_for("an empty spool", || {
        list(&pbx.outgoing()).is_empty().then_some(())
    });
    assert_eq!(john.inbox().len(), 1);
}

#[test]
fn text_that_asterisk_gives_up_on_is_kept_and_sent_again() {
    let (pbx, server) = start(&Changes {
        max_retries: Some(1),
        ..Changes::default()
    });
    assert_eq!(server.send(JOHN, THEIRS, "where are you?").status, 200);
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
    wait_for("the delivered one", || {
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
fn attacks_reach_no_other_context() {
    let (pbx, server) = start(&Changes::default());
    let john = pbx.phone("john");
    let system = "x>\nApplication: System\nData: touch /tmp/websms-was-here";
    for (to, from) in [
        ("100@default/", THEIRS),
        ("100/n", THEIRS),
        ("h", THEIRS),
        (system, THEIRS),
        (JOHN, system),
        ("+1\r\nSetvar: FILE(/tmp/websms-was-here)=x", THEIRS),
    ] {
        assert_eq!(server.send(to, from, "x").status, 400);
        let encoded = http::form(&[
            (
                "Body",
                br#"{"To":"+12025550161","From":"x>\nApplication: System\nData: id"}"#,
            ),
            ("To", to.as_bytes()),
        ]);
        assert_eq!(server.post("/", &[FORM], &encoded).status, 400);
    }
    assert_eq!(server.send(JOHN, THEIRS, "the last one").status, 200);
    assert_eq!(john.wait_for(1)[0].text(), "the last one");
    let log = pbx.log();
    let executed: Vec<_> = log
        .lines()
        .filter(|line| line.contains("Executing ["))
        .collect();
    assert!(!executed.is_empty());
    for line in executed {
        let ours = [
            "@dp_entry_channel_open:",
            "@dp_entry_trunk_texting:",
            "@websms_",
        ];
        assert!(ours.iter().any(|context| line.contains(context)), "{line}");
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
