//! Finding values in JSON that somebody else shaped.

use serde_json::Value;

/// Every member called `name`, at any depth, in the order of the document.
#[must_use]
pub fn members<'a>(value: &'a Value, name: &'a str) -> Vec<&'a Value> {
    let mut found = Vec::new();
    collect(value, name, &mut found);
    found
}

/// The depth is bounded: `serde_json` reads no document deeper than 128.
fn collect<'a>(value: &'a Value, name: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, name, found)),
        Value::Object(members) => {
            for (key, member) in members {
                if key == name {
                    found.push(member);
                }
                collect(member, name, found);
            }
        }
        Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => {}
    }
}

/// A value as text: a string as it is, a number with every digit that
/// it was written with, `null` as nothing. Objects and arrays are no text.
#[must_use]
pub fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::Array(_) | Value::Object(_) => None,
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null => Some(String::new()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(json: &str, name: &str) -> Vec<Option<String>> {
        let value: Value = serde_json::from_str(json).unwrap();
        members(&value, name).into_iter().map(as_text).collect()
    }

    #[test]
    fn members_are_found_at_any_depth_in_document_order() {
        let json = r#"{"a":{"id":1},"id":"two","list":[{"id":null},{"id":[3]}]}"#;
        let expected = [Some("1"), Some("two"), Some(""), None];
        assert_eq!(
            texts(json, "id"),
            expected.map(|text| text.map(str::to_owned))
        );
    }

    #[test]
    fn number_keeps_every_digit() {
        for number in ["12345678901234567890123", "1.50", "-0"] {
            let json = format!("{{\"n\":{number}}}");
            assert_eq!(texts(&json, "n"), [Some(number.to_owned())]);
        }
    }
}
