//! How much of what a stranger can trigger at will is said.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Lines in one window.
const LINES_MAX: u32 = 10;

const WINDOW: Duration = Duration::from_secs(1);

/// At most ten lines a second, and how many were left out.
#[derive(Debug, Default)]
pub(crate) struct LogLimit(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    start: Option<Instant>,
    allowed: u32,
    suppressed: u64,
}

impl LogLimit {
    /// Whether one more line may be said, and how many have not been since the
    /// last one.
    pub(crate) fn allow(&self) -> Option<u64> {
        // A panic elsewhere has ended the process; a poisoned lock is as good.
        let mut window = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        window.take(Instant::now())
    }
}

impl Window {
    fn take(&mut self, now: Instant) -> Option<u64> {
        let over = self
            .start
            .is_none_or(|start| now.duration_since(start) >= WINDOW);
        if over {
            self.start = Some(now);
            self.allowed = 0;
        }
        if self.allowed >= LINES_MAX {
            self.suppressed += 1;
            return None;
        }
        self.allowed += 1;
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flood_is_ten_lines_a_second_and_a_count() {
        let mut window = Window::default();
        let start = Instant::now();
        let said = (0..1000).filter(|_| window.take(start).is_some()).count();
        assert_eq!(said, 10);
        assert_eq!(window.take(start + WINDOW), Some(990));
        assert_eq!(window.take(start + WINDOW), Some(0));
    }
}
