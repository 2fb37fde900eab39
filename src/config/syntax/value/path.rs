//! Directories and files, and names that Asterisk takes.

use std::path::PathBuf;

use crate::config::syntax::value::kind::{Describe, Kind, expected};
use crate::config::syntax::value::text::{items, optional};

/// Longest name of a context: Asterisk cuts at 79 bytes (`AST_MAX_CONTEXT` 80,
/// `include/asterisk/channel.h`).
const CONTEXT_MAX: usize = 79;

/// An absolute path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AbsolutePath;

/// An absolute path; empty is `None`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OptionalPath;

/// Extensions of file names, separated by commas.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ExtensionList;

/// The name of a dialplan context. It cannot end the `Channel:` line of a call file
/// early.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ContextName;

impl Describe for AbsolutePath {
    fn describe(&self) -> String {
        "an absolute path".to_owned()
    }
}

impl Kind for AbsolutePath {
    type Value = PathBuf;

    fn parse(&self, raw: &str) -> Result<PathBuf, String> {
        let path = PathBuf::from(raw);
        if path.is_absolute() {
            Ok(path)
        } else {
            Err(format!("{}, which starts with /", expected(self)))
        }
    }
}

impl Describe for OptionalPath {
    fn describe(&self) -> String {
        AbsolutePath.describe()
    }
}

impl Kind for OptionalPath {
    type Value = Option<PathBuf>;

    fn parse(&self, raw: &str) -> Result<Option<PathBuf>, String> {
        optional(raw)?
            .map(|raw| AbsolutePath.parse(&raw))
            .transpose()
    }
}

impl Describe for ExtensionList {
    fn describe(&self) -> String {
        "extensions of file names, e.g. jpg,png".to_owned()
    }
}

impl Kind for ExtensionList {
    /// Without dots and in lower case.
    type Value = Vec<String>;

    fn parse(&self, raw: &str) -> Result<Vec<String>, String> {
        let extension = |item: &str| {
            let item = item.trim_start_matches('.').to_ascii_lowercase();
            let plain = !item.is_empty() && item.bytes().all(|byte| byte.is_ascii_alphanumeric());
            plain.then_some(item).ok_or_else(|| expected(self))
        };
        items(raw).map(extension).collect()
    }
}

impl Describe for ContextName {
    fn describe(&self) -> String {
        "a context".to_owned()
    }
}

impl Kind for ContextName {
    type Value = String;

    fn parse(&self, raw: &str) -> Result<String, String> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.+".contains(&byte);
        if raw.is_empty() || raw.len() > CONTEXT_MAX || !raw.bytes().all(allowed) {
            return Err(format!(
                "{}: 1 to {CONTEXT_MAX} letters, digits and _ - . +",
                expected(self)
            ));
        }
        Ok(raw.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_that_could_leave_its_line_is_refused() {
        assert!(ContextName.parse("dp_entry_channel_open").is_ok());
        for bad in ["", "a b", "a/n", "a@b", "a;b", "a\nb", &"x".repeat(80)] {
            assert!(ContextName.parse(bad).is_err(), "{bad:?}");
        }
    }
}
