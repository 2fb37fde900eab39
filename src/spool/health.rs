//! How the spool is, for whoever watches over the daemon.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::SystemTime;

use parking_lot::Mutex;

use crate::config::SpoolSettings;
use crate::storage::durable::Directory;

use super::probe;

/// What the feeder tells of its work.
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    /// Files that wait in staging.
    pub waiting: AtomicUsize,
    /// Whether the last move to Asterisk failed.
    pub stuck: AtomicBool,
    snapshot: Mutex<Snapshot>,
}

/// What was seen when everything was last looked at.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Snapshot {
    /// Files that are with Asterisk.
    pub with_asterisk: usize,
    /// When the oldest message came that has not been delivered.
    pub oldest: Option<SystemTime>,
    /// Asterisk watches a directory that is no longer there.
    pub outgoing_replaced: bool,
}

impl Gauges {
    pub(super) fn update(&self, looked: Snapshot) {
        *self.snapshot.lock() = looked;
    }

    fn looked(&self) -> Snapshot {
        *self.snapshot.lock()
    }
}

/// How the spool is.
#[derive(Debug, Clone)]
pub struct SpoolHealth {
    /// What keeps messages from being accepted or handed on; none if all is
    /// well.
    pub problems: Vec<String>,
    /// Files that wait in staging.
    pub waiting: usize,
    /// Files that are with Asterisk, those for phones that are off as well; a
    /// few seconds old.
    pub with_asterisk: usize,
    /// Seconds since the oldest message came that has not been delivered.
    pub oldest_seconds: Option<u64>,
    /// Bytes of the disk that are free.
    pub free: Option<u64>,
}

impl SpoolHealth {
    /// Tries what a message needs: writes, syncs and removes a file.
    pub(super) fn take(queue: &SpoolSettings, gauges: &Gauges) -> Self {
        let mut problems = Vec::new();
        let probed = probe::probe(queue).map_err(|error| format!("failed to {error}"));
        let free = match probed.and_then(|staging| free_space(&staging, queue.min_free)) {
            Ok(free) => Some(free),
            Err(problem) => {
                problems.push(problem);
                None
            }
        };
        let waiting = gauges.waiting.load(Ordering::Relaxed);
        let most = queue.max_waiting;
        if waiting >= most {
            problems.push(format!("{waiting} call files wait (max_waiting is {most})"));
        }
        if gauges.stuck.load(Ordering::Relaxed) {
            problems.push("call files cannot be handed to Asterisk; see the log".to_owned());
        }
        let looked = gauges.looked();
        if looked.outgoing_replaced {
            problems.push(OutgoingReplaced.to_string());
        }
        let age = |time: SystemTime| time.elapsed().unwrap_or_default().as_secs();
        Self {
            problems,
            waiting,
            with_asterisk: looked.with_asterisk,
            oldest_seconds: looked.oldest.map(age),
            free,
        }
    }
}

/// How many bytes are free, if enough are.
///
/// # Errors
/// When too few are, or nobody can tell.
pub(super) fn free_space(staging: &Directory, least: u64) -> Result<u64, String> {
    let path = staging.path().display();
    match staging.free() {
        Ok(free) if free < least => Err(format!(
            "{path} has {free} bytes left, which is less than min_free ({least})"
        )),
        Ok(free) => Ok(free),
        Err(error) => Err(format!("look at {path}: {error}")),
    }
}

/// `outgoing` is another directory than before, and Asterisk does not see it:
/// it watches the one that was there when it started (`pbx/pbx_spool.c`,
/// `scan_thread`).
#[derive(Debug, Clone, Copy)]
pub(super) struct OutgoingReplaced;

impl fmt::Display for OutgoingReplaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "outgoing was replaced by another directory, which Asterisk does not see: \
             restart Asterisk, then websmsd",
        )
    }
}
