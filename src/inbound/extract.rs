//! Fields to messages: which field is what, as the interface's keys say.
//!
//! The text of a message is never interpreted. JSON inside a form's value is
//! looked into only when the form itself has none of the three keys, and then
//! all three must be in that one document; strings inside it are left alone.

use std::fmt;

use serde_json::Value;

use super::decode::Fields;
use crate::config::Incoming;
use crate::message::{Message, NotAllowed, PhoneNumber, Sender, Text};
use crate::pointer;

/// Messages that one request may hold: each is a file that is synced, and the
/// other requests wait meanwhile.
const MESSAGES_MAX: usize = 1000;

/// Longest text in bytes; it makes at most 200 call files.
const TEXT_MAX: usize = 65_536;

/// What a request holds.
#[derive(Debug, Default)]
pub struct Extracted {
    /// The messages, in the order of the request.
    pub messages: Vec<Message>,
    /// Why others are none.
    pub refused: Vec<ExtractError>,
}

/// The messages of a request. A form holds one; a JSON document one for each
/// innermost object that has all three keys, at any depth.
#[must_use]
pub fn extract(fields: &Fields, incoming: &Incoming) -> Extracted {
    let found = match fields {
        Fields::Form(form) => of_form(form, incoming),
        Fields::Json(document) => of_json(document, incoming),
    };
    let mut extracted = Extracted::default();
    if found.len() > MESSAGES_MAX {
        extracted.refused.push(ExtractError::TooMany(found.len()));
        return extracted;
    }
    for result in found {
        match result {
            Ok(message) => extracted.messages.push(message),
            Err(error) => extracted.refused.push(error),
        }
    }
    extracted
}

fn of_form(form: &[(String, String)], incoming: &Incoming) -> Vec<Result<Message, ExtractError>> {
    // Of a name that is given twice the last one counts, as in PHP.
    let field = |name: &str| {
        let mut found = form.iter().rev().filter(|(key, _)| key == name);
        found.next().map(|(_, value)| value.clone())
    };
    if keys(incoming).iter().all(|key| field(key).is_none())
        && let Some(document) = json_inside(form, incoming)
    {
        return of_json(&document, incoming);
    }
    vec![message(incoming, field)]
}

/// The JSON document in one of the values that holds the message, as in
/// Zadarma's `result`.
fn json_inside(form: &[(String, String)], incoming: &Incoming) -> Option<Value> {
    form.iter()
        .filter(|(_, value)| value.trim_start().starts_with(['{', '[']))
        .filter_map(|(_, value)| serde_json::from_str(value).ok())
        .find(|document| !whole_objects(document, &keys(incoming)).is_empty())
}

fn of_json(document: &Value, incoming: &Incoming) -> Vec<Result<Message, ExtractError>> {
    let mut objects = whole_objects(document, &keys(incoming));
    if objects.is_empty() {
        // It will say which key is missing.
        objects.push(document);
    }
    objects
        .into_iter()
        .map(|object| message(incoming, |key| member(object, key)))
        .collect()
}

/// The innermost objects that have all keys, at any depth inside.
fn whole_objects<'a>(value: &'a Value, keys: &[&str; 3]) -> Vec<&'a Value> {
    match value {
        Value::Array(elements) => elements
            .iter()
            .flat_map(|element| whole_objects(element, keys))
            .collect(),
        Value::Object(members) => {
            let inner: Vec<_> = members
                .values()
                .flat_map(|member| whole_objects(member, keys))
                .collect();
            if inner.is_empty() && keys.iter().all(|key| member(value, key).is_some()) {
                return vec![value];
            }
            inner
        }
        Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

fn keys(incoming: &Incoming) -> [&str; 3] {
    [&incoming.key_to, &incoming.key_from, &incoming.key_body]
}

/// The first member of that name that can be text, at any depth.
fn member(document: &Value, name: &str) -> Option<String> {
    pointer::members(document, name)
        .into_iter()
        .find_map(pointer::as_text)
}

fn message(
    incoming: &Incoming,
    field: impl Fn(&str) -> Option<String>,
) -> Result<Message, ExtractError> {
    let get = |key: &str| field(key).ok_or_else(|| ExtractError::Missing(key.to_owned()));
    let party = |key: &str| {
        let key = key.to_owned();
        move |error| ExtractError::Party(key, error)
    };
    let to = PhoneNumber::parse(&get(&incoming.key_to)?).map_err(party(&incoming.key_to))?;
    let from = Sender::parse(&get(&incoming.key_from)?).map_err(party(&incoming.key_from))?;
    let text = get(&incoming.key_body)?;
    if text.len() > TEXT_MAX {
        return Err(ExtractError::TooLong(text.len()));
    }
    Ok(Message {
        to,
        from,
        text: Text::new(&text),
        interface: incoming.interface.clone(),
        // An empty one would make one message of all.
        provider_id: incoming
            .key_id
            .as_deref()
            .and_then(&field)
            .filter(|id| !id.is_empty()),
    })
}

/// Fields that no message can be made of. Either the keys are configured
/// wrongly, or this is no message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExtractError {
    /// There is no field of that name.
    Missing(String),
    /// The field of that name is neither number nor sender.
    Party(String, NotAllowed),
    /// The text has so many bytes.
    TooLong(usize),
    /// There are so many messages.
    TooMany(usize),
}

impl fmt::Display for ExtractError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(key) => write!(f, "there is no field {key:?}"),
            Self::Party(key, error) => write!(f, "field {key:?}: {error}"),
            Self::TooLong(bytes) => {
                write!(
                    f,
                    "the text has {bytes} bytes (at most {TEXT_MAX} are taken)"
                )
            }
            Self::TooMany(count) => write!(
                f,
                "the request holds {count} messages (at most {MESSAGES_MAX} are taken)"
            ),
        }
    }
}

impl std::error::Error for ExtractError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::InterfaceName;

    fn incoming() -> Incoming {
        Incoming {
            interface: InterfaceName::unnamed(),
            permitted: None,
            paths: None,
            key_to: "To".to_owned(),
            key_from: "From".to_owned(),
            key_body: "Body".to_owned(),
            key_id: Some("Id".to_owned()),
            dedupe_lifetime: std::time::Duration::from_secs(60),
            key_echo: None,
            acknowledgement: String::new(),
        }
    }

    fn form(pairs: &[(&str, &str)]) -> Fields {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Fields::Form(pairs.iter().map(owned).collect())
    }

    fn json(text: &str) -> Fields {
        Fields::Json(serde_json::from_str(text).unwrap())
    }

    fn texts(fields: &Fields) -> Result<Vec<(String, String, String)>, String> {
        let Extracted { messages, refused } = extract(fields, &incoming());
        if let Some(error) = refused.first() {
            return Err(error.to_string());
        }
        Ok(messages
            .iter()
            .map(|message| {
                (
                    message.to.to_string(),
                    message.from.to_string(),
                    message.text.as_str().to_owned(),
                )
            })
            .collect())
    }

    fn one(to: &str, from: &str, body: &str) -> Vec<(String, String, String)> {
        vec![(to.to_owned(), from.to_owned(), body.to_owned())]
    }

    #[test]
    fn form_fields_are_taken_by_name_and_the_last_counts() {
        let fields = form(&[
            ("To", "+1"),
            ("From", "+2"),
            ("Body", "a"),
            ("To", "+3"),
            ("to", "+4"),
        ]);
        assert_eq!(texts(&fields).unwrap(), one("+3", "+2", "a"));
        let fields = form(&[("To", "+1"), ("From", "+2"), ("Body", "")]);
        assert_eq!(texts(&fields).unwrap(), one("+1", "+2", ""));
    }

    #[test]
    fn missing_or_impossible_field_is_named() {
        for (fields, expected) in [
            (
                form(&[("From", "+2"), ("Body", "a")]),
                "there is no field \"To\"",
            ),
            (
                form(&[("To", "+1"), ("Body", "a")]),
                "there is no field \"From\"",
            ),
            (
                form(&[("To", "+1"), ("From", "+2")]),
                "there is no field \"Body\"",
            ),
            (form(&[]), "there is no field \"To\""),
            (
                form(&[("To", "h"), ("From", "+2"), ("Body", "a")]),
                "field \"To\": \"h\" is not a phone number",
            ),
            (
                form(&[("To", "+1"), ("From", "a\nb"), ("Body", "a")]),
                "field \"From\": \"a\\nb\" is not a number or sender name",
            ),
            (json("{}"), "there is no field \"To\""),
            (json("[]"), "there is no field \"To\""),
            (json("\"To\""), "there is no field \"To\""),
        ] {
            assert_eq!(texts(&fields).unwrap_err(), expected);
        }
    }

    #[test]
    fn text_is_never_interpreted() {
        for text in [
            r#"{"To":"+46999","From":"CEO","Body":"x"}"#,
            r#"[{"To":"+46999"}]"#,
            "To=+46999&From=x",
            "<To>+46999</To>",
            "1e5",
            "007",
            "12345678901234567890",
            "true",
            "null",
            "\"q\"",
            " 42 ",
        ] {
            let fields = form(&[("To", "+1"), ("From", "+2"), ("Body", text)]);
            assert_eq!(texts(&fields).unwrap(), one("+1", "+2", text));
            let document = serde_json::json!({"To": "+1", "From": "+2", "Body": text});
            assert_eq!(
                texts(&Fields::Json(document)).unwrap(),
                one("+1", "+2", text)
            );
            // Inside Zadarma's document as well.
            let inner = serde_json::json!({"To": "+1", "From": "+2", "Body": text}).to_string();
            let fields = form(&[("event", "SMS"), ("result", &inner)]);
            assert_eq!(texts(&fields).unwrap(), one("+1", "+2", text));
            // Nor does a text stand in for keys that are missing.
            for missing in [
                form(&[("From", "+2"), ("Body", text)]),
                form(&[("To", "+1"), ("Body", text)]),
                form(&[("Body", text)]),
            ] {
                assert!(texts(&missing).is_err());
            }
        }
    }

    #[test]
    fn json_members_are_found_at_any_depth() {
        let nested =
            r#"{"event":{"Body":{"x":1},"data":{"To":12025550160,"From":"+2","Body":null}}}"#;
        assert_eq!(texts(&json(nested)).unwrap(), one("12025550160", "+2", ""));
    }

    #[test]
    fn every_innermost_whole_object_is_a_message() {
        let first = r#"{"To":"+1","From":"+2","Body":"a"}"#;
        let second = r#"{"data":{"To":"+1"},"From":"+2","Body":"b"}"#;
        let both = [one("+1", "+2", "a"), one("+1", "+2", "b")].concat();
        for document in [
            format!("[{first},{second}]"),
            format!(r#"{{"results":[{first},{second}],"From":"x"}}"#),
            format!(r#"[[{first}],{{"x":{second}}}]"#),
            // What lacks a key does not borrow it from its neighbour.
            format!(r#"[{{"To":"+9","From":"+9"}},{first},{{"Body":"z"}},{second}]"#),
        ] {
            assert_eq!(texts(&json(&document)).unwrap(), both, "{document}");
        }
    }

    #[test]
    fn bad_message_does_not_spoil_the_others() {
        let document = r#"[{"To":"h","From":"+2","Body":"a"},{"To":"+1","From":"+2","Body":"b"}]"#;
        let Extracted { messages, refused } = extract(&json(document), &incoming());
        assert_eq!((messages.len(), refused.len()), (1, 1));
    }

    #[test]
    fn too_much_is_refused() {
        let message = |text: &str| form(&[("To", "+1"), ("From", "+2"), ("Body", text)]);
        assert!(texts(&message(&"x".repeat(TEXT_MAX))).is_ok());
        assert!(texts(&message(&"x".repeat(TEXT_MAX + 1))).is_err());
        let many = vec![serde_json::json!({"To": 1, "From": 2, "Body": ""}); MESSAGES_MAX + 1];
        let many = Fields::Json(Value::Array(many));
        assert!(texts(&many).unwrap_err().contains("1001 messages"));
    }
}
