//! Conditions on documents: the language of `response_check`, `match`, `ignore`
//! and `receipt_match`.
//!
//! ```text
//! key=value             some member `key`, at any depth, has the value
//! /data/type=sms|mms    the value at the pointer is one of these
//! /data/type!=sms       no value at the pointer is this
//! /data/id~^[0-9]+$     the value at the pointer matches the pattern
//! /data/id              the value exists and is not null
//! !/errors              any of these, negated
//! http_status=2xx|304   the status of an HTTP response
//! /pattern/i            the body, as received, matches
//! ```
//!
//! Several clauses are joined by ` & `. When a pointer with `*` finds several
//! values, all of them must pass; finding none fails.

use regex_lite::Regex;
use serde_json::Value;

use crate::document::cursor::Cursor;
use crate::document::path::FieldPath;
use crate::document::{Document, as_text};

/// Clauses that must all hold.
#[derive(Debug, Clone)]
pub struct Condition(Vec<Clause>);

#[derive(Debug, Clone)]
enum Clause {
    Not(Box<Clause>),
    Pattern(Regex),
    /// Three characters each, where `x` matches any digit.
    Status(Vec<String>),
    Value(FieldPath, Test),
}

#[derive(Debug, Clone)]
enum Test {
    Matches(Regex),
    OneOf(Vec<String>),
    Present,
}

/// What a condition is tested on.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Its value is `null` when the body is not a document.
    pub document: &'a Document,
    /// The element of the document to look at.
    pub cursor: &'a Cursor,
    /// The body as received.
    pub text: &'a str,
    /// The HTTP status; `None` when the subject is a request.
    pub status: Option<u16>,
}

/// What there is of a body that is not a whole document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Its start.
    Start,
    /// All of its text.
    Text,
}

impl Condition {
    /// Parses a condition; `None` for the empty text.
    ///
    /// # Errors
    /// When a clause is malformed.
    pub fn parse(raw: &str) -> Result<Option<Self>, String> {
        if raw.is_empty() {
            return Ok(None);
        }
        // A pattern may contain ` & `.
        if is_pattern(raw) {
            return Ok(Some(Self(vec![clause(raw)?])));
        }
        let clauses = raw.split(" & ").map(|raw| clause(raw.trim()));
        clauses.collect::<Result<_, _>>().map(Self).map(Some)
    }

    /// Whether all clauses hold.
    pub fn holds(&self, subject: &Subject<'_>) -> bool {
        self.0.iter().all(|clause| clause.holds(subject))
    }

    /// Whether a clause does not hold for a value that the document has.
    pub(crate) fn fails_on_a_value(&self, document: &Document) -> bool {
        self.0
            .iter()
            .any(|clause| clause.fails_on_a_value(document))
    }

    /// The places that clauses compare the value of, and of which the document has
    /// not even the outermost member.
    pub(crate) fn missing_places(&self, document: &Document) -> Vec<&FieldPath> {
        let compared = self.0.iter().filter_map(|clause| match clause {
            Clause::Value(path, Test::Matches(_) | Test::OneOf(_)) => Some(path),
            _ => None,
        });
        compared.filter(|path| !document.has_start(path)).collect()
    }

    /// Whether all clauses hold, when the body of the subject is no document, or could
    /// not be read to its end; `None` when what is missing decides.
    pub fn holds_in_part(&self, subject: &Subject<'_>, part: Part) -> Option<bool> {
        let mut all = Some(true);
        for clause in &self.0 {
            match clause.holds_in_part(subject, part) {
                Some(false) => return Some(false),
                Some(true) => {}
                None => all = None,
            }
        }
        all
    }
}

fn clause(raw: &str) -> Result<Clause, String> {
    if let Some(rest) = raw.strip_prefix('!') {
        return clause(rest.trim_start()).map(|clause| Clause::Not(Box::new(clause)));
    }
    if let Some(statuses) = raw.strip_prefix("http_status=") {
        return statuses
            .split('|')
            .map(status)
            .collect::<Result<_, _>>()
            .map(Clause::Status);
    }
    if is_pattern(raw) {
        return pattern(raw).map(Clause::Pattern);
    }
    let unknown = || {
        format!(
            "{raw:?} is not a condition (expected key=value, /pointer=value, /pointer, \
             http_status=2xx or /pattern/, several joined by \" & \")"
        )
    };
    let (path, operator, value) = split_clause(raw);
    if path.is_empty() {
        return Err(unknown());
    }
    if operator.is_empty() && !path.starts_with('/') {
        return Err(unknown());
    }
    if operator.is_empty() && path.contains(|c: char| "^$()[]\\?+|. ".contains(c)) {
        return Err(format!(
            "the pattern {raw:?} is not closed (expected /pattern/)"
        ));
    }
    let path = FieldPath::parse(path)?;
    let values = || Test::OneOf(alternatives(value));
    Ok(match operator {
        "" => Clause::Value(path, Test::Present),
        "!=" => Clause::Not(Box::new(Clause::Value(path, values()))),
        "~" => Clause::Value(path, Test::Matches(regex(value)?)),
        _ => Clause::Value(path, values()),
    })
}

/// Splits a clause into path, operator and value. A `~` before 0 or 1 is an
/// escape of the pointer, not the operator.
fn split_clause(raw: &str) -> (&str, &str, &str) {
    let tilde = raw.match_indices('~').find(|(at, _)| {
        let next = raw.as_bytes().get(at + 1);
        raw.starts_with('/') && !matches!(next, Some(b'0' | b'1'))
    });
    let equals = raw.find('=');
    match (equals, tilde) {
        (equals, Some((at, _))) if equals.is_none_or(|equals| at < equals) => {
            let (path, rest) = raw.split_at(at);
            (path.trim(), "~", rest.get(1..).unwrap_or_default())
        }
        (Some(at), _) => {
            let (path, rest) = raw.split_at(at);
            let value = rest.get(1..).unwrap_or_default().trim();
            match path.strip_suffix('!') {
                Some(path) => (path.trim(), "!=", value),
                None => (path.trim(), "=", value),
            }
        }
        _ => (raw, "", ""),
    }
}

/// The alternatives between `|`, and the whole value, which may hold a `|`.
fn alternatives(value: &str) -> Vec<String> {
    let mut values: Vec<_> = value
        .split('|')
        .map(|value| value.trim().to_owned())
        .collect();
    if values.len() > 1 {
        values.push(value.to_owned());
    }
    values
}

fn status(raw: &str) -> Result<String, String> {
    let digits = raw
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'x');
    if raw.len() == 3 && digits {
        Ok(raw.to_owned())
    } else {
        Err(format!(
            "{raw:?} is not an HTTP status (expected e.g. 202 or 2xx)"
        ))
    }
}

/// Whether `raw` is `/pattern/flags`, with flags of PHP's PCRE, and not a
/// pointer.
pub(crate) fn is_pattern(raw: &str) -> bool {
    raw.strip_prefix('/')
        .and_then(|rest| rest.rsplit_once('/'))
        .is_some_and(|(_, flags)| flags.chars().all(|flag| "imsxuADSUXJn".contains(flag)))
}

/// Parses `/pattern/flags`. Flags are those of PHP that mean the same here.
///
/// # Errors
/// When the closing `/` is missing, or the pattern or a flag is unknown.
pub(crate) fn pattern(raw: &str) -> Result<Regex, String> {
    let (pattern, flags) = raw
        .strip_prefix('/')
        .and_then(|rest| rest.rsplit_once('/'))
        .ok_or("the pattern is not closed (expected /pattern/)")?;
    if !flags.chars().all(|flag| "imsx".contains(flag)) {
        return Err(format!(
            "unknown flags {flags:?} (expected some of i, m, s, x)"
        ));
    }
    if flags.is_empty() {
        regex(pattern)
    } else {
        regex(&format!("(?{flags}){pattern}"))
    }
}

fn regex(pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|error| format!("not a pattern: {error}"))
}

impl Clause {
    fn holds(&self, subject: &Subject<'_>) -> bool {
        match self {
            Self::Not(clause) => !clause.holds(subject),
            Self::Pattern(pattern) => pattern.is_match(subject.text),
            Self::Status(statuses) => subject.status.is_some_and(|status| {
                let status = status.to_string();
                statuses.iter().any(|wanted| has_status(wanted, &status))
            }),
            Self::Value(path, test) => {
                let found = subject.document.find(path, subject.cursor);
                let mut passes = found.iter().map(|value| test.passes(value));
                match path {
                    // One of several members with this name is enough.
                    FieldPath::Constant(_) | FieldPath::Header(_) | FieldPath::Name(_) => {
                        passes.any(|passes| passes)
                    }
                    FieldPath::Pointer(_) => !found.is_empty() && passes.all(|passes| passes),
                }
            }
        }
    }

    fn fails_on_a_value(&self, document: &Document) -> bool {
        let fails = || {
            !self.holds(&Subject {
                document,
                cursor: &Cursor::default(),
                text: "",
                status: None,
            })
        };
        match self {
            Self::Value(_, Test::Present) => false,
            Self::Value(path, _) => document.has_start(path) && fails(),
            Self::Not(_) | Self::Pattern(_) | Self::Status(_) => fails(),
        }
    }

    fn holds_in_part(&self, subject: &Subject<'_>, part: Part) -> Option<bool> {
        match (self, part) {
            (Self::Not(clause), _) => clause.holds_in_part(subject, part).map(|holds| !holds),
            (Self::Pattern(pattern), Part::Start) => {
                stays_found(pattern, subject.text).then_some(true)
            }
            (Self::Pattern(_), Part::Text) | (Self::Status(_), _) => Some(self.holds(subject)),
            (Self::Value(..), _) => None,
        }
    }
}

/// Whether a pattern that matches the start of a text matches the whole, whatever
/// follows: `$`, `\b` or `[^x]*` see the end of the text or the next character.
fn stays_found(pattern: &Regex, text: &str) -> bool {
    // A character may be cut in two.
    let text = text.trim_end_matches('\u{fffd}');
    let all: String = (0..=u8::MAX).map(char::from).collect();
    let follows = |next: &str| pattern.is_match(&format!("{text}{next}{all}"));
    pattern.is_match(text) && ["\n", "a", "!"].into_iter().all(follows)
}

fn has_status(wanted: &str, status: &str) -> bool {
    wanted
        .bytes()
        .zip(status.bytes())
        .all(|(wanted, digit)| wanted == b'x' || wanted == digit)
}

impl Test {
    fn passes(&self, value: &Value) -> bool {
        let text = || as_text(value);
        match self {
            Self::Matches(pattern) => text().is_some_and(|text| pattern.is_match(&text)),
            Self::OneOf(values) => text().is_some_and(|text| values.contains(&text)),
            Self::Present => !value.is_null(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(condition: &str, json: &str) -> bool {
        let value = serde_json::from_str(json).unwrap_or_default();
        let document = Document::new(value, vec![("x-kind".to_owned(), "sms".to_owned())]);
        let condition = Condition::parse(condition).unwrap().unwrap();
        condition.holds(&Subject {
            document: &document,
            cursor: &Cursor::default(),
            text: json,
            status: Some(202),
        })
    }

    #[test]
    fn part_of_a_body_decides_only_what_it_shows() {
        for (condition, expected) in [
            ("http_status=202", Some(true)),
            ("http_status=200", Some(false)),
            ("status=ok", None),
            ("!status=ok", None),
            ("status!=ok", None),
            ("/^Succ/", Some(true)),
            ("/^Error/", None),
            ("!/^Succ/", Some(false)),
            ("!/^Error/", None),
            ("/^Succ$/", None),
            ("/^Succ\\b/", None),
            ("/^Succ[^E]*$/s", None),
            ("/^Succ.*/", Some(true)),
            ("!/^Succ$/", None),
            ("http_status=202 & status=ok", None),
            ("status=ok & http_status=200", Some(false)),
        ] {
            let parsed = Condition::parse(condition).unwrap().unwrap();
            let subject = Subject {
                document: &Document::default(),
                cursor: &Cursor::default(),
                text: "Succ",
                status: Some(202),
            };
            let holds = parsed.holds_in_part(&subject, Part::Start);
            assert_eq!(holds, expected, "{condition}");
            // Of the whole text, a pattern decides; the fields of no document do not.
            let holds = parsed.holds_in_part(&subject, Part::Text);
            let needs_document = expected.is_none() && !condition.contains("/^");
            assert_eq!(holds.is_none(), needs_document, "{condition}");
        }
    }

    #[test]
    fn condition_holds_when_all_clauses_hold() {
        for (condition, json, expected) in [
            ("status=success", r#"{"a":{"status":"success"}}"#, true),
            ("status=success", r#"{"status":"error"}"#, false),
            ("status=0", r#"{"m":[{"status":"1"},{"status":0}]}"#, true),
            ("k=a=b", r#"{"k":"a=b"}"#, true),
            ("k=a&b", r#"{"k":"a&b"}"#, true),
            ("k=a|b", r#"{"k":"b"}"#, true),
            ("k=a|b", r#"{"k":"a|b"}"#, true),
            ("k!=a", r#"{"k":"b"}"#, true),
            ("k!=a", r#"{"x":{"k":"a"}}"#, false),
            ("k!=a", "{}", true),
            (
                "/m/*/status=0",
                r#"{"m":[{"status":"0"},{"status":0}]}"#,
                true,
            ),
            (
                "/m/*/status=0",
                r#"{"m":[{"status":"0"},{"status":1}]}"#,
                false,
            ),
            ("/m/*/status=0", r#"{"m":[]}"#, false),
            ("/m/*/status!=1", r#"{"m":[]}"#, true),
            ("/status=success", r#"{"a":{"status":"success"}}"#, false),
            ("/type = mo | mt", r#"{"type":"mo"}"#, true),
            ("/type=mo|mt", r#"{"type":"mt"}"#, true),
            ("/a~1b=c", r#"{"a/b":"c"}"#, true),
            ("/id~^[0-9]+$", r#"{"id":17}"#, true),
            ("/id~^[0-9]+$", r#"{"id":"x"}"#, false),
            ("/id~a=b", r#"{"id":"xa=by"}"#, true),
            ("/sid", r#"{"sid":""}"#, true),
            ("/sid", r#"{"sid":null}"#, false),
            ("!/errors", r#"{"sid":1}"#, true),
            ("!/errors", r#"{"errors":[]}"#, false),
            ("! /errors", r#"{"sid":1}"#, true),
            ("! http_status=202", "{}", false),
            ("! /OK/", "not OK", false),
            ("header:X-Kind=sms", "{}", true),
            ("http_status=202", "{}", true),
            ("http_status=2xx & /ok=true", r#"{"ok":true}"#, true),
            ("http_status=200|201", "{}", false),
            ("http_status=2xx & /ok=true", r#"{"ok":false}"#, false),
            (
                "/^Success \"[0-9a-f-]+\"/",
                "Success \"07033084-5cfd\"",
                true,
            ),
            ("/a & b/i", "A & B", true),
            ("/^[03]:/", "1: no", false),
            ("!/^Error/", "Success", true),
            ("status=success", "OK", false),
            ("status=success", "", false),
        ] {
            assert_eq!(holds(condition, json), expected, "{condition} {json}");
        }
    }

    #[test]
    fn malformed_condition_is_refused() {
        for raw in [
            "success",
            "/^OK",
            "=x",
            "/OK/u",
            "/(/",
            "http_status=20",
            "http_status=ok",
            "/a~2=x & ",
            "a=b & c",
            "!",
        ] {
            assert!(Condition::parse(raw).is_err(), "{raw}");
        }
        assert!(Condition::parse("").unwrap().is_none());
    }
}
