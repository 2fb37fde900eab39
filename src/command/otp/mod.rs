//! `otp`: one-time passwords, for the administrator, the dialplan and a shell.
//!
//! What was asked for goes to stdout, all else to stderr. No token and no code is
//! shown or logged.

use std::ffi::OsString;
use std::path::Path;

use tracing::error;

use crate::cli::{OtpAction, OtpOptions, OtpSetup};
use crate::command::log;
use crate::command::log_level;
use crate::command::terminal;
use crate::config::{self, LoadError};
use crate::exit::Exit;
use crate::logging::{self, chain};
use crate::otp::agi::{self, InvalidCommand, OtpCommand};

mod account_file;
mod ask;
mod setup;

/// Does what is asked; success when it could be done. Under `agi` the dialplan is
/// told on stdout, which has nothing to set up.
#[must_use]
pub fn run(options: &OtpOptions, agi: bool) -> Exit {
    logging::start("websms-otp", agi, log_level().as_deref());
    let text = |raw: &OsString| raw.to_string_lossy().into_owned();
    let asked = match &options.action {
        OtpAction::Send { phone } => OtpCommand::Send { phone: text(phone) },
        OtpAction::Verify { phone, code } => OtpCommand::Verify {
            phone: text(phone),
            code: text(code),
        },
        OtpAction::Setup(_) if agi => return misused(),
        OtpAction::Setup(setup) => return set_up(&options.configured.config, setup),
    };
    ask::run(&options.configured, &asked, agi)
}

/// Tells the dialplan that nothing was asked, lest what it was told before counts:
/// a number that holds a comma is two arguments. What they are, which may be a code,
/// is not repeated.
#[must_use]
pub fn misused() -> Exit {
    terminal::hint(&format!("no one-time password: {InvalidCommand}"));
    terminal::print(&agi::commands(None));
    Exit::Usage
}

/// Makes what the configuration lacks, so that need not be whole.
fn set_up(config: &Path, options: &OtpSetup) -> Exit {
    match config::load_draft(config) {
        Ok(draft) => terminal::run(setup::setup(config, &draft, options)),
        Err(LoadError::Mistakes(report)) => {
            log(&report);
            Exit::Configuration
        }
        Err(unreadable) => {
            error!(error = %chain(&unreadable), "configuration not loaded");
            Exit::Configuration
        }
    }
}
