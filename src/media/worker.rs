//! Which picture is fetched when, and what becomes of it.

use std::collections::{BTreeSet, HashMap, VecDeque};
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
use crate::media::job::{Job, RandomName};
use crate::media::store::Pending;
use crate::spool::Spool;
use crate::storage::durable::DirectoryLock;

/// Pictures that are fetched at a time.
const AT_ONCE: usize = 4;

/// How often old pictures are removed.
const TIDY: Duration = Duration::from_secs(3600);

/// What one job needs.
#[derive(Debug)]
pub struct Desk {
    /// Where jobs and pictures are.
    pub pending: Pending,
    /// By the name of the interface.
    pub fetchers: HashMap<String, Fetcher>,
    /// For interfaces that are not configured any more.
    pub stray: Fetcher,
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
pub struct Worker {
    desk: Arc<Desk>,
    orders: UnboundedReceiver<RandomName>,
    /// Those that may be begun.
    waiting: VecDeque<RandomName>,
    /// Those that wait for their next attempt, by when that is.
    due: BTreeSet<(Instant, RandomName)>,
    under_way: JoinSet<(RandomName, Fate)>,
    next_tidy: Instant,
    _claim: DirectoryLock,
}

/// What is next for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is tried again after a while.
    Again(Duration),
    /// Nothing.
    Done,
}

impl Worker {
    /// A worker that begins with what an earlier run left.
    #[must_use]
    pub fn new(
        desk: Desk,
        left: Vec<RandomName>,
        orders: UnboundedReceiver<RandomName>,
        claim: DirectoryLock,
    ) -> Self {
        Self {
            desk: Arc::new(desk),
            orders,
            waiting: left.into(),
            due: BTreeSet::new(),
            under_way: JoinSet::new(),
            next_tidy: Instant::now(),
            _claim: claim,
        }
    }

    /// Works until nobody can order anything any more.
    pub async fn run(mut self) {
        loop {
            self.take_due(Instant::now());
            self.begin();
            let due = self.due.first().map(|(time, _)| *time);
            let wake = due.map_or(self.next_tidy, |due| due.min(self.next_tidy));
            tokio::select! {
                order = self.orders.recv() => match order {
                    Some(name) => self.waiting.push_back(name),
                    None => return,
                },
                Some(done) = self.under_way.join_next() => match done {
                    Ok((name, Fate::Again(wait))) => {
                        self.due.insert((Instant::now() + wait, name));
                    }
                    // A task that panicked has ended the process.
                    Ok((_, Fate::Done)) | Err(_) => {}
                },
                () = sleep_until(wake.into()) => {}
            }
        }
    }

    /// Those whose time has come are next; and so is what is to be removed.
    fn take_due(&mut self, now: Instant) {
        while let Some((time, _)) = self.due.first()
            && *time <= now
        {
            self.waiting
                .extend(self.due.pop_first().map(|(_, name)| name));
        }
        if now >= self.next_tidy {
            self.next_tidy = now + TIDY;
            let desk = Arc::clone(&self.desk);
            spawn_blocking(move || desk.tidy());
        }
    }

    fn begin(&mut self) {
        while self.under_way.len() < AT_ONCE
            && let Some(name) = self.waiting.pop_front()
        {
            let desk = Arc::clone(&self.desk);
            self.under_way.spawn(async move {
                let fate = desk.attend(&name).await;
                (name, fate)
            });
        }
    }
}

impl Desk {
    /// Makes one attempt at a job.
    async fn attend(self: Arc<Self>, name: &RandomName) -> Fate {
        let mut job = match self.pending.read(name) {
            Ok(job) => job,
            Err(error) => {
                error!(job = name.start(), %error, "failed to read what picture to fetch");
                return Fate::Done;
            }
        };
        // The one thing that a crash had left to do.
        if self.pending.has(&job.name) {
            self.pending.forget(name);
            return Fate::Done;
        }
        job.tries = job.tries.saturating_add(1);
        let fetched = self.fetch(&job).await;
        match fetched {
            Ok(bytes) => {
                let Job {
                    interface, tries, ..
                } = &job;
                let picture = job.name.start();
                info!(interface, picture, bytes, tries, "picture fetched");
                self.pending.forget(name);
                Fate::Done
            }
            Err(failure) => self.failed(name, &job, &failure).await,
        }
    }

    async fn fetch(self: &Arc<Self>, job: &Job) -> Result<u64, FetchError> {
        let desk = Arc::clone(self);
        let room = spawn_blocking(move || desk.room()).await;
        room.unwrap_or_else(|error| Err(FetchError::Temporary(error.to_string())))?;
        let fetcher = self.fetchers.get(&job.interface).unwrap_or(&self.stray);
        let Fetched { file, bytes } = fetcher.fetch(job, &self.pending).await?;
        let (desk, picture) = (Arc::clone(self), job.name.clone());
        let kept = spawn_blocking(move || desk.pending.keep(file, &picture)).await;
        match kept {
            Ok(Ok(())) => Ok(bytes),
            Ok(Err(error)) => Err(FetchError::Temporary(format!("failed to keep it: {error}"))),
            Err(error) => Err(FetchError::Temporary(error.to_string())),
        }
    }

    fn room(&self) -> Result<(), FetchError> {
        match self.pending.free() {
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
    async fn failed(&self, name: &RandomName, job: &Job, failure: &FetchError) -> Fate {
        let Job {
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
            if let Err(error) = self.pending.update(name, job) {
                warn!(picture, %error, "failed to note an attempt");
            }
            return Fate::Again(wait);
        }
        error!(interface, provider_id = ?message, to, from, picture, host, tries, %error, "picture not fetched");
        self.tell(name, job).await
    }

    /// Tells the phone that it waits in vain, by the way that texts take.
    async fn tell(&self, name: &RandomName, job: &Job) -> Fate {
        let picture = job.name.start();
        let told = match job.notice() {
            Some(notice) => self.spool.store(&[notice]).await.map(drop),
            None => Ok(()),
        };
        match told {
            Ok(()) => {
                self.pending.forget(name);
                info!(picture, "the phone is told");
                Fate::Done
            }
            Err(error) => {
                error!(picture, %error, "failed to tell the phone");
                Fate::Again(UNTOLD)
            }
        }
    }

    /// Removes what is old.
    fn tidy(&self) {
        match self.pending.tidy(self.lifetime, SystemTime::now()) {
            Ok(0) => {}
            Ok(pictures) => info!(pictures, "old pictures removed"),
            Err(error) => warn!(%error, "failed to remove old pictures"),
        }
    }
}

/// How long to wait when a phone could not be told; then all is tried again.
const UNTOLD: Duration = Duration::from_secs(60);
