//! Message to Asterisk: call files, written to staging, moved to outgoing.
//!
//! | state | where the file is | who acts next | after a crash |
//! | --- | --- | --- | --- |
//! | being written | `staging/.….tmp` | writer | swept at start |
//! | accepted | `staging/….call` | feeder | fed at start, in order |
//! | with Asterisk | `outgoing/….call` | Asterisk | Asterisk takes it up again |
//!
//! Guarantee: a message that [`Spool::store`] accepted is durable. A crash can
//! deliver it twice, never lose it and never deliver half of it.
//!
//! [`callfile`] renders, [`writer`] stores, [`feeder`] moves, [`probe`] makes
//! sure beforehand that all this can work.

use std::fmt;
use std::sync::mpsc;
use std::thread::JoinHandle;

use tokio::sync::oneshot;

pub mod callfile;
pub mod feeder;
pub mod name;
pub mod probe;
pub mod writer;

use crate::config::{Call, Queue};
use crate::durable::Claim;
use crate::id::Id;
use crate::message::Message;
use writer::{Job, Writer};

/// Messages that may wait for the disk; who comes after them waits before it.
const WAITING_MAX: usize = 1024;

/// The way to Asterisk. Clones lead to the same writer.
#[derive(Debug, Clone)]
pub struct Spool {
    call: Call,
    jobs: tokio::sync::mpsc::Sender<Job>,
}

/// The threads behind a [`Spool`]. They end by themselves when the last
/// [`Spool`] is gone and all that was accepted has been handed on.
#[derive(Debug)]
pub struct Threads {
    writer: JoinHandle<()>,
    feeder: JoinHandle<()>,
    _claim: Claim,
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
    pub fn open(queue: &Queue) -> Result<(Self, Threads), probe::ProbeError> {
        let staging = probe::probe(queue)?;
        let claim = probe::claim(&staging)?;
        let left = feeder::left_over(&staging)
            .map_err(|error| probe::ProbeError::new("clear", staging.path(), &error))?;
        let (jobs, jobs_to_do) = tokio::sync::mpsc::channel(WAITING_MAX);
        let (stored, to_feed) = mpsc::channel();
        let last = left.last().map(name::CallFileName::id);
        let feeder = feeder::Feeder::new(queue, left);
        let writer = Writer::new(staging, last, stored);
        let threads = Threads {
            writer: std::thread::spawn(move || writer.run(jobs_to_do)),
            feeder: std::thread::spawn(move || feeder.run(&to_feed)),
            _claim: claim,
        };
        let call = queue.call.clone();
        Ok((Self { call, jobs }, threads))
    }

    /// Stores messages, all or none, and returns only when they are durable.
    ///
    /// # Errors
    /// When the disk refuses; nothing is stored then.
    pub async fn store(&self, messages: &[Message]) -> Result<Vec<Id>, SpoolError> {
        let contents = messages
            .iter()
            .map(|message| callfile::render(message, &self.call))
            .collect();
        let (done, answer) = oneshot::channel();
        let job = Job { contents, done };
        self.jobs.send(job).await.map_err(|_| SpoolError::Closed)?;
        answer.await.map_err(|_| SpoolError::Closed)?
    }
}

/// A message that was not stored. Whoever sent it must send it again.
#[derive(Debug)]
pub enum SpoolError {
    /// The program is ending.
    Closed,
    /// The disk refused; the administrator must act.
    Disk(String),
}

impl fmt::Display for SpoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("store the message: shutting down"),
            Self::Disk(problem) => write!(f, "store the message: {problem}"),
        }
    }
}

impl std::error::Error for SpoolError {}
