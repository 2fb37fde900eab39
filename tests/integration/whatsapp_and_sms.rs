//! WhatsApp and SMS to the same people: which interface an answer goes by, when
//! the fallback is used, what refusals and receipts mean.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::daemon::list;
use crate::support::http::{self, FORM, JSON, Response};
use crate::support::provider::Recorded;
use crate::support::{Answer, Daemon, Installation, Provider, Spool, callfile, wait_for};

const REMOTE: &str = "+12025550183";
const JOHN: &str = "+12025550160";

/// An installation with an interface for SMS, the first one, and one for chats.
struct Setup {
    sms: Provider,
    chat: Provider,
    installation: Installation,
}

impl Setup {
    /// With these lines in `[websms]`, and perhaps in later sections.
    fn new(more: &str) -> Self {
        Self::to(Provider::answering(Answer::ok()), more)
    }

    /// The same, with this provider for chats.
    fn to(chat: Provider, more: &str) -> Self {
        let sms = Provider::answering(accepted("sms-1"));
        let lines = format!(
            "host [sms] = {}\nhost [chat] = {}\n{more}\n\
             [websmsd]\nrequest_uri [sms] = /sms\nrequest_uri [chat] = /chat\n",
            sms.url(),
            chat.url()
        );
        let installation = Installation::new(|spool| config(spool, &lines));
        Self {
            sms,
            chat,
            installation,
        }
    }

    fn set_lines(&mut self, lines: &str) {
        let config = config(self.installation.spool(), lines);
        self.installation.configure(config);
    }

    /// Sends to them from John, successfully.
    fn write(&self, text: &str, index: &str) {
        let variables = self.installation.send(&[REMOTE, JOHN, text, index]);
        let status = variables["WEBSMS_STATUS"].as_str();
        assert!(matches!(status, "SENT" | "QUEUED"), "{text}: {variables:?}");
    }
}

/// A configuration with these lines in `[websms]`, and perhaps in later sections.
fn config(spool: &Spool, lines: &str) -> String {
    format!(
        "[websms]\noutboxdir = {}\nauth_user = id\nauth_passwd = secret\npath = /send/\n\
         retry_min = 1\nretry_max = 1\n{lines}\n{}",
        spool.path().join("outbox").display(),
        spool.section()
    )
}

fn accepted(id: &str) -> Answer {
    Answer::Http(200, "application/json", json!({"id": id}).to_string())
}

/// A refusal as Meta answers it.
fn refused(code: u32) -> Answer {
    let body = json!({"error": {
        "code": code, "message": "(#1) no", "error_data": {"details": "because"}}});
    Answer::Http(400, "application/json", body.to_string())
}

/// How the chats' interface interprets refusals and receipts.
const ERRORS: &str = "resp_id = /id\nresp_error = /error/code\n\
    resp_reason = /error/error_data/details,/error/message\n\
    reason [chat] = 131026: not reachable by WhatsApp\n\
    reason [chat] = 131047: they have not written for more than 24 hours\n\
    retry_on [chat] = 4,130429\nfallback_on [chat] = 131047,131051\n";

/// How receipts come in on the chats' webhook.
const RECEIPTS: &str = "receipt_match [chat] = /statuses\n\
    receipt_id [chat] = /statuses/*/id\nreceipt_status [chat] = /statuses/*/status\n\
    receipt_delivered [chat] = delivered,read\nreceipt_failed [chat] = failed\n\
    receipt_error [chat] = /statuses/*/errors/0/code\n\
    receipt_reason [chat] = /statuses/*/errors/0/title\n";

fn post(daemon: &Daemon, path: &str, from: &str, text: &str) {
    let answer = daemon.post(path, &[FORM], &http::message(JOHN, from, text));
    assert_eq!(answer.status, 200, "{text}");
}

fn post_json(daemon: &Daemon, body: &Value) -> Response {
    daemon.post("/chat", &[JSON], body.to_string().as_bytes())
}

fn texts(requests: &[Recorded]) -> Vec<String> {
    let text = |request: &Recorded| request.parameters()["Body"].clone();
    requests.iter().map(text).collect()
}

/// The notice to John that a message was not delivered.
fn not_delivered(reason: &str) -> (String, String, String) {
    let text = format!("Not delivered to {REMOTE}: {reason}");
    (JOHN.to_owned(), REMOTE.to_owned(), text)
}

#[test]
fn answer_uses_the_interface_of_the_last_message() {
    for delivery in ["direct", "queue"] {
        let mut setup = Setup::new(&format!("reply_index = auto\ndelivery = {delivery}"));
        let daemon = setup.installation.start();
        setup.write("nobody wrote", "");
        setup.write("nobody wrote, auto", "auto");
        setup.sms.wait_for(2);
        post(&daemon, "/chat", REMOTE, "by chat");
        setup.write("answer", "");
        setup.write("answer, auto", "auto");
        setup.chat.wait_for(2);
        setup.write("chosen", "sms");
        let national = REMOTE.replace('+', "00");
        let variables = setup
            .installation
            .send(&[&national, "12025550160", "other forms"]);
        assert_ne!(variables["WEBSMS_STATUS"], "FAILED");
        setup.chat.wait_for(3);
        // Other pairs of numbers have no reply route.
        setup
            .installation
            .send(&["+12025550184", JOHN, "somebody else"]);
        setup
            .installation
            .send(&[REMOTE, "+12025550161", "from somebody else"]);
        setup.sms.wait_for(5);
        post(&daemon, "/sms", REMOTE, "by SMS");
        setup.write("answer by SMS", "");
        post(&daemon, "/chat", REMOTE, "by chat again");
        setup.write("answer again", "");
        let chats = texts(&setup.chat.wait_for(4));
        assert_eq!(
            chats,
            ["answer", "answer, auto", "other forms", "answer again"]
        );
        let sms: BTreeSet<_> = texts(&setup.sms.wait_for(6)).into_iter().collect();
        let expected = [
            "nobody wrote",
            "nobody wrote, auto",
            "chosen",
            "somebody else",
            "from somebody else",
            "answer by SMS",
        ];
        assert_eq!(sms, expected.map(str::to_owned).into());
        setup.installation.outbox().wait_until_empty();
    }
}

#[test]
fn reply_route_survives_restarts() {
    let mut setup = Setup::new("reply_index = auto\n");
    let daemon = setup.installation.start();
    post(&daemon, "/chat", REMOTE, "by chat");
    setup.installation.stop(daemon);
    // Sending does not need the daemon.
    setup.write("while it is off", "");
    let daemon = setup.installation.start();
    setup.write("when it is back", "");
    post(&daemon, "/sms", REMOTE, "by SMS");
    setup.write("by SMS", "");
    setup.installation.stop(daemon);
    let daemon = setup.installation.start();
    post(&daemon, "/chat", REMOTE, "by chat again");
    setup.installation.stop(daemon);
    setup.write("again", "");
    assert_eq!(
        texts(&setup.chat.requests()),
        ["while it is off", "when it is back", "again"]
    );
    assert_eq!(texts(&setup.sms.requests()), ["by SMS"]);
}

#[test]
fn duplicate_message_does_not_change_the_reply_route() {
    let mut setup = Setup::new("reply_index = auto\n[websmsd]\nkey_id = Id");
    let daemon = setup.installation.start();
    for (path, id) in [("/chat", "c"), ("/sms", "s"), ("/chat", "c")] {
        let form = http::form(&[
            ("To", JOHN.as_bytes()),
            ("From", REMOTE.as_bytes()),
            ("Body", b"x"),
            ("Id", id.as_bytes()),
        ]);
        assert_eq!(daemon.post(path, &[FORM], &form).status, 200);
    }
    setup.write("answer", "");
    assert_eq!(texts(&setup.sms.requests()), ["answer"]);
    assert!(setup.chat.requests().is_empty());
}

#[test]
fn without_reply_index_the_first_interface_sends_all() {
    let mut setup = Setup::new("reply_index = first");
    let daemon = setup.installation.start();
    post(&daemon, "/chat", REMOTE, "by chat");
    setup.write("answer", "");
    assert_eq!(texts(&setup.sms.requests()), ["answer"]);
    let variables = setup.installation.send(&[REMOTE, JOHN, "x", "auto"]);
    assert_eq!(
        (
            variables["WEBSMS_STATUS"].as_str(),
            variables["WEBSMS_ERROR"].as_str()
        ),
        ("FAILED", "unknown index")
    );
    assert!(setup.chat.requests().is_empty());
    assert!(
        !setup.installation.path("outbox/last").exists(),
        "no reply routes are recorded"
    );
}

#[test]
fn unnamed_interface_is_a_reply_route_too() {
    let mut setup = Setup::new("");
    let one = format!("reply_index = auto\nhost = {}\n", setup.sms.url());
    setup.set_lines(&format!("{one}[websmsd]\nrequest_uri = /sms\n"));
    let daemon = setup.installation.start();
    post(&daemon, "/sms", REMOTE, "hello");
    setup.write("answer", "");
    setup.write("answer, auto", "auto");
    setup.installation.stop(daemon);
    // Later it has a name, and another interface is the first.
    setup.set_lines(&format!(
        "reply_index = auto\nhost [chat] = {}\nhost [sms] = {}\n",
        setup.chat.url(),
        setup.sms.url()
    ));
    setup.write("much later", "");
    assert_eq!(texts(&setup.sms.requests()), ["answer", "answer, auto"]);
    assert_eq!(texts(&setup.chat.requests()), ["much later"]);
}

#[test]
fn removed_interface_is_no_reply_route() {
    let mut setup = Setup::new("reply_index = auto");
    let daemon = setup.installation.start();
    post(&daemon, "/chat", REMOTE, "by chat");
    setup.installation.stop(daemon);
    let sms = format!("reply_index = auto\nhost [sms] = {}\n", setup.sms.url());
    for lines in [
        sms.clone(),
        // Nor is one that only receives.
        format!("{sms}[websmsd]\nrequest_uri [sms] = /sms\nrequest_uri [chat] = /chat\n"),
    ] {
        setup.set_lines(&lines);
        setup.write("answer", "");
        setup.write("answer", "auto");
    }
    assert_eq!(texts(&setup.sms.requests()), ["answer"; 4]);
    let variables = setup.installation.send(&[REMOTE, JOHN, "x", "chat"]);
    assert_eq!(variables["WEBSMS_ERROR"], "unknown index");
}

#[test]
fn destination_outside_to_match_is_rejected_unsent() {
    for delivery in ["direct", "queue"] {
        let mut setup = Setup::new(&format!(
            "delivery = {delivery}\nnumber_format [sms] = no+\nto_match [sms] = /^[0-9]{{11,15}}$/\n\
             fallback [sms] = chat\n"
        ));
        for to in [
            "72404",
            "+1202555018",
            "Google",
            "lid123456789012",
            "+1202555018x",
        ] {
            let variables = setup.installation.send(&[to, JOHN, "x"]);
            assert_eq!(variables["WEBSMS_STATUS"], "REJECTED", "{to}");
            assert_eq!(variables["WEBSMS_ERROR"], "not a number for this provider");
            let output = setup
                .installation
                .command(&["websms", to, JOHN, "x"])
                .output()
                .unwrap();
            assert_eq!(output.status.code(), Some(76), "{to}");
        }
        assert!(setup.installation.outbox().files("").is_empty());
        // Destinations that match are accepted.
        let daemon = setup.installation.start();
        for to in [REMOTE, "0012025550183", "12025550183"] {
            setup.installation.send(&[to, JOHN, to]);
        }
        let requests = setup.sms.wait_for(3);
        let to = |request: &Recorded| request.parameters()["To"].clone();
        assert_eq!(
            requests.iter().map(to).collect::<Vec<_>>(),
            ["12025550183"; 3]
        );
        setup.installation.outbox().wait_until_empty();
        assert_eq!(daemon.spool.take(), [], "no notice");
        assert_eq!(setup.sms.requests().len(), 3);
        assert!(setup.chat.requests().is_empty());
    }
}

#[test]
fn long_text_is_sent_in_parts_in_order() {
    let astronaut = "👩🏽‍🚀";
    for delivery in ["direct", "queue"] {
        let mut setup = Setup::new(&format!(
            "delivery = {delivery}\nmax_chars [sms] = 10\nconcurrency = 8\n\
             key_idempotency [sms] = Ref\n"
        ));
        let _daemon = setup.installation.start();
        let text = format!("one two th{astronaut}{astronaut}{astronaut}four five\r\n6");
        let variables = setup.installation.send(&[REMOTE, JOHN, &text]);
        let expected = [
            "one two th".to_owned(),
            format!("{astronaut}{astronaut}"),
            format!("{astronaut}four f"),
            "ive\r\n6".to_owned(),
        ];
        let requests = setup.sms.wait_for(4);
        assert_eq!(texts(&requests), expected, "{delivery}");
        let ids: BTreeSet<_> = requests
            .iter()
            .map(|request| request.parameters()["Ref"].clone())
            .collect();
        assert_eq!(ids.len(), 4, "{ids:?}");
        assert_eq!(ids.first(), Some(&variables["WEBSMS_ID"]));
        setup.write("just right", "");
        assert_eq!(texts(&setup.sms.wait_for(5))[4], "just right");
        setup.installation.outbox().wait_until_empty();
        assert_eq!(setup.sms.requests().len(), 5);
    }
}

#[test]
fn refused_part_is_the_last_one() {
    let chat = Provider::deciding(|request| match request.parameters()["Body"].as_str() {
        "bb" => refused(1),
        _ => Answer::ok(),
    });
    let setup = Setup::to(chat, "max_chars [chat] = 2");
    let variables = setup.installation.send(&[REMOTE, JOHN, "aabbcc", "chat"]);
    assert_eq!(variables["WEBSMS_STATUS"], "REJECTED");
    assert_eq!(texts(&setup.chat.requests()), ["aa", "bb"]);
}

#[test]
fn notice_explains_the_refusal() {
    for (code, words) in [(131_026, "not reachable by WhatsApp"), (131_009, "because")] {
        let chat = Provider::answering(refused(code));
        let mut setup = Setup::to(chat, &format!("delivery = queue\n{ERRORS}"));
        let daemon = setup.installation.start();
        let id = setup.installation.send(&[REMOTE, JOHN, "hello", "chat"])["WEBSMS_ID"].clone();
        let files = daemon.spool.wait_for(1);
        assert_eq!(callfile::read(&files[0]), not_delivered(words));
        let line = daemon.wait_for_log("message not sent");
        assert!(line.contains(words), "{line}");
        setup.installation.outbox().wait_until_empty();
        let shown = setup.installation.queue(&["show", &id]);
        assert!(shown.contains(words), "{shown}");
        assert_eq!(setup.chat.requests().len(), 1);
        assert!(setup.sms.requests().is_empty());
    }
    // The dialplan gets fixed words, not the provider's.
    let setup = Setup::to(Provider::answering(refused(131_026)), ERRORS);
    let variables = setup.installation.send(&[REMOTE, JOHN, "hello", "chat"]);
    assert_eq!(variables["WEBSMS_STATUS"], "REJECTED");
    assert_eq!(variables["WEBSMS_ERROR"], "refused by provider");
}

#[test]
fn temporary_refusal_is_retried() {
    let count = AtomicUsize::new(0);
    let chat = Provider::deciding(move |_| {
        let codes = [130_429, 4];
        let at = count.fetch_add(1, Ordering::Relaxed);
        codes.get(at).map_or_else(Answer::ok, |code| refused(*code))
    });
    let mut setup = Setup::to(chat, &format!("delivery = queue\n{ERRORS}"));
    let daemon = setup.installation.start();
    setup.write("hello", "chat");
    setup.chat.wait_for(3);
    setup.installation.outbox().wait_until_empty();
    assert_eq!(daemon.spool.take(), [], "no notice");
    assert_eq!(setup.chat.requests().len(), 3);
    assert!(setup.sms.requests().is_empty(), "there is no fallback");

    let setup = Setup::to(Provider::answering(refused(4)), ERRORS);
    let variables = setup.installation.send(&[REMOTE, JOHN, "hello", "chat"]);
    assert_eq!(variables["WEBSMS_STATUS"], "FAILED");
    let output = setup
        .installation
        .command(&["websms", REMOTE, JOHN, "hello", "chat"])
        .output();
    assert_eq!(output.unwrap().status.code(), Some(69));
}

#[test]
fn listed_refusal_goes_to_the_fallback() {
    for delivery in ["direct", "queue"] {
        for (code, falls_back) in [(131_047, true), (131_026, false)] {
            let mut setup = Setup::to(
                Provider::answering(refused(code)),
                &format!("delivery = {delivery}\nfallback [chat] = sms\n{ERRORS}"),
            );
            let daemon = setup.installation.start();
            let variables = setup.installation.send(&[REMOTE, JOHN, "hello", "chat"]);
            setup.chat.wait_for(1);
            if falls_back {
                assert_eq!(texts(&setup.sms.wait_for(1)), ["hello"]);
                assert_ne!(variables["WEBSMS_STATUS"], "REJECTED");
                setup.installation.outbox().wait_until_empty();
                assert_eq!(daemon.spool.take(), [], "no notice");
            } else if delivery == "queue" {
                let files = daemon.spool.wait_for(1);
                assert_eq!(
                    callfile::read(&files[0]),
                    not_delivered("not reachable by WhatsApp")
                );
            } else {
                assert_eq!(variables["WEBSMS_STATUS"], "REJECTED");
            }
            setup.installation.outbox().wait_until_empty();
            assert_eq!(setup.chat.requests().len(), 1);
            assert_eq!(setup.sms.requests().len(), usize::from(falls_back));
        }
    }
}

#[test]
fn failure_goes_to_the_fallback_if_configured() {
    let count = AtomicUsize::new(0);
    let chat = Provider::deciding(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 => refused(4),
        _ => Answer::ok(),
    });
    let more = format!("delivery = queue\nfallback [chat] = sms\n{ERRORS}");
    let mut setup = Setup::to(chat, &more);
    let _daemon = setup.installation.start();
    setup.write("hello", "chat");
    setup.chat.wait_for(2);
    setup.installation.outbox().wait_until_empty();
    assert!(setup.sms.requests().is_empty());

    let more = more.replace("131047,", "failed,");
    let mut setup = Setup::to(Provider::answering(refused(4)), &more);
    let _daemon = setup.installation.start();
    setup.write("hello", "chat");
    assert_eq!(texts(&setup.sms.wait_for(1)), ["hello"]);
    setup.installation.outbox().wait_until_empty();
    assert_eq!(setup.chat.requests().len(), 1);
}

/// The first interface refuses for good, but the fallback may accept it later.
#[test]
fn busy_fallback_is_retried() {
    let count = AtomicUsize::new(0);
    let sms = Provider::deciding(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 => Answer::Http(503, "text/plain", String::new()),
        _ => Answer::ok(),
    });
    let mut setup = Setup::to(
        Provider::answering(refused(131_047)),
        &format!(
            "delivery = queue\nhost [busy] = {}\nfallback [chat] = busy\n{ERRORS}",
            sms.url()
        ),
    );
    let daemon = setup.installation.start();
    setup.write("hello", "chat");
    assert_eq!(texts(&sms.wait_for(2)), ["hello", "hello"]);
    setup.installation.outbox().wait_until_empty();
    assert_eq!(daemon.spool.take(), [], "no notice");
    assert_eq!(sms.requests().len(), 2);
}

#[test]
fn text_is_cut_for_the_fallback_too() {
    for delivery in ["direct", "queue"] {
        let mut setup = Setup::to(
            Provider::answering(refused(131_047)),
            &format!(
                "delivery = {delivery}\nfallback [chat] = sms\nmax_chars [sms] = 5\n\
                 key_idempotency [sms] = Ref\n{ERRORS}"
            ),
        );
        let daemon = setup.installation.start();
        setup.write("hello world", "chat");
        let requests = setup.sms.wait_for(3);
        assert_eq!(texts(&requests), ["hello", " worl", "d"]);
        let ids = requests.iter().map(|r| r.parameters()["Ref"].clone());
        assert_eq!(ids.collect::<BTreeSet<_>>().len(), 3);
        setup.installation.outbox().wait_until_empty();
        assert_eq!(daemon.spool.take(), [], "no notice");
    }
    // After the first part was sent, the text as a whole is neither sent nor not.
    let other = Provider::deciding(|request| match request.parameters()["Body"].as_str() {
        "hello" => Answer::ok(),
        _ => refused(4),
    });
    let setup = Setup::to(
        Provider::answering(refused(131_047)),
        &format!(
            "host [other] = {}\nfallback [chat] = other\nmax_chars [other] = 5\n{ERRORS}\
             retry_on [other] = 4\n",
            other.url()
        ),
    );
    let variables = setup
        .installation
        .send(&[REMOTE, JOHN, "hello world", "chat"]);
    assert_eq!(variables["WEBSMS_STATUS"], "UNKNOWN");
    assert_eq!(other.requests().len(), 2);
}

/// A chain of three: `fallback_on` of the second one counts as well.
#[test]
fn fallback_has_a_fallback() {
    let template = Provider::answering(refused(131_051));
    let mut setup = Setup::to(
        Provider::answering(refused(131_047)),
        &format!(
            "delivery = queue\nhost [template] = {}\nfallback [chat] = template\n\
             fallback [template] = sms\n{ERRORS}fallback_on [template] = 131051\n",
            template.url()
        ),
    );
    let daemon = setup.installation.start();
    setup.write("hello", "chat");
    assert_eq!(texts(&setup.sms.wait_for(1)), ["hello"]);
    setup.installation.outbox().wait_until_empty();
    assert_eq!(template.requests().len(), 1);
    assert_eq!(daemon.spool.take(), [], "no notice");
}

/// The first one fails for a moment, and the fallback does not take the number.
#[test]
fn fallback_that_rejects_the_destination_is_skipped() {
    let count = AtomicUsize::new(0);
    let chat = Provider::deciding(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 => refused(4),
        _ => Answer::ok(),
    });
    let mut setup = Setup::to(
        chat,
        &format!(
            "delivery = queue\nfallback [chat] = sms\nto_match [sms] = /^\\+46/\n{}",
            ERRORS.replace("131047,", "failed,")
        ),
    );
    let daemon = setup.installation.start();
    setup.write("hello", "chat");
    setup.chat.wait_for(2);
    setup.installation.outbox().wait_until_empty();
    assert_eq!(daemon.spool.take(), [], "no notice");
    assert!(setup.sms.requests().is_empty());
}

fn receipt(id: &str, status: &str, code: u32) -> Value {
    let errors = if code > 0 {
        json!([{"code": code, "title": "so they say"}])
    } else {
        json!([])
    };
    json!({"statuses": [{"id": id, "status": status, "errors": errors}]})
}

#[test]
fn listed_code_in_a_receipt_goes_to_the_fallback() {
    let mut setup = Setup::to(
        Provider::answering(accepted("wamid.1")),
        &format!("delivery = queue\nfallback [chat] = template\n{ERRORS}"),
    );
    let template = Provider::answering(accepted("wamid.2"));
    let hosts = format!("host [template] = {}\nhost [chat] =", template.url());
    setup.installation.replace("host [chat] =", &hosts);
    setup
        .installation
        .replace("[astqueue]", &format!("[websmsd]\n{RECEIPTS}[astqueue]"));
    let daemon = setup.installation.start();
    setup.write("hello", "chat");
    wait_for("a message to wait for its receipt", || {
        (setup.installation.outbox().files("sent").len() == 1).then_some(())
    });
    setup.installation.outbox().wait_until_empty();
    assert_eq!(
        post_json(&daemon, &receipt("wamid.1", "sent", 0)).status,
        200
    );
    for _ in 0..2 {
        // Meta posts it again, and it is not sent again.
        let body = receipt("wamid.1", "failed", 131_047);
        assert_eq!(post_json(&daemon, &body).status, 200);
    }
    let parameters = template.wait_for(1)[0].parameters();
    assert_eq!(
        (parameters["To"].as_str(), parameters["Body"].as_str()),
        (REMOTE, "hello")
    );
    wait_for("the new message to wait for its receipt", || {
        (setup.installation.outbox().files("sent").len() == 2).then_some(())
    });
    setup.installation.outbox().wait_until_empty();
    assert_eq!(daemon.spool.take(), [], "no notice so far");
    assert!(
        daemon
            .wait_for_log("using fallback interface after a receipt")
            .contains("they have not written for more than 24 hours")
    );

    // The fallback has no webhook of its own; its receipts come in on the first's.
    let body = receipt("wamid.2", "failed", 131_026);
    assert_eq!(post_json(&daemon, &body).status, 200);
    let files = daemon.spool.wait_for(1);
    // The template's interface does not know the code.
    assert_eq!(callfile::read(&files[0]), not_delivered("so they say"));
    assert_eq!(setup.chat.requests().len(), 1);
    assert_eq!(template.requests().len(), 1);
    assert!(setup.sms.requests().is_empty());
}

#[test]
fn notice_explains_the_receipt() {
    for (code, words) in [
        (131_026, "not reachable by WhatsApp"),
        (131_053, "so they say"),
        // There is no fallback.
        (131_047, "they have not written for more than 24 hours"),
    ] {
        let mut setup = Setup::to(
            Provider::answering(accepted("wamid.1")),
            &format!("delivery = queue\n{ERRORS}[websmsd]\n{RECEIPTS}"),
        );
        let daemon = setup.installation.start();
        setup.write("hello", "chat");
        wait_for("a message to wait for its receipt", || {
            (setup.installation.outbox().files("sent").len() == 1).then_some(())
        });
        let body = receipt("wamid.1", "failed", code);
        assert_eq!(post_json(&daemon, &body).status, 200);
        let files = daemon.spool.wait_for(1);
        assert_eq!(callfile::read(&files[0]), not_delivered(words));
        assert!(setup.sms.requests().is_empty());
    }
}

#[test]
fn challenge_needs_the_secret() {
    let secret = "[websmsd]\nkey_echo [chat] = hub.challenge\n\
                  key_echo_secret [chat] = hub.verify_token\necho_secret [chat] = file:";
    let mut setup = Setup::new("");
    let file = setup.installation.path("verify");
    fs::write(&file, "s3cret & more\n").unwrap();
    let config = format!("{secret}{}\n[astqueue]", file.display());
    setup.installation.replace("[astqueue]", &config);
    let daemon = setup.installation.start();
    for (query, status) in [
        (
            "hub.mode=subscribe&hub.verify_token=s3cret+%26+more&hub.challenge=1158201444",
            200,
        ),
        (
            "hub.challenge=1158201444&hub.verify_token=s3cret%20%26%20more",
            200,
        ),
        (
            "hub.mode=subscribe&hub.verify_token=wrong&hub.challenge=1158201444",
            403,
        ),
        (
            "hub.mode=subscribe&hub.verify_token=&hub.challenge=1158201444",
            403,
        ),
        (
            "hub.mode=subscribe&hub.verify_token=s3cret+%26+more%0A&hub.challenge=1",
            403,
        ),
        ("hub.mode=subscribe&hub.challenge=1158201444", 403),
        ("hub.mode=subscribe&hub.verify_token=s3cret+%26+more", 405),
        ("", 405),
    ] {
        let answer = daemon.get(&format!("/chat?{query}"));
        assert_eq!(answer.status, status, "{query}");
        assert_eq!(answer.text() == "1158201444", status == 200, "{query}");
        assert_eq!(daemon.get(&format!("/sms?{query}")).status, 405);
    }
    let log = setup.installation.stop(daemon);
    assert!(!log.contains("s3cret"), "{log}");
    assert!(log.contains("hub.verify_token is not echo_secret"), "{log}");
}

/// A picture as Meta posts it.
fn picture(id: &str) -> Value {
    json!({"messages": [{
        "id": format!("wamid.{id}"), "from": "12025550183", "type": "image",
        "image": {"id": id, "mime_type": "image/jpeg", "caption": "Look"},
    }]})
}

/// The keys for pictures, which are looked up at `lookup`.
fn picture_keys(lookup: &str, hosts: &str, pictures: &str) -> String {
    format!(
        "[websmsd]\nkey_to [chat] = header:X-To\nkey_from [chat] = /messages/*/from\n\
         key_body [chat] = /messages/*\nkey_id [chat] = /messages/*/id\ndecode [chat] = whatsapp\n\
         number_format [chat] = plus\nmedia [chat] = store\n\
         media_lookup [chat] = {lookup}/v25.0/{{id}}\nmedia_hosts [chat] = {hosts}\n\
         media_permit_addr = 127.0.0.1\nmedia_dir = {pictures}\n\
         media_url = https://sms.example.com/media\n"
    )
}

fn post_picture(daemon: &Daemon, id: &str) {
    let headers = [JSON, ("X-To", JOHN)];
    let body = picture(id).to_string();
    let answer = daemon.post("/chat", &headers, body.as_bytes());
    assert_eq!(answer.status, 200);
}

/// Answers a lookup by id with a URL on the host `files`.
fn gateway(files: &'static str) -> Provider {
    Provider::deciding(move |request| {
        let host = &request.headers["host"];
        let port = host.rsplit(':').next().unwrap();
        let id = request.path.rsplit('/').next().unwrap();
        match id {
            "404" => Answer::Http(404, "application/json", json!({"error": {}}).to_string()),
            "nourl" => Answer::ok(),
            "private" => {
                let body = json!({"url": "http://127.0.0.2:1/x"});
                Answer::Http(200, "application/json", body.to_string())
            }
            _ if request.path.starts_with("/v25.0/") => {
                let url = format!("http://{files}:{port}/files/{id}");
                let body = json!({"url": url, "mime_type": "image/jpeg", "id": id});
                Answer::Http(200, "application/json", body.to_string())
            }
            _ => Answer::Http(200, "image/jpeg", "JFIF".to_owned()),
        }
    })
}

#[test]
fn file_with_only_an_id_is_looked_up_and_stored() {
    for (files, hosts, shown) in [
        ("127.0.0.1", "127.0.0.1", [true, true]),
        ("localhost", "127.0.0.1,localhost", [true, true]),
        ("localhost", "127.0.0.1", [true, false]),
        ("127.0.0.1", "example.com", [false, false]),
    ] {
        let chat = gateway(files);
        let lookup = chat.url();
        let mut setup = Setup::to(chat, "auth_method [chat] = bearer");
        let pictures = setup.installation.path("media");
        fs::create_dir(&pictures).unwrap();
        let keys = picture_keys(&lookup, hosts, pictures.to_str().unwrap());
        setup
            .installation
            .replace("[astqueue]", &format!("{keys}[astqueue]"));
        let daemon = setup.installation.start();
        post_picture(&daemon, "17");
        let (to, from, text) = callfile::read(&daemon.spool.wait_for(1)[0]);
        assert_eq!((to.as_str(), from.as_str()), (JOHN, REMOTE));
        let link = text.strip_prefix("(picture)\nLook\n").unwrap();
        let name = link.strip_prefix("https://sms.example.com/media/").unwrap();
        let (_, extension) = name.rsplit_once('.').unwrap();
        assert!(matches!(extension, "jpg" | "jpeg"), "{name}");
        let file = pictures.join(name);
        wait_for("the file", || file.exists().then_some(()));
        assert_eq!(fs::read(&file).unwrap(), b"JFIF");
        let requests = setup.chat.requests();
        let paths: Vec<_> = requests.iter().map(|r| r.path.as_str()).collect();
        assert_eq!(paths, ["/v25.0/17", "/files/17"]);
        let credentials = |request: &Recorded| {
            let header = request.headers.get("authorization");
            header.is_some_and(|value| value == "Bearer secret")
        };
        let seen: Vec<_> = requests.iter().map(credentials).collect();
        assert_eq!(seen, shown, "{files} {hosts}");
        let log = setup.installation.stop(daemon);
        assert!(!log.contains("Bearer"), "{log}");
    }
}

#[test]
fn unavailable_file_is_reported() {
    let chat = gateway("127.0.0.1");
    let lookup = chat.url();
    let mut setup = Setup::to(chat, "auth_method [chat] = bearer");
    let pictures = setup.installation.path("media");
    fs::create_dir(&pictures).unwrap();
    let keys = picture_keys(&lookup, "127.0.0.1", pictures.to_str().unwrap());
    setup
        .installation
        .replace("[astqueue]", &format!("{keys}[astqueue]"));
    let daemon = setup.installation.start();
    for (count, id) in (1..).zip(["404", "nourl", "private"]) {
        post_picture(&daemon, id);
        let files = daemon.spool.wait_for(2 * count);
        let (to, from, text) = callfile::read(&files[2 * count - 1]);
        assert_eq!((to.as_str(), from.as_str()), (JOHN, REMOTE));
        assert!(text.starts_with("A picture could not be fetched"), "{text}");
    }
    assert_eq!(list(&pictures), [] as [PathBuf; 0]);
}

/// The phone could not open such a link.
#[test]
fn file_with_only_an_id_has_no_link() {
    let chat = gateway("127.0.0.1");
    let lookup = chat.url();
    let mut setup = Setup::to(chat, "");
    let keys = picture_keys(&lookup, "127.0.0.1", "/nowhere").replace("= store", "= link");
    setup
        .installation
        .replace("[astqueue]", &format!("{keys}[astqueue]"));
    let daemon = setup.installation.start();
    post_picture(&daemon, "17");
    let (_, _, text) = callfile::read(&daemon.spool.wait_for(1)[0]);
    assert_eq!(text, "(picture)\nLook");
    setup.installation.stop(daemon);
    assert!(setup.chat.requests().is_empty());
}

#[test]
fn whatsapp_identities_become_numbers_or_names() {
    for (format, suffix) in [("jid", "@c.us"), ("jid-", "")] {
        let mut setup = Setup::new(&format!(
            "reply_index = auto\nnumber_format [chat] = {format}\n\
             [websmsd]\nnumber_format [chat] = {format}\n"
        ));
        let daemon = setup.installation.start();
        for (count, (raw, from, to)) in (1..).zip([
            ("12025550183@c.us", REMOTE, "12025550183"),
            ("12025550184@s.whatsapp.net", "+12025550184", "12025550184"),
            (
                "12025550185:17@s.whatsapp.net",
                "+12025550185",
                "12025550185",
            ),
            ("12025550186", "+12025550186", "12025550186"),
            (
                "123456789012345@lid",
                "lid123456789012345",
                "123456789012345@lid",
            ),
            (
                "223456789012345:3@lid",
                "lid223456789012345",
                "223456789012345@lid",
            ),
        ]) {
            let form = http::message("12025550160@c.us", raw, "hello");
            assert_eq!(daemon.post("/chat", &[FORM], &form).status, 200, "{raw}");
            let received = callfile::read(&daemon.spool.wait_for(count)[count - 1]);
            assert_eq!(
                received,
                (JOHN.to_owned(), from.to_owned(), "hello".to_owned())
            );
            let variables = setup.installation.send(&[from, JOHN, "answer"]);
            assert_eq!(variables["WEBSMS_STATUS"], "SENT");
            let parameters = setup.chat.wait_for(count)[count - 1].parameters();
            let to = if to.ends_with("@lid") {
                to.to_owned()
            } else {
                format!("{to}{suffix}")
            };
            assert_eq!(parameters["To"], to);
        }
        // What is neither becomes a name: nobody else is answered.
        for (count, (other, name)) in (7..).zip([
            ("120363041234567890@g.us", "120363041234567890-g.us"),
            ("status@broadcast", "status-broadcast"),
            ("@lid", "lid"),
            ("x@c.us", "x-c.us"),
        ]) {
            let form = http::message("12025550160@c.us", other, "hello");
            assert_eq!(daemon.post("/chat", &[FORM], &form).status, 200, "{other}");
            let received = callfile::read(&daemon.spool.wait_for(count)[count - 1]);
            assert_eq!(received.1, name);
        }
        assert!(setup.sms.requests().is_empty());
    }
}
