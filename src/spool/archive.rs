//! What becomes of call files that Asterisk is done with.
//!
//! With `archive = yes` Asterisk moves them to `outgoing_done` and notes how it
//! went. What it gave up on is kept in `failed` for the administrator; what was
//! delivered is removed after `done_lifetime`. With `archive = no` Asterisk
//! deletes both, and nothing can be told.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tracing::{debug, error, warn};

use super::layout::call_files_in;
use super::name::CallFileName;
use super::progress::{Progress, progress};
use crate::config::SpoolSettings;
use crate::storage::durable::move_to;

/// How often old files are looked for.
const CLEANUP_INTERVAL: Duration = Duration::from_secs(3600);

/// The directories that finished call files are in.
#[derive(Debug)]
pub(crate) struct Archive {
    /// `None` when Asterisk keeps nothing.
    done: Option<PathBuf>,
    failed: PathBuf,
    lifetime: Duration,
    last_cleanup: Option<SystemTime>,
    /// What left outgoing without a word about how it went.
    unreported: Vec<CallFileName>,
}

impl Archive {
    /// As the configuration says.
    #[must_use]
    pub(crate) fn new(queue: &SpoolSettings) -> Self {
        Self {
            done: queue.call_file.archive.then(|| queue.done.clone()),
            failed: queue.failed.clone(),
            lifetime: queue.done_lifetime,
            last_cleanup: None,
            unreported: Vec::new(),
        }
    }

    /// Asterisk is done with a file: did it deliver or give up? It moves the
    /// file first and notes that afterwards (`pbx/pbx_spool.c`,
    /// `remove_from_queue`), so [`Self::remove_expired`] asks again.
    pub(crate) fn settle(&mut self, name: CallFileName) {
        if !self.is_settled(name) {
            self.unreported.push(name);
        }
    }

    /// Does what is to be done with a finished file; `false` when it says
    /// nothing yet about how it went.
    fn is_settled(&self, name: CallFileName) -> bool {
        let Some(done) = &self.done else {
            return true;
        };
        let file = name.to_os_string();
        let path = done.join(&file);
        match std::fs::read_to_string(&path).map(|content| progress(&content)) {
            Ok(Progress::Completed) => debug!(call_file = ?file, "delivered"),
            Ok(Progress::GivenUp) => self.keep(name, &path, "Asterisk gave up on a message"),
            Ok(_) => return false,
            // Taken out by hand, or Asterisk was not told to archive.
            Err(_) => debug!(call_file = ?file, "left outgoing"),
        }
        true
    }

    /// Puts a finished file where the administrator finds it.
    fn keep(&self, name: CallFileName, path: &Path, why: &str) {
        let (id, kept) = (name.id(), self.failed.join(name.to_os_string()));
        match move_to(path, &kept) {
            Ok(()) => error!(%id, kept = %kept.display(), "{why}; \
                `asterisk-websms queue retry` sends it again"),
            Err(error) => warn!(%id, path = %path.display(), %error, "{why}, and it could not be \
                moved to failed"),
        }
    }

    /// Settles what could not be when it left, removes what was delivered long
    /// ago, and settles what an earlier run could not.
    pub(crate) fn remove_expired(&mut self) {
        // Few, and for good only where Asterisk was killed in between.
        let mut untold = std::mem::take(&mut self.unreported);
        untold.retain(|name| !self.is_settled(*name));
        self.unreported = untold;
        let now = SystemTime::now();
        let recent = |time: SystemTime| {
            now.duration_since(time)
                .is_ok_and(|age| age < CLEANUP_INTERVAL)
        };
        let Some(done) = self.done.clone() else {
            return;
        };
        if self.last_cleanup.is_some_and(recent) {
            return;
        }
        self.last_cleanup = Some(now);
        for name in call_files_in(&done).unwrap_or_default() {
            let path = done.join(name.to_os_string());
            let progress = std::fs::read_to_string(&path).map(|content| progress(&content));
            let age = path
                .metadata()
                .and_then(|metadata| metadata.modified())
                .map(|time| now.duration_since(time).unwrap_or_default());
            match (progress, age) {
                (Ok(Progress::GivenUp), _) => {
                    self.keep(name, &path, "Asterisk gave up on a message");
                }
                (Ok(Progress::Completed), Ok(age)) if age > self.lifetime => {
                    if let Err(error) = std::fs::remove_file(&path) {
                        warn!(path = %path.display(), %error, "failed to remove an old call file");
                    }
                }
                // Killed between moving the file and noting how it went.
                (Ok(progress), Ok(age))
                    if progress != Progress::Completed && age > CLEANUP_INTERVAL =>
                {
                    self.keep(
                        name,
                        &path,
                        "Asterisk did not say whether it delivered a message",
                    );
                }
                _ => {}
            }
        }
    }
}
