//! Call files to staging, durably.
//!
//! One thread writes. Whatever has queued up while it was busy shares the
//! next sync of the directory.

use std::sync::mpsc;

use tokio::sync::oneshot;
use tracing::error;

use super::SpoolError;
use super::name::CallFileName;
use crate::durable::{Directory, StoreError};
use crate::id::Id;

/// Messages to be stored together, and whom to tell.
#[derive(Debug)]
pub struct Job {
    /// For each message the contents of its call files.
    pub contents: Vec<Vec<String>>,
    /// Gets the names of the messages once they are durable.
    pub done: oneshot::Sender<Result<Vec<Id>, SpoolError>>,
}

/// The thread that writes.
#[derive(Debug)]
pub struct Writer {
    staging: Directory,
    last: Option<Id>,
    stored: mpsc::Sender<CallFileName>,
}

/// A job whose files are written and named, but not yet durable.
struct Written {
    ids: Vec<Id>,
    names: Vec<CallFileName>,
    done: oneshot::Sender<Result<Vec<Id>, SpoolError>>,
}

impl Writer {
    /// A writer into `staging` whose names come after `last`; what it stores
    /// it tells `stored`.
    #[must_use]
    pub fn new(staging: Directory, last: Option<Id>, stored: mpsc::Sender<CallFileName>) -> Self {
        Self {
            staging,
            last,
            stored,
        }
    }

    /// Works until nobody can send another job.
    pub fn run(mut self, mut jobs: tokio::sync::mpsc::Receiver<Job>) {
        let mut waiting = Vec::new();
        while jobs.blocking_recv_many(&mut waiting, super::WAITING_MAX) > 0 {
            let written: Vec<_> = waiting
                .drain(..)
                .filter_map(|job| self.write(job))
                .collect();
            self.commit(written);
        }
    }

    /// Writes and names the files of one job; tells it when that fails.
    fn write(&mut self, job: Job) -> Option<Written> {
        let Job { contents, done } = job;
        let ids: Vec<_> = contents.iter().map(|_| self.next_id()).collect();
        let files = ids.iter().zip(&contents).flat_map(|(id, parts)| {
            // A text that makes more parts than this is refused before.
            let count = u16::try_from(parts.len()).unwrap_or(u16::MAX);
            CallFileName::all(*id, count).zip(parts)
        });
        let mut names = Vec::new();
        match self.publish(files, &mut names) {
            Ok(()) => Some(Written { ids, names, done }),
            Err(error) => {
                self.retract(&names);
                answer(done, Err(disk(&self.staging, &error)));
                None
            }
        }
    }

    fn next_id(&mut self) -> Id {
        let id = Id::fresh(self.last);
        self.last = Some(id);
        id
    }

    /// Writes all files, then names them in order; `named` gets the names that
    /// have been given when a step fails.
    fn publish<'a>(
        &self,
        files: impl Iterator<Item = (CallFileName, &'a String)>,
        named: &mut Vec<CallFileName>,
    ) -> Result<(), StoreError> {
        let prepared: Vec<_> = files
            .map(|(name, content)| Ok((name, self.staging.prepare(content.as_bytes())?)))
            .collect::<Result<_, _>>()?;
        for (name, file) in prepared {
            self.staging.publish(file, &name.to_os_string())?;
            named.push(name);
        }
        Ok(())
    }

    /// Makes all that was written durable, hands it to the feeder and tells
    /// whoever waits for it.
    fn commit(&self, written: Vec<Written>) {
        if written.is_empty() {
            return;
        }
        if let Err(error) = self.staging.sync() {
            for Written { names, done, .. } in written {
                self.retract(&names);
                answer(done, Err(disk(&self.staging, &error)));
            }
            return;
        }
        for Written { ids, names, done } in written {
            for name in names {
                // Without a feeder the files wait for the next start.
                let _ = self.stored.send(name);
            }
            answer(done, Ok(ids));
        }
    }

    /// Takes back what was named of a job that failed, so that its sender can
    /// try again without delivering it twice.
    fn retract(&self, names: &[CallFileName]) {
        for name in names.iter().map(CallFileName::to_os_string) {
            match self.staging.retract(&name) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    error!(call_file = ?name, %error, "failed to take back a call file; it may be delivered twice");
                }
                _ => {}
            }
        }
    }
}

/// The asker may have hung up; what is stored stays stored.
fn answer(done: oneshot::Sender<Result<Vec<Id>, SpoolError>>, result: Result<Vec<Id>, SpoolError>) {
    let _ = done.send(result);
}

fn disk(staging: &Directory, error: &StoreError) -> SpoolError {
    SpoolError::Disk(format!("{error} in {}", staging.path().display()))
}
