//! Names of files in the outbox: id and conversation of the message.

use std::ffi::{OsStr, OsString};
use std::fmt;

use crate::model::id::Id;
use crate::model::message::Conversation;
use crate::storage::conversation_queue::Queued;

/// The name of a message's file. In the order of their text, names are in the
/// order in which the messages were queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct OutboxName {
    id: Id,
    conversation: Conversation,
}

impl OutboxName {
    pub(crate) fn new(id: Id, conversation: Conversation) -> Self {
        Self { id, conversation }
    }

    /// Reads a name that [`Self::to_os_string`] wrote.
    pub(crate) fn parse(name: &OsStr) -> Option<Self> {
        let stem = name.to_str()?.strip_suffix(".json")?;
        let (id, conversation) = stem.rsplit_once('-')?;
        let read = Self {
            id: id.parse().ok()?,
            conversation: conversation.parse().ok()?,
        };
        (read.to_os_string() == name).then_some(read)
    }

    pub(crate) fn id(self) -> Id {
        self.id
    }

    /// The name of the file.
    pub(crate) fn to_os_string(self) -> OsString {
        self.to_string().into()
    }
}

impl Queued for OutboxName {
    fn conversation(&self) -> Conversation {
        self.conversation
    }
}

impl fmt::Display for OutboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}.json", self.id, self.conversation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_is_read_back_and_nothing_else_is() {
        let name = OutboxName::new(Id::generate(None), Conversation::between("+1", "+2", ""));
        assert_eq!(OutboxName::parse(&name.to_os_string()), Some(name));
        let text = name.to_string();
        for other in [
            text.replace(".json", ".call"),
            text.replace('-', "_"),
            format!(".{text}"),
            format!("{text}.tmp"),
            String::new(),
        ] {
            assert_eq!(OutboxName::parse(other.as_ref()), None, "{other}");
        }
    }
}
