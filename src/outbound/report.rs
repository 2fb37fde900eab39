//! Logs what became of a message: never its text, and of the numbers only the
//! last digits.

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

/// A message, as the log shows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MessageReport<'a> {
    pub id: Id,
    /// The interface that sent it, or would have.
    pub interface: &'a InterfaceName,
    pub message: &'a OutgoingMessage,
    pub size: TextSize,
}

impl MessageReport<'_> {
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

    /// Logs that the message was not sent and will be sent again.
    pub(crate) fn retry_scheduled(&self, verdict: &Verdict, wait: Duration) {
        let Self { id, interface, .. } = self;
        let (to, from) = self.parties();
        let (reason, seconds) = (verdict.reason.map_or("", Reason::text), wait.as_secs());
        let detail = &verdict.detail;
        warn!(
            %id, %interface, to, from, reason, detail, seconds,
            "message not sent, will retry"
        );
    }

    /// Logs that the provider takes no messages to this destination.
    pub(crate) fn destination_refused(&self) {
        let Self { id, interface, .. } = self;
        let (to, from) = self.parties();
        error!(
            %id, %interface, to, from,
            "destination does not match to_match"
        );
    }

    /// Logs that the text needs more segments than the interface allows.
    pub(crate) fn too_long(&self, max_segments: NonZeroU8) {
        let Self { id, interface, .. } = self;
        let (to, from) = self.parties();
        let TextSize { encoding, segments } = self.size;
        error!(
            %id, %interface, to, from, segments, %encoding, max_segments,
            "text exceeds max_segments"
        );
    }

    /// Destination and sender, masked.
    fn parties(&self) -> (String, String) {
        let masked = |address: &Address| logging::masked(address.as_str());
        (masked(&self.message.to), masked(&self.message.from))
    }
}
