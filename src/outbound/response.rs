//! Answer to verdict.

use serde_json::Value;

use crate::config::{ErrorCodes, ResponseId};
use crate::document::Document;
use crate::document::condition::{Condition, Subject};
use crate::document::cursor::Cursor;
use crate::document::path::FieldPath;
use crate::logging::excerpt;
use crate::outbound::verdict::{Outcome, Reason, Verdict};

/// Longest id of a provider that is remembered, in bytes.
const ID_MAX: usize = 256;

/// Longest explanation for the sender, in characters.
const EXPLANATION_MAX: usize = 160;

/// As much of an answer as the log shows, in characters.
const DETAIL_MAX: usize = 200;

/// Judges an answer: the HTTP status decides, then the check.
///
/// A server error is [`Outcome::Unknown`], because it says nothing about what
/// was done before it; 503 and 429 say that nothing was.
#[must_use]
pub(crate) fn verdict(check: Option<&Condition>, status: u16, body: &[u8]) -> Verdict {
    let (outcome, reason) = match status {
        200..=299 => match check {
            Some(check) if !passes(check, status, body) => {
                (Outcome::Rejected, Reason::UnexpectedAnswer)
            }
            _ => return Verdict::sent(format!("HTTP status {status}")),
        },
        300..=399 => (Outcome::Rejected, Reason::Redirected),
        401 => (Outcome::Rejected, Reason::Credentials),
        408 => (Outcome::Unknown, Reason::NoAnswer),
        429 | 503 => (Outcome::Failed, Reason::Busy),
        400..=499 => (Outcome::Rejected, Reason::Refused),
        _ => (Outcome::Unknown, Reason::ProviderError),
    };
    let said = String::from_utf8_lossy(body);
    Verdict::not_sent(outcome, reason, detail(status, &said))
}

/// What the provider says of its refusal, read as the configuration says.
#[must_use]
pub(crate) fn with_explanation(verdict: Verdict, errors: &ErrorCodes, body: &[u8]) -> Verdict {
    if verdict.reason.is_none() {
        return verdict;
    }
    let document = document(body);
    let text = |places: &[FieldPath]| {
        let texts = places
            .iter()
            .filter_map(|place| document.text(std::slice::from_ref(place), &Cursor::default()));
        texts
            .map(|text| excerpt(&text, EXPLANATION_MAX))
            .find(|text| !text.is_empty())
    };
    let code = text(&errors.code).unwrap_or_default();
    let words = errors.words(&code).map(str::to_owned);
    let turn = errors.fallback.contains(&code);
    let (outcome, reason) = if errors.retry.contains(&code) {
        (Outcome::Failed, Some(Reason::Busy))
    } else if turn {
        // A code that is known means that nothing was sent.
        (Outcome::Rejected, Some(Reason::Refused))
    } else {
        (verdict.outcome, verdict.reason)
    };
    Verdict {
        outcome,
        reason,
        use_fallback: turn,
        explanation: words.or_else(|| text(&errors.reason)),
        ..verdict
    }
}

/// What the provider calls the message that it accepted.
#[must_use]
pub(crate) fn provider_id(place: &ResponseId, body: &[u8]) -> Option<String> {
    let id = match place {
        ResponseId::At(places) => document(body).text(places, &Cursor::default()),
        ResponseId::Matched(pattern) => pattern
            .captures(&String::from_utf8_lossy(body))
            .and_then(|captures| captures.get(1))
            .map(|id| id.as_str().to_owned()),
    };
    id.filter(|id| !id.is_empty() && id.len() <= ID_MAX)
}

/// What the log says of an answer.
#[must_use]
pub(crate) fn detail(status: u16, said: &str) -> String {
    format!("HTTP status {status}: {:?}", excerpt(said, DETAIL_MAX))
}

fn passes(check: &Condition, status: u16, body: &[u8]) -> bool {
    check.holds(&Subject {
        document: &document(body),
        cursor: &Cursor::default(),
        text: &String::from_utf8_lossy(body),
        status: Some(status),
    })
}

/// An answer as JSON; one that is none holds nothing.
fn document(body: &[u8]) -> Document {
    Document {
        value: serde_json::from_slice(body).unwrap_or(Value::Null),
        headers: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex_lite::Regex;

    fn check(raw: &str) -> Condition {
        Condition::parse(raw).unwrap().unwrap()
    }

    #[test]
    fn status_decides() {
        use Outcome::{Failed, Rejected, Sent, Unknown};
        for (status, expected) in [
            (200, Sent),
            (201, Sent),
            (202, Sent),
            (204, Sent),
            (301, Rejected),
            (307, Rejected),
            (400, Rejected),
            (401, Rejected),
            (404, Rejected),
            (408, Unknown),
            (429, Failed),
            (500, Unknown),
            (502, Unknown),
            (503, Failed),
            (504, Unknown),
        ] {
            assert_eq!(verdict(None, status, b"{}").outcome, expected, "{status}");
        }
    }

    #[test]
    fn status_stands_above_the_check() {
        let check = check("status=success");
        let body = br#"{"status":"success"}"#;
        assert_eq!(verdict(Some(&check), 500, body).outcome, Outcome::Unknown);
        assert_eq!(verdict(Some(&check), 400, body).outcome, Outcome::Rejected);
    }

    #[test]
    fn check_decides_about_success() {
        for (raw, body, outcome) in [
            ("status=success", r#"{"status":"success"}"#, Outcome::Sent),
            ("status=success", r#"{"status":"error"}"#, Outcome::Rejected),
            ("http_status=202", "{}", Outcome::Rejected),
            (
                "/^Success \"[0-9a-f-]+\"/",
                "Success \"07033084-5cfd\"",
                Outcome::Sent,
            ),
            ("/^Success/", "Error \"x\"", Outcome::Rejected),
            ("status=success", "", Outcome::Rejected),
        ] {
            let verdict = verdict(Some(&check(raw)), 200, body.as_bytes());
            assert_eq!(verdict.outcome, outcome, "{raw} {body}");
        }
    }

    #[test]
    fn provider_id_is_found_in_json_and_in_text() {
        let at = |place: &str| ResponseId::At(vec![FieldPath::parse(place).unwrap()]);
        let matched = |pattern: &str| ResponseId::Matched(Regex::new(pattern).unwrap());
        for (place, body, expected) in [
            (at("/sid"), r#"{"sid":"SM1"}"#, Some("SM1")),
            (
                at("/messages/*/id"),
                r#"{"messages":[{"id":17}]}"#,
                Some("17"),
            ),
            (at("id"), r#"{"data":{"id":"x"}}"#, Some("x")),
            (at("/sid"), "OK", None),
            (at("/sid"), r#"{"sid":""}"#, None),
            (matched("^Success \"(.*)\""), "Success \"u-1\"", Some("u-1")),
            (matched("^Success \"(.*)\""), "Error", None),
        ] {
            assert_eq!(
                provider_id(&place, body.as_bytes()).as_deref(),
                expected,
                "{body}"
            );
        }
    }
}
