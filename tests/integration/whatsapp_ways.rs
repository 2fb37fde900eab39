//! Two ways to the same people, WhatsApp and SMS: which one an answer takes,
//! what is no matter for one of them, and what its refusals mean.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::daemon::list;
use crate::support::http::{self, FORM, JSON, Response};
use crate::support::provider::Recorded;
use crate::support::websms::told;
use crate::support::{Answer, Daemon, Provider, Spool, callfile, program, wait_for};

const THEIRS: &str = "+12025550183";
const JOHN: &str = "+12025550160";

/// An account for SMS, which is the first, and one for chats.
struct Ways {
    sms: Provider,
    chat: Provider,
    spool: Option<Spool>,
    path: PathBuf,
    config: String,
}

/// What the dialplan is told.
type Told = HashMap<String, String>;

impl Ways {
    /// With these lines in `[websms]`, and perhaps in sections behind it.
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
        let spool = Spool::new();
        let mut ways = Self {
            sms,
            chat,
            path: spool.path().to_owned(),
            spool: Some(spool),
            config: String::new(),
        };
        ways.configure(&lines);
        ways
    }

    fn configure(&mut self, lines: &str) {
        let spool = self.spool.as_ref().expect("no daemon runs");
        self.config = format!(
            "[websms]\noutboxdir = {}\nauth_user = id\nauth_passwd = secret\npath = /send/\n\
             retry_min = 1\nretry_max = 1\n{lines}\n{}",
            self.path.join("outbox").display(),
            spool.section()
        );
        fs::write(self.path.join("websms.conf"), &self.config).unwrap();
    }

    fn daemon(&mut self) -> Daemon {
        Daemon::with(self.spool.take().expect("one at a time"), &self.config)
    }

    fn end(&mut self, daemon: Daemon) -> String {
        let (spool, status, log) = daemon.end(Signal::SIGTERM);
        assert!(status.success(), "{log}");
        self.spool = Some(spool);
        log
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command
            .env_clear()
            .env("WEBSMS_CONF", self.path.join("websms.conf"))
            .arg("websms")
            .args(arguments);
        command
    }

    fn send(&self, arguments: &[&str]) -> Told {
        let output = self
            .command(arguments)
            .env("AST_AGI_DIR", "x")
            .output()
            .unwrap();
        told(&output.stdout)
    }

    /// Sends to them from John, which must go well.
    fn write(&self, text: &str, index: &str) {
        let told = self.send(&[THEIRS, JOHN, text, index]);
        let status = told["WEBSMS_STATUS"].as_str();
        assert!(matches!(status, "SENT" | "QUEUED"), "{text}: {told:?}");
    }

    fn queue(&self, arguments: &[&str]) -> String {
        let output = Command::new(program())
            .args(["queue", "--config"])
            .arg(self.path.join("websms.conf"))
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn files(&self, state: &str) -> Vec<PathBuf> {
        let directory = self.path.join("outbox").join(state);
        if directory.is_dir() {
            list(&directory)
        } else {
            Vec::new()
        }
    }

    fn wait_until_empty(&self) {
        wait_for("an empty outbox", || {
            (self.files("").is_empty() && self.files("sending").is_empty()).then_some(())
        });
    }
}

fn accepted(id: &str) -> Answer {
    Answer::Http(200, "application/json", json!({"id": id}).to_string())
}

/// A refusal as Meta says it.
fn refused(code: u32) -> Answer {
    let said = json!({"error": {
        "code": code, "message": "(#1) no", "error_data": {"details": "because"}}});
    Answer::Http(400, "application/json", said.to_string())
}

/// What the chats' account makes of refusals and receipts.
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

fn post(daemon: &Daemon, path: &str, theirs: &str, text: &str) {
    let answer = daemon.post(path, &[FORM], &http::message(JOHN, theirs, text));
    assert_eq!(answer.status, 200, "{text}");
}

fn post_json(daemon: &Daemon, said: &Value) -> Response {
    daemon.post("/chat", &[JSON], said.to_string().as_bytes())
}

fn texts(requests: &[Recorded]) -> Vec<String> {
    let text = |request: &Recorded| request.parameters()["Body"].clone();
    requests.iter().map(text).collect()
}

/// To, from and text of a call file.
fn message(call_file: &str) -> (String, String, String) {
    let (to, from, text) = callfile::message(call_file.as_bytes()).unwrap();
    (to, from, String::from_utf8(text).unwrap())
}

/// What John is told of a message that did not arrive.
fn not_delivered(reason: &str) -> (String, String, String) {
    let text = format!("Not delivered to {THEIRS}: {reason}");
    (JOHN.to_owned(), THEIRS.to_owned(), text)
}

#[test]
fn answer_goes_the_way_that_they_last_wrote() {
    for delivery in ["direct", "queue"] {
        let mut ways = Ways::new(&format!("reply_index = auto\ndelivery = {delivery}"));
        let daemon = ways.daemon();
        ways.write("nobody wrote", "");
        ways.write("nobody wrote, auto", "auto");
        ways.sms.wait_for(2);
        post(&daemon, "/chat", THEIRS, "by chat");
        ways.write("answer", "");
        ways.write("answer, auto", "auto");
        ways.chat.wait_for(2);
        ways.write("chosen", "sms");
        let national = THEIRS.replace('+', "00");
        let told = ways.send(&[&national, "12025550160", "other forms"]);
        assert_ne!(told["WEBSMS_STATUS"], "FAILED");
        ways.chat.wait_for(3);
        // Others are no matter of theirs.
        ways.send(&["+12025550184", JOHN, "somebody else"]);
        ways.send(&[THEIRS, "+12025550161", "from somebody else"]);
        ways.sms.wait_for(5);
        post(&daemon, "/sms", THEIRS, "by SMS");
        ways.write("answer by SMS", "");
        post(&daemon, "/chat", THEIRS, "by chat again");
        ways.write("answer again", "");
        let chats = texts(&ways.chat.wait_for(4));
        assert_eq!(
            chats,
            ["answer", "answer, auto", "other forms", "answer again"]
        );
        let sms: BTreeSet<_> = texts(&ways.sms.wait_for(6)).into_iter().collect();
        let expected = [
            "nobody wrote",
            "nobody wrote, auto",
            "chosen",
            "somebody else",
            "from somebody else",
            "answer by SMS",
        ];
        assert_eq!(sms, expected.map(str::to_owned).into());
        ways.wait_until_empty();
    }
}

#[test]
fn way_is_remembered_over_restarts() {
    let mut ways = Ways::new("reply_index = auto\n");
    let daemon = ways.daemon();
    post(&daemon, "/chat", THEIRS, "by chat");
    ways.end(daemon);
    // Whoever writes asks nobody.
    ways.write("while it is off", "");
    let daemon = ways.daemon();
    ways.write("when it is back", "");
    post(&daemon, "/sms", THEIRS, "by SMS");
    ways.write("by SMS", "");
    ways.end(daemon);
    let daemon = ways.daemon();
    post(&daemon, "/chat", THEIRS, "by chat again");
    ways.end(daemon);
    ways.write("again", "");
    assert_eq!(
        texts(&ways.chat.requests()),
        ["while it is off", "when it is back", "again"]
    );
    assert_eq!(texts(&ways.sms.requests()), ["by SMS"]);
}

#[test]
fn message_that_is_posted_again_decides_nothing() {
    let mut ways = Ways::new("reply_index = auto\n[websmsd]\nkey_id = Id");
    let daemon = ways.daemon();
    for (path, id) in [("/chat", "c"), ("/sms", "s"), ("/chat", "c")] {
        let form = http::form(&[
            ("To", JOHN.as_bytes()),
            ("From", THEIRS.as_bytes()),
            ("Body", b"x"),
            ("Id", id.as_bytes()),
        ]);
        assert_eq!(daemon.post(path, &[FORM], &form).status, 200);
    }
    ways.write("answer", "");
    assert_eq!(texts(&ways.sms.requests()), ["answer"]);
    assert!(ways.chat.requests().is_empty());
}

#[test]
fn without_reply_index_the_first_interface_takes_all() {
    let mut ways = Ways::new("reply_index = first");
    let daemon = ways.daemon();
    post(&daemon, "/chat", THEIRS, "by chat");
    ways.write("answer", "");
    assert_eq!(texts(&ways.sms.requests()), ["answer"]);
    let told = ways.send(&[THEIRS, JOHN, "x", "auto"]);
    assert_eq!(
        (
            told["WEBSMS_STATUS"].as_str(),
            told["WEBSMS_ERROR"].as_str()
        ),
        ("FAILED", "unknown index")
    );
    assert!(ways.chat.requests().is_empty());
    assert!(
        !ways.path.join("outbox/last").exists(),
        "nothing is remembered"
    );
}

#[test]
fn account_without_a_name_can_be_answered_by() {
    let mut ways = Ways::new("");
    let one = format!("reply_index = auto\nhost = {}\n", ways.sms.url());
    ways.configure(&format!("{one}[websmsd]\nrequest_uri = /sms\n"));
    let daemon = ways.daemon();
    post(&daemon, "/sms", THEIRS, "hello");
    ways.write("answer", "");
    ways.write("answer, auto", "auto");
    ways.end(daemon);
    // It got a name since, and another one is the first.
    ways.configure(&format!(
        "reply_index = auto\nhost [chat] = {}\nhost [sms] = {}\n",
        ways.chat.url(),
        ways.sms.url()
    ));
    ways.write("much later", "");
    assert_eq!(texts(&ways.sms.requests()), ["answer", "answer, auto"]);
    assert_eq!(texts(&ways.chat.requests()), ["much later"]);
}

#[test]
fn interface_that_is_gone_is_not_answered_by() {
    let mut ways = Ways::new("reply_index = auto");
    let daemon = ways.daemon();
    post(&daemon, "/chat", THEIRS, "by chat");
    ways.end(daemon);
    let sms = format!("reply_index = auto\nhost [sms] = {}\n", ways.sms.url());
    for lines in [
        sms.clone(),
        // Nor is one by which nothing can go out.
        format!("{sms}[websmsd]\nrequest_uri [sms] = /sms\nrequest_uri [chat] = /chat\n"),
    ] {
        ways.configure(&lines);
        ways.write("answer", "");
        ways.write("answer", "auto");
    }
    assert_eq!(texts(&ways.sms.requests()), ["answer"; 4]);
    let told = ways.send(&[THEIRS, JOHN, "x", "chat"]);
    assert_eq!(told["WEBSMS_ERROR"], "unknown index");
}

#[test]
fn destination_that_is_none_is_refused_before_anything_is_sent() {
    for delivery in ["direct", "queue"] {
        let mut ways = Ways::new(&format!(
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
            let told = ways.send(&[to, JOHN, "x"]);
            assert_eq!(told["WEBSMS_STATUS"], "REJECTED", "{to}");
            assert_eq!(told["WEBSMS_ERROR"], "not a number for this provider");
            let output = ways.command(&[to, JOHN, "x"]).output().unwrap();
            assert_eq!(output.status.code(), Some(76), "{to}");
        }
        assert!(ways.files("").is_empty());
        // What is right goes.
        let daemon = ways.daemon();
        for to in [THEIRS, "0012025550183", "12025550183"] {
            ways.send(&[to, JOHN, to]);
        }
        let requests = ways.sms.wait_for(3);
        let to = |request: &Recorded| request.parameters()["To"].clone();
        assert_eq!(
            requests.iter().map(to).collect::<Vec<_>>(),
            ["12025550183"; 3]
        );
        ways.wait_until_empty();
        assert_eq!(daemon.spool.take(), [], "no notice");
        assert_eq!(ways.sms.requests().len(), 3);
        assert!(ways.chat.requests().is_empty());
    }
}

#[test]
fn long_text_goes_out_in_parts_and_in_order() {
    let astronaut = "👩🏽‍🚀";
    for delivery in ["direct", "queue"] {
        let mut ways = Ways::new(&format!(
            "delivery = {delivery}\nmax_chars [sms] = 10\nconcurrency = 8\n\
             key_idempotency [sms] = Ref\n"
        ));
        let _daemon = ways.daemon();
        let text = format!("one two th{astronaut}{astronaut}{astronaut}four five\r\n6");
        let told = ways.send(&[THEIRS, JOHN, &text]);
        let expected = [
            "one two th".to_owned(),
            format!("{astronaut}{astronaut}"),
            format!("{astronaut}four f"),
            "ive\r\n6".to_owned(),
        ];
        let requests = ways.sms.wait_for(4);
        assert_eq!(texts(&requests), expected, "{delivery}");
        let ids: BTreeSet<_> = requests
            .iter()
            .map(|request| request.parameters()["Ref"].clone())
            .collect();
        assert_eq!(ids.len(), 4, "{ids:?}");
        assert_eq!(ids.first(), Some(&told["WEBSMS_ID"]));
        ways.write("just right", "");
        assert_eq!(texts(&ways.sms.wait_for(5))[4], "just right");
        ways.wait_until_empty();
        assert_eq!(ways.sms.requests().len(), 5);
    }
}

#[test]
fn part_that_is_refused_is_the_last_one() {
    let chat = Provider::deciding(|request| match request.parameters()["Body"].as_str() {
        "bb" => refused(1),
        _ => Answer::ok(),
    });
    let ways = Ways::to(chat, "max_chars [chat] = 2");
    let told = ways.send(&[THEIRS, JOHN, "aabbcc", "chat"]);
    assert_eq!(told["WEBSMS_STATUS"], "REJECTED");
    assert_eq!(texts(&ways.chat.requests()), ["aa", "bb"]);
}

#[test]
fn refusal_is_told_in_words() {
    for (code, words) in [(131_026, "not reachable by WhatsApp"), (131_009, "because")] {
        let chat = Provider::answering(refused(code));
        let mut ways = Ways::to(chat, &format!("delivery = queue\n{ERRORS}"));
        let daemon = ways.daemon();
        let id = ways.send(&[THEIRS, JOHN, "hello", "chat"])["WEBSMS_ID"].clone();
        let files = daemon.spool.wait_for(1);
        assert_eq!(message(&files[0]), not_delivered(words));
        let line = daemon.wait_for_log("message not sent");
        assert!(line.contains(words), "{line}");
        ways.wait_until_empty();
        let shown = ways.queue(&["show", &id]);
        assert!(shown.contains(words), "{shown}");
        assert_eq!(ways.chat.requests().len(), 1);
        assert!(ways.sms.requests().is_empty());
    }
    // The dialplan gets words that cannot be anybody's.
    let ways = Ways::to(Provider::answering(refused(131_026)), ERRORS);
    let told = ways.send(&[THEIRS, JOHN, "hello", "chat"]);
    assert_eq!(told["WEBSMS_STATUS"], "REJECTED");
    assert_eq!(told["WEBSMS_ERROR"], "refused by provider");
}

#[test]
fn refusal_of_the_moment_is_tried_again() {
    let count = AtomicUsize::new(0);
    let chat = Provider::deciding(move |_| {
        let codes = [130_429, 4];
        let at = count.fetch_add(1, Ordering::Relaxed);
        codes.get(at).map_or_else(Answer::ok, |code| refused(*code))
    });
    let mut ways = Ways::to(chat, &format!("delivery = queue\n{ERRORS}"));
    let daemon = ways.daemon();
    ways.write("hello", "chat");
    ways.chat.wait_for(3);
    ways.wait_until_empty();
    assert_eq!(daemon.spool.take(), [], "no notice");
    assert_eq!(ways.chat.requests().len(), 3);
    assert!(ways.sms.requests().is_empty(), "there is no fallback");

    let ways = Ways::to(Provider::answering(refused(4)), ERRORS);
    let told = ways.send(&[THEIRS, JOHN, "hello", "chat"]);
    assert_eq!(told["WEBSMS_STATUS"], "FAILED");
    let output = ways.command(&[THEIRS, JOHN, "hello", "chat"]).output();
    assert_eq!(output.unwrap().status.code(), Some(69));
}

#[test]
fn refusal_that_is_a_matter_for_the_fallback_goes_there() {
    for delivery in ["direct", "queue"] {
        for (code, turned) in [(131_047, true), (131_026, false)] {
            let mut ways = Ways::to(
                Provider::answering(refused(code)),
                &format!("delivery = {delivery}\nfallback [chat] = sms\n{ERRORS}"),
            );
            let daemon = ways.daemon();
            let told = ways.send(&[THEIRS, JOHN, "hello", "chat"]);
            ways.chat.wait_for(1);
            if turned {
                assert_eq!(texts(&ways.sms.wait_for(1)), ["hello"]);
                assert_ne!(told["WEBSMS_STATUS"], "REJECTED");
                ways.wait_until_empty();
                assert_eq!(daemon.spool.take(), [], "no notice");
            } else if delivery == "queue" {
                let files = daemon.spool.wait_for(1);
                assert_eq!(
                    message(&files[0]),
                    not_delivered("not reachable by WhatsApp")
                );
            } else {
                assert_eq!(told["WEBSMS_STATUS"], "REJECTED");
            }
            ways.wait_until_empty();
            assert_eq!(ways.chat.requests().len(), 1);
            assert_eq!(ways.sms.requests().len(), usize::from(turned));
        }
    }
}

#[test]
fn failure_of_the_moment_goes_to_the_fallback_if_it_is_told_to() {
    let count = AtomicUsize::new(0);
    let chat = Provider::deciding(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 => refused(4),
        _ => Answer::ok(),
    });
    let more = format!("delivery = queue\nfallback [chat] = sms\n{ERRORS}");
    let mut ways = Ways::to(chat, &more);
    let _daemon = ways.daemon();
    ways.write("hello", "chat");
    ways.chat.wait_for(2);
    ways.wait_until_empty();
    assert!(ways.sms.requests().is_empty());

    let more = more.replace("131047,", "failed,");
    let mut ways = Ways::to(Provider::answering(refused(4)), &more);
    let _daemon = ways.daemon();
    ways.write("hello", "chat");
    assert_eq!(texts(&ways.sms.wait_for(1)), ["hello"]);
    ways.wait_until_empty();
    assert_eq!(ways.chat.requests().len(), 1);
}

/// What waits there is not lost because the first one said no.
#[test]
fn fallback_that_is_busy_is_tried_again() {
    let count = AtomicUsize::new(0);
    let sms = Provider::deciding(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 => Answer::Http(503, "text/plain", String::new()),
        _ => Answer::ok(),
    });
    let mut ways = Ways::to(
        Provider::answering(refused(131_047)),
        &format!(
            "delivery = queue\nhost [busy] = {}\nfallback [chat] = busy\n{ERRORS}",
            sms.url()
        ),
    );
    let daemon = ways.daemon();
    ways.write("hello", "chat");
    assert_eq!(texts(&sms.wait_for(2)), ["hello", "hello"]);
    ways.wait_until_empty();
    assert_eq!(daemon.spool.take(), [], "no notice");
    assert_eq!(sms.requests().len(), 2);
}

#[test]
fn text_is_cut_for_the_fallback_as_well() {
    for delivery in ["direct", "queue"] {
        let mut ways = Ways::to(
            Provider::answering(refused(131_047)),
            &format!(
                "delivery = {delivery}\nfallback [chat] = sms\nmax_chars [sms] = 5\n\
                 key_idempotency [sms] = Ref\n{ERRORS}"
            ),
        );
        let daemon = ways.daemon();
        ways.write("hello world", "chat");
        let requests = ways.sms.wait_for(3);
        assert_eq!(texts(&requests), ["hello", " worl", "d"]);
        let ids = requests.iter().map(|r| r.parameters()["Ref"].clone());
        assert_eq!(ids.collect::<BTreeSet<_>>().len(), 3);
        ways.wait_until_empty();
        assert_eq!(daemon.spool.take(), [], "no notice");
    }
    // What follows a part that was sent is not what was refused as a whole.
    let other = Provider::deciding(|request| match request.parameters()["Body"].as_str() {
        "hello" => Answer::ok(),
        _ => refused(4),
    });
    let ways = Ways::to(
        Provider::answering(refused(131_047)),
        &format!(
            "host [other] = {}\nfallback [chat] = other\nmax_chars [other] = 5\n{ERRORS}\
             retry_on [other] = 4\n",
            other.url()
        ),
    );
    let told = ways.send(&[THEIRS, JOHN, "hello world", "chat"]);
    assert_eq!(told["WEBSMS_STATUS"], "UNKNOWN");
    assert_eq!(other.requests().len(), 2);
}

/// A chain of three: what the second one says counts as well.
#[test]
fn fallback_has_a_fallback() {
    let template = Provider::answering(refused(131_051));
    let mut ways = Ways::to(
        Provider::answering(refused(131_047)),
        &format!(
            "delivery = queue\nhost [template] = {}\nfallback [chat] = template\n\
             fallback [template] = sms\n{ERRORS}fallback_on [template] = 131051\n",
            template.url()
        ),
    );
    let daemon = ways.daemon();
    ways.write("hello", "chat");
    assert_eq!(texts(&ways.sms.wait_for(1)), ["hello"]);
    ways.wait_until_empty();
    assert_eq!(template.requests().len(), 1);
    assert_eq!(daemon.spool.take(), [], "no notice");
}

/// It is away for a moment, and the other one is not for this number.
#[test]
fn fallback_that_the_number_is_not_for_is_passed_over() {
    let count = AtomicUsize::new(0);
    let chat = Provider::deciding(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 => refused(4),
        _ => Answer::ok(),
    });
    let mut ways = Ways::to(
        chat,
        &format!(
            "delivery = queue\nfallback [chat] = sms\nto_match [sms] = /^\\+46/\n{}",
            ERRORS.replace("131047,", "failed,")
        ),
    );
    let daemon = ways.daemon();
    ways.write("hello", "chat");
    ways.chat.wait_for(2);
    ways.wait_until_empty();
    assert_eq!(daemon.spool.take(), [], "no notice");
    assert!(ways.sms.requests().is_empty());
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
fn refusal_in_a_receipt_goes_to_the_fallback_too() {
    let mut ways = Ways::to(
        Provider::answering(accepted("wamid.1")),
        &format!("delivery = queue\nfallback [chat] = template\n{ERRORS}"),
    );
    let template = Provider::answering(accepted("wamid.2"));
    let config = ways.config.clone();
    let config = config.replace(
        "host [chat] =",
        &format!("host [template] = {}\nhost [chat] =", template.url()),
    );
    let config = config.replace("[astqueue]", &format!("[websmsd]\n{RECEIPTS}[astqueue]"));
    ways.config = config;
    fs::write(ways.path.join("websms.conf"), &ways.config).unwrap();
    let daemon = ways.daemon();
    ways.write("hello", "chat");
    wait_for("a message to wait for its receipt", || {
        (ways.files("sent").len() == 1).then_some(())
    });
    ways.wait_until_empty();
    assert_eq!(
        post_json(&daemon, &receipt("wamid.1", "sent", 0)).status,
        200
    );
    for _ in 0..2 {
        // Meta posts it again, and it is not sent again.
        let said = receipt("wamid.1", "failed", 131_047);
        assert_eq!(post_json(&daemon, &said).status, 200);
    }
    let parameters = template.wait_for(1)[0].parameters();
    assert_eq!(
        (parameters["To"].as_str(), parameters["Body"].as_str()),
        (THEIRS, "hello")
    );
    wait_for("the other one to wait for its receipt", || {
        (ways.files("sent").len() == 2).then_some(())
    });
    ways.wait_until_empty();
    assert_eq!(daemon.spool.take(), [], "no notice so far");
    assert!(
        daemon
            .wait_for_log("using fallback interface after a receipt")
            .contains("they have not written for more than 24 hours")
    );

    // The fallback has no webhook of its own; its receipt comes in on the first's.
    let said = receipt("wamid.2", "failed", 131_026);
    assert_eq!(post_json(&daemon, &said).status, 200);
    let files = daemon.spool.wait_for(1);
    // The template's account does not know the code.
    assert_eq!(message(&files[0]), not_delivered("so they say"));
    assert_eq!(ways.chat.requests().len(), 1);
    assert_eq!(template.requests().len(), 1);
    assert!(ways.sms.requests().is_empty());
}

#[test]
fn receipt_is_told_in_words() {
    for (code, words) in [
        (131_026, "not reachable by WhatsApp"),
        (131_053, "so they say"),
        // There is no fallback.
        (131_047, "they have not written for more than 24 hours"),
    ] {
        let mut ways = Ways::to(
            Provider::answering(accepted("wamid.1")),
            &format!("delivery = queue\n{ERRORS}[websmsd]\n{RECEIPTS}"),
        );
        let daemon = ways.daemon();
        ways.write("hello", "chat");
        wait_for("a message to wait for its receipt", || {
            (ways.files("sent").len() == 1).then_some(())
        });
        let said = receipt("wamid.1", "failed", code);
        assert_eq!(post_json(&daemon, &said).status, 200);
        let files = daemon.spool.wait_for(1);
        assert_eq!(message(&files[0]), not_delivered(words));
        assert!(ways.sms.requests().is_empty());
    }
}

#[test]
fn challenge_is_answered_to_whoever_knows_the_secret() {
    let secret = "[websmsd]\nkey_echo [chat] = hub.challenge\n\
                  key_echo_secret [chat] = hub.verify_token\necho_secret [chat] = file:";
    let mut ways = Ways::new("");
    let file = ways.path.join("verify");
    fs::write(&file, "s3cret & more\n").unwrap();
    let config = format!("{secret}{}\n[astqueue]", file.display());
    ways.config = ways.config.replace("[astqueue]", &config);
    let daemon = ways.daemon();
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
    let log = ways.end(daemon);
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

/// The keys for that, and what the lookup is asked of.
fn kept(lookup: &str, hosts: &str, pictures: &str) -> String {
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
    let said = picture(id).to_string();
    let answer = daemon.post("/chat", &headers, said.as_bytes());
    assert_eq!(answer.status, 200);
}

/// Asked by id, it says that files are under this URL.
fn gateway(files: &'static str) -> Provider {
    Provider::deciding(move |request| {
        let host = &request.headers["host"];
        let port = host.rsplit(':').next().unwrap();
        let id = request.path.rsplit('/').next().unwrap();
        match id {
            "404" => Answer::Http(404, "application/json", json!({"error": {}}).to_string()),
            "nourl" => Answer::ok(),
            "private" => {
                let said = json!({"url": "http://127.0.0.2:1/x"});
                Answer::Http(200, "application/json", said.to_string())
            }
            _ if request.path.starts_with("/v25.0/") => {
                let url = format!("http://{files}:{port}/files/{id}");
                let said = json!({"url": url, "mime_type": "image/jpeg", "id": id});
                Answer::Http(200, "application/json", said.to_string())
            }
            _ => Answer::Http(200, "image/jpeg", "JFIF".to_owned()),
        }
    })
}

#[test]
fn file_that_has_but_an_id_is_looked_up_and_kept() {
    for (files, hosts, shown) in [
        ("127.0.0.1", "127.0.0.1", [true, true]),
        ("localhost", "127.0.0.1,localhost", [true, true]),
        ("localhost", "127.0.0.1", [true, false]),
        ("127.0.0.1", "example.com", [false, false]),
    ] {
        let chat = gateway(files);
        let lookup = chat.url();
        let mut ways = Ways::to(chat, "auth_method [chat] = bearer");
        let pictures = ways.path.join("media");
        fs::create_dir(&pictures).unwrap();
        let keys = kept(&lookup, hosts, pictures.to_str().unwrap());
        ways.config = ways
            .config
            .replace("[astqueue]", &format!("{keys}[astqueue]"));
        let daemon = ways.daemon();
        post_picture(&daemon, "17");
        let (to, from, text) = message(&daemon.spool.wait_for(1)[0]);
        assert_eq!((to.as_str(), from.as_str()), (JOHN, THEIRS));
        let link = text.strip_prefix("(picture)\nLook\n").unwrap();
        let name = link.strip_prefix("https://sms.example.com/media/").unwrap();
        let (_, extension) = name.rsplit_once('.').unwrap();
        assert!(matches!(extension, "jpg" | "jpeg"), "{name}");
        let file = pictures.join(name);
        wait_for("the file", || file.exists().then_some(()));
        assert_eq!(fs::read(&file).unwrap(), b"JFIF");
        let requests = ways.chat.requests();
        let paths: Vec<_> = requests.iter().map(|r| r.path.as_str()).collect();
        assert_eq!(paths, ["/v25.0/17", "/files/17"]);
        let credentials = |request: &Recorded| {
            let header = request.headers.get("authorization");
            header.is_some_and(|value| value == "Bearer secret")
        };
        let seen: Vec<_> = requests.iter().map(credentials).collect();
        assert_eq!(seen, shown, "{files} {hosts}");
        let log = ways.end(daemon);
        assert!(!log.contains("Bearer"), "{log}");
    }
}

#[test]
fn file_that_cannot_be_had_is_told_of() {
    let chat = gateway("127.0.0.1");
    let lookup = chat.url();
    let mut ways = Ways::to(chat, "auth_method [chat] = bearer");
    let pictures = ways.path.join("media");
    fs::create_dir(&pictures).unwrap();
    let keys = kept(&lookup, "127.0.0.1", pictures.to_str().unwrap());
    ways.config = ways
        .config
        .replace("[astqueue]", &format!("{keys}[astqueue]"));
    let daemon = ways.daemon();
    for (count, id) in (1..).zip(["404", "nourl", "private"]) {
        post_picture(&daemon, id);
        let files = daemon.spool.wait_for(2 * count);
        let (to, from, text) = message(&files[2 * count - 1]);
        assert_eq!((to.as_str(), from.as_str()), (JOHN, THEIRS));
        assert!(text.starts_with("A picture could not be fetched"), "{text}");
    }
    assert_eq!(list(&pictures), [] as [PathBuf; 0]);
}

/// Nobody who reads a link could open it.
#[test]
fn file_that_has_but_an_id_has_no_link() {
    let chat = gateway("127.0.0.1");
    let lookup = chat.url();
    let mut ways = Ways::to(chat, "");
    let keys = kept(&lookup, "127.0.0.1", "/nowhere").replace("= store", "= link");
    ways.config = ways
        .config
        .replace("[astqueue]", &format!("{keys}[astqueue]"));
    let daemon = ways.daemon();
    post_picture(&daemon, "17");
    let (_, _, text) = message(&daemon.spool.wait_for(1)[0]);
    assert_eq!(text, "(picture)\nLook");
    ways.end(daemon);
    assert!(ways.chat.requests().is_empty());
}

#[test]
fn identities_of_whatsapp_are_numbers_or_names() {
    for (format, suffix) in [("jid", "@c.us"), ("jid-", "")] {
        let mut ways = Ways::new(&format!(
            "reply_index = auto\nnumber_format [chat] = {format}\n\
             [websmsd]\nnumber_format [chat] = {format}\n"
        ));
        let daemon = ways.daemon();
        for (count, (raw, from, to)) in (1..).zip([
            ("12025550183@c.us", THEIRS, "12025550183"),
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
            let arrived = message(&daemon.spool.wait_for(count)[count - 1]);
            assert_eq!(
                arrived,
                (JOHN.to_owned(), from.to_owned(), "hello".to_owned())
            );
            let told = ways.send(&[from, JOHN, "answer"]);
            assert_eq!(told["WEBSMS_STATUS"], "SENT");
            let parameters = ways.chat.wait_for(count)[count - 1].parameters();
            let to = if to.ends_with("@lid") {
                to.to_owned()
            } else {
                format!("{to}{suffix}")
            };
            assert_eq!(parameters["To"], to);
        }
        for nobody in [
            "120363041234567890@g.us",
            "status@broadcast",
            "@lid",
            "x@c.us",
        ] {
            let form = http::message("12025550160@c.us", nobody, "hello");
            assert_eq!(daemon.post("/chat", &[FORM], &form).status, 400, "{nobody}");
        }
        assert!(ways.sms.requests().is_empty());
    }
}
