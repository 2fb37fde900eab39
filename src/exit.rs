//! Exit statuses. Asterisk distinguishes only zero from the rest (`AGISTATUS`);
//! scripts can distinguish all. The numbers are those of sysexits(3) where it
//! has one.
//!
//! `conf/REFERENCE.md` documents them for each subcommand.

use std::process::{ExitCode, Termination};

/// How the program ends, in the order of the statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: sent, in the outbox, or done.
    Success,
    /// 64: arguments are missing or wrong.
    Usage,
    /// 65: the message has no text.
    EmptyText,
    /// 69: not sent or not done, and safe to try again: no connection, or the
    /// provider is busy.
    Failed,
    /// 70: an internal error, which should not happen.
    Internal,
    /// 75: unknown whether it was sent or done: no answer, or an error at the
    /// provider.
    Unknown,
    /// 76: the provider refused it, or the text has more segments than
    /// `max_segments`.
    Rejected,
    /// 78: the configuration, or a file, directory or account that it names, cannot
    /// be used.
    Configuration,
}

impl Exit {
    /// Every status, to compare with the documentation.
    pub const ALL: [Self; 8] = [
        Self::Success,
        Self::Usage,
        Self::EmptyText,
        Self::Failed,
        Self::Internal,
        Self::Unknown,
        Self::Rejected,
        Self::Configuration,
    ];

    /// The number.
    #[must_use]
    pub fn status(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Usage => 64,
            Self::EmptyText => 65,
            Self::Failed => 69,
            Self::Internal => 70,
            Self::Unknown => 75,
            Self::Rejected => 76,
            Self::Configuration => 78,
        }
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        self.status().into()
    }
}
