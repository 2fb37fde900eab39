//! Call files from staging to outgoing, where Asterisk takes them.
//!
//! One thread moves them, as [`ConversationQueue`] says: in order within a conversation,
//! and never more at a time than Asterisk bears. It goes by what the kernel
//! tells of the directory, and looks for itself now and then: events can be
//! missed, and so can Asterisk miss a file. What Asterisk does not take up in
//! time, or seems never to finish, is presented to it again as new.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use tracing::{debug, error, info, warn};

use super::archive::Archive;
use super::health::{Gauges, OutgoingReplaced, Snapshot};
use super::layout::{call_files_in, retry_directory};
use super::name::CallFileName;
use super::progress::{Progress, progress, without_attempts};
use crate::config::SpoolSettings;
use crate::storage::conversation_queue::ConversationQueue;
use crate::storage::durable::{Directory, move_to};
use crate::storage::watch::DirectoryChange;

/// How long to wait before a move that failed is tried again.
const DISK_RETRY: Duration = Duration::from_secs(2);

/// How often to look for oneself.
const SCAN_INTERVAL: Duration = Duration::from_secs(10);

/// How long Asterisk may leave a file untouched before it is presented again.
const PICKUP_TIMEOUT: Duration = Duration::from_secs(30);

/// How much longer than two retry times and an unanswered call an attempt may
/// take before it counts as one that a crash has ended
/// (`pbx/pbx_spool.c`, `scan_service`: a file whose last attempt was begun by a
/// process of the same number is put off for ever).
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(60);

/// What the feeder is told.
#[derive(Debug)]
pub(crate) enum SpoolEvent {
    /// The writer has made a call file durable.
    Stored(CallFileName),
    /// A file has left outgoing.
    Left(OsString),
    /// Asterisk has written into a file in outgoing.
    Written(OsString),
    /// The administrator wants a message tried again.
    Retry,
    /// Something was missed: time to look for oneself.
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

/// The thread that moves.
#[derive(Debug)]
pub(crate) struct Feeder {
    staging: Directory,
    outgoing: PathBuf,
    archive: Archive,
    queue: ConversationQueue<CallFileName>,
    /// For whoever accepts more, and whoever asks how it goes.
    gauges: Arc<Gauges>,
    /// How long an attempt may last in all.
    attempt_max: Duration,
    /// Whether the last move failed; said once, not every [`DISK_RETRY`].
    stuck: bool,
    /// Which directory outgoing was at first.
    outgoing_was: Option<(u64, u64)>,
    /// Whether it is another one by now; said once.
    outgoing_replaced: bool,
}

/// What an earlier run accepted and did not hand on, in order. What it had not
/// finished writing, and so not accepted, is swept.
///
/// # Errors
/// When the directory cannot be read.
pub(crate) fn waiting_in(staging: &Directory) -> io::Result<Vec<CallFileName>> {
    let swept = staging.remove_temporary(Duration::ZERO)?;
    let names = call_files_in(staging.path())?;
    let (whole, torn): (Vec<_>, Vec<_>) = names
        .chunk_by(|one, other| one.id() == other.id())
        .partition(|parts| parts.last().is_some_and(CallFileName::is_last));
    let torn = torn.concat();
    for name in &torn {
        staging.remove(&name.to_os_string())?;
    }
    let swept = swept + torn.len();
    if swept > 0 {
        warn!(
            swept,
            "removed call files that a crash had left half written"
        );
    }
    let names = whole.concat();
    if !names.is_empty() {
        info!(
            files = names.len(),
            "took up call files that waited in staging"
        );
    }
    Ok(names)
}

impl Feeder {
    /// A feeder that starts with what an earlier run left.
    #[must_use]
    pub(crate) fn new(
        queue: &SpoolSettings,
        staging: Directory,
        file_left: Vec<CallFileName>,
        gauges: Arc<Gauges>,
    ) -> Self {
        let mut lines = ConversationQueue::new(queue.max_outgoing);
        for name in call_files_in(&queue.outgoing).unwrap_or_default() {
            lines.mark_in_flight(name);
        }
        for name in file_left {
            lines.push(name);
        }
        let call = &queue.call_file;
        let seconds = 2 * u64::from(call.retry_time) + u64::from(call.wait_time);
        Self {
            staging,
            outgoing: queue.outgoing.clone(),
            archive: Archive::new(queue),
            queue: lines,
            gauges,
            attempt_max: Duration::from_secs(seconds) + ATTEMPT_TIMEOUT,
            stuck: false,
            outgoing_was: None,
            outgoing_replaced: false,
        }
    }

    /// Works until nothing more will be stored. What waits then stays in
    /// staging for the next start.
    pub(crate) fn run(mut self, events: &Receiver<SpoolEvent>) {
        let mut next_look = Instant::now();
        loop {
            if Instant::now() >= next_look {
                self.scan();
                next_look = Instant::now() + SCAN_INTERVAL;
            }
            self.feed();
            let until_look = next_look.saturating_duration_since(Instant::now());
            let patience = if self.stuck {
                DISK_RETRY.min(until_look)
            } else {
                until_look
            };
            let first = match events.recv_timeout(patience) {
                Ok(event) => event,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            // Whatever has happened by now, before anything is moved.
            for event in std::iter::once(first).chain(events.try_iter()) {
                match event {
                    SpoolEvent::Stored(name) => self.queue.push(name),
                    SpoolEvent::Left(name) => self.left(&name),
                    SpoolEvent::Written(name) => self.file_written(&name),
                    SpoolEvent::Retry => self.requeue_retries(),
                    SpoolEvent::Scan => next_look = Instant::now(),
                    // Whoever may go still goes.
                    SpoolEvent::Stop => return self.feed(),
                }
            }
        }
    }

    /// Moves what may be moved.
    fn feed(&mut self) {
        while let Some(name) = self.queue.pop_next() {
            let file = name.to_os_string();
            match self.hand_over(&file) {
                Ok(()) => debug!(call_file = ?file, "handed to Asterisk"),
                Err(error)
                    if error.kind() == io::ErrorKind::NotFound && self.has_left_staging(&file) =>
                {
                    warn!(call_file = ?file, "gone from staging before it was handed on");
                    self.queue.complete(name);
                }
                Err(error) => {
                    self.queue.requeue_front(name);
                    self.log_failure(&file, &error);
                    break;
                }
            }
            if std::mem::take(&mut self.stuck) {
                info!("call files reach Asterisk again");
            }
        }
        let Gauges { waiting, stuck, .. } = &*self.gauges;
        waiting.store(self.queue.waiting(), Ordering::Relaxed);
        stuck.store(self.stuck, Ordering::Relaxed);
    }

    /// A move that overwrites nothing: Asterisk would take the two for one
    /// (`pbx/pbx_spool.c`, `remove_from_queue`). A file of the future would
    /// wait until then (`queue_file`), so it is made one of now; the clock may
    /// have been set back since it was written.
    fn hand_over(&self, file: &OsStr) -> io::Result<()> {
        let (from, to) = (self.staging.path().join(file), self.outgoing.join(file));
        if from.metadata()?.modified()? > SystemTime::now() {
            let now = TimeSpec::UTIME_NOW;
            utimensat(AT_FDCWD, &from, &now, &now, UtimensatFlags::FollowSymlink)?;
        }
        move_to(&from, &to)
    }

    /// Whether somebody has taken the file out of staging; not when staging
    /// itself is away, for then it will be back.
    fn has_left_staging(&self, file: &OsStr) -> bool {
        let staging = self.staging.path();
        staging.is_dir() && self.outgoing.is_dir() && !staging.join(file).exists()
    }

    fn log_failure(&mut self, file: &OsStr, error: &io::Error) {
        if !self.stuck {
            let (outgoing, waiting) = (self.outgoing.display(), self.queue.waiting());
            error!(call_file = ?file, %outgoing, %error, waiting,
                "failed to hand call files to Asterisk; they wait in staging");
        }
        self.stuck = true;
    }

    /// A file has left outgoing: Asterisk is done with it, or somebody has
    /// taken it out.
    fn left(&mut self, file: &OsStr) {
        let Some(name) = CallFileName::parse(file) else {
            return;
        };
        // One that was presented again has left and is there.
        if !self.outgoing.join(file).exists() && self.queue.complete(name) {
            self.archive.settle(name);
        }
    }

    /// Asterisk has noted in a file how it goes.
    fn file_written(&mut self, file: &OsStr) {
        let Some(name) = CallFileName::parse(file) else {
            return;
        };
        if let Ok(content) = std::fs::read_to_string(self.outgoing.join(file)) {
            let parked = progress(&content) == Progress::Waiting;
            self.queue.set_deferred(name, parked);
        }
    }

    /// What the administrator wants tried again goes to the end of its line.
    fn requeue_retries(&mut self) {
        let retry = retry_directory(self.staging.path());
        for name in call_files_in(&retry).unwrap_or_default() {
            let file = name.to_os_string();
            let (from, to) = (retry.join(&file), self.staging.path().join(&file));
            match move_to(&from, &to) {
                Ok(()) => {
                    info!(call_file = ?file, "is tried again, as the administrator wants");
                    self.queue.push(name);
                }
                Err(error) => warn!(call_file = ?file, %error, "failed to take up for a retry"),
            }
        }
    }

    /// Looks at everything, whatever events have said.
    fn scan(&mut self) {
        self.check_outgoing();
        self.requeue_retries();
        self.archive.remove_expired();
        self.scan_files();
        self.gauges.update(Snapshot {
            with_asterisk: self.queue.away().count(),
            oldest: self.queue.oldest().map(|name| name.id().time()),
            outgoing_replaced: self.outgoing_replaced,
        });
    }

    /// Looks at everything that is with Asterisk.
    fn scan_files(&mut self) {
        let Ok(present) = call_files_in(&self.outgoing) else {
            return;
        };
        let present: HashSet<_> = present.into_iter().collect();
        let away: Vec<_> = self.queue.away().collect();
        for name in away.iter().filter(|name| !present.contains(name)) {
            if self.queue.complete(*name) {
                self.archive.settle(*name);
            }
        }
        let mut presented = 0;
        for name in present {
            if self.queue.mark_in_flight(name) && self.update(name) {
                presented += 1;
            }
        }
        if presented > 0 {
            warn!(
                presented,
                "presented call files again that Asterisk had not taken up or not \
                finished; is it running, and does it load pbx_spool?"
            );
        }
    }

    /// Looks at one file; `true` when it was presented again.
    fn update(&mut self, name: CallFileName) -> bool {
        let path = self.outgoing.join(name.to_os_string());
        let (Ok(content), Ok(metadata)) = (std::fs::read_to_string(&path), path.metadata()) else {
            return false;
        };
        let now = SystemTime::now();
        let since = |time: SystemTime| now.duration_since(time).unwrap_or_default();
        let progress = progress(&content);
        self.queue.set_deferred(name, progress == Progress::Waiting);
        let overdue = match progress {
            // One of the future counts as overdue: the clock was set back.
            Progress::Untouched => metadata
                .modified()
                .is_ok_and(|time| time > now || since(time) > PICKUP_TIMEOUT),
            Progress::Begun(time) => {
                since(UNIX_EPOCH + Duration::from_secs(time)) > self.attempt_max
            }
            Progress::Completed | Progress::GivenUp | Progress::Waiting => false,
        };
        overdue && self.present_again(name, &content)
    }

    /// Puts a new file with the same call in the place of one that Asterisk
    /// does not come to an end with.
    fn present_again(&self, name: CallFileName, content: &str) -> bool {
        let file = name.to_os_string();
        let path = self.outgoing.join(&file);
        let written = self
            .staging
            .prepare(without_attempts(content).as_bytes())
            .map_err(|error| error.to_string());
        match written.and_then(|new| new.persist(&path).map_err(|error| error.to_string())) {
            Ok(()) => {
                debug!(call_file = ?file, "presented again");
                true
            }
            Err(error) => {
                warn!(call_file = ?file, error, "failed to present again");
                false
            }
        }
    }

    /// Asterisk watches the directory that was there when it started; another
    /// one of that name it never sees.
    fn check_outgoing(&mut self) {
        let Ok(metadata) = self.outgoing.metadata() else {
            return;
        };
        let is = (metadata.dev(), metadata.ino());
        let replaced = *self.outgoing_was.get_or_insert(is) != is;
        if replaced && !self.outgoing_replaced {
            let outgoing = self.outgoing.display();
            error!(%outgoing, "{OutgoingReplaced}");
        }
        self.outgoing_replaced = replaced;
    }
}
