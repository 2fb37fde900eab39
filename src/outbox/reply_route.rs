//! Reply routes: the interface by which each party last wrote to each of our
//! numbers. An answer goes out by the same one: a chat is answered in the chat, an
//! SMS by SMS.
//!
//! They are files in a directory of the outbox, one for each pair of numbers, so
//! that `websms` can read them without the daemon.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use crate::model::digest::digest;
use crate::model::interface::InterfaceName;
use crate::storage::durable::Directory;
use crate::storage::regular_file::RegularFile;

/// Pairs whose route is kept in memory, so that it is not written again.
const CACHE_MAX: usize = 10_000;

/// Records reply routes.
#[derive(Debug)]
pub(crate) struct ReplyRoutes {
    directory: Directory,
    cache: Mutex<HashMap<String, InterfaceName>>,
}

impl ReplyRoutes {
    /// For a directory that exists.
    pub(crate) fn new(directory: Directory) -> Self {
        Self {
            directory,
            cache: Mutex::default(),
        }
    }

    /// Records that a party wrote to a number of ours by an interface. Blocks.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn record(
        &self,
        ours: &str,
        theirs: &str,
        interface: &InterfaceName,
    ) -> io::Result<()> {
        let name = file(ours, theirs);
        let mut cache = self.cache.lock();
        if cache.get(&name) == Some(interface) {
            return Ok(());
        }
        let line = format!("{}\n", interface.as_str());
        self.directory.replace(line.as_bytes(), name.as_ref())?;
        if cache.len() >= CACHE_MAX {
            cache.clear();
        }
        cache.insert(name, interface.clone());
        Ok(())
    }
}

/// Bytes of a file at most: the name of an interface.
const FILE_MAX: u64 = 4096;

/// The directory of reply routes in an outbox.
pub(crate) fn directory(outbox: &Path) -> PathBuf {
    outbox.join("last")
}

/// The interface by which a party last wrote to a number of ours, if it ever did.
pub(crate) fn lookup(outbox: &Path, ours: &str, theirs: &str) -> Option<String> {
    let name = file(ours, theirs);
    let file = RegularFile::read(&directory(outbox), name.as_ref(), FILE_MAX).ok()?;
    Some(file.text().trim_end().to_owned())
}

/// The name of a file, the same for every notation of the two numbers.
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

    fn routes() -> (tempfile::TempDir, ReplyRoutes) {
        let outbox = tempfile::tempdir().unwrap();
        let path = directory(outbox.path());
        std::fs::create_dir(&path).unwrap();
        let directory = Directory::with_owner_of(&path, 0o600).unwrap();
        (outbox, ReplyRoutes::new(directory))
    }

    fn name(name: &str) -> InterfaceName {
        InterfaceName::parse(name).unwrap()
    }

    #[test]
    fn number_of_routes_in_memory_is_bounded() {
        let (outbox, routes) = routes();
        let filled = (0..CACHE_MAX).map(|number| (number.to_string(), name("chat")));
        routes.cache.lock().extend(filled);
        routes.record("+1", "+2", &name("sms")).unwrap();
        assert_eq!(routes.cache.lock().len(), 1);
        assert_eq!(lookup(outbox.path(), "+1", "+2").as_deref(), Some("sms"));
    }

    #[test]
    fn last_route_is_found_in_any_notation_of_the_numbers() {
        let (outbox, routes) = routes();
        let last = |ours: &str, theirs: &str| lookup(outbox.path(), ours, theirs);
        assert_eq!(last("+1", "+2"), None);
        routes.record("+1", "+2", &name("chat")).unwrap();
        assert_eq!(last("1", "002").as_deref(), Some("chat"));
        routes.record("+1", "+2", &name("sms")).unwrap();
        assert_eq!(last("+1", "+2").as_deref(), Some("sms"));
        assert_eq!(last("+2", "+1"), None);
        routes
            .record("+1", "lid7", &InterfaceName::unnamed())
            .unwrap();
        assert_eq!(last("+1", "lid7").as_deref(), Some(""));
    }
}
