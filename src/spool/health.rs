//! The health of the spool, for monitoring.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::SystemTime;

use parking_lot::Mutex;

use super::probe;
use crate::config::SpoolSettings;
use crate::logging::{chain, failed};
use crate::storage::durable::Directory;

/// Outgoing is another directory than at start. Asterisk watches the one that
/// existed when it started (`pbx/pbx_spool.c`, `scan_thread`).
pub(super) const OUTGOING_REPLACED: &str = "outgoing was replaced by another directory, which \
     Asterisk does not see: restart Asterisk, then websmsd";

/// Numbers that the feeder keeps up to date.
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    /// Files that wait in staging, of those that the feeder knows.
    known: AtomicUsize,
    /// Files that are stored and that the feeder does not know yet.
    unknown: AtomicUsize,
    /// Whether the last move to Asterisk failed.
    pub stuck: AtomicBool,
    snapshot: Mutex<Snapshot>,
}

/// What the last scan of the feeder found.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Snapshot {
    /// Files that are with Asterisk.
    pub with_asterisk: usize,
    /// When the oldest undelivered message was accepted.
    pub oldest: Option<SystemTime>,
    /// See [`OUTGOING_REPLACED`].
    pub outgoing_replaced: bool,
}

impl Gauges {
    /// Files that wait in staging.
    pub(super) fn waiting(&self) -> usize {
        let unknown = self.unknown.load(Ordering::SeqCst);
        self.known.load(Ordering::SeqCst).saturating_add(unknown)
    }

    /// Counts files that are about to be acknowledged.
    pub(super) fn add_stored(&self, files: usize) {
        self.unknown.fetch_add(files, Ordering::SeqCst);
    }

    /// The feeder has learned of so many stored files, and now so many wait.
    pub(super) fn set_waiting(&self, learned: usize, waiting: usize) {
        // For a moment these files count twice, never not at all.
        self.known.store(waiting, Ordering::SeqCst);
        self.unknown.fetch_sub(learned, Ordering::SeqCst);
    }

    pub(super) fn update(&self, snapshot: Snapshot) {
        *self.snapshot.lock() = snapshot;
    }
}

#[derive(Debug, Clone)]
pub(crate) struct SpoolHealth {
    /// Reasons why messages cannot be accepted or handed to Asterisk.
    pub problems: Vec<String>,
    /// Files that wait in staging.
    pub waiting: usize,
    /// Files that are with Asterisk, also those for phones that are off; up to ten
    /// seconds old.
    pub with_asterisk: usize,
    /// Age in seconds of the oldest undelivered message.
    pub oldest_seconds: Option<u64>,
    /// Free bytes of the disk.
    pub free: Option<u64>,
}

impl SpoolHealth {
    /// Does what storing a message needs: writes, syncs and removes a file.
    /// Blocks.
    pub(super) fn check(settings: &SpoolSettings, gauges: &Gauges) -> Self {
        let mut problems = Vec::new();
        let free = probe::probe(settings)
            .map_err(|error| failed(&error))
            .and_then(|staging| {
                free_space(&staging, settings.min_free).map_err(|error| chain(&error))
            })
            .map_err(|problem| problems.push(problem))
            .ok();
        let waiting = gauges.waiting();
        let max = settings.max_waiting;
        if waiting >= max {
            problems.push(format!("{waiting} call files wait (max_waiting is {max})"));
        }
        if gauges.stuck.load(Ordering::Relaxed) {
            problems.push("call files cannot be handed to Asterisk; see the log".to_owned());
        }
        let snapshot = *gauges.snapshot.lock();
        if snapshot.outgoing_replaced {
            problems.push(OUTGOING_REPLACED.to_owned());
        }
        let age = |time: SystemTime| time.elapsed().unwrap_or_default().as_secs();
        Self {
            problems,
            waiting,
            with_asterisk: snapshot.with_asterisk,
            oldest_seconds: snapshot.oldest.map(age),
            free,
        }
    }
}

/// The free bytes of staging's disk.
///
/// # Errors
/// When fewer than `min_free` are free, or the disk cannot be read.
pub(super) fn free_space(staging: &Directory, min_free: u64) -> Result<u64, FreeSpaceError> {
    let path = staging.path().to_owned();
    match staging.free() {
        Ok(free) if free < min_free => Err(FreeSpaceError::TooLittle {
            path,
            free,
            min_free,
        }),
        Ok(free) => Ok(free),
        Err(source) => Err(FreeSpaceError::Unknown { path, source }),
    }
}

/// Too little space for messages, or an unreadable disk. The administrator must
/// act. The texts are whole sentences, because the health endpoint shows them alone.
#[derive(Debug, thiserror::Error)]
pub(super) enum FreeSpaceError {
    #[error("{path} has {free} bytes left, which is less than min_free ({min_free})", path = path.display())]
    TooLittle {
        path: PathBuf,
        free: u64,
        min_free: u64,
    },
    #[error("the free space of {path} cannot be read", path = path.display())]
    Unknown {
        path: PathBuf,
        source: std::io::Error,
    },
}
