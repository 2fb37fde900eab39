//! Who goes next? A line for each conversation; the head of a line goes when
//! nobody of that conversation is away, and only so many are away in all.
//!
//! Call files go to Asterisk that way, and messages to a provider. Pure: what
//! happens to files is done elsewhere and told here.

use std::collections::{HashMap, VecDeque};

use crate::model::message::Conversation;

/// What stands in a line: the name of a file. The order of names is the order
/// in which they came.
pub trait Member: Copy + Ord {
    /// The conversation that it belongs to.
    fn conversation(&self) -> Conversation;
}

/// Those that wait, and those that are away.
#[derive(Debug)]
pub struct Lines<M> {
    /// How many may be away at a time.
    most: usize,
    waiting: HashMap<Conversation, VecDeque<M>>,
    waiting_count: usize,
    /// Conversations whose line may move, in the order in which they became so.
    ready: VecDeque<Conversation>,
    /// Who is away; a conversation has one there.
    away: HashMap<Conversation, Away<M>>,
    /// How many of those are not parked.
    due: usize,
}

/// One that is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Away<M> {
    name: M,
    /// It waits for its next attempt and costs nothing meanwhile.
    parked: bool,
}

impl<M: Member> Lines<M> {
    /// Empty lines, of which at most so many may be away.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            most,
            waiting: HashMap::new(),
            waiting_count: 0,
            ready: VecDeque::new(),
            away: HashMap::new(),
            due: 0,
        }
    }

    /// One has come to the end of its line.
    pub fn accept(&mut self, name: M) {
        let conversation = name.conversation();
        let line = self.waiting.entry(conversation).or_default();
        if line.is_empty() && !self.away.contains_key(&conversation) {
            self.ready.push_back(conversation);
        }
        line.push_back(name);
        self.waiting_count += 1;
    }

    /// One is away that this did not send: an earlier run did, or the
    /// administrator. `false` when another one of its conversation is away; then
    /// it is left to itself.
    pub fn adopt(&mut self, name: M) -> bool {
        let conversation = name.conversation();
        if self.away.contains_key(&conversation) {
            return self.is_away(name);
        }
        self.ready.retain(|ready| *ready != conversation);
        self.send(name);
        true
    }

    /// Who shall go now. It counts as away from now on; [`Self::refused`] takes
    /// that back.
    pub fn take_next(&mut self) -> Option<M> {
        if self.due >= self.most {
            return None;
        }
        let conversation = self.ready.pop_front()?;
        let line = self.waiting.get_mut(&conversation)?;
        let name = line.pop_front()?;
        if line.is_empty() {
            self.waiting.remove(&conversation);
        }
        self.waiting_count -= 1;
        self.send(name);
        Some(name)
    }

    fn send(&mut self, name: M) {
        let parked = false;
        self.away.insert(name.conversation(), Away { name, parked });
        self.due += 1;
    }

    /// One could not go, or shall go again: it is first in its line again, and
    /// its line first of all.
    pub fn refused(&mut self, name: M) {
        if self.leave(name) {
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
    pub fn gone(&mut self, name: M) -> bool {
        self.leave(name)
    }

    fn leave(&mut self, name: M) -> bool {
        let conversation = name.conversation();
        match self.away.get(&conversation) {
            Some(away) if away.name == name => {
                self.due -= usize::from(!away.parked);
                self.away.remove(&conversation);
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
    pub fn park(&mut self, name: M, parked: bool) {
        if let Some(away) = self.away.get_mut(&name.conversation())
            && away.name == name
            && away.parked != parked
        {
            away.parked = parked;
            if parked {
                self.due -= 1;
            } else {
                self.due += 1;
            }
        }
    }

    /// Who is away.
    pub fn away(&self) -> impl Iterator<Item = M> {
        self.away.values().map(|away| away.name)
    }

    /// Whether this one is away.
    #[must_use]
    pub fn is_away(&self, name: M) -> bool {
        self.away
            .get(&name.conversation())
            .is_some_and(|away| away.name == name)
    }

    /// The oldest of all, whether it waits or is away.
    #[must_use]
    pub fn oldest(&self) -> Option<M> {
        let heads = self.waiting.values().filter_map(VecDeque::front).copied();
        heads.chain(self.away()).min()
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
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

    fn all(lines: &mut Lines<CallFileName>) -> Vec<CallFileName> {
        std::iter::from_fn(|| lines.take_next()).collect()
    }

    #[test]
    fn one_of_a_conversation_goes_at_a_time_and_in_order() {
        let mut lines = Lines::new(10);
        for number in 1..=3 {
            lines.accept(name(1, number));
            lines.accept(name(2, number));
        }
        assert_eq!(all(&mut lines), [name(1, 1), name(2, 1)]);
        assert!(lines.gone(name(1, 1)));
        assert_eq!(all(&mut lines), [name(1, 2)]);
        assert!(!lines.gone(name(1, 1)), "it has gone already");
        assert_eq!(lines.oldest(), Some(name(2, 1)));
        assert_eq!(lines.waiting(), 3);
    }

    #[test]
    fn only_so_many_go_in_all_but_parked_ones_do_not_count() {
        let mut lines = Lines::new(2);
        for conversation in 1..=4 {
            lines.accept(name(conversation, 1));
        }
        assert_eq!(all(&mut lines), [name(1, 1), name(2, 1)]);
        lines.park(name(1, 1), true);
        lines.park(name(1, 1), true);
        assert_eq!(all(&mut lines), [name(3, 1)]);
        lines.park(name(1, 1), false);
        lines.gone(name(2, 1));
        assert_eq!(all(&mut lines), [], "the parked one is due again");
        lines.gone(name(1, 1));
        assert_eq!(all(&mut lines), [name(4, 1)]);
    }

    #[test]
    fn refused_file_is_the_next_one_again() {
        let mut lines = Lines::new(2);
        lines.accept(name(1, 1));
        lines.accept(name(1, 2));
        lines.accept(name(2, 1));
        assert_eq!(lines.take_next(), Some(name(1, 1)));
        lines.refused(name(1, 1));
        assert_eq!(all(&mut lines), [name(1, 1), name(2, 1)]);
        lines.gone(name(1, 1));
        assert_eq!(all(&mut lines), [name(1, 2)]);
    }

    #[test]
    fn what_is_there_already_holds_up_its_conversation() {
        let mut lines = Lines::new(3);
        lines.accept(name(1, 2));
        assert!(lines.adopt(name(1, 1)));
        assert!(lines.adopt(name(1, 1)));
        assert!(!lines.adopt(name(1, 9)));
        assert_eq!(lines.take_next(), None);
        lines.gone(name(1, 1));
        assert_eq!(lines.take_next(), Some(name(1, 2)));
    }

    proptest! {
        /// Whatever happens in whatever order: no line is overtaken, no file
        /// is lost or sent twice, and no more are due than may be.
        #[test]
        fn every_file_goes_once_in_its_turn(steps in prop::collection::vec((0_u8..6, 0_u64..4), 0..300)) {
            let mut lines = Lines::new(3);
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
                        lines.accept(name(which, *next));
                    }
                    2 | 3 => if let Some(next) = lines.take_next() {
                        let last = sent.entry(conversation(&next)).or_default();
                        prop_assert_eq!(number(&next), *last + 1);
                        *last += 1;
                        away.push(next);
                    },
                    4 => if !away.is_empty() {
                        let name = away.remove(usize::try_from(which).unwrap() % away.len());
                        prop_assert!(lines.gone(name));
                    },
                    _ => if let Some(name) = away.get(usize::try_from(which).unwrap()) {
                        lines.park(*name, which % 2 == 0);
                    },
                }
                prop_assert!(lines.due <= 3 + 4);
                let waiting = accepted.values().sum::<u64>() - sent.values().sum::<u64>();
                prop_assert_eq!(u64::try_from(lines.waiting()).unwrap(), waiting);
            }
            // Whoever is away comes back, and everything goes in the end.
            loop {
                while let Some(name) = away.pop() {
                    lines.gone(name);
                }
                let Some(next) = lines.take_next() else { break };
                *sent.entry(conversation(&next)).or_default() += 1;
                away.push(next);
            }
            prop_assert_eq!(accepted, sent);
        }
    }
}
