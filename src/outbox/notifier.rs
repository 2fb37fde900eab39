//! Tells senders what became of their messages, by the way that texts take to
//! phones.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::{error, info, warn};

use crate::outbox::notice::notice;
use crate::outbox::record::Record;
use crate::resilience::rate_limit::KeyedRateLimit;
use crate::spool::Spool;

/// Notices that one sender gets within [`PERIOD`]. A sender whose messages fail
/// by the hundred learns it from the first ones.
const NOTICES_MAX: usize = 20;

const PERIOD: Duration = Duration::from_secs(60);

/// Who tells senders.
#[derive(Debug, Clone)]
pub(crate) struct Notifier {
    spool: Spool,
    limit: Arc<Mutex<KeyedRateLimit<String>>>,
}

impl Notifier {
    /// A teller whose notices go by call files.
    #[must_use]
    pub(crate) fn new(spool: Spool) -> Self {
        let limit = Arc::new(Mutex::new(KeyedRateLimit::new(PERIOD)));
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
            let mut limit = self.limit.lock();
            let sender = notice.to.as_str().to_owned();
            limit.admit(sender, NOTICES_MAX, Instant::now()).is_ok()
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
