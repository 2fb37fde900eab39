//! The provider that docs/providers.md configures step by step, and its delivery
//! receipts.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::support::http::{JSON, sha256_signature};
use crate::support::{Answer, Daemon, Installation, Provider, callfile, wait_for};

const REMOTE: &str = "+12025550183";
const JOHN: &str = "+12025550160";

/// The blocks in a language, of the chapter about a provider without a preset.
fn blocks(language: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/providers.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (_, walk) = page.split_once("## A provider without a preset").unwrap();
    let (walk, _) = walk.split_once("\n## ").unwrap();
    let walk: String = walk
        .lines()
        .map(|line| line.trim_start_matches(['>', ' ']).to_owned() + "\n")
        .collect();
    walk.split(&format!("```{language}\n"))
        .skip(1)
        .map(|block| block.split("```").next().unwrap().to_owned())
        .collect()
}

/// An installation with the documented interface to a stand-in provider.
struct Example {
    provider: Provider,
    answer: Arc<Mutex<Answer>>,
    installation: Installation,
}

impl Example {
    fn new() -> Self {
        let answer = Arc::new(Mutex::new(accepted("m-1")));
        let current = Arc::clone(&answer);
        let provider = Provider::deciding(move |_| current.lock().unwrap().clone());
        let installation = Installation::new(|spool| {
            let [config] = blocks("ini").try_into().unwrap();
            let config = config
                .replace("/etc/asterisk", spool.path().to_str().unwrap())
                .replace("https://api.example.com", &provider.url());
            // The documented configuration has the contexts itself.
            let section = spool.section();
            let directories = section.lines().filter(|line| !line.contains("context"));
            let directories = directories.collect::<Vec<_>>().join("\n");
            format!(
                "{config}\n{directories}\n[websms]\noutboxdir = {}\n",
                spool.path().join("outbox").display()
            )
        });
        for secret in ["example.secret", "example.signing"] {
            std::fs::write(installation.path(secret), format!("{secret}!\n")).unwrap();
        }
        Self {
            provider,
            answer,
            installation,
        }
    }

    fn send(&self, text: &str) {
        let mut command = self.installation.command(&["websms", REMOTE, JOHN, text]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    /// The records that wait for a receipt.
    fn kept(&self) -> Vec<Value> {
        let files = self.installation.outbox().files("sent");
        let read = |path: &PathBuf| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        files.iter().map(read).collect()
    }

    fn state(&self) -> Option<String> {
        let kept = self.kept();
        let state = kept.first()?.pointer("/receipt/state")?;
        state.as_str().map(str::to_owned)
    }
}

fn accepted(id: &str) -> Answer {
    let body = json!({"result": "accepted", "message": {"uuid": id}});
    Answer::Http(200, "application/json", body.to_string())
}

/// Posts a signed webhook; returns the status.
fn post(daemon: &Daemon, body: &str) -> u16 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let timestamp = now.as_secs().to_string();
    let signature = sha256_signature("example.signing!", &format!("{timestamp}.{body}"));
    let headers = [
        JSON,
        ("X-Timestamp", timestamp.as_str()),
        ("X-Signature", signature.as_str()),
    ];
    daemon.post("/example", &headers, body.as_bytes()).status
}

fn status(id: &str, status: &str, reason: &str) -> String {
    json!({"event": "status", "message": {"uuid": id, "status": status, "why": reason}}).to_string()
}

#[test]
fn documented_provider_works_as_described() {
    let mut example = Example::new();
    let [request, inbound, failed] = blocks("json").try_into().unwrap();
    let daemon = example.installation.start();
    example.send("Hello");
    let [sent] = example.provider.wait_for(1).try_into().unwrap();
    assert_eq!(
        (sent.method.as_str(), sent.path.as_str()),
        ("POST", "/v2/accounts/4711/messages")
    );
    assert_eq!(sent.headers["x-api-key"], "example.secret!");
    assert_eq!(sent.headers["content-type"], "application/json");
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(json(&sent.body), json(&request));
    wait_for("the message to be kept", || example.kept().pop());

    assert_eq!(post(&daemon, &inbound), 200);
    let [text] = daemon.spool.wait_for(1).try_into().unwrap();
    let picture = "Hi\nhttps://cdn.example.com/1.jpg".to_owned();
    assert_eq!(
        callfile::read(&text),
        (JOHN.to_owned(), REMOTE.to_owned(), picture)
    );

    assert_eq!(post(&daemon, &failed), 200);
    let [_, notice] = daemon.spool.wait_for(2).try_into().unwrap();
    let why = format!("Not delivered to {REMOTE}: unknown subscriber");
    assert_eq!(
        callfile::read(&notice),
        (JOHN.to_owned(), REMOTE.to_owned(), why)
    );
    assert_eq!(example.state().as_deref(), Some("undelivered"));

    let refused = daemon.post(
        "/example",
        &[("Content-Type", "application/json")],
        inbound.as_bytes(),
    );
    assert_eq!(refused.status, 403);
}

#[test]
fn refusal_with_status_200_is_a_failure() {
    let mut example = Example::new();
    let error = json!({"result": "error", "why": "no credit"}).to_string();
    *example.answer.lock().unwrap() = Answer::Http(200, "application/json", error);
    let daemon = example.installation.start();
    example.send("Hello");
    let [notice] = daemon.spool.wait_for(1).try_into().unwrap();
    let expected = format!("Not delivered to {REMOTE}: no credit");
    assert_eq!(callfile::read(&notice).2, expected);
    assert!(example.kept().is_empty());
    assert!(daemon.log().contains("no credit"));
}

#[test]
fn receipt_counts_once_and_across_restarts() {
    let mut example = Example::new();
    let daemon = example.installation.start();
    example.send("Hello");
    wait_for("the message to be kept", || example.kept().pop());
    assert_eq!(post(&daemon, &status("m-1", "sent", "")), 200);
    assert_eq!(example.state().as_deref(), Some("pending"));
    example.installation.stop(daemon);

    let daemon = example.installation.start();
    for _ in 0..3 {
        assert_eq!(post(&daemon, &status("m-1", "failed", "blocked\r\n")), 200);
    }
    // A receipt after a final one changes nothing.
    assert_eq!(post(&daemon, &status("m-1", "delivered", "")), 200);
    assert_eq!(example.state().as_deref(), Some("undelivered"));
    let notices = daemon.spool.drain();
    assert_eq!(notices.len(), 1, "{notices:?}");
    let id = example.kept()[0]["id"].as_str().unwrap().to_owned();
    let shown = example.installation.queue(&["show", &id]);
    assert!(shown.contains("undelivered (failed, blocked)"), "{shown}");
    assert!(shown.contains("sent as   \"m-1\""), "{shown}");
}

/// A daemon is killed between two steps of what follows a receipt: its follow-up is
/// written, and the receipt is recorded or not.
#[test]
fn interrupted_follow_up_happens_once() {
    let mut example = Example::new();
    let daemon = example.installation.start();
    example.send("Hello");
    wait_for("the message to be kept", || example.kept().pop());
    let not_recorded = example.kept().remove(0);
    assert_eq!(post(&daemon, &status("m-1", "failed", "why")), 200);
    assert_eq!(daemon.spool.drain().len(), 1);
    let recorded = example.kept().remove(0);
    let name = recorded.pointer("/next/notice").unwrap().as_str().unwrap();
    let mut next = not_recorded["message"].clone();
    next["notice"] = json!({"kind": "undelivered", "reason": "why"});
    example.installation.stop(daemon);

    let file = example.installation.outbox().files("sent").remove(0);
    let write = |recorded: &Value| {
        std::fs::write(&file, recorded.to_string()).unwrap();
        std::fs::write(file.with_extension("next"), next.to_string()).unwrap();
    };
    // Recorded: the next start goes on.
    write(&recorded);
    let daemon = example.installation.start();
    let notices = daemon.spool.wait_for(2);
    assert!(callfile::read(&notices[1]).2.ends_with(": why"));
    wait_for("the end", || {
        let waiting = example.installation.outbox().files("notices");
        let ended = waiting.is_empty() && !file.with_extension("next").exists();
        ended.then_some(())
    });
    assert_eq!(post(&daemon, &status("m-1", "failed", "why")), 200);
    assert_eq!(daemon.spool.drain().len(), 2, "{name}");
    example.installation.stop(daemon);
    // Not recorded: it is as if the receipt had not come, and the provider repeats it.
    write(&not_recorded);
    let daemon = example.installation.start();
    wait_for("the follow-up to be removed", || {
        (!file.with_extension("next").exists()).then_some(())
    });
    assert_eq!(daemon.spool.drain().len(), 2);
    for _ in 0..2 {
        assert_eq!(post(&daemon, &status("m-1", "failed", "again")), 200);
    }
    assert_eq!(daemon.spool.drain().len(), 3);
    assert_eq!(example.provider.requests().len(), 1);
}

#[test]
fn notice_after_a_receipt_that_the_spool_does_not_take_is_sent_later() {
    let mut example = Example::new();
    let limits = "\n[astqueue]\nmax_outgoing = 1\nmax_waiting = 1\n";
    let config = example.installation.config().to_owned() + limits;
    example.installation.configure(config);
    let daemon = example.installation.start();
    example.send("Hello");
    wait_for("the message to be kept", || example.kept().pop());
    let inbound = blocks("json").remove(1);
    let inbound: Value = serde_json::from_str(&inbound).unwrap();
    for number in 0..2 {
        let mut inbound = inbound.clone();
        inbound["messages"][0]["uuid"] = json!(format!("in-{number}"));
        assert_eq!(post(&daemon, &inbound.to_string()), 200);
        wait_for("it to be with Asterisk", || daemon.spool.call_files().pop());
    }
    for _ in 0..3 {
        assert_eq!(post(&daemon, &status("m-1", "failed", "why")), 200);
    }
    daemon.wait_for_log("sender not notified, will retry");
    assert_eq!(example.state().as_deref(), Some("undelivered"));
    assert!(example.installation.queue(&["list"]).contains("2 in all"));
    let texts = daemon.spool.wait_for(3);
    let expected = format!("Not delivered to {REMOTE}: why");
    assert_eq!(callfile::read(&texts[2]).2, expected);
    wait_for("the end", || {
        let waiting = example.installation.outbox().files("notices");
        waiting.is_empty().then_some(())
    });
    assert_eq!(daemon.spool.drain().len(), 3);
}

#[test]
fn delivery_is_recorded_without_a_notice() {
    let mut example = Example::new();
    let daemon = example.installation.start();
    example.send("Hello");
    wait_for("the message to be kept", || example.kept().pop());
    assert_eq!(post(&daemon, &status("m-1", "DELIVERED", "")), 200);
    assert_eq!(example.state().as_deref(), Some("delivered"));
    assert!(daemon.spool.drain().is_empty());
    daemon.wait_for_log("message delivered");
}

#[test]
fn receipt_before_its_message_waits_for_it() {
    let mut example = Example::new();
    let daemon = example.installation.start();
    // The provider reports before it answers, and others send by the same account.
    let strangers = |count: usize, name: &str| {
        for number in 0..count {
            let id = format!("{name}-{number}");
            assert_eq!(post(&daemon, &status(&id, "failed", "of a stranger")), 200);
        }
    };
    strangers(10, "before");
    let provider_is_slow = example.answer.lock().unwrap();
    example.send("Hello");
    example.provider.wait_for(1);
    strangers(1000, "x");
    assert_eq!(post(&daemon, &status("m-1", "failed", "too early")), 200);
    assert_eq!(post(&daemon, &status("m-1", "sent", "")), 200);
    strangers(1000, "y");
    assert!(daemon.spool.drain().is_empty());
    drop(provider_is_slow);
    let [notice] = daemon.spool.wait_for(1).try_into().unwrap();
    assert!(callfile::read(&notice).2.ends_with("too early"));
    wait_for("the receipt to be recorded", || {
        example.state().filter(|state| state == "undelivered")
    });
    assert_eq!(daemon.spool.drain().len(), 1);
}

#[test]
fn simultaneous_receipts_count_once() {
    let mut example = Example::new();
    let daemon = example.installation.start();
    example.send("Hello");
    wait_for("the message to be kept", || example.kept().pop());
    std::thread::scope(|scope| {
        for state in ["sent", "failed", "failed", "sent", "failed", "failed"] {
            let daemon = &daemon;
            scope.spawn(move || assert_eq!(post(daemon, &status("m-1", state, "")), 200));
        }
    });
    assert_eq!(example.state().as_deref(), Some("undelivered"));
    assert_eq!(daemon.spool.drain().len(), 1, "{}", daemon.log());
}

#[test]
fn receipt_during_the_answer_finds_its_message() {
    let mut example = Example::new();
    let daemon = example.installation.start();
    for number in 0..10 {
        let id = format!("m-{number}");
        *example.answer.lock().unwrap() = accepted(&id);
        let sent = example.provider.requests().len() + 1;
        example.send("Hello");
        example.provider.wait_for(sent);
        assert_eq!(post(&daemon, &status(&id, "delivered", "")), 200);
        wait_for("the receipt to be noted", || {
            let mut kept = example.kept().into_iter();
            let kept = kept.find(|sent| sent["provider_id"] == *id)?;
            (kept["receipt"]["state"] == "delivered").then_some(())
        });
    }
}
