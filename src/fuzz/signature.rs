//! Signatures of webhooks, with the requests that the providers' SDKs have signed.

use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::Value;

use crate::config::{self, AuthScheme};
use crate::document::as_text;
use crate::fuzz::{Input, ready};
use crate::inbound::auth::verify;
use crate::inbound::endpoint::Endpoint;
use crate::inbound::handler::document;
use crate::inbound::request::WebhookRequest;

/// A request, and what `websmsd` is configured to ask for.
#[derive(Debug, Clone, Deserialize)]
struct Recorded {
    name: String,
    config: Vec<String>,
    secret: String,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
    now: u64,
}

/// The parts of a request that a stranger chooses.
#[derive(Debug, Clone, PartialEq)]
struct Sent {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// An interface, a request that is authentic there, and what is read from that.
struct Signed {
    name: String,
    endpoint: Endpoint,
    sent: Sent,
    now: u64,
    believed: Value,
}

static SIGNED: LazyLock<Vec<Signed>> = LazyLock::new(|| {
    let recorded = include_str!("../../tests/sdk/recorded.json");
    let recorded: Vec<Recorded> = serde_json::from_str(recorded).unwrap_or_default();
    let count = recorded.len();
    let signed: Vec<_> = recorded.into_iter().filter_map(signed).collect();
    assert!(
        count > 0 && signed.len() == count,
        "a request is not authentic"
    );
    signed
});

fn signed(recorded: Recorded) -> Option<Signed> {
    let mut lines = recorded.config;
    if !lines.iter().any(|line| line.starts_with("public_url")) {
        lines.push("public_url = https://sms.example.com".to_owned());
    }
    lines.push(format!("auth_secret = {}", recorded.secret));
    let text = format!("[websmsd]\n{}\n", lines.join("\n"));
    let parsed = config::parse("websms.conf".as_ref(), &text, &|_, _| Ok(None));
    let incoming = parsed.ok()?.0.incoming.into_iter().next()?;
    let endpoint = Endpoint::new(incoming).ok()?;
    let sent = Sent {
        method: recorded.method,
        target: recorded.target,
        headers: recorded.headers,
        body: recorded.body.into_bytes(),
    };
    let believed = believed(&endpoint, &sent, recorded.now)?;
    Some(Signed {
        name: recorded.name,
        endpoint,
        sent,
        now: recorded.now,
        believed,
    })
}

/// What is read from a request, if it is authentic.
fn believed(endpoint: &Endpoint, sent: &Sent, now: u64) -> Option<Value> {
    let (path, query) = match sent.target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (sent.target.as_str(), None),
    };
    let request = ready(WebhookRequest::decode(
        sent.method.parse().ok()?,
        (path, query),
        sent.headers.clone(),
        sent.body.clone().into(),
        endpoint,
    ));
    let scope = verify(&endpoint.auth()?, &request, now).ok()?;
    Some(document(request, scope).ok()?.value().clone())
}

/// Any request is refused; and of a request that was signed and then altered in one
/// byte nothing is believed that was not signed.
pub fn signature(data: &[u8]) {
    let mut input = Input(data);
    let is_altered = input.byte() % 2 == 1;
    let choice = usize::from(input.byte()) % SIGNED.len();
    let Some(signed) = SIGNED.get(choice) else {
        return;
    };
    if is_altered {
        altered(signed, input);
    } else {
        let sent = arbitrary(input);
        let read = believed(&signed.endpoint, &sent, signed.now);
        assert!(read.is_none(), "{}: {sent:?} is authentic", signed.name);
    }
}

fn arbitrary(mut input: Input<'_>) -> Sent {
    let method = if input.byte() % 2 == 1 { "GET" } else { "POST" };
    let target = input.text();
    let headers = input.text();
    let headers = headers.lines().filter_map(|line| line.split_once(": "));
    Sent {
        method: method.to_owned(),
        target,
        headers: headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect(),
        body: input.rest().to_vec(),
    }
}

fn altered(signed: &Signed, mut input: Input<'_>) {
    let mut sent = signed.sent.clone();
    let part = usize::from(input.byte()) % (sent.headers.len() + 2);
    match part.checked_sub(2) {
        None if part == 0 => sent.body = alter(&sent.body, &mut input),
        None => sent.target = alter_text(&sent.target, &mut input),
        Some(header) => {
            if let Some((_, value)) = sent.headers.get_mut(header) {
                *value = alter_text(value, &mut input);
            }
        }
    }
    let Some(read) = believed(&signed.endpoint, &sent, signed.now) else {
        assert!(
            sent != signed.sent,
            "{}: what was signed is refused",
            signed.name
        );
        return;
    };
    if signs_content(signed) {
        let (read, original) = (
            comparable(&read, signed),
            comparable(&signed.believed, signed),
        );
        assert!(
            read == original || is_part_of(&read, &original),
            "{}: {sent:?} is read as {read}",
            signed.name
        );
    }
}

/// One byte that is replaced, inserted or removed.
fn alter(bytes: &[u8], input: &mut Input<'_>) -> Vec<u8> {
    let (kind, place, byte) = (input.byte() % 3, input.number(), input.byte());
    let place = usize::try_from(place).unwrap_or_default() % (bytes.len() + 1);
    let (start, end) = bytes.split_at(place);
    let end_without_first = end.get(1..).unwrap_or_default();
    match kind {
        0 => [start, &[byte], end_without_first].concat(),
        1 => [start, &[byte], end].concat(),
        _ => [start, end_without_first].concat(),
    }
}

fn alter_text(text: &str, input: &mut Input<'_>) -> String {
    String::from_utf8_lossy(&alter(text.as_bytes(), input)).into_owned()
}

/// Whether the signature is over the content, not only a proof of who sends.
fn signs_content(signed: &Signed) -> bool {
    match signed
        .endpoint
        .settings
        .auth
        .as_ref()
        .map(|auth| &auth.scheme)
    {
        None | Some(AuthScheme::Basic { .. } | AuthScheme::Token { .. }) => false,
        // Plivo's V2 signs URL and nonce alone.
        Some(AuthScheme::Hmac(hmac)) => {
            let mut words = hmac.placeholders();
            words.any(|word| word.starts_with("body") || word.starts_with("field"))
        }
        Some(_) => true,
    }
}

/// A document as far as it is signed: Vonage signs `_` in place of `&` and `=`, Twilio
/// signs names and values with nothing between them, so that where one ends is not
/// signed.
fn comparable(value: &Value, signed: &Signed) -> Value {
    let Value::Object(members) = value else {
        return value.clone();
    };
    let texts = members
        .iter()
        .map(|(name, value)| (name, as_text(value).unwrap_or_default()));
    match signed
        .endpoint
        .settings
        .auth
        .as_ref()
        .map(|auth| &auth.scheme)
    {
        Some(AuthScheme::Twilio { .. }) => {
            let mut signs: Vec<char> = texts
                .flat_map(|(name, text)| (name.clone() + &text).chars().collect::<Vec<_>>())
                .collect();
            signs.sort_unstable();
            signs.into_iter().collect::<String>().into()
        }
        // The signature itself may be in either case.
        Some(AuthScheme::Vonage { .. }) => texts
            .filter(|(name, _)| *name != "sig")
            .map(|(name, text)| (name.clone(), Value::from(text.replace(['&', '='], "_"))))
            .collect(),
        _ => value.clone(),
    }
}

/// Whether a document has no member that the other one has not.
fn is_part_of(part: &Value, whole: &Value) -> bool {
    let members = part.as_object();
    members.is_some_and(|members| {
        let mut members = members.iter();
        members.all(|(name, value)| whole.get(name) == Some(value))
    })
}
