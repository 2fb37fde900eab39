//! Pictures of a message that has just come: noted before it is stored, so that
//! what its links promise is not forgotten.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use reqwest::Url;
use tokio::sync::mpsc::UnboundedSender;

use crate::config::Shelf;
use crate::media::job::{Job, RandomName};
use crate::media::store::Pending;
use crate::model::message::Message;

/// Notes pictures. Clones lead to the same worker.
#[derive(Debug, Clone)]
pub struct Intake {
    pending: Pending,
    /// Of the directory, with a `/` at the end.
    url: Url,
    types: Arc<[String]>,
    orders: UnboundedSender<RandomName>,
}

/// Pictures that have been noted and not yet been asked for.
#[derive(Debug, Default)]
#[must_use]
pub struct Noted {
    /// For each message the links to what will be there.
    pub links: Vec<Vec<String>>,
    jobs: Vec<RandomName>,
}

impl Intake {
    /// Tells `orders` what is to be fetched.
    #[must_use]
    pub fn new(pending: Pending, shelf: &Shelf, orders: UnboundedSender<RandomName>) -> Self {
        Self {
            pending,
            url: shelf.url.clone(),
            types: shelf.types.clone().into(),
            orders,
        }
    }

    /// Notes the pictures of messages; all of them are durable when this returns.
    /// Blocks.
    ///
    /// # Errors
    /// When the disk refuses; nothing is noted then.
    pub fn note(&self, messages: &[Message]) -> io::Result<Noted> {
        let now = SystemTime::now();
        let mut links = Vec::new();
        let mut jobs = Vec::new();
        for message in messages {
            let own = Job::all(message, &self.types, now)?;
            links.push(own.iter().map(|job| self.link(job)).collect());
            jobs.extend(own);
        }
        if jobs.is_empty() {
            return Ok(Noted {
                links,
                jobs: Vec::new(),
            });
        }
        let jobs = self.pending.put(&jobs)?;
        Ok(Noted { links, jobs })
    }

    fn link(&self, job: &Job) -> String {
        format!("{}{}", self.url, job.name.as_str())
    }

    /// Lets pictures be fetched: their messages are stored.
    pub fn begin(&self, noted: Noted) {
        for job in noted.jobs {
            // Without a worker the next start takes it up.
            let _ = self.orders.send(job);
        }
    }

    /// Forgets pictures: their messages could not be stored. Blocks.
    pub fn forget(&self, noted: &Noted) {
        self.pending.forget_all(&noted.jobs);
    }
}
