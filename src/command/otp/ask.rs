//! `otp send` and `otp verify`: requests of the dialplan or a shell to the daemon.

use tracing::error;

use crate::cli::Configured;
use crate::command::{load, terminal};
use crate::exit::Exit;
use crate::logging::{chain, failed};
use crate::otp::agi::{self, OtpCommand};
use crate::otp::client;
use crate::otp::outcome::OtpOutcome;

/// Asks the daemon and prints the outcome: AGI commands with `agi`, else a word.
pub(super) fn run(configured: &Configured, command: &OtpCommand, agi: bool) -> Exit {
    let result = ask(configured, command);
    let outcome = result.ok();
    if agi {
        terminal::print(&agi::commands(outcome));
    } else if let Some(outcome) = outcome {
        terminal::print(&format!("{}\n", outcome.word()));
    }
    result.map_or_else(|exit| exit, exit)
}

/// Asks the daemon.
///
/// # Errors
/// When it cannot be asked, which is logged.
fn ask(configured: &Configured, command: &OtpCommand) -> Result<OtpOutcome, Exit> {
    let (config, _) = load(configured).ok_or(Exit::Configuration)?;
    let Some(otp) = &config.otp else {
        error!(
            "[otp] is not in websms.conf: run `asterisk-websms otp setup`, then start websmsd \
             again"
        );
        return Err(Exit::Configuration);
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| {
        error!(error = %chain(&error), "runtime not started");
        Exit::Internal
    })?;
    runtime
        .block_on(client::ask(otp, command))
        .map_err(|error| {
            error!(error = %failed(&error), "OTP request failed");
            Exit::Failed
        })
}

fn exit(outcome: OtpOutcome) -> Exit {
    match outcome {
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
