//! Whether a request that is no message has the shape that the interface is
//! configured for. A condition that finds another value says that it is another
//! event; one that finds no place for it says nothing, and the request may hold a
//! text. Pure.

use serde_json::Value;

use crate::config::IncomingInterface;
use crate::document::Document;
use crate::document::cursor::Cursor;
use crate::document::path::FieldPath;

/// Names of members that are logged.
const NAMES_MAX: usize = 20;

/// Longest name of a member. What is longer is rather a text.
const NAME_MAX: usize = 40;

/// The places of `match` that are missing, if `match` judged by none that is there.
/// A document that holds nothing has any shape.
pub(crate) fn missing_places<'a>(
    document: &Document,
    incoming: &'a IncomingInterface,
) -> Vec<&'a FieldPath> {
    let conditions = &incoming.matching;
    let is_judged = conditions
        .iter()
        .any(|condition| condition.fails_on_a_value(document));
    if is_judged || is_empty(document.value()) {
        return Vec::new();
    }
    let missing = conditions
        .iter()
        .flat_map(|condition| condition.missing_places(document));
    missing.collect()
}

/// Whether the destination is to be found in a list, and the list is empty.
pub(crate) fn has_empty_list(document: &Document, incoming: &IncomingInterface) -> bool {
    let is_in_empty_list = |path: &FieldPath| match path {
        FieldPath::Pointer(pointer) => pointer.is_in_empty_list(document),
        FieldPath::Constant(_) | FieldPath::Header(_) | FieldPath::Name(_) => false,
    };
    let keys = &incoming.keys;
    let finds = |paths: &[FieldPath]| document.text(paths, &Cursor::default()).is_some();
    !finds(&keys.to) && !finds(&keys.body) && keys.to.iter().any(is_in_empty_list)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(elements) => elements.is_empty(),
        Value::Null => true,
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// The names of the members of a document and of what is inside these: no values,
/// and no names that are too strange for one.
pub(crate) fn member_names(value: &Value) -> String {
    let mut names = Vec::new();
    for (name, member) in members(value) {
        names.push(name.to_owned());
        let inner = members(member).map(|(inner, _)| format!("{name}/{inner}"));
        names.extend(inner);
    }
    let more = names.len() > NAMES_MAX;
    names.truncate(NAMES_MAX);
    if more {
        names.push("…".to_owned());
    }
    names.join(", ")
}

/// The members of an object, or of the first object of a list.
fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let object = match value {
        Value::Array(elements) => elements.first().and_then(Value::as_object),
        _ => value.as_object(),
    };
    let members = object.into_iter().flatten();
    members
        .filter(|(name, _)| is_name(name))
        .take(NAMES_MAX + 1)
        .map(|(name, member)| (name.as_str(), member))
}

fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:@$[]#".contains(&byte);
    // What has many digits is rather a number of somebody.
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(plain) && digits < 5
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use serde_json::json;

    fn incoming(lines: &str) -> IncomingInterface {
        let text = format!("[websmsd]\n{lines}\n");
        let parsed = config::parse("websms.conf".as_ref(), &text, &|_, _| Ok(None));
        parsed.unwrap().0.incoming.remove(0)
    }

    fn missing(lines: &str, value: Value) -> Vec<String> {
        let document = Document::new(value, vec![("x-kind".to_owned(), "sms".to_owned())]);
        let incoming = incoming(lines);
        let missing = missing_places(&document, &incoming);
        missing.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn other_event_is_known_and_other_shape_is_not() {
        for (lines, value, expected) in [
            ("match = /event=message", json!({"event": "call"}), vec![]),
            (
                "match = /event=message",
                json!({"Event": "message"}),
                vec!["/event"],
            ),
            (
                "match = /event~^m",
                json!({"Event": "message"}),
                vec!["/event"],
            ),
            ("match = event=message", json!({"a": {"event": 1}}), vec![]),
            (
                "match = event=message",
                json!({"a": {"Event": 1}}),
                vec!["event"],
            ),
            ("match = header:X-Kind=mms", json!({"a": 1}), vec![]),
            (
                "match = header:X-Type=mms",
                json!({"a": 1}),
                vec!["header:x-type"],
            ),
            // What is outermost is there: another event of the same provider.
            (
                "match = /data/sms/type=x",
                json!({"data": {"call": {}}}),
                vec![],
            ),
            (
                "match = /*/type=x",
                json!([{"type": "y"}, {"z": 1}]),
                vec![],
            ),
            ("match = /*/type=x", json!([{"kind": "x"}]), vec!["/*/type"]),
            ("match = /r/*/type=x", json!({"r": []}), vec![]),
            ("match = /r/*/type=x", json!({"s": []}), vec!["/r/*/type"]),
            // One that was judged is enough.
            ("match = /a=1 & /b=2", json!({"b": 3}), vec![]),
            ("match = /a=1\nmatch = /b=2", json!({"b": 3}), vec![]),
            ("match = /a=1 & /b=2", json!({"b": 2}), vec!["/a"]),
            ("match = /a=1 & !/b", json!({"b": 2}), vec![]),
            ("match = /a=1 & /b!=2", json!({"b": 2}), vec![]),
            // A place that need only be there is judged by being there.
            ("match = /sms", json!({"call": 1}), vec![]),
            ("match = /a=1\nmatch = /sms", json!({"call": 1}), vec!["/a"]),
            // Nothing can be lost.
            ("match = /event=message", json!({}), vec![]),
            ("match = /event=message", json!([]), vec![]),
            ("match = /event=message", json!(null), vec![]),
            ("match = /event=message", json!("message"), vec!["/event"]),
        ] {
            assert_eq!(missing(lines, value.clone()), expected, "{lines} {value}");
        }
    }

    #[test]
    fn empty_list_holds_nothing() {
        let lines = "key_to = /r/*/to/*\nkey_from = /r/*/from\nkey_body = /r/*/text";
        for (value, expected) in [
            (json!({"r": [], "count": 0}), true),
            (json!({"r": [{"to": []}]}), true),
            (json!({"r": {}}), false),
            (json!({"s": []}), false),
            (json!({"r": [{"to": [], "text": "lost"}]}), false),
            (json!({"r": [{"to": [1], "text": "x"}]}), false),
            (json!({"r": [{"from": 1}]}), false),
        ] {
            let document = Document::new(value.clone(), Vec::new());
            let has = has_empty_list(&document, &incoming(lines));
            assert_eq!(has, expected, "{value}");
        }
    }

    #[test]
    fn names_are_few_short_and_without_values() {
        for (value, expected) in [
            (json!({"a": 1, "b": {"c": "secret"}}), "a, b, b/c"),
            (json!([{"a": [{"b": 1}]}, {"z": 1}]), "a, a/b"),
            (json!({"{\"text\":\"Hello\"}": ""}), ""),
            (json!({"x".repeat(41): 1, "": 2, "a b": 3, "a\n": 4}), ""),
            (json!("text"), ""),
        ] {
            assert_eq!(member_names(&value), expected, "{value}");
        }
        let many: Value = (0..5000)
            .map(|n| (format!("k{n}"), json!({"a": n})))
            .collect();
        let names = member_names(&many);
        assert_eq!(names.split(", ").count(), NAMES_MAX + 1);
        assert!(names.ends_with('…'));
    }
}
