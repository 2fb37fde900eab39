//! Text to entries: the syntax of `websms.conf`.
//!
//! It is PHP's ini syntax as far as real files use it, because existing files
//! are read by PHP's `parse_ini_file`: `;` starts a comment at the start of a
//! line and after a value, values may be quoted, keys may carry an `[index]`.
//! PHP's conversions are not taken over: `no` stays `no`, `${HOME}` stays
//! `${HOME}`, and `&`, `!`, `(` or `~` in a value are just that.
//!
//! `serde_ini` distinguishes sections, comments and values; it returns one item per
//! line, which gives the line numbers.

use std::collections::HashMap;
use std::convert::Infallible;

use serde_ini::parse::{Error, Item, Parser, SyntaxError};

use crate::config::syntax::entry::Entry;
use crate::config::syntax::problem::{Problem, Severity};

/// Reads a whole file. Every line that cannot be read is a problem; the others
/// become entries.
#[must_use]
pub fn parse(text: &str) -> (Vec<Entry>, Vec<Problem>) {
    let mut entries = Vec::new();
    let mut problems = Vec::new();
    let mut section = String::new();
    let mut numbers = HashMap::new();
    let lines = without_byte_order_mark(text).lines().map(prepare);
    for (item, line) in Parser::new(lines.map(Ok::<_, Infallible>)).zip(1..) {
        match item {
            Ok(Item::Section { name }) => name.trim().clone_into(&mut section),
            Ok(Item::Value { key, value }) => {
                match entry(line, &section, &key, &value, &mut numbers) {
                    Ok(entry) => entries.push(entry),
                    Err(message) => problems.push(problem(line, &key, message)),
                }
            }
            Ok(Item::Empty | Item::Comment { .. }) => {}
            Err(Error::Syntax(error)) => problems.push(problem(line, "", syntax(error))),
        }
    }
    (entries, problems)
}

fn without_byte_order_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Removes what `serde_ini` does not support: indentation, and a comment after
/// the name of a section.
fn prepare(line: &str) -> &str {
    let line = line.trim();
    if !line.starts_with('[') {
        return line;
    }
    match line.split_once(']') {
        Some((name, rest)) if rest.trim_start().starts_with(';') => {
            line.get(..=name.len()).unwrap_or(line)
        }
        _ => line,
    }
}

fn entry(
    line: usize,
    section: &str,
    key: &str,
    value: &str,
    numbers: &mut HashMap<(String, String), u32>,
) -> Result<Entry, &'static str> {
    let (key, index) = split_index(key)?;
    let (value, cut) = split_value(value)?;
    let numbered = index.is_some_and(str::is_empty);
    let index = index.map(|index| number(index, section, key, numbers));
    Ok(Entry {
        line,
        section: section.to_owned(),
        key: key.to_owned(),
        index,
        numbered,
        value,
        cut,
        preset: None,
    })
}

/// `key [index]`, with or without the blank.
fn split_index(key: &str) -> Result<(&str, Option<&str>), &'static str> {
    let Some((name, rest)) = key.split_once('[') else {
        return Ok((key, None));
    };
    let index = rest
        .strip_suffix(']')
        .ok_or("the index is not closed: write key [index] = value")?;
    Ok((name.trim_end(), Some(index.trim())))
}

/// `[]` gets the number after the highest one of this key so far, as in PHP.
fn number(
    index: &str,
    section: &str,
    key: &str,
    numbers: &mut HashMap<(String, String), u32>,
) -> String {
    let next = numbers
        .entry((section.to_owned(), key.to_owned()))
        .or_insert(0);
    if index.is_empty() {
        let number = next.to_string();
        *next += 1;
        return number;
    }
    if let Ok(number) = index.parse::<u32>() {
        *next = (*next).max(number.saturating_add(1));
    }
    index.to_owned()
}

/// The value without quotes and comment, and whether a comment started right
/// behind it.
fn split_value(raw: &str) -> Result<(String, bool), &'static str> {
    match raw.chars().next() {
        Some(quote @ ('"' | '\'')) => quoted(raw, quote).map(|value| (value, false)),
        _ => Ok(match raw.split_once(';') {
            Some((value, _)) => {
                let cut = value.ends_with(|last: char| !last.is_whitespace());
                (value.trim_end().to_owned(), cut)
            }
            None => (raw.to_owned(), false),
        }),
    }
}

/// A quoted value. In double quotes a backslash escapes a quote or a backslash
/// and is itself otherwise; in single quotes nothing is special.
fn quoted(raw: &str, quote: char) -> Result<String, &'static str> {
    let mut value = String::new();
    let mut rest = raw.chars();
    rest.next();
    while let Some(next) = rest.next() {
        if next == quote {
            let after = rest.as_str().trim_start();
            return if after.is_empty() || after.starts_with(';') {
                Ok(value)
            } else {
                Err(
                    "there is text after the closing quote: put the whole value in quotes, \
                     and write \\\" for a quote in it",
                )
            };
        }
        if next == '\\' && quote == '"' {
            let escaped = rest.as_str().chars().next();
            if let Some(escaped @ ('"' | '\\' | '\'')) = escaped {
                rest.next();
                value.push(escaped);
                continue;
            }
        }
        value.push(next);
    }
    Err("the quote is not closed")
}

fn syntax(error: SyntaxError) -> &'static str {
    match error {
        SyntaxError::MissingEquals => {
            "this line is neither a comment, a [section] nor key = value: put ; before a comment"
        }
        SyntaxError::SectionNotClosed | SyntaxError::SectionName => {
            "a section is written as [name] on a line of its own"
        }
    }
}

fn problem(line: usize, key: &str, message: &str) -> Problem {
    Problem {
        severity: Severity::Mistake,
        line: Some(line),
        location: key.to_owned(),
        message: message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<(String, Option<String>, String)> {
        let (entries, problems) = parse(text);
        assert_eq!(problems, [], "{text}");
        entries
            .into_iter()
            .map(|entry| (entry.key, entry.index, entry.value))
            .collect()
    }

    fn value(raw: &str) -> String {
        values(&format!("[a]\nkey = {raw}\n")).remove(0).2
    }

    #[test]
    fn value_is_read_as_written() {
        for (raw, expected) in [
            ("plain", "plain"),
            ("", ""),
            ("basic   ;eg \"plain\"", "basic"),
            ("\"\"      ;set it", ""),
            ("\"a;b&c!d(e)f~g^h|i\"", "a;b&c!d(e)f~g^h|i"),
            ("p&ss!w(o)r~d", "p&ss!w(o)r~d"),
            ("${HOME}", "${HOME}"),
            ("\"${HOME}\"", "${HOME}"),
            ("no", "no"),
            ("null", "null"),
            ("a\"b", "a\"b"),
            ("\"a\\\"b\"", "a\"b"),
            ("\"a\\\\b\"", "a\\b"),
            ("\"/\\d+/\"", "/\\d+/"),
            ("'a\\\"b'", "a\\\"b"),
            ("\" blanks \"", " blanks "),
            ("a # b", "a # b"),
            ("status=success", "status=success"),
            ("\"x\";comment", "x"),
        ] {
            assert_eq!(value(raw), expected, "{raw}");
        }
    }

    #[test]
    fn comment_without_a_blank_before_it_is_marked() {
        let (entries, _) = parse("[a]\nk = pa;ss\nl = pa ;ss\n");
        assert_eq!(
            entries.iter().map(|e| e.cut).collect::<Vec<_>>(),
            [true, false]
        );
    }

    #[test]
    fn index_may_be_named_numbered_or_empty() {
        let indexes: Vec<_> =
            values("[a]\nk[x] = 1\nk [y-1]=2\nk[]=3\nk[7]=4\nk []=5\nother[]=6\nplain=7\n")
                .into_iter()
                .map(|(_, index, _)| index)
                .collect();
        let expected = ["x", "y-1", "0", "7", "8", "0"].map(|i| Some(i.to_owned()));
        assert_eq!(indexes[..6], expected);
        assert_eq!(indexes[6], None);
    }

    #[test]
    fn section_may_be_followed_by_a_comment() {
        let (entries, problems) = parse("\u{feff}[a] ; first\n  k = 1\n# old\n[b]\r\nk = 2\r\n");
        assert_eq!(problems, []);
        let places: Vec<_> = entries
            .iter()
            .map(|e| (e.section.as_str(), e.line, e.value.as_str()))
            .collect();
        assert_eq!(places, [("a", 2, "1"), ("b", 5, "2")]);
    }

    #[test]
    fn every_unreadable_line_is_reported() {
        let text = "[a\nword\nk[1 = 2\nk = \"open\nk = \"a\" b\nok = 1\n";
        let (entries, problems) = parse(text);
        assert_eq!(entries.len(), 1);
        let lines: Vec<_> = problems.iter().map(|p| p.line).collect();
        assert_eq!(lines, [1, 2, 3, 4, 5].map(Some));
    }
}
