//! What the providers' SDKs have signed is accepted, and nothing else that looks
//! like it. `tests/sdk/record.py` has recorded the requests.

use std::collections::BTreeSet;

use super::*;
use crate::config;
use crate::document::lenient_json;
use crate::inbound::endpoint::Endpoint;

mod forged;

/// Headers that need not be as they were.
const NO_PROOF: [&str; 2] = ["content-type", "x-twilio-webhooks-signature-settings"];

/// A request, and what `websmsd` is configured to ask for.
#[derive(Debug, Clone, serde::Deserialize)]
struct Recorded {
    name: String,
    config: Vec<String>,
    secret: String,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    #[serde(deserialize_with = "bytes")]
    body: Vec<u8>,
    now: u64,
    /// Seconds for which it is good.
    late: Option<u64>,
    early: Option<u64>,
}

fn bytes<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = <String as serde::Deserialize>::deserialize(deserializer)?;
    Ok(text.into_bytes())
}

fn recorded() -> Vec<Recorded> {
    serde_json::from_str(include_str!("../../../tests/sdk/recorded.json")).unwrap()
}

fn named(name: &str) -> Recorded {
    let mut found = recorded()
        .into_iter()
        .filter(|recorded| recorded.name == name);
    found
        .next()
        .unwrap_or_else(|| panic!("{name} is not recorded"))
}

impl Recorded {
    fn with(mut self, line: &str) -> Self {
        self.config.push(line.to_owned());
        self
    }

    fn incoming(&self, secrets: &[&str]) -> config::IncomingInterface {
        let mut lines = self.config.clone();
        if !lines.iter().any(|line| line.starts_with("public_url")) {
            lines.push("public_url = https://sms.example.com".to_owned());
        }
        for (key, secret) in ["auth_secret", "auth_secret_old"].iter().zip(secrets) {
            lines.push(format!("{key} = {secret}"));
        }
        let text = format!("[websmsd]\n{}\n", lines.join("\n"));
        let parsed = config::parse("websms.conf".as_ref(), &text, &|_, _| Ok(None));
        let (config, _) = parsed.unwrap_or_else(|report| panic!("{}: {report}", self.name));
        config.incoming.into_iter().next().unwrap()
    }

    fn by(&self, incoming: &config::IncomingInterface) -> Result<TrustScope, AuthError> {
        self.at(incoming, self.now)
    }

    fn at(&self, incoming: &config::IncomingInterface, now: u64) -> Result<TrustScope, AuthError> {
        let endpoint = Endpoint::new(incoming.clone()).unwrap();
        let request = self.request(&endpoint);
        verify(&endpoint.auth().unwrap(), &request, now)
    }

    /// The request as the daemon reads it.
    fn request(&self, endpoint: &Endpoint) -> WebhookRequest {
        let (path, query) = match self.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (self.target.as_str(), None),
        };
        let read = WebhookRequest::decode(
            self.method.parse().unwrap(),
            (path, query),
            self.headers.clone(),
            self.body.clone().into(),
            endpoint,
        );
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(read)
    }

    fn verified(&self) -> Result<TrustScope, AuthError> {
        self.by(&self.incoming(&[&self.secret]))
    }

    /// The names of the headers that prove something.
    fn proofs(&self) -> Vec<String> {
        let names = self.headers.iter().map(|(name, _)| name.clone());
        names
            .filter(|name| !NO_PROOF.contains(&name.as_str()))
            .collect()
    }

    fn header(&mut self, wanted: &str) -> &mut String {
        let mut headers = self.headers.iter_mut();
        &mut headers.find(|(name, _)| name == wanted).unwrap().1
    }

    fn content_type(mut self, content_type: &str) -> Self {
        content_type.clone_into(self.header("content-type"));
        self
    }

    fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    fn is_form(&self) -> bool {
        let form = "application/x-www-form-urlencoded";
        self.headers
            .contains(&("content-type".to_owned(), form.to_owned()))
    }
}

/// All texts that differ from this one in one bit, with the position.
fn flipped(bytes: &[u8]) -> impl Iterator<Item = ((usize, u8), Vec<u8>)> {
    (0..bytes.len()).flat_map(move |at| {
        (0..8).map(move |bit| {
            let mut changed = bytes.to_vec();
            changed[at] ^= 1 << bit;
            ((at, 1 << bit), changed)
        })
    })
}

/// The changes that are not noticed.
fn unnoticed(
    bytes: &[u8],
    verified: impl Fn(Vec<u8>) -> Result<TrustScope, AuthError>,
) -> BTreeSet<(usize, u8)> {
    let accepted = flipped(bytes).filter(|(_, changed)| verified(changed.clone()).is_ok());
    accepted.map(|(change, _)| change).collect()
}

fn all(range: std::ops::Range<usize>) -> BTreeSet<(usize, u8)> {
    range
        .flat_map(|at| (0..8).map(move |bit| (at, 1 << bit)))
        .collect()
}

/// The case of letters at these positions.
fn case(bytes: &[u8], letters: impl Fn(usize) -> bool) -> BTreeSet<(usize, u8)> {
    let positions = 0..bytes.len();
    positions
        .filter(|at| bytes[*at].is_ascii_alphabetic() && letters(*at))
        .map(|at| (at, 0x20))
        .collect()
}

/// The case of the digits in `%C3`.
fn escapes(form: &[u8]) -> BTreeSet<(usize, u8)> {
    let is_escape = |at: usize| at < form.len() && form[at] == b'%';
    case(form, |at| {
        is_escape(at.wrapping_sub(1)) || is_escape(at.wrapping_sub(2))
    })
}

/// The case of hexadecimal digits that stand behind this, up to the next sign.
fn digits(bytes: &[u8], before: &str) -> BTreeSet<(usize, u8)> {
    let text = std::str::from_utf8(bytes).unwrap();
    let start = text.find(before).unwrap() + before.len();
    let length = text[start..].find(|c: char| !c.is_ascii_hexdigit());
    let end = length.map_or(text.len(), |length| start + length);
    case(bytes, |at| (start..end).contains(&at))
}

/// Changes of the body that mean nothing.
fn harmless_in_body(recorded: &Recorded) -> BTreeSet<(usize, u8)> {
    let Recorded { name, body, .. } = recorded;
    let name = name.as_str();
    let signs_no_body = [
        "basic",
        "token in header",
        "token in query",
        "token in path",
        "plivo",
    ];
    if signs_no_body.contains(&name) {
        return all(0..body.len());
    }
    // Of these one field alone counts.
    let and = || body.iter().position(|byte| *byte == b'&').unwrap();
    if name == "zadarma" {
        return escapes(body)
            .into_iter()
            .chain(all(and() + 1..body.len()))
            .collect();
    }
    if name == "token in field" {
        return all(0..and());
    }
    if name == "token in member" {
        let token = |document: Value| document["token"] == recorded.secret.as_str();
        let has = |json: &[u8]| lenient_json::parse(json).is_ok_and(token);
        return flipped(body)
            .filter(|(_, json)| has(json))
            .map(|(change, _)| change)
            .collect();
    }
    let mut harmless = BTreeSet::new();
    if recorded.is_form() {
        harmless.extend(escapes(body));
    }
    if name.starts_with("vonage") && !body.is_empty() && name != "vonage jwt" {
        let before = if recorded.is_form() {
            "sig="
        } else {
            "\"sig\":\""
        };
        harmless.extend(digits(body, before));
    }
    harmless
}

/// Changes of path and query that mean nothing.
fn harmless_in_target(recorded: &Recorded) -> BTreeSet<(usize, u8)> {
    let Recorded { name, target, .. } = recorded;
    let query = target.find('?').map_or(target.len(), |at| at + 1);
    match name.as_str() {
        "token in query" => {
            let token = target.find("&token").unwrap();
            let mut harmless = all(0..token);
            // Without the question mark there is no query.
            harmless.retain(|(at, _)| *at != query - 1);
            harmless
        }
        "plivo" => all(query..target.len()),
        "method and digest" => digits(target.as_bytes(), "sign="),
        // The place of the token is found by what stands around it.
        "token in path" | "bird" | "hmac get" => BTreeSet::new(),
        name if name.starts_with("twilio") || name.starts_with("messagebird jwt") => {
            BTreeSet::new()
        }
        name if name.starts_with("vonage") && name.ends_with("get") => {
            let mut harmless = all(0..query - 1);
            // A slash that becomes a question mark is where the query starts.
            harmless.remove(&(0, b'/' ^ b'?'));
            harmless.extend(escapes(target.as_bytes()));
            harmless.extend(digits(target.as_bytes(), "sig="));
            harmless
        }
        _ => all(0..target.len()),
    }
}

fn harmless_in_header(recorded: &Recorded, name: &str, value: &str) -> BTreeSet<(usize, u8)> {
    match name {
        "authorization" if recorded.name == "basic" => case(value.as_bytes(), |at| at < 5),
        "x-sign" => digits(value.as_bytes(), ""),
        "x-hub-signature-256" => digits(value.as_bytes(), "sha256="),
        _ => BTreeSet::new(),
    }
}

#[test]
fn recorded_request_is_accepted() {
    for recorded in recorded() {
        let name = &recorded.name;
        assert!(
            recorded.verified().is_ok(),
            "{name}: {:?}",
            recorded.verified()
        );
    }
}

#[test]
fn every_changed_bit_is_noticed() {
    for recorded in recorded() {
        let name = &recorded.name;
        let incoming = recorded.incoming(&[&recorded.secret]);
        let body = unnoticed(&recorded.body, |changed| {
            recorded.clone().body(changed).by(&incoming)
        });
        assert_eq!(body, harmless_in_body(&recorded), "body of {name}");
        let target = unnoticed(recorded.target.as_bytes(), |changed| {
            let target = String::from_utf8_lossy(&changed).into_owned();
            Recorded {
                target,
                ..recorded.clone()
            }
            .by(&incoming)
        });
        assert_eq!(target, harmless_in_target(&recorded), "target of {name}");
        for proof in recorded.proofs() {
            let value = recorded.clone().header(&proof).clone();
            let header = unnoticed(value.as_bytes(), |changed| {
                let mut other = recorded.clone();
                *other.header(&proof) = String::from_utf8_lossy(&changed).into_owned();
                other.by(&incoming)
            });
            let harmless = harmless_in_header(&recorded, &proof, &value);
            assert_eq!(header, harmless, "{proof} of {name}");
        }
    }
}

#[test]
fn proof_that_is_missing_or_empty_or_there_twice_is_refused() {
    for recorded in recorded() {
        let incoming = recorded.incoming(&[&recorded.secret]);
        for proof in recorded.proofs() {
            let about = format!("{proof} of {}", recorded.name);
            let mut missing = recorded.clone();
            missing.headers.retain(|(name, _)| *name != proof);
            assert!(missing.by(&incoming).is_err(), "no {about}");
            let mut empty = recorded.clone();
            empty.header(&proof).clear();
            assert!(empty.by(&incoming).is_err(), "empty {about}");
            let mut twice = recorded.clone();
            let again = (proof.clone(), recorded.clone().header(&proof).clone());
            twice.headers.push(again);
            assert!(twice.by(&incoming).is_err(), "{about} twice");
        }
        for parameter in ["sig", "sign", "token", "timestamp"] {
            let given = format!("{parameter}=");
            let again = |text: &str| {
                let start = text.find(&given)?;
                let rest = &text[start..];
                let pair = &rest[..rest.find('&').unwrap_or(rest.len())];
                let without = text.replacen(pair, "x=y", 1);
                let empty = text.replacen(pair, &given, 1);
                Some([
                    format!("{text}&{pair}"),
                    format!("{text}&{given}"),
                    without,
                    empty,
                ])
            };
            for target in again(&recorded.target).into_iter().flatten() {
                let other = Recorded {
                    target,
                    ..recorded.clone()
                };
                assert!(
                    other.by(&incoming).is_err(),
                    "{} of {}",
                    other.target,
                    other.name
                );
            }
            let body = String::from_utf8(recorded.body.clone()).unwrap();
            for body in again(&body).into_iter().flatten() {
                let other = recorded.clone().body(body.clone());
                assert!(other.by(&incoming).is_err(), "{body} of {}", other.name);
            }
        }
    }
}

#[test]
fn time_of_signing_is_now() {
    for recorded in recorded() {
        let name = &recorded.name;
        let incoming = recorded.incoming(&[&recorded.secret]);
        let at = |now| recorded.at(&incoming, now);
        let Recorded {
            now, late, early, ..
        } = &recorded;
        if let (Some(late), Some(early)) = (late, early) {
            assert!(at(now + late).is_ok(), "{name}: {:?}", at(now + late));
            assert!(at(now - early).is_ok(), "{name}: {:?}", at(now - early));
            assert_eq!(at(now + late + 1), Err(AuthError::Time), "{name}");
            assert_eq!(at(now - early - 1), Err(AuthError::Time), "{name}");
            let ageless = recorded.clone().with("auth_max_age = 0");
            let ageless = ageless.incoming(&[&recorded.secret]);
            assert!(recorded.at(&ageless, now + 1_000_000).is_ok(), "{name}");
        } else {
            assert!(at(now + 1_000_000).is_ok(), "{name}");
        }
    }
}

#[test]
fn either_secret_is_accepted_and_no_other() {
    for recorded in recorded() {
        let Recorded { name, secret, .. } = &recorded;
        // Still a key, but not this one.
        let other = secret.replacen(['d', 'c', '1'], "0", 1);
        assert_ne!(*secret, other, "{name}");
        let with = |secrets: &[&str]| recorded.by(&recorded.incoming(secrets));
        assert!(with(&[secret, &other]).is_ok(), "{name}");
        assert!(with(&[&other, secret]).is_ok(), "{name}");
        assert_eq!(with(&[&other]), Err(AuthError::Mismatch), "{name}");
        assert_eq!(with(&[&other, &other]), Err(AuthError::Mismatch), "{name}");
    }
}
