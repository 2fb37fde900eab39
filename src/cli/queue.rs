//! `queue`: messages on their way to phones and providers.

use clap::{Args, Subcommand};

use crate::cli::configured::Configured;
use crate::model::id::Id;

/// `queue`: messages on their way to phones and providers.
#[derive(Debug, Args)]
pub struct QueueOptions {
    #[command(flatten)]
    pub(crate) configured: Configured,
    #[command(subcommand)]
    pub(crate) action: QueueAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum QueueAction {
    /// List all messages
    List,
    /// Show one message, its text and what happened to it
    Show {
        /// The id of the message, as in `queue list` and the log
        id: Id,
    },
    /// Try a failed message again, or a waiting one at once
    Retry {
        /// The id of the message, as in `queue list` and the log
        #[arg(required_unless_present = "all")]
        id: Option<Id>,
        /// All failed messages
        #[arg(long, conflicts_with = "id")]
        all: bool,
    },
    /// Remove a message for good
    Drop {
        /// The id of the message, as in `queue list` and the log
        id: Id,
    },
}
