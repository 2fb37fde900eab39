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
}

impl CallFileName {
    /// The name for a part of a message, counted from 0.
    #[must_use]
    pub fn new(id: Id, part: u16) -> Self {
        Self { id, part }
    }

    /// Reads a name that [`Self::to_os_string`] wrote.
    #[must_use]
    pub fn parse(name: &OsStr) -> Option<Self> {
        let (id, part) = name.to_str()?.strip_suffix(".call")?.rsplit_once('-')?;
        let read = Self::new(id.parse().ok()?, part.parse().ok()?);
        (read.to_os_string() == name).then_some(read)
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
        write!(f, "{}-{:04}.call", self.id, self.part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_is_read_back_and_no_other() {
        let name = CallFileName::new("1795304460000001-000000ab".parse().unwrap(), 3);
        assert_eq!(name.to_string(), "1795304460000001-000000ab-0003.call");
        assert_eq!(CallFileName::parse(&name.to_os_string()), Some(name));
        for other in [
            "1795304460000001-000000ab-3.call",
            "1795304460000001-000000ab-0003",
            "1795304460000001-000000ab.call",
            "x.call",
            ".call",
        ] {
            assert_eq!(CallFileName::parse(OsStr::new(other)), None, "{other}");
        }
    }
}
