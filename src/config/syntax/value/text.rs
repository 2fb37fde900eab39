//! Texts, secrets and lists of words.

use crate::config::syntax::value::kind::{Describe, Kind, expected};
use crate::model::message::Sender;
use crate::secret::SecretSource;

/// Any text; empty is `None`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OptionalText;

/// Any text but the empty one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RequiredText;

/// A number or name that a message can be from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SenderText;

/// A secret, or where to find it; empty is `None`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SecretText;

/// Words, separated by commas.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WordList;

/// `name=value` pairs, separated by commas.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PairList;

impl Describe for OptionalText {
    fn describe(&self) -> String {
        "text".to_owned()
    }
}

impl Kind for OptionalText {
    type Value = Option<String>;

    fn parse(&self, raw: &str) -> Result<Option<String>, String> {
        optional(raw)
    }
}

impl Describe for RequiredText {
    fn describe(&self) -> String {
        "text".to_owned()
    }
}

impl Kind for RequiredText {
    type Value = String;

    fn parse(&self, raw: &str) -> Result<String, String> {
        optional(raw)?.ok_or_else(|| "must not be empty".to_owned())
    }
}

impl Describe for SenderText {
    fn describe(&self) -> String {
        "a number, or up to 24 letters, digits, blanks and . _ + -".to_owned()
    }
}

impl Kind for SenderText {
    type Value = Sender;

    fn parse(&self, raw: &str) -> Result<Sender, String> {
        Sender::parse(raw).map_err(|_| expected(self))
    }
}

impl Describe for SecretText {
    fn describe(&self) -> String {
        "a secret".to_owned()
    }
}

impl Kind for SecretText {
    type Value = Option<SecretSource>;

    /// Control characters are refused: no HTTP header could carry them.
    fn parse(&self, raw: &str) -> Result<Option<SecretSource>, String> {
        optional(raw)?
            .map(|raw| SecretSource::parse(&raw))
            .transpose()
    }
}

impl Describe for WordList {
    fn describe(&self) -> String {
        "words, separated by commas".to_owned()
    }
}

impl Kind for WordList {
    type Value = Vec<String>;

    fn parse(&self, raw: &str) -> Result<Vec<String>, String> {
        words(raw)
    }
}

impl Describe for PairList {
    fn describe(&self) -> String {
        "name=value,name=value".to_owned()
    }
}

impl Kind for PairList {
    type Value = Vec<(String, String)>;

    fn parse(&self, raw: &str) -> Result<Vec<(String, String)>, String> {
        pairs(raw)
    }
}

/// Any text; empty is `None`.
///
/// # Errors
/// When it contains control characters or bytes that were not UTF-8.
pub(crate) fn optional(raw: &str) -> Result<Option<String>, String> {
    if raw.chars().any(char::is_control) {
        return Err("contains a control character".to_owned());
    }
    if raw.contains(char::REPLACEMENT_CHARACTER) {
        return Err("contains a byte that is not UTF-8: save the file in UTF-8".to_owned());
    }
    Ok((!raw.is_empty()).then(|| raw.to_owned()))
}

/// Words, separated by commas.
///
/// # Errors
/// When it contains control characters or bytes that were not UTF-8.
pub(crate) fn words(raw: &str) -> Result<Vec<String>, String> {
    optional(raw)?;
    Ok(items(raw).map(str::to_owned).collect())
}

/// `name=value` pairs, separated by commas; the first `=` of a pair divides it.
///
/// # Errors
/// When an item has no `=` or no name. The item itself is not repeated: it may be
/// a secret.
pub(crate) fn pairs(raw: &str) -> Result<Vec<(String, String)>, String> {
    items(raw)
        .zip(1..)
        .map(|(item, number)| {
            split(item).ok_or_else(|| {
                format!("item {number} is not a pair (expected name=value,name=value)")
            })
        })
        .collect()
}

/// One `name=value`.
///
/// # Errors
/// When there is no `=` or no name.
pub(crate) fn pair(item: &str) -> Result<(String, String), String> {
    split(item).ok_or_else(|| format!("{item:?} is not a pair (expected name=value)"))
}

fn split(item: &str) -> Option<(String, String)> {
    let (name, value) = item.split_once('=')?;
    let name = name.trim();
    (!name.is_empty()).then(|| (name.to_owned(), value.trim().to_owned()))
}

/// The items of a list; empty ones do not count.
pub(super) fn items(raw: &str) -> impl Iterator<Item = &str> {
    raw.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pair_is_divided_at_the_first_equals_sign() {
        assert_eq!(pair("k=a=b"), Ok(("k".to_owned(), "a=b".to_owned())));
        assert!(pair("k").is_err());
        assert!(pair("=v").is_err());
    }
}
