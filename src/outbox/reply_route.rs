//! On which interface did somebody last write to us? An answer goes the same
//! way: a reply to a chat to the chat, one to a text as a text.
//!
//! It is remembered in a directory beside the outbox, a file for each pair of
//! numbers, so that `websms` knows it without asking anybody.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use crate::model::digest::digest;
use crate::model::interface::InterfaceName;
use crate::storage::durable::Directory;

/// Pairs that are kept in memory, to write nothing that is known.
const CACHE_MAX: usize = 10_000;

/// Remembers interfaces.
#[derive(Debug)]
pub(crate) struct ReplyRoutes {
    directory: Directory,
    cache: Mutex<HashMap<String, InterfaceName>>,
}

impl ReplyRoutes {
    /// In a directory of the outbox, which must be there.
    #[must_use]
    pub(crate) fn new(directory: Directory) -> Self {
        let known = Mutex::default();
        Self {
            directory,
            cache: known,
        }
    }

    /// Somebody has written to a number of ours. Blocks.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub(crate) fn record(
        &self,
        ours: &str,
        theirs: &str,
        interface: &InterfaceName,
    ) -> io::Result<()> {
        let name = file(ours, theirs);
        let mut known = self.cache.lock();
        if known.get(&name) == Some(interface) {
            return Ok(());
        }
        let line = format!("{}\n", interface.as_str());
        self.directory
            .replace(line.as_bytes(), name.as_ref())
            .map_err(io::Error::other)?;
        if known.len() >= CACHE_MAX {
            known.clear();
        }
        known.insert(name, interface.clone());
        Ok(())
    }
}

/// Where it is remembered for an outbox.
#[must_use]
pub(crate) fn directory(outbox: &Path) -> PathBuf {
    outbox.join("last")
}

/// The interface on which somebody last wrote to a number of ours, if that is
/// remembered.
#[must_use]
pub(crate) fn lookup(outbox: &Path, ours: &str, theirs: &str) -> Option<String> {
    let path = directory(outbox).join(file(ours, theirs));
    let name = std::fs::read_to_string(path).ok()?;
    Some(name.trim_end().to_owned())
}

/// The same for each form of the same numbers.
fn file(ours: &str, theirs: &str) -> String {
    let [ours, theirs] = [ours, theirs].map(without_prefix);
    hex::encode(digest::<20>(&[ours, theirs]))
}

/// A number without the international prefix; a name as it is.
fn without_prefix(party: &str) -> &str {
    let number = party.strip_prefix('+').or_else(|| party.strip_prefix("00"));
    number.unwrap_or(party)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::durable::Access;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn last_one_is_remembered_whatever_form_the_numbers_have() {
        let outbox = tempfile::tempdir().unwrap();
        let path = directory(outbox.path());
        std::fs::create_dir(&path).unwrap();
        let metadata = path.metadata().unwrap();
        let access = Access {
            mode: 0o600,
            user: metadata.uid(),
            group: metadata.gid(),
        };
        let lately = ReplyRoutes::new(Directory::new(&path, access));
        let name = |name: &str| InterfaceName::parse(name).unwrap();
        let last = |ours: &str, theirs: &str| lookup(outbox.path(), ours, theirs);
        assert_eq!(last("+1", "+2"), None);
        lately.record("+1", "+2", &name("chat")).unwrap();
        assert_eq!(last("1", "002").as_deref(), Some("chat"));
        lately.record("+1", "+2", &name("sms")).unwrap();
        assert_eq!(last("+1", "+2").as_deref(), Some("sms"));
        assert_eq!(last("+2", "+1"), None);
        lately
            .record("+1", "lid7", &InterfaceName::unnamed())
            .unwrap();
        assert_eq!(last("+1", "lid7").as_deref(), Some(""));
    }
}
