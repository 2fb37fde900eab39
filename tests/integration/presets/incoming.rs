//! Webhooks become messages, and receipts become states and notices.

use serde_json::Value;

use super::for_each_preset;
use super::outgoing::{Queue, http_answer};
use crate::support::golden::{Incoming, Post, Receipt, Send};
use crate::support::http::{self, Response};
use crate::support::{Daemon, callfile};

#[test]
fn webhook_becomes_messages() {
    for_each_preset(|name, golden| {
        let daemon = Daemon::start(&golden.websmsd(name));
        let mut expected = 0;
        for webhook in &golden.webhooks {
            let case = format!("{name}, webhook {:?}", webhook.post.about);
            post(&daemon, &webhook.post, &case);
            let before = expected;
            expected += webhook.messages.len();
            let files = daemon.spool.wait_for(expected);
            daemon.spool.drain();
            let files = &files[before..];
            let messages: Vec<_> = files.iter().map(|file| callfile::read(file)).collect();
            let expected = webhook.messages.iter();
            let expected: Vec<_> = expected
                .map(|m| (m.to.clone(), m.from.clone(), m.text.clone()))
                .collect();
            assert_eq!(messages, expected, "{case}");
            assert_repeated_request_is_recognized(&daemon, &webhook.post, &webhook.messages, &case);
        }
        let all = daemon.spool.drain();
        assert_eq!(all.len(), expected, "{name}: {all:?}");
    });
}

/// Posts a request again; asserts that it is recognized by the provider's ids, if its
/// messages have any.
fn assert_repeated_request_is_recognized(
    daemon: &Daemon,
    repeated: &Post,
    messages: &[Incoming],
    case: &str,
) {
    if messages.is_empty() || messages.iter().any(|message| message.id.is_none()) {
        return;
    }
    post(daemon, repeated, case);
    for message in messages {
        let id = message.id.as_deref();
        daemon.wait_for_log(&format!("provider_id={id:?}"));
    }
}

/// Sends a request and checks the response.
pub(super) fn post(daemon: &Daemon, post: &Post, case: &str) {
    let headers: Vec<_> = post
        .headers
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    let raw = http::request(&post.method, &post.target, &headers, post.body.as_bytes());
    let response: Response = daemon.request(&raw);
    let text = response.text();
    assert_eq!(
        response.status,
        post.status,
        "{case}: {text}\n{}",
        daemon.log()
    );
    if let Some(answer) = &post.answer {
        assert_eq!(&text, answer, "{case}");
        let content_type = response
            .headers
            .get("content-type")
            .map_or("", String::as_str);
        assert_eq!(
            content_type.contains("xml"),
            answer.starts_with('<'),
            "{case}"
        );
    }
}

#[test]
fn receipt_is_recorded_and_the_sender_notified() {
    for_each_preset(|name, golden| {
        if golden.receipts.is_empty() {
            return;
        }
        let queue = Queue::new(name, golden);
        let mut answers = golden.answers.iter();
        let (answer, recorded) = answers
            .find_map(|answer| Some((answer, answer.provider_id.as_ref()?)))
            .unwrap_or_else(|| panic!("{name}: no response has an id"));
        for receipt in &golden.receipts {
            let case = format!("{name}, receipt {:?}", receipt.post.about);
            let body = answer.body.replace(recorded, &receipt.receipt.id);
            let sent = queue.send(&golden.send[0], http_answer(answer, body), &case);
            let sent = sent.unwrap_or_else(|| panic!("{case}: no record waits for its receipt"));
            assert_eq!(sent["receipt"], Value::Null, "{case}");
            assert_receipt_is_recorded(&queue, &sent, &golden.send[0], receipt, &case);
        }
    });
}

/// Posts a receipt for a sent message; asserts its state and the notice.
fn assert_receipt_is_recorded(
    queue: &Queue,
    sent: &Value,
    message: &Send,
    receipt: &Receipt,
    case: &str,
) {
    let before = queue.daemon.spool.drain().len();
    post(&queue.daemon, &receipt.post, case);
    let expected = &receipt.receipt;
    let kept = queue.kept();
    let record = kept.iter().find(|kept| kept["id"] == sent["id"]).unwrap();
    assert_eq!(record["message"], sent["message"], "{case}");
    let record = &record["receipt"];
    let state = match expected.state.as_str() {
        "delivered" => "delivered",
        "failed" => "undelivered",
        "other" => "pending",
        other => panic!("{case}: {other}"),
    };
    assert_eq!(record["state"], state, "{case}");
    assert_eq!(
        record["reason"].as_str(),
        expected.reason.as_deref(),
        "{case}"
    );
    // The notice is stored before the receipt is answered.
    let files = queue.daemon.spool.drain();
    let notices: Vec<_> = files[before..]
        .iter()
        .map(|(_, file)| callfile::read(file))
        .collect();
    if expected.state != "failed" {
        assert!(notices.is_empty(), "{case}: {notices:?}");
        return;
    }
    let reason = expected
        .reason
        .as_deref()
        .or_else(|| record["status"].as_str())
        .unwrap();
    let is_code = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    assert!(!is_code(reason), "{case}: nobody knows what {reason} means");
    let text = format!("Not delivered to {}: {reason}", message.to);
    assert_eq!(
        notices,
        [(message.from.clone(), message.to.clone(), text)],
        "{case}"
    );
}
