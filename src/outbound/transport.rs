//! What it means for a message that a request got no response.

use crate::http::client::{self, TransportError};
use crate::outbound::verdict::{Outcome, Reason, Verdict};

/// The verdict on a message that got no response. Without a connection nothing
/// was sent; after that it is unknown.
pub(super) fn verdict(error: &reqwest::Error) -> Verdict {
    let (outcome, reason) = match TransportError::classify(error) {
        TransportError::ConnectionLost | TransportError::TimedOut => {
            (Outcome::Unknown, Reason::NoAnswer)
        }
        TransportError::NoConnection => (Outcome::Failed, Reason::NoConnection),
        TransportError::Untrusted => (Outcome::Failed, Reason::Certificate),
        TransportError::InvalidRequest => (Outcome::Failed, Reason::BadConfiguration),
    };
    Verdict::not_sent(outcome, reason, client::error_chain(error))
}
