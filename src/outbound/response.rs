//! Answer to verdict.

use serde_json::Value;

use super::verdict::{Outcome, Reason, Verdict};
use crate::config::ResponseCheck;
use crate::pointer;

/// Judges an answer: the HTTP status decides, then the check.
///
/// A server error is [`Outcome::Unknown`], because it says nothing about what
/// was done before it; 503 and 429 say that nothing was.
#[must_use]
pub fn judge(check: Option<&ResponseCheck>, status: u16, body: &[u8]) -> Verdict {
    let (outcome, reason) = match status {
        200..=299 => match check {
            Some(check) if !passes(check, body) => (Outcome::Rejected, Reason::UnexpectedAnswer),
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

/// What the log says of an answer.
#[must_use]
pub fn detail(status: u16, said: &str) -> String {
    format!("HTTP status {status}: {}", excerpt(said))
}

fn passes(check: &ResponseCheck, body: &[u8]) -> bool {
    match check {
        ResponseCheck::Member { key, value } => {
            let Ok(answer) = serde_json::from_slice::<Value>(body) else {
                return false;
            };
            pointer::members(&answer, key)
                .into_iter()
                .filter_map(pointer::as_text)
                .any(|text| text == *value)
        }
        ResponseCheck::Pattern(pattern) => pattern.is_match(&String::from_utf8_lossy(body)),
    }
}

/// The start of what a provider said, for one line of the log.
fn excerpt(said: &str) -> String {
    const SHOWN: usize = 200;
    let start: String = said.chars().take(SHOWN).collect();
    let more = if start.len() < said.len() { "…" } else { "" };
    format!("{:?}{more}", start.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex_lite::Regex;

    fn member(key: &str, value: &str) -> ResponseCheck {
        ResponseCheck::Member {
            key: key.to_owned(),
            value: value.to_owned(),
        }
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
            assert_eq!(judge(None, status, b"{}").outcome, expected, "{status}");
        }
    }

    #[test]
    fn status_stands_above_the_check() {
        let check = member("status", "success");
        let body = br#"{"status":"success"}"#;
        assert_eq!(judge(Some(&check), 500, body).outcome, Outcome::Unknown);
        assert_eq!(judge(Some(&check), 400, body).outcome, Outcome::Rejected);
    }

    #[test]
    fn member_is_compared_as_text_at_any_depth() {
        for (key, value, body, passes) in [
            ("status", "success", r#"{"status":"success"}"#, true),
            ("status", "success", r#"{"status":"error"}"#, false),
            ("status", "0", r#"{"status":0}"#, true),
            ("ok", "true", r#"{"ok":true}"#, true),
            (
                "status",
                "queued",
                r#"{"result":{"message":{"status":"queued"}}}"#,
                true,
            ),
            (
                "status",
                "0",
                r#"{"messages":[{"status":"1"},{"status":"0"}]}"#,
                true,
            ),
            ("k", "a=b", r#"{"k":"a=b"}"#, true),
            ("status", "success", "OK", false),
            ("status", "success", "", false),
            ("status", "success", "[]", false),
        ] {
            let verdict = judge(Some(&member(key, value)), 200, body.as_bytes());
            assert_eq!(verdict.outcome == Outcome::Sent, passes, "{body}");
        }
    }

    #[test]
    fn pattern_sees_the_answer_as_it_came() {
        let check = ResponseCheck::Pattern(Regex::new("^Success \"[0-9a-f-]+\"").unwrap());
        let sent = judge(Some(&check), 200, b"Success \"07033084-5cfd\"");
        assert_eq!(sent.outcome, Outcome::Sent);
        assert_eq!(
            judge(Some(&check), 200, b"Error \"x\"").outcome,
            Outcome::Rejected
        );
    }

    #[test]
    fn excerpt_is_one_short_printable_line() {
        let said = format!("bad\r\n\u{1b}[31m{}", "x".repeat(300));
        let shown = excerpt(&said);
        assert!(!shown.chars().any(char::is_control), "{shown}");
        assert!(shown.chars().count() < 230, "{shown}");
    }
}
