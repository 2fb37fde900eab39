//! What the test crates share: the real binary, a temporary spool, stand-ins for
//! providers, and an HTTP client that sends exact bytes.
//!
//! No test relies on a fixed sleep: it waits for an event, for [`PATIENCE`] at most.
//!
//! | module | what it does |
//! | --- | --- |
//! | `agi` | makes `FastAGI` calls |
//! | `callfile` | reads call files as Asterisk does |
//! | `cli` | runs commands as an administrator does |
//! | `daemon` | `websmsd` and its spool |
//! | `golden` | reads `tests/presets`, the recorded data of providers |
//! | `graph` | stands in for Meta's Graph API |
//! | `http` | sends requests and reads responses, byte for byte |
//! | `installation` | a spool, an outbox and a configuration, whether `websmsd` runs or not |
//! | `messages` | assembles messages from call files |
//! | `otp` | `websmsd` with one-time passwords |
//! | `outbox` | the directory of an outbox |
//! | `provider` | stands in for a provider; records requests |
//! | `sak` | stands in for a SAK gateway |
//! | `sip` | a SIP phone |
//! | `websms` | runs `websms` |

#![allow(
    dead_code,
    unused_imports,
    reason = "each test crate uses a part of it"
)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

pub(crate) mod agi;
pub(crate) mod callfile;
pub(crate) mod cli;
pub(crate) mod daemon;
pub(crate) mod golden;
pub(crate) mod graph;
pub(crate) mod http;
pub(crate) mod installation;
pub(crate) mod messages;
pub(crate) mod otp;
pub(crate) mod outbox;
pub(crate) mod provider;
pub(crate) mod sak;
pub(crate) mod sip;
pub(crate) mod websms;

pub(crate) use {
    daemon::{Daemon, Spool},
    installation::Installation,
    provider::{Answer, Provider},
    websms::Websms,
};

/// How long a test waits for an event before it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The binary under test.
pub(crate) fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_asterisk-websms"))
}

/// Calls `poll` until it returns a value, for [`PATIENCE`] at most.
pub(crate) fn wait_for<T>(what: &str, poll: impl FnMut() -> Option<T>) -> T {
    wait_within(PATIENCE, what, poll)
}

/// Calls `poll` until it returns a value, for `patience` at most.
pub(crate) fn wait_within<T>(
    patience: Duration,
    what: &str,
    mut poll: impl FnMut() -> Option<T>,
) -> T {
    let end = Instant::now() + patience;
    loop {
        if let Some(value) = poll() {
            return value;
        }
        assert!(Instant::now() < end, "timed out waiting for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The size of a test from an environment variable, so that `tests/long` can run it
/// for hours.
pub(crate) fn size(variable: &str, default: usize) -> usize {
    std::env::var(variable).map_or(default, |value| value.parse().expect(variable))
}

/// Raises the limit of file descriptors of this process and of those that it starts.
pub(crate) fn allow_descriptors(count: u64) {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit {
        current: Some(limit.current.map_or(count, |current| current.max(count))),
        ..limit
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).unwrap();
}

/// A section of `websms.conf`.
pub(crate) fn section(name: &str, pairs: &[(&str, &str)]) -> String {
    let lines = pairs
        .iter()
        .flat_map(|(key, value)| [*key, " = \"", value, "\"\n"])
        .collect::<String>();
    format!("[{name}]\n{lines}")
}
