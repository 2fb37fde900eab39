//! Why a picture was not fetched, and when it is tried again. Pure.

use std::fmt;
use std::time::Duration;

use crate::resilience::backoff::Backoff;

/// How long it is tried.
pub(crate) const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

const BACKOFF: Backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(10 * 60));

/// Why a picture was not fetched. The text holds nothing of a URL but the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FetchError {
    /// It never will be.
    Permanent(String),
    /// It may be later.
    Temporary(String),
}

impl FetchError {
    /// It never will be.
    #[must_use]
    pub(crate) fn permanent(why: &str) -> Self {
        Self::Permanent(why.to_owned())
    }

    /// It may be later.
    #[must_use]
    pub(crate) fn temporary(why: &str) -> Self {
        Self::Temporary(why.to_owned())
    }

    /// How long to wait before the next attempt, after `tries` of them and `age`
    /// after the message came; `None` when there is none.
    #[must_use]
    pub(crate) fn wait(&self, tries: u32, age: Duration) -> Option<Duration> {
        match self {
            Self::Permanent(_) => None,
            Self::Temporary(_) => BACKOFF.within(tries, LIFETIME.saturating_sub(age)),
        }
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Permanent(why) | Self::Temporary(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for FetchError {}

/// What an answer's status says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FetchStatus {
    /// Here it is.
    Found,
    /// It is elsewhere.
    Redirected,
    /// It is not to be had.
    Failed(FetchError),
}

/// What an answer's status says.
#[must_use]
pub(crate) fn classify(code: u16) -> FetchStatus {
    let why = || format!("HTTP status {code}");
    match code {
        // It is being prepared, or there is nothing: no body to be kept.
        202 | 204 | 205 => FetchStatus::Failed(FetchError::Temporary(why())),
        200..=299 => FetchStatus::Found,
        301 | 302 | 303 | 307 | 308 => FetchStatus::Redirected,
        401 | 403 | 404 | 410 | 415 => FetchStatus::Failed(FetchError::Permanent(why())),
        _ => FetchStatus::Failed(FetchError::Temporary(why())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_says_whether_it_is_worth_another_try() {
        for (code, expected) in [
            (200, Some(true)),
            (202, None),
            (301, Some(true)),
            (307, Some(true)),
            (304, None),
            (400, None),
            (401, Some(false)),
            (403, Some(false)),
            (404, Some(false)),
            (408, None),
            (410, Some(false)),
            (415, Some(false)),
            (429, None),
            (500, None),
            (503, None),
        ] {
            let found = match classify(code) {
                FetchStatus::Found | FetchStatus::Redirected => Some(true),
                FetchStatus::Failed(FetchError::Permanent(_)) => Some(false),
                FetchStatus::Failed(FetchError::Temporary(_)) => None,
            };
            assert_eq!(found, expected, "{code}");
        }
    }

    #[test]
    fn waits_double_up_to_ten_minutes_and_end_after_a_day() {
        let day = LIFETIME.as_secs();
        let passing = FetchError::temporary("x");
        for (tries, age, expected) in [
            (0, 0, Some(5)),
            (1, 0, Some(5)),
            (2, 5, Some(10)),
            (3, 15, Some(20)),
            (7, 315, Some(320)),
            (8, 635, Some(600)),
            (u32::MAX, 1000, Some(600)),
            (100, day - 7, Some(7)),
            (101, day, None),
            (1, day + 1000, None),
        ] {
            let wait = passing.wait(tries, Duration::from_secs(age));
            assert_eq!(wait, expected.map(Duration::from_secs), "{tries} {age}");
        }
        assert_eq!(FetchError::permanent("x").wait(1, Duration::ZERO), None);
    }
}
