//! How many notices a sender gets. Pure.
//!
//! A sender whose messages fail by the hundred learns it from the first ones. The
//! others are gathered until the period of those is over, for one notice together.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use crate::outbox::name::OutboxName;
use crate::resilience::deadline;
use crate::resilience::rate_limit::KeyedRateLimit;

/// Notices that one sender gets within [`PERIOD`].
const NOTICES_MAX: usize = 20;

const PERIOD: Duration = Duration::from_secs(60);

/// The notices of all senders.
#[derive(Debug)]
pub(super) struct NoticeLimit {
    sent: KeyedRateLimit<String>,
    gathered: HashMap<String, Gathering>,
    names: HashSet<OutboxName>,
}

/// The messages of one sender that get one notice together.
#[derive(Debug)]
struct Gathering {
    due: Instant,
    names: Vec<OutboxName>,
}

impl NoticeLimit {
    pub(super) fn new() -> Self {
        Self {
            sent: KeyedRateLimit::new(PERIOD),
            gathered: HashMap::new(),
            names: HashSet::new(),
        }
    }

    /// Whether a message gets a notice of its own now. Otherwise it is gathered.
    pub(super) fn admit(&mut self, sender: &str, name: OutboxName, now: Instant) -> bool {
        if let Some(gathering) = self.gathered.get_mut(sender) {
            if self.names.insert(name) {
                gathering.names.push(name);
            }
            return false;
        }
        let Err(wait) = self.sent.admit(sender.to_owned(), NOTICES_MAX, now) else {
            return true;
        };
        self.gather(sender.to_owned(), vec![name], deadline::after(now, wait));
        false
    }

    /// Takes back an admission: the notice could not be stored.
    pub(super) fn revoke(&mut self, sender: &str) {
        self.sent.revoke(&sender.to_owned());
    }

    /// Gathers messages until a point in time.
    pub(super) fn gather(&mut self, sender: String, names: Vec<OutboxName>, due: Instant) {
        self.names.extend(&names);
        let new = Gathering {
            due,
            names: Vec::new(),
        };
        let gathering = self.gathered.entry(sender).or_insert(new);
        gathering.names.extend(names);
        gathering.due = due;
    }

    /// Whether a message gets its notice together with others.
    pub(super) fn is_gathered(&self, name: OutboxName) -> bool {
        self.names.contains(&name)
    }

    /// When the next gathered messages are due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.gathered.values().map(|gathering| gathering.due).min()
    }

    /// Takes out the messages that get one notice together now, by sender.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<(String, Vec<OutboxName>)> {
        let due = self
            .gathered
            .extract_if(|_, gathering| gathering.due <= now);
        let due: Vec<_> = due
            .map(|(sender, gathering)| (sender, gathering.names))
            .collect();
        for name in due.iter().flat_map(|(_, names)| names) {
            self.names.remove(name);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::Id;
    use crate::model::message::Conversation;

    fn name() -> OutboxName {
        OutboxName::new(Id::generate(None), Conversation::between("+1", "+2", ""))
    }

    #[test]
    fn notices_above_the_limit_are_gathered_until_the_period_is_over() {
        let mut limit = NoticeLimit::new();
        let start = Instant::now();
        let second = Duration::from_secs(1);
        for number in 0..20 {
            assert!(limit.admit("+1", name(), start + second * number));
        }
        assert!(limit.admit("+2", name(), start), "another sender");
        let gathered = [name(), name(), name()];
        for name in gathered {
            assert!(!limit.admit("+1", name, start + second * 30));
            assert!(!limit.admit("+1", name, start + second * 30), "once");
            assert!(limit.is_gathered(name));
        }
        assert_eq!(limit.next_due(), Some(start + PERIOD));
        assert_eq!(limit.take_due(start + second * 59), []);
        let due = limit.take_due(start + PERIOD);
        assert_eq!(due, [("+1".to_owned(), gathered.to_vec())]);
        assert_eq!(limit.next_due(), None);
        assert!(!limit.is_gathered(gathered[0]));
        assert!(limit.admit("+1", name(), start + second * 61));
    }

    #[test]
    fn notice_that_was_not_stored_does_not_count() {
        let mut limit = NoticeLimit::new();
        let now = Instant::now();
        for _ in 0..100 {
            assert!(limit.admit("+1", name(), now));
            limit.revoke("+1");
        }
    }
}
