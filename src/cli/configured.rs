//! `--config`, an option of every command.

use std::path::PathBuf;

use clap::Args;

use crate::config;

/// Where the configuration is.
#[derive(Debug, Args)]
pub struct Configured {
    /// Configuration file
    #[arg(long, value_name = "FILE", env = "WEBSMS_CONF", default_value = config::DEFAULT_PATH,
          global = true)]
    pub(crate) config: PathBuf,
}
