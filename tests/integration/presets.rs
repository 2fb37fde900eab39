//! Every preset against the requests, responses and webhooks recorded of its provider:
//! `tests/presets/NAME.json`, through the real binary.
//!
//! `python3 tests/presets/sign.py` makes the signatures in these files; with `--check`
//! it verifies them.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::thread;

use asterisk_websms::config;

use crate::support::cli::{self, ConfigDirectory};
use crate::support::golden::{Golden, stems};

mod examples;
mod incoming;
mod outgoing;
mod own;
mod together;

/// Tests every preset in its own thread; names all that fail.
fn for_each_preset(test: impl Fn(&str, &Golden) + Sync) {
    let test = &test;
    let failed: Vec<_> = thread::scope(|scope| {
        let running: Vec<_> = stems("conf/presets", ".conf")
            .into_iter()
            .map(|name| {
                let thread = thread::Builder::new().name(name.clone());
                let own_name = name.clone();
                let running =
                    thread.spawn_scoped(scope, move || test(&own_name, &Golden::read(&own_name)));
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
    assert!(failed.is_empty(), "presets that failed: {failed:?}");
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
    for_each_preset(|name, golden| {
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
fn preset_with_recorded_keys_passes_check() {
    for_each_preset(|name, golden| {
        let output = check(&golden.config(name));
        assert!(output.starts_with("ok: "), "{name}: {output}");
    });
}

/// The output of `check` for a configuration in which only the interfaces can be
/// wrong, and the secrets short, as those in documents are.
fn check(config: &str) -> String {
    let rest = "[websmsd]\nproxy_addr = \"\"\n[astqueue]\nmaxretries = 4320\narchive = yes\n";
    let directory = ConfigDirectory::new(&format!("{config}{rest}"));
    let owner_only = Permissions::from_mode(0o600);
    std::fs::set_permissions(directory.path("websms.conf"), owner_only).unwrap();
    let output = cli::run(&mut directory.command(&["check", "--file-only"])).stdout;
    let lines = output
        .lines()
        .filter(|line| !line.contains("so it can be guessed"));
    lines.collect()
}
