//! Limits the log lines that a stranger can cause at will.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::resilience::rate_limit::SlidingWindow;

/// Lines within one [`PERIOD`].
const LINES_MAX: usize = 10;

const PERIOD: Duration = Duration::from_secs(1);

/// Allows ten lines a second and counts those that were suppressed.
#[derive(Debug, Default)]
pub(crate) struct LogLimit(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    allowed: SlidingWindow<Instant>,
    suppressed: u64,
}

impl LogLimit {
    /// Whether one more line may be logged; the number is how many were
    /// suppressed since the last one.
    pub(crate) fn allow(&self) -> Option<u64> {
        self.0.lock().allow(Instant::now())
    }
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
    fn flood_is_ten_lines_a_second_and_a_count() {
        let mut counted = Counted::default();
        let start = Instant::now();
        let allowed = (0..1000).filter(|_| counted.allow(start).is_some()).count();
        assert_eq!(allowed, 10);
        assert_eq!(counted.allow(start + PERIOD), Some(990));
        assert_eq!(counted.allow(start + PERIOD), Some(0));
    }
}
