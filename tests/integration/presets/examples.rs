//! The lines that the comment at the start of a preset tells the administrator to
//! write.

use std::collections::BTreeSet;

use asterisk_websms::config::syntax::ini;

use super::{check, for_each_preset};
use crate::support::golden::directory;

/// A line of an example.
#[derive(Debug, Clone)]
struct Line {
    section: &'static str,
    key: String,
    text: String,
}

/// The text of a shipped preset.
fn preset(name: &str) -> String {
    std::fs::read_to_string(directory("conf/presets").join(format!("{name}.conf"))).unwrap()
}

/// The lines of the comment at the start of a preset, without `;`.
fn head(preset: &str) -> Vec<&str> {
    let lines = preset.lines().take_while(|line| !line.is_empty());
    lines.map(|line| line.strip_prefix(';').unwrap()).collect()
}

/// `key [name] = value` at the end of a line.
fn assignment(line: &str, name: &str) -> Option<(String, String)> {
    let (before, value) = line.split_once(&format!(" [{name}] = "))?;
    let key = before.trim_end().rsplit(' ').next()?;
    Some((key.to_owned(), format!("{key} [{name}] = {value}")))
}

/// The lines to add to `websms.conf`.
fn example(head: &[&str], name: &str) -> Vec<Line> {
    let lines = head
        .iter()
        .skip_while(|line| **line != " Add to websms.conf:");
    let lines = lines.skip(1).take_while(|line| !line.is_empty());
    let mut section = "";
    let mut example = Vec::new();
    for line in lines {
        match line.trim() {
            "[websms]" => section = "websms",
            "[websmsd]" => section = "websmsd",
            line => {
                let (key, text) =
                    assignment(line, name).unwrap_or_else(|| panic!("{name}: {line}"));
                example.push(Line { section, key, text });
            }
        }
    }
    example
}

fn config(example: &[Line]) -> String {
    ["websms", "websmsd"]
        .map(|section| {
            let lines = example.iter().filter(|line| line.section == section);
            let lines: String = lines.flat_map(|line| [line.text.as_str(), "\n"]).collect();
            format!("[{section}]\n{lines}")
        })
        .concat()
}

#[test]
fn example_passes_check() {
    for_each_preset(|name, _| {
        let text = preset(name);
        let example = example(&head(&text), name);
        for section in ["websms", "websmsd"] {
            let named = format!("preset [{name}] = {name}");
            let mut lines = example.iter().filter(|line| line.section == section);
            assert_eq!(
                lines.next().map(|line| line.text.as_str()),
                Some(&*named),
                "{name}"
            );
        }
        let report = check(&config(&example));
        assert!(report.starts_with("ok: "), "{name}: {report}");
    });
}

#[test]
fn optional_lines_of_the_comment_pass_check() {
    for_each_preset(|name, _| {
        let text = preset(name);
        let head = head(&text);
        let example = example(&head, name);
        let given: BTreeSet<_> = example.iter().map(|line| line.text.clone()).collect();
        let optional =
            |line: &&str| assignment(line, name).filter(|(_, text)| !given.contains(text));
        // Consecutive lines belong together.
        let blocks = head.split(|line| optional(line).is_none());
        for block in blocks.filter(|block| !block.is_empty()) {
            let block: Vec<_> = block.iter().filter_map(optional).collect();
            let reports = ["websms", "websmsd"].map(|section| {
                let mut example = example.clone();
                for (key, text) in block.iter().cloned() {
                    example.retain(|line| line.section != section || line.key != key);
                    example.push(Line { section, key, text });
                }
                check(&config(&example))
            });
            // There may be warnings: an interface without auth is open.
            let passes = reports.iter().any(|report| !report.contains("error: "));
            assert!(passes, "{name}: {block:?}\n{reports:?}");
        }
    });
}

#[test]
fn preset_contains_nothing_of_an_account() {
    const OF_AN_ACCOUNT: [&str; 5] = [
        "account",
        "auth_user",
        "auth_passwd",
        "auth_secret",
        "public_url",
    ];
    for_each_preset(|name, _| {
        let (entries, problems) = ini::parse(&preset(name));
        assert!(problems.is_empty(), "{name}: {problems:?}");
        let mut keys = entries.iter().map(|entry| entry.key.as_str());
        assert_eq!(keys.find(|key| OF_AN_ACCOUNT.contains(key)), None, "{name}");
    });
}

#[test]
fn key_that_a_preset_leaves_out_is_in_its_example() {
    for_each_preset(|name, _| {
        let text = preset(name);
        let example = example(&head(&text), name);
        for (section, key) in left_out(&text) {
            let mut keys = example.iter().filter(|line| line.section == section);
            assert!(
                keys.any(|line| line.key == key),
                "{name}: [{section}] {key}"
            );
        }
    });
}

/// Keys that are commented out, with their sections.
fn left_out(preset: &str) -> Vec<(&str, &str)> {
    let mut section = "";
    let mut keys = Vec::new();
    for line in preset.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        } else if let Some((key, _)) = line.strip_prefix(';').and_then(|line| line.split_once('='))
            && !section.is_empty()
            && !key.trim_end().contains(' ')
        {
            keys.push((section, key.trim_end()));
        }
    }
    keys
}

#[test]
fn comments_are_not_too_long_for_a_terminal() {
    for_each_preset(|name, _| {
        let text = preset(name);
        // A value cannot continue on another line; a comment can.
        let mut comments = text.lines().filter(|line| line.starts_with(';'));
        let long = comments.find(|line| line.chars().count() > 120);
        assert_eq!(long, None, "{name}");
    });
}
