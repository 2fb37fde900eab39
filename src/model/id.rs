//! Ids of messages, given when a message is accepted.
//!
//! An id is made of time and randomness, never of input. It appears in the log,
//! in the dialplan's `WEBSMS_ID` and in file names. Ids of one process sort, as
//! text, in the order of acceptance.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The microsecond of acceptance and 32 random bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    micros: u64,
    random: u32,
}

impl Id {
    /// A new id with the current time, later than `last`.
    #[must_use]
    pub fn generate(last: Option<Self>) -> Self {
        // Without randomness from the system the time alone makes ids different;
        // files are never overwritten either way.
        let random = getrandom::u32().unwrap_or_default();
        Self::next(last, SystemTime::now(), random)
    }

    /// When the message was accepted.
    #[must_use]
    pub fn time(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_micros(self.micros)
    }

    /// The id for `now`, but later than `last` even when the clock was set back.
    #[must_use]
    pub fn next(last: Option<Self>, now: SystemTime, random: u32) -> Self {
        let micros = now
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_micros();
        let micros = u64::try_from(micros).unwrap_or(u64::MAX);
        let earliest = last.map_or(0, |last| last.micros.saturating_add(1));
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
        // Other spellings of the same numbers would not name the message's file.
        if id.to_string() == text {
            Ok(id)
        } else {
            Err(InvalidId)
        }
    }
}

/// The text is not an id of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a message id")]
pub struct InvalidId;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_in_the_order_of_acceptance() {
        let noon = UNIX_EPOCH + Duration::from_secs(1_795_304_460);
        let first = Id::next(None, noon, 9);
        let second = Id::next(Some(first), noon, 1);
        let after_clock_step = Id::next(Some(second), noon - Duration::from_secs(3600), 0);
        assert!(first < second && second < after_clock_step);
        let texts = [first, second, after_clock_step].map(|id| id.to_string());
        assert!(texts.is_sorted(), "{texts:?}");
    }

    #[test]
    fn only_the_written_form_is_read_back() {
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
