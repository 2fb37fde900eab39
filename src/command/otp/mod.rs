//! `otp`: one-time passwords, for the administrator, the dialplan and a shell.
//!
//! Results go to stdout, everything else to stderr. No token and no code is shown
//! or logged.

use std::ffi::OsString;
use std::path::Path;

use crate::cli::{OtpAction, OtpOptions, OtpSetup};
use crate::command::{log_level, log_load_error, terminal};
use crate::config;
use crate::exit::Exit;
use crate::logging::{self, failed};
use crate::otp::agi::{self, InvalidCommand, OtpCommand};

mod account_file;
mod ask;
mod setup;

/// Runs `otp`. With `agi` stdout is for AGI commands, and `otp setup` is not
/// available.
#[must_use]
pub fn run(options: &OtpOptions, agi: bool) -> Exit {
    logging::start("websms-otp", agi, log_level().as_deref());
    let text = |raw: &OsString| raw.to_string_lossy().into_owned();
    let command = match &options.action {
        OtpAction::Send { phone } => OtpCommand::Send { phone: text(phone) },
        OtpAction::Verify { phone, code } => OtpCommand::Verify {
            phone: text(phone),
            code: text(code),
        },
        OtpAction::Setup(_) if agi => return misused(),
        OtpAction::Setup(setup) => return run_setup(&options.configured.config, setup),
    };
    ask::run(&options.configured, &command, agi)
}

/// Reports wrong arguments to the dialplan, so that `OTP_STATUS` of an earlier call
/// does not stand: a number with a comma is two arguments. They may hold a code and
/// are not repeated.
#[must_use]
pub fn misused() -> Exit {
    terminal::hint(&failed(&InvalidCommand));
    terminal::print(&agi::commands(None));
    Exit::Usage
}

/// The configuration may be incomplete: setup adds what is missing.
fn run_setup(config: &Path, options: &OtpSetup) -> Exit {
    match config::load_draft(config) {
        Ok(draft) => terminal::run(setup::setup(config, &draft, options)),
        Err(error) => {
            log_load_error(&error);
            Exit::Configuration
        }
    }
}
