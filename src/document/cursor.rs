//! Following pointers through a document.

use serde_json::Value;

use crate::document::path::{JsonPointer, Step};

/// Values that one pointer finds at most.
const FOUND_MAX: usize = 1001;

/// What wildcards stand for, while one element of a document is looked at:
/// pointers that begin alike mean the same element.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cursor {
    chosen: Vec<(Vec<Step>, String)>,
    /// Where names are looked for; `None` is the whole document.
    pub(super) element: Option<Value>,
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
}
