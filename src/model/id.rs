//! What a message is called, from when it is accepted or handed over.
//!
//! The name holds time and randomness and nothing that came from outside. It
//! stands in the log, in the dialplan's `WEBSMS_ID` and in file names; in the
//! order of their text, names are in the order of acceptance.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The microsecond and eight random digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    micros: u64,
    random: u32,
}

impl Id {
    /// A new name, now, after `last`.
    #[must_use]
    pub fn generate(last: Option<Self>) -> Self {
        // If the system has no randomness, time alone has to tell names apart;
        // no file is overwritten either way.
        let random = getrandom::u32().unwrap_or_default();
        Self::next(last, SystemTime::now(), random)
    }

    /// When the message was accepted.
    #[must_use]
    pub fn time(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_micros(self.micros)
    }

    /// The next name after `last`, even when the clock was set back.
    #[must_use]
    pub fn next(last: Option<Self>, now: SystemTime, random: u32) -> Self {
        let micros = now
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_micros();
        let micros = u64::try_from(micros).unwrap_or(u64::MAX);
        let earliest = last.map_or(0, |last| last.micros + 1);
        Self {
            micros: micros.max(earliest),
            random,
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016}-{:08x}", self.micros, self.random)
    }
}

impl FromStr for Id {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let (micros, random) = text.split_once('-').ok_or(InvalidId)?;
        let id = Self {
            micros: micros.parse().map_err(|_| InvalidId)?,
            random: u32::from_str_radix(random, 16).map_err(|_| InvalidId)?,
        };
        // Only the one way of writing it, so that it leads back to its file.
        if id.to_string() == text {
            Ok(id)
        } else {
            Err(InvalidId)
        }
    }
}

/// Text that is no name of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidId;

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a message id")
    }
}

impl std::error::Error for InvalidId {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_the_order_of_acceptance() {
        let noon = UNIX_EPOCH + Duration::from_secs(1_795_304_460);
        let first = Id::next(None, noon, 9);
        let second = Id::next(Some(first), noon, 1);
        let after_clock_step = Id::next(Some(second), noon - Duration::from_secs(3600), 0);
        assert!(first < second && second < after_clock_step);
        let names = [first, second, after_clock_step].map(|id| id.to_string());
        assert!(names.is_sorted(), "{names:?}");
    }

    #[test]
    fn name_is_read_back_and_no_other() {
        let id = Id::next(
            None,
            UNIX_EPOCH + Duration::from_micros(1_795_304_460_000_001),
            0xab,
        );
        assert_eq!(id.to_string(), "1795304460000001-000000ab");
        assert_eq!(id.to_string().parse(), Ok(id));
        for other in [
            "",
            "1-000000ab",
            "1795304460000001-000000AB",
            "+795304460000001-000000ab",
        ] {
            assert_eq!(other.parse::<Id>(), Err(InvalidId), "{other}");
        }
    }
}
