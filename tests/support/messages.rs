//! Messages as phones would get them, assembled from their call files.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::callfile;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Message {
    pub(crate) to: String,
    pub(crate) from: String,
    pub(crate) text: String,
}

/// The messages in these call files, in the order of the file names. It is an
/// error if a file holds anything but a part of a message, or if a part of a
/// message is missing.
pub(crate) fn assemble(files: &[(OsString, String)]) -> Result<Vec<Message>, String> {
    let mut found: BTreeMap<&str, BTreeMap<usize, Message>> = BTreeMap::new();
    let mut expected = BTreeMap::new();
    for (name, content) in files {
        let shown = name.display();
        let (id, part, parts) =
            part_of(name).ok_or_else(|| format!("{shown} is not a name of a call file"))?;
        let (to, from, text) = callfile::message(content.as_bytes())
            .map_err(|problem| format!("{shown} holds {content:?}: {problem}"))?;
        let text = String::from_utf8(text).map_err(|error| format!("{shown}: {error}"))?;
        let message = Message { to, from, text };
        found.entry(id).or_default().insert(part, message);
        expected.insert(id, parts);
    }
    let mut messages = Vec::new();
    for (id, parts) in found {
        let numbers: Vec<_> = parts.keys().copied().collect();
        if !numbers.iter().copied().eq(1..=expected[id]) {
            let count = expected[id];
            return Err(format!("{id} has only {numbers:?} of {count} parts"));
        }
        let text = parts.values().map(|part| part.text.as_str()).collect();
        messages.extend(
            parts
                .into_values()
                .next()
                .map(|part| Message { text, ..part }),
        );
    }
    Ok(messages)
}

/// What a name of a call file says: the message's id, the number of the part, and
/// how many parts there are.
pub(crate) fn part_of(name: &OsString) -> Option<(&str, usize, usize)> {
    let stem = name.to_str()?.strip_suffix(".call")?;
    let (rest, _conversation) = stem.rsplit_once('-')?;
    let (id, part) = rest.rsplit_once('-')?;
    let (part, parts) = part.split_once("of")?;
    Some((id, part.parse().ok()?, parts.parse().ok()?))
}
