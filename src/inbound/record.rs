//! Finds the records of a document: each could be a message or a receipt.
//!
//! Where all keys are names, a record is each innermost object that has them all, and
//! beside such ones, or without any, each that lacks the sender alone. JSON inside a form's value is read only when the form itself has none of them,
//! and then all must be in that one document. Where keys are pointers, a record is
//! one choice of what their wildcards stand for.

use serde_json::Value;

use crate::config::IncomingInterface;
use crate::document::condition::{Condition, Subject};
use crate::document::cursor::Cursor;
use crate::document::lenient_json;
use crate::document::path::FieldPath;
use crate::document::{Document, as_text, members};

/// Records of one request: each may become a file that is synced, and other requests
/// wait meanwhile.
pub(crate) const RECORDS_MAX: usize = 1000;

/// The records of a document that could be messages; one more than [`RECORDS_MAX`]
/// if there are more.
pub(crate) fn find(document: &Document, incoming: &IncomingInterface) -> Vec<Cursor> {
    let keys = &incoming.keys;
    if let Some(names) = names(incoming) {
        return named(document.value(), &names);
    }
    bound(document, &[&keys.from, &keys.to, &keys.body, &keys.id])
}

/// The three keys, when each is one name.
fn names(incoming: &IncomingInterface) -> Option<[&str; 3]> {
    let keys = &incoming.keys;
    match (
        keys.to.as_slice(),
        keys.from.as_slice(),
        keys.body.as_slice(),
    ) {
        ([to], [from], [body]) => Some([to.name()?, from.name()?, body.name()?]),
        _ => None,
    }
}

/// The innermost objects that have all keys; of a form, those of the document in one
/// of its values. When there are none, the whole document: reading it reports the
/// missing key.
fn named(value: &Value, names: &[&str; 3]) -> Vec<Cursor> {
    let mut objects = objects(value, names);
    if objects.is_empty() && names.iter().all(|name| value.get(name).is_none()) {
        objects = inside(value, names);
    }
    if objects.is_empty() {
        objects.push(Cursor::default());
    }
    objects
}

/// The objects of the JSON document in one of the values of a form, as in
/// Zadarma's `result`.
fn inside(form: &Value, names: &[&str; 3]) -> Vec<Cursor> {
    let values = form.as_object().into_iter().flat_map(|form| form.values());
    values
        .filter_map(Value::as_str)
        .filter(|text| text.trim_start().starts_with(['{', '[']))
        .filter_map(|text| lenient_json::parse(text.as_bytes()).ok())
        .map(|document: Value| objects(&document, names))
        .find(|objects| !objects.is_empty())
        .unwrap_or_default()
}

/// The innermost objects that have all keys, and in a list with such ones those
/// without a sender; when no object has all keys, those without a sender.
fn objects(value: &Value, names: &[&str; 3]) -> Vec<Cursor> {
    let [to, _, body] = *names;
    let mut found = innermost(value, &|value| has_all(value, names), &[to, body]);
    if found.is_empty() {
        found = innermost(value, &|value| has_all(value, &[to, body]), &[]);
    }
    found.into_iter().map(Cursor::at).collect()
}

/// The innermost objects that are `whole`, at any depth inside. Of a list that has
/// some, those of its other objects as well that have the keys `enough`.
fn innermost<'a>(
    value: &'a Value,
    whole: &impl Fn(&Value) -> bool,
    enough: &[&str],
) -> Vec<&'a Value> {
    match value {
        Value::Array(elements) => {
            let inside = |element| innermost(element, whole, enough);
            let found: Vec<_> = elements.iter().map(inside).collect();
            let some = !enough.is_empty() && found.iter().any(|found| !found.is_empty());
            let pairs = elements.iter().zip(found);
            let also = |element| some && has_all(element, enough);
            pairs
                .flat_map(|(element, found)| match found.as_slice() {
                    [] if also(element) => vec![element],
                    _ => found,
                })
                .collect()
        }
        Value::Object(members) => {
            let inside = |member| innermost(member, whole, enough);
            let found: Vec<_> = members.values().flat_map(inside).collect();
            if found.is_empty() && whole(value) {
                return vec![value];
            }
            found
        }
        Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// Whether an object has texts with these names, at any depth.
fn has_all(value: &Value, names: &[&str]) -> bool {
    let is_text = |found: &Value| as_text(found).is_some();
    let has = |name: &&str| members(value, name).into_iter().any(is_text);
    value.is_object() && names.iter().all(has)
}

/// The records that the wildcards of these keys stand for together.
pub(crate) fn bound(document: &Document, keys: &[&Vec<FieldPath>]) -> Vec<Cursor> {
    keys.iter().fold(vec![Cursor::default()], |records, paths| {
        let chosen = records
            .iter()
            .flat_map(|record| choices(document, paths, record));
        chosen.take(RECORDS_MAX + 1).collect()
    })
}

/// What the wildcards of the first path that finds something can stand for.
fn choices(document: &Document, paths: &[FieldPath], record: &Cursor) -> Vec<Cursor> {
    paths
        .iter()
        .filter_map(|path| match path {
            FieldPath::Pointer(pointer) if pointer.has_wildcard() => {
                Some(pointer.elements(document, record))
            }
            FieldPath::Pointer(pointer) => {
                let found = pointer.find(document, record);
                (!found.is_empty()).then(|| vec![record.clone()])
            }
            FieldPath::Constant(_) | FieldPath::Header(_) | FieldPath::Name(_) => None,
        })
        .find(|bound| *bound != [record.clone()])
        .unwrap_or_else(|| vec![record.clone()])
}

/// Whether a condition holds for a record.
pub(crate) fn holds(condition: &Condition, document: &Document, record: &Cursor) -> bool {
    condition.holds(&Subject {
        document,
        cursor: record,
        text: "",
        status: None,
    })
}
