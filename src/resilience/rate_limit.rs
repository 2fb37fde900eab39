//! How often something is allowed within a period.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Keys after which those are dropped that have been quiet for a period.
const KEYS_MAX: usize = 1024;

/// A point in time that events are counted at.
pub(crate) trait Timestamp: Copy + PartialEq {
    /// The time since an earlier point; `None` when that lies in the future,
    /// because the clock was set back.
    fn since(self, earlier: Self) -> Option<Duration>;
}

impl Timestamp for Instant {
    fn since(self, earlier: Self) -> Option<Duration> {
        self.checked_duration_since(earlier)
    }
}

/// Milliseconds since 1970.
impl Timestamp for u64 {
    fn since(self, earlier: Self) -> Option<Duration> {
        self.checked_sub(earlier).map(Duration::from_millis)
    }
}

/// When events happened, oldest first, for a limit of so many within a sliding
/// period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct SlidingWindow<T>(VecDeque<T>);

impl<T> Default for SlidingWindow<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T: Timestamp> SlidingWindow<T> {
    /// Counts one more event, unless `max` have happened within the `period`
    /// before `now`.
    ///
    /// # Errors
    /// How long it takes until one more is allowed.
    pub(crate) fn admit(&mut self, max: usize, period: Duration, now: T) -> Result<(), Duration> {
        self.0.retain(|event| is_within(*event, period, now));
        match self.0.front() {
            Some(oldest) if self.0.len() >= max => {
                Err(period.saturating_sub(now.since(*oldest).unwrap_or_default()))
            }
            _ => {
                self.0.push_back(now);
                Ok(())
            }
        }
    }

    /// Takes back an event that was counted and did not happen after all.
    pub(crate) fn revoke(&mut self, event: T) {
        if let Some(position) = self.0.iter().rposition(|counted| *counted == event) {
            self.0.remove(position);
        }
    }

    /// Takes back the last event that was counted.
    pub(crate) fn revoke_last(&mut self) {
        self.0.pop_back();
    }

    /// Whether no event has happened within the `period` before `now`.
    pub(crate) fn is_quiet(&self, period: Duration, now: T) -> bool {
        !self.0.iter().any(|event| is_within(*event, period, now))
    }
}

fn is_within<T: Timestamp>(event: T, period: Duration, now: T) -> bool {
    now.since(event).is_some_and(|age| age < period)
}

/// A limit for each key by itself. It is counted in memory: a restart forgets
/// it.
#[derive(Debug)]
pub(crate) struct KeyedRateLimit<K> {
    period: Duration,
    windows: HashMap<K, SlidingWindow<Instant>>,
}

impl<K: Eq + Hash> KeyedRateLimit<K> {
    /// Counts events within a sliding `period`.
    pub(crate) fn new(period: Duration) -> Self {
        Self {
            period,
            windows: HashMap::new(),
        }
    }

    /// Counts one more event of `key`, unless `max` have happened within the
    /// period before `now`.
    ///
    /// # Errors
    /// How long it takes until one more is allowed.
    pub(crate) fn admit(&mut self, key: K, max: usize, now: Instant) -> Result<(), Duration> {
        if self.windows.len() >= KEYS_MAX {
            self.windows
                .retain(|_, window| !window.is_quiet(self.period, now));
        }
        let window = self.windows.entry(key).or_default();
        window.admit(max, self.period, now)
    }

    /// Takes back the last event of `key`, which did not happen after all.
    pub(crate) fn revoke(&mut self, key: &K) {
        if let Some(window) = self.windows.get_mut(key) {
            window.revoke_last();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn event_above_the_limit_is_refused_until_the_oldest_is_over() {
        let mut window = SlidingWindow::default();
        let start = Instant::now();
        assert_eq!(window.admit(2, HOUR, start), Ok(()));
        assert_eq!(window.admit(2, HOUR, start + SECOND), Ok(()));
        let wait = window.admit(2, HOUR, start + 2 * SECOND);
        assert_eq!(wait, Err(HOUR.saturating_sub(2 * SECOND)));
        assert_eq!(window.admit(2, HOUR, start + HOUR), Ok(()));
        assert_eq!(window.admit(2, HOUR, start + HOUR), Err(SECOND));
    }

    #[test]
    fn event_that_was_revoked_does_not_count() {
        let mut window = SlidingWindow::<u64>::default();
        for now in [10, 20] {
            window.admit(2, HOUR, now).unwrap();
        }
        window.revoke(10);
        window.revoke(11);
        assert_eq!(window.admit(2, HOUR, 30), Ok(()));
        assert!(window.admit(2, HOUR, 30).is_err());
    }

    #[test]
    fn event_of_the_future_does_not_count() {
        let mut window = SlidingWindow::<u64>::default();
        window.admit(1, HOUR, 1_000_000).unwrap();
        assert!(window.is_quiet(HOUR, 10));
        assert_eq!(window.admit(1, HOUR, 10), Ok(()));
    }

    #[test]
    fn keys_are_counted_apart() {
        let mut limit = KeyedRateLimit::new(HOUR);
        let now = Instant::now();
        assert_eq!(limit.admit("a", 1, now), Ok(()));
        assert_eq!(limit.admit("b", 1, now), Ok(()));
        assert_eq!(
            limit.admit("a", 1, now + SECOND),
            Err(HOUR.saturating_sub(SECOND))
        );
        limit.revoke(&"a");
        limit.revoke(&"c");
        assert_eq!(limit.admit("a", 1, now + SECOND), Ok(()));
    }

    #[test]
    fn quiet_keys_are_dropped() {
        let mut limit = KeyedRateLimit::new(HOUR);
        let start = Instant::now();
        for key in 0..KEYS_MAX {
            limit.admit(key, 1, start).unwrap();
        }
        limit.admit(KEYS_MAX, 1, start + HOUR).unwrap();
        assert_eq!(limit.windows.len(), 1);
    }
}
