//! One file per subcommand: reads the configuration, wires the parts, owns
//! signals and streams.

use tracing::{error, warn};

use crate::cli::Configured;
use crate::config::{self, Config, LoadError, Report, Severity};
use crate::logging::failed;

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
