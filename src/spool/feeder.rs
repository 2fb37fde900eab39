//! Call files from staging to outgoing, where Asterisk takes them.
//!
//! One thread moves them, in the order in which they were accepted. A file
//! that cannot be moved stays in staging and is tried again; files behind it
//! wait, so that order is kept.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use tracing::{debug, error, info, warn};

use super::name::CallFileName;
use crate::config::Queue;
use crate::durable::Directory;

/// How long to wait before a move that failed is tried again.
const PAUSE: Duration = Duration::from_secs(2);

/// The thread that moves.
#[derive(Debug)]
pub struct Feeder {
    staging: PathBuf,
    outgoing: PathBuf,
    waiting: VecDeque<CallFileName>,
    /// Whether the last move failed; said once, not every [`PAUSE`].
    stuck: bool,
}

/// What an earlier run accepted and did not hand on, in order. What it had not
/// finished writing, and so not accepted, is swept.
///
/// # Errors
/// When the directory cannot be read.
pub fn left_over(staging: &Directory) -> io::Result<Vec<CallFileName>> {
    let swept = staging.sweep()?;
    let mut names = Vec::new();
    for entry in std::fs::read_dir(staging.path())? {
        names.extend(CallFileName::parse(&entry?.file_name()));
    }
    names.sort();
    let (whole, torn): (Vec<_>, Vec<_>) = names
        .chunk_by(|one, other| one.id() == other.id())
        .partition(|parts| parts.last().is_some_and(CallFileName::is_last));
    let torn = torn.concat();
    for name in &torn {
        staging.retract(&name.to_os_string())?;
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
    pub fn new(queue: &Queue, left: Vec<CallFileName>) -> Self {
        Self {
            staging: queue.staging.clone(),
            outgoing: queue.outgoing.clone(),
            waiting: left.into(),
            stuck: false,
        }
    }

    /// Works until nobody can accept another message. What cannot be moved by
    /// then stays in staging for the next start.
    pub fn run(mut self, stored: &Receiver<CallFileName>) {
        loop {
            self.move_all();
            let next = if self.waiting.is_empty() {
                stored.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                stored.recv_timeout(PAUSE)
            };
            match next {
                Ok(name) => self.waiting.push_back(name),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.move_all();
    }

    fn move_all(&mut self) {
        while let Some(name) = self.waiting.front() {
            let file = name.to_os_string();
            match self.hand_over(&file) {
                Ok(()) => debug!(call_file = ?file, "handed to Asterisk"),
                Err(error) if error.kind() == io::ErrorKind::NotFound && self.is_gone(&file) => {
                    warn!(call_file = ?file, "gone from staging before it was handed on");
                }
                Err(error) => {
                    self.tell(&file, &error);
                    return;
                }
            }
            self.waiting.pop_front();
            if std::mem::take(&mut self.stuck) {
                info!("call files reach Asterisk again");
            }
        }
    }

    /// A move that overwrites nothing: Asterisk would take the two for one
    /// (`pbx/pbx_spool.c`, `remove_from_queue`).
    fn hand_over(&self, file: &OsStr) -> io::Result<()> {
        let (from, to) = (self.staging.join(file), self.outgoing.join(file));
        renameat2(
            AT_FDCWD,
            &from,
            AT_FDCWD,
            &to,
            RenameFlags::RENAME_NOREPLACE,
        )
        .map_err(io::Error::from)
    }

    /// Whether somebody has taken the file out of staging; not when staging
    /// itself is away, for then it will be back.
    fn is_gone(&self, file: &OsStr) -> bool {
        self.staging.is_dir() && self.outgoing.is_dir() && !self.staging.join(file).exists()
    }

    fn tell(&mut self, file: &OsStr, error: &io::Error) {
        if !self.stuck {
            let (outgoing, waiting) = (self.outgoing.display(), self.waiting.len());
            error!(call_file = ?file, %outgoing, %error, waiting,
                "failed to hand call files to Asterisk; they wait in staging");
        }
        self.stuck = true;
    }
}
