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
use crate::exit::Exit;
use crate::id::Id;
use crate::logging::{self, masked};
use crate::outbound::Provider;
use crate::outbound::agi::{self, Arguments};
use crate::outbound::verdict::{Reason, Verdict};

/// Sends the message. Under `agi` the dialplan is told on stdout.
#[must_use]
pub fn run(options: &Websms, agi: bool) -> Exit {
    logging::start("websms", agi, log_level().as_deref());
    put_off_signals();
    let id = Id::fresh(None);
    let (exit, outcome, reason) = match attempt(options, id) {
        Ok(verdict) => (verdict.outcome.into(), verdict.outcome, verdict.reason),
        Err(reason) => (exit(reason), reason.outcome(), Some(reason)),
    };
    if agi {
        // Asterisk may have hung up and closed the pipe.
        let _ =
            std::io::stdout().write_all(agi::commands(outcome, &id.to_string(), reason).as_bytes());
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

/// Everything up to the verdict; the reason when no request could be made.
fn attempt(options: &Websms, id: Id) -> Result<Verdict, Reason> {
    let Arguments { message, index } = agi::arguments(&options.arguments).map_err(|error| {
        error!(%id, %error, "message not sent: wrong arguments");
        error.reason()
    })?;
    let (config, _) = load(&options.configured).ok_or(Reason::BadConfiguration)?;
    let outgoing = config.outgoing(&index).map_err(|error| {
        error!(%id, %error, "message not sent: unknown index");
        Reason::UnknownIndex
    })?;
    let provider = Provider::new(outgoing.clone()).map_err(|error| {
        error!(%id, interface = %outgoing.interface, %error, "failed to prepare the request");
        Reason::BadConfiguration
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            error!(%id, %error, "failed to start");
            Reason::BadConfiguration
        })?;
    let verdict = runtime.block_on(provider.send(&message));
    let (to, from) = (masked(message.to.as_str()), masked(message.from.as_str()));
    let (interface, detail) = (&outgoing.interface, &verdict.detail);
    let outcome = verdict.outcome.word();
    match verdict.reason {
        None => info!(%id, %interface, to, from, detail, "message sent"),
        Some(reason) => {
            let reason = reason.words();
            error!(%id, %interface, to, from, outcome, reason, detail, "message not sent");
        }
    }
    Ok(verdict)
}

/// The status for a message that never became a request.
fn exit(reason: Reason) -> Exit {
    match reason {
        Reason::BadArguments => Exit::Usage,
        Reason::EmptyText => Exit::EmptyText,
        _ => Exit::Configuration,
    }
}
