//! Where values are in requests and responses, and what these must contain.

use crate::config::syntax::value::kind::{Describe, Kind};
use crate::config::syntax::value::text::{items, optional};
use crate::document::condition::Condition;
use crate::document::path::FieldPath;

/// Places of a value, separated by commas; perhaps none.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Places;

/// Places of a value, separated by commas; at least one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RequiredPlaces;

/// What a request or a response must contain; empty is `None`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OptionalCondition;

impl Describe for Places {
    fn describe(&self) -> String {
        "places".to_owned()
    }
}

impl Kind for Places {
    type Value = Vec<FieldPath>;

    fn parse(&self, raw: &str) -> Result<Vec<FieldPath>, String> {
        optional(raw)?;
        items(raw).map(FieldPath::parse).collect()
    }
}

impl Describe for RequiredPlaces {
    fn describe(&self) -> String {
        Places.describe()
    }
}

impl Kind for RequiredPlaces {
    type Value = Vec<FieldPath>;

    fn parse(&self, raw: &str) -> Result<Vec<FieldPath>, String> {
        let paths = Places.parse(raw)?;
        if paths.is_empty() {
            return Err("must not be empty".to_owned());
        }
        Ok(paths)
    }
}

impl Describe for OptionalCondition {
    fn describe(&self) -> String {
        "a condition".to_owned()
    }
}

impl Kind for OptionalCondition {
    type Value = Option<Condition>;

    fn parse(&self, raw: &str) -> Result<Option<Condition>, String> {
        Condition::parse(raw)
    }
}
