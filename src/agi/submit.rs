//! A call of `websms`, whether by AGI, by `FastAGI` or from a shell: arguments to
//! verdict.

use std::ffi::OsString;

use tracing::error;

use crate::agi::arguments::{self, Arguments};
use crate::config::{Config, DeliveryMode, OutgoingInterface};
use crate::model::id::Id;
use crate::model::message::Text;
use crate::model::segments::{self, TextSize};
use crate::outbound::fallback::{Attempt, ProviderChain};
use crate::outbound::report::MessageReport;
use crate::outbound::request::{self, OutgoingMessage};
use crate::outbound::verdict::{Outcome, Reason, Verdict};
use crate::outbox;
use crate::outbox::reply_route;

/// A message to be sent, and by which account.
#[derive(Debug)]
pub(crate) struct Submission<'a> {
    id: Id,
    config: &'a Config,
    /// The account.
    pub outgoing: &'a OutgoingInterface,
    message: OutgoingMessage,
    /// How much the text is.
    size: TextSize,
}

/// What the caller is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SubmitResult {
    /// What became of the message.
    pub outcome: Outcome,
    /// Why, unless it was sent or queued.
    pub reason: Option<Reason>,
    /// Segments of the text; 0 when there was no message to count.
    pub segments: usize,
}

impl SubmitResult {
    /// There was no message.
    #[must_use]
    pub(crate) fn rejected(reason: Reason) -> Self {
        Self {
            outcome: reason.outcome(),
            reason: Some(reason),
            segments: 0,
        }
    }
}

/// Reads what the caller wants sent.
///
/// # Errors
/// When no message can be made of it; the log says why.
pub(crate) fn read(arguments: &[OsString], id: Id) -> Result<Arguments, Reason> {
    arguments::arguments(arguments).map_err(|error| {
        error!(%id, %error, "message not sent: wrong arguments");
        error.reason()
    })
}

impl<'a> Submission<'a> {
    /// Finds the account.
    ///
    /// # Errors
    /// When there is none of that name; the log says which there are.
    pub(crate) fn new(config: &'a Config, arguments: Arguments, id: Id) -> Result<Self, Reason> {
        let Arguments { message, index } = arguments;
        let outgoing = reply_interface(config, &message, &index);
        let outgoing = outgoing
            .map_or_else(|| config.outgoing(&index), Ok)
            .map_err(|error| {
                error!(%id, %error, "message not sent: unknown index");
                Reason::UnknownIndex
            })?;
        Ok(Self {
            id,
            size: request::size(outgoing, &message),
            config,
            outgoing,
            message,
        })
    }

    /// Puts the message into the outbox or sends it, as the account says; in
    /// several if the account takes no text of that length. Who can make requests
    /// is asked for `send` only if one is to be made.
    pub(crate) fn execute(&self, send: impl Fn(&Self) -> Result<Attempt, Reason>) -> SubmitResult {
        let mut last = Err(Reason::EmptyText);
        for part in self.parts() {
            last = part.attempt(&send);
            let went = matches!(&last, Ok(verdict) if verdict.reason.is_none());
            if !went {
                // What follows would stand there without its beginning.
                break;
            }
        }
        let (outcome, reason) = match last {
            Ok(Verdict {
                outcome, reason, ..
            }) => (outcome, reason),
            Err(reason) => (reason.outcome(), Some(reason)),
        };
        let segments = self.size.segments;
        SubmitResult {
            outcome,
            reason,
            segments,
        }
    }

    /// The messages that the text makes, each with an id of its own.
    fn parts(&self) -> Vec<Self> {
        let texts = segments::parts(self.message.text.as_str(), self.outgoing.max_chars);
        let mut id = None;
        let part = |text: &str| {
            let fresh = id.map_or(self.id, |before| Id::generate(Some(before)));
            id = Some(fresh);
            let message = OutgoingMessage {
                text: Text::new(text),
                ..self.message.clone()
            };
            Self {
                id: fresh,
                size: request::size(self.outgoing, &message),
                message,
                ..*self
            }
        };
        texts.into_iter().map(part).collect()
    }

    fn attempt(&self, send: impl Fn(&Self) -> Result<Attempt, Reason>) -> Result<Verdict, Reason> {
        self.bounded()?;
        let Attempt { interface, verdict } = match self.outgoing.delivery.mode {
            DeliveryMode::Direct => send(self)?,
            DeliveryMode::Queue => {
                let interface = &self.outgoing.interface;
                outbox::queue(&self.config.outbox, self.id, interface, &self.message)
            }
        };
        let about = MessageReport {
            interface: &interface,
            ..self.about()
        };
        about.verdict(&verdict);
        Ok(verdict)
    }

    /// Makes the request, at the account's fallbacks as well if need be.
    pub(crate) async fn send(&self, route: &ProviderChain) -> Attempt {
        route.send(self.id, &self.message).await
    }

    /// Nothing is sent to what is no number there, nor of a text that is longer
    /// than the account allows.
    fn bounded(&self) -> Result<(), Reason> {
        if !request::accepts_destination(self.outgoing, &self.message) {
            self.about().destination_refused();
            return Err(Reason::BadNumber);
        }
        match self.outgoing.max_segments {
            Some(most) if !self.size.fits(most) => {
                self.about().too_long(most);
                Err(Reason::TextTooLong)
            }
            _ => Ok(()),
        }
    }

    fn about(&self) -> MessageReport<'_> {
        MessageReport {
            id: self.id,
            interface: &self.outgoing.interface,
            message: &self.message,
            size: self.size,
        }
    }
}

/// The account on which the other party last wrote, when the caller leaves it
/// open.
fn reply_interface<'a>(
    config: &'a Config,
    message: &OutgoingMessage,
    index: &str,
) -> Option<&'a OutgoingInterface> {
    const AUTO: &str = "auto";
    if !config.reply_auto || !(index.is_empty() || index == AUTO) {
        return None;
    }
    let (ours, theirs) = (message.from.as_str(), message.to.as_str());
    let name = reply_route::lookup(&config.outbox, ours, theirs);
    let mut accounts = config.outgoing.iter();
    let found = accounts.find(|outgoing| Some(outgoing.interface.as_str()) == name.as_deref());
    found.or_else(|| config.outgoing.first())
}
