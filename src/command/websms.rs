//! `websms`: one message to the provider or into the outbox, now.
//!
//! Asterisk waits for this program, and all its other SIP MESSAGEs with it
//! (`main/message.c`, `ast_msg_queue`), so time is bounded. Signals that a
//! hangup brings are put off until the verdict: a request that is under way
//! cannot be taken back.

use std::io::Write as _;

use nix::sys::signal::{SigSet, Signal};
use tracing::{error, warn};

use crate::agi::arguments;
use crate::agi::submit::{self, Submission, SubmitResult};
use crate::cli::WebsmsOptions;
use crate::command::{load, log_level};
use crate::config::Config;
use crate::exit::Exit;
use crate::logging;
use crate::model::id::Id;
use crate::outbound::fallback::{Attempt, ProviderChain};
use crate::outbound::verdict::Reason;

/// Sends the message. Under `agi` the dialplan is told on stdout.
#[must_use]
pub fn run(options: &WebsmsOptions, agi: bool) -> Exit {
    logging::start("websms", agi, log_level().as_deref());
    put_off_signals();
    let id = Id::generate(None);
    let told = call(options, id).unwrap_or_else(SubmitResult::rejected);
    if agi {
        let commands = arguments::commands(id, told.outcome, told.reason, told.segments);
        // Asterisk may have hung up and closed the pipe.
        let _ = std::io::stdout().write_all(commands.as_bytes());
    }
    exit(&told)
}

/// SIGHUP comes when the channel hangs up, SIGTERM when the system goes down;
/// both wait until the provider has answered or the time is over.
fn put_off_signals() {
    let signals = SigSet::from_iter([Signal::SIGHUP, Signal::SIGTERM]);
    if let Err(error) = signals.thread_block() {
        warn!(%error, "failed to put off signals");
    }
}

fn call(options: &WebsmsOptions, id: Id) -> Result<SubmitResult, Reason> {
    let arguments = submit::read(&options.arguments, id)?;
    let (config, _) = load(&options.configured).ok_or(Reason::BadConfiguration)?;
    let call = Submission::new(&config, arguments, id)?;
    Ok(call.execute(|call| send(&config, call, id)))
}

fn send(config: &Config, call: &Submission<'_>, id: Id) -> Result<Attempt, Reason> {
    let route = ProviderChain::new(config, call.outgoing).map_err(|error| {
        let interface = &call.outgoing.interface;
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
    Ok(runtime.block_on(call.send(&route)))
}

/// The status for what became of the message.
fn exit(told: &SubmitResult) -> Exit {
    match told.reason {
        Some(Reason::BadArguments) => Exit::Usage,
        Some(Reason::EmptyText) => Exit::EmptyText,
        Some(Reason::BadConfiguration | Reason::UnknownIndex) => Exit::Configuration,
        _ => told.outcome.into(),
    }
}
