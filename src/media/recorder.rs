//! Pictures of a message that has just come: noted before it is stored, so that
//! what its links promise is not forgotten.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use reqwest::Url;
use tokio::sync::mpsc::UnboundedSender;

use crate::config::MediaStoreSettings;
use crate::media::job::{MediaJob, RandomName};
use crate::media::store::MediaStore;
use crate::model::message::Message;

/// Notes pictures. Clones lead to the same worker.
#[derive(Debug, Clone)]
pub(crate) struct PictureRecorder {
    store: MediaStore,
    /// Of the directory, with a `/` at the end.
    url: Url,
    types: Arc<[String]>,
    jobs: UnboundedSender<RandomName>,
}

/// Pictures that have been noted and not yet been asked for.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct RecordedPictures {
    /// For each message the links to what will be there.
    pub links: Vec<Vec<String>>,
    jobs: Vec<RandomName>,
}

impl PictureRecorder {
    /// Tells `orders` what is to be fetched.
    #[must_use]
    pub(crate) fn new(
        pending: MediaStore,
        shelf: &MediaStoreSettings,
        orders: UnboundedSender<RandomName>,
    ) -> Self {
        Self {
            store: pending,
            url: shelf.url.clone(),
            types: shelf.types.clone().into(),
            jobs: orders,
        }
    }

    /// Notes the pictures of messages; all of them are durable when this returns.
    /// Blocks.
    ///
    /// # Errors
    /// When the disk refuses; nothing is noted then.
    pub(crate) fn record(&self, messages: &[Message]) -> io::Result<RecordedPictures> {
        let now = SystemTime::now();
        let mut links = Vec::new();
        let mut jobs = Vec::new();
        for message in messages {
            let own = MediaJob::all(message, &self.types, now)?;
            links.push(own.iter().map(|job| self.link(job)).collect());
            jobs.extend(own);
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

    /// Lets pictures be fetched: their messages are stored.
    pub(crate) fn start_fetching(&self, noted: RecordedPictures) {
        for job in noted.jobs {
            // Without a worker the next start takes it up.
            let _ = self.jobs.send(job);
        }
    }

    /// Forgets pictures: their messages could not be stored. Blocks.
    pub(crate) fn forget(&self, noted: &RecordedPictures) {
        self.store.forget_all(&noted.jobs);
    }
}
