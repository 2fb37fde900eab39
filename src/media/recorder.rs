//! Records the pictures of a message before the message is stored, so that every
//! link in a stored message has a job.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use reqwest::Url;
use tokio::sync::mpsc::UnboundedSender;

use crate::config::MediaStoreSettings;
use crate::media::job::{MediaJob, RandomName};
use crate::media::store::MediaStore;
use crate::model::message::Message;

/// Records pictures. Clones share one worker.
#[derive(Debug, Clone)]
pub(crate) struct PictureRecorder {
    store: MediaStore,
    /// `media_url`, with a `/` at its end.
    url: Url,
    /// Allowed extensions.
    types: Arc<[String]>,
    jobs: UnboundedSender<RandomName>,
}

/// Pictures that are recorded, but not passed to the worker.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct RecordedPictures {
    /// For each message, the links to its pictures.
    pub links: Vec<Vec<String>>,
    jobs: Vec<RandomName>,
}

impl PictureRecorder {
    /// A recorder that passes jobs to the receiver of `jobs`.
    pub(crate) fn new(
        store: MediaStore,
        settings: &MediaStoreSettings,
        jobs: UnboundedSender<RandomName>,
    ) -> Self {
        Self {
            store,
            url: settings.url.clone(),
            types: settings.types.clone().into(),
            jobs,
        }
    }

    /// Records the pictures of messages, all or none. They are durable when this
    /// returns. Blocks.
    ///
    /// # Errors
    /// When the disk refuses, or the system has no randomness; nothing is recorded
    /// then.
    pub(crate) fn record(&self, messages: &[Message]) -> io::Result<RecordedPictures> {
        let now = SystemTime::now();
        let mut links = Vec::new();
        let mut jobs = Vec::new();
        for message in messages {
            let message_jobs = MediaJob::all(message, &self.types, now)?;
            links.push(message_jobs.iter().map(|job| self.link(job)).collect());
            jobs.extend(message_jobs);
        }
        if jobs.is_empty() {
            return Ok(RecordedPictures {
                links,
                jobs: Vec::new(),
            });
        }
        let jobs = self.store.put(&jobs)?;
        Ok(RecordedPictures { links, jobs })
    }

    fn link(&self, job: &MediaJob) -> String {
        format!("{}{}", self.url, job.name.as_str())
    }

    /// Passes recorded pictures to the worker, after their messages were stored.
    pub(crate) fn start_fetching(&self, pictures: RecordedPictures) {
        for job in pictures.jobs {
            // Without a worker the job waits for the next start.
            let _ = self.jobs.send(job);
        }
    }

    /// Removes recorded pictures whose messages were not stored. Blocks.
    pub(crate) fn forget(&self, pictures: &RecordedPictures) {
        self.store.forget_all(&pictures.jobs);
    }
}
