//! Finds the records of a document: each could be a message or a receipt.
//!
//! Where all keys are names, a record is each innermost object that has them all.
//! JSON inside a form's value is read only when the form itself has none of them,
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
    let mut objects: Vec<_> = whole_objects(value, names)
        .into_iter()
        .map(Cursor::at)
        .collect();
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
        .map(|document: Value| {
            let objects = whole_objects(&document, names).into_iter();
            objects.map(Cursor::at).collect::<Vec<_>>()
        })
        .find(|objects| !objects.is_empty())
        .unwrap_or_default()
}

/// The innermost objects that have all keys, at any depth inside.
fn whole_objects<'a>(value: &'a Value, keys: &[&str; 3]) -> Vec<&'a Value> {
    match value {
        Value::Array(records) => records
            .iter()
            .flat_map(|record| whole_objects(record, keys))
            .collect(),
        Value::Object(inner) => {
            let inner: Vec<_> = inner
                .values()
                .flat_map(|member| whole_objects(member, keys))
                .collect();
            let has = |key: &&str| {
                members(value, key)
                    .into_iter()
                    .any(|v| as_text(v).is_some())
            };
            if inner.is_empty() && keys.iter().all(has) {
                return vec![value];
            }
            inner
        }
        Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => Vec::new(),
    }
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
