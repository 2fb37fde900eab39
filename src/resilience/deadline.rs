//! Points in time that lie ahead, by the clock that cannot be set.

use std::time::{Duration, Instant};

/// The longest wait that a deadline is made of. What waits longer waits for ever.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);

/// The point in time after a wait. A wait that no clock can count ends a hundred
/// years from now, or at once where even that cannot be counted.
pub(crate) fn after(now: Instant, wait: Duration) -> Instant {
    now.checked_add(wait.min(LONGEST)).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wait_that_cannot_be_counted_lies_far_ahead() {
        let now = Instant::now();
        let second = Duration::from_secs(1);
        assert_eq!(after(now, second), now + second);
        for wait in [LONGEST, Duration::from_secs(u64::MAX), Duration::MAX] {
            assert_eq!(after(now, wait), now + LONGEST, "{wait:?}");
        }
    }
}
