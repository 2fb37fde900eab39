//! What providers write: responses to requests, and delivery receipts.

use std::sync::LazyLock;

use regex_lite::Regex;
use serde_json::Value;

use crate::config::{self, ErrorCodes, IncomingInterface, ResponsePlace};
use crate::document::condition::{Condition, Subject};
use crate::document::cursor::Cursor;
use crate::document::lenient_json;
use crate::document::path::FieldPath;
use crate::document::{Document, as_text};
use crate::fuzz::{Input, is_short_line};
use crate::inbound::receipt::receipts as read_receipts;
use crate::inbound::record::{self, RECORDS_MAX};
use crate::model::message::{Receipt, ReceiptState};
use crate::outbound::response::{
    self, Answer, provider_id, uploaded_id, verdict, with_explanation,
};
use crate::outbound::verdict::{Outcome, Reason, Verdict};

/// Checks as presets and users write them; the empty one is taken from the input.
const CHECKS: [&str; 10] = [
    "",
    "status=success",
    "/messages/*/status=0",
    "/data/id",
    "!/errors",
    "http_status=2xx",
    "/^Success \"[0-9a-f-]+\"/i",
    "/error_code~^0?$ & !/error_message",
    "/messages/*/type!=error|failed & http_status=200|202",
    "id~^[0-9]{2,}$",
];

/// A response to a request: the status comes first, a check that does not hold is
/// never "sent", and what is kept of the response is short and in one line.
pub fn response_check(data: &[u8]) {
    let mut input = Input(data);
    let status = u16::try_from(100 + input.number() % 500).unwrap_or_default();
    let configured = input.choice(&CHECKS).copied().unwrap_or_default();
    let own = input.text();
    let raw = if configured.is_empty() {
        own.as_str()
    } else {
        configured
    };
    let body = input.rest();
    let Ok(check) = Condition::parse(raw) else {
        return;
    };
    let is_complete = true;
    let answer = Answer {
        status,
        body,
        is_complete,
    };
    let judged = verdict(check.as_ref(), answer);
    let is_success = (200..300).contains(&status);
    assert!(is_success || judged.outcome != Outcome::Sent);
    assert_eq!(judged.outcome == Outcome::Sent, judged.reason.is_none());
    if let (Some(check), true) = (&check, is_success) {
        let holds = holds(check, status, body);
        // Of a body that ends early it may not be known.
        assert!(holds == (judged.outcome == Outcome::Sent) || judged.outcome == Outcome::Unknown);
        in_part(check, answer, holds);
        negated(raw, status, body, holds);
    }
    let expected = if is_success {
        Outcome::Sent
    } else {
        judged.outcome
    };
    assert_eq!(verdict(None, answer).outcome, expected);
    assert!(is_short_line(&judged.detail, 2100), "{:?}", judged.detail);
    ids(&own, status, body);
    explained(&judged, answer);
}

fn holds(check: &Condition, status: u16, body: &[u8]) -> bool {
    let value = response::json(body).unwrap_or_default();
    check.holds(&Subject {
        document: &Document::new(value, Vec::new()),
        cursor: &Cursor::default(),
        text: &String::from_utf8_lossy(response::without_mark(body)),
        status: Some(status),
    })
}

/// What is decided by a part of a body is decided for the whole.
fn in_part(check: &Condition, whole: Answer<'_>, holds: bool) {
    for length in [1, whole.body.len() / 2, whole.body.len().saturating_sub(1)] {
        let part = Answer {
            body: whole.body.get(..length).unwrap_or_default(),
            is_complete: false,
            ..whole
        };
        match verdict(Some(check), part).outcome {
            Outcome::Sent => assert!(holds, "a part was taken for the whole"),
            Outcome::Rejected => assert!(!holds, "a part was taken for the whole"),
            _ => {}
        }
    }
}

/// A single clause holds exactly when its negation does not.
fn negated(raw: &str, status: u16, body: &[u8], expected: bool) {
    if raw.contains(" & ") {
        return;
    }
    if let Ok(Some(opposite)) = Condition::parse(&format!("!{raw}")) {
        assert_eq!(holds(&opposite, status, body), !expected, "{raw}");
    }
}

fn ids(own: &str, status: u16, body: &[u8]) {
    static MATCHED: LazyLock<ResponsePlace> = LazyLock::new(|| {
        let pattern = Regex::new("(?:id|ID)[\":= ]*([0-9A-Za-z-]+)");
        pattern.map_or(ResponsePlace::At(Vec::new()), ResponsePlace::Matched)
    });
    let paths = [own, "/id", "/messages/*/id", "id"];
    let paths: Vec<_> = paths
        .iter()
        .filter_map(|path| FieldPath::parse(path).ok())
        .collect();
    let uploaded = uploaded_id(&paths, &ErrorCodes::default(), status, body);
    let at = provider_id(&ResponsePlace::At(paths), body);
    let matched = provider_id(&MATCHED, body);
    for id in [&at, &matched].into_iter().flatten() {
        assert!((1..=256).contains(&id.len()));
    }
    match uploaded {
        Ok(id) => assert!((200..300).contains(&status) && at == Some(id)),
        // A message whose picture was not uploaded was not sent.
        Err(refused) => assert!(!matches!(refused.outcome, Outcome::Sent | Outcome::Unknown)),
    }
}

fn explained(judged: &Verdict, answer: Answer<'_>) {
    let at = |paths: &[&str]| {
        let paths = paths.iter().filter_map(|path| FieldPath::parse(path).ok());
        Some(ResponsePlace::At(paths.collect()))
    };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let errors = ErrorCodes {
        code: at(&["/errors/*/code", "code"]),
        reason: at(&["/errors/*/title", "message"]),
        explanations: vec![("30007".to_owned(), "filtered".to_owned())],
        retry: words(&["429", "30022"]),
        fallback: words(&["21408"]),
    };
    let explained = with_explanation(judged.clone(), &errors, answer);
    if judged.reason.is_none() {
        assert_eq!(
            explained, *judged,
            "a message that was sent is not explained"
        );
        return;
    }
    let explanation = explained.explanation.as_deref();
    assert!(explanation.is_none_or(|text| !text.is_empty() && is_short_line(text, 160)));
    assert!(explained.outcome != Outcome::Sent);
    match explained.reason {
        Some(Reason::Busy) if explained.reason != judged.reason => {
            assert_eq!(explained.outcome, Outcome::Failed);
        }
        Some(Reason::Refused) if explained.use_fallback => {
            assert_eq!(explained.outcome, Outcome::Rejected);
        }
        reason => assert_eq!((explained.outcome, reason), (judged.outcome, judged.reason)),
    }
}

/// Interfaces with receipts of several shapes.
static INTERFACES: LazyLock<Vec<IncomingInterface>> = LazyLock::new(|| {
    const TWILIO: &str = "receipt_match = /MessageStatus\nreceipt_id = MessageSid\n\
        receipt_status = MessageStatus\nreceipt_delivered = delivered\n\
        receipt_failed = failed,undelivered\nreceipt_error = ErrorCode\n";
    const LISTED: &str = "receipt_match = /results/*/status\nreceipt_id = /results/*/messageId\n\
        receipt_status = /results/*/status/groupName\nreceipt_delivered = DELIVERED\n\
        receipt_failed = REJECTED,UNDELIVERABLE\nreceipt_reason = /results/*/error/description\n";
    const NESTED: &str = "receipt_match = /entry/*/changes/*/value/statuses\n\
        receipt_id = /entry/*/changes/*/value/statuses/*/id\n\
        receipt_status = /entry/*/changes/*/value/statuses/*/status\n\
        receipt_delivered = delivered,read\nreceipt_failed = failed\n\
        receipt_reason = /entry/*/changes/*/value/statuses/*/errors/0/title\n";
    let read = |keys: &&str| {
        let text = format!("[websmsd]\npermit_addr = 127.0.0.1\n{keys}");
        config::parse("websms.conf".as_ref(), &text, &|_, _| Ok(None)).ok()
    };
    let configs = [TWILIO, LISTED, NESTED];
    let configs: Vec<_> = configs.iter().filter_map(read).collect();
    assert_eq!(configs.len(), 3, "a configuration has a mistake");
    configs
        .into_iter()
        .flat_map(|(config, _)| config.incoming)
        .collect()
});

/// Documents with receipts: bounded in number and size, and each value stands in the
/// document.
pub fn receipts(data: &[u8]) {
    let mut input = Input(data);
    let choice = usize::from(input.byte()) % INTERFACES.len();
    let Some(incoming) = INTERFACES.get(choice) else {
        return;
    };
    let Ok(value) = serde_json::from_slice::<Value>(input.rest()) else {
        return;
    };
    let mut texts = Vec::new();
    collect(&value, &mut texts);
    let document = Document::new(value, Vec::new());
    let receipts = read_receipts(&document, incoming);
    assert!(receipts.len() <= RECORDS_MAX);
    for receipt in &receipts {
        receipt_is_sound(receipt, incoming, &texts);
    }
    assert_eq!(
        read_receipts(&document, incoming),
        receipts,
        "reading is not stable"
    );
    assert!((1..=RECORDS_MAX + 1).contains(&record::find(&document, incoming).len()));
}

fn receipt_is_sound(receipt: &Receipt, incoming: &IncomingInterface, texts: &[String]) {
    let Receipt {
        provider_id,
        state,
        status,
        reason,
        code,
        ..
    } = receipt;
    assert!(
        !provider_id.is_empty() && texts.contains(provider_id),
        "{provider_id} is made up"
    );
    assert!(is_short_line(status, 160));
    for text in [reason, code].into_iter().flatten() {
        assert!(!text.is_empty() && is_short_line(text, 160));
    }
    let is_one_of = |words: &[String]| words.iter().any(|word| word.eq_ignore_ascii_case(status));
    let paths = &incoming.receipts;
    match state {
        ReceiptState::Delivered => assert!(is_one_of(&paths.delivered)),
        ReceiptState::Failed => assert!(is_one_of(&paths.failed)),
        ReceiptState::Pending => {}
    }
}

/// The texts of a document, also of documents inside its strings.
fn collect(value: &Value, texts: &mut Vec<String>) {
    texts.extend(as_text(value));
    match value {
        Value::Array(values) => values.iter().for_each(|value| collect(value, texts)),
        Value::Object(members) => members.values().for_each(|value| collect(value, texts)),
        Value::String(text) => {
            let inner = lenient_json::parse(text.as_bytes());
            if let Ok(inner @ (Value::Array(_) | Value::Object(_))) = inner {
                collect(&inner, texts);
            }
        }
        Value::Bool(_) | Value::Null | Value::Number(_) => {}
    }
}
