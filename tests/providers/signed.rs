//! Random requests, signed by the SDKs, to `websmsd`: unchanged, tampered with, and
//! too late.

use std::time::{SystemTime, UNIX_EPOCH};

use proptest::collection::vec;
use proptest::sample::select;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

use crate::sdk::{HOST, Request, Sdk, daemon};
use crate::support::messages::{Message, assemble};
use crate::support::{Daemon, size};

const SECRET: &str = "c0ffee0123456789c0ffee0123456789";

/// Pieces of texts that are special in forms, JSON or signatures.
const PIECES: [&str; 32] = [
    "a",
    "Z",
    "0",
    "7",
    " ",
    "  ",
    "+",
    "&",
    "=",
    "%",
    "%26",
    ";",
    "_",
    "?",
    "#",
    "/",
    "\\",
    "\"",
    "'",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "é",
    "ß",
    "☺",
    "😀",
    "👩🏽‍🚀",
    "\u{a0}",
    "\u{202e}",
];

/// The form of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Form,
    Get,
    Json,
    /// A form with one field, which holds JSON.
    Result,
}

/// A signed part of a request.
#[derive(Debug, Clone, Copy)]
enum Part {
    /// From this byte on.
    Body(usize),
    /// The query of a GET, which has all fields.
    Get,
    Header(&'static str),
    Query,
}

/// A signature scheme of a provider.
struct Scheme<'a> {
    /// What `sign.py` needs to know.
    question: Value,
    keys: &'a [(&'a str, &'a str)],
    formats: &'a [Format],
    parts: &'a [Part],
    /// Whether a name may be repeated.
    repeats: bool,
    /// Whether the time is signed.
    timed: bool,
}

#[test]
fn twilio_signature_is_checked() {
    for algorithm in ["HMAC_SHA1", "HMAC_SHA256"] {
        assert_signature_is_checked(&Scheme {
            question: json!({"scheme": "twilio", "secret": SECRET, "algorithm": algorithm}),
            keys: &[
                ("auth", "twilio"),
                ("auth_secret", SECRET),
                ("method", "POST,GET"),
            ],
            formats: &[Format::Form, Format::Json, Format::Get],
            parts: &[
                Part::Body(0),
                Part::Query,
                Part::Header("x-twilio-signature"),
            ],
            repeats: true,
            timed: false,
        });
    }
}

#[test]
fn vonage_signature_is_checked() {
    for algorithm in ["md5hash", "md5", "sha1", "sha256", "sha512"] {
        assert_signature_is_checked(&Scheme {
            question: json!({"scheme": "vonage", "secret": SECRET, "algorithm": algorithm}),
            keys: &[
                ("auth", "vonage"),
                ("auth_secret", SECRET),
                ("auth_algorithm", algorithm),
                ("method", "POST,GET"),
            ],
            formats: &[Format::Form, Format::Json, Format::Get],
            parts: &[Part::Body(0), Part::Get],
            repeats: false,
            timed: true,
        });
    }
}

#[test]
fn vonage_token_signature_is_checked() {
    assert_signature_is_checked(&Scheme {
        question: json!({"scheme": "vonage-jwt", "secret": SECRET}),
        keys: &[("auth", "jwt"), ("auth_secret", SECRET)],
        formats: &[Format::Json],
        parts: &[Part::Body(0), Part::Header("authorization")],
        repeats: false,
        timed: true,
    });
}

#[test]
fn messagebird_signature_is_checked() {
    for algorithm in ["HS256", "HS384", "HS512"] {
        assert_signature_is_checked(&Scheme {
            question: json!({"scheme": "messagebird", "secret": SECRET, "algorithm": algorithm}),
            keys: &[
                ("auth", "jwt"),
                ("auth_place", "header:MessageBird-Signature-JWT"),
                ("auth_secret", SECRET),
                ("method", "POST,GET"),
            ],
            formats: &[Format::Json, Format::Form, Format::Get],
            parts: &[Part::Body(0), Part::Query, Part::Header("jwt")],
            repeats: true,
            timed: true,
        });
    }
}

#[test]
fn telnyx_signature_is_checked() {
    let keys = Sdk::start().ask(&json!({"scheme": "telnyx-key"}));
    assert_signature_is_checked(&Scheme {
        question: json!({"scheme": "telnyx", "secret": keys["private"]}),
        keys: &[
            ("auth", "ed25519"),
            ("auth_secret", keys["public"].as_str().unwrap()),
        ],
        formats: &[Format::Json],
        parts: &[
            Part::Body(0),
            Part::Header("ed25519"),
            Part::Header("timestamp"),
        ],
        repeats: false,
        timed: true,
    });
}

#[test]
fn plivo_signature_is_checked() {
    assert_signature_is_checked(&Scheme {
        question: json!({"scheme": "plivo", "secret": SECRET}),
        keys: &[
            ("auth", "hmac"),
            ("auth_encoding", "base64"),
            ("auth_place", "header:X-Plivo-Signature-V2"),
            ("auth_nonce", "header:X-Plivo-Signature-V2-Nonce"),
            ("auth_template", "{url_noquery}{nonce}"),
            ("auth_secret", SECRET),
        ],
        formats: &[Format::Form, Format::Json],
        parts: &[Part::Header("signature-v2"), Part::Header("nonce")],
        repeats: true,
        timed: false,
    });
}

#[test]
fn zadarma_signature_is_checked() {
    assert_signature_is_checked(&Scheme {
        question: json!({"scheme": "zadarma", "secret": SECRET}),
        keys: &[
            ("auth", "hmac"),
            ("auth_algorithm", "sha1"),
            ("auth_encoding", "base64-hex"),
            ("auth_place", "header:Signature"),
            ("auth_template", "{field:result}"),
            ("auth_secret", SECRET),
            ("key_to", "/result/To"),
            ("key_from", "/result/From"),
            ("key_body", "/result/Body"),
        ],
        formats: &[Format::Result],
        parts: &[Part::Body("result=".len()), Part::Header("signature")],
        repeats: false,
        timed: false,
    });
}

/// Asserts that signed requests are accepted, and that changed or old ones are not.
fn assert_signature_is_checked(scheme: &Scheme<'_>) {
    let mut sdk = Sdk::start();
    let mut random = TestRunner::default();
    let daemon = daemon(scheme.keys);
    let mut expected = Vec::new();
    for round in 0..size("WEBSMS_TEST_SIGNED", 30) {
        let format = scheme.formats[round % scheme.formats.len()];
        let message = message(&mut random);
        let question = question(scheme, format, &message, &mut random);
        let request = sdk.sign(&question);
        let answer = request.post(&daemon);
        assert_eq!(answer.status, 200, "{request:?}");
        expected.push(message);

        let part = scheme.parts[pick(&mut random, scheme.parts.len())];
        let Some(tampered) = tampered(&request, part, &mut random) else {
            continue;
        };
        assert_refused(&daemon, &tampered, &format!("{part:?} of {request:?}"));
        if scheme.timed {
            let mut question = question;
            question["now"] = (now() - 1000).into();
            assert_refused(&daemon, &sdk.sign(&question), "signed long ago");
        }
    }
    let mut arrived = assemble(&daemon.spool.drain()).unwrap();
    expected.sort();
    arrived.sort();
    assert_eq!(arrived, expected);
}

fn assert_refused(daemon: &Daemon, request: &Request, about: &str) {
    assert_eq!(request.post(daemon).status, 403, "{request:?} ({about})");
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

fn draw<T>(random: &mut TestRunner, strategy: &impl Strategy<Value = T>) -> T {
    strategy.new_tree(random).unwrap().current()
}

fn pick(random: &mut TestRunner, count: usize) -> usize {
    draw(random, &(0..count))
}

fn text(random: &mut TestRunner) -> String {
    draw(random, &vec(select(PIECES.as_slice()), 0..30)).concat()
}

fn message(random: &mut TestRunner) -> Message {
    Message {
        to: draw(random, &"\\+[1-9][0-9]{6,12}"),
        from: draw(random, &"\\+[1-9][0-9]{6,12}"),
        text: text(random),
    }
}

/// The question for the SDK to sign a message.
fn question(
    scheme: &Scheme<'_>,
    format: Format,
    message: &Message,
    random: &mut TestRunner,
) -> Value {
    let mut fields = Map::new();
    for _ in 0..pick(random, 5) {
        let name = draw(random, &"x[A-Za-z0-9._~-]{0,8}");
        let value = text(random);
        let twice = scheme.repeats && format != Format::Json && pick(random, 3) == 0;
        let value = if twice {
            json!([value, text(random)])
        } else {
            json!(value)
        };
        fields.insert(name, value);
    }
    for (name, value) in [
        ("To", &message.to),
        ("From", &message.from),
        ("Body", &message.text),
    ] {
        fields.insert(name.to_owned(), json!(value));
    }
    let query = draw(random, &"(\\?[a-z]=[a-z0-9]{1,9}(&[a-z]=[a-z0-9]{0,9})?)?");
    let mut question = scheme.question.clone();
    question["url"] = json!(format!("{HOST}/in{query}"));
    question["now"] = now().into();
    let fields = Value::Object(fields);
    match format {
        Format::Form => question["params"] = fields,
        Format::Get => {
            question["url"] = json!(format!("{HOST}/in"));
            question["method"] = json!("GET");
            question["params"] = fields;
        }
        Format::Json => question["body"] = json!(fields.to_string()),
        Format::Result => {
            question["params"] = json!({"result": fields.to_string(), "event": "SMS"});
        }
    }
    question
}

/// The request with one letter or bit of a part changed, if it has that part.
fn tampered(request: &Request, part: Part, random: &mut TestRunner) -> Option<Request> {
    let mut other = request.clone();
    match part {
        Part::Body(start) => {
            // Zadarma's signed field ends where the next field starts.
            let event = "&event=SMS".len() * usize::from(start > 0);
            let length = request.body.len().checked_sub(start + event)?;
            if length == 0 {
                return None;
            }
            let at = start + pick(random, length);
            // The case of hexadecimal digits does not matter.
            let bit = [0, 1, 2, 3, 4, 6, 7][pick(random, 7)];
            other.body[at] ^= 1 << bit;
        }
        Part::Header(name) => {
            let value = other.header(name);
            *value = with_other_letter(value, 0, random);
        }
        Part::Get if request.method != "GET" => return None,
        Part::Get | Part::Query => {
            let start = request.target.find('?')? + 1;
            other.target = with_other_letter(&request.target, start, random);
        }
    }
    Some(other)
}

fn with_other_letter(text: &str, start: usize, random: &mut TestRunner) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let at = start + pick(random, bytes.len() - start);
    let letter = b"abcdefghijklmnopqrstuvwxyz0123456789"[pick(random, 36)];
    let is_same = bytes[at].eq_ignore_ascii_case(&letter);
    bytes[at] = if is_same { b'-' } else { letter };
    String::from_utf8(bytes).unwrap()
}
