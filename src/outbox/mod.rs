//! The outbox: a durable queue of messages to providers, so that phones do not
//! wait for these.
//!
//! | state | where the file is | who acts next | after a crash |
//! | --- | --- | --- | --- |
//! | queued | `outboxdir/….json` | [`scheduler`], when it is due | queued at start |
//! | sending | `outboxdir/sending/….json` | the provider | perhaps sent: sent again only where that is safe, else its sender is notified |
//! | sent | gone | – | – |
//! | sender to be notified | `outboxdir/notices/….json` | [`notifier`], when the spool takes a notice | its sender is notified |
//! | failed | `outboxdir/failed/….json` | the administrator | kept |
//!
//! A message that was sent and has a provider's id is also in `outboxdir/sent`,
//! until its [`receipts`] have come or are overdue.
//!
//! Guarantee: a message that [`Outbox::put`] accepted is sent once, or its
//! sender is notified that it was not or may not have been. It is marked as being
//! sent, durably, before its request is made.
//!
//! [`store`] keeps messages, each in a file ([`name`]) with a [`record`];
//! [`scheduler`] decides which one is delivered when, [`delivery`] delivers it,
//! [`retry`] decides what follows an attempt, also by the [`age`] of a message. The [`notifier`] sends a [`notice`]
//! to the sender, at most as many as [`notice_limit`] allows. [`receipts`] are recorded with the messages in [`sent`], those
//! that come before wait in [`early_receipts`]. [`reply_route`] knows by which
//! interface an answer goes. [`inventory`] serves the administrator.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use tokio::runtime::Handle;

mod age;
pub(crate) mod delivery;
mod early_receipts;
pub(crate) mod inventory;
pub(crate) mod layout;
pub(crate) mod name;
pub(crate) mod notice;
mod notice_limit;
pub(crate) mod notifier;
pub(crate) mod receipts;
pub(crate) mod record;
pub(crate) mod reply_route;
pub(crate) mod retry;
pub(crate) mod scheduler;
pub(crate) mod sent;
pub(crate) mod store;

use crate::config::{Config, DeliveryMode, DeliverySettings};
use crate::logging::chain;
use crate::model::id::Id;
use crate::model::interface::InterfaceName;
use crate::model::outgoing::OutgoingMessage;
use crate::outbound::fallback::{Attempt, ProviderChain};
use crate::outbound::provider::ProviderError;
use crate::outbound::verdict::{Outcome, Reason, Verdict};
use crate::outbox::reply_route::ReplyRoutes;
use crate::resilience::shutdown::Shutdown;
use crate::spool::Spool;
use crate::storage::directory_error::DirectoryError;
use crate::storage::durable::DirectoryLock;
use crate::storage::watch;
use delivery::Delivery;
use notifier::Notifier;
use receipts::Tracker;
use record::Record;
use scheduler::{InterfaceQueue, OutboxEvent, Scheduler};
pub(crate) use store::Outbox;

/// Queues a message in the outbox at `path`. It is durable when the verdict is
/// [`Outcome::Queued`].
#[must_use]
pub(crate) fn queue(
    path: &Path,
    id: Id,
    interface: &InterfaceName,
    message: &OutgoingMessage,
) -> Attempt {
    let record = Record::new(interface, message);
    let put = Outbox::open(path).and_then(|outbox| {
        let name = record.name(id);
        Ok(outbox.put(name, &record)?)
    });
    let verdict = match put {
        Ok(()) => Verdict::queued(),
        Err(error) => {
            let detail = format!("{}: {}", path.display(), chain(&error));
            Verdict::not_sent(Outcome::Failed, Reason::NotStored, detail)
        }
    };
    let interface = interface.clone();
    Attempt { interface, verdict }
}

/// Makes sure that messages can be queued: creates the outbox if it is missing;
/// writes, syncs and removes a file.
///
/// # Errors
/// When the directory cannot be used.
pub(crate) fn probe(path: &Path) -> Result<(), OutboxError> {
    let outbox = Outbox::open(path).map_err(unusable(path))?;
    let probed = outbox.probe().map_err(io::Error::from);
    Ok(probed.map_err(unusable(path))?)
}

/// An outbox whose messages are being delivered, by a thread of its own.
#[derive(Debug)]
pub(crate) struct RunningOutbox {
    /// Records delivery receipts.
    pub receipts: Arc<Tracker>,
    /// Records who wrote by which interface, if answers go by that.
    pub reply_routes: Option<Arc<ReplyRoutes>>,
    thread: JoinHandle<()>,
    _lock: DirectoryLock,
}

impl RunningOutbox {
    /// Starts to deliver, until the shutdown; `None` when no interface uses the
    /// outbox and its directory does not exist. Requests run on `runtime`, notices go
    /// to `spool`.
    ///
    /// # Errors
    /// When the outbox or a provider cannot be used.
    pub(crate) fn start(
        config: &Config,
        spool: Spool,
        runtime: Handle,
        shutdown: Shutdown,
    ) -> Result<Option<Self>, OutboxError> {
        let is_used = config
            .outgoing
            .iter()
            .any(|outgoing| outgoing.delivery.mode == DeliveryMode::Queue);
        if !is_used && !config.reply_auto && !config.outbox.is_dir() {
            return Ok(None);
        }
        let unusable = unusable(&config.outbox);
        let outbox = Outbox::open(&config.outbox).map_err(&unusable)?;
        let lock = outbox.lock().map_err(&unusable)?;
        let (events, received) = mpsc::channel();
        let watched = [(outbox.path(), watch::APPEARED)];
        watch::watch(&watched, events.clone(), OutboxEvent::from).map_err(&unusable)?;
        let reply_routes = config.reply_auto.then(|| outbox.reply_routes());
        let notifier = Arc::new(Notifier::new(spool, outbox.clone(), config));
        let receipts = Tracker::new(
            outbox.clone(),
            config,
            Arc::clone(&notifier),
            runtime.clone(),
        );
        let receipts = Arc::new(receipts);
        let interface_queue = |providers, settings: &DeliverySettings| {
            let (notifier, receipts) = (Arc::clone(&notifier), Arc::clone(&receipts));
            let (concurrency, rate) = (settings.concurrency, settings.rate);
            let settings = settings.clone();
            let delivery = Delivery::new(outbox.clone(), providers, settings, notifier, receipts);
            InterfaceQueue::new(delivery, concurrency, rate)
        };
        let mut interfaces = HashMap::new();
        for outgoing in &config.outgoing {
            let providers = ProviderChain::new(config, outgoing)?;
            let queue = interface_queue(Some(providers), &outgoing.delivery);
            interfaces.insert(outgoing.interface.clone(), queue);
        }
        let unconfigured = interface_queue(None, &DeliverySettings::default());
        runtime.spawn(Arc::clone(&notifier).run(shutdown.clone()));
        let stop = events.clone();
        runtime.spawn(async move {
            let deadline = shutdown.started().await;
            // Without a scheduler there is nothing to stop.
            let _ = stop.send(OutboxEvent::Stop(deadline.into_std()));
        });
        let tracker = Arc::clone(&receipts);
        let scheduler = Scheduler::new(outbox, interfaces, unconfigured, tracker, runtime, events);
        Ok(Some(Self {
            receipts,
            reply_routes: reply_routes.map(Arc::new),
            thread: std::thread::spawn(move || scheduler.run(&received)),
            _lock: lock,
        }))
    }

    /// Waits until the messages in flight have been answered, or the shutdown's
    /// deadline. Blocks.
    pub(crate) fn join(self) {
        // A thread that panicked has ended the process: `panic = "abort"`.
        let _ = self.thread.join();
    }
}

/// Why the outbox cannot be used. The administrator must act.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutboxError {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error(transparent)]
    Provider(#[from] ProviderError),
}

fn unusable(path: &Path) -> impl Fn(io::Error) -> DirectoryError {
    move |error| DirectoryError::new(path, "outboxdir", 0o750, error)
}
