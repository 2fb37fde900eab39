//! Who goes next? A line for each conversation; the head of a line goes when
//! nobody of that conversation is away, and only so many are away in all.
//!
//! Call files go to Asterisk that way, and messages to a provider. Pure: what
//! happens to files is done elsewhere and told here.

use std::collections::{HashMap, VecDeque};

use crate::model::message::Conversation;

/// What stands in a line: the name of a file. The order of names is the order
/// in which they came.
pub(crate) trait Queued: Copy + Ord {
    /// The conversation that it belongs to.
    fn conversation(&self) -> Conversation;
}

/// Those that wait, and those that are away.
#[derive(Debug)]
pub(crate) struct ConversationQueue<M> {
    /// How many may be away at a time.
    max_active: usize,
    waiting: HashMap<Conversation, VecDeque<M>>,
    waiting_count: usize,
    /// Conversations whose line may move, in the order in which they became so.
    ready: VecDeque<Conversation>,
    /// Who is away; a conversation has one there.
    in_flight: HashMap<Conversation, InFlight<M>>,
    /// How many of those are not parked.
    active: usize,
}

/// One that is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct InFlight<M> {
    name: M,
    /// It waits for its next attempt and costs nothing meanwhile.
    deferred: bool,
}

impl<M: Queued> ConversationQueue<M> {
    /// Empty lines, of which at most so many may be away.
    #[must_use]
    pub(crate) fn new(most: usize) -> Self {
        Self {
            max_active: most,
            waiting: HashMap::new(),
            waiting_count: 0,
            ready: VecDeque::new(),
            in_flight: HashMap::new(),
            active: 0,
        }
    }

    /// One has come to the end of its line.
    pub(crate) fn push(&mut self, name: M) {
        let conversation = name.conversation();
        let line = self.waiting.entry(conversation).or_default();
        if line.is_empty() && !self.in_flight.contains_key(&conversation) {
            self.ready.push_back(conversation);
        }
        line.push_back(name);
        self.waiting_count += 1;
    }

    /// One is away that this did not send: an earlier run did, or the
    /// administrator. `false` when another one of its conversation is away; then
    /// it is left to itself.
    pub(crate) fn mark_in_flight(&mut self, name: M) -> bool {
        let conversation = name.conversation();
        if self.in_flight.contains_key(&conversation) {
            return self.is_in_flight(name);
        }
        self.ready.retain(|ready| *ready != conversation);
        self.start(name);
        true
    }

    /// Who shall go now. It counts as away from now on; [`Self::requeue_front`] takes
    /// that back.
    pub(crate) fn pop_next(&mut self) -> Option<M> {
        if self.active >= self.max_active {
            return None;
        }
        let conversation = self.ready.pop_front()?;
        let line = self.waiting.get_mut(&conversation)?;
        let name = line.pop_front()?;
        if line.is_empty() {
            self.waiting.remove(&conversation);
        }
        self.waiting_count -= 1;
        self.start(name);
        Some(name)
    }

    fn start(&mut self, name: M) {
        let parked = false;
        self.in_flight.insert(
            name.conversation(),
            InFlight {
                name,
                deferred: parked,
            },
        );
        self.active += 1;
    }

    /// One could not go, or shall go again: it is first in its line again, and
    /// its line first of all.
    pub(crate) fn requeue_front(&mut self, name: M) {
        if self.remove(name) {
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

    /// One is no longer away. `false` when it was not.
    pub(crate) fn complete(&mut self, name: M) -> bool {
        self.remove(name)
    }

    fn remove(&mut self, name: M) -> bool {
        let conversation = name.conversation();
        match self.in_flight.get(&conversation) {
            Some(away) if away.name == name => {
                self.active -= usize::from(!away.deferred);
                self.in_flight.remove(&conversation);
                if self.waiting.contains_key(&conversation) {
                    self.ready.push_back(conversation);
                }
                true
            }
            _ => false,
        }
    }

    /// One is put off until its next attempt, or is taken up again. Whoever is
    /// put off holds up its conversation and nobody else.
    pub(crate) fn set_deferred(&mut self, name: M, parked: bool) {
        if let Some(away) = self.in_flight.get_mut(&name.conversation())
            && away.name == name
            && away.deferred != parked
        {
            away.deferred = parked;
            if parked {
                self.active -= 1;
            } else {
                self.active += 1;
            }
        }
    }

    /// Who is away.
    pub(crate) fn away(&self) -> impl Iterator<Item = M> {
        self.in_flight.values().map(|away| away.name)
    }

    /// Whether this one is away.
    #[must_use]
    pub(crate) fn is_in_flight(&self, name: M) -> bool {
        self.in_flight
            .get(&name.conversation())
            .is_some_and(|away| away.name == name)
    }

    /// The oldest of all, whether it waits or is away.
    #[must_use]
    pub(crate) fn oldest(&self) -> Option<M> {
        let heads = self.waiting.values().filter_map(VecDeque::front).copied();
        heads.chain(self.away()).min()
    }

    /// How many wait.
    #[must_use]
    pub(crate) fn waiting(&self) -> usize {
        self.waiting_count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::name::CallFileName;
    use proptest::prelude::*;

    fn name(conversation: u64, number: u64) -> CallFileName {
        let text = format!("{number:016}-00000000-0001of0001-{conversation:016x}.call");
        CallFileName::parse(text.as_ref()).unwrap()
    }

    fn all(lines: &mut ConversationQueue<CallFileName>) -> Vec<CallFileName> {
        std::iter::from_fn(|| lines.pop_next()).collect()
    }

    #[test]
    fn one_of_a_conversation_goes_at_a_time_and_in_order() {
        let mut lines = ConversationQueue::new(10);
        for number in 1..=3 {
            lines.push(name(1, number));
            lines.push(name(2, number));
        }
        assert_eq!(all(&mut lines), [name(1, 1), name(2, 1)]);
        assert!(lines.complete(name(1, 1)));
        assert_eq!(all(&mut lines), [name(1, 2)]);
        assert!(!lines.complete(name(1, 1)), "it has gone already");
        assert_eq!(lines.oldest(), Some(name(2, 1)));
        assert_eq!(lines.waiting(), 3);
    }

    #[test]
    fn only_so_many_go_in_all_but_parked_ones_do_not_count() {
        let mut lines = ConversationQueue::new(2);
        for conversation in 1..=4 {
            lines.push(name(conversation, 1));
        }
        assert_eq!(all(&mut lines), [name(1, 1), name(2, 1)]);
        lines.set_deferred(name(1, 1), true);
        lines.set_deferred(name(1, 1), true);
        assert_eq!(all(&mut lines), [name(3, 1)]);
        lines.set_deferred(name(1, 1), false);
        lines.complete(name(2, 1));
        assert_eq!(all(&mut lines), [], "the parked one is due again");
        lines.complete(name(1, 1));
        assert_eq!(all(&mut lines), [name(4, 1)]);
    }

    #[test]
    fn refused_file_is_the_next_one_again() {
        let mut lines = ConversationQueue::new(2);
        lines.push(name(1, 1));
        lines.push(name(1, 2));
        lines.push(name(2, 1));
        assert_eq!(lines.pop_next(), Some(name(1, 1)));
        lines.requeue_front(name(1, 1));
        assert_eq!(all(&mut lines), [name(1, 1), name(2, 1)]);
        lines.complete(name(1, 1));
        assert_eq!(all(&mut lines), [name(1, 2)]);
    }

    #[test]
    fn what_is_there_already_holds_up_its_conversation() {
        let mut lines = ConversationQueue::new(3);
        lines.push(name(1, 2));
        assert!(lines.mark_in_flight(name(1, 1)));
        assert!(lines.mark_in_flight(name(1, 1)));
        assert!(!lines.mark_in_flight(name(1, 9)));
        assert_eq!(lines.pop_next(), None);
        lines.complete(name(1, 1));
        assert_eq!(lines.pop_next(), Some(name(1, 2)));
    }

    proptest! {
        /// Whatever happens in whatever order: no line is overtaken, no file
        /// is lost or sent twice, and no more are due than may be.
        #[test]
        fn every_file_goes_once_in_its_turn(steps in prop::collection::vec((0_u8..6, 0_u64..4), 0..300)) {
            let mut lines = ConversationQueue::new(3);
            let mut accepted: HashMap<u64, u64> = HashMap::new();
            let mut sent: HashMap<u64, u64> = HashMap::new();
            let mut away: Vec<CallFileName> = Vec::new();
            let number = |name: &CallFileName| {
                name.to_string()[..16].trim_start_matches('0').parse::<u64>().unwrap()
            };
            let conversation = |name: &CallFileName| {
                u64::from_str_radix(&name.conversation().to_string(), 16).unwrap()
            };
            for (step, which) in steps {
                match step {
                    0 | 1 => {
                        let next = accepted.entry(which).or_default();
                        *next += 1;
                        lines.push(name(which, *next));
                    }
                    2 | 3 => if let Some(next) = lines.pop_next() {
                        let last = sent.entry(conversation(&next)).or_default();
                        prop_assert_eq!(number(&next), *last + 1);
                        *last += 1;
                        away.push(next);
                    },
                    4 => if !away.is_empty() {
                        let name = away.remove(usize::try_from(which).unwrap() % away.len());
                        prop_assert!(lines.complete(name));
                    },
                    _ => if let Some(name) = away.get(usize::try_from(which).unwrap()) {
                        lines.set_deferred(*name, which % 2 == 0);
                    },
                }
                prop_assert!(lines.active <= 3 + 4);
                let waiting = accepted.values().sum::<u64>() - sent.values().sum::<u64>();
                prop_assert_eq!(u64::try_from(lines.waiting()).unwrap(), waiting);
            }
            // Whoever is away comes back, and everything goes in the end.
            loop {
                while let Some(name) = away.pop() {
                    lines.complete(name);
                }
                let Some(next) = lines.pop_next() else { break };
                *sent.entry(conversation(&next)).or_default() += 1;
                away.push(next);
            }
            prop_assert_eq!(accepted, sent);
        }
    }
}
