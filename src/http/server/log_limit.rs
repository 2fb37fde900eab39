//! Limits the log lines that a stranger can cause at will.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::resilience::rate_limit::SlidingWindow;

/// Lines within one [`PERIOD`]: enough of a sudden mistake to see what it is, and
/// some megabytes a day of one that goes on.
const LINES_MAX: usize = 10;

const PERIOD: Duration = Duration::from_secs(10);

/// Allows ten lines in ten seconds and counts those that were suppressed.
#[derive(Debug, Default)]
pub(crate) struct LogLimit(KeyedLogLimit<()>);

impl LogLimit {
    /// Whether one more line may be logged; the number is how many were
    /// suppressed since the last one.
    pub(crate) fn allow(&self) -> Option<u64> {
        self.0.allow(())
    }
}

/// A limit for each kind of line, so that one kind does not hide another. There must
/// be few kinds.
#[derive(Debug)]
pub(crate) struct KeyedLogLimit<K>(Mutex<HashMap<K, Counted>>);

impl<K> Default for KeyedLogLimit<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> KeyedLogLimit<K> {
    /// Whether one more line of this kind may be logged; the number is how many were
    /// suppressed since the last one.
    pub(crate) fn allow(&self, kind: K) -> Option<u64> {
        let mut kinds = self.0.lock();
        kinds.entry(kind).or_default().allow(Instant::now())
    }
}

#[derive(Debug, Default)]
struct Counted {
    allowed: SlidingWindow<Instant>,
    suppressed: u64,
}

impl Counted {
    fn allow(&mut self, now: Instant) -> Option<u64> {
        if self.allowed.admit(LINES_MAX, PERIOD, now).is_err() {
            self.suppressed += 1;
            return None;
        }
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flood_is_ten_lines_in_ten_seconds_and_a_count() {
        let mut counted = Counted::default();
        let start = Instant::now();
        let allowed = (0..1000).filter(|_| counted.allow(start).is_some()).count();
        assert_eq!(allowed, 10);
        assert_eq!(counted.allow(start + PERIOD), Some(990));
        assert_eq!(counted.allow(start + PERIOD), Some(0));
    }

    #[test]
    fn one_kind_does_not_hide_another() {
        let limit = KeyedLogLimit::default();
        let allowed = (0..1000).filter(|_| limit.allow("a").is_some()).count();
        assert_eq!(allowed, 10);
        assert_eq!(limit.allow("b"), Some(0));
    }
}
