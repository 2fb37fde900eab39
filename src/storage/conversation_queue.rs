//! FIFO queues for each conversation, with a limit for all of them together.
//!
//! The first entry of a conversation goes when no other entry of it is in flight
//! and fewer than the limit are in flight in all. Call files go to Asterisk in
//! this order, and messages to providers. Pure: the caller acts and reports back.

use std::collections::{HashMap, VecDeque};

use crate::model::message::Conversation;

/// The entry of a queue: the name of a file. Names sort in the order of
/// acceptance.
pub(crate) trait Queued: Copy + Ord {
    fn conversation(&self) -> Conversation;
}

/// Entries that wait, and entries in flight.
#[derive(Debug)]
pub(crate) struct ConversationQueue<M> {
    /// How many entries may be in flight and not deferred.
    max_active: usize,
    /// Never holds an empty queue.
    waiting: HashMap<Conversation, VecDeque<M>>,
    waiting_count: usize,
    /// Conversations whose first entry may go, in the order in which they became
    /// ready.
    ready: VecDeque<Conversation>,
    /// One entry at most of each conversation.
    in_flight: HashMap<Conversation, InFlight<M>>,
    /// How many entries are in flight and not deferred.
    active: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct InFlight<M> {
    name: M,
    /// It waits for its next attempt and does not count as active.
    deferred: bool,
}

impl<M: Queued> ConversationQueue<M> {
    /// An empty queue with a limit for entries that are in flight and not
    /// deferred.
    pub(crate) fn new(max_active: usize) -> Self {
        Self {
            max_active,
            waiting: HashMap::new(),
            waiting_count: 0,
            ready: VecDeque::new(),
            in_flight: HashMap::new(),
            active: 0,
        }
    }

    /// Appends an entry to the queue of its conversation.
    pub(crate) fn push(&mut self, name: M) {
        let conversation = name.conversation();
        let queue = self.waiting.entry(conversation).or_default();
        if queue.is_empty() && !self.in_flight.contains_key(&conversation) {
            self.ready.push_back(conversation);
        }
        queue.push_back(name);
        self.waiting_count += 1;
    }

    /// Counts an entry as in flight that [`Self::pop_next`] did not return: an
    /// earlier run or the administrator sent it. `false`, and no change, when
    /// another entry of its conversation is in flight.
    pub(crate) fn mark_in_flight(&mut self, name: M) -> bool {
        let conversation = name.conversation();
        if self.in_flight.contains_key(&conversation) {
            return self.is_in_flight(name);
        }
        self.ready.retain(|ready| *ready != conversation);
        self.start(name);
        true
    }

    /// The entry that goes next, which counts as in flight from now on. When it
    /// could not go, [`Self::requeue_front`] takes this back.
    pub(crate) fn pop_next(&mut self) -> Option<M> {
        if self.active >= self.max_active {
            return None;
        }
        let conversation = self.ready.pop_front()?;
        let queue = self.waiting.get_mut(&conversation)?;
        let name = queue.pop_front()?;
        if queue.is_empty() {
            self.waiting.remove(&conversation);
        }
        self.waiting_count -= 1;
        self.start(name);
        Some(name)
    }

    fn start(&mut self, name: M) {
        let deferred = false;
        self.in_flight
            .insert(name.conversation(), InFlight { name, deferred });
        self.active += 1;
    }

    /// Puts an entry in flight back to the front of its queue, and its
    /// conversation before all others. No effect when it is not in flight.
    pub(crate) fn requeue_front(&mut self, name: M) {
        if self.complete(name) {
            let conversation = name.conversation();
            self.waiting
                .entry(conversation)
                .or_default()
                .push_front(name);
            self.waiting_count += 1;
            self.ready.retain(|ready| *ready != conversation);
            self.ready.push_front(conversation);
        }
    }

    /// Removes an entry in flight. `false` when it was not in flight.
    pub(crate) fn complete(&mut self, name: M) -> bool {
        let conversation = name.conversation();
        match self.in_flight.get(&conversation) {
            Some(entry) if entry.name == name => {
                self.active -= usize::from(!entry.deferred);
                self.in_flight.remove(&conversation);
                if self.waiting.contains_key(&conversation) {
                    self.ready.push_back(conversation);
                }
                true
            }
            _ => false,
        }
    }

    /// Defers an entry in flight until its next attempt, or ends that. A deferred
    /// entry still blocks its own conversation, but no other.
    pub(crate) fn set_deferred(&mut self, name: M, deferred: bool) {
        if let Some(entry) = self.in_flight.get_mut(&name.conversation())
            && entry.name == name
            && entry.deferred != deferred
        {
            entry.deferred = deferred;
            if deferred {
                self.active -= 1;
            } else {
                self.active += 1;
            }
        }
    }

    /// All entries in flight.
    pub(crate) fn in_flight(&self) -> impl Iterator<Item = M> {
        self.in_flight.values().map(|entry| entry.name)
    }

    pub(crate) fn is_in_flight(&self, name: M) -> bool {
        self.in_flight
            .get(&name.conversation())
            .is_some_and(|entry| entry.name == name)
    }

    /// The oldest of all entries, waiting or in flight.
    pub(crate) fn oldest(&self) -> Option<M> {
        let heads = self.waiting.values().filter_map(VecDeque::front).copied();
        heads.chain(self.in_flight()).min()
    }

    /// How many entries wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting_count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Number and conversation.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    struct Entry {
        number: u64,
        conversation: Conversation,
    }

    impl Queued for Entry {
        fn conversation(&self) -> Conversation {
            self.conversation
        }
    }

    fn entry(conversation: u64, number: u64) -> Entry {
        let conversation = format!("{conversation:x}").parse().unwrap();
        Entry {
            number,
            conversation,
        }
    }

    fn pop_all(queue: &mut ConversationQueue<Entry>) -> Vec<Entry> {
        std::iter::from_fn(|| queue.pop_next()).collect()
    }

    #[test]
    fn one_entry_of_a_conversation_goes_at_a_time_and_in_order() {
        let mut queue = ConversationQueue::new(10);
        for number in 1..=3 {
            queue.push(entry(1, number));
            queue.push(entry(2, number));
        }
        assert_eq!(pop_all(&mut queue), [entry(1, 1), entry(2, 1)]);
        assert!(queue.complete(entry(1, 1)));
        assert_eq!(pop_all(&mut queue), [entry(1, 2)]);
        assert!(!queue.complete(entry(1, 1)), "it is complete already");
        assert_eq!(queue.oldest(), Some(entry(2, 1)));
        assert_eq!(queue.waiting(), 3);
    }

    #[test]
    fn limit_holds_for_all_but_deferred_entries() {
        let mut queue = ConversationQueue::new(2);
        for conversation in 1..=4 {
            queue.push(entry(conversation, 1));
        }
        assert_eq!(pop_all(&mut queue), [entry(1, 1), entry(2, 1)]);
        queue.set_deferred(entry(1, 1), true);
        queue.set_deferred(entry(1, 1), true);
        assert_eq!(pop_all(&mut queue), [entry(3, 1)]);
        queue.set_deferred(entry(1, 1), false);
        queue.complete(entry(2, 1));
        assert_eq!(pop_all(&mut queue), [], "the deferred one is active again");
        queue.complete(entry(1, 1));
        assert_eq!(pop_all(&mut queue), [entry(4, 1)]);
    }

    #[test]
    fn requeued_entry_is_the_next_one() {
        let mut queue = ConversationQueue::new(2);
        queue.push(entry(1, 1));
        queue.push(entry(1, 2));
        queue.push(entry(2, 1));
        assert_eq!(queue.pop_next(), Some(entry(1, 1)));
        queue.requeue_front(entry(1, 1));
        assert_eq!(pop_all(&mut queue), [entry(1, 1), entry(2, 1)]);
        queue.complete(entry(1, 1));
        assert_eq!(pop_all(&mut queue), [entry(1, 2)]);
    }

    #[test]
    fn entry_in_flight_from_before_blocks_its_conversation() {
        let mut queue = ConversationQueue::new(3);
        queue.push(entry(1, 2));
        assert!(queue.mark_in_flight(entry(1, 1)));
        assert!(queue.mark_in_flight(entry(1, 1)));
        assert!(!queue.mark_in_flight(entry(1, 9)));
        assert_eq!(queue.pop_next(), None);
        queue.complete(entry(1, 1));
        assert_eq!(queue.pop_next(), Some(entry(1, 2)));
    }

    proptest! {
        /// In any order of events, no entry overtakes another one of its
        /// conversation, none is lost or sent twice, and the limit holds.
        #[test]
        fn every_entry_goes_once_in_its_turn(
            steps in prop::collection::vec((0_u8..6, 0_u64..4), 0..300)
        ) {
            let mut queue = ConversationQueue::new(3);
            let mut accepted: HashMap<Conversation, u64> = HashMap::new();
            let mut sent: HashMap<Conversation, u64> = HashMap::new();
            let mut in_flight: Vec<Entry> = Vec::new();
            for (step, which) in steps {
                match step {
                    0 | 1 => {
                        let next = accepted.entry(entry(which, 0).conversation).or_default();
                        *next += 1;
                        queue.push(entry(which, *next));
                    }
                    2 | 3 => if let Some(next) = queue.pop_next() {
                        let last = sent.entry(next.conversation).or_default();
                        prop_assert_eq!(next.number, *last + 1);
                        *last += 1;
                        in_flight.push(next);
                    },
                    4 => if !in_flight.is_empty() {
                        let index = usize::try_from(which).unwrap() % in_flight.len();
                        prop_assert!(queue.complete(in_flight.remove(index)));
                    },
                    _ => if let Some(entry) = in_flight.get(usize::try_from(which).unwrap()) {
                        queue.set_deferred(*entry, which % 2 == 0);
                    },
                }
                prop_assert!(queue.active <= 3 + 4);
                let waiting = accepted.values().sum::<u64>() - sent.values().sum::<u64>();
                prop_assert_eq!(u64::try_from(queue.waiting()).unwrap(), waiting);
            }
            // When all in flight complete, everything goes in the end.
            loop {
                while let Some(entry) = in_flight.pop() {
                    queue.complete(entry);
                }
                let Some(next) = queue.pop_next() else { break };
                *sent.entry(next.conversation).or_default() += 1;
                in_flight.push(next);
            }
            prop_assert_eq!(accepted, sent);
        }
    }
}
