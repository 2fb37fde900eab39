//! Names of call files: id and part of the message, and its conversation.

use std::ffi::{OsStr, OsString};
use std::fmt;

use crate::model::id::Id;
use crate::model::message::Conversation;
use crate::storage::conversation_queue::Queued;

/// The name of a call file,
/// `<id>-<part>of<parts>-<conversation>.call`. Names sort, as text, in the order
/// in which the files must reach Asterisk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CallFileName {
    id: Id,
    part: u16,
    parts: u16,
    conversation: Conversation,
}

impl CallFileName {
    /// The names of all parts of a message, in order.
    pub(crate) fn all(
        id: Id,
        parts: u16,
        conversation: Conversation,
    ) -> impl Iterator<Item = Self> {
        (1..=parts).map(move |part| Self {
            id,
            part,
            parts,
            conversation,
        })
    }

    /// Parses a name; `None` for names that [`Self::to_os_string`] does not write.
    pub(crate) fn parse(name: &OsStr) -> Option<Self> {
        let stem = name.to_str()?.strip_suffix(".call")?;
        let (rest, conversation) = stem.rsplit_once('-')?;
        let (id, part) = rest.rsplit_once('-')?;
        let (part, parts) = part.split_once("of")?;
        let read = Self {
            id: id.parse().ok()?,
            part: part.parse().ok()?,
            parts: parts.parse().ok()?,
            conversation: conversation.parse().ok()?,
        };
        (read.to_os_string() == name).then_some(read)
    }

    /// Whether this is the last part of its message. The last part is stored
    /// last: when it is missing, the message is incomplete.
    pub(crate) fn is_last(&self) -> bool {
        self.part == self.parts
    }

    /// Part and number of parts, as in `1/3`.
    pub(crate) fn part_of(&self) -> String {
        format!("{}/{}", self.part, self.parts)
    }

    pub(crate) fn id(&self) -> Id {
        self.id
    }

    pub(crate) fn to_os_string(self) -> OsString {
        self.to_string().into()
    }
}

impl Queued for CallFileName {
    fn conversation(&self) -> Conversation {
        self.conversation
    }
}

impl fmt::Display for CallFileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            id,
            part,
            parts,
            conversation,
        } = self;
        write!(f, "{id}-{part:04}of{parts:04}-{conversation}.call")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_as_written_are_parsed() {
        let id = "1795304460000001-000000ab".parse().unwrap();
        let names: Vec<_> = CallFileName::all(id, 2, "00000000000000ff".parse().unwrap()).collect();
        let texts: Vec<_> = names.iter().map(ToString::to_string).collect();
        let expected = [
            "1795304460000001-000000ab-0001of0002-00000000000000ff.call",
            "1795304460000001-000000ab-0002of0002-00000000000000ff.call",
        ];
        assert_eq!(texts, expected);
        let last: Vec<_> = names.iter().map(CallFileName::is_last).collect();
        assert_eq!(last, [false, true]);
        for name in names {
            assert_eq!(CallFileName::parse(&name.to_os_string()), Some(name));
        }
        for other in [
            "1795304460000001-000000ab-1of1-00000000000000ff.call",
            "1795304460000001-000000ab-0001of0001-00000000000000FF.call",
            "1795304460000001-000000ab-0001of0001-00000000000000ff",
            "1795304460000001-000000ab-0001of0001.call",
            "1795304460000001-000000ab-00000000000000ff.call",
            "1795304460000001-000000ab.call",
            "x.call",
            ".call",
        ] {
            assert_eq!(CallFileName::parse(OsStr::new(other)), None, "{other}");
        }
    }
}
