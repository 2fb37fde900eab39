//! What is known of one phone, and what a request makes of it. Pure.

use serde::{Deserialize, Serialize};

use crate::otp::code::Kept;
use crate::otp::outcome::Answer;

/// In which time codes for one phone, or of one client, are counted.
pub const WINDOW: u64 = 60 * 60 * 1000;

/// For how long it is still known of a code that its time is over.
const REMEMBERED: u64 = 60 * 60 * 1000;

/// What is known of one phone. Times are milliseconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When codes were sent within the last hour, in order.
    sends: Vec<u64>,
    /// The code that counts, or did.
    code: Option<Sent>,
}

/// A code that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// What is kept of it.
    pub kept: Kept,
    /// From when it counts.
    pub from: u64,
    /// Until when.
    pub until: u64,
    /// Wrong codes so far.
    pub wrong: u32,
}

impl Entry {
    /// Counts one more code, if there may be one; else for how many milliseconds
    /// there may be none.
    ///
    /// # Errors
    /// When there were as many as there may be.
    pub fn count(&mut self, most: Option<u32>, now: u64) -> Result<(), u64> {
        // One of the future is none: the clock was set back.
        self.sends
            .retain(|sent| *sent <= now && now - sent < WINDOW);
        let most = most.map_or(usize::MAX, |most| {
            usize::try_from(most).unwrap_or(usize::MAX)
        });
        match self.sends.first() {
            Some(first) if self.sends.len() >= most => Err(first + WINDOW - now),
            _ => {
                self.sends.push(now);
                Ok(())
            }
        }
    }

    /// Takes back a code that was counted and could not be sent.
    pub fn uncount(&mut self, counted: u64) {
        if let Some(position) = self.sends.iter().position(|sent| *sent == counted) {
            self.sends.remove(position);
        }
    }

    /// Puts a code in the place of an earlier one.
    pub fn put(&mut self, code: Sent) {
        self.code = Some(code);
    }

    /// What a code makes of it: the answer, in the sample's order. `is` says whether
    /// it is the right one, and is not asked of one that does not count any more.
    /// Without `given` there was no code in the request.
    pub fn check(
        &mut self,
        given: Option<&str>,
        most_wrong: u32,
        now: u64,
        is: impl FnOnce(&Kept, &str) -> bool,
    ) -> Answer {
        let Some(code) = &mut self.code else {
            return Answer::Unknown;
        };
        let Some(given) = given else {
            return Answer::NoCode;
        };
        let answer = if now < code.from || now >= code.until {
            Answer::Expired
        } else if code.wrong >= most_wrong {
            Answer::Locked
        } else if is(&code.kept, given) {
            Answer::Verified
        } else {
            code.wrong += 1;
            match most_wrong - code.wrong {
                0 => Answer::Locked,
                left => Answer::Wrong(left),
            }
        };
        if !matches!(answer, Answer::Wrong(_)) {
            self.code = None;
        }
        answer
    }

    /// Whether nothing of it matters any more.
    #[must_use]
    pub fn is_over(&self, now: u64) -> bool {
        let remembered = |code: &Sent| now < code.until.saturating_add(REMEMBERED);
        let counted = |sent: &u64| *sent <= now && now - sent < WINDOW;
        !self.code.as_ref().is_some_and(remembered) && !self.sends.iter().any(counted)
    }

    /// Whether a code counts at this time and is one that `is` says yes to.
    #[must_use]
    pub fn holds(&self, now: u64, is: impl FnOnce(&Kept) -> bool) -> bool {
        self.is_live(now) && self.code.as_ref().is_some_and(|code| is(&code.kept))
    }

    /// Whether a code counts at this time.
    #[must_use]
    pub fn is_live(&self, now: u64) -> bool {
        let live = |code: &Sent| (code.from..code.until).contains(&now);
        self.code.as_ref().is_some_and(live)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otp::code::{Code, Hasher};
    use crate::otp::phone::Phone;
    use crate::secret::Secret;

    const NOW: u64 = 1_000_000_000_000;
    const MINUTES: u64 = 60 * 1000;

    fn kept() -> Kept {
        let hasher = Hasher::new(Secret::new("key".to_owned()));
        let phone = Phone::parse("15551234567").unwrap();
        hasher.keep(&phone, &Code::random(6).unwrap()).unwrap()
    }

    fn entry() -> Entry {
        let mut entry = Entry::default();
        entry.put(Sent {
            kept: kept(),
            from: NOW,
            until: NOW + 5 * MINUTES,
            wrong: 0,
        });
        entry
    }

    /// "right" is the right one.
    fn check(entry: &mut Entry, given: Option<&str>, now: u64) -> Answer {
        entry.check(given, 3, now, |_, given| given == "right")
    }

    #[test]
    fn right_code_counts_once_and_until_its_time_is_over() {
        for (now, expected) in [
            (NOW, Answer::Verified),
            (NOW + 5 * MINUTES - 1, Answer::Verified),
            (NOW + 5 * MINUTES, Answer::Expired),
            (NOW - 1, Answer::Expired),
        ] {
            let mut entry = entry();
            assert_eq!(check(&mut entry, Some("right"), now), expected);
            assert_eq!(check(&mut entry, Some("right"), now), Answer::Unknown);
        }
    }

    #[test]
    fn third_wrong_code_is_the_last() {
        let mut entry = entry();
        assert_eq!(check(&mut entry, Some("x"), NOW), Answer::Wrong(2));
        assert_eq!(check(&mut entry, None, NOW), Answer::NoCode);
        assert_eq!(check(&mut entry, Some(""), NOW), Answer::Wrong(1));
        assert_eq!(check(&mut entry, Some("x"), NOW), Answer::Locked);
        assert_eq!(check(&mut entry, Some("right"), NOW), Answer::Unknown);
    }

    #[test]
    fn lower_bound_than_there_were_wrong_codes_locks() {
        let mut entry = entry();
        assert_eq!(check(&mut entry, Some("x"), NOW), Answer::Wrong(2));
        let answer = entry.check(Some("right"), 1, NOW, |_, _| true);
        assert_eq!(answer, Answer::Locked);
    }

    #[test]
    fn no_code_is_said_before_that_its_time_is_over() {
        let mut entry = entry();
        let late = NOW + 6 * MINUTES;
        assert_eq!(check(&mut entry, None, late), Answer::NoCode);
        assert_eq!(check(&mut entry, Some("x"), late), Answer::Expired);
    }

    #[test]
    fn codes_for_a_phone_are_counted_for_an_hour() {
        let mut entry = Entry::default();
        for second in 0..5 {
            assert_eq!(entry.count(Some(5), NOW + second * 1000), Ok(()));
        }
        assert_eq!(entry.count(Some(5), NOW + 10_000), Err(WINDOW - 10_000));
        entry.uncount(NOW + 1000);
        assert_eq!(entry.count(Some(5), NOW + 10_000), Ok(()));
        assert_eq!(entry.count(Some(5), NOW + WINDOW - 1), Err(1));
        assert_eq!(entry.count(Some(5), NOW + WINDOW), Ok(()));
        assert_eq!(entry.count(None, NOW + WINDOW), Ok(()));
        // The clock was set back.
        assert_eq!(entry.count(Some(1), NOW - 1), Ok(()));
    }

    #[test]
    fn nothing_matters_when_code_and_count_are_over() {
        assert!(Entry::default().is_over(NOW));
        let mut entry = entry();
        assert!(entry.is_live(NOW));
        assert!(!entry.is_live(NOW + 5 * MINUTES));
        assert!(!entry.is_over(NOW + 64 * MINUTES));
        assert!(entry.is_over(NOW + 65 * MINUTES));
        entry.count(None, NOW + 10 * MINUTES).unwrap();
        assert!(!entry.is_over(NOW + 69 * MINUTES));
        assert!(entry.is_over(NOW + 70 * MINUTES));
    }
}
