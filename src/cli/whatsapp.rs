//! `whatsapp`: the account at a gateway.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use reqwest::Url;

use crate::cli::configured::Configured;
use crate::config::SessionId;

/// `whatsapp`: the account at a gateway.
#[derive(Debug, Args)]
pub struct WhatsappOptions {
    #[command(flatten)]
    pub(crate) configured: Configured,
    #[command(subcommand)]
    pub(crate) action: WhatsappAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WhatsappAction {
    /// Get a token for a password, typed or read from stdin
    Login {
        /// E-mail address of the account
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        email: String,
    },
    /// Create, show, connect and delete sessions; each is a phone
    Session {
        #[command(subcommand)]
        action: SessionAction,
    },
    /// Set the URL that messages are posted to, and test it
    Webhook {
        #[command(subcommand)]
        action: WebhookAction,
    },
    /// Create and list the user's API keys, which need no login
    ApiKey {
        #[command(subcommand)]
        action: ApiKeyAction,
    },
    /// List messages that the gateway has recorded
    History {
        /// Session whose messages are listed, instead of the configured one
        #[arg(long, value_name = "ID")]
        session: Option<SessionId>,
        /// How many at most
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// How many to skip
        #[arg(long, default_value_t = 0)]
        offset: u32,
    },
    /// Show whether the gateway is reachable and healthy
    Health,
}

/// Without an id, the configured session is meant, or the only one that exists.
#[derive(Debug, Subcommand)]
pub(crate) enum SessionAction {
    /// Create a session, and print its keys as lines for websms.conf, once
    Create {
        /// Name of the session
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
        /// URL that messages are posted to
        #[arg(long, value_name = "URL", value_parser = web_url)]
        webhook: Option<String>,
    },
    /// List all sessions
    List,
    /// Show a session, and whether its phone is connected
    Status {
        /// Id of the session
        id: Option<SessionId>,
    },
    /// Show the code that the phone scans, until it has done so
    Qr(SessionQr),
    /// Disconnect the phone and delete the session, with its keys
    Delete {
        /// Id of the session; required
        id: SessionId,
    },
}

/// `whatsapp session qr`: a code to scan.
#[derive(Debug, Args)]
pub(crate) struct SessionQr {
    /// Id of the session
    pub(crate) id: Option<SessionId>,
    /// Write the code into this picture instead of drawing it
    #[arg(long, value_name = "FILE")]
    pub(crate) png: Option<PathBuf>,
    /// Write the code into this picture instead of drawing it
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// Seconds to wait for the phone
    #[arg(long, value_name = "SECONDS", default_value_t = 180,
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) wait: u64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WebhookAction {
    /// Have messages posted to a URL, and print the secret that signs them, once
    #[command(allow_missing_positional = true)]
    Register {
        /// Id of the session
        session: Option<SessionId>,
        /// URL that messages are posted to
        #[arg(value_parser = web_url)]
        url: String,
    },
    /// Have a test message posted
    Test {
        /// Id of the session
        session: Option<SessionId>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ApiKeyAction {
    /// Create a key, and print it as a line for websms.conf, once
    Create {
        /// Name of the key
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
    },
    /// List all keys by name
    List,
}

/// A URL that something can be posted to.
fn web_url(raw: &str) -> Result<String, String> {
    let url = Url::parse(raw).ok();
    url.filter(|url| matches!(url.scheme(), "http" | "https"))
        .map(|_| raw.to_owned())
        .ok_or_else(|| "not a URL (expected e.g. https://sms.example.com/hook)".to_owned())
}
