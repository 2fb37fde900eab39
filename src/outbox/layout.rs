//! The directories of the outbox, and the records in them.

use std::io;
use std::path::{Path, PathBuf};

use crate::outbox::name::OutboxName;
use crate::outbox::record::Record;
use crate::storage::regular_file::RegularFile;

/// Bytes of a record at most: a text has no more than an argument of a program.
const RECORD_MAX: u64 = 4 << 20;

pub(super) const SENDING: &str = "sending";
pub(super) const SENT: &str = "sent";

/// The state of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutboxState {
    /// Given up.
    Failed,
    /// Waiting for its turn, or for its next attempt.
    Queued,
    /// Its request is in flight.
    Sending,
}

/// The messages in a directory, in order; none when the directory is missing.
pub(super) fn names(directory: &Path) -> io::Result<Vec<OutboxName>> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(OutboxName::parse(&entry?.file_name()));
    }
    names.sort();
    Ok(names)
}

pub(super) fn read(directory: &Path, name: OutboxName) -> io::Result<Record> {
    let file = RegularFile::read(directory, &name.to_os_string(), RECORD_MAX)?;
    let record = Record::from_json(&file.bytes);
    record.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// The directories of an outbox in which damaged files are put aside.
pub(crate) fn with_quarantine(outbox: &Path) -> [PathBuf; 2] {
    [SENDING, SENT].map(|name| outbox.join(name))
}
