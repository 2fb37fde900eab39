//! The documentation: its links are not broken, and its examples work.

use std::path::{Path, PathBuf};
use std::process::Command;

use asterisk_websms::config;

use crate::support::program;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap()
}

/// The paths of all pages, relative to the repository.
fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    for directory in ["", "docs", "conf", "conf/whatsapp"] {
        for entry in std::fs::read_dir(root().join(directory)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    assert!(pages.len() > 10, "{pages:?}");
    pages
}

/// A page without its code blocks.
fn prose(page: &str) -> String {
    let mut code = false;
    let mut prose = String::new();
    for line in page.lines() {
        if line.trim_start_matches(['>', ' ']).starts_with("```") {
            code = !code;
        } else if !code {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    prose
}

/// The anchors of the headings, as GitHub makes them.
fn anchors(page: &str) -> Vec<String> {
    let prose = prose(page);
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let kept = |c: &char| c.is_alphanumeric() || " -_".contains(*c);
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        heading.chars().filter(kept).collect::<String>()
    };
    headings
        .map(|heading| anchor(heading).replace(' ', "-"))
        .collect()
}

/// The targets of the relative links of a page.
fn links(page: &str) -> Vec<String> {
    let prose = prose(page);
    let targets = prose.split("](").skip(1);
    targets
        .map(|rest| rest.split(')').next().unwrap().to_owned())
        .filter(|target| !target.contains("://"))
        .collect()
}

#[test]
fn relative_links_name_an_existing_page_and_heading() {
    let mut broken = Vec::new();
    for page in pages() {
        let text = read(page.to_str().unwrap());
        for target in links(&text) {
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let path = root().join(&page);
            let path = match file {
                "" => path,
                file => path.parent().unwrap().join(file),
            };
            let found = path.exists()
                && (anchor.is_empty()
                    || anchors(&std::fs::read_to_string(&path).unwrap())
                        .contains(&anchor.to_owned()));
            if !found {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn readme_is_short() {
    let readme = read("README.md");
    assert!(readme.lines().count() <= 180);
    for line in readme.lines() {
        assert!(line.chars().count() <= 160, "{line}");
    }
}

#[test]
fn example_in_the_readme_passes_check_without_warnings() {
    let readme = read("README.md");
    let (_, chapter) = readme.split_once("## A complete example").unwrap();
    let (_, block) = chapter.split_once("```ini\n").unwrap();
    let (example, _) = block.split_once("```").unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), example).unwrap();
    let output = Command::new(program())
        .args(["check", "--file-only", "--config"])
        .arg(file.path())
        .output()
        .unwrap();
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{report}");
    assert_eq!(report.lines().count(), 1, "no warnings: {report}");
    let (config, _) = config::load(file.path()).unwrap();
    assert_eq!(config.outgoing.len(), 1);
    assert_eq!(config.incoming.len(), 1);
    let call_file = &config.spool.call_file;
    assert_eq!(call_file.channel_context, "dp_entry_channel_open");
    assert_eq!(call_file.context, "dp_entry_trunk_texting");
    assert!(call_file.max_retries > 0 && call_file.archive);
}

#[test]
fn providers_page_lists_every_preset() {
    let page = read("docs/providers.md");
    for (name, _) in config::syntax::preset::PRESETS {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
}
