//! The language for where a value is in a document.
//!
//! A [`FieldPath`] is a name at any depth, a JSON Pointer (RFC 6901), a header
//! or a constant. A pointer may hold the wildcards `*`, for every element of an
//! array or object, and `name#`, for the members `name0`, `name1` and so on. It
//! continues into strings that hold JSON.

use std::fmt;

use serde_json::{Map, Value};

/// A JSON Pointer, with or without wildcards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonPointer(pub(super) Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// `*`
    Each,
    /// `name`, or the index of an array's element.
    Member(String),
    /// `name#`
    Numbered(String),
}

impl JsonPointer {
    /// Parses `/name/name…`.
    ///
    /// # Errors
    /// When `raw` does not start with `/`, or a `~` is not followed by 0 or 1.
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
            Ok(match (name, unescaped.strip_suffix('#')) {
                ("*", _) => Step::Each,
                (_, Some(family)) if !family.is_empty() => Step::Numbered(family.to_owned()),
                _ => Step::Member(unescaped),
            })
        });
        steps.collect::<Result<_, _>>().map(Self)
    }

    /// The pointer to the top-level member `name`.
    pub fn member(name: &str) -> Self {
        Self(vec![Step::Member(name.to_owned())])
    }

    /// The name of the top-level member that it points to, if it points to one.
    pub fn only_member(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Step::Member(name)] => Some(name),
            _ => None,
        }
    }

    /// Whether it can match more than one value.
    pub fn has_wildcard(&self) -> bool {
        self.0.iter().any(Step::is_wildcard)
    }

    /// This pointer with every wildcard replaced: `*` by `index`, `name#` by the
    /// name and `index` + 1.
    pub fn numbered(&self, index: usize) -> Self {
        let step = |step: &Step| match step {
            Step::Each => Step::Member(index.to_string()),
            // Parameters that we send are numbered from 1.
            Step::Numbered(name) => Step::Member(format!("{name}{}", index + 1)),
            Step::Member(name) => Step::Member(name.clone()),
        };
        Self(self.0.iter().map(step).collect())
    }

    /// Stores a value at this pointer and creates the objects and arrays around
    /// it. A number is the index of an array's element; elements must be stored
    /// in order.
    ///
    /// # Errors
    /// When there is another value, or the pointer holds a `*`.
    pub fn put(&self, document: &mut Value, value: Value) -> Result<(), PathOccupied> {
        let mut target = document;
        for step in &self.0 {
            let (Step::Member(name) | Step::Numbered(name)) = step else {
                return Err(PathOccupied);
            };
            target = match array_index(name) {
                Some(index) => element_or_next(target, index)?,
                None => member_or_new(target, name)?,
            };
        }
        if !target.is_null() {
            return Err(PathOccupied);
        }
        *target = value;
        Ok(())
    }
}

/// The index of an array's element: digits without a sign or leading zero (RFC 6901,
/// section 4).
pub(super) fn array_index(name: &str) -> Option<usize> {
    let is_canonical = name == "0" || name.starts_with(|first| matches!(first, '1'..='9'));
    name.parse().ok().filter(|_| is_canonical)
}

fn element_or_next(parent: &mut Value, index: usize) -> Result<&mut Value, PathOccupied> {
    if parent.is_null() {
        *parent = Value::Array(Vec::new());
    }
    let elements = parent.as_array_mut().ok_or(PathOccupied)?;
    if index == elements.len() {
        elements.push(Value::Null);
    }
    elements.get_mut(index).ok_or(PathOccupied)
}

fn member_or_new<'a>(parent: &'a mut Value, name: &str) -> Result<&'a mut Value, PathOccupied> {
    if parent.is_null() {
        *parent = Value::Object(Map::new());
    }
    let members = parent.as_object_mut().ok_or(PathOccupied)?;
    Ok(members.entry(name).or_insert(Value::Null))
}

/// A path is used by another value, or leads through one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("another value is stored there")]
pub struct PathOccupied;

impl Step {
    pub(super) fn is_wildcard(&self) -> bool {
        !matches!(self, Self::Member(_))
    }
}

/// Where a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldPath {
    /// `=constant`: this text, for any document.
    Constant(String),
    /// `header:Name`: a header, by its name in lower case.
    Header(String),
    /// `name`: every member with this name, at any depth.
    Name(String),
    /// `/pointer`, or `family#`.
    Pointer(JsonPointer),
}

impl FieldPath {
    /// Parses `header:Name`, `/pointer`, `family#`, `=constant` or a name.
    ///
    /// # Errors
    /// When the header has no name or the pointer is malformed.
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

    /// The name, if this is [`Self::Name`].
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
                Step::Member(name) => write!(f, "/{}", escaped(name))?,
                Step::Numbered(name) => write!(f, "/{}#", escaped(name))?,
            }
        }
        Ok(())
    }
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn malformed_pointer_is_refused() {
        for bad in ["", "a", "/~", "/a~2"] {
            assert!(JsonPointer::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn path_is_written_as_it_can_be_read() {
        for (raw, written) in [
            ("/a~1b~0/*/c#", "/a~1b~0/*/c#"),
            ("/a~1b#", "/a~1b#"),
            ("a/b~#", "/a~1b~0#"),
            ("M#", "/M#"),
            ("/#", "/#"),
            ("name", "name"),
        ] {
            let path = FieldPath::parse(raw).unwrap();
            assert_eq!(path.to_string(), written);
            assert_eq!(FieldPath::parse(written), Ok(path), "{raw}");
        }
        let numbered = JsonPointer::parse("/a~1b#").unwrap();
        assert_eq!(numbered.0, [Step::Numbered("a/b".to_owned())]);
    }

    #[test]
    fn put_stores_values_and_creates_parents() {
        let mut document = Value::Null;
        for (pointer, value) in [
            ("/data/type", "message"),
            ("/data/to/0", "+1"),
            ("/data/to/1", "+2"),
            ("/messages/0/a~1b", "x"),
            ("/messages/0/c", "y"),
            ("/signed/+1", "z"),
        ] {
            let pointer = JsonPointer::parse(pointer).unwrap();
            pointer.put(&mut document, json!(value)).unwrap();
        }
        assert_eq!(
            document,
            json!({"data": {"type": "message", "to": ["+1", "+2"]},
                   "messages": [{"a/b": "x", "c": "y"}],
                   "signed": {"+1": "z"}})
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
