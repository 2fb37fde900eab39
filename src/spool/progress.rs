//! The progress of a call file, from the lines that Asterisk appends to it
//! (`pbx/pbx_spool.c`, `safe_append`, `remove_from_queue`).

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Asterisk has made no attempt.
    Untouched,
    /// An attempt began at this time, in seconds since 1970, and no end of it is
    /// noted.
    Begun(u64),
    /// An attempt failed; the next one is due at the file's modification time.
    Waiting,
    /// An attempt succeeded: delivered.
    Completed,
    /// Asterisk gave up: too many attempts, or not a valid call file.
    GivenUp,
}

/// The progress by the last line that Asterisk has appended.
pub(crate) fn progress(content: &str) -> Progress {
    content
        .lines()
        .filter_map(|line| line.split_once(": "))
        .filter_map(|(keyword, rest)| match keyword {
            // DelayedRetry is ignored: Asterisk appends one per retry time while
            // an attempt seems to be running.
            "StartRetry" => Some(Progress::Begun(time(rest))),
            "EndRetry" | "AbortRetry" => Some(Progress::Waiting),
            "Status" if rest.trim() == "Completed" => Some(Progress::Completed),
            "Status" => Some(Progress::GivenUp),
            _ => None,
        })
        .next_back()
        .unwrap_or(Progress::Untouched)
}

/// The time in `1234 0 (1795304460)`: pid, retries, seconds since 1970.
fn time(rest: &str) -> u64 {
    let inner = rest
        .split_once('(')
        .and_then(|(_, rest)| rest.split_once(')'));
    inner.and_then(|(time, _)| time.parse().ok()).unwrap_or(0)
}

/// How many attempts Asterisk has begun.
pub(crate) fn attempts(content: &str) -> usize {
    let is_start = |line: &&str| line.starts_with("StartRetry: ");
    content.lines().filter(is_start).count()
}

/// The call file without the lines that Asterisk has appended.
pub(crate) fn without_attempts(content: &str) -> String {
    const APPENDED: [&str; 5] = [
        "StartRetry: ",
        "EndRetry: ",
        "AbortRetry: ",
        "DelayedRetry: ",
        "Status: ",
    ];
    content
        .lines()
        .filter(|line| !line.is_empty() && !APPENDED.iter().any(|word| line.starts_with(word)))
        .flat_map(|line| [line, "\n"])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_appended_line_decides() {
        let start = "Channel: Local/1@x\nsetvar: MESSAGE(body)=Status: Completed\n";
        for (appended, expected) in [
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
            let content = format!("{start}{appended}");
            assert_eq!(progress(&content), expected, "{appended}");
            assert_eq!(without_attempts(&content), start);
        }
    }
}
