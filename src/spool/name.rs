//! Names of call files: the message and which part of it.

use std::ffi::{OsStr, OsString};
use std::fmt;

use crate::id::Id;

/// The name of a call file. In the order of their text, names are in the order
/// in which the files shall reach Asterisk.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallFileName {
    id: Id,
    part: u16,
    parts: u16,
}

impl CallFileName {
    /// The names for the parts of a message, in order.
    pub fn all(id: Id, parts: u16) -> impl Iterator<Item = Self> {
        (1..=parts).map(move |part| Self { id, part, parts })
    }

    /// Reads a name that [`Self::to_os_string`] wrote.
    #[must_use]
    pub fn parse(name: &OsStr) -> Option<Self> {
        let (id, part) = name.to_str()?.strip_suffix(".call")?.rsplit_once('-')?;
        let (part, parts) = part.split_once("of")?;
        let read = Self {
            id: id.parse().ok()?,
            part: part.parse().ok()?,
            parts: parts.parse().ok()?,
        };
        (read.to_os_string() == name).then_some(read)
    }

    /// Whether it is the last part of its message. It is stored last; without
    /// it the others are not a whole message.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.part == self.parts
    }

    /// The message.
    #[must_use]
    pub fn id(&self) -> Id {
        self.id
    }

    /// The name as the file system has it.
    #[must_use]
    pub fn to_os_string(&self) -> OsString {
        self.to_string().into()
    }
}

impl fmt::Display for CallFileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:04}of{:04}.call", self.id, self.part, self.parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_is_read_back_and_no_other() {
        let id = "1795304460000001-000000ab".parse().unwrap();
        let names: Vec<_> = CallFileName::all(id, 2).collect();
        let texts: Vec<_> = names.iter().map(ToString::to_string).collect();
        let expected = [
            "1795304460000001-000000ab-0001of0002.call",
            "1795304460000001-000000ab-0002of0002.call",
        ];
        assert_eq!(texts, expected);
        let last: Vec<_> = names.iter().map(CallFileName::is_last).collect();
        assert_eq!(last, [false, true]);
        for name in names {
            assert_eq!(CallFileName::parse(&name.to_os_string()), Some(name));
        }
        for other in [
            "1795304460000001-000000ab-1of1.call",
            "1795304460000001-000000ab-0001of0001",
            "1795304460000001-000000ab-0001.call",
            "1795304460000001-000000ab.call",
            "x.call",
            ".call",
        ] {
            assert_eq!(CallFileName::parse(OsStr::new(other)), None, "{other}");
        }
    }
}
