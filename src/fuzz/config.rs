//! `websms.conf`.

use std::path::Path;

use crate::config::syntax::ini as syntax;
use crate::config::{Severity, parse};

/// Any file: no line is lost unread, every problem has a line of the file, and the
/// report has a line for each. Reading the same twice gives the same.
pub fn ini(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let count = text.lines().count();
    let (entries, problems) = syntax::parse(&text);
    let entry_lines = entries.iter().map(|entry| entry.line);
    let mut read: Vec<_> = entry_lines
        .chain(problems.iter().filter_map(|p| p.line))
        .collect();
    assert_eq!(
        read.len(),
        entries.len() + problems.len(),
        "a problem without a line"
    );
    read.sort_unstable();
    for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let line = line.trim();
        let is_read = read.binary_search(&number).is_ok();
        let needs_no_entry = line.is_empty() || line.starts_with([';', '#', '[']);
        assert!(is_read || needs_no_entry, "line {number} was not read");
    }
    assert!(
        read.windows(2).all(|pair| matches!(pair, [a, b] if a < b)),
        "a line read twice"
    );
    assert!(read.last().is_none_or(|last| *last <= count));
    whole(&text, count);
}

fn whole(text: &str, count: usize) {
    let read = || parse(Path::new("websms.conf"), text, &|_, _| Ok(None));
    let (report, is_good) = match read() {
        Ok((_, report)) => (report, true),
        Err(report) => (report, false),
    };
    assert_eq!(is_good, report.worst() != Some(Severity::Mistake));
    for problem in &report.problems {
        assert!(
            problem.line.is_none_or(|line| (1..=count).contains(&line)),
            "{problem:?}"
        );
        assert!(!problem.message.is_empty());
    }
    for (_, line) in report.lines() {
        assert!(
            !line.contains('\n'),
            "a problem is not in one line: {line:?}"
        );
    }
    let again = match read() {
        Ok((_, report)) | Err(report) => report,
    };
    assert_eq!(report, again);
}
