//! The directory of an outbox.

use std::path::PathBuf;
use std::time::Duration;

use super::daemon::list;
use super::{PATIENCE, wait_within};

pub(crate) struct Outbox(PathBuf);

impl Outbox {
    pub(crate) fn at(directory: PathBuf) -> Self {
        Self(directory)
    }

    /// The files of messages in a state; `""` is queued. Temporary files do not count,
    /// and a directory that does not exist has no files.
    pub(crate) fn files(&self, state: &str) -> Vec<PathBuf> {
        let directory = self.0.join(state);
        if !directory.exists() {
            return Vec::new();
        }
        let mut files = list(&directory);
        files.retain(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        });
        files
    }

    /// Waits until no message is queued or being sent.
    pub(crate) fn wait_until_empty(&self) {
        self.wait_until_empty_within(PATIENCE);
    }

    pub(crate) fn wait_until_empty_within(&self, patience: Duration) {
        wait_within(patience, "an empty outbox", || {
            (self.files("").is_empty() && self.files("sending").is_empty()).then_some(())
        });
    }
}
