//! Tells senders what became of their messages, by the way that texts take to
//! phones.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tracing::{error, info, warn};

use crate::outbox::notice::{NoticeLimit, notice};
use crate::outbox::record::Record;
use crate::spool::Spool;

/// Who tells senders.
#[derive(Debug, Clone)]
pub(crate) struct Notifier {
    spool: Spool,
    limit: Arc<Mutex<NoticeLimit>>,
}

impl Notifier {
    /// A teller whose notices go by call files.
    #[must_use]
    pub(crate) fn new(spool: Spool) -> Self {
        let limit = Arc::default();
        Self { spool, limit }
    }

    /// Tells the sender of a message why it did not arrive, as a template says.
    pub(crate) async fn notify(&self, id: &str, record: &Record, template: &str, reason: &str) {
        let Some(notice) = notice(record, template, reason) else {
            return info!(
                id,
                "the sender is not told: no notice is configured, or the sender has no number"
            );
        };
        let allowed = {
            let mut limit = self.limit.lock().unwrap_or_else(PoisonError::into_inner);
            limit.allows(notice.to.as_str(), Instant::now())
        };
        if !allowed {
            return warn!(
                id,
                "the sender is not told: too many notices within a minute"
            );
        }
        match self.spool.store(&[notice]).await {
            Ok(_) => info!(id, "the sender is told"),
            Err(error) => error!(id, %error, "failed to tell the sender"),
        }
    }
}
