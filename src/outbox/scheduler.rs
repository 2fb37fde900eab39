//! From the outbox to the providers: who goes when.
//!
//! One thread decides, as [`Lines`] says: each conversation in order, several
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

use crate::outbox::delivery::{Desk, Fate};
use crate::outbox::name::OutboxName;
use crate::outbox::receipts::Receipts;
use crate::outbox::store::Outbox;
use crate::storage::conversation_queue::ConversationQueue;

/// How often to look for oneself.
const LOOK: Duration = Duration::from_secs(30);

/// How often messages are forgotten that no receipt is waited for any more.
const TIDY: Duration = Duration::from_secs(3600);

/// For requests that are on their way when the daemon is told to stop.
const DRAIN: Duration = Duration::from_secs(4);

/// What the worker is told.
#[derive(Debug)]
pub enum Event {
    /// A file has come into the outbox.
    Appeared(OsString),
    /// Something was missed: time to look for oneself.
    Look,
    /// A message has been dealt with for now.
    Settled(OutboxName, Fate),
    /// Time to end.
    End,
}

/// An interface, its lines and its pace.
#[derive(Debug)]
pub struct Channel {
    desk: Arc<Desk>,
    lines: ConversationQueue<OutboxName>,
    /// Time between two messages.
    interval: Duration,
    /// When the next one may go.
    free: Instant,
}

impl Channel {
    /// For at most `concurrency` requests at a time and `rate` per second.
    #[must_use]
    pub fn new(desk: Desk, concurrency: usize, rate: Option<u32>) -> Self {
        Self {
            desk: Arc::new(desk),
            lines: ConversationQueue::new(concurrency),
            interval: rate.map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate),
            free: Instant::now(),
        }
    }
}

/// What is known of a message.
#[derive(Debug)]
struct Known {
    interface: String,
    /// When it is to be tried again, while it waits for that.
    due: Option<Instant>,
}

/// The thread that decides.
#[derive(Debug)]
pub struct Worker {
    outbox: Outbox,
    /// By the name of the interface.
    channels: HashMap<String, Channel>,
    /// Makes a channel for an interface that is not configured any more.
    stray: Channel,
    /// Every message that is in a line or away.
    known: HashMap<OutboxName, Known>,
    /// Those that wait for their next attempt, by when that is.
    due: BTreeSet<(Instant, OutboxName)>,
    receipts: Arc<Receipts>,
    runtime: Handle,
    events: Sender<Event>,
    under_way: usize,
}

impl Worker {
    /// A worker with a channel for each interface, and one for messages of
    /// interfaces that are not configured any more.
    #[must_use]
    pub fn new(
        outbox: Outbox,
        channels: HashMap<String, Channel>,
        stray: Channel,
        receipts: Arc<Receipts>,
        runtime: Handle,
        events: Sender<Event>,
    ) -> Self {
        Self {
            outbox,
            channels,
            stray,
            known: HashMap::new(),
            due: BTreeSet::new(),
            receipts,
            runtime,
            events,
            under_way: 0,
        }
    }

    /// Works until it is told to end, and then until what is on its way has
    /// been answered, within bounds.
    pub fn run(mut self, happened: &Receiver<Event>) {
        self.resume();
        let mut next_look = Instant::now();
        let mut next_tidy = next_look;
        loop {
            let now = Instant::now();
            if now >= next_tidy {
                self.receipts.tidy();
                next_tidy = now + TIDY;
            }
            if now >= next_look {
                self.look();
                next_look = now + LOOK;
            }
            self.take_due(now);
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
                    Event::Appeared(file) => self.appeared(&file),
                    Event::Look => next_look = Instant::now(),
                    Event::Settled(name, fate) => self.settled(name, fate),
                    Event::End => return self.drain(happened),
                }
            }
        }
    }

    /// Takes up what was being sent when an earlier run ended, before anything
    /// newer of the same conversations.
    fn resume(&mut self) {
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
            self.know(name, interface);
            let channel = self.channel(name);
            channel.lines.mark_in_flight(name);
            let desk = Arc::clone(&channel.desk);
            self.spawn(name, async move { desk.interrupted(name).await });
        }
    }

    /// Takes up what waits and is not known.
    fn look(&mut self) {
        match self.outbox.queued() {
            Ok(names) => names.into_iter().for_each(|name| self.take_up(name)),
            Err(error) => error!(%error, "failed to look into the outbox"),
        }
    }

    /// A message is there: a new one, or one that was to wait and that the
    /// administrator wants tried sooner.
    fn appeared(&mut self, file: &OsString) {
        let Some(name) = OutboxName::parse(file) else {
            return;
        };
        match self.known.get(&name) {
            None => self.take_up(name),
            Some(Known { due: Some(due), .. }) => self.hurry(name, *due),
            // It is in its line, or away.
            Some(_) => {}
        }
    }

    /// Puts a message into its line, unless it is known.
    fn take_up(&mut self, name: OutboxName) {
        if self.known.contains_key(&name) {
            return;
        }
        // What is no record is found out when it is to be sent.
        let record = self.outbox.read(name);
        let interface = record.map(|record| record.interface).unwrap_or_default();
        self.know(name, interface);
        self.channel(name).lines.push(name);
    }

    fn know(&mut self, name: OutboxName, interface: String) {
        let due = None;
        self.known.insert(name, Known { interface, due });
    }

    /// Lets a message wait no longer than its file says by now.
    fn hurry(&mut self, name: OutboxName, due: Instant) {
        if let Ok(record) = self.outbox.read(name) {
            let sooner = Instant::now() + record.wait(SystemTime::now());
            if sooner < due {
                self.wait(name, sooner);
            }
        }
    }

    /// Lets a message wait until then.
    fn wait(&mut self, name: OutboxName, until: Instant) {
        if let Some(known) = self.known.get_mut(&name) {
            if let Some(due) = known.due.replace(until) {
                self.due.remove(&(due, name));
            }
            self.due.insert((until, name));
        }
    }

    fn channel(&mut self, name: OutboxName) -> &mut Channel {
        let interface = self.known.get(&name);
        let interface = interface.map_or("", |known| known.interface.as_str());
        match self.channels.get_mut(interface) {
            Some(channel) => channel,
            None => &mut self.stray,
        }
    }

    /// Puts those whose time has come first in their lines.
    fn take_due(&mut self, now: Instant) {
        while let Some((time, name)) = self.due.first().copied()
            && time <= now
        {
            self.due.pop_first();
            if let Some(known) = self.known.get_mut(&name) {
                known.due = None;
            }
            self.channel(name).lines.requeue_front(name);
        }
    }

    /// Begins with those who may go. When it is the pace alone that holds some
    /// up, until then.
    fn dispatch(&mut self, now: Instant) -> Option<Instant> {
        let mut begun = Vec::new();
        let mut wake = None;
        for channel in self.channels.values_mut().chain([&mut self.stray]) {
            loop {
                if channel.free > now {
                    let sooner = wake.map_or(channel.free, |wake: Instant| wake.min(channel.free));
                    wake = Some(sooner);
                    break;
                }
                let Some(name) = channel.lines.pop_next() else {
                    break;
                };
                channel.free = channel.free.max(now) + channel.interval;
                begun.push((name, Arc::clone(&channel.desk)));
            }
        }
        for (name, desk) in begun {
            self.spawn(name, async move { desk.deliver(name).await });
        }
        wake
    }

    fn spawn(&mut self, name: OutboxName, work: impl Future<Output = Fate> + Send + 'static) {
        self.under_way += 1;
        let events = self.events.clone();
        self.runtime.spawn(async move {
            let fate = work.await;
            // Nobody listens when the time to end is over.
            let _ = events.send(Event::Settled(name, fate));
        });
    }

    fn settled(&mut self, name: OutboxName, fate: Fate) {
        self.under_way -= 1;
        match fate {
            Fate::Done => {
                self.channel(name).lines.complete(name);
                self.known.remove(&name);
            }
            Fate::Again(wait) => {
                self.channel(name).lines.set_deferred(name, true);
                self.wait(name, Instant::now() + wait);
            }
        }
    }

    fn drain(mut self, happened: &Receiver<Event>) {
        let end = Instant::now() + DRAIN;
        while self.under_way > 0 {
            let left = end.saturating_duration_since(Instant::now());
            match happened.recv_timeout(left) {
                Ok(Event::Settled(..)) => self.under_way -= 1,
                Ok(_) => {}
                Err(_) => break,
            }
        }
        if self.under_way > 0 {
            let messages = self.under_way;
            warn!(messages, "ended while messages were being sent");
        } else {
            info!("outbox is at rest");
        }
    }
}
