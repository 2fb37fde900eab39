//! Sends notices to the phones of senders, as call files.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::{error, info, warn};

use crate::logging::failed;
use crate::outbox::notice::notice;
use crate::outbox::record::Record;
use crate::resilience::rate_limit::KeyedRateLimit;
use crate::spool::Spool;

/// Notices that one sender gets within [`PERIOD`]. A sender whose messages fail
/// by the hundred learns it from the first ones.
const NOTICES_MAX: usize = 20;

const PERIOD: Duration = Duration::from_secs(60);

/// Sends notices; clones share one rate limit.
#[derive(Debug, Clone)]
pub(crate) struct Notifier {
    spool: Spool,
    limit: Arc<Mutex<KeyedRateLimit<String>>>,
}

impl Notifier {
    pub(crate) fn new(spool: Spool) -> Self {
        let limit = Arc::new(Mutex::new(KeyedRateLimit::new(PERIOD)));
        Self { spool, limit }
    }

    /// Notifies the sender of a message why it was not delivered, with a text
    /// from the template.
    pub(crate) async fn notify(&self, id: &str, record: &Record, template: &str, reason: &str) {
        let Some(notice) = notice(record, template, reason) else {
            return info!(
                id,
                "sender not notified: no notice configured, or no number"
            );
        };
        let allowed = {
            let sender = notice.to.as_str().to_owned();
            let mut limit = self.limit.lock();
            limit.admit(sender, NOTICES_MAX, Instant::now()).is_ok()
        };
        if !allowed {
            return warn!(id, "sender not notified: too many notices");
        }
        match self.spool.store(&[notice]).await {
            Ok(_) => info!(id, "sender notified"),
            Err(error) => error!(id, error = %failed(&error), "sender not notified"),
        }
    }
}
