//! Call files that Asterisk has finished.
//!
//! With `archive = yes` Asterisk moves them to `donedir` and appends the result.
//! Files that it gave up on are moved to `faileddir` for the administrator;
//! delivered ones are removed after `done_lifetime`. With `archive = no` Asterisk
//! deletes both, and the result is unknown.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tracing::{debug, error, warn};

use super::layout::{self, call_files_in, put_irregular_aside};
use super::name::CallFileName;
use super::progress::{Progress, progress};
use crate::config::SpoolSettings;
use crate::logging::chain;
use crate::storage::durable::{Directory, move_to};
use crate::storage::quarantine;
use crate::storage::regular_file::is_damage;

/// Time between searches for old files in `donedir`. Also how long Asterisk may
/// take to append the result to a file there.
const CLEANUP_INTERVAL: Duration = Duration::from_secs(3600);

/// The reasons why a call file is moved to `faileddir`.
const GIVEN_UP: &str = "Asterisk gave up";
const NO_RESULT: &str = "Asterisk noted no result";

/// The directories for finished call files.
#[derive(Debug)]
pub(crate) struct Archive {
    /// `None` with `archive = no`.
    done: Option<PathBuf>,
    failed: PathBuf,
    /// Where damaged files are put aside.
    staging: Directory,
    done_lifetime: Duration,
    last_cleanup: Option<SystemTime>,
    /// Files that left outgoing and hold no result yet.
    unsettled: Vec<CallFileName>,
}

impl Archive {
    pub(crate) fn new(settings: &SpoolSettings, staging: Directory) -> Self {
        Self {
            staging,
            done: settings.call_file.archive.then(|| settings.done.clone()),
            failed: settings.failed.clone(),
            done_lifetime: settings.done_lifetime,
            last_cleanup: None,
            unsettled: Vec::new(),
        }
    }

    /// Handles a file that has left outgoing. Asterisk moves a file first and
    /// appends the result afterwards (`pbx/pbx_spool.c`, `remove_from_queue`); a
    /// file without a result is handled again by [`Self::remove_expired`].
    pub(crate) fn settle(&mut self, name: CallFileName) {
        if !self.try_settle(name) {
            self.unsettled.push(name);
        }
    }

    /// `false` when the file holds no result yet.
    fn try_settle(&self, name: CallFileName) -> bool {
        let Some(done) = &self.done else {
            return true;
        };
        let call_file = name.to_os_string();
        let path = done.join(&call_file);
        match layout::read(done, name).map(|file| progress(&file.text())) {
            Ok(Progress::Completed) => debug!(?call_file, "message delivered"),
            Ok(Progress::GivenUp) => self.move_to_failed(name, &path, GIVEN_UP),
            Ok(_) => return false,
            Err(error) if is_damage(&error) => {
                quarantine::put_aside(&self.staging, &path, &error);
            }
            // Removed by hand, or Asterisk did not archive it.
            Err(_) => debug!(?call_file, "call file left outgoing"),
        }
        true
    }

    /// Moves a file to `faileddir`, from where `queue retry` can take it.
    fn move_to_failed(&self, name: CallFileName, path: &Path, reason: &str) {
        let (id, failed) = (name.id(), self.failed.join(name.to_os_string()));
        match move_to(path, &failed) {
            Ok(()) => error!(
                %id, reason, path = %failed.display(), remedy = "asterisk-websms queue retry",
                "message not delivered"
            ),
            Err(error) => error!(
                %id, reason, path = %path.display(), error = %chain(&error),
                "undelivered message not moved to faileddir"
            ),
        }
    }

    /// Handles files that were without a result, removes old delivered ones, and
    /// handles files that an earlier run left.
    pub(crate) fn remove_expired(&mut self) {
        // Few files, and only where Asterisk was killed they stay unsettled.
        let mut unsettled = std::mem::take(&mut self.unsettled);
        unsettled.retain(|name| !self.try_settle(*name));
        self.unsettled = unsettled;
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
        put_irregular_aside(&self.staging, &done);
        for name in call_files_in(&done).unwrap_or_default() {
            self.clean_up(name, &done, now);
        }
    }

    fn clean_up(&self, name: CallFileName, done: &Path, now: SystemTime) {
        let path = done.join(name.to_os_string());
        let file = match layout::read(done, name) {
            Ok(file) => file,
            Err(error) if is_damage(&error) => {
                quarantine::put_aside(&self.staging, &path, &error);
                return;
            }
            // It is looked at again next time.
            Err(_) => return,
        };
        let age = now.duration_since(file.modified).unwrap_or_default();
        match progress(&file.text()) {
            Progress::GivenUp => self.move_to_failed(name, &path, GIVEN_UP),
            Progress::Completed if age > self.done_lifetime => {
                if let Err(error) = std::fs::remove_file(&path) {
                    warn!(path = %path.display(), error = %chain(&error), "old call file not removed");
                }
            }
            Progress::Completed => {}
            // Asterisk was killed before it appended the result.
            _ if age > CLEANUP_INTERVAL => self.move_to_failed(name, &path, NO_RESULT),
            _ => {}
        }
    }
}
