//! What is wrong with a configuration file, where, and how to fix it.

use std::fmt::{self, Write as _};
use std::path::PathBuf;

use crate::config::syntax::entry::Entry;

/// Characters of a value that a message repeats at most.
const SHOWN: usize = 60;

/// How severe a problem is; a later one is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It works, but the administrator should know the consequences: a warning.
    Advice,
    /// An unknown key or section: a warning at start, an error in `check`.
    Unknown,
    /// The program does not start with it.
    Mistake,
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub severity: Severity,
    /// Line in the file, from 1; `None` when it is about something missing, or in a
    /// preset.
    pub line: Option<usize>,
    /// `[section] key [index] = "value"`.
    pub location: String,
    /// What is wrong and what is expected.
    pub message: String,
}

impl Problem {
    /// A problem of one line of the file. The value is shown unless it is a
    /// secret.
    #[must_use]
    pub fn at(entry: &Entry, severity: Severity, show_value: bool, message: String) -> Self {
        let mut location = location(&entry.section, &entry.key, entry.index.as_deref());
        if show_value {
            let value = without_user(&entry.value);
            let shown: String = value.chars().take(SHOWN).collect();
            let more = if shown.len() < value.len() { "…" } else { "" };
            // Writing to a String cannot fail.
            let _ = write!(location, " = {shown:?}{more}");
        }
        if let Some(preset) = &entry.preset {
            let _ = write!(location, " (preset {preset}, line {})", entry.line);
        }
        Self {
            severity,
            line: entry.preset.is_none().then_some(entry.line),
            location,
            message,
        }
    }
}

/// The value without the user and password that a URL may contain.
fn without_user(value: &str) -> String {
    match (value.split_once("://"), value.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        _ => value.to_owned(),
    }
}

/// `[section] key [index]`, as messages name it.
pub(crate) fn location(section: &str, key: &str, index: Option<&str>) -> String {
    match index {
        Some(index) => format!("[{section}] {key} [{index}]"),
        None => format!("[{section}] {key}"),
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.location.is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "{}: {}", self.location, self.message)
    }
}

/// All problems of one file; shown one on each line, with path and line number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub path: PathBuf,
    /// In the order of the file.
    pub problems: Vec<Problem>,
}

impl Report {
    /// Each problem as one line of text: `path:line: location: message`.
    pub fn lines(&self) -> impl Iterator<Item = (Severity, String)> {
        self.problems.iter().map(|problem| {
            let path = self.path.display();
            let line = problem
                .line
                .map_or_else(String::new, |line| format!(":{line}"));
            (problem.severity, format!("{path}{line}: {problem}"))
        })
    }

    /// The worst severity among the problems.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.problems.iter().map(|problem| problem.severity).max()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (_, line)) in self.lines().enumerate() {
            if position > 0 {
                f.write_char('\n')?;
            }
            f.write_str(&line)?;
        }
        Ok(())
    }
}

/// ` (did you mean "…"?)` if one of `known` is close to `given`, else empty.
pub(crate) fn did_you_mean<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    // Two typing errors in a word, one in a short word.
    let limit = if given.chars().count() > 4 { 2 } else { 1 };
    known
        .into_iter()
        .map(|name| {
            let distance = strsim::damerau_levenshtein(&given.to_lowercase(), &name.to_lowercase());
            (distance, name)
        })
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map_or_else(String::new, |(_, name)| {
            format!(" (did you mean \"{name}\"?)")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn did_you_mean_suggests_only_similar_words() {
        let known = ["basic", "zadarma", "plain", "none"];
        assert_eq!(did_you_mean("basc", known), " (did you mean \"basic\"?)");
        assert_eq!(
            did_you_mean("Zadrama", known),
            " (did you mean \"zadarma\"?)"
        );
        assert_eq!(did_you_mean("digest", known), "");
    }
}
