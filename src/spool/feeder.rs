//! Call files from staging to outgoing, where Asterisk takes them.
//!
//! One thread moves them, in the order in which they were accepted. A file
//! that cannot be moved stays in staging and is tried again; files behind it
//! wait, so that order is kept.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

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

/// What an earlier run accepted and did not hand on: swept of what it had not
/// finished writing, and in order.
#[must_use]
pub fn left_over(staging: &Directory) -> Vec<CallFileName> {
    match staging.sweep() {
        Ok(0) => {}
        Ok(swept) => warn!(
            swept,
            "removed call files that a crash had left half written"
        ),
        Err(error) => warn!(%error, "failed to sweep staging"),
    }
    let mut names: Vec<_> = std::fs::read_dir(staging.path())
        .into_iter()
        .flatten()
        .filter_map(|entry| CallFileName::parse(&entry.ok()?.file_name()))
        .collect();
    names.sort();
    if !names.is_empty() {
        info!(
            files = names.len(),
            "took up call files that waited in staging"
        );
    }
    names
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
            match std::fs::rename(self.staging.join(&file), self.outgoing.join(&file)) {
                Ok(()) => debug!(call_file = ?file, "handed to Asterisk"),
                Err(error)
                    if error.kind() == std::io::ErrorKind::NotFound && !self.is_staged(name) =>
                {
                    warn!(call_file = ?file, "gone from staging before it was handed on");
                }
                Err(error) => {
                    if !self.stuck {
                        let outgoing = self.outgoing.display();
                        error!(call_file = ?file, %outgoing, %error, waiting = self.waiting.len(),
                            "failed to hand call files to Asterisk; they wait in staging");
                    }
                    self.stuck = true;
                    return;
                }
            }
            self.waiting.pop_front();
            if std::mem::take(&mut self.stuck) {
                info!("call files reach Asterisk again");
            }
        }
    }

    fn is_staged(&self, name: &CallFileName) -> bool {
        self.staging.join(name.to_os_string()).exists()
    }
}
