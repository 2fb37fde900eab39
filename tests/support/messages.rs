//! Messages as phones would see them, put together from all their call files.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::callfile;

/// A message that has arrived.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Message {
    pub(crate) to: String,
    pub(crate) from: String,
    pub(crate) text: String,
}

/// The messages in these call files, in the order of their names; the first
/// thing that is wrong otherwise: a file that says anything but what a message
/// says, or a message of which a part is missing.
pub(crate) fn whole(files: &[(OsString, String)]) -> Result<Vec<Message>, String> {
    let mut found: BTreeMap<&str, BTreeMap<usize, Message>> = BTreeMap::new();
    let mut expected = BTreeMap::new();
    for (name, content) in files {
        let shown = name.display();
        let (id, part, parts) = place(name).ok_or_else(|| format!("{shown} is not ours"))?;
        let (to, from, text) = callfile::message(content.as_bytes())
            .map_err(|problem| format!("{shown} holds {content:?}: {problem}"))?;
        let text = String::from_utf8(text).map_err(|error| format!("{shown}: {error}"))?;
        let message = Message { to, from, text };
        found.entry(id).or_default().insert(part, message);
        expected.insert(id, parts);
    }
    let mut messages = Vec::new();
    for (id, parts) in found {
        let there: Vec<_> = parts.keys().copied().collect();
        if !there.iter().copied().eq(1..=expected[id]) {
            return Err(format!("{id} has only {there:?} of {} parts", expected[id]));
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

/// Which message a call file belongs to, which part it is and of how many.
pub(crate) fn place(name: &OsString) -> Option<(&str, usize, usize)> {
    let stem = name.to_str()?.strip_suffix(".call")?;
    let (rest, _conversation) = stem.rsplit_once('-')?;
    let (id, part) = rest.rsplit_once('-')?;
    let (part, parts) = part.split_once("of")?;
    Some((id, part.parse().ok()?, parts.parse().ok()?))
}
