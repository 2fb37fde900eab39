//! Arguments to result: plans a message, then queues or sends it.

use std::ffi::OsString;
use std::num::NonZeroU8;
use std::path::Path;

use tracing::error;

use crate::agi::arguments::{self, Arguments};
use crate::config::{Config, DeliveryMode, OutgoingInterface, UnknownInterface};
use crate::logging::failed;
use crate::model::id::Id;
use crate::model::interface::InterfaceName;
use crate::model::message::Text;
use crate::model::outgoing::OutgoingMessage;
use crate::model::segments::{self, TextSize};
use crate::outbound::fallback::{Attempt, ProviderChain};
use crate::outbound::report::MessageReport;
use crate::outbound::request;
use crate::outbound::verdict::{Outcome, Reason, Verdict};
use crate::outbox::{self, reply_route};

/// INDEX of a message that goes by the interface on which the other party wrote.
const AUTO: &str = "auto";

/// A message that may be sent, and by which interface.
#[derive(Debug)]
pub(crate) struct Submission {
    pub interface: InterfaceName,
    pub mode: DeliveryMode,
    /// Several when the interface takes no text of that length. Never empty.
    parts: Vec<Part>,
    /// Segments of the whole text.
    segments: usize,
}

#[derive(Debug)]
struct Part {
    id: Id,
    message: OutgoingMessage,
    size: TextSize,
}

/// The result for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SubmitResult {
    pub outcome: Outcome,
    /// Why, unless the message was sent or queued.
    pub reason: Option<Reason>,
    /// Segments of the text; 0 when no message could be read.
    pub segments: usize,
}

impl SubmitResult {
    /// No message could be read, or no interface found.
    pub(crate) fn rejected(reason: Reason) -> Self {
        Self {
            outcome: reason.outcome(),
            reason: Some(reason),
            segments: 0,
        }
    }
}

/// Reads the arguments.
///
/// # Errors
/// When no message can be read from them; the log says why.
pub(crate) fn read(arguments: &[OsString], id: Id) -> Result<Arguments, SubmitResult> {
    arguments::parse(arguments).map_err(|error| {
        error!(%id, error = %failed(&error), "message not sent: wrong arguments");
        SubmitResult::rejected(error.reason())
    })
}

/// Finds the interface and decides on parts, destination and length.
///
/// # Errors
/// When nothing can be sent of the message; the log says why.
pub(crate) fn plan(
    config: &Config,
    arguments: Arguments,
    id: Id,
) -> Result<Submission, SubmitResult> {
    let Arguments { message, index } = arguments;
    let interface = interface(config, &message, &index);
    let interface = interface.map_err(|error| {
        error!(%id, error = %failed(&error), "message not sent: unknown index");
        SubmitResult::rejected(Reason::UnknownIndex)
    })?;
    let parts = parts(interface, &message, id);
    let segments = request::size(interface, &message).segments;
    let submission = Submission {
        interface: interface.interface.clone(),
        mode: interface.delivery.mode,
        parts,
        segments,
    };
    check(interface, &submission.parts).map_err(|reason| submission.unsent(reason))?;
    Ok(submission)
}

/// The interface that INDEX names; with `reply_index = auto` and none named, the one
/// on which the other party wrote last.
fn interface<'a>(
    config: &'a Config,
    message: &OutgoingMessage,
    index: &str,
) -> Result<&'a OutgoingInterface, UnknownInterface> {
    if !config.reply_auto || !(index.is_empty() || index == AUTO) {
        return config.outgoing(index);
    }
    let (ours, theirs) = (message.from.as_str(), message.to.as_str());
    let name = reply_route::lookup(&config.outbox, ours, theirs);
    let interface = name.and_then(|name| config.outgoing(&name).ok());
    interface.map_or_else(|| config.outgoing(""), Ok)
}

/// The message in parts that the interface takes, each with an id of its own.
fn parts(interface: &OutgoingInterface, message: &OutgoingMessage, id: Id) -> Vec<Part> {
    let texts = segments::parts(message.text.as_str(), interface.max_chars);
    let mut ids = std::iter::successors(Some(id), |id| Some(Id::generate(Some(*id))));
    let part = |text: &str| {
        let message = OutgoingMessage {
            text: Text::new(text),
            ..message.clone()
        };
        Part {
            id: ids.next().unwrap_or(id),
            size: request::size(interface, &message),
            message,
        }
    };
    texts.into_iter().map(part).collect()
}

/// Checks destination and length of all parts before anything is sent of them.
fn check(interface: &OutgoingInterface, parts: &[Part]) -> Result<(), Reason> {
    for part in parts {
        let report = part.report(&interface.interface);
        if !request::accepts_destination(interface, &part.message) {
            report.destination_refused();
            return Err(Reason::BadNumber);
        }
        let fits = |max: &NonZeroU8| part.size.fits(*max);
        if let Some(max) = interface.max_segments.filter(|max| !fits(max)) {
            report.too_long(max);
            return Err(Reason::TextTooLong);
        }
    }
    Ok(())
}

impl Submission {
    /// The result when nothing was sent, and why.
    pub(crate) fn unsent(&self, reason: Reason) -> SubmitResult {
        SubmitResult {
            segments: self.segments,
            ..SubmitResult::rejected(reason)
        }
    }

    /// Puts the message into the outbox. Blocks.
    pub(crate) fn queue(&self, outbox: &Path) -> SubmitResult {
        let mut result = self.result(None);
        for part in &self.parts {
            let attempt = outbox::queue(outbox, part.id, &self.interface, &part.message);
            result = self.result(Some(&part.settled(attempt)));
            if result.reason.is_some() {
                break;
            }
        }
        result
    }

    /// Sends the message. Parts behind one that failed are not sent: they would
    /// arrive without their beginning.
    pub(crate) async fn send(&self, providers: &ProviderChain) -> SubmitResult {
        let mut result = self.result(None);
        for part in &self.parts {
            let attempt = providers.send(part.id, &part.message).await;
            result = self.result(Some(&part.settled(attempt)));
            if result.reason.is_some() {
                break;
            }
        }
        result
    }

    /// The result for the caller, by the verdict on the last part.
    fn result(&self, verdict: Option<&Verdict>) -> SubmitResult {
        let none = (Outcome::Rejected, Some(Reason::EmptyText));
        let (outcome, reason) = verdict.map_or(none, |verdict| (verdict.outcome, verdict.reason));
        SubmitResult {
            outcome,
            reason,
            segments: self.segments,
        }
    }
}

impl Part {
    /// Logs the outcome.
    fn settled(&self, attempt: Attempt) -> Verdict {
        let Attempt { interface, verdict } = attempt;
        self.report(&interface).verdict(&verdict);
        verdict
    }

    fn report<'a>(&'a self, interface: &'a InterfaceName) -> MessageReport<'a> {
        MessageReport {
            id: self.id,
            interface,
            message: &self.message,
            size: self.size,
        }
    }
}
