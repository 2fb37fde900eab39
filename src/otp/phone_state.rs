//! The state of one phone, and how requests change it. Pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::otp::code::HashedCode;
use crate::otp::outcome::OtpOutcome;
use crate::resilience::rate_limit::SlidingWindow;

/// The period in which codes for one phone, or of one client, are counted.
pub(crate) const PERIOD: Duration = Duration::from_secs(60 * 60);

/// How long an expired code is remembered, so that it is answered as expired.
const REMEMBERED: u64 = 60 * 60 * 1000;

/// The state of one phone. Times are milliseconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PhoneState {
    /// When codes were sent within the last hour.
    sends: SlidingWindow<u64>,
    /// The last code, which may have expired.
    code: Option<ActiveCode>,
}

/// A code that was sent and has not been used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ActiveCode {
    #[serde(rename = "kept")]
    pub hashed: HashedCode,
    /// The code is valid from this time, inclusive ...
    pub from: u64,
    /// ... until this one, exclusive.
    pub until: u64,
    /// Wrong attempts so far.
    pub wrong: u32,
}

impl PhoneState {
    /// Counts one more code, unless `max` were sent within the last hour.
    ///
    /// # Errors
    /// How long it takes until one more is allowed.
    pub(crate) fn count(&mut self, max: Option<u32>, now: u64) -> Result<(), Duration> {
        let max = max.and_then(|max| usize::try_from(max).ok());
        self.sends.admit(max.unwrap_or(usize::MAX), PERIOD, now)
    }

    /// Takes back a code that was counted at this time and surely not sent.
    pub(crate) fn uncount(&mut self, counted: u64) {
        self.sends.revoke(counted);
    }

    /// Replaces the code, if there is one.
    pub(crate) fn replace_code(&mut self, code: ActiveCode) {
        self.code = Some(code);
    }

    /// Checks a code, in the order of Meta's sample. `matches` says whether it is
    /// the right one; it is not called for a code that is no longer valid. `given`
    /// is `None` when the request has no code.
    pub(crate) fn check(
        &mut self,
        given: Option<&str>,
        max_wrong: u32,
        now: u64,
        matches: impl FnOnce(&HashedCode, &str) -> bool,
    ) -> OtpOutcome {
        let Some(code) = &mut self.code else {
            return OtpOutcome::Unknown;
        };
        let Some(given) = given else {
            return OtpOutcome::NoCode;
        };
        let outcome = if now < code.from || now >= code.until {
            OtpOutcome::Expired
        } else if code.wrong >= max_wrong {
            OtpOutcome::Locked
        } else if matches(&code.hashed, given) {
            OtpOutcome::Verified
        } else {
            code.wrong += 1;
            match max_wrong - code.wrong {
                0 => OtpOutcome::Locked,
                left => OtpOutcome::Wrong(left),
            }
        };
        if !matches!(outcome, OtpOutcome::Wrong(_)) {
            self.code = None;
        }
        outcome
    }

    /// Whether the state can be forgotten.
    pub(crate) fn is_expired(&self, now: u64) -> bool {
        let remembered = |code: &ActiveCode| now < code.until.saturating_add(REMEMBERED);
        !self.code.as_ref().is_some_and(remembered) && self.sends.is_quiet(PERIOD, now)
    }

    /// Whether a code is valid at this time and `matches` accepts it.
    pub(crate) fn has_active_code_that(
        &self,
        now: u64,
        matches: impl FnOnce(&HashedCode) -> bool,
    ) -> bool {
        self.has_active_code(now) && self.code.as_ref().is_some_and(|code| matches(&code.hashed))
    }

    /// Whether a code is valid at this time.
    pub(crate) fn has_active_code(&self, now: u64) -> bool {
        let active = |code: &ActiveCode| (code.from..code.until).contains(&now);
        self.code.as_ref().is_some_and(active)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otp::code::{Code, CodeHasher};
    use crate::otp::phone::Phone;
    use crate::secret::Secret;

    const NOW: u64 = 1_000_000_000_000;
    const MINUTES: u64 = 60 * 1000;
    const WINDOW: u64 = 60 * MINUTES;

    fn hashed() -> HashedCode {
        let hasher = CodeHasher::new(Secret::new("key".to_owned()));
        let phone = Phone::parse("15551234567").unwrap();
        hasher.hash(&phone, &Code::random(6).unwrap()).unwrap()
    }

    fn state() -> PhoneState {
        let mut state = PhoneState::default();
        state.replace_code(ActiveCode {
            hashed: hashed(),
            from: NOW,
            until: NOW + 5 * MINUTES,
            wrong: 0,
        });
        state
    }

    /// "right" is the right code.
    fn check(state: &mut PhoneState, given: Option<&str>, now: u64) -> OtpOutcome {
        state.check(given, 3, now, |_, given| given == "right")
    }

    #[test]
    fn right_code_is_accepted_once_within_its_lifetime() {
        for (now, expected) in [
            (NOW, OtpOutcome::Verified),
            (NOW + 5 * MINUTES - 1, OtpOutcome::Verified),
            (NOW + 5 * MINUTES, OtpOutcome::Expired),
            (NOW - 1, OtpOutcome::Expired),
        ] {
            let mut state = state();
            assert_eq!(check(&mut state, Some("right"), now), expected);
            assert_eq!(check(&mut state, Some("right"), now), OtpOutcome::Unknown);
        }
    }

    #[test]
    fn third_wrong_code_locks() {
        let mut state = state();
        assert_eq!(check(&mut state, Some("x"), NOW), OtpOutcome::Wrong(2));
        assert_eq!(check(&mut state, None, NOW), OtpOutcome::NoCode);
        assert_eq!(check(&mut state, Some(""), NOW), OtpOutcome::Wrong(1));
        assert_eq!(check(&mut state, Some("x"), NOW), OtpOutcome::Locked);
        assert_eq!(check(&mut state, Some("right"), NOW), OtpOutcome::Unknown);
    }

    #[test]
    fn max_wrong_below_the_wrong_codes_so_far_locks() {
        let mut state = state();
        assert_eq!(check(&mut state, Some("x"), NOW), OtpOutcome::Wrong(2));
        let outcome = state.check(Some("right"), 1, NOW, |_, _| true);
        assert_eq!(outcome, OtpOutcome::Locked);
    }

    #[test]
    fn missing_code_is_answered_before_expiry() {
        let mut state = state();
        let late = NOW + 6 * MINUTES;
        assert_eq!(check(&mut state, None, late), OtpOutcome::NoCode);
        assert_eq!(check(&mut state, Some("x"), late), OtpOutcome::Expired);
    }

    #[test]
    fn codes_of_a_phone_are_counted_for_an_hour() {
        let mut state = PhoneState::default();
        for second in 0..5 {
            assert_eq!(state.count(Some(5), NOW + second * 1000), Ok(()));
        }
        assert_eq!(
            state.count(Some(5), NOW + 10_000),
            Err(PERIOD.saturating_sub(Duration::from_secs(10)))
        );
        state.uncount(NOW + 1000);
        assert_eq!(state.count(Some(5), NOW + 10_000), Ok(()));
        assert_eq!(
            state.count(Some(5), NOW + WINDOW - 1),
            Err(Duration::from_millis(1))
        );
        assert_eq!(state.count(Some(5), NOW + WINDOW), Ok(()));
        assert_eq!(state.count(None, NOW + WINDOW), Ok(()));
        // The clock was set back.
        assert_eq!(state.count(Some(1), NOW - 1), Ok(()));
    }

    #[test]
    fn state_expires_with_its_code_and_its_counts() {
        assert!(PhoneState::default().is_expired(NOW));
        let mut state = state();
        assert!(state.has_active_code(NOW));
        assert!(!state.has_active_code(NOW + 5 * MINUTES));
        assert!(!state.is_expired(NOW + 64 * MINUTES));
        assert!(state.is_expired(NOW + 65 * MINUTES));
        state.count(None, NOW + 10 * MINUTES).unwrap();
        assert!(!state.is_expired(NOW + 69 * MINUTES));
        assert!(state.is_expired(NOW + 70 * MINUTES));
    }
}
