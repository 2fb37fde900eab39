//! `websms`: one message to the provider, now.
//!
//! Asterisk waits for this program, and all its other SIP MESSAGEs with it
//! (`main/message.c`, `ast_msg_queue`), so time is bounded. Signals that a
//! hangup brings are put off until the verdict: a request that is under way
//! cannot be taken back.

use std::io::Write as _;

use nix::sys::signal::{SigSet, Signal};
use tracing::{error, info, warn};

use super::{load, log_level};
use crate::cli::Websms;
use crate::config::Outgoing;
use crate::exit::Exit;
use crate::id::Id;
use crate::logging::{self, masked};
use crate::outbound::Provider;
use crate::outbound::address::Address;
use crate::outbound::agi::{self, Arguments};
use crate::outbound::request::{self, OutgoingMessage};
use crate::outbound::segments::Size;
use crate::outbound::verdict::{Reason, Verdict};

/// Sends the message. Under `agi` the dialplan is told on stdout.
#[must_use]
pub fn run(options: &Websms, agi: bool) -> Exit {
    logging::start("websms", agi, log_level().as_deref());
    put_off_signals();
    let id = Id::fresh(None);
    let (segments, result) = match prepare(options, id) {
        Ok(job) => (job.size.segments, job.attempt()),
        Err(reason) => (0, Err(reason)),
    };
    let (exit, outcome, reason) = match result {
        Ok(verdict) => (verdict.outcome.into(), verdict.outcome, verdict.reason),
        Err(reason) => (exit(reason), reason.outcome(), Some(reason)),
    };
    if agi {
        let commands = agi::commands(outcome, &id.to_string(), reason, segments);
        // Asterisk may have hung up and closed the pipe.
        let _ = std::io::stdout().write_all(commands.as_bytes());
    }
    exit
}

/// SIGHUP comes when the channel hangs up, SIGTERM when the system goes down;
/// both wait until the provider has answered or the time is over.
fn put_off_signals() {
    let signals = SigSet::from_iter([Signal::SIGHUP, Signal::SIGTERM]);
    if let Err(error) = signals.thread_block() {
        warn!(%error, "failed to put off signals");
    }
}

/// A message that can be counted, and where it goes.
struct Job {
    id: Id,
    message: OutgoingMessage,
    outgoing: Outgoing,
    size: Size,
}

/// Finds out what to send, and by which account.
fn prepare(options: &Websms, id: Id) -> Result<Job, Reason> {
    let Arguments { message, index } = agi::arguments(&options.arguments).map_err(|error| {
        error!(%id, %error, "message not sent: wrong arguments");
        error.reason()
    })?;
    let (config, _) = load(&options.configured).ok_or(Reason::BadConfiguration)?;
    let outgoing = config.outgoing(&index).map_err(|error| {
        error!(%id, %error, "message not sent: unknown index");
        Reason::UnknownIndex
    })?;
    Ok(Job {
        id,
        size: request::size(outgoing, &message),
        outgoing: outgoing.clone(),
        message,
    })
}

impl Job {
    /// Everything up to the verdict; the reason when no request could be made.
    fn attempt(&self) -> Result<Verdict, Reason> {
        self.bounded()?;
        let (id, interface) = (self.id, &self.outgoing.interface);
        let provider = Provider::new(self.outgoing.clone()).map_err(|error| {
            error!(%id, %interface, %error, "failed to prepare the request");
            Reason::BadConfiguration
        })?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| {
                error!(%id, %error, "failed to start");
                Reason::BadConfiguration
            })?;
        let verdict = runtime.block_on(provider.send(&self.message));
        self.log(&verdict);
        Ok(verdict)
    }

    /// Nothing is sent of a text that is longer than the account allows.
    fn bounded(&self) -> Result<(), Reason> {
        match self.outgoing.max_segments {
            Some(most) if !self.size.fits(most) => {
                let (id, interface, (to, from)) =
                    (self.id, &self.outgoing.interface, self.parties());
                let Size { encoding, segments } = self.size;
                error!(
                    %id, %interface, to, from, segments, %encoding, max_segments = most.get(),
                    "message not sent: the text is too long, shorten it or raise max_segments"
                );
                Err(Reason::TextTooLong)
            }
            _ => Ok(()),
        }
    }

    fn log(&self, verdict: &Verdict) {
        let (id, interface, (to, from)) = (self.id, &self.outgoing.interface, self.parties());
        let Size { encoding, segments } = self.size;
        let detail = &verdict.detail;
        let Some(reason) = verdict.reason else {
            info!(%id, %interface, to, from, segments, %encoding, detail, "message sent");
            return;
        };
        let (outcome, reason) = (verdict.outcome.word(), reason.words());
        error!(
            %id, %interface, to, from, segments, %encoding, outcome, reason, detail,
            "message not sent"
        );
    }

    /// To and from, as they may be logged.
    fn parties(&self) -> (String, String) {
        let masked = |address: &Address| masked(address.as_str());
        (masked(&self.message.to), masked(&self.message.from))
    }
}

/// The status for a message that never became a request.
fn exit(reason: Reason) -> Exit {
    match reason {
        Reason::BadArguments => Exit::Usage,
        Reason::EmptyText => Exit::EmptyText,
        Reason::TextTooLong => Exit::Rejected,
        _ => Exit::Configuration,
    }
}
