//! Seconds since 1970, as files and requests carry them.
//!
//! Both ways never fail: a file may hold any number, and a clock may show any time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The end of the year 9999, which every `SystemTime` can represent.
const LATEST: u64 = 253_402_300_799;

/// A time in seconds; one before 1970 is 0.
pub(crate) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

/// The time after so many seconds, at most the end of the year 9999.
pub(crate) fn time(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds.min(LATEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_read_back() {
        for number in [0, 1, 1_795_304_460, LATEST] {
            assert_eq!(seconds(time(number)), number);
        }
    }

    #[test]
    fn impossible_times_are_the_nearest_possible_ones() {
        assert_eq!(seconds(UNIX_EPOCH - Duration::from_secs(1)), 0);
        for number in [LATEST + 1, 9_300_000_000_000_000_000, u64::MAX] {
            assert_eq!(seconds(time(number)), LATEST);
        }
    }
}
