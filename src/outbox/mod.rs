//! Message to provider, without the phones waiting for it.
//!
//! | state | where the file is | who acts next | after a crash |
//! | --- | --- | --- | --- |
//! | queued | `outboxdir/….json` | [`scheduler`], at its due time | taken up at start |
//! | sending | `outboxdir/sending/….json` | the provider | it may have been sent: tried again only where that is safe, else told |
//! | sent | gone | – | – |
//! | failed | `outboxdir/failed/….json` | the administrator | kept |
//!
//! What was sent and has an id of the provider's is also in `outboxdir/sent`,
//! until [`receipts`] for it are no longer waited for.
//!
//! Guarantee: a message that [`Outbox::put`] accepted is sent once, or its
//! sender is told that it was not or may not have been. It is marked as being
//! sent, durably, before its request is made.
//!
//! [`store`] keeps messages as [`record`] writes them, [`scheduler`] decides who
//! goes when, [`delivery`] delivers one, [`retry`] says what is next for it, and
//! [`notice`] what the [`notifier`] tells its sender. [`inventory`] shows all of it
//! to the administrator.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;

use tokio::runtime::Handle;

pub(crate) mod delivery;
mod early_receipts;
pub(crate) mod inventory;
pub(crate) mod name;
pub(crate) mod notice;
pub(crate) mod notifier;
pub(crate) mod receipts;
pub(crate) mod record;
pub(crate) mod reply_route;
pub(crate) mod retry;
pub(crate) mod scheduler;
pub(crate) mod sent;
pub(crate) mod store;

use crate::config::{Config, DeliveryMode, DeliverySettings};
use crate::model::id::Id;
use crate::model::interface::InterfaceName;
use crate::model::outgoing::OutgoingMessage;
use crate::outbound::fallback::{Attempt, ProviderChain};
use crate::outbound::provider::ProviderError;
use crate::outbound::verdict::{Outcome, Reason, Verdict};
use crate::outbox::reply_route::ReplyRoutes;
use crate::resilience::shutdown::Shutdown;
use crate::spool::Spool;
use crate::storage::durable::DirectoryLock;
use crate::storage::watch;
use delivery::Delivery;
use notifier::Notifier;
use receipts::Tracker;
use record::Record;
use scheduler::{InterfaceQueue, OutboxEvent, Scheduler};
pub(crate) use store::Outbox;

/// Puts a message into the outbox in `path`; it is durable when this returns
/// that it is queued.
#[must_use]
pub(crate) fn queue(
    path: &Path,
    id: Id,
    interface: &InterfaceName,
    message: &OutgoingMessage,
) -> Attempt {
    let record = Record::new(interface, message);
    let opened = Outbox::open(path).map_err(|error| error.to_string());
    let put = opened.and_then(|outbox| {
        let name = record.name(id);
        outbox.put(name, &record).map_err(|error| error.to_string())
    });
    let verdict = match put {
        Ok(()) => Verdict::queued(),
        Err(error) => {
            let detail = format!("{}: {error}", path.display());
            Verdict::not_sent(Outcome::Failed, Reason::NotStored, detail)
        }
    };
    let interface = interface.clone();
    Attempt { interface, verdict }
}

/// Tries what a message needs: creates the outbox if it is not there, writes,
/// syncs and removes a file.
///
/// # Errors
/// What cannot be done, with its remedy.
pub(crate) fn probe(path: &Path) -> Result<(), OutboxError> {
    let directory = |source| OutboxError::Directory(path.to_owned(), source);
    let outbox = Outbox::open(path).map_err(directory)?;
    outbox
        .probe()
        .map_err(|error| directory(io::Error::other(error)))
}

/// The thread that sends what is in the outbox.
#[derive(Debug)]
pub(crate) struct RunningOutbox {
    /// Records what providers say later.
    pub receipts: Arc<Tracker>,
    /// Records who wrote by which interface, if answers go by that.
    pub reply_routes: Option<Arc<ReplyRoutes>>,
    thread: JoinHandle<()>,
    _claim: DirectoryLock,
}

impl RunningOutbox {
    /// Starts to send, if an interface delivers by the outbox or something is
    /// left in it, until the shutdown. Requests run on `runtime`; notices to
    /// senders go through `spool`.
    ///
    /// # Errors
    /// When the outbox or a provider cannot be used.
    pub(crate) fn start(
        config: &Config,
        spool: Spool,
        runtime: Handle,
        shutdown: Shutdown,
    ) -> Result<Option<Self>, OutboxError> {
        let wanted = config
            .outgoing
            .iter()
            .any(|outgoing| outgoing.delivery.mode == DeliveryMode::Queue);
        if !wanted && !config.reply_auto && !config.outbox.is_dir() {
            return Ok(None);
        }
        let directory = |source| OutboxError::Directory(config.outbox.clone(), source);
        let outbox = Outbox::open(&config.outbox).map_err(directory)?;
        let claim = outbox.lock().map_err(directory)?;
        let (events, happened) = mpsc::channel();
        let watched = [(outbox.path(), watch::APPEARED)];
        watch::watch(&watched, events.clone(), OutboxEvent::from).map_err(directory)?;
        let reply_routes = config.reply_auto.then(|| outbox.reply_routes());
        let teller = Notifier::new(spool);
        let receipts = Tracker::new(outbox.clone(), config, teller.clone(), runtime.clone());
        let receipts = Arc::new(receipts);
        let channel = |route, delivery: &DeliverySettings| {
            let (teller, receipts) = (teller.clone(), Arc::clone(&receipts));
            let desk = Delivery::new(outbox.clone(), route, delivery.clone(), teller, receipts);
            InterfaceQueue::new(desk, delivery.concurrency, delivery.rate)
        };
        let mut channels = HashMap::new();
        for outgoing in &config.outgoing {
            let route = ProviderChain::new(config, outgoing).map_err(OutboxError::Provider)?;
            let name = outgoing.interface.as_str().to_owned();
            channels.insert(name, channel(Some(route), &outgoing.delivery));
        }
        let stray = channel(None, &DeliverySettings::default());
        let tidied = Arc::clone(&receipts);
        let stop = events.clone();
        runtime.spawn(async move {
            let deadline = shutdown.started().await;
            // Without a scheduler there is nothing to stop.
            let _ = stop.send(OutboxEvent::Stop(deadline.into_std()));
        });
        let worker = Scheduler::new(outbox, channels, stray, tidied, runtime, events);
        Ok(Some(Self {
            receipts,
            reply_routes: reply_routes.map(Arc::new),
            thread: std::thread::spawn(move || worker.run(&happened)),
            _claim: claim,
        }))
    }

    /// Waits until the messages in flight have been answered, or the shutdown's
    /// deadline. Blocks.
    pub(crate) fn join(self) {
        // A thread that panicked has ended the process: `panic = "abort"`.
        let _ = self.thread.join();
    }
}

/// The outbox cannot be used. The administrator must act.
#[derive(Debug)]
pub(crate) enum OutboxError {
    /// The directory.
    Directory(PathBuf, io::Error),
    /// A provider.
    Provider(ProviderError),
}

impl fmt::Display for OutboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path, source) if source.kind() == io::ErrorKind::WouldBlock => write!(
                f,
                "use {}: another websmsd uses it (stop the other one, or name another directory \
                 with outboxdir)",
                path.display()
            ),
            Self::Directory(path, source) => write!(
                f,
                "use {}: {source} (create it for Asterisk's user: install -d -o asterisk \
                 -g asterisk -m 0750 {})",
                path.display(),
                path.display()
            ),
            Self::Provider(error) => f.write_str(&crate::logging::chain(error)),
        }
    }
}

impl std::error::Error for OutboxError {}
