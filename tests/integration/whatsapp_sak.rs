//! Messages through a SAK gateway, with the shipped preset and a stand-in that was
//! written from the API guide.

use serde_json::{Value, json};

use crate::support::http::{JSON, sha256_signature};
use crate::support::sak::{Class, Sak};
use crate::support::{Answer, Daemon, Provider, Websms, callfile};

const REMOTE: &str = "+919876543210";

/// An interface with the preset, this key and these lines.
fn interface(sak: &Sak, key: &str, lines: &str) -> Websms {
    let config = format!(
        "[websms]\npreset = sak\nhost = {}\nauth_secret = {key}\n{lines}\n",
        sak.provider.url()
    );
    Websms::configured(&config)
}

/// Sends a message; returns the AGI commands and the log.
fn send(websms: Websms, to: &str, text: &str) -> (String, String) {
    let output = websms
        .with_environment("WEBSMS_LOG", "debug")
        .under_agi()
        .run(&[to, "+12025550160", text]);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr))
}

#[test]
fn text_is_sent_with_either_key() {
    let sak = Sak::start();
    let session = sak.session("First");
    let user_key = sak.user_key();
    let with_session = format!("header = x-session-id: {}", session.id);
    for (key, lines) in [(&session.key, ""), (&user_key, with_session.as_str())] {
        let (commands, _) = send(interface(&sak, key, lines), REMOTE, "Hello \u{1f44b}");
        assert!(commands.contains("WEBSMS_STATUS \"SENT\""), "{commands}");
    }
    let sent = ("919876543210".to_owned(), "Hello \u{1f44b}".to_owned());
    assert_eq!(
        sak.with(|state| state.messages.clone()),
        [sent.clone(), sent]
    );
}

#[test]
fn file_is_sent_by_its_type() {
    let sak = Sak::start();
    let session = sak.session("First");
    let gallery = Provider::deciding(|request| {
        let kind = if request.path.ends_with("mp4") {
            "video/mp4"
        } else {
            "image/png"
        };
        Answer::Http(200, kind, format!("content of {}", request.path))
    });
    for (name, text) in [("a.png", "Look "), ("b.pdf", ""), ("c.mp4", "A film ")] {
        let text = format!("{text}{}/{name}", gallery.url());
        let websms = interface(&sak, &session.key, "media_permit_addr = 127.0.0.1");
        let (commands, log) = send(websms, REMOTE, &text);
        assert!(
            commands.contains("WEBSMS_STATUS \"SENT\""),
            "{commands} {log}"
        );
    }
    let file = |kind: &str, caption: &str, name: &str| {
        let content = format!("content of /{name}");
        [kind, "919876543210", caption, content.as_str()].map(str::to_owned)
    };
    let expected = [
        file("image", "Look", "a.png"),
        file("document", "", "b.pdf"),
        file("video", "A film", "c.mp4"),
    ];
    assert_eq!(sak.with(|state| state.files.clone()), expected);
}

#[test]
fn number_without_country_code_is_rejected_unsent() {
    let sak = Sak::start();
    let session = sak.session("First");
    for to in ["9876543210", "+1234567890", "12345", "Company"] {
        let (commands, _) = send(interface(&sak, &session.key, ""), to, "x");
        assert!(
            commands.contains("WEBSMS_STATUS \"REJECTED\""),
            "{to}: {commands}"
        );
        assert!(
            commands.contains("not a number for this provider"),
            "{to}: {commands}"
        );
    }
    assert!(sak.provider.requests().is_empty());
}

#[test]
fn number_of_a_small_country_is_reached() {
    let sak = Sak::start();
    let session = sak.session("First");
    for to in ["+298212345", "+29052345", "+123456789012345"] {
        let (commands, _) = send(interface(&sak, &session.key, ""), to, "x");
        assert!(
            commands.contains("WEBSMS_STATUS \"SENT\""),
            "{to}: {commands}"
        );
    }
    let sent = sak.with(|state| state.messages.clone());
    let sent: Vec<_> = sent.into_iter().map(|(to, _)| to).collect();
    assert_eq!(sent, ["298212345", "29052345", "123456789012345"]);
}

#[test]
fn failed_delivery_in_a_successful_response_is_rejected() {
    let sak = Sak::start();
    let session = sak.session("First");
    for (delivery_status, status) in [("failed", "REJECTED"), ("queued", "SENT"), ("sent", "SENT")]
    {
        sak.with(|state| state.delivery_status = delivery_status);
        let (commands, _) = send(interface(&sak, &session.key, ""), REMOTE, "x");
        assert!(
            commands.contains(&format!("WEBSMS_STATUS \"{status}\"")),
            "{delivery_status}: {commands}"
        );
    }
}

#[test]
fn refusals_are_explained_in_the_log() {
    let sak = Sak::start();
    let session = sak.session("First");
    let user_key = sak.user_key();
    let header = "header = x-session-id: 00000000-0000-4000-8000-000000000000";
    for (key, lines, status, words) in [
        ("wrong", "", "REJECTED", "the API key is not valid"),
        (
            user_key.as_str(),
            "",
            "REJECTED",
            "a user's API key needs the header x-session-id",
        ),
        (
            &user_key,
            header,
            "REJECTED",
            "the API key is of another session",
        ),
        // The limit of a minute is reached.
        (&session.key, "", "FAILED", "too many requests"),
    ] {
        if status == "FAILED" {
            sak.with(|state| state.used.insert(Class::Messaging, 1000));
        }
        let (commands, log) = send(interface(&sak, key, lines), REMOTE, "x");
        let expected = format!("WEBSMS_STATUS \"{status}\"");
        assert!(commands.contains(&expected), "{words}: {commands}");
        assert!(log.contains(words), "{words}: {log}");
        assert!(!log.contains(key) || key == "wrong", "{log}");
    }
}

/// The webhook for a message, as section 7.3 of the guide shows it.
fn webhook(text: &str) -> Value {
    json!({
        "event": "message.received",
        "sessionId": "3f0a5f0e-7a39-4f5c-9d8f-000000000001",
        "from": "918484862949@s.whatsapp.net",
        "from_jid": "918484862949@s.whatsapp.net",
        "from_number": "+918484862949",
        "wa_id": "918484862949",
        "messageId": "3EB0C767D26A8D4A1F",
        "timestamp": 1_734_672_000,
        "type": "conversation",
        "text": text,
        "pushName": "Customer Name",
    })
}

/// Posts a signed webhook; returns the status.
fn post(daemon: &Daemon, secret: &str, body: &str) -> u16 {
    let signature = sha256_signature(secret, body);
    let headers = [
        JSON,
        ("X-Webhook-Event", "message.received"),
        ("X-Webhook-Signature", signature.as_str()),
    ];
    daemon.post("/sak", &headers, body.as_bytes()).status
}

#[test]
fn signed_message_is_received_once() {
    let daemon =
        Daemon::start("[websmsd]\npreset = sak\nauth_secret = whsec\nkey_to = =+12025550160\n");
    let message = webhook("hi \u{1f44b}").to_string();
    assert_eq!(post(&daemon, "other", &message), 403);
    for _ in 0..2 {
        assert_eq!(post(&daemon, "whsec", &message), 200);
    }
    let test_webhook =
        json!({"event": "message.received", "test": true, "text": "SAK webhook live test"});
    assert_eq!(post(&daemon, "whsec", &test_webhook.to_string()), 200);
    let files = daemon.spool.drain();
    let [(_, file)] = files.as_slice() else {
        panic!("{files:?}");
    };
    let expected = ["+12025550160", "+918484862949", "hi \u{1f44b}"].map(str::to_owned);
    assert_eq!(callfile::read(file), expected.into());
}
