//! From the outbox to the providers: who goes when.
//!
//! One thread decides, as [`ConversationQueue`] says: each conversation in order, several
//! side by side, and no more per second than the provider takes. Requests are
//! made by tasks that tell it what is next. It goes by what the kernel tells of
//! the directory, and looks for itself now and then.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant, SystemTime};

use tokio::runtime::Handle;
use tracing::{error, info, warn};

use crate::outbox::delivery::{Delivery, Disposition};
use crate::outbox::name::OutboxName;
use crate::outbox::receipts::Tracker;
use crate::outbox::store::Outbox;
use crate::storage::conversation_queue::ConversationQueue;
use crate::storage::watch::DirectoryChange;

/// How often to look for oneself.
const SCAN_INTERVAL: Duration = Duration::from_secs(30);

/// How often messages are forgotten that no receipt is waited for any more.
const CLEANUP_INTERVAL: Duration = Duration::from_secs(3600);

/// What the worker is told.
#[derive(Debug)]
pub(crate) enum OutboxEvent {
    /// A file has come into the outbox.
    Appeared(OsString),
    /// Something was missed: time to look for oneself.
    Scan,
    /// A message has been dealt with for now.
    Settled(OutboxName, Disposition),
    /// The daemon stops; messages in flight have until then.
    Stop(Instant),
}

impl From<DirectoryChange> for OutboxEvent {
    fn from(change: DirectoryChange) -> Self {
        match change {
            DirectoryChange::Appeared(name) => Self::Appeared(name),
            _ => Self::Scan,
        }
    }
}

/// An interface, its lines and its pace.
#[derive(Debug)]
pub(crate) struct InterfaceQueue {
    delivery: Arc<Delivery>,
    queue: ConversationQueue<OutboxName>,
    /// Time between two messages.
    interval: Duration,
    /// When the next one may go.
    next_free: Instant,
}

impl InterfaceQueue {
    /// For at most `concurrency` requests at a time and `rate` per second.
    #[must_use]
    pub(crate) fn new(desk: Delivery, concurrency: usize, rate: Option<u32>) -> Self {
        Self {
            delivery: Arc::new(desk),
            queue: ConversationQueue::new(concurrency),
            interval: rate.map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate),
            next_free: Instant::now(),
        }
    }
}

/// What is known of a message.
#[derive(Debug)]
struct TrackedMessage {
    interface: String,
    /// When it is to be tried again, while it waits for that.
    due: Option<Instant>,
}

/// The thread that decides.
#[derive(Debug)]
pub(crate) struct Scheduler {
    outbox: Outbox,
    /// By the name of the interface.
    interfaces: HashMap<String, InterfaceQueue>,
    /// Makes a channel for an interface that is not configured any more.
    unconfigured: InterfaceQueue,
    /// Every message that is in a line or away.
    tracked: HashMap<OutboxName, TrackedMessage>,
    /// Those that wait for their next attempt, by when that is.
    due: BTreeSet<(Instant, OutboxName)>,
    receipts: Arc<Tracker>,
    runtime: Handle,
    events: Sender<OutboxEvent>,
    in_flight: usize,
}

impl Scheduler {
    /// A worker with a channel for each interface, and one for messages of
    /// interfaces that are not configured any more.
    #[must_use]
    pub(crate) fn new(
        outbox: Outbox,
        channels: HashMap<String, InterfaceQueue>,
        stray: InterfaceQueue,
        receipts: Arc<Tracker>,
        runtime: Handle,
        events: Sender<OutboxEvent>,
    ) -> Self {
        Self {
            outbox,
            interfaces: channels,
            unconfigured: stray,
            tracked: HashMap::new(),
            due: BTreeSet::new(),
            receipts,
            runtime,
            events,
            in_flight: 0,
        }
    }

    /// Works until it is told to end, and then until what is on its way has
    /// been answered, within bounds.
    pub(crate) fn run(mut self, happened: &Receiver<OutboxEvent>) {
        self.recover();
        let mut next_look = Instant::now();
        let mut next_tidy = next_look;
        loop {
            let now = Instant::now();
            if now >= next_tidy {
                self.receipts.remove_expired();
                next_tidy = now + CLEANUP_INTERVAL;
            }
            if now >= next_look {
                self.scan();
                next_look = now + SCAN_INTERVAL;
            }
            self.promote_due(now);
            let wake = self.dispatch(now).unwrap_or(next_look);
            let due = self.due.first().map_or(next_look, |(time, _)| *time);
            let wake = wake.min(due).min(next_look);
            let patience = wake.saturating_duration_since(Instant::now());
            let first = match happened.recv_timeout(patience) {
                Ok(event) => event,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            for event in std::iter::once(first).chain(happened.try_iter()) {
                match event {
                    OutboxEvent::Appeared(file) => self.file_appeared(&file),
                    OutboxEvent::Scan => next_look = Instant::now(),
                    OutboxEvent::Settled(name, fate) => self.settled(name, fate),
                    OutboxEvent::Stop(deadline) => return self.drain(happened, deadline),
                }
            }
        }
    }

    /// Takes up what was being sent when an earlier run ended, before anything
    /// newer of the same conversations.
    fn recover(&mut self) {
        let names = self.outbox.interrupted().unwrap_or_else(|error| {
            error!(%error, "failed to look at what was being sent");
            Vec::new()
        });
        if !names.is_empty() {
            warn!(
                messages = names.len(),
                "messages were being sent when websmsd ended"
            );
        }
        for name in names {
            let record = self.outbox.read_interrupted(name);
            let interface = record.map(|record| record.interface).unwrap_or_default();
            self.track(name, interface);
            let channel = self.interface(name);
            channel.queue.mark_in_flight(name);
            let desk = Arc::clone(&channel.delivery);
            self.spawn(name, async move { desk.recover(name).await });
        }
    }

    /// Takes up what waits and is not known.
    fn scan(&mut self) {
        match self.outbox.queued() {
            Ok(names) => names.into_iter().for_each(|name| self.enqueue(name)),
            Err(error) => error!(%error, "failed to look into the outbox"),
        }
    }

    /// A message is there: a new one, or one that was to wait and that the
    /// administrator wants tried sooner.
    fn file_appeared(&mut self, file: &OsString) {
        let Some(name) = OutboxName::parse(file) else {
            return;
        };
        match self.tracked.get(&name) {
            None => self.enqueue(name),
            Some(TrackedMessage { due: Some(due), .. }) => self.reschedule_earlier(name, *due),
            // It is in its line, or away.
            Some(_) => {}
        }
    }

    /// Puts a message into its line, unless it is known.
    fn enqueue(&mut self, name: OutboxName) {
        if self.tracked.contains_key(&name) {
            return;
        }
        // What is no record is found out when it is to be sent.
        let record = self.outbox.read(name);
        let interface = record.map(|record| record.interface).unwrap_or_default();
        self.track(name, interface);
        self.interface(name).queue.push(name);
    }

    fn track(&mut self, name: OutboxName, interface: String) {
        let due = None;
        self.tracked.insert(name, TrackedMessage { interface, due });
    }

    /// Lets a message wait no longer than its file says by now.
    fn reschedule_earlier(&mut self, name: OutboxName, due: Instant) {
        if let Ok(record) = self.outbox.read(name) {
            let sooner = Instant::now() + record.wait(SystemTime::now());
            if sooner < due {
                self.schedule(name, sooner);
            }
        }
    }

    /// Lets a message wait until then.
    fn schedule(&mut self, name: OutboxName, until: Instant) {
        if let Some(known) = self.tracked.get_mut(&name) {
            if let Some(due) = known.due.replace(until) {
                self.due.remove(&(due, name));
            }
            self.due.insert((until, name));
        }
    }

    fn interface(&mut self, name: OutboxName) -> &mut InterfaceQueue {
        let interface = self.tracked.get(&name);
        let interface = interface.map_or("", |known| known.interface.as_str());
        match self.interfaces.get_mut(interface) {
            Some(channel) => channel,
            None => &mut self.unconfigured,
        }
    }

    /// Puts those whose time has come first in their lines.
    fn promote_due(&mut self, now: Instant) {
        while let Some((time, name)) = self.due.first().copied()
            && time <= now
        {
            self.due.pop_first();
            if let Some(known) = self.tracked.get_mut(&name) {
                known.due = None;
            }
            self.interface(name).queue.requeue_front(name);
        }
    }

    /// Begins with those who may go. When it is the pace alone that holds some
    /// up, until then.
    fn dispatch(&mut self, now: Instant) -> Option<Instant> {
        let mut begun = Vec::new();
        let mut wake = None;
        for channel in self.interfaces.values_mut().chain([&mut self.unconfigured]) {
            loop {
                if channel.next_free > now {
                    let sooner = wake.map_or(channel.next_free, |wake: Instant| {
                        wake.min(channel.next_free)
                    });
                    wake = Some(sooner);
                    break;
                }
                let Some(name) = channel.queue.pop_next() else {
                    break;
                };
                channel.next_free = channel.next_free.max(now) + channel.interval;
                begun.push((name, Arc::clone(&channel.delivery)));
            }
        }
        for (name, desk) in begun {
            self.spawn(name, async move { desk.deliver(name).await });
        }
        wake
    }

    fn spawn(
        &mut self,
        name: OutboxName,
        work: impl Future<Output = Disposition> + Send + 'static,
    ) {
        self.in_flight += 1;
        let events = self.events.clone();
        self.runtime.spawn(async move {
            let fate = work.await;
            // Nobody listens when the time to end is over.
            let _ = events.send(OutboxEvent::Settled(name, fate));
        });
    }

    fn settled(&mut self, name: OutboxName, fate: Disposition) {
        self.in_flight -= 1;
        match fate {
            Disposition::Done => {
                self.interface(name).queue.complete(name);
                self.tracked.remove(&name);
            }
            Disposition::Retry(wait) => {
                self.interface(name).queue.set_deferred(name, true);
                self.schedule(name, Instant::now() + wait);
            }
        }
    }

    fn drain(mut self, happened: &Receiver<OutboxEvent>, deadline: Instant) {
        while self.in_flight > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            match happened.recv_timeout(left) {
                Ok(OutboxEvent::Settled(name, disposition)) => self.settled(name, disposition),
                Ok(_) => {}
                Err(_) => break,
            }
        }
        if self.in_flight == 0 {
            return info!("outbox drained");
        }
        for interface in self.interfaces.values().chain([&self.unconfigured]) {
            let cut_off = interface
                .queue
                .in_flight()
                .filter(|name| self.is_sending(*name));
            for name in cut_off {
                warn!(id = %name.id(), "message interrupted by shutdown; it may have been sent");
            }
        }
    }

    /// Whether a request is on its way for a message, which does not wait for its
    /// next attempt.
    fn is_sending(&self, name: OutboxName) -> bool {
        let tracked = self.tracked.get(&name);
        tracked.is_some_and(|message| message.due.is_none())
    }
}
