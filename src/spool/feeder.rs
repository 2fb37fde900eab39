//! Hands call files over from staging to outgoing, where Asterisk takes them.
//!
//! One thread moves them in the order of [`ConversationQueue`]: one at a time of
//! each conversation, and no more in all than Asterisk can handle. inotify
//! reports what happens to the files in outgoing, and a scan finds what was
//! missed. Asterisk can miss files as well: a file that it does not take in time,
//! or never seems to finish, is presented to it again as a new one.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use tracing::{debug, error, info, warn};

use super::archive::Archive;
use super::health::{Gauges, OUTGOING_REPLACED, Snapshot};
use super::layout::{
    self, CALL_FILE_MAX, DirectoryId, call_files_in, is_mounted, put_irregular_aside,
    retry_directory,
};
use super::name::CallFileName;
use super::progress::{Progress, progress, without_attempts};
use crate::config::SpoolSettings;
use crate::logging::chain;
use crate::model::unix_time;
use crate::storage::conversation_queue::ConversationQueue;
use crate::storage::durable::{Directory, move_to};
use crate::storage::quarantine;
use crate::storage::regular_file::{UnusableFile, is_damage};
use crate::storage::watch::DirectoryChange;

/// Pause before a move that failed is repeated.
const DISK_RETRY: Duration = Duration::from_secs(2);

/// Time between scans of all directories.
const SCAN_INTERVAL: Duration = Duration::from_secs(10);

/// How long Asterisk may leave a file untouched before it is presented again.
const PICKUP_TIMEOUT: Duration = Duration::from_secs(30);

/// How much longer than two retry times and an unanswered call an attempt may
/// take, before it counts as interrupted by a crash of Asterisk. Asterisk puts off
/// a file for ever when its last attempt was begun by a process with the same pid
/// (`pbx/pbx_spool.c`, `scan_service`).
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(60);

/// What the feeder reacts to.
#[derive(Debug)]
pub(crate) enum SpoolEvent {
    /// The writer has made a call file durable.
    Stored(CallFileName),
    /// A file has left outgoing.
    Left(OsString),
    /// Asterisk has written to a file in outgoing.
    Written(OsString),
    /// There are files to retry.
    Retry,
    /// Events may be missing: scan.
    Scan,
    /// Nothing more will be stored.
    Stop,
}

impl From<DirectoryChange> for SpoolEvent {
    fn from(change: DirectoryChange) -> Self {
        match change {
            DirectoryChange::Appeared(_) => Self::Retry,
            DirectoryChange::Left(name) => Self::Left(name),
            DirectoryChange::Written(name) => Self::Written(name),
            DirectoryChange::DirectoryGone | DirectoryChange::Overflow => Self::Scan,
        }
    }
}

/// The feeder's thread.
#[derive(Debug)]
pub(crate) struct Feeder {
    staging: Directory,
    outgoing: PathBuf,
    archive: Archive,
    queue: ConversationQueue<CallFileName>,
    /// Read by the spool, to refuse messages, and by the health check.
    gauges: Arc<Gauges>,
    /// Stored files that it has learned of and not yet counted as waiting.
    learned: usize,
    /// How long an attempt may take.
    attempt_max: Duration,
    /// Whether the last move failed; logged when it changes.
    stuck: bool,
    /// Staging and outgoing as they were at start.
    first_staging: Option<DirectoryId>,
    first_outgoing: Option<DirectoryId>,
    /// Whether outgoing is another directory now; logged when it changes.
    outgoing_replaced: bool,
}

impl Feeder {
    /// A feeder that starts with the call files that [`recover`] found.
    ///
    /// [`recover`]: super::recovery::recover
    pub(crate) fn new(
        settings: &SpoolSettings,
        staging: Directory,
        recovered: Vec<CallFileName>,
        gauges: Arc<Gauges>,
    ) -> Self {
        let mut queue = ConversationQueue::new(settings.max_outgoing);
        for name in call_files_in(&settings.outgoing).unwrap_or_default() {
            queue.mark_in_flight(name);
        }
        for name in recovered {
            queue.push(name);
        }
        let call_file = &settings.call_file;
        let seconds = 2 * u64::from(call_file.retry_time) + u64::from(call_file.wait_time);
        Self {
            first_staging: DirectoryId::of(staging.path()),
            first_outgoing: DirectoryId::of(&settings.outgoing),
            outgoing: settings.outgoing.clone(),
            archive: Archive::new(settings, staging.clone()),
            staging,
            queue,
            gauges,
            attempt_max: Duration::from_secs(seconds) + ATTEMPT_TIMEOUT,
            learned: 0,
            stuck: false,
            outgoing_replaced: false,
        }
    }

    /// Works until nothing more will be stored. Files that wait then stay in
    /// staging for the next start.
    pub(crate) fn run(mut self, events: &Receiver<SpoolEvent>) {
        let mut next_scan = Instant::now();
        loop {
            if Instant::now() >= next_scan {
                self.scan();
                next_scan = Instant::now() + SCAN_INTERVAL;
            }
            self.feed();
            let until_scan = next_scan.saturating_duration_since(Instant::now());
            let timeout = if self.stuck {
                DISK_RETRY.min(until_scan)
            } else {
                until_scan
            };
            let first = match events.recv_timeout(timeout) {
                Ok(event) => event,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            // All events that have arrived, before anything is moved.
            for event in std::iter::once(first).chain(events.try_iter()) {
                match event {
                    SpoolEvent::Stored(name) => {
                        self.queue.push(name);
                        self.learned += 1;
                    }
                    SpoolEvent::Left(name) => self.file_left(&name),
                    SpoolEvent::Written(name) => self.file_written(&name),
                    SpoolEvent::Retry => self.requeue_retries(),
                    SpoolEvent::Scan => next_scan = Instant::now(),
                    SpoolEvent::Stop => return self.feed(),
                }
            }
        }
    }

    /// Hands over all files whose turn it is.
    fn feed(&mut self) {
        while let Some(name) = self.queue.pop_next() {
            let call_file = name.to_os_string();
            match self.hand_over(&call_file) {
                Ok(()) => debug!(?call_file, "call file handed to Asterisk"),
                Err(error)
                    if error.kind() == io::ErrorKind::NotFound
                        && self.has_left_staging(&call_file) =>
                {
                    warn!(?call_file, "call file vanished from staging");
                    self.queue.complete(name);
                }
                Err(error) if is_damage(&error) => {
                    let path = self.staging.path().join(&call_file);
                    quarantine::put_aside(&self.staging, &path, &error);
                    self.queue.complete(name);
                }
                Err(error) => {
                    self.queue.requeue_front(name);
                    self.log_failure(&call_file, &error);
                    break;
                }
            }
            if std::mem::take(&mut self.stuck) {
                info!("hand-over to Asterisk works again");
            }
        }
        let learned = std::mem::take(&mut self.learned);
        self.gauges.set_waiting(learned, self.queue.waiting());
        self.gauges.stuck.store(self.stuck, Ordering::Relaxed);
    }

    /// Moves a file to outgoing without overwriting another one: Asterisk would
    /// take both for the same call (`pbx/pbx_spool.c`, `remove_from_queue`). A
    /// file whose time is in the future, because the clock was set back, gets the
    /// current time: Asterisk would wait for its time (`queue_file`).
    fn hand_over(&self, call_file: &OsStr) -> io::Result<()> {
        let from = self.staging.path().join(call_file);
        let to = self.outgoing.join(call_file);
        let metadata = from.symlink_metadata()?;
        UnusableFile::check(&metadata, CALL_FILE_MAX)?;
        if metadata.modified()? > SystemTime::now() {
            let now = TimeSpec::UTIME_NOW;
            utimensat(AT_FDCWD, &from, &now, &now, UtimensatFlags::NoFollowSymlink)?;
        }
        move_to(&from, &to)
    }

    /// Whether somebody has removed the file from staging. `false` while staging
    /// or outgoing is itself missing or unmounted: then the file comes back with
    /// its directory.
    fn has_left_staging(&self, call_file: &OsStr) -> bool {
        let staging = self.staging.path();
        is_mounted(self.first_staging, staging)
            && is_mounted(self.first_outgoing, &self.outgoing)
            && !staging.join(call_file).exists()
    }

    fn log_failure(&mut self, call_file: &OsStr, error: &io::Error) {
        if !self.stuck {
            let (outgoing, waiting) = (self.outgoing.display(), self.queue.waiting());
            let error = chain(error);
            error!(?call_file, %outgoing, %error, waiting, "hand-over to Asterisk failed");
        }
        self.stuck = true;
    }

    /// A file has left outgoing: Asterisk has finished it, or somebody has
    /// removed it.
    fn file_left(&mut self, call_file: &OsStr) {
        let Some(name) = CallFileName::parse(call_file) else {
            return;
        };
        // A file that was presented again has left and is still there.
        if !self.outgoing.join(call_file).exists() && self.queue.complete(name) {
            self.archive.settle(name);
        }
    }

    /// Asterisk has appended to a file in outgoing.
    fn file_written(&mut self, call_file: &OsStr) {
        let Some(name) = CallFileName::parse(call_file) else {
            return;
        };
        if let Ok(file) = layout::read(&self.outgoing, name) {
            let deferred = progress(&file.text()) == Progress::Waiting;
            self.queue.set_deferred(name, deferred);
        }
    }

    /// Puts the files that the administrator wants to be retried at the end of
    /// their conversation's queue.
    fn requeue_retries(&mut self) {
        let retry = retry_directory(self.staging.path());
        put_irregular_aside(&self.staging, &retry);
        for name in call_files_in(&retry).unwrap_or_default() {
            let call_file = name.to_os_string();
            let from = retry.join(&call_file);
            match move_to(&from, &self.staging.path().join(&call_file)) {
                Ok(()) => {
                    info!(?call_file, "requeued by administrator");
                    self.queue.push(name);
                }
                Err(error) => warn!(?call_file, error = %chain(&error), "call file not requeued"),
            }
        }
    }

    /// Reads all directories, in case events were missed.
    fn scan(&mut self) {
        self.check_outgoing();
        self.requeue_retries();
        self.archive.remove_expired();
        self.scan_outgoing();
        self.gauges.update(Snapshot {
            with_asterisk: self.queue.in_flight().count(),
            oldest: self.queue.oldest().map(|name| name.id().time()),
            outgoing_replaced: self.outgoing_replaced,
        });
    }

    fn scan_outgoing(&mut self) {
        if !is_mounted(self.first_outgoing, &self.outgoing) {
            return;
        }
        put_irregular_aside(&self.staging, &self.outgoing);
        let Ok(present) = call_files_in(&self.outgoing) else {
            return;
        };
        let present: HashSet<_> = present.into_iter().collect();
        let in_flight: Vec<_> = self.queue.in_flight().collect();
        for name in in_flight.iter().filter(|name| !present.contains(name)) {
            if self.queue.complete(*name) {
                self.archive.settle(*name);
            }
        }
        let mut presented = 0;
        for name in present {
            if self.queue.mark_in_flight(name) && self.check_progress(name) {
                presented += 1;
            }
        }
        if presented > 0 {
            warn!(
                files = presented,
                hint = "is Asterisk running, and does it load pbx_spool?",
                "call files presented again"
            );
        }
    }

    /// Reads the progress of a file in outgoing. `true` when Asterisk was overdue
    /// with it and it was presented again.
    fn check_progress(&mut self, name: CallFileName) -> bool {
        let file = match layout::read(&self.outgoing, name) {
            Ok(file) => file,
            Err(error) if is_damage(&error) => {
                let path = self.outgoing.join(name.to_os_string());
                quarantine::put_aside(&self.staging, &path, &error);
                return false;
            }
            // Asterisk has removed it meanwhile.
            Err(_) => return false,
        };
        let (content, modified) = (file.text(), file.modified);
        let now = SystemTime::now();
        let since = |time: SystemTime| now.duration_since(time).unwrap_or_default();
        let progress = progress(&content);
        self.queue.set_deferred(name, progress == Progress::Waiting);
        let overdue = match progress {
            // A time in the future is overdue as well: the clock was set back.
            Progress::Untouched => modified > now || since(modified) > PICKUP_TIMEOUT,
            Progress::Begun(time) => since(unix_time::time(time)) > self.attempt_max,
            Progress::Completed | Progress::GivenUp | Progress::Waiting => false,
        };
        overdue && self.present_again(name, &content)
    }

    /// Replaces a file in outgoing by a new one with the same call, which Asterisk
    /// reads from the start.
    fn present_again(&self, name: CallFileName, content: &str) -> bool {
        let call_file = name.to_os_string();
        let path = self.outgoing.join(&call_file);
        let written = self
            .staging
            .prepare(without_attempts(content).as_bytes())
            .map_err(|error| chain(&error));
        match written.and_then(|new| new.persist(&path).map_err(|error| chain(&error.error))) {
            Ok(()) => {
                debug!(?call_file, "call file presented again");
                true
            }
            Err(error) => {
                warn!(?call_file, %error, "call file not presented again");
                false
            }
        }
    }

    /// Notices when outgoing was replaced by another directory. Asterisk watches
    /// the directory that existed when it started, and never sees the new one.
    fn check_outgoing(&mut self) {
        let Some(now) = DirectoryId::of(&self.outgoing) else {
            return;
        };
        let replaced = self.first_outgoing.is_some_and(|first| first != now);
        if replaced && !self.outgoing_replaced {
            let outgoing = self.outgoing.display();
            error!(%outgoing, "{OUTGOING_REPLACED}");
        }
        self.outgoing_replaced = replaced;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::CallFileSettings;
    use std::fs;
    use std::path::Path;

    /// A feeder with one call file in staging.
    fn feeder(folder: &Path) -> (Feeder, CallFileName) {
        let settings = SpoolSettings {
            outgoing: folder.join("outgoing"),
            staging: folder.join("staging"),
            call_file: CallFileSettings {
                wait_time: 45,
                max_retries: 0,
                retry_time: 300,
                archive: false,
                channel_context: String::new(),
                context: String::new(),
                priority: 1,
                max_text: 1000,
            },
            done: folder.join("outgoing_done"),
            failed: folder.join("failed"),
            done_lifetime: Duration::ZERO,
            max_outgoing: 10,
            max_waiting: 10,
            min_free: 0,
            file_mode: 0o600,
            file_owner: None,
        };
        fs::create_dir(&settings.staging).unwrap();
        fs::create_dir(&settings.outgoing).unwrap();
        let name = "1795304460000001-000000ab-0001of0001-00000000000000ff.call";
        fs::write(settings.staging.join(name), "x").unwrap();
        let name = CallFileName::parse(name.as_ref()).unwrap();
        let staging = Directory::with_owner_of(&settings.staging, 0o600).unwrap();
        let feeder = Feeder::new(&settings, staging, vec![name], Arc::default());
        (feeder, name)
    }

    fn on_another_device(id: Option<DirectoryId>) -> Option<DirectoryId> {
        id.map(|id| DirectoryId {
            device: id.device + 1,
            ..id
        })
    }

    fn is_handed_over(feeder: &Feeder, name: CallFileName) -> bool {
        feeder.outgoing.join(name.to_os_string()).exists()
    }

    #[test]
    fn file_waits_while_its_directory_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let (mut feeder, name) = feeder(folder.path());
        let staging = feeder.staging.path().to_owned();
        fs::rename(&staging, folder.path().join("aside")).unwrap();
        feeder.feed();
        assert_eq!((feeder.queue.waiting(), feeder.stuck), (1, true));
        fs::rename(folder.path().join("aside"), &staging).unwrap();
        feeder.feed();
        assert_eq!((feeder.queue.waiting(), feeder.stuck), (0, false));
        assert!(is_handed_over(&feeder, name));
    }

    #[test]
    fn file_waits_while_its_file_system_is_unmounted() {
        for which in ["staging", "outgoing"] {
            let folder = tempfile::tempdir().unwrap();
            let (mut feeder, name) = feeder(folder.path());
            let mounted = (feeder.first_staging, feeder.first_outgoing);
            // What remains is the mount point, an empty directory.
            let staging = feeder.staging.path().to_owned();
            fs::rename(&staging, folder.path().join("aside")).unwrap();
            fs::create_dir(&staging).unwrap();
            if which == "staging" {
                feeder.first_staging = on_another_device(mounted.0);
            } else {
                feeder.first_outgoing = on_another_device(mounted.1);
            }
            feeder.feed();
            assert_eq!((feeder.queue.waiting(), feeder.stuck), (1, true), "{which}");
            fs::remove_dir(&staging).unwrap();
            fs::rename(folder.path().join("aside"), &staging).unwrap();
            (feeder.first_staging, feeder.first_outgoing) = mounted;
            feeder.feed();
            assert!(is_handed_over(&feeder, name), "{which}");
        }
    }

    #[test]
    fn file_removed_from_staging_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let (mut feeder, name) = feeder(folder.path());
        feeder.staging.remove(&name.to_os_string()).unwrap();
        feeder.feed();
        assert_eq!((feeder.queue.waiting(), feeder.stuck), (0, false));
        assert_eq!(feeder.queue.in_flight().count(), 0);
    }

    #[test]
    fn unmounted_outgoing_completes_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let (mut feeder, name) = feeder(folder.path());
        feeder.feed();
        let mounted = feeder.first_outgoing;
        feeder.first_outgoing = on_another_device(mounted);
        fs::remove_file(feeder.outgoing.join(name.to_os_string())).unwrap();
        feeder.scan_outgoing();
        assert!(feeder.queue.is_in_flight(name));
        feeder.first_outgoing = mounted;
        feeder.scan_outgoing();
        assert!(!feeder.queue.is_in_flight(name));
    }
}
