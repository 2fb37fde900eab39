//! The spool: call files on their way to Asterisk.
//!
//! | state | where the file is | who acts next | after a crash |
//! | --- | --- | --- | --- |
//! | being written | `staging/.….tmp` | writer | removed at start |
//! | accepted | `staging/….call` | feeder | handed over after the start, in order |
//! | with Asterisk | `outgoing/….call` | Asterisk | Asterisk continues |
//! | delivered | gone, or `outgoing_done/….call` | – | – |
//! | given up | `failed/….call` | the administrator | kept |
//! | to be retried | `staging/retry/….call` | feeder | handed over after the start |
//!
//! Guarantee: a message that `Spool::store` has accepted is durable. A crash can
//! deliver it twice, but never lose it and never deliver half of it.
//!
//! [`callfile`] renders messages, `writer` stores them, `recovery` finds those of
//! an earlier run, `feeder` hands them to Asterisk in the order of
//! `storage::conversation_queue`, `progress` reads what Asterisk has noted, and
//! `archive` keeps what Asterisk gave up on. `layout` and `name` define
//! directories and file names. `inventory` serves the administrator, `probe` checks
//! the directories before the start and `health` during operation.

use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use tokio::sync::oneshot;
use tracing::error;

pub(crate) mod archive;
pub mod callfile;
mod error;
pub(crate) mod feeder;
pub(crate) mod health;
pub(crate) mod inventory;
pub(crate) mod layout;
pub(crate) mod name;
pub(crate) mod probe;
pub(crate) mod progress;
mod recovery;
pub(crate) mod writer;

use crate::config::SpoolSettings;
use crate::logging::failed;
use crate::model::id::Id;
use crate::model::message::Message;
use crate::storage::durable::DirectoryLock;
use crate::storage::watch;
pub(crate) use error::SpoolError;
use feeder::{Feeder, SpoolEvent};
use health::Gauges;
pub(crate) use health::SpoolHealth;
use probe::ProbeError;
use writer::{JOBS_MAX, RenderedMessage, StoreJob, Writer};

/// The spool. Clones share one writer.
#[derive(Debug, Clone)]
pub(crate) struct Spool {
    settings: Arc<SpoolSettings>,
    gauges: Arc<Gauges>,
    jobs: tokio::sync::mpsc::Sender<StoreJob>,
}

/// The threads of a [`Spool`]. They end when its last clone is dropped; files that
/// wait then stay in staging.
#[derive(Debug)]
pub(crate) struct SpoolThreads {
    writer: JoinHandle<()>,
    feeder: JoinHandle<()>,
    _lock: DirectoryLock,
}

impl SpoolThreads {
    /// Waits until both threads have ended.
    pub(crate) fn join(self) {
        // A panic ends the process (`panic = "abort"`), so they did not panic.
        let _ = self.writer.join();
        let _ = self.feeder.join();
    }
}

impl Spool {
    /// Probes the directories, recovers what an earlier run left and starts the
    /// threads.
    ///
    /// # Errors
    /// When the directories cannot be used.
    pub(crate) fn open(settings: &SpoolSettings) -> Result<(Self, SpoolThreads), ProbeError> {
        let staging = match probe::probe(settings) {
            Err(error) if error.is_disk_full() => {
                error!(
                    error = %failed(&error), hint = "free some space",
                    "disk full: messages to phones get 503 until there is space"
                );
                probe::staging(settings)?
            }
            staging => staging?,
        };
        let lock = probe::lock(&staging)?;
        let retry = probe::create_directories(settings, &staging)?;
        let recovered = recovery::recover(&staging)
            .map_err(|error| ProbeError::step("recover call files in", staging.path(), error))?;
        let (events, received_events) = mpsc::channel();
        let watched = [
            (settings.outgoing.as_path(), watch::LEFT | watch::WRITTEN),
            (&retry, watch::APPEARED),
        ];
        watch::watch(&watched, events.clone(), SpoolEvent::from)
            .map_err(|error| ProbeError::step("watch", &settings.outgoing, error))?;
        let gauges = Arc::new(Gauges::default());
        gauges.set_waiting(0, recovered.len());
        let last = recovered.last().map(name::CallFileName::id);
        let counted = Arc::clone(&gauges);
        let writer = Writer::new(staging.clone(), settings.min_free, last, counted, events);
        let feeder = Feeder::new(settings, staging, recovered, Arc::clone(&gauges));
        let (jobs, received_jobs) = tokio::sync::mpsc::channel(JOBS_MAX);
        let threads = SpoolThreads {
            writer: std::thread::spawn(move || writer.run(received_jobs)),
            feeder: std::thread::spawn(move || feeder.run(&received_events)),
            _lock: lock,
        };
        let spool = Self {
            settings: Arc::new(settings.clone()),
            gauges,
            jobs,
        };
        Ok((spool, threads))
    }

    /// Stores messages, all or none. They are durable when this returns.
    ///
    /// # Errors
    /// When too many files wait, the disk refuses or the program shuts down;
    /// nothing is stored then.
    pub(crate) async fn store(&self, messages: &[Message]) -> Result<Vec<Id>, SpoolError> {
        let max_waiting = self.settings.max_waiting;
        if self.gauges.waiting() >= max_waiting {
            return Err(SpoolError::Full(max_waiting));
        }
        let messages = messages
            .iter()
            .map(|message| RenderedMessage {
                conversation: message.conversation(),
                parts: callfile::render(message, &self.settings.call_file),
            })
            .collect();
        let (done, stored) = oneshot::channel();
        let job = StoreJob { messages, done };
        self.jobs.send(job).await.map_err(|_| SpoolError::Closed)?;
        stored.await.map_err(|_| SpoolError::Closed)?
    }

    /// The health of the spool. Blocks, because it tries the disk.
    pub(crate) fn health(&self) -> SpoolHealth {
        SpoolHealth::check(&self.settings, &self.gauges)
    }
}
