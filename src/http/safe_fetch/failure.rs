//! Why a URL was not fetched, and whether another attempt makes sense. Pure.

/// A URL was not fetched. The text holds no part of a URL but its host, because a
/// URL may hold a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FetchError {
    /// Another attempt would fail as well.
    #[error("{0}")]
    Permanent(String),
    /// A later attempt may succeed.
    #[error("{0}")]
    Temporary(String),
}

impl FetchError {
    /// [`Self::Permanent`] with a fixed reason.
    pub(crate) fn permanent(reason: &str) -> Self {
        Self::Permanent(reason.to_owned())
    }

    /// [`Self::Temporary`] with a fixed reason.
    pub(crate) fn temporary(reason: &str) -> Self {
        Self::Temporary(reason.to_owned())
    }
}

/// The meaning of an HTTP status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FetchStatus {
    /// The response has the content.
    Found,
    /// The response has a Location to follow.
    Redirected,
    /// The response has neither.
    Failed(FetchError),
}

pub(crate) fn classify(code: u16) -> FetchStatus {
    let reason = || format!("HTTP status {code}");
    match code {
        // The content is not ready, or does not exist.
        202 | 204 | 205 => FetchStatus::Failed(FetchError::Temporary(reason())),
        200..=299 => FetchStatus::Found,
        301 | 302 | 303 | 307 | 308 => FetchStatus::Redirected,
        401 | 403 | 404 | 410 | 415 => FetchStatus::Failed(FetchError::Permanent(reason())),
        _ => FetchStatus::Failed(FetchError::Temporary(reason())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_decides_about_another_attempt() {
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
}
