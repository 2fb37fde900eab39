//! Sends notices to the phones of senders, as call files.
//!
//! A message that gets no notice now, because the spool takes none or because its
//! sender got too many, waits in `outboxdir/notices`. Nothing sends it again. The
//! notifier tries those again with growing waits, also after a restart, and moves
//! each on when its sender is notified: to `failed`, or away when it had been sent.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, Notify};
use tokio::time::{Instant as Timer, sleep_until};
use tracing::{error, info, warn};

use crate::config::{Config, DeliverySettings};
use crate::logging::{chain, failed};
use crate::model::interface::InterfaceName;
use crate::model::message::Message;
use crate::outbound::verdict::{Outcome, Reason, Verdict};
use crate::outbox::name::OutboxName;
use crate::outbox::notice::{further, notice};
use crate::outbox::notice_limit::NoticeLimit;
use crate::outbox::record::{NoticeKind, Record};
use crate::outbox::store::Outbox;
use crate::resilience::backoff::Backoff;
use crate::resilience::deadline;
use crate::resilience::shutdown::Shutdown;
use crate::spool::{Spool, SpoolError};
use crate::storage::blocking::blocking;

/// Waits while the spool takes no notice.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));

/// The longest time between two looks at the notices that wait.
const INTERVAL: Duration = Duration::from_secs(300);

/// Sends notices.
#[derive(Debug)]
pub(crate) struct Notifier {
    spool: Spool,
    outbox: Outbox,
    settings: HashMap<InterfaceName, DeliverySettings>,
    /// For messages of an interface that is not configured any more.
    unconfigured: DeliverySettings,
    limit: Mutex<NoticeLimit>,
    in_memory: Mutex<InMemory>,
    /// One notice at a time of those that wait.
    turn: AsyncMutex<()>,
    wake: Notify,
}

/// What a full disk does not take about messages that wait for their notices.
#[derive(Debug, Default)]
struct InMemory {
    /// Records that could not be written.
    unwritten: HashMap<OutboxName, Record>,
    /// Messages whose sender is notified, and which could not be moved on.
    notified: HashMap<OutboxName, Record>,
}

/// The record of a message whose notice waits. One that was moved as it was, because
/// the disk was full, does not say why before a restart.
fn with_notice(record: Record) -> Record {
    if record.notice.is_some() {
        return record;
    }
    let verdict = Verdict::not_sent(Outcome::Unknown, Reason::Interrupted, String::new());
    let record = record.after_attempt(&verdict, None, SystemTime::now());
    record.with_notice(NoticeKind::Unknown, verdict.reason_for_sender())
}

fn not_stored(name: OutboxName, error: &SpoolError) {
    error!(id = %name.id(), error = %failed(error), "sender not notified, will retry");
}

impl InMemory {
    /// A message that begins to wait, perhaps not for the first time.
    fn waits(&mut self, name: OutboxName, record: Record) {
        self.notified.remove(&name);
        self.unwritten.insert(name, record);
    }
}

/// What became of a notice.
#[derive(Debug)]
enum Sent {
    /// It is stored, or there is none to send.
    Done,
    /// Its sender gets one for several messages later.
    Gathered,
    NotStored(SpoolError),
}

impl Notifier {
    pub(crate) fn new(spool: Spool, outbox: Outbox, config: &Config) -> Self {
        let outgoing = config.outgoing.iter();
        let settings =
            outgoing.map(|outgoing| (outgoing.interface.clone(), outgoing.delivery.clone()));
        Self {
            spool,
            outbox,
            settings: settings.collect(),
            unconfigured: DeliverySettings::default(),
            limit: Mutex::new(NoticeLimit::new()),
            in_memory: Mutex::default(),
            turn: AsyncMutex::default(),
            wake: Notify::new(),
        }
    }

    /// Ends a message that was being sent and is given up: notifies its sender, now
    /// or later, and keeps it for the administrator.
    ///
    /// # Errors
    /// When the disk refuses: the next start takes the message for one that may have
    /// been sent.
    pub(crate) async fn give_up(&self, name: OutboxName, record: Record) -> io::Result<()> {
        match self.send(name, &record).await {
            Sent::Done => {
                let record = record.notified();
                return self.on_disk(move |outbox| outbox.fail(name, &record)).await;
            }
            Sent::Gathered => {}
            Sent::NotStored(error) => not_stored(name, &error),
        }
        // Before its file appears without the reason.
        self.in_memory.lock().waits(name, record.clone());
        let written = self.on_disk(move |outbox| outbox.await_notice(name, &record));
        let written = written.await;
        if !matches!(written, Ok(false)) {
            self.in_memory.lock().unwritten.remove(&name);
        }
        self.wake.notify_one();
        written.map(drop)
    }

    /// Sends the notices that wait, until the shutdown.
    pub(crate) async fn run(self: Arc<Self>, shutdown: Shutdown) {
        let mut failures = 0;
        loop {
            let complete = self.send_waiting(&shutdown).await;
            failures = if complete { 0 } else { failures + 1 };
            let wait = match failures {
                0 => INTERVAL,
                failures => BACKOFF.after(failures),
            };
            let now = Instant::now();
            let mut until = deadline::after(now, wait);
            let gathered = self.limit.lock().next_due();
            if let Some(due) = gathered.filter(|_| failures == 0) {
                until = until.min(due);
            }
            tokio::select! {
                _ = shutdown.started() => return,
                () = sleep_until(Timer::from_std(until)) => {}
                // A spool that takes nothing is not asked more often.
                () = self.wake.notified(), if failures == 0 => {}
            }
        }
    }

    /// Sends all notices that wait. `false` when the spool takes none.
    async fn send_waiting(&self, shutdown: &Shutdown) -> bool {
        let names = match self.on_disk(Outbox::awaiting_notice).await {
            Ok(names) => names,
            Err(error) => {
                error!(error = %chain(&error), "waiting notices unreadable");
                return false;
            }
        };
        let waiting = names.len();
        let due = self.limit.lock().take_due(Instant::now());
        let mut due = due.into_iter();
        let mut refused = None;
        for (sender, names) in due.by_ref() {
            if let Err(error) = self.send_gathered(&names).await {
                self.postpone(sender, names);
                refused = Some(error);
                break;
            }
        }
        due.for_each(|(sender, names)| self.postpone(sender, names));
        for name in names {
            if refused.is_some() || shutdown.has_started() {
                break;
            }
            if self.limit.lock().is_gathered(name) {
                continue;
            }
            refused = self.send_one(name).await.err();
        }
        if let Some(error) = &refused {
            warn!(waiting, error = %failed(error), "notices not sent, will retry");
        }
        refused.is_none()
    }

    fn postpone(&self, sender: String, names: Vec<OutboxName>) {
        let until = deadline::after(Instant::now(), BACKOFF.after(1));
        self.limit.lock().gather(sender, names, until);
    }

    /// Sends the notice of a message that waits for it since now.
    pub(crate) async fn send_new(&self, name: OutboxName) {
        if let Err(error) = self.send_one(name).await {
            not_stored(name, &error);
        }
        self.wake.notify_one();
    }

    /// Sends the notice of a message that waits for it, if it still does.
    ///
    /// # Errors
    /// When the spool takes no notice. The message waits on.
    async fn send_one(&self, name: OutboxName) -> Result<(), SpoolError> {
        let _turn = self.turn.lock().await;
        let Some(record) = self.waiting(name).await else {
            return Ok(());
        };
        match self.send(name, &record).await {
            Sent::Done => self.finish(name, record).await,
            Sent::Gathered => {}
            Sent::NotStored(error) => return Err(error),
        }
        Ok(())
    }

    /// Sends one notice for several messages of a sender.
    async fn send_gathered(&self, names: &[OutboxName]) -> Result<(), SpoolError> {
        let _turn = self.turn.lock().await;
        let mut records = Vec::new();
        for name in names {
            records.extend(self.waiting(*name).await.map(|record| (*name, record)));
        }
        let Some((name, first)) = records.first() else {
            return Ok(());
        };
        let count = records.len();
        let sent = match (count, &first.notice) {
            (1, Some(due)) => notice(first, due, self.settings(first)),
            _ => further(first, count, self.settings(first)),
        };
        if let Some(notice) = sent {
            self.spool.store(&[notice]).await?;
            info!(id = %name.id(), messages = count, "sender notified of several messages");
        }
        for (name, record) in records {
            self.finish(name, record).await;
        }
        Ok(())
    }

    /// The record of a message whose notice waits. `None` when it is gone, or when
    /// its sender is notified.
    async fn waiting(&self, name: OutboxName) -> Option<Record> {
        let read = self.on_disk(move |outbox| outbox.read_awaiting_notice(name));
        let read = match read.await {
            Ok(record) => record,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    error!(id = %name.id(), error = %chain(&error), "waiting notice unreadable");
                }
                return None;
            }
        };
        let notified = self.in_memory.lock().notified.get(&name).cloned();
        if let Some(record) = notified {
            self.finish(name, record).await;
            return None;
        }
        let unwritten = self.in_memory.lock().unwritten.get(&name).cloned();
        Some(unwritten.unwrap_or_else(|| with_notice(read)))
    }

    /// Moves a message on whose sender is notified.
    async fn finish(&self, name: OutboxName, record: Record) {
        let undelivered = record.notice.as_ref().map(|notice| notice.kind);
        let undelivered = undelivered == Some(NoticeKind::Undelivered);
        let kept = record.clone().notified();
        let moved = self.on_disk(move |outbox| {
            if undelivered {
                outbox.remove_notice(name)
            } else {
                outbox.fail_notified(name, &kept)
            }
        });
        let moved = moved.await;
        let mut in_memory = self.in_memory.lock();
        in_memory.unwritten.remove(&name);
        match moved {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                error!(id = %name.id(), error = %chain(&error), "notice not removed, will retry");
                in_memory.notified.insert(name, record);
            }
            _ => {
                in_memory.notified.remove(&name);
            }
        }
    }

    /// Stores the notice of a message, unless its sender got too many.
    async fn send(&self, name: OutboxName, record: &Record) -> Sent {
        let id = name.id();
        let due = record.notice.as_ref();
        let notice = due.and_then(|due| notice(record, due, self.settings(record)));
        let Some(notice) = notice else {
            info!(
                %id,
                "sender not notified: no notice configured, or no number"
            );
            return Sent::Done;
        };
        self.store(name, notice).await
    }

    async fn store(&self, name: OutboxName, notice: Message) -> Sent {
        let id = name.id();
        let sender = notice.to.as_str().to_owned();
        if !self.limit.lock().admit(&sender, name, Instant::now()) {
            info!(%id, "sender will be notified of several messages");
            return Sent::Gathered;
        }
        match self.spool.store(&[notice]).await {
            Ok(_) => {
                info!(%id, "sender notified");
                Sent::Done
            }
            Err(error) => {
                self.limit.lock().revoke(&sender);
                Sent::NotStored(error)
            }
        }
    }

    fn settings(&self, record: &Record) -> &DeliverySettings {
        let interface = record.interface.name();
        let settings = interface.and_then(|interface| self.settings.get(interface));
        settings.unwrap_or(&self.unconfigured)
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        action: impl FnOnce(&Outbox) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let outbox = self.outbox.clone();
        blocking(move || action(&outbox)).await
    }
}
