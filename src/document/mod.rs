//! Documents of providers: JSON or the fields of a form, in a shape that the
//! configuration describes.
//!
//! [`mod@path`] is the language for where a value is, [`cursor`] follows it
//! through a document, [`condition`] tests documents, [`template`] fills in
//! placeholders, [`percent`] encodes text for URLs, and [`lenient_json`] reads JSON as
//! programs write it. Pure.

pub(crate) mod condition;
pub(crate) mod cursor;
mod embedded;
pub(crate) mod lenient_json;
pub(crate) mod path;
pub(crate) mod percent;
pub(crate) mod template;

use serde_json::Value;

use cursor::Cursor;
use embedded::EmbeddedDocuments;
use path::FieldPath;

/// A JSON document, and the headers of the request or response that carried it.
#[derive(Debug, Default)]
pub struct Document {
    value: Value,
    headers: Vec<(String, String)>,
    embedded: EmbeddedDocuments,
}

impl Document {
    /// `value` is the JSON document, or of a form an object of its fields; `headers`
    /// are pairs of name, in lower case, and value.
    pub fn new(value: Value, headers: Vec<(String, String)>) -> Self {
        Self {
            value,
            headers,
            embedded: EmbeddedDocuments::default(),
        }
    }

    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The values at `path`, in the order of the document.
    pub fn find(&self, path: &FieldPath, cursor: &Cursor) -> Vec<Value> {
        match path {
            FieldPath::Constant(constant) => vec![Value::from(constant.as_str())],
            FieldPath::Header(wanted) => self
                .headers
                .iter()
                .filter(|(name, _)| name == wanted)
                .map(|(_, value)| Value::from(value.as_str()))
                .collect(),
            FieldPath::Name(name) => {
                let element = cursor.element.as_ref().unwrap_or(&self.value);
                members(element, name).into_iter().cloned().collect()
            }
            FieldPath::Pointer(pointer) => pointer.find(self, cursor),
        }
    }

    /// Whether the outermost member of `path` is there, whatever is inside.
    pub fn has_start(&self, path: &FieldPath) -> bool {
        match path {
            FieldPath::Pointer(pointer) => pointer.has_start(self),
            _ => !self.find(path, &Cursor::default()).is_empty(),
        }
    }

    /// The first text at the first of `paths` where it is not empty; if it is
    /// empty at all of them, the empty text. `None` when no path leads to text.
    pub fn text(&self, paths: &[FieldPath], cursor: &Cursor) -> Option<String> {
        let first_text = |path: &FieldPath| match path {
            // It may match many values, and one is enough.
            FieldPath::Pointer(pointer) => pointer.find_first(self, cursor, as_text),
            _ => self.find(path, cursor).iter().find_map(as_text),
        };
        let mut texts = paths.iter().filter_map(first_text);
        let first = texts.next()?;
        if first.is_empty() {
            return texts.find(|text| !text.is_empty()).or(Some(first));
        }
        Some(first)
    }
}

/// Every member with this name, at any depth, in the order of the document.
pub(crate) fn members<'a>(value: &'a Value, name: &'a str) -> Vec<&'a Value> {
    let mut found = Vec::new();
    collect(value, name, &mut found);
    found
}

/// The recursion is bounded: `serde_json` refuses documents deeper than 128.
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

/// Whether a member at any depth has a name like this.
pub(crate) fn has_member(value: &Value, is_it: &impl Fn(&str) -> bool) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| has_member(item, is_it)),
        Value::Object(members) => {
            let mut members = members.iter();
            members.any(|(name, member)| is_it(name) || has_member(member, is_it))
        }
        Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => false,
    }
}

/// A value as text: a string unchanged, a number with all the digits of the
/// document, `null` as the empty text. `None` for objects and arrays.
pub(crate) fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::Array(_) | Value::Object(_) => None,
        Value::Bool(value) => Some(value.to_string()),
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
    fn members_at_any_depth_are_found_in_document_order() {
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
