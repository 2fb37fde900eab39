//! A provider, and those to turn to when it fails.

use tracing::warn;

use super::request::{self, OutgoingMessage};
use super::segments::Size;
use super::verdict::{Outcome, Reason, Verdict};
use super::{Provider, ProviderError};
use crate::config::{Config, Outgoing};
use crate::id::Id;
use crate::message::InterfaceName;

/// An interface and its fallbacks, in the order in which they are tried.
#[derive(Debug)]
pub struct Route {
    first: Provider,
    others: Vec<Provider>,
}

/// What became of a message, and where.
#[derive(Debug)]
pub struct Attempt {
    /// The interface whose verdict it is.
    pub interface: InterfaceName,
    /// What became of the message.
    pub verdict: Verdict,
}

impl Route {
    /// Prepares connections to a provider and to its fallbacks; makes none.
    ///
    /// # Errors
    /// When the secret or the certificates of one cannot be had.
    pub fn new(config: &Config, outgoing: &Outgoing) -> Result<Self, ProviderError> {
        let fallback = |outgoing: &Outgoing| {
            let name = outgoing.delivery.fallback.as_ref()?;
            // The configuration has no circles and no dead ends.
            config.outgoing(name.as_str()).ok()
        };
        let others = std::iter::successors(fallback(outgoing), |outgoing| fallback(outgoing));
        Ok(Self {
            first: Provider::new(outgoing.clone())?,
            others: others
                .cloned()
                .map(Provider::new)
                .collect::<Result<_, _>>()?,
        })
    }

    /// How much a message is, as the first provider gets it.
    #[must_use]
    pub fn size(&self, message: &OutgoingMessage) -> Size {
        request::size(&self.first.outgoing, message)
    }

    /// Sends a message by the first provider that does not fail in a way that is
    /// safe to repeat. When all do, the verdict is the first one's.
    pub async fn send(&self, id: Id, message: &OutgoingMessage) -> Attempt {
        let attempt = self.first.try_once(id, message).await;
        if attempt.verdict.outcome != Outcome::Failed {
            return attempt;
        }
        for provider in &self.others {
            let other = provider.try_once(id, message).await;
            let reason = attempt.verdict.reason.map_or("", Reason::words);
            let (failed, instead) = (&attempt.interface, &other.interface);
            warn!(%id, %failed, reason, %instead, "turned to the fallback");
            if other.verdict.outcome != Outcome::Failed {
                return other;
            }
        }
        attempt
    }
}

impl Provider {
    async fn try_once(&self, id: Id, message: &OutgoingMessage) -> Attempt {
        Attempt {
            interface: self.outgoing.interface.clone(),
            verdict: self.send(id, message).await,
        }
    }
}
