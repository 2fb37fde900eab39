//! Entries to typed values: finds the line that applies to a key, has its value
//! parsed and records what is wrong with it.

use std::collections::HashMap;

use crate::config::syntax::entry::Entry;
use crate::config::syntax::keys::{self, Key, TypedKey};
use crate::config::syntax::problem::{Problem, Severity, did_you_mean, location};
use crate::config::syntax::section::Section;
use crate::config::syntax::value::{Choice, Kind};
use crate::model::interface::InterfaceName;

/// Reads the keys of one section, and of one interface of it.
pub(crate) struct Reader<'a> {
    entries: &'a [Entry],
    section: Section,
    /// `None` reads keys without an index.
    index: Option<&'a str>,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(
        entries: &'a [Entry],
        section: Section,
        interface: &'a InterfaceName,
        problems: &'a mut Vec<Problem>,
    ) -> Self {
        let index = (!interface.is_unnamed()).then_some(interface.as_str());
        Self {
            entries,
            section,
            index,
            problems,
        }
    }

    /// The value of `key`, or its default. `None` after a mistake, which has been
    /// recorded.
    pub(crate) fn read<K: Kind>(&mut self, key: &TypedKey<K>) -> Option<K::Value> {
        self.read_as(key, |raw| key.kind.parse(raw))
    }

    /// The same for a key whose value is one of several words.
    pub(crate) fn choose<T: Copy>(
        &mut self,
        key: &TypedKey<Choice>,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        self.read_as(key, |raw| key.kind.parse(raw, choices))
    }

    /// The same for a key that the section reads in its own way.
    pub(crate) fn read_as<T>(
        &mut self,
        key: &Key,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let entry = self.find(key);
        let problem = match entry {
            Some(entry) if entry.cut && key.secret => Problem::at(
                entry,
                Severity::Mistake,
                false,
                "contains a ; that starts a comment: put the value in quotes".to_owned(),
            ),
            Some(entry) => match parse(&entry.value) {
                Ok(value) => return Some(value),
                Err(message) => Problem::at(entry, Severity::Mistake, !key.secret, message),
            },
            None => match parse(key.default) {
                Ok(value) => return Some(value),
                Err(message) => self.unset(key, format!("is not set: {message}")),
            },
        };
        self.problems.push(problem);
        None
    }

    /// The values of a key that may be given on several lines. `None` after a mistake
    /// in one of them; each has been recorded.
    pub(crate) fn read_each<T, K: Kind<Value = Option<T>>>(
        &mut self,
        key: &TypedKey<K>,
    ) -> Option<Vec<T>> {
        self.read_each_as(key, |raw| key.kind.parse(raw))
    }

    /// The same for a key that the section reads in its own way.
    pub(crate) fn read_each_as<T>(
        &mut self,
        key: &Key,
        parse: impl Fn(&str) -> Result<Option<T>, String>,
    ) -> Option<Vec<T>> {
        let mut values = Some(Vec::new());
        for entry in holding(self.entries, key, self.index) {
            match parse(&entry.value) {
                Ok(value) => {
                    if let Some(values) = &mut values {
                        values.extend(value);
                    }
                }
                Err(message) => {
                    let problem = Problem::at(entry, Severity::Mistake, !key.secret, message);
                    self.problems.push(problem);
                    values = None;
                }
            }
        }
        values
    }

    /// Records a mistake at this key that shows only when several keys are seen
    /// together.
    pub(crate) fn mistake(&mut self, key: &Key, message: &str) {
        let problem = match self.find(key) {
            Some(entry) => Problem::at(entry, Severity::Mistake, !key.secret, message.to_owned()),
            None => self.unset(key, message.to_owned()),
        };
        self.problems.push(problem);
    }

    /// A value that must be set; records a mistake if it is not.
    pub(crate) fn required<T>(&mut self, key: &Key, why: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.mistake(key, why);
        }
        value
    }

    /// Whether the file sets the key.
    pub(crate) fn is_set(&self, key: &Key) -> bool {
        self.find(key).is_some()
    }

    /// A mistake in a key that the file does not set.
    fn unset(&self, key: &Key, message: String) -> Problem {
        Problem {
            severity: Severity::Mistake,
            line: None,
            location: location(self.section.name(), key.name, self.index),
            message,
        }
    }

    /// The line that applies.
    fn find(&self, key: &Key) -> Option<&'a Entry> {
        holding(self.entries, key, self.index).next()
    }
}

/// The lines that apply to a key: those with the interface's index, else those
/// without. `key[]` has no index if several lines make a list.
pub(crate) fn holding<'a>(
    entries: &'a [Entry],
    key: &Key,
    index: Option<&str>,
) -> impl Iterator<Item = &'a Entry> {
    let index_of = |entry: &'a Entry| {
        let listed = key.repeated && entry.numbered;
        entry.index.as_deref().filter(|_| !listed)
    };
    let of_key = |entry: &&Entry| entry.section == key.section.name() && key.is_called(&entry.key);
    let with = |index: Option<&str>| {
        entries
            .iter()
            .filter(of_key)
            .filter(|entry| index_of(entry) == index)
            .collect::<Vec<_>>()
    };
    let indexed = with(index);
    let lines = if indexed.is_empty() {
        with(None)
    } else {
        indexed
    };
    lines.into_iter()
}

/// A warning about a key, at the line that applies if the file sets it.
pub(crate) fn advice(entries: &[Entry], key: &Key, index: Option<&str>, message: &str) -> Problem {
    let severity = Severity::Advice;
    let message = message.to_owned();
    match holding(entries, key, index).next() {
        Some(entry) => Problem::at(entry, severity, !key.secret, message),
        None => Problem {
            severity,
            line: None,
            location: location(key.section.name(), key.name, index),
            message,
        },
    }
}

/// Whether the file sets a key, of any interface.
pub(crate) fn is_set(entries: &[Entry], key: &Key) -> bool {
    let is_of = |entry: &Entry| entry.section == key.section.name() && key.is_called(&entry.key);
    entries.iter().any(is_of)
}

/// The interfaces of a section in the order in which the file first names them; one
/// without a name if no key has an index.
pub(crate) fn interfaces(entries: &[Entry], section: Section) -> Vec<InterfaceName> {
    let mut names: Vec<InterfaceName> = Vec::new();
    // A misspelt key makes no interface.
    let known = entries.iter().filter(|entry| {
        entry.section == section.name()
            && keys::find(section, &entry.key)
                .is_some_and(|key| key.per_interface && !(key.repeated && entry.numbered))
    });
    for index in known.filter_map(|entry| entry.index.as_deref()) {
        if let Ok(name) = InterfaceName::parse(index)
            && !names.contains(&name)
        {
            names.push(name);
        }
    }
    if names.is_empty() {
        names.push(InterfaceName::unnamed());
    }
    names
}

/// Problems of lines that no reader asks for: unknown sections and keys, indexes
/// where none is allowed, and keys given twice.
pub(crate) fn unread_lines(entries: &[Entry]) -> Vec<Problem> {
    let mut first_lines = HashMap::new();
    entries
        .iter()
        .filter_map(|entry| {
            let (severity, show, message) = match known(entry) {
                // It may be a secret under a misspelt name.
                Err(message) => (Severity::Unknown, false, message),
                Ok(key) => (
                    Severity::Mistake,
                    !key.secret,
                    clash(key, entry, &mut first_lines)?,
                ),
            };
            Some(Problem::at(entry, severity, show, message))
        })
        .collect()
}

/// Warnings about comments that start right behind a value. For a secret it is a
/// mistake, which its reader records.
pub(crate) fn comments_without_blank(entries: &[Entry]) -> Vec<Problem> {
    let open = |entry: &Entry| {
        let section = Section::named(&entry.section)?;
        keys::find(section, &entry.key).filter(|key| !key.secret)
    };
    let message = "ends at a ; that starts a comment: put a blank before it, or the value in \
                   quotes if the ; belongs to it";
    entries
        .iter()
        .filter(|entry| entry.cut && open(entry).is_some())
        .map(|entry| Problem::at(entry, Severity::Advice, true, message.to_owned()))
        .collect()
}

fn known(entry: &Entry) -> Result<&'static Key, String> {
    if entry.section.is_empty() {
        return Err("is before the first [section] and is not read".to_owned());
    }
    let Some(section) = Section::named(&entry.section) else {
        let hint = did_you_mean(&entry.section, Section::ALL.map(Section::name));
        return Err(format!("unknown section{hint}"));
    };
    keys::find(section, &entry.key).ok_or_else(|| {
        let names = keys::of(section)
            .iter()
            .flat_map(|key| [Some(key.name), key.later_name])
            .flatten();
        let hint = did_you_mean(&entry.key, names);
        format!("unknown key{hint}")
    })
}

fn clash<'a>(
    key: &'static Key,
    entry: &'a Entry,
    first: &mut HashMap<(Section, &'static str, Option<&'a str>), &'a Entry>,
) -> Option<String> {
    if let Some(index) = &entry.index {
        if !key.per_interface {
            return Some("takes no [index]: it applies to all interfaces".to_owned());
        }
        if let Err(error) = InterfaceName::parse(index) {
            return Some(error.to_string());
        }
    }
    if key.repeated {
        return None;
    }
    let id = (key.section, key.name, entry.index.as_deref());
    match first.get(&id) {
        None => {
            first.insert(id, entry);
            None
        }
        Some(other) if other.key == entry.key => Some(format!(
            "is given twice, first on line {}: remove one",
            other.line
        )),
        Some(other) => Some(format!(
            "is another name of {}, given on line {}: remove one",
            other.key, other.line
        )),
    }
}
