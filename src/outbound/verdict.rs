//! What became of a message, in words that dialplan, shell and log share.

use std::time::Duration;

use crate::exit::Exit;

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was not sent, and sending it again is safe.
    Failed,
    /// It is in the outbox, and `websmsd` will send it.
    Queued,
    /// It cannot be sent as it is: the provider said no, or we do.
    Rejected,
    /// The provider said yes.
    Sent,
    /// It may have been sent or not; sending it again may send it twice.
    Unknown,
}

impl Outcome {
    /// The word that the dialplan finds in `WEBSMS_STATUS`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "FAILED",
            Self::Queued => "QUEUED",
            Self::Rejected => "REJECTED",
            Self::Sent => "SENT",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// Why a message was not sent. The words are fixed: the dialplan finds them in
/// `WEBSMS_ERROR` and may show them on a phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The command line is not `TO FROM BODY [INDEX [ENCODING]]`.
    BadArguments,
    /// The configuration cannot be used.
    BadConfiguration,
    /// The destination is none that `to_match` allows.
    BadNumber,
    /// 429 or 503.
    Busy,
    /// The certificate does not hold, or no encryption could be agreed on.
    Certificate,
    /// 401.
    Credentials,
    /// There is no text. Asterisk drops the body of a SIP MESSAGE of more than
    /// 1,023 bytes and hands on an empty one (`res_pjsip_messaging.c`,
    /// `print_body`).
    EmptyText,
    /// `websmsd` ended, or was ended, while the message was being sent.
    Interrupted,
    /// Connection closed or time over after the request was sent.
    NoAnswer,
    /// No connection: refused, unreachable, no such host, too slow.
    NoConnection,
    /// The picture that goes along cannot be fetched.
    NoPicture,
    /// Its time was over before it was tried.
    NotInTime,
    /// The outbox could not take it.
    NotStored,
    /// 5xx.
    ProviderError,
    /// 3xx; redirects are not followed.
    Redirected,
    /// 4xx.
    Refused,
    /// The text needs more segments than `max_segments` allows.
    TextTooLong,
    /// 2xx, but not with what `response_check` asks for.
    UnexpectedAnswer,
    /// No such interface.
    UnknownIndex,
}

impl Reason {
    /// Every reason.
    const ALL: [Self; 19] = [
        Self::BadArguments,
        Self::BadConfiguration,
        Self::BadNumber,
        Self::Busy,
        Self::Certificate,
        Self::Credentials,
        Self::EmptyText,
        Self::Interrupted,
        Self::NoAnswer,
        Self::NoConnection,
        Self::NoPicture,
        Self::NotInTime,
        Self::NotStored,
        Self::ProviderError,
        Self::Redirected,
        Self::Refused,
        Self::TextTooLong,
        Self::UnexpectedAnswer,
        Self::UnknownIndex,
    ];

    /// The reason that these words are for.
    #[must_use]
    pub(crate) fn parse(words: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.text() == words)
    }

    /// What it makes of a message that no request was made for.
    #[must_use]
    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Self::BadArguments | Self::BadNumber | Self::EmptyText | Self::TextTooLong => {
                Outcome::Rejected
            }
            _ => Outcome::Failed,
        }
    }

    /// The words for it.
    #[must_use]
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::BadArguments => "bad arguments",
            Self::BadConfiguration => "bad configuration",
            Self::BadNumber => "not a number for this provider",
            Self::Busy => "provider is busy",
            Self::Certificate => "certificate not trusted",
            Self::Credentials => "credentials not accepted",
            Self::EmptyText => "text empty or too long",
            Self::Interrupted => "interrupted while it was sent",
            Self::NoAnswer => "no answer from provider",
            Self::NoConnection => "no connection to provider",
            Self::NoPicture => "picture cannot be fetched",
            Self::NotInTime => "not sent in time",
            Self::NotStored => "outbox cannot take it",
            Self::ProviderError => "error at provider",
            Self::Redirected => "provider has moved",
            Self::Refused => "refused by provider",
            Self::TextTooLong => "text too long",
            Self::UnexpectedAnswer => "not accepted by provider",
            Self::UnknownIndex => "unknown index",
        }
    }
}

/// What became of a message, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// What became of it.
    pub outcome: Outcome,
    /// Why, unless it was sent.
    pub reason: Option<Reason>,
    /// More for the log; may repeat what the provider said.
    pub detail: String,
    /// How long the provider wants to be left alone.
    pub retry_after: Option<Duration>,
    /// What the provider calls the message that it accepted, if it says so.
    pub provider_id: Option<String>,
    /// Why it was not sent in words of the provider's, or of the configuration's
    /// for its code.
    pub explanation: Option<String>,
    /// Whether the fallback is to be tried though the provider said no.
    pub use_fallback: bool,
}

impl Verdict {
    /// It was sent.
    #[must_use]
    pub(crate) fn sent(detail: String) -> Self {
        Self {
            outcome: Outcome::Sent,
            reason: None,
            detail,
            retry_after: None,
            provider_id: None,
            explanation: None,
            use_fallback: false,
        }
    }

    /// It waits in the outbox.
    #[must_use]
    pub(crate) fn queued() -> Self {
        Self {
            outcome: Outcome::Queued,
            reason: None,
            detail: String::new(),
            retry_after: None,
            provider_id: None,
            explanation: None,
            use_fallback: false,
        }
    }

    /// It was not, or perhaps not.
    #[must_use]
    pub(crate) fn not_sent(outcome: Outcome, reason: Reason, detail: String) -> Self {
        Self {
            outcome,
            reason: Some(reason),
            detail,
            retry_after: None,
            provider_id: None,
            explanation: None,
            use_fallback: false,
        }
    }
}

impl Verdict {
    /// Why it was not sent, in words for the sender.
    #[must_use]
    pub(crate) fn reason_for_sender(&self) -> &str {
        let reason = self.reason.map_or("", Reason::text);
        self.explanation.as_deref().unwrap_or(reason)
    }
}

impl From<Outcome> for Exit {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Failed => Self::Failed,
            Outcome::Rejected => Self::Rejected,
            Outcome::Queued | Outcome::Sent => Self::Success,
            Outcome::Unknown => Self::Unknown,
        }
    }
}
