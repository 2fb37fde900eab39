//! Decides which message of the outbox is delivered when.
//!
//! One thread does, with a [`ConversationQueue`] for each interface: the messages
//! of a conversation in order, several conversations side by side, and no more per
//! second than the provider takes. Tasks on the runtime make the requests and
//! report back. inotify reports new files; the directory is also read now and
//! then, in case one was missed.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant, SystemTime};

use tokio::runtime::Handle;
use tracing::{error, info, warn};

use crate::logging::chain;
use crate::model::interface::InterfaceName;
use crate::outbox::age::Age;
use crate::outbox::delivery::{Delivery, Disposition, Turn};
use crate::outbox::name::OutboxName;
use crate::outbox::receipts::Tracker;
use crate::outbox::record::Record;
use crate::outbox::store::Outbox;
use crate::resilience::deadline;
use crate::storage::conversation_queue::ConversationQueue;
use crate::storage::watch::DirectoryChange;

/// Time between two readings of the directory.
const SCAN_INTERVAL: Duration = Duration::from_secs(30);

/// Time between two removals of sent messages whose receipts are overdue.
const CLEANUP_INTERVAL: Duration = Duration::from_secs(3600);

/// What the scheduler reacts to.
#[derive(Debug)]
pub(crate) enum OutboxEvent {
    /// A file has come into the outbox.
    Appeared(OsString),
    /// Files may have been missed: time to read the directory.
    Scan,
    /// The delivery of a message has ended.
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

/// The messages of an interface, with its limits.
#[derive(Debug)]
pub(crate) struct InterfaceQueue {
    delivery: Arc<Delivery>,
    queue: ConversationQueue<OutboxName>,
    /// Least time between two messages.
    interval: Duration,
    /// No message before this.
    next_free: Instant,
}

impl InterfaceQueue {
    /// For at most `concurrency` requests at a time and `rate` per second.
    pub(crate) fn new(delivery: Delivery, concurrency: usize, rate: Option<u32>) -> Self {
        Self {
            delivery: Arc::new(delivery),
            queue: ConversationQueue::new(concurrency),
            interval: rate.map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate),
            next_free: Instant::now(),
        }
    }
}

/// A message that is queued or in flight.
#[derive(Debug)]
struct TrackedMessage {
    /// `None` when its file names no valid interface, or cannot be read.
    interface: Option<InterfaceName>,
    age: Age,
    /// The time of its next attempt, while it waits for that.
    due: Option<Instant>,
    /// Whether that time has come once.
    has_waited: bool,
}

/// Decides which message is delivered when.
#[derive(Debug)]
pub(crate) struct Scheduler {
    outbox: Outbox,
    interfaces: HashMap<InterfaceName, InterfaceQueue>,
    /// For messages of interfaces that are not configured.
    unconfigured: InterfaceQueue,
    tracked: HashMap<OutboxName, TrackedMessage>,
    /// The messages that wait for their next attempt, by its time.
    due: BTreeSet<(Instant, OutboxName)>,
    receipts: Arc<Tracker>,
    runtime: Handle,
    events: Sender<OutboxEvent>,
    in_flight: usize,
}

impl Scheduler {
    /// A scheduler with a queue for each interface, and one for messages of
    /// interfaces that are not configured.
    pub(crate) fn new(
        outbox: Outbox,
        interfaces: HashMap<InterfaceName, InterfaceQueue>,
        unconfigured: InterfaceQueue,
        receipts: Arc<Tracker>,
        runtime: Handle,
        events: Sender<OutboxEvent>,
    ) -> Self {
        Self {
            outbox,
            interfaces,
            unconfigured,
            tracked: HashMap::new(),
            due: BTreeSet::new(),
            receipts,
            runtime,
            events,
            in_flight: 0,
        }
    }

    /// Runs until [`OutboxEvent::Stop`], and then until the messages in flight are
    /// settled or the time for that is over.
    pub(crate) fn run(mut self, received: &Receiver<OutboxEvent>) {
        self.recover();
        let mut next_scan = Instant::now();
        let mut next_cleanup = next_scan;
        loop {
            let now = Instant::now();
            if now >= next_cleanup {
                self.receipts.clean_up();
                next_cleanup = now + CLEANUP_INTERVAL;
            }
            if now >= next_scan {
                self.scan();
                next_scan = now + SCAN_INTERVAL;
            }
            self.promote_due(now);
            let wake = self.dispatch(now).unwrap_or(next_scan);
            let due = self.due.first().map_or(next_scan, |(time, _)| *time);
            let wake = wake.min(due).min(next_scan);
            let timeout = wake.saturating_duration_since(Instant::now());
            let first = match received.recv_timeout(timeout) {
                Ok(event) => event,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            for event in std::iter::once(first).chain(received.try_iter()) {
                match event {
                    OutboxEvent::Appeared(file) => self.file_appeared(&file),
                    OutboxEvent::Scan => next_scan = Instant::now(),
                    OutboxEvent::Settled(name, disposition) => self.settled(name, disposition),
                    OutboxEvent::Stop(deadline) => return self.drain(received, deadline),
                }
            }
        }
    }

    /// Settles the messages that were being sent when an earlier run ended, before
    /// newer ones of the same conversations.
    fn recover(&mut self) {
        let names = self.outbox.interrupted().unwrap_or_else(|error| {
            error!(error = %chain(&error), "interrupted messages unreadable");
            Vec::new()
        });
        if !names.is_empty() {
            warn!(messages = names.len(), "messages interrupted by last stop");
        }
        for name in names {
            self.track(name, self.outbox.read_interrupted(name));
            let interface = self.interface(name);
            interface.queue.mark_in_flight(name);
            let delivery = Arc::clone(&interface.delivery);
            let age = self.turn(name).age;
            self.spawn(name, async move { delivery.recover(name, age).await });
        }
    }

    /// Queues every message in the directory that is not tracked yet.
    fn scan(&mut self) {
        match self.outbox.queued() {
            Ok(names) => names.into_iter().for_each(|name| self.enqueue(name)),
            Err(error) => error!(error = %chain(&error), "outbox unreadable"),
        }
    }

    /// Queues a new message, or reschedules a waiting one that the administrator
    /// wants delivered sooner.
    fn file_appeared(&mut self, file: &OsString) {
        let Some(name) = OutboxName::parse(file) else {
            return;
        };
        match self.tracked.get(&name) {
            None => self.enqueue(name),
            Some(TrackedMessage { due: Some(due), .. }) => self.reschedule_earlier(name, *due),
            // It is queued, or in flight.
            Some(_) => {}
        }
    }

    /// Queues a message, unless it is tracked already.
    fn enqueue(&mut self, name: OutboxName) {
        if !self.tracked.contains_key(&name) {
            self.track(name, self.outbox.read(name));
            self.interface(name).queue.push(name);
        }
    }

    /// Delivery logs what is wrong with a file.
    fn track(&mut self, name: OutboxName, record: io::Result<Record>) {
        let interface = record.ok().and_then(|record| record.interface.into_name());
        let message = TrackedMessage {
            interface,
            age: age_now(name),
            due: None,
            has_waited: false,
        };
        self.tracked.insert(name, message);
    }

    fn turn(&self, name: OutboxName) -> Turn {
        let tracked = self.tracked.get(&name);
        Turn {
            age: tracked.map_or_else(|| age_now(name), |message| message.age),
            has_waited: tracked.is_some_and(|message| message.has_waited),
        }
    }

    /// Reschedules a message if its file now names an earlier time.
    fn reschedule_earlier(&mut self, name: OutboxName, due: Instant) {
        if let Ok(record) = self.outbox.read(name) {
            let retry = self.interface(name).delivery.retry_settings();
            let wait = record.remaining_wait(SystemTime::now(), retry);
            let sooner = deadline::after(Instant::now(), wait);
            if sooner < due {
                self.schedule(name, sooner);
            }
        }
    }

    fn schedule(&mut self, name: OutboxName, until: Instant) {
        if let Some(message) = self.tracked.get_mut(&name) {
            if let Some(due) = message.due.replace(until) {
                self.due.remove(&(due, name));
            }
            self.due.insert((until, name));
        }
    }

    fn interface(&mut self, name: OutboxName) -> &mut InterfaceQueue {
        let interface = self.tracked.get(&name).and_then(|message| {
            let interface = message.interface.as_ref()?;
            self.interfaces.get_mut(interface)
        });
        interface.unwrap_or(&mut self.unconfigured)
    }

    /// Queues the messages whose next attempt is due, before all others.
    fn promote_due(&mut self, now: Instant) {
        while let Some((time, name)) = self.due.first().copied()
            && time <= now
        {
            self.due.pop_first();
            if let Some(message) = self.tracked.get_mut(&name) {
                message.due = None;
                message.has_waited = true;
            }
            self.interface(name).queue.requeue_front(name);
        }
    }

    /// Starts to deliver all messages that may go now. When an interface has to wait
    /// because of its rate, the time until which the first one waits.
    fn dispatch(&mut self, now: Instant) -> Option<Instant> {
        let mut started = Vec::new();
        let mut wake: Option<Instant> = None;
        let interfaces = self.interfaces.values_mut();
        for interface in interfaces.chain([&mut self.unconfigured]) {
            loop {
                let next = interface.next_free;
                if next > now {
                    wake = Some(wake.map_or(next, |wake| wake.min(next)));
                    break;
                }
                let Some(name) = interface.queue.pop_next() else {
                    break;
                };
                interface.next_free = now + interface.interval;
                started.push((name, Arc::clone(&interface.delivery)));
            }
        }
        for (name, delivery) in started {
            let turn = self.turn(name);
            self.spawn(name, async move { delivery.deliver(name, turn).await });
        }
        wake
    }

    fn spawn(
        &mut self,
        name: OutboxName,
        delivery: impl Future<Output = Disposition> + Send + 'static,
    ) {
        self.in_flight += 1;
        let events = self.events.clone();
        self.runtime.spawn(async move {
            let disposition = delivery.await;
            // The scheduler may have stopped.
            let _ = events.send(OutboxEvent::Settled(name, disposition));
        });
    }

    fn settled(&mut self, name: OutboxName, disposition: Disposition) {
        self.in_flight -= 1;
        match disposition {
            Disposition::Done => {
                self.interface(name).queue.complete(name);
                self.tracked.remove(&name);
            }
            Disposition::Retry(wait) => {
                self.interface(name).queue.set_deferred(name, true);
                self.schedule(name, deadline::after(Instant::now(), wait));
            }
        }
    }

    fn drain(mut self, received: &Receiver<OutboxEvent>, deadline: Instant) {
        while self.in_flight > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            match received.recv_timeout(left) {
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

/// The age of a message that is seen now.
fn age_now(name: OutboxName) -> Age {
    Age::at_first_sight(name.id().time(), SystemTime::now(), Instant::now())
}
