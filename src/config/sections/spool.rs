//! `[astqueue]`: the call files and the directories they pass through.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::syntax::keys::astqueue as keys;
use crate::config::syntax::reader::Reader;
use crate::config::syntax::value;

/// Call files and their directories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolSettings {
    /// Directory from which Asterisk takes call files.
    pub outgoing: PathBuf,
    /// Directory in which call files are written and wait.
    pub staging: PathBuf,
    /// What each call file contains besides the message.
    pub call_file: CallFileSettings,
    /// Directory in which Asterisk keeps finished call files, with
    /// `archive = yes`.
    pub done: PathBuf,
    /// Directory for call files that Asterisk gave up on.
    pub failed: PathBuf,
    /// How long delivered call files are kept in `done`.
    pub done_lifetime: Duration,
    /// Call files that Asterisk has to handle at the same time.
    pub max_outgoing: usize,
    /// Call files that may wait in `staging`; above that, messages are refused.
    pub max_waiting: usize,
    /// Bytes of the disk that stay free; below that, messages are refused.
    pub min_free: u64,
    /// Mode of call files; Asterisk's user must be able to read and write them.
    pub file_mode: u32,
    /// Owner of call files; `None` is the owner of `outgoing`.
    pub file_owner: Option<Owner>,
}

/// The parts of a call file besides the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallFileSettings {
    /// Seconds to wait until the Local channel answers.
    pub wait_time: u32,
    /// Attempts after the first.
    pub max_retries: u32,
    /// Seconds between attempts.
    pub retry_time: u32,
    /// Whether Asterisk keeps finished call files in `outgoing_done`.
    pub archive: bool,
    /// Context that answers the Local channel.
    pub channel_context: String,
    /// Context that handles the text.
    pub context: String,
    /// Priority in that context.
    pub priority: u32,
    /// Bytes of text in one SIP MESSAGE; a longer text becomes several.
    pub max_text: usize,
}

/// A user and perhaps a group, by name or number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    pub user: String,
    /// `None` is the user's own group.
    pub group: Option<String>,
}

/// Reads the section; `None` after a mistake, which has been recorded.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<SpoolSettings> {
    let outgoing = reader.read(&keys::OUTGOINGDIR);
    let staging = reader.read(&keys::STAGINGDIR);
    let call_file = read_call_file(reader);
    let done = reader.read(&keys::DONEDIR);
    let failed = reader.read(&keys::FAILEDDIR);
    let done_lifetime = reader.read(&keys::DONE_LIFETIME);
    let max_outgoing = reader.read(&keys::MAX_OUTGOING);
    let max_waiting = reader.read(&keys::MAX_WAITING);
    let min_free = reader.read(&keys::MIN_FREE);
    let file_mode = reader.read_as(&keys::FILEMODE, file_mode);
    let file_owner = reader.read_as(&keys::FILEOWNER, owner);
    if outgoing.is_some() && outgoing == staging {
        let message = "is the same as outgoingdir: Asterisk would read half-written files";
        reader.mistake(&keys::STAGINGDIR, message);
        return None;
    }
    let (outgoing, staging) = (outgoing?, staging?);
    Some(SpoolSettings {
        // Where Asterisk puts them: `qdonedir` (`pbx/pbx_spool.c`).
        done: done?.unwrap_or_else(|| outgoing.with_file_name("outgoing_done")),
        failed: failed?.unwrap_or_else(|| staging.with_file_name("failed")),
        outgoing,
        staging,
        call_file: call_file?,
        done_lifetime: done_lifetime?,
        max_outgoing: max_outgoing?,
        max_waiting: max_waiting?,
        min_free: min_free?,
        file_mode: file_mode?,
        file_owner: file_owner?,
    })
}

fn read_call_file(reader: &mut Reader<'_>) -> Option<CallFileSettings> {
    let wait_time = reader.read(&keys::WAITTIME);
    let max_retries = reader.read(&keys::MAXRETRIES);
    let retry_time = reader.read(&keys::RETRYTIME);
    let archive = reader.read(&keys::ARCHIVE);
    let channel_context = reader.read(&keys::CHANNEL_CONTEXT);
    let context = reader.read(&keys::CONTEXT);
    let priority = reader.read(&keys::PRIORITY);
    let encoding = reader.choose(&keys::MESSAGE_ENCODE, &[("rfc3986", ())]);
    let max_text = reader.read(&keys::MAX_TEXT);
    encoding?;
    Some(CallFileSettings {
        wait_time: wait_time?,
        max_retries: max_retries?,
        retry_time: retry_time?,
        archive: archive?,
        channel_context: channel_context?,
        context: context?,
        priority: priority?,
        max_text: max_text?,
    })
}

/// An octal mode by which the owner can read and write and no one can execute.
/// Asterisk appends to call files when it retries (`pbx/pbx_spool.c`,
/// `safe_append`).
fn file_mode(raw: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(raw, 8).ok();
    mode.filter(|mode| mode & 0o600 == 0o600 && mode & !0o666 == 0)
        .ok_or_else(|| keys::FILEMODE.expected())
}

fn owner(raw: &str) -> Result<Option<Owner>, String> {
    let Some(raw) = value::optional(raw)? else {
        return Ok(None);
    };
    let (user, group) = match raw.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (raw.as_str(), None),
    };
    if user.is_empty() || group == Some("") {
        return Err(keys::FILEOWNER.expected());
    }
    Ok(Some(Owner {
        user: user.to_owned(),
        group: group.map(str::to_owned),
    }))
}
