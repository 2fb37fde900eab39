//! `[websms]`: who sends a message, how often it is tried, and which notices the
//! sender gets.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::syntax::keys::websms as keys;
use crate::config::syntax::reader::Reader;
use crate::config::syntax::value::{self, HeaderName, Kind as _};
use crate::model::interface::InterfaceName;

/// How an interface delivers messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliverySettings {
    pub mode: DeliveryMode,
    /// Requests of the outbox at the same time.
    pub concurrency: usize,
    /// Messages of the outbox per second; `None` sets no limit.
    pub rate: Option<u32>,
    pub retry: RetrySettings,
    /// The interface to use when this one fails in a way that is safe to repeat.
    pub fallback: Option<InterfaceName>,
    pub idempotency: IdempotencySettings,
    /// Notice about a message that was not sent; empty sends none.
    pub notice_failed: String,
    /// Notice about a message that may have been sent.
    pub notice_unknown: String,
    /// Notice about a message that the provider could not deliver.
    pub notice_undelivered: String,
    /// Notice about several messages that were not delivered.
    pub notice_more: String,
    /// How long a sent message is kept for its receipt; zero keeps none.
    pub receipt_lifetime: Duration,
}

/// Who sends the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryMode {
    /// `websms` itself, while the dialplan waits.
    Direct,
    /// `websmsd`, from the outbox.
    Queue,
}

/// When a message is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetrySettings {
    /// Wait before the second attempt; it doubles with each.
    pub min: Duration,
    /// Longest wait between two attempts.
    pub max: Duration,
    /// Time for all attempts, from when the message was queued.
    pub lifetime: Duration,
    /// Attempts within the lifetime; `None` sets no limit.
    pub attempts: Option<u32>,
    /// Whether a message is tried again that may have been sent.
    pub unknown: bool,
}

/// How a request shows the provider that it repeats an earlier one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdempotencySettings {
    /// Parameter for the id of the message.
    pub parameter: Option<String>,
    /// Header for the id of the message.
    pub header: Option<String>,
}

const MODES: [(&str, DeliveryMode); 2] = [
    ("direct", DeliveryMode::Direct),
    ("queue", DeliveryMode::Queue),
];

/// For messages of an interface that is not configured any more.
impl Default for DeliverySettings {
    fn default() -> Self {
        Self {
            mode: DeliveryMode::Queue,
            concurrency: 8,
            rate: None,
            retry: RetrySettings {
                min: Duration::from_secs(5),
                max: Duration::from_secs(300),
                lifetime: Duration::from_secs(14_400),
                attempts: None,
                unknown: false,
            },
            fallback: None,
            idempotency: IdempotencySettings::default(),
            notice_failed: keys::NOTICE_FAILED.default.to_owned(),
            notice_unknown: keys::NOTICE_UNKNOWN.default.to_owned(),
            notice_undelivered: keys::NOTICE_UNDELIVERED.default.to_owned(),
            notice_more: keys::NOTICE_MORE.default.to_owned(),
            receipt_lifetime: Duration::ZERO,
        }
    }
}

impl DeliverySettings {
    /// Whether a request that may have arrived can be repeated. A fallback does not
    /// know the ids that another provider has seen.
    pub fn may_repeat(&self) -> bool {
        let IdempotencySettings { parameter, header } = &self.idempotency;
        let has_id = parameter.is_some() || header.is_some();
        self.retry.unknown || (has_id && self.fallback.is_none())
    }
}

/// Reads one interface; `None` after a mistake, which has been recorded.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<DeliverySettings> {
    let mode = reader.choose(&keys::DELIVERY, &MODES);
    let concurrency = reader.read(&keys::CONCURRENCY);
    let rate = reader.read(&keys::RATE);
    let min = reader.read(&keys::RETRY_MIN);
    let max = reader.read(&keys::RETRY_MAX);
    let lifetime = reader.read(&keys::QUEUE_LIFETIME);
    let attempts = reader.read(&keys::MAX_ATTEMPTS);
    let unknown = reader.read(&keys::RETRY_UNKNOWN);
    let fallback = reader.read_as(&keys::FALLBACK, |raw| {
        value::optional(raw)?
            .map(|name| InterfaceName::parse(&name).map_err(|error| error.to_string()))
            .transpose()
    });
    let parameter = reader.read(&keys::KEY_IDEMPOTENCY);
    let header = reader.read_as(&keys::HEADER_IDEMPOTENCY, |raw| {
        value::optional(raw)?
            .map(|name| HeaderName.parse(&name))
            .transpose()
    });
    let notice_failed = reader.read(&keys::NOTICE_FAILED);
    let notice_unknown = reader.read(&keys::NOTICE_UNKNOWN);
    let notice_undelivered = reader.read(&keys::NOTICE_UNDELIVERED);
    let notice_more = reader.read(&keys::NOTICE_MORE);
    let receipt_lifetime = reader.read(&keys::RECEIPT_TTL);
    if min > max && max.is_some() {
        reader.mistake(&keys::RETRY_MIN, "must not be more than retry_max");
        return None;
    }
    Some(DeliverySettings {
        mode: mode?,
        concurrency: concurrency?,
        rate: rate?,
        retry: RetrySettings {
            min: min?,
            max: max?,
            lifetime: lifetime?,
            attempts: attempts?,
            unknown: unknown?,
        },
        fallback: fallback?,
        idempotency: IdempotencySettings {
            parameter: parameter?,
            header: header?,
        },
        notice_failed: notice_failed?.unwrap_or_default(),
        notice_unknown: notice_unknown?.unwrap_or_default(),
        notice_undelivered: notice_undelivered?.unwrap_or_default(),
        notice_more: notice_more?.unwrap_or_default(),
        receipt_lifetime: receipt_lifetime?,
    })
}

/// Reads the directory of the outbox, which all interfaces share.
pub(crate) fn read_directory(reader: &mut Reader<'_>) -> Option<PathBuf> {
    reader.read(&keys::OUTBOXDIR)
}

/// Reads whether a message without an index is sent by the interface on which the
/// other party last wrote.
pub(crate) fn read_reply(reader: &mut Reader<'_>) -> Option<bool> {
    reader.choose(&keys::REPLY_INDEX, &[("first", false), ("auto", true)])
}
