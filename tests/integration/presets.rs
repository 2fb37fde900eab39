//! Every preset against the requests, responses and webhooks recorded of its provider:
//! `tests/presets/NAME.json`, through the real binary.
//!
//! The signatures in there are made by `python3 tests/presets/sign.py`;
//! with `--check` it verifies them.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::thread;

use asterisk_websms::config;

use crate::support::golden::{Golden, stems};
use crate::support::program;

mod examples;
mod incoming;
mod outgoing;
mod own;
mod together;

/// Tests every preset in a thread of its own; all that fail are named.
fn each(test: impl Fn(&str, &Golden) + Sync) {
    let test = &test;
    let failed: Vec<_> = thread::scope(|scope| {
        let running: Vec<_> = stems("conf/presets", ".conf")
            .into_iter()
            .map(|name| {
                let thread = thread::Builder::new().name(name.clone());
                let given = name.clone();
                let running =
                    thread.spawn_scoped(scope, move || test(&given, &Golden::read(&given)));
                (name, running.unwrap())
            })
            .collect();
        let ended = running
            .into_iter()
            .map(|(name, thread)| (name, thread.join()));
        ended
            .filter_map(|(name, end)| end.err().map(|_| name))
            .collect()
    });
    assert!(failed.is_empty(), "these failed, see above: {failed:?}");
}

#[test]
fn every_preset_is_in_the_program_and_has_golden_data() {
    let shipped = config::syntax::preset::PRESETS
        .iter()
        .map(|(name, _)| (*name).to_owned());
    let files = stems("conf/presets", ".conf");
    assert_eq!(shipped.collect::<BTreeSet<_>>(), files);
    assert_eq!(stems("tests/presets", ".json"), files);
    assert!(!files.is_empty());
    each(|name, golden| {
        assert!(!golden.send.is_empty(), "{name}");
        assert!(
            golden.answers.iter().any(|answer| answer.outcome == "SENT"),
            "{name}"
        );
        assert!(
            golden
                .answers
                .iter()
                .any(|answer| answer.outcome == "REJECTED"),
            "{name}"
        );
        assert!(
            golden
                .webhooks
                .iter()
                .any(|webhook| !webhook.messages.is_empty()),
            "{name}"
        );
        assert!(
            golden
                .webhooks
                .iter()
                .any(|webhook| webhook.post.status >= 400),
            "{name}"
        );
    });
}

#[test]
fn preset_is_sound_with_what_the_administrator_adds() {
    each(|name, golden| {
        let output = check(&golden.config(name));
        assert!(output.starts_with("ok: "), "{name}: {output}");
    });
}

/// The output of `check` for a configuration in which only the interfaces can be
/// wrong.
fn check(config: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("websms.conf");
    let rest = "[websmsd]\nproxy_addr = \"\"\n[astqueue]\nmaxretries = 4320\narchive = yes\n";
    std::fs::write(&path, format!("{config}{rest}")).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let output = Command::new(program())
        .env_clear()
        .args(["check", "--file-only", "--config"])
        .arg(&path)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}
