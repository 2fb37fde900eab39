//! Presets: the settings of a well-known provider, as keys of `websms.conf`.
//!
//! A preset is data and gives only the keys that the file does not set. Those that
//! are shipped are in `conf/presets`; the administrator's own, in the directory
//! `presetdir`, take precedence.

use std::io;
use std::path::{Path, PathBuf};

use crate::config::syntax::entry::Entry;
use crate::config::syntax::ini;
use crate::config::syntax::keys::{self, Key};
use crate::config::syntax::problem::{Problem, Severity, did_you_mean};
use crate::config::syntax::reader::{self, interfaces};
use crate::config::syntax::section::Section;
use crate::logging::chain;

/// Reads an own preset from a directory; `None` if it does not exist.
pub type PresetLoader<'a> = &'a dyn Fn(&Path, &str) -> io::Result<Option<String>>;

macro_rules! presets {
    ($($name:literal),+ $(,)?) => {
        /// The shipped presets: name and text.
        pub const PRESETS: &[(&str, &str)] = &[
            $(($name, include_str!(concat!("../../../conf/presets/", $name, ".conf")))),+
        ];
    };
}

presets![
    "46elks",
    "bandwidth",
    "bulkvs",
    "clickatell",
    "clicksend",
    "commio",
    "didww",
    "evolution",
    "flowroute",
    "gowa",
    "infobip",
    "inteliquent",
    "jasmin",
    "kannel",
    "messagebird",
    "plivo",
    "sak",
    "signalwire",
    "sinch",
    "siptrunk",
    "skyetel",
    "telnyx",
    "twilio",
    "voipms",
    "vonage",
    "voxtelesys",
    "waha",
    "whatsapp",
    "whatsapp-template",
    "wuzapi",
    "zadarma",
];

/// The text of a preset: an own one, or a shipped one.
///
/// # Errors
/// When an own preset exists and cannot be read.
pub fn text(name: &str, directory: &Path, own: PresetLoader<'_>) -> io::Result<Option<String>> {
    if !is_name(name) {
        return Ok(None);
    }
    let shipped = || {
        PRESETS
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, text)| (*text).to_owned())
    };
    Ok(own(directory, name)?.or_else(shipped))
}

/// Reads an own preset from the file `NAME.conf`. Neither the file nor the directory
/// need exist.
///
/// # Errors
/// When the file exists and cannot be read.
pub fn from_file(directory: &Path, name: &str) -> io::Result<Option<String>> {
    match std::fs::read(directory.join(format!("{name}.conf"))) {
        Ok(text) => Ok(Some(String::from_utf8_lossy(&text).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The directory of own presets that a configuration names, or the default.
#[must_use]
pub fn directory(entries: &[Entry]) -> PathBuf {
    let key = &keys::websms::PRESETDIR;
    let entry = entries
        .iter()
        .find(|entry| entry.section == key.section.name() && key.is_called(&entry.key));
    PathBuf::from(entry.map_or(key.default, |entry| &entry.value))
}

/// Whether this may be the name of a preset; a path may not.
#[must_use]
pub fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// The entries that presets add to a file: for each interface the keys that the
/// file does not set.
pub(crate) fn expand(entries: &[Entry], own: PresetLoader<'_>) -> (Vec<Entry>, Vec<Problem>) {
    let (mut added, mut problems) = (Vec::new(), Vec::<Problem>::new());
    for (section, key) in [
        (Section::Websms, &keys::websms::PRESET),
        (Section::Websmsd, &keys::websmsd::PRESET),
    ] {
        for interface in interfaces(entries, section) {
            let index = (!interface.is_unnamed()).then(|| interface.as_str().to_owned());
            let Some(named) = set(entries, key, index.as_deref()) else {
                continue;
            };
            let name = named.value.as_str();
            match text(name, &directory(entries), own) {
                Ok(Some(text)) => {
                    let (preset, mistakes) = read(name, &text);
                    for mistake in mistakes {
                        // Several interfaces may name one preset.
                        if !problems.contains(&mistake) {
                            problems.push(mistake);
                        }
                    }
                    added.extend(missing(entries, &preset, section, index.as_deref()));
                }
                Ok(None) if name.is_empty() => {}
                Ok(None) => problems.push(unknown(named)),
                Err(error) => {
                    let message = format!("cannot be read: {}", chain(&error));
                    problems.push(Problem::at(named, Severity::Mistake, true, message));
                }
            }
        }
    }
    (added, problems)
}

/// The line of the file that sets a key of an interface.
fn set<'a>(entries: &'a [Entry], key: &Key, index: Option<&str>) -> Option<&'a Entry> {
    reader::holding(entries, key, index).next()
}

/// The entries of a preset, and its problems.
fn read(name: &str, text: &str) -> (Vec<Entry>, Vec<Problem>) {
    let (mut entries, mut problems) = ini::parse(text);
    for problem in &mut problems {
        let line = problem.line.take().unwrap_or_default();
        let location = format!("{} (preset {name}, line {line})", problem.location);
        location.trim_start().clone_into(&mut problem.location);
    }
    for entry in &mut entries {
        entry.preset = Some(name.to_owned());
    }
    let (misplaced, entries): (Vec<_>, Vec<_>) = entries.into_iter().partition(is_misplaced);
    problems.extend(misplaced.iter().map(|entry| {
        let message = "is not allowed in a preset, which is for one interface: remove it";
        Problem::at(entry, Severity::Mistake, false, message.to_owned())
    }));
    problems.extend(reader::unread_lines(&entries));
    (entries, problems)
}

/// Whether a preset, which is for one interface, must not set it.
fn is_misplaced(entry: &Entry) -> bool {
    let key = Section::named(&entry.section).and_then(|section| keys::find(section, &entry.key));
    entry.index.is_some() || key.is_some_and(|key| !key.per_interface || key.name == "preset")
}

/// The entries of a preset for an interface whose keys the file does not set.
fn missing(
    entries: &[Entry],
    preset: &[Entry],
    section: Section,
    index: Option<&str>,
) -> Vec<Entry> {
    preset
        .iter()
        .filter(|entry| entry.section == section.name() && entry.index.is_none())
        .filter(|entry| {
            keys::find(section, &entry.key).is_none_or(|key| set(entries, key, index).is_none())
        })
        .map(|entry| Entry {
            index: index.map(str::to_owned),
            ..entry.clone()
        })
        .collect()
}

fn unknown(named: &Entry) -> Problem {
    let shipped = PRESETS.iter().map(|(name, _)| *name);
    let hint = did_you_mean(&named.value, shipped);
    let message = format!(
        "unknown preset: `asterisk-websms presets` lists the known ones, and a file NAME.conf in \
         presetdir adds another{hint}"
    );
    Problem::at(named, Severity::Mistake, true, message)
}
