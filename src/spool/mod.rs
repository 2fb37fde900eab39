//! Message to Asterisk: call files, written to staging, moved to outgoing.
//!
//! | state | where the file is | who acts next | after a crash |
//! | --- | --- | --- | --- |
//! | being written | `staging/.….tmp` | writer | swept at start |
//! | accepted | `staging/….call` | feeder | fed at start, in order |
//! | with Asterisk | `outgoing/….call` | Asterisk | Asterisk takes it up again |
//! | delivered | gone, or `outgoing_done/….call` | – | – |
//! | given up | `failed/….call` | the administrator | kept |
//! | to be tried again | `staging/retry/….call` | feeder | fed at start |
//!
//! Guarantee: a message that [`Spool::store`] accepted is durable. A crash can
//! deliver it twice, never lose it and never deliver half of it.
//!
//! [`callfile`] renders, `writer` stores, `feeder` moves as `crate::storage::conversation_queue` says
//! and [`crate::storage::watch`] and `progress` tell, `archive` keeps what Asterisk gave up
//! on, `inventory` shows all of it to the administrator, `probe` makes sure
//! beforehand that all this can work, and `health` that it still does.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

pub(crate) mod archive;
pub mod callfile;
pub(crate) mod feeder;
pub(crate) mod health;
pub(crate) mod inventory;
pub(crate) mod layout;
pub(crate) mod name;
pub(crate) mod probe;
pub(crate) mod progress;
pub(crate) mod writer;

use crate::config::SpoolSettings;
use crate::model::id::Id;
use crate::model::message::Message;
use crate::storage::durable::DirectoryLock;
use crate::storage::watch;
use feeder::{Feeder, SpoolEvent};
use health::Gauges;
pub(crate) use health::SpoolHealth;
use writer::{RenderedMessage, StoreJob, Writer};

/// Requests that may wait for the disk; who comes after them waits before it.
const JOBS_MAX: usize = 1024;

/// The way to Asterisk. Clones lead to the same writer.
#[derive(Debug, Clone)]
pub struct Spool {
    queue: Arc<SpoolSettings>,
    gauges: Arc<Gauges>,
    jobs: tokio::sync::mpsc::Sender<StoreJob>,
}

/// The threads behind a [`Spool`]. They end by themselves when the last
/// [`Spool`] is gone; what waits then stays in staging.
#[derive(Debug)]
pub struct Threads {
    writer: JoinHandle<()>,
    feeder: JoinHandle<()>,
    _claim: DirectoryLock,
}

impl Threads {
    /// Waits until both have ended.
    pub fn join(self) {
        // A thread that panicked has ended the process: `panic = "abort"`.
        let _ = self.writer.join();
        let _ = self.feeder.join();
    }
}

impl Spool {
    /// Probes the directories, takes up what an earlier run left and starts
    /// the threads.
    ///
    /// # Errors
    /// When the directories cannot be used; the text says how to mend them.
    pub fn open(queue: &SpoolSettings) -> Result<(Self, Threads), probe::ProbeError> {
        let staging = probe::probe(queue)?;
        let claim = probe::claim(&staging)?;
        let retry = probe::directories(queue, &staging)?;
        let left = feeder::waiting_in(&staging)
            .map_err(|error| probe::ProbeError::new("clear", staging.path(), &error))?;
        let (jobs, jobs_to_do) = tokio::sync::mpsc::channel(JOBS_MAX);
        let (events, happened) = mpsc::channel();
        let watched = [
            (queue.outgoing.as_path(), watch::LEFT | watch::WRITTEN),
            (&retry, watch::APPEARED),
        ];
        watch::watch(&watched, events.clone(), SpoolEvent::from)
            .map_err(|error| probe::ProbeError::new("watch", &queue.outgoing, &error))?;
        let gauges = Arc::new(Gauges::default());
        gauges.waiting.store(left.len(), Ordering::Relaxed);
        let last = left.last().map(name::CallFileName::id);
        let writer = Writer::new(staging.clone(), queue.min_free, last, events);
        let feeder = Feeder::new(queue, staging, left, Arc::clone(&gauges));
        let threads = Threads {
            writer: std::thread::spawn(move || writer.run(jobs_to_do)),
            feeder: std::thread::spawn(move || feeder.run(&happened)),
            _claim: claim,
        };
        let spool = Self {
            queue: Arc::new(queue.clone()),
            gauges,
            jobs,
        };
        Ok((spool, threads))
    }

    /// Stores messages, all or none, and returns only when they are durable.
    ///
    /// # Errors
    /// When too many wait or the disk refuses; nothing is stored then.
    pub async fn store(&self, messages: &[Message]) -> Result<Vec<Id>, SpoolError> {
        let most = self.queue.max_waiting;
        if self.gauges.waiting.load(Ordering::Relaxed) >= most {
            return Err(SpoolError::Full(most));
        }
        let messages = messages
            .iter()
            .map(|message| RenderedMessage {
                conversation: message.conversation(),
                parts: callfile::render(message, &self.queue.call_file),
            })
            .collect();
        let (done, answer) = oneshot::channel();
        let job = StoreJob { messages, done };
        self.jobs.send(job).await.map_err(|_| SpoolError::Closed)?;
        answer.await.map_err(|_| SpoolError::Closed)?
    }

    /// How it is; tries the disk for that, and so may take a while.
    #[must_use]
    pub fn health(&self) -> SpoolHealth {
        SpoolHealth::take(&self.queue, &self.gauges)
    }
}

/// A message that was not stored. Whoever sent it must send it again.
#[derive(Debug)]
pub enum SpoolError {
    /// The program is ending.
    Closed,
    /// The disk refused; the administrator must act.
    Disk(String),
    /// So many files wait already; Asterisk does not take them.
    Full(usize),
}

impl fmt::Display for SpoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("store the message: shutting down"),
            Self::Disk(problem) => write!(f, "store the message: {problem}"),
            Self::Full(most) => write!(
                f,
                "store the message: {most} call files wait already, which is max_waiting \
                 (Asterisk does not take them up)"
            ),
        }
    }
}

impl std::error::Error for SpoolError {}
