//! How long to wait before the next attempt.

use std::time::Duration;

/// Doublings after which the wait grows no more, whatever its maximum.
const DOUBLINGS_MAX: u32 = 20;

/// A wait that doubles after each failed attempt, up to a maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Backoff {
    first: Duration,
    max: Duration,
}

impl Backoff {
    /// Waits `first` after the first failed attempt and at most `max` after any.
    pub(crate) const fn new(first: Duration, max: Duration) -> Self {
        Self { first, max }
    }

    /// The wait after `attempts` failed attempts, which count from 1.
    pub(crate) fn after(self, attempts: u32) -> Duration {
        let doublings = attempts.saturating_sub(1).min(DOUBLINGS_MAX);
        self.first.saturating_mul(1 << doublings).min(self.max)
    }

    /// The same, cut to the time that is `left`: the last attempt is made when
    /// that is over, not one wait before. `None` when nothing is left.
    pub(crate) fn within(self, attempts: u32, left: Duration) -> Option<Duration> {
        (!left.is_zero()).then(|| self.after(attempts).min(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(600));

    #[test]
    fn wait_after_each_attempt_doubles_up_to_the_maximum() {
        for (attempts, expected) in [
            (0, 5),
            (1, 5),
            (2, 10),
            (3, 20),
            (7, 320),
            (8, 600),
            (u32::MAX, 600),
        ] {
            let expected = Duration::from_secs(expected);
            assert_eq!(BACKOFF.after(attempts), expected, "{attempts}");
        }
    }

    #[test]
    fn wait_that_cannot_be_counted_is_the_maximum() {
        let backoff = Backoff::new(Duration::MAX, Duration::MAX);
        assert_eq!(backoff.after(u32::MAX), Duration::MAX);
    }

    #[test]
    fn wait_within_a_lifetime_ends_with_it() {
        let seconds = Duration::from_secs;
        assert_eq!(BACKOFF.within(3, seconds(100)), Some(seconds(20)));
        assert_eq!(BACKOFF.within(3, seconds(7)), Some(seconds(7)));
        assert_eq!(BACKOFF.within(3, Duration::ZERO), None);
    }
}
