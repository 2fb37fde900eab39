//! Errors of storing messages.

/// A message was not stored. Its sender must send it again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpoolError {
    /// The program is shutting down.
    #[error("store the message: shutting down")]
    Closed,
    /// The disk refused, for this reason. The administrator must act.
    #[error("store the message: {0}")]
    Disk(String),
    /// So many files wait already. Asterisk does not take them, or too slowly.
    #[error(
        "store the message: {0} call files wait already, which is max_waiting \
         (Asterisk does not take them)"
    )]
    Full(usize),
}
