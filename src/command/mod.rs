//! One file per subcommand: reads the configuration, wires the parts, owns
//! signals and streams.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use thiserror::Error;
use tracing::{error, info, warn};

use crate::accounts::Ids;
use crate::cli::Configured;
use crate::config::{self, Config, LoadError, Report, Severity};
use crate::logging::failed;
use crate::privileges::{self, PrivilegeError};

pub mod check;
pub mod demo;
pub mod otp;
pub mod presets;
mod prompt;
pub mod queue;
pub mod sak;
mod terminal;
pub mod websms;
pub mod websmsd;

/// Environment variable with the log level.
const LOG_LEVEL: &str = "WEBSMS_LOG";

fn log_level() -> Option<String> {
    std::env::var(LOG_LEVEL).ok()
}

/// Loads the configuration. When it cannot be used, everything that is wrong
/// with it is logged, a line for each problem.
fn load(configured: &Configured) -> Option<(Config, Report)> {
    config::load(&configured.config)
        .map_err(|error| log_load_error(&error))
        .ok()
}

fn log_load_error(error: &LoadError) {
    match error {
        LoadError::Mistakes(report) => log(report),
        LoadError::Unreadable(..) => error!(error = %failed(error), "configuration not loaded"),
    }
}

fn log(report: &Report) {
    for (severity, line) in report.lines() {
        match severity {
            Severity::Mistake => error!("{line}"),
            Severity::Advice | Severity::Unknown => warn!("{line}"),
        }
    }
}

/// Keeps secrets out of core dumps and away from debuggers.
pub fn protect_memory() {
    privileges::protect_memory();
}

/// Gives up root for the owner of the spool, if this is root. To be called before
/// a directory of the spool is touched and a secret is read, and after ports that
/// need root are bound. The configuration was read by root before, so what that
/// user cannot read is returned.
fn become_owner(
    configured: &Configured,
    config: &Config,
) -> Result<Option<UnreadableConfig>, PrivilegeError> {
    let Some(ids) = privileges::become_owner(config)? else {
        return Ok(None);
    };
    info!(
        user = ids.user,
        group = ids.group,
        "became the owner of the spool"
    );
    let unreadable = |source| UnreadableConfig {
        path: configured.config.clone(),
        ids,
        source,
    };
    Ok(File::open(&configured.config).err().map(unreadable))
}

/// Root can read the configuration, but not who owns the spool.
#[derive(Debug, Error)]
#[error(
    "read {} as user {user}, who owns the spool, so messages that Asterisk hands to websms fail \
     (chown root:{group}, chmod 0640, and let that user enter its directory)",
    path.display(),
    user = ids.user,
    group = ids.group
)]
struct UnreadableConfig {
    path: PathBuf,
    ids: Ids,
    source: io::Error,
}
