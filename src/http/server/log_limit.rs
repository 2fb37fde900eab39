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
pub(crate) struct KeyedLogLimit<K> {
    kinds: Mutex<HashMap<K, Counted>>,
    lines: usize,
    period: Duration,
}

impl<K> Default for KeyedLogLimit<K> {
    fn default() -> Self {
        Self::of(LINES_MAX, PERIOD)
    }
}

impl<K> KeyedLogLimit<K> {
    /// One line an hour of each kind.
    pub(crate) fn hourly() -> Self {
        Self::of(1, Duration::from_secs(3600))
    }

    fn of(lines: usize, period: Duration) -> Self {
        let kinds = Mutex::default();
        Self {
            kinds,
            lines,
            period,
        }
    }
}

impl<K: Eq + Hash> KeyedLogLimit<K> {
    /// Whether one more line of this kind may be logged; the number is how many were
    /// suppressed since the last one.
    pub(crate) fn allow(&self, kind: K) -> Option<u64> {
        self.allow_at(kind, Instant::now())
    }

    fn allow_at(&self, kind: K, now: Instant) -> Option<u64> {
        let mut kinds = self.kinds.lock();
        let counted = kinds.entry(kind).or_default();
        if counted.allowed.admit(self.lines, self.period, now).is_err() {
            counted.suppressed += 1;
            return None;
        }
        Some(std::mem::take(&mut counted.suppressed))
    }
}

#[derive(Debug, Default)]
struct Counted {
    allowed: SlidingWindow<Instant>,
    suppressed: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flood_is_ten_lines_in_ten_seconds_and_a_count() {
        let limit = KeyedLogLimit::default();
        let start = Instant::now();
        let allow = |_: &i32| limit.allow_at((), start).is_some();
        assert_eq!((0..1000).filter(allow).count(), 10);
        assert_eq!(limit.allow_at((), start + PERIOD), Some(990));
        assert_eq!(limit.allow_at((), start + PERIOD), Some(0));
    }

    #[test]
    fn hourly_line_is_one_an_hour() {
        let limit = KeyedLogLimit::hourly();
        let start = Instant::now();
        assert_eq!(limit.allow_at((), start), Some(0));
        assert_eq!(limit.allow_at((), start + Duration::from_secs(3599)), None);
        assert_eq!(
            limit.allow_at((), start + Duration::from_secs(3600)),
            Some(1)
        );
    }

    #[test]
    fn one_kind_does_not_hide_another() {
        let limit = KeyedLogLimit::default();
        let allowed = (0..1000).filter(|_| limit.allow("a").is_some()).count();
        assert_eq!(allowed, 10);
        assert_eq!(limit.allow("b"), Some(0));
    }
}
