//! What became of a message, for the log. The text is never said, and of the
//! parties only their ends.

use std::num::NonZeroU8;
use std::time::Duration;

use tracing::{error, info, warn};

use crate::logging;
use crate::model::address::Address;
use crate::model::id::Id;
use crate::model::interface::InterfaceName;
use crate::model::outgoing::OutgoingMessage;
use crate::model::segments::TextSize;
use crate::outbound::verdict::{Outcome, Reason, Verdict};

/// The message that is reported on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MessageReport<'a> {
    /// What it is called.
    pub id: Id,
    /// The interface that it went to, or would have.
    pub interface: &'a InterfaceName,
    /// The message.
    pub message: &'a OutgoingMessage,
    /// How much it is.
    pub size: TextSize,
}

impl MessageReport<'_> {
    /// Says what became of it.
    pub(crate) fn verdict(&self, verdict: &Verdict) {
        let Self { id, interface, .. } = self;
        let (to, from) = self.parties();
        let TextSize { encoding, segments } = self.size;
        let detail = &verdict.detail;
        let outcome = verdict.outcome.as_str();
        match (verdict.reason, verdict.outcome) {
            (Some(reason), _) => {
                let reason = reason.text();
                error!(
                    %id, %interface, to, from, segments, %encoding, outcome, reason, detail,
                    "message not sent"
                );
            }
            (None, Outcome::Queued) => {
                info!(%id, %interface, to, from, segments, %encoding, "message queued");
            }
            (None, _) => {
                info!(%id, %interface, to, from, segments, %encoding, detail, "message sent");
            }
        }
    }

    /// Says that it was not sent and will be tried again.
    pub(crate) fn retry_scheduled(&self, verdict: &Verdict, wait: Duration) {
        let Self { id, interface, .. } = self;
        let (to, from) = self.parties();
        let (reason, seconds) = (verdict.reason.map_or("", Reason::text), wait.as_secs());
        let detail = &verdict.detail;
        warn!(
            %id, %interface, to, from, reason, detail, seconds,
            "message not sent; it will be tried again"
        );
    }

    /// Says that nothing is sent of it because it goes to what is no number there.
    pub(crate) fn destination_refused(&self) {
        let Self { id, interface, .. } = self;
        let (to, from) = self.parties();
        error!(
            %id, %interface, to, from,
            "message not sent: the destination is none that to_match allows"
        );
    }

    /// Says that nothing is sent of it because the account allows less.
    pub(crate) fn too_long(&self, most: NonZeroU8) {
        let Self { id, interface, .. } = self;
        let (to, from) = self.parties();
        let TextSize { encoding, segments } = self.size;
        error!(
            %id, %interface, to, from, segments, %encoding, max_segments = most.get(),
            "message not sent: the text is too long, shorten it or raise max_segments"
        );
    }

    /// To and from, as they may be logged.
    fn parties(&self) -> (String, String) {
        let masked = |address: &Address| logging::masked(address.as_str());
        (masked(&self.message.to), masked(&self.message.from))
    }
}
