//! Call files to staging, durably.
//!
//! One thread writes. Whatever has queued up while it was busy is written side
//! by side, and shares the next sync of the directory.

use std::sync::mpsc;

use tempfile::TempPath;
use tokio::sync::oneshot;
use tracing::error;

use super::SpoolError;
use super::feeder::SpoolEvent;
use super::health::free_space;
use super::name::CallFileName;
use crate::model::id::Id;
use crate::model::message::Conversation;
use crate::storage::durable::{Directory, StoreError};

/// Messages to be stored together, and whom to tell.
#[derive(Debug)]
pub(crate) struct StoreJob {
    /// The messages.
    pub messages: Vec<RenderedMessage>,
    /// Gets the names of the messages once they are durable.
    pub done: oneshot::Sender<Result<Vec<Id>, SpoolError>>,
}

impl StoreJob {
    /// What its files shall hold, in order.
    fn contents(&self) -> Vec<&[u8]> {
        let parts = self.messages.iter().flat_map(|message| &message.parts);
        parts.map(String::as_bytes).collect()
    }
}

/// A message as call files.
#[derive(Debug)]
pub(crate) struct RenderedMessage {
    /// The conversation that it belongs to.
    pub conversation: Conversation,
    /// The contents of its call files, in order.
    pub parts: Vec<String>,
}

/// The thread that writes.
#[derive(Debug)]
pub(crate) struct Writer {
    staging: Directory,
    min_free: u64,
    last: Option<Id>,
    events: mpsc::Sender<SpoolEvent>,
}

/// A job whose files are written and named, but not yet durable.
struct StoredJob {
    ids: Vec<Id>,
    names: Vec<CallFileName>,
    done: oneshot::Sender<Result<Vec<Id>, SpoolError>>,
}

impl Writer {
    /// A writer into `staging` that leaves `min_free` bytes of the disk alone,
    /// whose names come after `last`, and that tells `events` what it stores.
    #[must_use]
    pub(crate) fn new(
        staging: Directory,
        min_free: u64,
        last: Option<Id>,
        events: mpsc::Sender<SpoolEvent>,
    ) -> Self {
        Self {
            staging,
            min_free,
            last,
            events,
        }
    }

    /// Works until nobody can send another job.
    pub(crate) fn run(mut self, mut jobs: tokio::sync::mpsc::Receiver<StoreJob>) {
        let mut waiting = Vec::new();
        while jobs.blocking_recv_many(&mut waiting, super::JOBS_MAX) > 0 {
            let jobs = std::mem::take(&mut waiting);
            match free_space(&self.staging, self.min_free) {
                Ok(_) => {
                    let written = self.write(jobs);
                    self.commit(written);
                }
                Err(problem) => {
                    for job in jobs {
                        answer(job.done, Err(SpoolError::Disk(problem.clone())));
                    }
                }
            }
        }
        // Without a feeder there is nobody to be told.
        let _ = self.events.send(SpoolEvent::Stop);
    }

    /// Writes the files of all jobs, the jobs side by side, then names them job by
    /// job; tells those for which that fails.
    fn write(&mut self, jobs: Vec<StoreJob>) -> Vec<StoredJob> {
        let sets: Vec<Vec<_>> = jobs.iter().map(StoreJob::contents).collect();
        let prepared = self.staging.prepare_all(&sets);
        jobs.into_iter()
            .zip(prepared)
            .filter_map(|(job, files)| self.publish(job, files))
            .collect()
    }

    /// Names the files of one job, all or none.
    fn publish(
        &mut self,
        job: StoreJob,
        files: Result<Vec<TempPath>, StoreError>,
    ) -> Option<StoredJob> {
        let StoreJob { messages, done } = job;
        let ids: Vec<_> = messages.iter().map(|_| self.next_id()).collect();
        let names: Vec<_> = ids
            .iter()
            .zip(&messages)
            .flat_map(|(id, message)| {
                // A text that makes more parts than this is refused before.
                let count = u16::try_from(message.parts.len()).unwrap_or(u16::MAX);
                CallFileName::all(*id, count, message.conversation)
            })
            .collect();
        match files.and_then(|files| self.name(files, &names)) {
            Ok(()) => Some(StoredJob { ids, names, done }),
            Err(error) => {
                answer(done, Err(disk(&self.staging, &error)));
                None
            }
        }
    }

    fn next_id(&mut self) -> Id {
        let id = Id::generate(self.last);
        self.last = Some(id);
        id
    }

    /// Gives files their names, in order, all or none.
    fn name(&self, files: Vec<TempPath>, names: &[CallFileName]) -> Result<(), StoreError> {
        for (given, (file, name)) in files.into_iter().zip(names).enumerate() {
            if let Err(error) = self.staging.publish(file, &name.to_os_string()) {
                self.retract(names.get(..given).unwrap_or_default());
                return Err(error);
            }
        }
        Ok(())
    }

    /// Makes all that was written durable, tells whoever waits for it, and
    /// hands it to the feeder.
    fn commit(&self, written: Vec<StoredJob>) {
        if written.is_empty() {
            return;
        }
        if let Err(error) = self.staging.sync() {
            for StoredJob { names, done, .. } in written {
                self.retract(&names);
                answer(done, Err(disk(&self.staging, &error)));
            }
            return;
        }
        let mut stored = Vec::new();
        for StoredJob { ids, names, done } in written {
            answer(done, Ok(ids));
            stored.extend(names);
        }
        for name in stored {
            // Without a feeder the files wait for the next start.
            let _ = self.events.send(SpoolEvent::Stored(name));
        }
    }

    /// Takes back what was named of a job that failed, so that its sender can
    /// try again without delivering it twice. Of a message the last part goes
    /// first, and if it cannot go the others stay: alone it would pass for what
    /// is left of a message whose start Asterisk has already, and half of the
    /// message would be delivered.
    fn retract(&self, names: &[CallFileName]) {
        let mut stays = None;
        for name in names.iter().rev() {
            if stays == Some(name.id()) {
                continue;
            }
            let file = name.to_os_string();
            match self.staging.remove(&file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    stays = Some(name.id());
                    error!(call_file = ?file, %error, "failed to take back a call file; it may be delivered twice");
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
