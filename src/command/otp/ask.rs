//! `otp send` and `otp verify`: what the dialplan asks the daemon, or a shell.

use std::io::Write as _;

use tracing::error;

use crate::cli::Configured;
use crate::command::load;
use crate::exit::Exit;
use crate::otp::agi::{self, OtpCommand};
use crate::otp::client;
use crate::otp::outcome::OtpOutcome;

/// Asks, and tells what came of it: under `agi` the dialplan, else whoever reads
/// stdout.
pub(super) fn run(configured: &Configured, asked: &OtpCommand, agi: bool) -> Exit {
    let answer = ask(configured, asked);
    let told = answer.as_ref().ok().copied();
    let said = if agi {
        agi::commands(told)
    } else {
        told.map_or_else(String::new, |answer| format!("{}\n", answer.word()))
    };
    // Asterisk may have hung up and closed the pipe.
    let _ = std::io::stdout().write_all(said.as_bytes());
    answer.map_or_else(|exit| exit, exit)
}

/// Asks the daemon; how the program ends when it cannot be asked.
fn ask(configured: &Configured, asked: &OtpCommand) -> Result<OtpOutcome, Exit> {
    let (config, _) = load(configured).ok_or(Exit::Configuration)?;
    let Some(otp) = &config.otp else {
        error!(
            "[otp] is not in websms.conf: `asterisk-websms otp setup` puts it there, and websmsd \
             is started anew then"
        );
        return Err(Exit::Configuration);
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| {
        error!(%error, "failed to start");
        Exit::Internal
    })?;
    runtime.block_on(client::ask(otp, asked)).map_err(|error| {
        error!("no one-time password: failed to {error}");
        Exit::Failed
    })
}

/// The status for what became of it.
fn exit(answer: OtpOutcome) -> Exit {
    match answer {
        OtpOutcome::Sent | OtpOutcome::Verified => Exit::Success,
        OtpOutcome::NotSent | OtpOutcome::Limited(_) | OtpOutcome::Unavailable => Exit::Failed,
        OtpOutcome::InvalidPhone
        | OtpOutcome::NoCode
        | OtpOutcome::Wrong(_)
        | OtpOutcome::Locked
        | OtpOutcome::Expired
        | OtpOutcome::Unknown => Exit::Rejected,
    }
}
