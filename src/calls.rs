//! A call of `websms`, whether by AGI, by `FastAGI` or from a shell: arguments to
//! verdict.

use std::ffi::OsString;

use tracing::error;

use crate::config::{By, Config, Outgoing};
use crate::id::Id;
use crate::outbound::agi::{self, Arguments};
use crate::outbound::report::About;
use crate::outbound::request::{self, OutgoingMessage};
use crate::outbound::route::{Attempt, Route};
use crate::outbound::segments::Size;
use crate::outbound::verdict::{Outcome, Reason, Verdict};
use crate::outbox;

/// A message to be sent, and by which account.
#[derive(Debug)]
pub struct Call<'a> {
    id: Id,
    config: &'a Config,
    /// The account.
    pub outgoing: &'a Outgoing,
    message: OutgoingMessage,
    /// How much the text is.
    size: Size,
}

/// What the caller is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// What became of the message.
    pub outcome: Outcome,
    /// Why, unless it was sent or queued.
    pub reason: Option<Reason>,
    /// Segments of the text; 0 when there was no message to count.
    pub segments: usize,
}

impl Told {
    /// There was no message.
    #[must_use]
    pub fn nothing(reason: Reason) -> Self {
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
pub fn read(arguments: &[OsString], id: Id) -> Result<Arguments, Reason> {
    agi::arguments(arguments).map_err(|error| {
        error!(%id, %error, "message not sent: wrong arguments");
        error.reason()
    })
}

impl<'a> Call<'a> {
    /// Finds the account.
    ///
    /// # Errors
    /// When there is none of that name; the log says which there are.
    pub fn new(config: &'a Config, arguments: Arguments, id: Id) -> Result<Self, Reason> {
        let Arguments { message, index } = arguments;
        let outgoing = config.outgoing(&index).map_err(|error| {
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

    /// Puts the message into the outbox or sends it, as the account says. Who
    /// can make requests is asked for `send` only if one is to be made.
    pub fn carry_out(&self, send: impl FnOnce(&Self) -> Result<Attempt, Reason>) -> Told {
        let (outcome, reason) = match self.attempt(send) {
            Ok(Verdict {
                outcome, reason, ..
            }) => (outcome, reason),
            Err(reason) => (reason.outcome(), Some(reason)),
        };
        let segments = self.size.segments;
        Told {
            outcome,
            reason,
            segments,
        }
    }

    fn attempt(
        &self,
        send: impl FnOnce(&Self) -> Result<Attempt, Reason>,
    ) -> Result<Verdict, Reason> {
        self.bounded()?;
        let Attempt { interface, verdict } = match self.outgoing.delivery.by {
            By::Direct => send(self)?,
            By::Queue => {
                let interface = &self.outgoing.interface;
                outbox::queue(&self.config.outbox, self.id, interface, &self.message)
            }
        };
        let about = About {
            interface: &interface,
            ..self.about()
        };
        about.verdict(&verdict);
        Ok(verdict)
    }

    /// Makes the request, at the account's fallbacks as well if need be.
    pub async fn send(&self, route: &Route) -> Attempt {
        route.send(self.id, &self.message).await
    }

    /// Nothing is sent of a text that is longer than the account allows.
    fn bounded(&self) -> Result<(), Reason> {
        match self.outgoing.max_segments {
            Some(most) if !self.size.fits(most) => {
                self.about().too_long(most);
                Err(Reason::TextTooLong)
            }
            _ => Ok(()),
        }
    }

    fn about(&self) -> About<'_> {
        About {
            id: self.id,
            interface: &self.outgoing.interface,
            message: &self.message,
            size: self.size,
        }
    }
}
