//! `conf/REFERENCE.md` and `conf/websms.conf.sample` are written from the table.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::config::syntax::entry::Entry;
use crate::config::syntax::ini;
use crate::config::syntax::keys::key::{Documentation, Key};
use crate::config::syntax::keys::{astqueue, of, otp, websms, websmsd, whatsapp};
use crate::config::syntax::section::Section;

/// Environment variable with which the files are written and not compared.
const WRITE: &str = "WEBSMS_WRITE_DOCS";

/// What ends the part of the reference that belongs to a section.
const END: &str = "<!-- end of keys -->\n";

/// Column at which the comments of the sample start.
const COMMENT_COLUMN: usize = 47;

const SAMPLE_HEAD: &str = ";
; websms.conf.sample: every key at its default.
;
; A line that starts with ; is a comment; remove the ; to set a key. Most keys of
; [websms] and [websmsd] may carry an [index] to describe one interface of
; several, all but those that apply to the program as a whole:
;     host [api-1] = https://api.example.com
; REFERENCE.md explains them all.
;
";

fn documentation(section: Section) -> &'static [Documentation] {
    match section {
        Section::Astqueue => astqueue::DOCUMENTATION,
        Section::Otp => otp::DOCUMENTATION,
        Section::Websms => websms::DOCUMENTATION,
        Section::Websmsd => websmsd::DOCUMENTATION,
        Section::Whatsapp => whatsapp::DOCUMENTATION,
    }
}

fn rows(section: Section) -> impl Iterator<Item = (&'static Key, &'static Documentation)> {
    of(section).iter().zip(documentation(section))
}

/// What starts the part of the reference that belongs to a section.
fn start(section: Section) -> String {
    format!(
        "<!-- keys of [{}]: `{WRITE}=1 cargo test --lib keys` writes this part -->\n",
        section.name()
    )
}

/// The part of the reference that belongs to a section.
fn table(section: Section) -> String {
    let mut table = indexes(section);
    table.push_str("\n\n| key | value | default | meaning |\n| --- | --- | --- | --- |\n");
    for (key, documentation) in rows(section) {
        let code = |text: &str| format!("`{text}`");
        let names: Vec<_> = [Some(key.name), key.later_name]
            .into_iter()
            .flatten()
            .map(code)
            .collect();
        let default = Some(key.default).filter(|default| !default.is_empty());
        let cells = [
            names.join(", "),
            value(documentation),
            default.map(code).unwrap_or_default(),
            documentation.meaning.trim().replace('|', "\\|"),
        ];
        writeln!(table, "| {} |", cells.join(" | ").replace("|  |", "| |")).unwrap();
    }
    table
}

/// Which keys of a section may carry an index.
fn indexes(section: Section) -> String {
    let (with, without): (Vec<_>, Vec<_>) = of(section).iter().partition(|key| key.per_interface);
    if with.is_empty() {
        return "No key of this section may carry an index.".to_owned();
    }
    let names: Vec<_> = without
        .iter()
        .map(|key| format!("`{}`", key.name))
        .collect();
    let (last, others) = names.split_last().unwrap();
    format!(
        "All keys but {} and {last} may carry an index.",
        others.join(", ")
    )
}

/// What a value has to be, with links to where that is explained.
fn value(documentation: &Documentation) -> String {
    let text = (documentation.value)();
    if documentation.is_words {
        let lists = text.split(", ").map(|words| {
            let words: Vec<_> = words
                .split(" or ")
                .map(|word| format!("`{word}`"))
                .collect();
            words.join(" or ")
        });
        return lists.collect::<Vec<_>>().join(", ");
    }
    text.replace("places", "[places](#places)")
        .replace("a condition", "[a condition](#conditions)")
        .replace("auth_place", "`auth_place`")
}

/// The reference with the part of each section put in.
fn reference(written: &str) -> String {
    Section::ALL
        .into_iter()
        .fold(written.to_owned(), |text, section| {
            let start = start(section);
            let (before, rest) = text
                .split_once(&start)
                .unwrap_or_else(|| panic!("REFERENCE.md has no line {start}"));
            let (_, after) = rest.split_once(END).unwrap();
            format!("{before}{start}{}{END}{after}", table(section))
        })
}

fn sample() -> String {
    let mut sample = SAMPLE_HEAD.to_owned();
    for section in Section::ALL {
        writeln!(sample, "\n[{}]", section.name()).unwrap();
        for (key, documentation) in rows(section) {
            let quoted = key.default.contains(['{', ';', '"']);
            let quote = if quoted { "\"" } else { "" };
            let line = format!(";{:<15} = {quote}{}{quote}", key.name, key.default);
            let line = match documentation.hint {
                "" => line,
                hint => format!("{line:<COMMENT_COLUMN$}; {hint}"),
            };
            writeln!(sample, "{}", line.trim_end()).unwrap();
        }
    }
    sample
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("conf")
        .join(name)
}

/// Compares a file with what it has to be, or writes it.
fn compare(name: &str, expected: impl Fn(&str) -> String) {
    let path = path(name);
    let written = std::fs::read_to_string(&path).unwrap();
    let expected = expected(&written);
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, expected).unwrap();
        return;
    }
    let mut pairs = written.lines().zip(expected.lines());
    let difference = pairs.find(|(written, expected)| written != expected);
    assert!(
        written == expected,
        "conf/{name} is not as the table of keys says, first: {difference:#?}\n\
         `{WRITE}=1 cargo test --lib keys` writes it"
    );
}

#[test]
fn reference_is_written_from_the_table() {
    compare("REFERENCE.md", reference);
}

#[test]
fn sample_is_written_from_the_table() {
    compare("websms.conf.sample", |_| sample());
}

#[test]
fn every_key_has_a_meaning() {
    for section in Section::ALL {
        for (key, documentation) in rows(section) {
            let meaning = documentation.meaning.trim();
            assert!(meaning.ends_with(['.', ')']), "{}: {meaning}", key.name);
            assert!(!(documentation.value)().is_empty(), "{}", key.name);
        }
    }
}

#[test]
fn name_of_a_key_is_unique_in_its_section() {
    for section in Section::ALL {
        let names = of(section)
            .iter()
            .flat_map(|key| [Some(key.name), key.later_name]);
        let mut names: Vec<_> = names.flatten().collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all, "{section:?}");
    }
}

#[test]
fn sample_without_its_semicolons_sets_every_key_to_its_default() {
    let uncommented: String = sample()
        .lines()
        .map(|line| match line.strip_prefix(';') {
            // A key, not a sentence.
            Some(key) if key.starts_with(|c: char| c.is_ascii_lowercase()) => key,
            _ => line,
        })
        .flat_map(|line| [line, "\n"])
        .collect();
    let (entries, problems) = ini::parse(&uncommented);
    assert_eq!(problems, []);
    let sample: Vec<_> = entries.iter().map(Entry::triple).collect();
    let table: Vec<_> = Section::ALL
        .into_iter()
        .flat_map(of)
        .map(|key| (key.section.name(), key.name, key.default))
        .collect();
    assert_eq!(sample, table);
}
