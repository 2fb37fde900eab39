//! Where a value is in a document that somebody else shaped, in writing.
//!
//! A [`FieldPath`] says where a value is: by a name at any depth, by a JSON Pointer
//! (RFC 6901) or in a header. A pointer may hold `*` for every element of an
//! array or object, and `name#` for the members `name0`, `name1` and so on; it
//! goes on through strings that hold JSON.

use std::fmt;

use serde_json::{Map, Value};

/// A JSON Pointer, perhaps with wildcards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonPointer(pub(super) Vec<Step>);

/// A step of a pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// `*`
    Each,
    /// `name`, or an index.
    Member(String),
    /// `name#`
    Numbered(String),
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
    pub(super) fn is_wildcard(&self) -> bool {
        !matches!(self, Self::Member(_))
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn text_that_is_no_pointer_is_refused() {
        for bad in ["", "a", "/~", "/a~2"] {
            assert!(JsonPointer::parse(bad).is_err(), "{bad}");
        }
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
