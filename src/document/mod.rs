//! Documents that providers shape: finding values in them ([`mod@path`]), judging
//! them ([`condition`]), writing texts with placeholders ([`template`]) and
//! percent-encoding what goes into URLs ([`percent`]).

pub(crate) mod condition;
pub(crate) mod cursor;
pub(crate) mod path;
pub(crate) mod percent;
pub(crate) mod template;

use serde_json::Value;

use cursor::Cursor;
use path::FieldPath;

/// Something that values are found in: a document, and the headers that it came
/// with.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Document {
    /// What was said: a JSON document, or an object of the fields of a form.
    pub value: Value,
    /// Names in lower case and values.
    pub headers: Vec<(String, String)>,
}

impl Document {
    /// The values at a place, in the order of the document.
    #[must_use]
    pub fn find(&self, place: &FieldPath, binding: &Cursor) -> Vec<Value> {
        match place {
            FieldPath::Constant(constant) => vec![Value::from(constant.as_str())],
            FieldPath::Header(wanted) => self
                .headers
                .iter()
                .filter(|(name, _)| name == wanted)
                .map(|(_, value)| Value::from(value.as_str()))
                .collect(),
            FieldPath::Name(name) => {
                let element = binding.element.as_ref().unwrap_or(&self.value);
                members(element, name).into_iter().cloned().collect()
            }
            FieldPath::Pointer(pointer) => pointer.find(&self.value, binding),
        }
    }

    /// The first value that is text, at the first of several places that has one
    /// which says something; when none does, the first that is there.
    #[must_use]
    pub fn text(&self, places: &[FieldPath], binding: &Cursor) -> Option<String> {
        let first = |place| self.find(place, binding).iter().find_map(as_text);
        let mut texts = places.iter().filter_map(first);
        let here = texts.next()?;
        if here.is_empty() {
            return texts.find(|text| !text.is_empty()).or(Some(here));
        }
        Some(here)
    }
}

/// Every member called `name`, at any depth, in the order of the document.
#[must_use]
pub(crate) fn members<'a>(value: &'a Value, name: &'a str) -> Vec<&'a Value> {
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
pub(crate) fn as_text(value: &Value) -> Option<String> {
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
