//! How long a message has been queued, whatever the clock does. Pure.
//!
//! The id of a message holds the time at which it was queued, by a clock that can
//! be set, also by years and while the message waits. It is asked once, when this
//! process first sees the message. From then on the age grows by the clock that
//! cannot be set. A file's time of change would tell no more: it comes from the same
//! clock as the id.

use std::time::{Duration, Instant, SystemTime};

use crate::model::unix_time;

/// The beginning of 2025: no message is older. An id before was given by a clock
/// that had not been set yet, as on a host without a battery.
const CLOCK_SET: u64 = 1_735_689_600;

/// The age of a message, since it was queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Age {
    at_first_sight: Duration,
    first_seen: Instant,
}

impl Age {
    /// The age of a message that is seen now and was queued at a time. A time that
    /// cannot be, in the future or before the clock was set, is the present: the
    /// message lives for its lifetime from now on.
    pub(crate) fn at_first_sight(queued: SystemTime, now: SystemTime, first_seen: Instant) -> Self {
        let known = unix_time::seconds(queued) >= CLOCK_SET;
        let age = now.duration_since(queued).ok().filter(|_| known);
        Self {
            at_first_sight: age.unwrap_or_default(),
            first_seen,
        }
    }

    /// How long the message has been queued by now.
    pub(crate) fn at(self, now: Instant) -> Duration {
        let seen = now.saturating_duration_since(self.first_seen);
        self.at_first_sight.saturating_add(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_counts_from_a_time_that_can_be() {
        const YEAR: u64 = 365 * 86_400;
        let noon = 1_795_304_460;
        let first_seen = Instant::now();
        for (queued, now, expected) in [
            (noon, noon, 0),
            (noon, noon + 60, 60),
            (noon + 10 * YEAR, noon, 0),
            (u64::MAX, noon, 0),
            (0, noon, 0),
            (YEAR, noon, 0),
            (noon, 10, 0),
            (CLOCK_SET, CLOCK_SET + YEAR, YEAR),
        ] {
            let (queued, now) = (unix_time::time(queued), unix_time::time(now));
            let age = Age::at_first_sight(queued, now, first_seen);
            let hour = Duration::from_secs(3600);
            let expected = Duration::from_secs(expected);
            assert_eq!(age.at(first_seen), expected, "{queued:?} {now:?}");
            assert_eq!(age.at(first_seen + hour), expected + hour);
        }
    }
}
