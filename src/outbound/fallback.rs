//! Sends a message by its interface or, when that fails, by the fallbacks.
//!
//! The chain alone decides which provider gets a message, and cuts its text into
//! parts that this provider takes. A [`Provider`] sends what it is given.

use tracing::warn;

use crate::config::{Config, ErrorCodes, OutgoingInterface};
use crate::model::id::Id;
use crate::model::interface::InterfaceName;
use crate::model::message::Text;
use crate::model::outgoing::OutgoingMessage;
use crate::model::segments::{self, TextSize};
use crate::outbound::provider::{Provider, ProviderError};
use crate::outbound::request;
use crate::outbound::verdict::{Outcome, Reason, Verdict};

/// In `fallback_on`, every failure after which another attempt is safe.
const FAILED: &str = "failed";

/// An interface and its fallbacks, in the order in which they are tried.
#[derive(Debug)]
pub(crate) struct ProviderChain {
    primary: Provider,
    fallbacks: Vec<Provider>,
}

/// The outcome of a message, and the interface.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// The interface whose verdict it is.
    pub interface: InterfaceName,
    pub verdict: Verdict,
}

impl ProviderChain {
    /// Prepares connections to a provider and to its fallbacks; makes none.
    ///
    /// # Errors
    /// When the secret or the certificates of one cannot be read.
    pub(crate) fn new(
        config: &Config,
        interface: &OutgoingInterface,
    ) -> Result<Self, ProviderError> {
        let fallback = |interface: &OutgoingInterface| {
            let name = interface.delivery.fallback.as_ref()?;
            // The configuration was refused if one is missing, or if they form a
            // circle.
            config.outgoing(name.as_str()).ok()
        };
        let others = std::iter::successors(fallback(interface), |interface| fallback(interface));
        Ok(Self {
            primary: Provider::new(interface.clone())?,
            fallbacks: others
                .cloned()
                .map(Provider::new)
                .collect::<Result<_, _>>()?,
        })
    }

    /// The interfaces that a message may be sent by.
    pub(crate) fn interfaces(&self) -> impl Iterator<Item = &InterfaceName> {
        let providers = [&self.primary].into_iter().chain(&self.fallbacks);
        providers.map(|provider| &provider.settings.interface)
    }

    /// The size of a message's text, as the first provider gets it.
    pub(crate) fn size(&self, message: &OutgoingMessage) -> TextSize {
        request::size(&self.primary.settings, message)
    }

    /// Sends a message by the first provider that neither fails in a way that is
    /// safe to repeat nor refuses with a code of `fallback_on`. Fallbacks that do
    /// not take messages to the destination are skipped.
    pub(crate) async fn send(&self, id: Id, message: &OutgoingMessage) -> Attempt {
        let mut result = if accepts(&self.primary, message) {
            attempt(&self.primary, id, message).await
        } else {
            let (outcome, reason) = (Outcome::Rejected, Reason::BadNumber);
            Attempt {
                interface: self.primary.settings.interface.clone(),
                verdict: Verdict::not_sent(outcome, reason, String::new()),
            }
        };
        let mut falls_back = uses_fallback(&self.primary.settings.errors, &result.verdict);
        let accepting = self.fallbacks.iter().filter(|next| accepts(next, message));
        for fallback in accepting {
            if !falls_back {
                break;
            }
            let OutgoingInterface {
                interface, errors, ..
            } = &fallback.settings;
            let reason = result.verdict.reason.map_or("", Reason::text);
            warn!(%id, failed = %result.interface, reason, fallback = %interface, "using fallback interface");
            let next = attempt(fallback, id, message).await;
            falls_back = uses_fallback(errors, &next.verdict);
            result = decisive(result, next);
        }
        result
    }
}

fn accepts(provider: &Provider, message: &OutgoingMessage) -> bool {
    request::accepts_destination(&provider.settings, message)
}

/// Sends a message, in parts if its text is too long for this provider: one that
/// was cut for another provider may still be.
async fn attempt(provider: &Provider, mut id: Id, message: &OutgoingMessage) -> Attempt {
    let part = |text: &str| OutgoingMessage {
        text: Text::new(text),
        ..message.clone()
    };
    let texts = segments::parts(message.text.as_str(), provider.settings.max_chars);
    let mut texts = texts.into_iter();
    let first = part(texts.next().unwrap_or_default());
    let mut verdict = provider.send(id, &first).await;
    for text in texts {
        if verdict.reason.is_some() {
            break;
        }
        id = Id::generate(Some(id));
        verdict = after_sent_part(provider.send(id, &part(text)).await);
    }
    Attempt {
        interface: provider.settings.interface.clone(),
        verdict,
    }
}

/// The verdict on a text of which a part was sent before the one that got this
/// verdict. After a failure only a part of the text was sent, so the text must not
/// be sent again, not even by a fallback.
fn after_sent_part(verdict: Verdict) -> Verdict {
    if verdict.reason.is_none() {
        return verdict;
    }
    Verdict {
        outcome: Outcome::Unknown,
        use_fallback: false,
        ..verdict
    }
}

/// Whether the fallback is tried after this verdict of an interface: after any
/// failure that is safe to repeat, unless `fallback_on` says which.
fn uses_fallback(errors: &ErrorCodes, verdict: &Verdict) -> bool {
    let on = &errors.fallback;
    let failed = verdict.outcome == Outcome::Failed;
    verdict.use_fallback || (failed && (on.is_empty() || on.iter().any(|word| word == FAILED)))
}

/// Of the attempts of an interface and of a later fallback, the one whose verdict
/// counts. That is the first one when both fail; but a fallback that may take the
/// message later counts more than an interface that refused it for good.
fn decisive(first: Attempt, later: Attempt) -> Attempt {
    let later_failed = later.verdict.outcome == Outcome::Failed;
    let later_counts = if later_failed {
        first.verdict.use_fallback
    } else {
        !later.verdict.use_fallback
    };
    if later_counts { later } else { first }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(outcome: Outcome, use_fallback: bool) -> Verdict {
        Verdict {
            use_fallback,
            ..Verdict::not_sent(outcome, Reason::Refused, String::new())
        }
    }

    #[test]
    fn text_with_a_failed_later_part_is_unknown_and_not_for_the_fallback() {
        for outcome in [Outcome::Failed, Outcome::Rejected, Outcome::Unknown] {
            for use_fallback in [false, true] {
                let whole = after_sent_part(verdict(outcome, use_fallback));
                assert_eq!(whole.outcome, Outcome::Unknown, "{outcome:?}");
                assert_eq!(whole.reason, Some(Reason::Refused), "{outcome:?}");
                assert!(!uses_fallback(&ErrorCodes::default(), &whole));
            }
        }
        let sent = Verdict::sent("HTTP status 200".to_owned());
        assert_eq!(after_sent_part(sent.clone()), sent);
    }

    #[test]
    fn fallback_is_for_listed_codes_and_for_safe_failures() {
        let on = |words: &[&str]| ErrorCodes {
            fallback: words.iter().map(|word| (*word).to_owned()).collect(),
            ..ErrorCodes::default()
        };
        for (words, outcome, listed, expected) in [
            (&[][..], Outcome::Failed, false, true),
            (&[], Outcome::Rejected, false, false),
            (&[], Outcome::Unknown, false, false),
            (&["7"], Outcome::Failed, false, false),
            (&["7"], Outcome::Rejected, true, true),
            (&["7", FAILED], Outcome::Failed, false, true),
            (&["7", FAILED], Outcome::Unknown, false, false),
        ] {
            let uses = uses_fallback(&on(words), &verdict(outcome, listed));
            assert_eq!(uses, expected, "{words:?} {outcome:?} {listed}");
        }
        assert!(!uses_fallback(&on(&[]), &Verdict::sent(String::new())));
    }

    #[test]
    fn first_verdict_counts_unless_a_fallback_says_more() {
        let attempt = |name: &str, verdict: Verdict| Attempt {
            interface: InterfaceName::parse(name).unwrap(),
            verdict,
        };
        let sent = Verdict::sent(String::new());
        let failed = verdict(Outcome::Failed, false);
        let unknown = verdict(Outcome::Unknown, false);
        let rejected = verdict(Outcome::Rejected, false);
        let listed = verdict(Outcome::Rejected, true);
        for (first, later, expected) in [
            (&failed, &sent, "later"),
            (&failed, &unknown, "later"),
            (&failed, &rejected, "later"),
            (&failed, &failed, "first"),
            (&failed, &listed, "first"),
            (&listed, &sent, "later"),
            (&listed, &failed, "later"),
            (&listed, &rejected, "later"),
            (&listed, &listed, "first"),
        ] {
            let (first, later) = (first.clone(), later.clone());
            let case = format!("{first:?} {later:?}");
            let decisive = decisive(attempt("first", first), attempt("later", later));
            assert_eq!(decisive.interface.as_str(), expected, "{case}");
        }
    }
}
