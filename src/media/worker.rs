//! Which picture is fetched when, and what becomes of it.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::sleep_until;
use tracing::{error, info, warn};

use crate::http::safe_fetch::failure::FetchError;
use crate::http::safe_fetch::redirects::RedirectChain;
use crate::logging::masked;
use crate::media::fetch::{Fetched, Fetcher};
use crate::media::job::{MediaJob, RandomName};
use crate::media::store::MediaStore;
use crate::spool::Spool;
use crate::storage::blocking::blocking;
use crate::storage::durable::DirectoryLock;

/// Pictures that are fetched at a time.
const CONCURRENCY: usize = 4;

/// How often old pictures are removed.
const CLEANUP_INTERVAL: Duration = Duration::from_secs(3600);

/// What one job needs.
#[derive(Debug)]
pub(crate) struct Downloader {
    /// Where jobs and pictures are.
    pub store: MediaStore,
    /// By the name of the interface.
    pub fetchers: HashMap<String, Fetcher>,
    /// For interfaces that are not configured any more.
    pub unconfigured: Fetcher,
    /// The way to the phones.
    pub spool: Spool,
    /// Bytes of the disk that are left alone.
    pub min_free: u64,
    /// How long pictures are kept.
    pub lifetime: Duration,
}

/// The task that decides. It ends with the runtime; what is left is taken up at
/// the next start.
#[derive(Debug)]
pub(crate) struct MediaWorker {
    downloader: Arc<Downloader>,
    jobs: UnboundedReceiver<RandomName>,
    /// Those that may be begun.
    waiting: VecDeque<RandomName>,
    /// Those that wait for their next attempt, by when that is.
    due: BTreeSet<(Instant, RandomName)>,
    in_flight: JoinSet<(RandomName, JobResult)>,
    next_cleanup: Instant,
    _claim: DirectoryLock,
}

/// What is next for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum JobResult {
    /// It is tried again after a while.
    Retry(Duration),
    /// Nothing.
    Done,
}

impl MediaWorker {
    /// A worker that begins with what an earlier run left.
    #[must_use]
    pub(crate) fn new(
        desk: Downloader,
        left: Vec<RandomName>,
        orders: UnboundedReceiver<RandomName>,
        claim: DirectoryLock,
    ) -> Self {
        Self {
            downloader: Arc::new(desk),
            jobs: orders,
            waiting: left.into(),
            due: BTreeSet::new(),
            in_flight: JoinSet::new(),
            next_cleanup: Instant::now(),
            _claim: claim,
        }
    }

    /// Works until nobody can order anything any more.
    pub(crate) async fn run(mut self) {
        loop {
            self.promote_due(Instant::now());
            self.begin();
            let due = self.due.first().map(|(time, _)| *time);
            let wake = due.map_or(self.next_cleanup, |due| due.min(self.next_cleanup));
            tokio::select! {
                order = self.jobs.recv() => match order {
                    Some(name) => self.waiting.push_back(name),
                    None => return,
                },
                Some(done) = self.in_flight.join_next() => match done {
                    Ok((name, JobResult::Retry(wait))) => {
                        self.due.insert((Instant::now() + wait, name));
                    }
                    // A task that panicked has ended the process.
                    Ok((_, JobResult::Done)) | Err(_) => {}
                },
                () = sleep_until(wake.into()) => {}
            }
        }
    }

    /// Those whose time has come are next; and so is what is to be removed.
    fn promote_due(&mut self, now: Instant) {
        while let Some((time, _)) = self.due.first()
            && *time <= now
        {
            self.waiting
                .extend(self.due.pop_first().map(|(_, name)| name));
        }
        if now >= self.next_cleanup {
            self.next_cleanup = now + CLEANUP_INTERVAL;
            let desk = Arc::clone(&self.downloader);
            spawn_blocking(move || desk.remove_expired());
        }
    }

    fn begin(&mut self) {
        while self.in_flight.len() < CONCURRENCY
            && let Some(name) = self.waiting.pop_front()
        {
            let desk = Arc::clone(&self.downloader);
            self.in_flight.spawn(async move {
                let fate = desk.run_job(&name).await;
                (name, fate)
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
                error!(job = name.start(), %error, "failed to read what picture to fetch");
                return JobResult::Done;
            }
        };
        // The one thing that a crash had left to do.
        if self.store.has(&job.name) {
            self.store.forget(name);
            return JobResult::Done;
        }
        job.tries = job.tries.saturating_add(1);
        let fetched = self.fetch(&job).await;
        match fetched {
            Ok(bytes) => {
                let MediaJob {
                    interface, tries, ..
                } = &job;
                let picture = job.name.start();
                info!(interface, picture, bytes, tries, "picture fetched");
                self.store.forget(name);
                JobResult::Done
            }
            Err(failure) => self.failed(name, &job, &failure).await,
        }
    }

    async fn fetch(self: &Arc<Self>, job: &MediaJob) -> Result<u64, FetchError> {
        self.check_free_space().await?;
        let fetcher = self
            .fetchers
            .get(&job.interface)
            .unwrap_or(&self.unconfigured);
        let Fetched { file, bytes } = fetcher.fetch(job, &self.store).await?;
        let (desk, picture) = (Arc::clone(self), job.name.clone());
        blocking(move || desk.store.keep(file, &picture).map_err(io::Error::other))
            .await
            .map(|()| bytes)
            .map_err(|error| FetchError::Temporary(format!("failed to keep it: {error}")))
    }

    async fn check_free_space(&self) -> Result<(), FetchError> {
        let store = self.store.clone();
        match blocking(move || store.free()).await {
            Ok(free) if free < self.min_free => Err(FetchError::Temporary(format!(
                "media_dir has {free} bytes left, which is less than min_free"
            ))),
            Ok(_) => Ok(()),
            Err(error) => Err(FetchError::Temporary(format!(
                "failed to look at media_dir: {error}"
            ))),
        }
    }

    /// What is next after an attempt that failed.
    async fn failed(&self, name: &RandomName, job: &MediaJob, failure: &FetchError) -> JobResult {
        let MediaJob {
            interface,
            tries,
            message,
            ..
        } = job;
        let (to, from) = (masked(&job.to), masked(&job.from));
        let way = RedirectChain::start(&job.url);
        let host = way.as_ref().map_or("", RedirectChain::host);
        let picture = job.name.start();
        let error = failure;
        if let Some(wait) = failure.wait(*tries, job.age(SystemTime::now())) {
            warn!(interface, picture, host, tries, %error, ?wait, "picture not fetched yet");
            if let Err(error) = self.store.update(name, job) {
                warn!(picture, %error, "failed to note an attempt");
            }
            return JobResult::Retry(wait);
        }
        error!(interface, provider_id = ?message, to, from, picture, host, tries, %error, "picture not fetched");
        self.notify(name, job).await
    }

    /// Tells the phone that it waits in vain, by the way that texts take.
    async fn notify(&self, name: &RandomName, job: &MediaJob) -> JobResult {
        let picture = job.name.start();
        let told = match job.notice() {
            Some(notice) => self.spool.store(&[notice]).await.map(drop),
            None => Ok(()),
        };
        match told {
            Ok(()) => {
                self.store.forget(name);
                info!(picture, "the phone is told");
                JobResult::Done
            }
            Err(error) => {
                error!(picture, %error, "failed to tell the phone");
                JobResult::Retry(NOTICE_RETRY)
            }
        }
    }

    /// Removes what is old.
    fn remove_expired(&self) {
        match self.store.remove_expired(self.lifetime, SystemTime::now()) {
            Ok(0) => {}
            Ok(pictures) => info!(pictures, "old pictures removed"),
            Err(error) => warn!(%error, "failed to remove old pictures"),
        }
    }
}

/// How long to wait when a phone could not be told; then all is tried again.
const NOTICE_RETRY: Duration = Duration::from_secs(60);
