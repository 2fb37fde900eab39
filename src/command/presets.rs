//! `presets`: the providers that are known by name.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::cli::{PresetsAction, PresetsOptions};
use crate::command::terminal;
use crate::config::syntax::{ini, preset};
use crate::exit::Exit;
use crate::logging::chain;

/// Prints the names, or the text of one preset.
#[must_use]
pub fn run(options: &PresetsOptions) -> Exit {
    let directory = directory(&options.configured.config);
    let output = match &options.action {
        None => Ok(list(&directory)),
        Some(PresetsAction::Show { name }) => show(&directory, name),
    };
    terminal::print_result(output)
}

/// The directory of own presets. The configuration may be missing or contain
/// mistakes.
fn directory(config: &Path) -> PathBuf {
    let text = std::fs::read(config).unwrap_or_default();
    let (entries, _) = ini::parse(&String::from_utf8_lossy(&text));
    preset::directory(&entries)
}

fn list(directory: &Path) -> String {
    let mut names: Vec<_> = preset::PRESETS
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .chain(own(directory))
        .collect();
    names.sort();
    names.dedup();
    let mut output = String::new();
    for name in names {
        let text = preset::text(&name, directory, &preset::from_file);
        let text = text.ok().flatten().unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(output, "{name:<18}  {}", title(&text, &name));
    }
    output
}

/// The names of own presets. Files with other names are skipped.
fn own(directory: &Path) -> Vec<String> {
    let files = std::fs::read_dir(directory).into_iter().flatten().flatten();
    files
        .filter_map(|file| {
            let name = file.file_name().into_string().ok()?;
            let name = name.strip_suffix(".conf")?;
            preset::is_name(name).then(|| name.to_owned())
        })
        .collect()
}

/// The first line, a comment, without the name.
fn title<'a>(text: &'a str, name: &str) -> &'a str {
    let line = text.lines().next().unwrap_or_default();
    let line = line.trim_start_matches([';', ' ']);
    line.strip_prefix(name)
        .unwrap_or(line)
        .trim_start_matches([':', ' '])
}

fn show(directory: &Path, name: &str) -> Result<String, String> {
    match preset::text(name, directory, &preset::from_file) {
        Ok(Some(text)) => Ok(text),
        Ok(None) => Err(format!(
            "there is no preset {name:?}; `asterisk-websms presets` lists them"
        )),
        Err(error) => Err(format!(
            "failed to read the preset {name:?}: {}",
            chain(&error)
        )),
    }
}
