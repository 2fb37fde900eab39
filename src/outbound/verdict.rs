//! What became of a message, in words that dialplan, shell and log share.

use std::time::Duration;

use crate::exit::Exit;

/// The outcome of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Not sent; sending it again is safe.
    Failed,
    /// In the outbox: `websmsd` will send it.
    Queued,
    /// Not sent, and it cannot be sent as it is: the provider or we refuse it.
    Rejected,
    /// The provider accepted it.
    Sent,
    /// Perhaps sent; sending it again may send it twice.
    Unknown,
}

impl Outcome {
    /// The value of `WEBSMS_STATUS`.
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

/// Why a message was not sent. The texts are fixed: the dialplan finds them in
/// `WEBSMS_ERROR` and may show them on a phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The arguments are not `TO FROM BODY [INDEX [ENCODING]]`.
    BadArguments,
    BadConfiguration,
    /// The destination does not match `to_match`.
    BadNumber,
    /// 429 or 503.
    Busy,
    /// The certificate is not trusted, or no encryption was agreed on.
    Certificate,
    /// 401.
    Credentials,
    /// There is no text. Asterisk drops the body of a SIP MESSAGE of more than
    /// 1,023 bytes and passes on an empty one (`res_pjsip_messaging.c`,
    /// `print_body`).
    EmptyText,
    /// `websmsd` ended, or was ended, while it sent the message.
    Interrupted,
    /// The connection was lost, or the time was over, after the request was sent.
    NoAnswer,
    /// Connection refused, host unreachable or unknown, or too slow.
    NoConnection,
    /// The picture that is sent with the message cannot be fetched.
    NoPicture,
    /// `queue_lifetime` was over before the first attempt.
    NotInTime,
    /// The outbox could not be written.
    NotStored,
    /// 5xx.
    ProviderError,
    /// 3xx; redirects are not followed.
    Redirected,
    /// 4xx, or a code that `fallback_on` lists.
    Refused,
    /// The text needs more segments than `max_segments` allows.
    TextTooLong,
    /// 2xx, but `response_check` does not hold.
    UnexpectedAnswer,
    /// No interface has this index.
    UnknownIndex,
    /// 2xx, but `response_check` cannot be applied: the body is too long, cut off or
    /// compressed.
    UnreadableAnswer,
}

impl Reason {
    const ALL: [Self; 20] = [
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
        Self::UnreadableAnswer,
    ];

    /// The reason whose text this is.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.text() == text)
    }

    /// The outcome for a message that no request was made for.
    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Self::BadArguments | Self::BadNumber | Self::EmptyText | Self::TextTooLong => {
                Outcome::Rejected
            }
            _ => Outcome::Failed,
        }
    }

    /// The value of `WEBSMS_ERROR`.
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
            Self::UnreadableAnswer => "unreadable answer from provider",
        }
    }
}

/// The outcome of a message, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub outcome: Outcome,
    /// `None` when the message was sent or queued.
    pub reason: Option<Reason>,
    /// Details for the log; may repeat a response of the provider.
    pub detail: String,
    /// How long the provider wants us to wait.
    pub retry_after: Option<Duration>,
    /// The provider's id of a message that it accepted, if it names one.
    pub provider_id: Option<String>,
    /// Why the message was not sent, in the words of the provider or of the
    /// configuration for the provider's code.
    pub explanation: Option<String>,
    /// Whether the fallback is to be used although the provider refused for good.
    pub use_fallback: bool,
}

impl Verdict {
    pub(crate) fn sent(detail: String) -> Self {
        Self::new(Outcome::Sent, None, detail)
    }

    pub(crate) fn queued() -> Self {
        Self::new(Outcome::Queued, None, String::new())
    }

    /// A message that was not sent, or perhaps not.
    pub(crate) fn not_sent(outcome: Outcome, reason: Reason, detail: String) -> Self {
        Self::new(outcome, Some(reason), detail)
    }

    fn new(outcome: Outcome, reason: Option<Reason>, detail: String) -> Self {
        Self {
            outcome,
            reason,
            detail,
            retry_after: None,
            provider_id: None,
            explanation: None,
            use_fallback: false,
        }
    }

    /// Why the message was not sent, in words for its sender.
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
