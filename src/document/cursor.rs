//! Follows JSON Pointers with wildcards through a document.

use serde_json::Value;

use crate::document::Document;
use crate::document::embedded::EmbeddedDocuments;
use crate::document::path::{JsonPointer, Step, array_index};

/// Most values that one pointer finds.
const FOUND_MAX: usize = 1001;

/// One element of a document, e.g. one message of several.
///
/// It fixes what wildcards stand for: pointers with the same start, up to and
/// including the wildcard, then mean the same element.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cursor {
    /// The start of a pointer, which ends in a wildcard, and the name of the
    /// member that this wildcard stands for.
    chosen: Vec<(Vec<Step>, String)>,
    /// Where a [`FieldPath::Name`] is searched; `None` is the whole document.
    ///
    /// [`FieldPath::Name`]: crate::document::path::FieldPath::Name
    pub(super) element: Option<Value>,
}

impl Cursor {
    /// A cursor at `element`: names are searched in it alone.
    pub fn at(element: &Value) -> Self {
        Self {
            chosen: Vec::new(),
            element: Some(element.clone()),
        }
    }

    /// The name that the wildcard at the end of `start` stands for, if this
    /// cursor fixes it.
    fn choice(&self, start: &[Step]) -> Option<&String> {
        let mut chosen = self.chosen.iter();
        chosen.find_map(|(steps, name)| (steps == start).then_some(name))
    }
}

impl JsonPointer {
    /// The values that this pointer leads to, within the element of `cursor`.
    pub fn find(&self, document: &Document, cursor: &Cursor) -> Vec<Value> {
        let mut values = Vec::new();
        self.walk(document, cursor, &mut |value, _| {
            values.push(value.clone());
            values.len() < FOUND_MAX
        });
        values
    }

    /// What `pick` makes of the first value of which it makes something.
    pub(super) fn find_first<T>(
        &self,
        document: &Document,
        cursor: &Cursor,
        pick: impl Fn(&Value) -> Option<T>,
    ) -> Option<T> {
        let (mut picked, mut left) = (None, FOUND_MAX);
        self.walk(document, cursor, &mut |value, _| {
            left -= 1;
            picked = pick(value);
            picked.is_none() && left > 0
        });
        picked
    }

    /// A cursor for each element that the wildcards of this pointer match,
    /// within the element of `cursor`. Without a wildcard or a match, `cursor`
    /// itself.
    pub fn elements(&self, document: &Document, cursor: &Cursor) -> Vec<Cursor> {
        let Some(last) = self.0.iter().rposition(Step::is_wildcard) else {
            return vec![cursor.clone()];
        };
        let start = Self(self.0.iter().take(last + 1).cloned().collect());
        let mut elements = Vec::new();
        start.walk(document, cursor, &mut |_, element| {
            elements.push(element.clone());
            elements.len() < FOUND_MAX
        });
        if elements.is_empty() {
            elements.push(cursor.clone());
        }
        elements
    }

    /// Whether the first member that this pointer names is in the document.
    pub(super) fn has_start(&self, document: &Document) -> bool {
        let member = self.0.iter().position(|step| !step.is_wildcard());
        let steps = member.map_or(self.0.len(), |member| member + 1);
        !self.first_values(steps, document).is_empty()
    }

    /// Whether the lists that one of the wildcards stands for are all empty.
    pub fn is_in_empty_list(&self, document: &Document) -> bool {
        let is_empty = |list: &Value| list.as_array().is_some_and(Vec::is_empty);
        let mut steps = self.0.iter().enumerate();
        steps.any(|(depth, step)| {
            let lists = step
                .is_wildcard()
                .then(|| self.first_values(depth, document));
            lists.is_some_and(|lists| !lists.is_empty() && lists.iter().all(is_empty))
        })
    }

    /// What the first steps of this pointer lead to.
    fn first_values(&self, steps: usize, document: &Document) -> Vec<Value> {
        let start = Self(self.0.iter().take(steps).cloned().collect());
        start.find(document, &Cursor::default())
    }

    /// Calls `visit` with each value that this pointer leads to, and the cursor of
    /// its element, until `visit` returns `false`.
    fn walk(
        &self,
        document: &Document,
        cursor: &Cursor,
        visit: &mut dyn FnMut(&Value, &Cursor) -> bool,
    ) {
        let mut walk = Walk {
            steps: &self.0,
            embedded: &document.embedded,
            location: Vec::new(),
        };
        walk.descend(&document.value, 0, cursor, visit);
    }
}

struct Walk<'a> {
    steps: &'a [Step],
    embedded: &'a EmbeddedDocuments,
    /// The names that lead from the root to the current value.
    location: Vec<String>,
}

impl Walk<'_> {
    /// Takes the steps from `depth` on, and calls `visit` at their end. `false` when
    /// `visit` has returned it, which ends the walk.
    fn descend(
        &mut self,
        value: &Value,
        depth: usize,
        cursor: &Cursor,
        visit: &mut dyn FnMut(&Value, &Cursor) -> bool,
    ) -> bool {
        let steps = self.steps;
        let Some(step) = steps.get(depth) else {
            return visit(value, cursor);
        };
        if let Value::String(text) = value {
            return match self.embedded.get(&self.location, text) {
                Some(embedded) => self.descend(&embedded, depth, cursor, visit),
                None => true,
            };
        }
        let start = steps.get(..=depth).unwrap_or(steps);
        let fixed = match step {
            Step::Member(name) => Some(name),
            Step::Each | Step::Numbered(_) => cursor.choice(start),
        };
        if let Some(name) = fixed {
            return self.enter(value, name, depth, cursor, visit);
        }
        matching_names(value, step).into_iter().all(|name| {
            let mut element = cursor.clone();
            element.chosen.push((start.to_vec(), name.clone()));
            self.enter(value, &name, depth, &element, visit)
        })
    }

    /// Goes on in the member with this name, if there is one.
    fn enter(
        &mut self,
        value: &Value,
        name: &str,
        depth: usize,
        cursor: &Cursor,
        visit: &mut dyn FnMut(&Value, &Cursor) -> bool,
    ) -> bool {
        let Some(member) = child(value, name) else {
            return true;
        };
        self.location.push(name.to_owned());
        let goes_on = self.descend(member, depth + 1, cursor, visit);
        self.location.pop();
        goes_on
    }
}

fn child<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match value {
        Value::Object(members) => members.get(name),
        Value::Array(elements) => elements.get(array_index(name)?),
        _ => None,
    }
}

/// The names of the members that a wildcard matches.
fn matching_names(value: &Value, step: &Step) -> Vec<String> {
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
        let document = Document::new(document.clone(), Vec::new());
        pointer.find(&document, &Cursor::default())
    }

    #[test]
    fn pointer_finds_value_per_rfc_6901() {
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
            ("/l/00", vec![]),
            ("/l/+1", vec![]),
        ] {
            assert_eq!(found(&document, pointer), expected, "{pointer}");
        }
    }

    #[test]
    fn wildcard_finds_every_element() {
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
    fn pointer_into_string_parses_embedded_json() {
        let document = json!({"result": "{\"a\": [\"{\\\"b\\\": 1}\"]}", "plain": "x"});
        assert_eq!(found(&document, "/result/a/0/b"), [json!(1)]);
        assert_eq!(found(&document, "/plain/a"), Vec::<Value>::new());
        // A pointer that ends at a string does not parse it.
        assert_eq!(found(&document, "/result").len(), 1);
    }

    #[test]
    fn pointers_with_same_start_mean_same_element() {
        let document = json!({"r": [{"f": 1, "t": [2, 3]}, {"f": 4, "t": [5]}]});
        let document = Document::new(document, Vec::new());
        let pointer = |raw: &str| JsonPointer::parse(raw).unwrap();
        let elements = pointer("/r/*/t/*").elements(&document, &Cursor::default());
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
        let none = pointer("/x/*").elements(&document, &Cursor::default());
        assert_eq!(none, [Cursor::default()]);
    }

    #[test]
    fn values_beyond_the_limit_are_not_found() {
        let document = Value::Array(vec![json!(1); 5000]);
        assert_eq!(found(&document, "/*").len(), FOUND_MAX);
    }
}
