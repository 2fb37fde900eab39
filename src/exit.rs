//! The statuses that the program ends with. Asterisk tells zero from the rest
//! (`AGISTATUS`); scripts may want to know more. The numbers are those of
//! sysexits(3) where it has one.

use std::process::{ExitCode, Termination};

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: sent, or nothing to complain about.
    Success,
    /// 64: the command line is wrong.
    Usage,
    /// 65: there is no text to send.
    EmptyText,
    /// 69: not sent, and safe to try again: no connection, or the provider is
    /// busy.
    Failed,
    /// 70: something that should not happen.
    Internal,
    /// 75: it may have been sent or not: no answer, or an error at the
    /// provider.
    Unknown,
    /// 76: the provider said no, or the text has more segments than it may.
    Rejected,
    /// 78: the configuration, or what it leads to, cannot be used.
    Configuration,
}

impl Exit {
    /// Every way to end, for whoever documents them.
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

    /// The status.
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
