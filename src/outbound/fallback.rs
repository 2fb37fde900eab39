//! A provider, and those to turn to when it fails.

use tracing::warn;

use crate::config::{Config, OutgoingInterface};
use crate::model::id::Id;
use crate::model::interface::InterfaceName;
use crate::model::message::Text;
use crate::model::outgoing::OutgoingMessage;
use crate::model::segments::{self, TextSize};
use crate::outbound::provider::{Provider, ProviderError};
use crate::outbound::request;
use crate::outbound::verdict::{Outcome, Reason, Verdict};

/// In `fallback_on`, whatever fails in a way that is safe to repeat.
const FAILED: &str = "failed";

/// An interface and its fallbacks, in the order in which they are tried.
#[derive(Debug)]
pub(crate) struct ProviderChain {
    primary: Provider,
    fallbacks: Vec<Provider>,
}

/// What became of a message, and where.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// The interface whose verdict it is.
    pub interface: InterfaceName,
    /// What became of the message.
    pub verdict: Verdict,
}

impl ProviderChain {
    /// Prepares connections to a provider and to its fallbacks; makes none.
    ///
    /// # Errors
    /// When the secret or the certificates of one cannot be had.
    pub(crate) fn new(
        config: &Config,
        outgoing: &OutgoingInterface,
    ) -> Result<Self, ProviderError> {
        let fallback = |outgoing: &OutgoingInterface| {
            let name = outgoing.delivery.fallback.as_ref()?;
            // The configuration has no circles and no dead ends.
            config.outgoing(name.as_str()).ok()
        };
        let others = std::iter::successors(fallback(outgoing), |outgoing| fallback(outgoing));
        Ok(Self {
            primary: Provider::new(outgoing.clone())?,
            fallbacks: others
                .cloned()
                .map(Provider::new)
                .collect::<Result<_, _>>()?,
        })
    }

    /// How much a message is, as the first provider gets it.
    #[must_use]
    pub(crate) fn size(&self, message: &OutgoingMessage) -> TextSize {
        request::size(&self.primary.interface, message)
    }

    /// Sends a message by the first provider that does not fail in a way that is
    /// safe to repeat, or refuses with a code of `fallback_on`. When all do, the
    /// verdict is the first one's, unless a later one may take it another time. A
    /// fallback that the destination is none for is passed over.
    pub(crate) async fn send(&self, id: Id, message: &OutgoingMessage) -> Attempt {
        let mut attempt = self.primary.attempt(id, message).await;
        if !self.primary.should_fall_back(&attempt.verdict) {
            return attempt;
        }
        let fits =
            |provider: &&Provider| request::accepts_destination(&provider.interface, message);
        for provider in self.fallbacks.iter().filter(fits) {
            let other = provider.attempt(id, message).await;
            let reason = attempt.verdict.reason.map_or("", Reason::text);
            let (failed, instead) = (&attempt.interface, &other.interface);
            warn!(%id, %failed, reason, %instead, "turned to the fallback");
            let later = other.verdict.outcome == Outcome::Failed;
            if !later && !other.verdict.use_fallback {
                return other;
            }
            let goes_on = provider.should_fall_back(&other.verdict);
            if later && attempt.verdict.use_fallback {
                attempt = other;
            }
            if !goes_on {
                break;
            }
        }
        attempt
    }
}

impl Provider {
    /// Whether what became of a message is a matter for the fallback: any failure
    /// that is safe to repeat, unless `fallback_on` says which.
    fn should_fall_back(&self, verdict: &Verdict) -> bool {
        let on = &self.interface.errors.fallback;
        let failed = verdict.outcome == Outcome::Failed;
        verdict.use_fallback || (failed && (on.is_empty() || on.iter().any(|word| word == FAILED)))
    }

    async fn attempt(&self, id: Id, message: &OutgoingMessage) -> Attempt {
        Attempt {
            interface: self.interface.interface.clone(),
            verdict: self.send_all(id, message).await,
        }
    }

    /// Sends a message, in several if this provider takes no text of that length:
    /// one that was cut for another one may still be too long here.
    async fn send_all(&self, mut id: Id, message: &OutgoingMessage) -> Verdict {
        let part = |text: &str| OutgoingMessage {
            text: Text::new(text),
            ..message.clone()
        };
        let texts = segments::parts(message.text.as_str(), self.interface.max_chars);
        let mut texts = texts.into_iter();
        let mut verdict = self.send(id, &part(texts.next().unwrap_or_default())).await;
        for text in texts {
            if verdict.reason.is_some() {
                break;
            }
            id = Id::generate(Some(id));
            verdict = self.send(id, &part(text)).await;
            if verdict.reason.is_some() {
                // Its beginning was sent.
                (verdict.outcome, verdict.use_fallback) = (Outcome::Unknown, false);
            }
        }
        verdict
    }
}
