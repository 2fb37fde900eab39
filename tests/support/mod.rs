//! What the tests share: the real binary with a spool of its own, a provider
//! that records, and a client that says exactly what it is told to.
//!
//! Nothing here sleeps and hopes: everything waits for an event, within
//! [`PATIENCE`].

#![allow(
    dead_code,
    unused_imports,
    reason = "each test crate uses its part of it"
)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

pub(crate) mod callfile;
pub(crate) mod daemon;
pub(crate) mod golden;
pub(crate) mod graph;
pub(crate) mod http;
pub(crate) mod messages;
pub(crate) mod otp;
pub(crate) mod provider;
pub(crate) mod sak;
pub(crate) mod sip;
pub(crate) mod websms;

pub(crate) use {
    daemon::{Daemon, Spool},
    provider::{Answer, Provider},
    websms::Websms,
};

/// How long an event may be waited for before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The real binary.
pub(crate) fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_asterisk-websms"))
}

/// Asks until there is an answer.
pub(crate) fn wait_for<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    wait_within(PATIENCE, what, ask)
}

/// Asks until there is an answer, but no longer than `patience`.
pub(crate) fn wait_within<T>(
    patience: Duration,
    what: &str,
    mut ask: impl FnMut() -> Option<T>,
) -> T {
    let end = Instant::now() + patience;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A number from the environment, so that a test can be run at a size that takes
/// hours.
pub(crate) fn size(variable: &str, default: usize) -> usize {
    std::env::var(variable).map_or(default, |value| value.parse().expect(variable))
}

/// A section of `websms.conf`.
pub(crate) fn section(name: &str, pairs: &[(&str, &str)]) -> String {
    let lines = pairs
        .iter()
        .flat_map(|(key, value)| [*key, " = \"", value, "\"\n"])
        .collect::<String>();
    format!("[{name}]\n{lines}")
}
