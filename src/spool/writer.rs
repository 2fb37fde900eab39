//! Writes call files to staging, durably.
//!
//! One thread writes. The requests that have arrived while it was busy are
//! written side by side and share the next sync of the directory.

use std::sync::{Arc, mpsc};

use tempfile::TempPath;
use tokio::sync::oneshot;
use tracing::error;

use super::error::SpoolError;
use super::feeder::SpoolEvent;
use super::health::{Gauges, free_space};
use super::layout::{DirectoryId, is_mounted};
use super::name::CallFileName;
use crate::logging::chain;
use crate::model::id::Id;
use crate::model::message::Conversation;
use crate::storage::durable::{Directory, StoreError};

/// Requests that may wait for the writer; later ones wait for a place.
pub(super) const JOBS_MAX: usize = 1024;

/// Messages to store together, all or none.
#[derive(Debug)]
pub(crate) struct StoreJob {
    pub messages: Vec<RenderedMessage>,
    /// Receives the ids of the messages once they are durable.
    pub done: oneshot::Sender<Result<Vec<Id>, SpoolError>>,
}

impl StoreJob {
    /// The contents of all call files, in order.
    fn contents(&self) -> Vec<&[u8]> {
        let parts = self.messages.iter().flat_map(|message| &message.parts);
        parts.map(String::as_bytes).collect()
    }
}

/// A message rendered as call files.
#[derive(Debug)]
pub(crate) struct RenderedMessage {
    pub conversation: Conversation,
    /// The contents of its call files, in order.
    pub parts: Vec<String>,
}

/// The writer's thread.
#[derive(Debug)]
pub(crate) struct Writer {
    staging: Directory,
    /// Staging as it was at start.
    first_staging: Option<DirectoryId>,
    /// Bytes of the disk to leave free.
    min_free: u64,
    last: Option<Id>,
    gauges: Arc<Gauges>,
    events: mpsc::Sender<SpoolEvent>,
}

/// A job whose files have their names, but are not durable yet.
struct NamedJob {
    ids: Vec<Id>,
    names: Vec<CallFileName>,
    done: oneshot::Sender<Result<Vec<Id>, SpoolError>>,
}

impl Writer {
    /// A writer into `staging` whose ids are later than `last` and that reports
    /// to `events` what it has stored.
    pub(crate) fn new(
        staging: Directory,
        min_free: u64,
        last: Option<Id>,
        gauges: Arc<Gauges>,
        events: mpsc::Sender<SpoolEvent>,
    ) -> Self {
        Self {
            first_staging: DirectoryId::of(staging.path()),
            staging,
            min_free,
            last,
            gauges,
            events,
        }
    }

    /// Works until all senders of jobs are gone.
    pub(crate) fn run(mut self, mut jobs: tokio::sync::mpsc::Receiver<StoreJob>) {
        let mut waiting = Vec::new();
        while jobs.blocking_recv_many(&mut waiting, JOBS_MAX) > 0 {
            let jobs = std::mem::take(&mut waiting);
            match self.check_disk() {
                Ok(()) => {
                    let named = self.write(jobs);
                    self.commit(named);
                }
                Err(problem) => {
                    for job in jobs {
                        reply(job.done, Err(SpoolError::Disk(problem.clone())));
                    }
                }
            }
        }
        // The feeder may have ended already.
        let _ = self.events.send(SpoolEvent::Stop);
    }

    /// Whether there is enough space on the file system of staging, and whether
    /// that is still mounted: a file in its empty mount point would be hidden
    /// later.
    fn check_disk(&self) -> Result<(), String> {
        free_space(&self.staging, self.min_free).map_err(|error| chain(&error))?;
        if is_mounted(self.first_staging, self.staging.path()) {
            return Ok(());
        }
        let staging = self.staging.path().display();
        Err(format!(
            "{staging} is on another file system than at start: mount it again, or restart websmsd"
        ))
    }

    /// Writes the files of all jobs side by side, then names them job by job.
    /// Replies to the jobs that fail, and returns the others.
    fn write(&mut self, jobs: Vec<StoreJob>) -> Vec<NamedJob> {
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
    ) -> Option<NamedJob> {
        let StoreJob { messages, done } = job;
        let ids: Vec<_> = messages.iter().map(|_| self.next_id()).collect();
        let names: Vec<_> = ids
            .iter()
            .zip(&messages)
            .flat_map(|(id, message)| {
                // Texts with more parts than this are refused earlier.
                let count = u16::try_from(message.parts.len()).unwrap_or(u16::MAX);
                CallFileName::all(*id, count, message.conversation)
            })
            .collect();
        match files.and_then(|files| self.name_files(files, &names)) {
            Ok(()) => Some(NamedJob { ids, names, done }),
            Err(error) => {
                reply(done, Err(self.disk_error(&error)));
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
    fn name_files(&self, files: Vec<TempPath>, names: &[CallFileName]) -> Result<(), StoreError> {
        for (published, (file, name)) in files.into_iter().zip(names).enumerate() {
            if let Err(error) = self.staging.publish(file, &name.to_os_string()) {
                self.retract(names.get(..published).unwrap_or_default());
                return Err(error);
            }
        }
        Ok(())
    }

    /// Makes all named files durable, replies to their jobs and passes the files
    /// to the feeder.
    fn commit(&self, named: Vec<NamedJob>) {
        if named.is_empty() {
            return;
        }
        if let Err(error) = self.staging.sync() {
            for NamedJob { names, done, .. } in named {
                self.retract(&names);
                reply(done, Err(self.disk_error(&error)));
            }
            return;
        }
        let files = named.iter().map(|job| job.names.len()).sum();
        self.gauges.add_stored(files);
        let mut stored = Vec::new();
        for NamedJob { ids, names, done } in named {
            reply(done, Ok(ids));
            stored.extend(names);
        }
        for name in stored {
            // Without a feeder the files wait for the next start.
            let _ = self.events.send(SpoolEvent::Stored(name));
        }
    }

    /// Removes the named files of a job that failed, so that its sender can
    /// repeat it without delivering it twice. The last part of a message is
    /// removed first, and if that fails its other parts stay: a last part alone
    /// would look like the rest of a message whose start Asterisk has already,
    /// and half of the message would be delivered.
    fn retract(&self, names: &[CallFileName]) {
        let mut kept = None;
        for name in names.iter().rev() {
            if kept == Some(name.id()) {
                continue;
            }
            let call_file = name.to_os_string();
            match self.staging.remove(&call_file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    kept = Some(name.id());
                    // Its sender repeats it, so it may be delivered twice.
                    error!(?call_file, error = %chain(&error), "refused call file not removed");
                }
                _ => {}
            }
        }
    }

    fn disk_error(&self, error: &StoreError) -> SpoolError {
        let staging = self.staging.path().display();
        SpoolError::Disk(format!("{} in {staging}", chain(error)))
    }
}

fn reply(done: oneshot::Sender<Result<Vec<Id>, SpoolError>>, result: Result<Vec<Id>, SpoolError>) {
    // The sender may have hung up; what is stored stays stored.
    let _ = done.send(result);
}
