//! Finding values in documents that somebody else shaped, and shaping some.
//!
//! A [`FieldPath`] says where a value is: by a name at any depth, by a JSON Pointer
//! (RFC 6901) or in a header. A pointer may hold `*` for every element of an
//! array or object, and `name#` for the members `name0`, `name1` and so on; it
//! goes on through strings that hold JSON.

use std::fmt;

use serde_json::{Map, Value};

/// Values that one pointer finds at most.
const FOUND_MAX: usize = 1001;

/// A JSON Pointer, perhaps with wildcards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonPointer(Vec<Step>);

/// A step of a pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// `*`
    Each,
    /// `name`, or an index.
    Member(String),
    /// `name#`
    Numbered(String),
}

/// What wildcards stand for, while one element of a document is looked at:
/// pointers that begin alike mean the same element.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cursor {
    chosen: Vec<(Vec<Step>, String)>,
    /// Where names are looked for; `None` is the whole document.
    element: Option<Value>,
}

impl Cursor {
    /// The element that an object is: names mean its members alone.
    #[must_use]
    pub fn at(element: &Value) -> Self {
        Self {
            chosen: Vec::new(),
            element: Some(element.clone()),
        }
    }
}

impl JsonPointer {
    /// Reads a pointer, `/` and names.
    ///
    /// # Errors
    /// When it does not start with `/`, or a `~` is not followed by 0 or 1.
    pub fn parse(raw: &str) -> Result<Self, String> {
        let expected = "expected e.g. /data/0/text, with ~1 for a / in a name and ~0 for a ~";
        let rest = raw
            .strip_prefix('/')
            .ok_or_else(|| format!("{raw:?} is not a JSON Pointer ({expected})"))?;
        let steps = rest.split('/').map(|name| {
            let unescaped = name.replace("~1", "/").replace("~0", "~");
            let tildes = name.matches('~').count();
            if tildes != name.matches("~0").count() + name.matches("~1").count() {
                return Err(format!("{raw:?} holds a ~ alone ({expected})"));
            }
            Ok(match (name, name.strip_suffix('#')) {
                ("*", _) => Step::Each,
                (_, Some(family)) if !family.is_empty() => Step::Numbered(family.to_owned()),
                _ => Step::Member(unescaped),
            })
        });
        steps.collect::<Result<_, _>>().map(Self)
    }

    /// The top-level member of that name.
    #[must_use]
    pub fn member(name: &str) -> Self {
        Self(vec![Step::Member(name.to_owned())])
    }

    /// Whether it finds more than one value.
    #[must_use]
    pub fn has_wildcard(&self) -> bool {
        self.0.iter().any(Step::is_wildcard)
    }

    /// The values that it points at, of the element that `binding` means.
    #[must_use]
    pub fn find(&self, document: &Value, binding: &Cursor) -> Vec<Value> {
        let mut found = Vec::new();
        self.walk(document, binding, &mut |value, _| found.push(value.clone()));
        found
    }

    /// The elements that its wildcards could mean, each a binding that goes on
    /// from the one given; that one alone when there is nothing to choose from.
    #[must_use]
    pub fn bind(&self, document: &Value, binding: &Cursor) -> Vec<Cursor> {
        let Some(last) = self.0.iter().rposition(Step::is_wildcard) else {
            return vec![binding.clone()];
        };
        let start = Self(self.0.iter().take(last + 1).cloned().collect());
        let mut found = Vec::new();
        start.walk(document, binding, &mut |_, bound| found.push(bound.clone()));
        if found.is_empty() {
            found.push(binding.clone());
        }
        found
    }

    fn walk(&self, document: &Value, binding: &Cursor, found: &mut dyn FnMut(&Value, &Cursor)) {
        let mut left = FOUND_MAX;
        descend(document, &self.0, 0, binding, &mut |value, bound| {
            if left > 0 {
                left -= 1;
                found(value, bound);
            }
            left > 0
        });
    }

    /// The same with every `*` replaced by an index.
    #[must_use]
    pub fn numbered(&self, index: usize) -> Self {
        let step = |step: &Step| match step {
            Step::Each => Step::Member(index.to_string()),
            // Families count from 1 where we are the ones who write.
            Step::Numbered(name) => Step::Member(format!("{name}{}", index + 1)),
            Step::Member(name) => Step::Member(name.clone()),
        };
        Self(self.0.iter().map(step).collect())
    }

    /// Puts a value where the pointer points, making objects and arrays on the
    /// way; a number is an index of an array, whose elements come in order.
    ///
    /// # Errors
    /// When something else is there.
    pub fn put(&self, document: &mut Value, value: Value) -> Result<(), PathOccupied> {
        let mut place = document;
        for step in &self.0 {
            let (Step::Member(name) | Step::Numbered(name)) = step else {
                return Err(PathOccupied);
            };
            place = match name.parse::<usize>() {
                Ok(index) => element(place, index)?,
                Err(_) => entry(place, name)?,
            };
        }
        if !place.is_null() {
            return Err(PathOccupied);
        }
        *place = value;
        Ok(())
    }
}

fn element(place: &mut Value, index: usize) -> Result<&mut Value, PathOccupied> {
    if place.is_null() {
        *place = Value::Array(Vec::new());
    }
    let elements = place.as_array_mut().ok_or(PathOccupied)?;
    if index == elements.len() {
        elements.push(Value::Null);
    }
    elements.get_mut(index).ok_or(PathOccupied)
}

fn entry<'a>(place: &'a mut Value, name: &str) -> Result<&'a mut Value, PathOccupied> {
    if place.is_null() {
        *place = Value::Object(Map::new());
    }
    let members = place.as_object_mut().ok_or(PathOccupied)?;
    Ok(members.entry(name).or_insert(Value::Null))
}

/// Two values want the same place, or one stands in the way of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathOccupied;

impl Step {
    fn is_wildcard(&self) -> bool {
        !matches!(self, Self::Member(_))
    }
}

/// Goes on from the step at `depth`; stops when `found` has had enough.
fn descend(
    value: &Value,
    steps: &[Step],
    depth: usize,
    binding: &Cursor,
    found: &mut dyn FnMut(&Value, &Cursor) -> bool,
) -> bool {
    let Some(step) = steps.get(depth) else {
        return found(value, binding);
    };
    if let Value::String(text) = value {
        return match inner(text) {
            Some(inner) => descend(&inner, steps, depth, binding, found),
            None => true,
        };
    }
    if let Step::Member(name) = step {
        return match child(value, name) {
            Some(member) => descend(member, steps, depth + 1, binding, found),
            None => true,
        };
    }
    let prefix = steps.get(..=depth).unwrap_or(steps);
    if let Some((_, name)) = binding.chosen.iter().find(|(bound, _)| bound == prefix) {
        return match child(value, name) {
            Some(member) => descend(member, steps, depth + 1, binding, found),
            None => true,
        };
    }
    names(value, step).into_iter().all(|name| {
        let mut bound = binding.clone();
        bound.chosen.push((prefix.to_vec(), name.clone()));
        child(value, &name)
            .is_none_or(|member| descend(member, steps, depth + 1, &bound, &mut *found))
    })
}

/// The document that a string holds.
fn inner(text: &str) -> Option<Value> {
    let text = text.trim_start();
    text.starts_with(['{', '['])
        .then(|| serde_json::from_str(text).ok())?
}

fn child<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match value {
        Value::Object(members) => members.get(name),
        Value::Array(elements) => elements.get(name.parse::<usize>().ok()?),
        _ => None,
    }
}

/// The names of the members that a wildcard stands for.
fn names(value: &Value, step: &Step) -> Vec<String> {
    match (value, step) {
        (Value::Array(elements), Step::Each) => {
            (0..elements.len()).map(|index| index.to_string()).collect()
        }
        (Value::Object(members), Step::Each) => members.keys().cloned().collect(),
        (Value::Object(members), Step::Numbered(family)) => {
            let number = |name: &String| name.strip_prefix(family.as_str())?.parse::<u32>().ok();
            let mut numbered: Vec<_> = members
                .keys()
                .filter_map(|name| Some((number(name)?, name.clone())))
                .collect();
            numbered.sort();
            numbered.into_iter().map(|(_, name)| name).collect()
        }
        _ => Vec::new(),
    }
}

/// Where a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldPath {
    /// Nowhere: it is always this.
    Constant(String),
    /// In a header of the request, by its name in lower case.
    Header(String),
    /// In a member of that name, at any depth.
    Name(String),
    /// Where a pointer points.
    Pointer(JsonPointer),
}

impl FieldPath {
    /// Reads `header:Name`, `/pointer`, `family#`, `=constant` or a name.
    ///
    /// # Errors
    /// When it is none of them.
    pub fn parse(raw: &str) -> Result<Self, String> {
        if let Some(name) = raw.strip_prefix("header:") {
            if name.is_empty() {
                return Err("names no header (expected header:Name)".to_owned());
            }
            return Ok(Self::Header(name.to_ascii_lowercase()));
        }
        if let Some(constant) = raw.strip_prefix('=') {
            return Ok(Self::Constant(constant.to_owned()));
        }
        if raw.starts_with('/') {
            return JsonPointer::parse(raw).map(Self::Pointer);
        }
        match raw.strip_suffix('#') {
            Some("") | None => Ok(Self::Name(raw.to_owned())),
            Some(family) => Ok(Self::Pointer(JsonPointer(vec![Step::Numbered(
                family.to_owned(),
            )]))),
        }
    }

    /// The name, if it is but that.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Constant(_) | Self::Header(_) | Self::Pointer(_) => None,
        }
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(constant) => write!(f, "={constant}"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Name(name) => f.write_str(name),
            Self::Pointer(pointer) => pointer.fmt(f),
        }
    }
}

impl fmt::Display for JsonPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.0 {
            match step {
                Step::Each => f.write_str("/*")?,
                Step::Member(name) => {
                    write!(f, "/{}", name.replace('~', "~0").replace('/', "~1"))?;
                }
                Step::Numbered(name) => write!(f, "/{name}#")?,
            }
        }
        Ok(())
    }
}

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
    use serde_json::json;

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

    fn found(document: &Value, pointer: &str) -> Vec<Value> {
        let pointer = JsonPointer::parse(pointer).unwrap();
        pointer.find(document, &Cursor::default())
    }

    #[test]
    fn pointer_finds_what_rfc_6901_says() {
        let document = json!({"a/b": 1, "m~n": 2, "": 3, "l": [4, [5]], "o": {"0": 6}});
        for (pointer, expected) in [
            ("/a~1b", vec![json!(1)]),
            ("/m~0n", vec![json!(2)]),
            ("/", vec![json!(3)]),
            ("/l/0", vec![json!(4)]),
            ("/l/1/0", vec![json!(5)]),
            ("/o/0", vec![json!(6)]),
            ("/l/2", vec![]),
            ("/x/y", vec![]),
            ("/l/a", vec![]),
        ] {
            assert_eq!(found(&document, pointer), expected, "{pointer}");
        }
        for bad in ["", "a", "/~", "/a~2"] {
            assert!(JsonPointer::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn wildcards_find_every_element() {
        let document = json!({
            "r": [{"t": 1}, {"u": 2}, {"t": 3}], "o": {"x": {"t": 4}, "y": {"t": 5}},
            "M10": "c", "M2": "b", "M0": "a", "Mx": "d", "M": "e",
        });
        assert_eq!(found(&document, "/r/*/t"), [json!(1), json!(3)]);
        assert_eq!(found(&document, "/o/*/t"), [json!(4), json!(5)]);
        assert_eq!(
            found(&document, "/M#"),
            [json!("a"), json!("b"), json!("c")]
        );
        assert_eq!(found(&document, "/M0/*"), Vec::<Value>::new());
    }

    #[test]
    fn pointer_goes_on_through_json_in_strings() {
        let document = json!({"result": "{\"a\": [\"{\\\"b\\\": 1}\"]}", "plain": "x"});
        assert_eq!(found(&document, "/result/a/0/b"), [json!(1)]);
        assert_eq!(found(&document, "/plain/a"), Vec::<Value>::new());
        // The end of a pointer is what it is, whatever it looks like.
        assert_eq!(found(&document, "/result").len(), 1);
    }

    #[test]
    fn pointers_that_begin_alike_mean_the_same_element() {
        let document = json!({"r": [{"f": 1, "t": [2, 3]}, {"f": 4, "t": [5]}]});
        let pointer = |raw: &str| JsonPointer::parse(raw).unwrap();
        let elements = pointer("/r/*/t/*").bind(&document, &Cursor::default());
        let pairs: Vec<_> = elements
            .iter()
            .map(|element| {
                (
                    pointer("/r/*/f").find(&document, element),
                    pointer("/r/*/t/*").find(&document, element),
                )
            })
            .collect();
        let pair = |from: u8, to: u8| (vec![json!(from)], vec![json!(to)]);
        assert_eq!(pairs, [pair(1, 2), pair(1, 3), pair(4, 5)]);
        let none = pointer("/x/*").bind(&document, &Cursor::default());
        assert_eq!(none, [Cursor::default()]);
    }

    #[test]
    fn more_than_enough_is_not_found() {
        let document = Value::Array(vec![json!(1); 5000]);
        assert_eq!(found(&document, "/*").len(), FOUND_MAX);
    }

    #[test]
    fn values_are_put_where_pointers_point() {
        let mut document = Value::Null;
        for (pointer, value) in [
            ("/data/type", "message"),
            ("/data/to/0", "+1"),
            ("/data/to/1", "+2"),
            ("/messages/0/a~1b", "x"),
            ("/messages/0/c", "y"),
        ] {
            let pointer = JsonPointer::parse(pointer).unwrap();
            pointer.put(&mut document, json!(value)).unwrap();
        }
        assert_eq!(
            document,
            json!({"data": {"type": "message", "to": ["+1", "+2"]},
                   "messages": [{"a/b": "x", "c": "y"}]})
        );
        for occupied in [
            "/data",
            "/data/type",
            "/data/type/x",
            "/data/to/x",
            "/data/to/3",
            "/data/0",
            "/*",
        ] {
            let pointer = JsonPointer::parse(occupied).unwrap();
            assert_eq!(
                pointer.put(&mut document, json!(1)),
                Err(PathOccupied),
                "{occupied}"
            );
        }
    }
}
