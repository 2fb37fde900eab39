//! `[websms]`: where a response has a value, and how that is written.

use regex_lite::Regex;

use crate::config::syntax::value::{self, Kind as _, Places};
use crate::document::condition;
use crate::document::path::FieldPath;

/// Where a response has a value: an id, a code or a reason.
#[derive(Debug, Clone)]
pub enum ResponsePlace {
    /// In its JSON, at the first of these places that has one.
    At(Vec<FieldPath>),
    /// In the first group of a pattern that matches the text of the response.
    Matched(Regex),
}

/// Places, or a `/pattern/` with a group; `None` for the empty text.
///
/// # Errors
/// When a place is malformed, or a pattern is, or has no end or no group.
pub(crate) fn parse(raw: &str) -> Result<Option<ResponsePlace>, String> {
    let Some(raw) = value::optional(raw)? else {
        return Ok(None);
    };
    // `/sms,/mms` and `/data/x` look like patterns with flags, but are places.
    let closed = raw.contains('(') || raw.ends_with('/');
    if closed && condition::is_pattern(&raw) {
        return pattern(&raw).map(ResponsePlace::Matched).map(Some);
    }
    // No name of a field has these, and a place that is a pattern without an end
    // would never be found.
    if raw.starts_with('/') && raw.contains(['(', '^', '\\']) {
        let message = "the pattern is not closed (expected /pattern/ with a / at its end)";
        return Err(message.to_owned());
    }
    Places.parse(&raw).map(ResponsePlace::At).map(Some)
}

fn pattern(raw: &str) -> Result<Regex, String> {
    let pattern = condition::pattern(raw)?;
    if pattern.captures_len() < 2 {
        let message = "the pattern has no (group): put what is wanted in one";
        return Err(message.to_owned());
    }
    Ok(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_in_a_response_is_a_pattern_or_paths() {
        for (raw, paths) in [
            ("/sid", Some(1)),
            ("/sms,/mms", Some(2)),
            ("/data/x", Some(1)),
            ("id,/messages/*/id", Some(2)),
            ("/^Success \"(.*)\"/", None),
            ("/id: ([0-9]+)/im", None),
            ("/^ERR: (\\d+)/", None),
        ] {
            let found = match parse(raw).unwrap().unwrap() {
                ResponsePlace::At(paths) => Some(paths.len()),
                ResponsePlace::Matched(_) => None,
            };
            assert_eq!(found, paths, "{raw}");
        }
        assert!(parse("").unwrap().is_none());
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for (raw, message) in [
            ("/no group/", "has no (group)"),
            ("/^ERR: (\\d+/", "not a pattern: "),
            ("/^ERR: (\\d+)", "is not closed"),
            ("/^ERR: \\d+", "is not closed"),
        ] {
            let error = parse(raw).unwrap_err();
            assert!(error.contains(message), "{raw}: {error}");
        }
    }
}
