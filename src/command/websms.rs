//! `websms`: one message to the provider or into the outbox, now.
//!
//! Asterisk waits for this program, and all its other SIP MESSAGEs with it
//! (`main/message.c`, `ast_msg_queue`), so its time is bounded. Signals that a
//! hangup brings are blocked until the verdict: a request that was sent cannot be
//! taken back.

use std::io::Write as _;

use nix::sys::signal::{SigSet, Signal};
use tracing::{error, warn};

use super::{become_owner, load, log_level};
use crate::agi::commands::commands;
use crate::agi::submit::{self, Submission, SubmitResult};
use crate::cli::WebsmsOptions;
use crate::config::{Config, DeliveryMode};
use crate::exit::Exit;
use crate::logging::{self, chain, failed};
use crate::model::id::Id;
use crate::outbound::fallback::ProviderChain;
use crate::outbound::verdict::Reason;

/// Sends or queues the message. Under `agi` the result goes to the dialplan on stdout.
#[must_use]
pub fn run(options: &WebsmsOptions, agi: bool) -> Exit {
    logging::start("websms", agi, log_level().as_deref());
    block_signals();
    let id = Id::generate(None);
    let result = submit(options, id).unwrap_or_else(|result| result);
    if agi {
        // Asterisk may have hung up and closed the pipe.
        let _ = std::io::stdout().write_all(commands(id, result).as_bytes());
    }
    exit(result)
}

/// SIGHUP comes when the channel hangs up, SIGTERM when the system goes down; both
/// wait until the provider has answered or the time is over.
fn block_signals() {
    let signals = SigSet::from_iter([Signal::SIGHUP, Signal::SIGTERM]);
    if let Err(error) = signals.thread_block() {
        warn!(error = %chain(&error), "signals not blocked");
    }
}

fn submit(options: &WebsmsOptions, id: Id) -> Result<SubmitResult, SubmitResult> {
    let arguments = submit::read(&options.arguments, id)?;
    let unusable = SubmitResult::rejected(Reason::BadConfiguration);
    let (config, _) = load(&options.configured).ok_or(unusable)?;
    let submission = submit::plan(&config, arguments, id)?;
    match submission.mode {
        DeliveryMode::Direct => send(&config, &submission, id),
        DeliveryMode::Queue => queue(options, &config, &submission, id),
    }
}

fn queue(
    options: &WebsmsOptions,
    config: &Config,
    submission: &Submission,
    id: Id,
) -> Result<SubmitResult, SubmitResult> {
    become_owner(&options.configured, config).map_err(|error| {
        error!(%id, error = %failed(&error), "message not queued: root must not use the spool");
        submission.unsent(Reason::BadConfiguration)
    })?;
    Ok(submission.queue(&config.outbox))
}

fn send(config: &Config, submission: &Submission, id: Id) -> Result<SubmitResult, SubmitResult> {
    let unusable = submission.unsent(Reason::BadConfiguration);
    let interface = &submission.interface;
    let providers = config
        .outgoing(interface.as_str())
        .map_err(|_| submission.unsent(Reason::UnknownIndex))
        .and_then(|outgoing| {
            ProviderChain::new(config, outgoing).map_err(|error| {
                error!(%id, %interface, error = %failed(&error), "request not prepared");
                unusable
            })
        })?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            error!(%id, error = %chain(&error), "runtime not started");
            unusable
        })?;
    Ok(runtime.block_on(submission.send(&providers)))
}

/// The exit status for the outcome.
fn exit(result: SubmitResult) -> Exit {
    match result.reason {
        Some(Reason::BadArguments) => Exit::Usage,
        Some(Reason::EmptyText) => Exit::EmptyText,
        Some(Reason::BadConfiguration | Reason::UnknownIndex) => Exit::Configuration,
        _ => result.outcome.into(),
    }
}
