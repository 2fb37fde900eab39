//! Response of a provider to verdict. Pure.

use std::borrow::Cow;

use serde_json::Value;

use crate::config::{ErrorCodes, ResponsePlace};
use crate::document::Document;
use crate::document::condition::{Condition, Part, Subject};
use crate::document::cursor::Cursor;
use crate::document::lenient_json;
use crate::document::path::FieldPath;
use crate::logging::excerpt;
use crate::outbound::verdict::{Outcome, Reason, Verdict};

/// Longest id of a provider that is remembered, in bytes.
const ID_MAX: usize = 256;

/// Longest explanation for the sender, in characters.
const EXPLANATION_MAX: usize = 160;

/// As much of a response as the log shows, in characters.
const DETAIL_MAX: usize = 200;

/// First bytes of a body that is compressed, whatever its headers say (RFC 1952,
/// section 2.3.1). We ask for no compression.
const GZIP: &[u8] = &[0x1f, 0x8b];

/// A response, as far as it was read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer<'a> {
    pub status: u16,
    pub body: &'a [u8],
    /// Whether this is the body as the provider wrote it, to its end.
    pub is_complete: bool,
}

/// The verdict on a message: the HTTP status decides, then the check.
///
/// A server error is [`Outcome::Unknown`], because it does not say what was done
/// before it; 503 and 429 say that nothing was. So is a success whose body cannot be
/// read and would have decided: the provider may have sent the message.
pub(crate) fn verdict(check: Option<&Condition>, answer: Answer<'_>) -> Verdict {
    let Answer { status, body, .. } = answer;
    let (outcome, reason) = match status {
        200..=299 => match check.map_or(Some(true), |check| passes(check, answer)) {
            Some(true) => return Verdict::sent(format!("HTTP status {status}")),
            Some(false) => (Outcome::Rejected, Reason::UnexpectedAnswer),
            None => (Outcome::Unknown, Reason::UnreadableAnswer),
        },
        300..=399 => (Outcome::Rejected, Reason::Redirected),
        401 => (Outcome::Rejected, Reason::Credentials),
        408 => (Outcome::Unknown, Reason::NoAnswer),
        429 | 503 => (Outcome::Failed, Reason::Busy),
        400..=499 => (Outcome::Rejected, Reason::Refused),
        _ => (Outcome::Unknown, Reason::ProviderError),
    };
    let text = String::from_utf8_lossy(body);
    Verdict::not_sent(outcome, reason, detail(status, &text))
}

/// The verdict with the provider's code and words for its refusal, which the
/// configuration finds in the response and interprets.
pub(crate) fn with_explanation(
    verdict: Verdict,
    errors: &ErrorCodes,
    answer: Answer<'_>,
) -> Verdict {
    if verdict.reason.is_none() {
        return verdict;
    }
    let body = Body::new(answer.body);
    let words = |place| {
        let text = body.words(place)?;
        Some(excerpt(&text, EXPLANATION_MAX)).filter(|text| !text.is_empty())
    };
    let is_refused = verdict.outcome != Outcome::Unknown;
    let code = errors.code.as_ref().and_then(words);
    let codes = errors.of_response(code, answer.status, is_refused);
    let mut known = codes.iter().filter_map(|code| errors.explanation(code));
    let configured = known.next().map(str::to_owned);
    let is_in = |list: &[String]| codes.iter().any(|code| list.contains(code));
    let use_fallback = is_in(&errors.fallback);
    let (outcome, reason) = if is_in(&errors.retry) {
        (Outcome::Failed, Some(Reason::Busy))
    } else if use_fallback {
        // A listed code means that nothing was sent.
        (Outcome::Rejected, Some(Reason::Refused))
    } else {
        (verdict.outcome, verdict.reason)
    };
    Verdict {
        outcome,
        reason,
        use_fallback,
        explanation: configured.or_else(|| errors.reason.as_ref().and_then(words)),
        ..verdict
    }
}

/// The provider's id of a picture that was uploaded before its message.
///
/// # Errors
/// The verdict on the message when the response is a refusal or names no id.
pub(crate) fn uploaded_id(
    paths: &[FieldPath],
    errors: &ErrorCodes,
    status: u16,
    body: &[u8],
) -> Result<String, Verdict> {
    let is_complete = true;
    let answer = Answer {
        status,
        body,
        is_complete,
    };
    let verdict = verdict(None, answer);
    let refused = match (verdict.outcome, id_at(paths, body)) {
        (Outcome::Sent, Some(id)) => return Ok(id),
        (Outcome::Sent, None) => {
            let (outcome, reason) = if json(body).is_some() {
                (Outcome::Rejected, Reason::UnexpectedAnswer)
            } else {
                (Outcome::Unknown, Reason::UnreadableAnswer)
            };
            Verdict::not_sent(outcome, reason, verdict.detail)
        }
        _ => verdict,
    };
    Err(message_not_sent(with_explanation(refused, errors, answer)))
}

/// The verdict on a message whose picture may or may not have been uploaded: the
/// message itself was not sent, so another attempt is safe.
pub(crate) fn message_not_sent(verdict: Verdict) -> Verdict {
    let outcome = match verdict.outcome {
        Outcome::Unknown => Outcome::Failed,
        outcome => outcome,
    };
    Verdict { outcome, ..verdict }
}

/// The provider's id of the message that it accepted.
pub(crate) fn provider_id(place: &ResponsePlace, body: &[u8]) -> Option<String> {
    match place {
        ResponsePlace::At(paths) => id_at(paths, body),
        ResponsePlace::Matched(_) => Body::new(body).words(place).and_then(checked_id),
    }
}

/// The body of a response, as text and as a document.
struct Body<'a> {
    /// `null` when it is none.
    document: Document,
    is_document: bool,
    is_compressed: bool,
    text: Cow<'a, str>,
}

impl<'a> Body<'a> {
    fn new(body: &'a [u8]) -> Self {
        let value = json(body);
        Self {
            is_document: value.is_some(),
            is_compressed: body.starts_with(GZIP),
            document: Document::new(value.unwrap_or_default(), Vec::new()),
            text: String::from_utf8_lossy(without_mark(body)),
        }
    }

    /// What there is of it; `None` when that is all. A `Content-Length` that is too
    /// small cuts a body off without an error: one that is empty, or starts as JSON
    /// and is none, is taken for cut off.
    fn part(&self, is_complete: bool) -> Option<Part> {
        let text = self.text.trim_ascii_start();
        let is_broken = text.is_empty() || text.starts_with(['{', '[']);
        if !is_complete || self.is_compressed || (is_broken && !self.is_document) {
            return Some(Part::Start);
        }
        (!self.is_document).then_some(Part::Text)
    }

    /// The first text at a place that is not empty.
    fn words(&self, place: &ResponsePlace) -> Option<String> {
        let at = |path| {
            let paths = std::slice::from_ref(path);
            let text = self.document.text(paths, &Cursor::default());
            text.filter(|text| !text.trim().is_empty())
        };
        match place {
            ResponsePlace::At(paths) => paths.iter().find_map(at),
            ResponsePlace::Matched(pattern) => {
                let captures = pattern.captures(&self.text)?;
                captures.get(1).map(|group| group.as_str().to_owned())
            }
        }
    }
}

/// A body without its byte order mark.
pub(crate) fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body)
}

fn id_at(paths: &[FieldPath], body: &[u8]) -> Option<String> {
    let id = Body::new(body).document.text(paths, &Cursor::default());
    id.and_then(checked_id)
}

fn checked_id(id: String) -> Option<String> {
    let allowed = !id.is_empty() && id.len() <= ID_MAX;
    allowed.then_some(id)
}

/// A response for the log.
pub(crate) fn detail(status: u16, text: &str) -> String {
    format!("HTTP status {status}: {:?}", excerpt(text, DETAIL_MAX))
}

/// Whether the check holds; `None` when that cannot be seen.
fn passes(check: &Condition, answer: Answer<'_>) -> Option<bool> {
    let body = Body::new(answer.body);
    let subject = Subject {
        document: &body.document,
        cursor: &Cursor::default(),
        text: &body.text,
        status: Some(answer.status),
    };
    match body.part(answer.is_complete) {
        None => Some(check.holds(&subject)),
        Some(part) => check.holds_in_part(&subject, part),
    }
}

/// A body as JSON. Some gateways write a second document behind the first, or a
/// warning.
pub(crate) fn json(body: &[u8]) -> Option<Value> {
    let first = || lenient_json::parse_first(body).ok();
    // Plain text may start with a number.
    let structured = |value: &Value| value.is_array() || value.is_object();
    let whole = lenient_json::parse(body).ok();
    whole.or_else(|| first().filter(structured))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use regex_lite::Regex;

    fn verdict(check: Option<&Condition>, status: u16, body: &[u8]) -> Verdict {
        let is_complete = true;
        let answer = Answer {
            status,
            body,
            is_complete,
        };
        super::verdict(check, answer)
    }

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
    fn refused_upload_is_safe_to_repeat() {
        let paths = vec![FieldPath::parse("/id").unwrap()];
        let id = |status, body: &str| {
            uploaded_id(&paths, &ErrorCodes::default(), status, body.as_bytes())
        };
        assert_eq!(id(200, r#"{"id":"M1"}"#), Ok("M1".to_owned()));
        for (status, body, outcome, reason) in [
            (200, "{}", Outcome::Rejected, Reason::UnexpectedAnswer),
            (
                200,
                r#"{"id":"M"#,
                Outcome::Failed,
                Reason::UnreadableAnswer,
            ),
            (400, r#"{"id":"M1"}"#, Outcome::Rejected, Reason::Refused),
            (
                500,
                r#"{"id":"M1"}"#,
                Outcome::Failed,
                Reason::ProviderError,
            ),
        ] {
            let verdict = id(status, body).unwrap_err();
            assert_eq!((verdict.outcome, verdict.reason), (outcome, Some(reason)));
        }
    }

    #[test]
    fn status_takes_precedence_over_the_check() {
        let check = check("status=success");
        let body = br#"{"status":"success"}"#;
        assert_eq!(verdict(Some(&check), 500, body).outcome, Outcome::Unknown);
        assert_eq!(verdict(Some(&check), 400, body).outcome, Outcome::Rejected);
    }

    #[test]
    fn check_decides_on_success() {
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
            ("status=success", "no JSON", Outcome::Unknown),
            (
                "status=success & http_status=202",
                "no JSON",
                Outcome::Rejected,
            ),
            ("!/error", "<html>", Outcome::Unknown),
            ("status=success", "{'status':'success'}", Outcome::Unknown),
            ("/^Success/", "Error {", Outcome::Rejected),
            ("/^[03]:/", "3: Queued", Outcome::Sent),
            ("http_status=200", "", Outcome::Sent),
            ("http_status=202", "", Outcome::Rejected),
        ] {
            let verdict = verdict(Some(&check(raw)), 200, body.as_bytes());
            assert_eq!(verdict.outcome, outcome, "{raw} {body}");
        }
    }

    #[test]
    fn answer_is_read_as_programs_write_it() {
        let success = check("status=success");
        for body in [
            "\u{feff}{\"status\":\"success\",\"id\":7}",
            "{\"status\":\"success\",\"id\":7,\"name\":\"half \\ud83d of it\"}",
            "{\"status\":\"success\",\"id\":7,\"text\":\"a\tb\nc\"}",
            "{\"status\":\"success\",\"id\":7}{\"status\":\"error\"}",
            "{\"status\":\"success\",\"id\":7}\r\n<br />Warning",
        ] {
            assert_eq!(
                verdict(Some(&success), 200, body.as_bytes()).outcome,
                Outcome::Sent,
                "{body}"
            );
            let at = ResponsePlace::At(vec![FieldPath::parse("/id").unwrap()]);
            assert_eq!(
                provider_id(&at, body.as_bytes()).as_deref(),
                Some("7"),
                "{body}"
            );
        }
        let text = check("/^OK/");
        assert_eq!(
            verdict(Some(&text), 200, "\u{feff}OK".as_bytes()).outcome,
            Outcome::Sent
        );
        let half = explained(
            "resp_error = /c\nreason = 7: so",
            400,
            "{\"c\":\"7\",\"n\":\"\\ud83d\"}",
        );
        assert_eq!(half.explanation.as_deref(), Some("so"));
    }

    #[test]
    fn success_with_an_unreadable_body_is_unknown() {
        let sent = br#"{"status":"success"}"#;
        let whole = true;
        for (raw, body, is_complete, outcome) in [
            ("status=success", &sent[..], whole, Outcome::Sent),
            ("status=success", &sent[..12], whole, Outcome::Unknown),
            ("status!=error", &sent[..12], whole, Outcome::Unknown),
            ("status=success", b"[", whole, Outcome::Unknown),
            ("status=success", b"", whole, Outcome::Unknown),
            ("/^Success/", b" \r\n", whole, Outcome::Unknown),
            ("status=success", sent, false, Outcome::Unknown),
            ("/success/", sent, false, Outcome::Sent),
            ("!/error/", sent, false, Outcome::Unknown),
            ("!/success/", sent, false, Outcome::Rejected),
            ("status=success", b"\x1f\x8b\x08", whole, Outcome::Unknown),
            ("http_status=200", b"\x1f\x8b\x08", whole, Outcome::Sent),
        ] {
            let answer = Answer {
                status: 200,
                body,
                is_complete,
            };
            let verdict = super::verdict(Some(&check(raw)), answer);
            assert_eq!(verdict.outcome, outcome, "{raw} {body:?}");
            let unreadable = verdict.reason == Some(Reason::UnreadableAnswer);
            assert_eq!(unreadable, outcome == Outcome::Unknown, "{raw} {body:?}");
        }
        let cut = Answer {
            status: 400,
            body: b"",
            is_complete: false,
        };
        let refused = super::verdict(Some(&check("status=success")), cut);
        assert_eq!(refused.outcome, Outcome::Rejected, "the status decides");
    }

    /// The verdict on a response by these lines of `[websms]`.
    fn explained(lines: &str, status: u16, body: &str) -> Verdict {
        let text = format!("[websms]\nhost = https://h\nauth_method = none\n{lines}\n");
        let parsed = config::parse("websms.conf".as_ref(), &text, &|_, _| Ok(None));
        let (config, _) = parsed.unwrap();
        let outgoing = config.outgoing.first().unwrap();
        let answer = Answer {
            status,
            body: body.as_bytes(),
            is_complete: true,
        };
        let verdict = super::verdict(outgoing.response_check.as_ref(), answer);
        with_explanation(verdict, &outgoing.errors, answer)
    }

    #[test]
    fn code_and_reason_are_found_in_plain_text() {
        let lines = "response_check = /^ID:/\nresp_error = /^ERR: (\\d+)/\n\
                     resp_reason = /^ERR: \\d+, (.*)/\nreason = 114: this network cannot be \
                     reached\nretry_on = 901\nfallback_on = 301";
        for (body, outcome, explanation, use_fallback) in [
            (
                "ERR: 114, Cannot route message",
                Outcome::Rejected,
                Some("this network cannot be reached"),
                false,
            ),
            (
                "ERR: 113, Max message parts exceeded",
                Outcome::Rejected,
                Some("Max message parts exceeded"),
                false,
            ),
            (
                "ERR: 901, Internal error",
                Outcome::Failed,
                Some("Internal error"),
                false,
            ),
            (
                "ERR: 301, No credit left",
                Outcome::Rejected,
                Some("No credit left"),
                true,
            ),
            ("ERR", Outcome::Rejected, None, false),
            ("ID: 7", Outcome::Sent, None, false),
        ] {
            let verdict = explained(lines, 200, body);
            assert_eq!(verdict.outcome, outcome, "{body}");
            assert_eq!(verdict.explanation.as_deref(), explanation, "{body}");
            assert_eq!(verdict.use_fallback, use_fallback, "{body}");
        }
    }

    #[test]
    fn status_is_a_code_among_the_others() {
        use Outcome::{Failed, Rejected, Unknown};
        for (lines, status, body, outcome, use_fallback) in [
            ("retry_on = 402", 402, "", Failed, false),
            ("retry_on = 402", 403, "", Rejected, false),
            ("retry_on = http_status=402", 402, "", Failed, false),
            ("fallback_on = 404", 404, "<html>", Rejected, true),
            ("fallback_on = http_status=500", 500, "", Rejected, true),
            // Where responses have codes of their own, 402 may be one of them.
            (
                "resp_error = /code\nretry_on = 402",
                402,
                "{}",
                Rejected,
                false,
            ),
            (
                "resp_error = /code\nretry_on = http_status=402",
                402,
                r#"{"code":7}"#,
                Failed,
                false,
            ),
            (
                "resp_error = /code\nretry_on = 402",
                500,
                r#"{"code":402}"#,
                Failed,
                false,
            ),
            (
                "resp_error = /code\nretry_on = 500",
                500,
                "{}",
                Unknown,
                false,
            ),
        ] {
            let verdict = explained(lines, status, body);
            assert_eq!(verdict.outcome, outcome, "{lines}, {status} {body}");
            assert_eq!(
                verdict.use_fallback, use_fallback,
                "{lines}, {status} {body}"
            );
        }
        let lines = "reason = http_status=402: too many in a short time\nresp_error = /code";
        let explanation = explained(lines, 402, "").explanation;
        assert_eq!(explanation.as_deref(), Some("too many in a short time"));
    }

    #[test]
    fn provider_id_is_found_in_json_and_in_text() {
        let at = |path: &str| ResponsePlace::At(vec![FieldPath::parse(path).unwrap()]);
        let matched = |pattern: &str| ResponsePlace::Matched(Regex::new(pattern).unwrap());
        for (location, body, expected) in [
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
                provider_id(&location, body.as_bytes()).as_deref(),
                expected,
                "{body}"
            );
        }
    }
}
