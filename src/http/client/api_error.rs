//! Why an API did not do what it was asked for, in texts for the administrator.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::exit::Exit;

/// A kind of error, with its fixed texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ErrorClass {
    pub exit: Exit,
    pub summary: &'static str,
    /// What the administrator can do about it.
    pub remedy: &'static str,
    /// How long to wait before the next request unless the API says so. Set only
    /// when the request was refused for its rate, so that nothing was done.
    pub default_retry_after: Option<Duration>,
}

impl ErrorClass {
    /// An error other than a rate limit.
    pub(crate) const fn new(exit: Exit, summary: &'static str, remedy: &'static str) -> Self {
        Self {
            exit,
            summary,
            remedy,
            default_retry_after: None,
        }
    }

    pub(crate) const fn rate_limited(
        default_retry_after: Duration,
        summary: &'static str,
        remedy: &'static str,
    ) -> Self {
        Self {
            exit: Exit::Failed,
            summary,
            remedy,
            default_retry_after: Some(default_retry_after),
        }
    }
}

/// Why a request was not successful.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub class: ErrorClass,
    /// The words of the API, or the error of the network.
    pub detail: String,
    /// How long the API says to wait before the next request.
    pub retry_after: Option<Duration>,
}

impl ApiError {
    pub(crate) fn new(class: ErrorClass, detail: String) -> Self {
        Self {
            class,
            detail,
            retry_after: None,
        }
    }

    pub(crate) fn is_rate_limited(&self) -> bool {
        self.class.default_retry_after.is_some()
    }

    /// Whether a later request may succeed without a change by the administrator.
    pub(crate) fn is_temporary(&self) -> bool {
        matches!(self.class.exit, Exit::Failed | Exit::Unknown)
    }
}

/// A whole sentence for the administrator, not a fragment.
impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ErrorClass {
            summary,
            remedy,
            default_retry_after,
            ..
        } = self.class;
        write!(f, "{summary} ({}): ", self.detail)?;
        if let Some(default) = default_retry_after {
            let seconds = self.retry_after.unwrap_or(default).as_secs();
            write!(f, "try again in {seconds} seconds; ")?;
        }
        f.write_str(remedy)
    }
}

impl Error for ApiError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_limit_error_includes_the_wait() {
        let seconds = Some(Duration::from_secs(7));
        let limit = ErrorClass::rate_limited(Duration::from_secs(9), "too often", "wait");
        let other = ErrorClass::new(Exit::Failed, "unwell", "see its log");
        for (class, retry_after, expected) in [
            (limit, None, "too often (x): try again in 9 seconds; wait"),
            (
                limit,
                seconds,
                "too often (x): try again in 7 seconds; wait",
            ),
            (other, seconds, "unwell (x): see its log"),
        ] {
            let error = ApiError {
                retry_after,
                ..ApiError::new(class, "x".to_owned())
            };
            assert_eq!(error.to_string(), expected);
            assert_eq!(error.is_rate_limited(), class == limit);
            assert!(error.is_temporary());
        }
    }
}
