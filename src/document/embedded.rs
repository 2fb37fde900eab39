//! JSON documents inside strings of a document. Each is parsed once, however many
//! records are read from it: a request must not cost the square of its size.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;

use crate::document::lenient_json;

/// What the strings of one document hold, by where they are.
#[derive(Debug, Default)]
pub(super) struct EmbeddedDocuments(Mutex<HashMap<Vec<String>, Option<Arc<Value>>>>);

impl EmbeddedDocuments {
    /// The document inside a string, if it holds one. `location` are the names that
    /// lead to the string.
    pub(super) fn get(&self, location: &[String], text: &str) -> Option<Arc<Value>> {
        let text = text.trim_start();
        if !text.starts_with(['{', '[']) {
            return None;
        }
        let mut parsed = self.0.lock();
        if let Some(known) = parsed.get(location) {
            return known.clone();
        }
        let document = lenient_json::parse(text.as_bytes()).ok().map(Arc::new);
        parsed.insert(location.to_vec(), document.clone());
        document
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn string_is_parsed_once() {
        let embedded = EmbeddedDocuments::default();
        let get = |location: &str, text| embedded.get(&[location.to_owned()], text);
        let first = get("a", " [1]").unwrap();
        assert_eq!(*first, serde_json::json!([1]));
        assert!(Arc::ptr_eq(&first, &get("a", " [1]").unwrap()));
        assert!(!Arc::ptr_eq(&first, &get("b", " [1]").unwrap()));
        for text in ["1", "x", "{", ""] {
            assert_eq!(get(text, text), None);
        }
    }
}
