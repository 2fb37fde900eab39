//! Recovers the call files that an earlier run left in staging.

use std::io;
use std::time::Duration;

use tracing::{info, warn};

use super::layout::{call_files_in, put_irregular_aside};
use super::name::CallFileName;
use crate::storage::durable::Directory;

/// The call files that an earlier run accepted and did not hand over, in order.
/// Removes files of messages that it had not stored completely, which were never
/// accepted. What is left of an accepted message of which a part is damaged is among
/// the first.
///
/// # Errors
/// When the directory cannot be read or a file not removed.
pub(crate) fn recover(staging: &Directory) -> io::Result<Vec<CallFileName>> {
    let temporary = staging.remove_temporary(Duration::ZERO)?;
    let damaged = put_irregular_aside(staging, staging.path());
    let is_damaged = |part: &CallFileName| damaged.iter().any(|name| name.id() == part.id());
    let names = call_files_in(staging.path())?;
    let (complete, incomplete): (Vec<_>, Vec<_>) = names
        .chunk_by(|one, other| one.id() == other.id())
        .partition(|parts| {
            let last = parts.last();
            last.is_some_and(|part| part.is_last() || is_damaged(part))
        });
    let incomplete = incomplete.concat();
    for name in &incomplete {
        staging.remove(&name.to_os_string())?;
    }
    let removed = temporary + incomplete.len();
    if removed > 0 {
        warn!(files = removed, "incomplete call files removed");
    }
    let names = complete.concat();
    if !names.is_empty() {
        info!(files = names.len(), "call files found in staging");
    }
    Ok(names)
}
