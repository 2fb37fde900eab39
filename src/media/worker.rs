//! Decides which picture is fetched when, and what happens after an attempt.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::sleep_until;
use tracing::{error, info, warn};

use crate::http::safe_fetch::failure::FetchError;
use crate::http::safe_fetch::redirects::RedirectChain;
use crate::logging::{chain, failed, masked};
use crate::media::fetch::{Fetched, Fetcher};
use crate::media::job::{MediaJob, RandomName};
use crate::media::store::MediaStore;
use crate::model::interface::InterfaceName;
use crate::spool::Spool;
use crate::storage::blocking::blocking;
use crate::storage::durable::DirectoryLock;
use crate::storage::regular_file::is_damage;

/// Pictures that are fetched at the same time.
const CONCURRENCY: usize = 4;

/// Time between removals of old pictures.
const CLEANUP_INTERVAL: Duration = Duration::from_secs(3600);

/// Pause after a phone could not be notified. Then the picture is tried again as
/// well.
const NOTICE_RETRY: Duration = Duration::from_secs(60);

/// Runs jobs.
#[derive(Debug)]
pub(crate) struct Downloader {
    pub store: MediaStore,
    pub fetchers: HashMap<InterfaceName, Fetcher>,
    /// For interfaces that are no longer configured.
    pub unconfigured: Fetcher,
    /// For notices to phones.
    pub spool: Spool,
    /// Bytes of the disk to leave free.
    pub min_free: u64,
    /// How long pictures are kept.
    pub lifetime: Duration,
}

/// The task that schedules jobs. It ends with the runtime; unfinished jobs are
/// continued by the next start.
#[derive(Debug)]
pub(crate) struct MediaWorker {
    downloader: Arc<Downloader>,
    jobs: UnboundedReceiver<RandomName>,
    /// Jobs that may start.
    waiting: VecDeque<RandomName>,
    /// Jobs that wait for their next attempt, by its time.
    due: BTreeSet<(Instant, RandomName)>,
    in_flight: JoinSet<(RandomName, JobResult)>,
    next_cleanup: Instant,
    _lock: DirectoryLock,
}

/// What is next for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum JobResult {
    /// Another attempt after this time.
    Retry(Duration),
    /// Nothing; its file is removed.
    Done,
}

impl MediaWorker {
    /// A worker that starts with the jobs that an earlier run left.
    pub(crate) fn new(
        downloader: Downloader,
        recovered: Vec<RandomName>,
        jobs: UnboundedReceiver<RandomName>,
        lock: DirectoryLock,
    ) -> Self {
        Self {
            downloader: Arc::new(downloader),
            jobs,
            waiting: recovered.into(),
            due: BTreeSet::new(),
            in_flight: JoinSet::new(),
            next_cleanup: Instant::now(),
            _lock: lock,
        }
    }

    /// Works until all senders of jobs are gone.
    pub(crate) async fn run(mut self) {
        loop {
            self.promote_due(Instant::now());
            self.start_jobs();
            let due = self.due.first().map(|(time, _)| *time);
            let wake = due.map_or(self.next_cleanup, |due| due.min(self.next_cleanup));
            tokio::select! {
                job = self.jobs.recv() => match job {
                    Some(name) => self.waiting.push_back(name),
                    None => return,
                },
                Some(finished) = self.in_flight.join_next() => match finished {
                    Ok((name, JobResult::Retry(wait))) => {
                        self.due.insert((Instant::now() + wait, name));
                    }
                    // A panic of the task would have ended the process.
                    Ok((_, JobResult::Done)) | Err(_) => {}
                },
                () = sleep_until(wake.into()) => {}
            }
        }
    }

    /// Lets jobs start whose next attempt is due, and starts the cleanup when that
    /// is due.
    fn promote_due(&mut self, now: Instant) {
        while let Some((time, _)) = self.due.first()
            && *time <= now
        {
            self.waiting
                .extend(self.due.pop_first().map(|(_, name)| name));
        }
        if now >= self.next_cleanup {
            self.next_cleanup = now + CLEANUP_INTERVAL;
            let downloader = Arc::clone(&self.downloader);
            spawn_blocking(move || downloader.remove_expired());
        }
    }

    fn start_jobs(&mut self) {
        while self.in_flight.len() < CONCURRENCY
            && let Some(name) = self.waiting.pop_front()
        {
            let downloader = Arc::clone(&self.downloader);
            self.in_flight.spawn(async move {
                let result = downloader.run_job(&name).await;
                (name, result)
            });
        }
    }
}

impl Downloader {
    /// Makes one attempt at a job.
    async fn run_job(self: Arc<Self>, name: &RandomName) -> JobResult {
        let mut job = match self.store.read(name) {
            Ok(job) => job,
            Err(error) => {
                error!(job = name.start(), error = %chain(&error), "picture job unreadable");
                if is_damage(&error) {
                    self.store.put_aside(name, &error);
                }
                return JobResult::Done;
            }
        };
        // An earlier run crashed after it had kept the picture.
        if self.store.has(&job.name) {
            self.store.forget(name);
            return JobResult::Done;
        }
        job.attempts = job.attempts.saturating_add(1);
        match self.fetch(&job).await {
            Ok(bytes) => {
                let MediaJob {
                    interface,
                    attempts,
                    ..
                } = &job;
                let picture = job.name.start();
                info!(%interface, picture, bytes, attempts, "picture fetched");
                self.store.forget(name);
                JobResult::Done
            }
            Err(error) => self.handle_failure(name, &job, &error).await,
        }
    }

    /// Fetches and keeps a picture; returns its size.
    async fn fetch(&self, job: &MediaJob) -> Result<u64, FetchError> {
        self.check_free_space().await?;
        let fetcher = self
            .fetchers
            .get(&job.interface)
            .unwrap_or(&self.unconfigured);
        let Fetched { file, bytes } = fetcher.fetch(job, &self.store).await?;
        let (store, picture) = (self.store.clone(), job.name.clone());
        blocking(move || Ok(store.keep(file, &picture)?))
            .await
            .map(|()| bytes)
            .map_err(|error| {
                FetchError::Temporary(format!("failed to keep the file: {}", chain(&error)))
            })
    }

    async fn check_free_space(&self) -> Result<(), FetchError> {
        let store = self.store.clone();
        match blocking(move || store.free()).await {
            Ok(free) if free < self.min_free => Err(FetchError::Temporary(format!(
                "media_dir has {free} bytes left, which is less than min_free"
            ))),
            Ok(_) => Ok(()),
            Err(error) => Err(FetchError::Temporary(format!(
                "failed to read the free space of media_dir: {}",
                chain(&error)
            ))),
        }
    }

    async fn handle_failure(
        &self,
        name: &RandomName,
        job: &MediaJob,
        error: &FetchError,
    ) -> JobResult {
        let MediaJob {
            interface,
            attempts,
            provider_id,
            ..
        } = job;
        let (to, from) = (masked(&job.to), masked(&job.from));
        let redirects = RedirectChain::start(&job.url);
        let host = redirects.as_ref().map_or("", RedirectChain::host);
        let picture = job.name.start();
        if let Some(wait) = job.retry_after(error, SystemTime::now()) {
            warn!(%interface, picture, host, attempts, error = %chain(error), ?wait, "picture not fetched yet");
            if let Err(error) = self.store.update(name, job) {
                warn!(picture, error = %failed(&error), "attempt not recorded");
            }
            return JobResult::Retry(wait);
        }
        error!(
            %interface, ?provider_id, to, from, picture, host, attempts, error = %chain(error),
            "picture not fetched"
        );
        self.notify(name, job).await
    }

    /// Sends the phone a message that a picture will not come.
    async fn notify(&self, name: &RandomName, job: &MediaJob) -> JobResult {
        let picture = job.name.start();
        let stored = match job.notice() {
            Some(notice) => self.spool.store(&[notice]).await.map(drop),
            None => Ok(()),
        };
        match stored {
            Ok(()) => {
                self.store.forget(name);
                info!(picture, "phone notified");
                JobResult::Done
            }
            Err(error) => {
                error!(picture, error = %failed(&error), "phone not notified");
                JobResult::Retry(NOTICE_RETRY)
            }
        }
    }

    fn remove_expired(&self) {
        match self.store.remove_expired(self.lifetime, SystemTime::now()) {
            Ok(0) => {}
            Ok(pictures) => info!(pictures, "old pictures removed"),
            Err(error) => warn!(error = %chain(&error), "old pictures not removed"),
        }
    }
}
