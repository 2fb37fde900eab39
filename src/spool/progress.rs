//! What Asterisk has done with a call file so far, by what it has written into
//! it (`pbx/pbx_spool.c`, `safe_append`, `remove_from_queue`).

/// How far a call file has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Asterisk has not begun with it.
    Untouched,
    /// An attempt was begun at this time, in seconds since 1970, and has not
    /// ended as far as the file says.
    Begun(u64),
    /// An attempt has failed; the next one comes when the file's time is over.
    Waiting,
    /// Delivered.
    Completed,
    /// Asterisk has given up: too many attempts, or the file was no call file.
    GivenUp,
}

/// Reads how far a call file has come; the last word in it counts.
#[must_use]
pub(crate) fn progress(content: &str) -> Progress {
    content
        .lines()
        .filter_map(|line| line.split_once(": "))
        .filter_map(|(keyword, rest)| match keyword {
            // DelayedRetry is no news: as long as an attempt seems to be under
            // way, Asterisk writes one each retry time.
            "StartRetry" => Some(Progress::Begun(time(rest))),
            "EndRetry" | "AbortRetry" => Some(Progress::Waiting),
            "Status" if rest.trim() == "Completed" => Some(Progress::Completed),
            "Status" => Some(Progress::GivenUp),
            _ => None,
        })
        .next_back()
        .unwrap_or(Progress::Untouched)
}

/// The time in `1234 0 (1795304460)`: process, attempts, seconds since 1970.
fn time(rest: &str) -> u64 {
    let inner = rest
        .split_once('(')
        .and_then(|(_, rest)| rest.split_once(')'));
    inner.and_then(|(time, _)| time.parse().ok()).unwrap_or(0)
}

/// How often Asterisk has begun an attempt.
#[must_use]
pub(crate) fn attempts(content: &str) -> usize {
    let begun = |line: &&str| line.starts_with("StartRetry: ");
    content.lines().filter(begun).count()
}

/// The call file as it was before Asterisk wrote into it.
#[must_use]
pub(crate) fn without_attempts(content: &str) -> String {
    const WRITTEN: [&str; 5] = [
        "StartRetry: ",
        "EndRetry: ",
        "AbortRetry: ",
        "DelayedRetry: ",
        "Status: ",
    ];
    content
        .lines()
        .filter(|line| !line.is_empty() && !WRITTEN.iter().any(|word| line.starts_with(word)))
        .flat_map(|line| [line, "\n"])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_word_counts() {
        let start = "Channel: Local/1@x\nsetvar: MESSAGE(body)=Status: Completed\n";
        for (written, expected) in [
            ("", Progress::Untouched),
            (
                "\nStartRetry: 77 1 (1795304460)\n",
                Progress::Begun(1_795_304_460),
            ),
            (
                "\nStartRetry: 77 1 (1795304460)\nEndRetry: 77 1 (1795304461)\n",
                Progress::Waiting,
            ),
            (
                "\nStartRetry: 77 1 (1795304460)\n\nAbortRetry: 78 1 (1795304470)\n\n\
                 StartRetry: 78 2 (1795304470)\n",
                Progress::Begun(1_795_304_470),
            ),
            (
                "\nStartRetry: 77 1 (1795304460)\n\nDelayedRetry: 77 0 (1795304500)\n\n\
                 DelayedRetry: 77 0 (1795304540)\n",
                Progress::Begun(1_795_304_460),
            ),
            (
                "\nStartRetry: 77 1 (1)\nStatus: Completed\n",
                Progress::Completed,
            ),
            (
                "\nStartRetry: 77 1 (1)\nEndRetry: 77 1 (2)\nStatus: Expired\n",
                Progress::GivenUp,
            ),
            ("Status: Failed\n", Progress::GivenUp),
        ] {
            let content = format!("{start}{written}");
            assert_eq!(progress(&content), expected, "{written}");
            assert_eq!(without_attempts(&content), start);
        }
    }
}
