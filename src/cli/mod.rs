//! The command line: its syntax and nothing else.

use std::ffi::OsString;
use std::net::SocketAddr;

use clap::{Args, Parser, Subcommand};

mod arguments;
mod configured;
mod otp;
mod queue;
mod whatsapp;

pub use arguments::arguments;
pub use configured::Configured;
pub use otp::OtpOptions;
pub(crate) use otp::{OtpAction, OtpSetup};
pub(crate) use queue::QueueAction;
pub use queue::QueueOptions;
pub use whatsapp::WhatsappOptions;
pub(crate) use whatsapp::{ApiKeyAction, SessionAction, SessionQr, WebhookAction, WhatsappAction};

/// Messaging bridge between Asterisk and the HTTP APIs of SMS providers
#[derive(Debug, Parser)]
#[command(name = "asterisk-websms", version, arg_required_else_help = true)]
pub struct Cli {
    /// The command to run.
    #[command(subcommand)]
    pub command: Command,
    /// `--config` before the command. Commands have a field of their own, which
    /// this value gets into, and so do options behind the command.
    #[command(flatten)]
    pub configured: Configured,
}

/// The command to run.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Send one message to the provider; called by Asterisk through AGI
    Websms(WebsmsOptions),
    /// Run the daemon, which takes messages from providers and hands them to Asterisk
    Websmsd(WebsmsdOptions),
    /// List, show, retry and drop messages that wait, are in flight or have failed
    Queue(QueueOptions),
    /// Manage the account at a WhatsApp gateway: log in, connect phones
    Whatsapp(WhatsappOptions),
    /// Send and check one-time passwords, and set them up at WhatsApp
    Otp(OtpOptions),
    /// Report what is wrong with configuration and spool, and how to fix it
    Check(CheckOptions),
    /// List the providers that are known by name, or show the keys of one
    Presets(PresetsOptions),
    /// Show one message each way on this machine, without an account or Asterisk
    Demo,
}

/// `websms`: one outgoing message.
#[derive(Debug, Args)]
#[command(override_usage = "websms [--config FILE] [--] TO FROM BODY [INDEX [ENCODING]]")]
pub struct WebsmsOptions {
    #[command(flatten)]
    pub(crate) configured: Configured,
    /// Their number, our number, the text; the interface to send it by (the
    /// first if empty); base64 if FROM and BODY are encoded in it
    #[arg(
        value_name = "TO FROM BODY [INDEX [ENCODING]]",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub(crate) arguments: Vec<OsString>,
}

/// `websmsd`: the daemon.
#[derive(Debug, Args)]
pub struct WebsmsdOptions {
    #[command(flatten)]
    pub(crate) configured: Configured,
    /// Address and port to listen on; port 0 takes a free one and prints it
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Port to listen on, on all IPv4 addresses, unless --listen is given
    #[arg(long, value_name = "PORT", env = "WEBSMSD_PORT", default_value_t = 80)]
    pub(crate) port: u16,
}

/// `check`: what is wrong.
#[derive(Debug, Args)]
pub struct CheckOptions {
    #[command(flatten)]
    pub(crate) configured: Configured,
    /// Check the file alone, and not the spool, keys and certificates
    #[arg(long)]
    pub(crate) file_only: bool,
}

/// `presets`: the providers that are known by name.
#[derive(Debug, Args)]
pub struct PresetsOptions {
    /// The configuration may name a directory with own presets.
    #[command(flatten)]
    pub(crate) configured: Configured,
    /// Without it, all presets are listed.
    #[command(subcommand)]
    pub(crate) action: Option<PresetsAction>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PresetsAction {
    /// Print a preset: the steps at the provider's site and the keys, ready to edit
    Show {
        /// Its name
        name: String,
    },
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use clap::CommandFactory as _;

    use super::*;

    fn parse(line: &[&str], agi: bool) -> Cli {
        try_parse(line, agi).unwrap()
    }

    fn try_parse(line: &[&str], agi: bool) -> Result<Cli, clap::Error> {
        let words = line.iter().map(OsString::from);
        Cli::try_parse_from(arguments(words, agi))
    }

    fn websms(line: &[&str], agi: bool) -> WebsmsOptions {
        match parse(line, agi).command {
            Command::Websms(websms) => websms,
            other => panic!("{other:?}"),
        }
    }

    fn config(command: Command) -> PathBuf {
        match command {
            Command::Websms(options) => options.configured,
            Command::Websmsd(options) => options.configured,
            Command::Queue(options) => options.configured,
            Command::Whatsapp(options) => options.configured,
            Command::Otp(options) => options.configured,
            Command::Check(options) => options.configured,
            Command::Presets(options) => options.configured,
            Command::Demo => panic!("demo has no configuration"),
        }
        .config
    }

    #[test]
    fn syntax_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn symlink_is_its_command() {
        for program in ["/usr/local/bin/websms", "websms", "/agi-bin/websms.php"] {
            assert_eq!(
                websms(&[program, "1", "2", "x"], false).arguments,
                ["1", "2", "x"]
            );
        }
        let line = ["/usr/bin/asterisk-websms", "websms", "1", "2", "x"];
        assert_eq!(websms(&line, false).arguments, ["1", "2", "x"]);
        let daemon = parse(&["websmsd", "--listen", "127.0.0.1:0"], false).command;
        assert!(matches!(daemon, Command::Websmsd(_)));
    }

    #[test]
    fn config_option_is_accepted_at_every_position() {
        for line in [
            &["websms", "1"][..],
            &["websmsd"],
            &["queue", "list"],
            &["queue", "show", "1795304460000001-000000ab"],
            &["queue", "retry", "--all"],
            &["queue", "drop", "1795304460000001-000000ab"],
            &["whatsapp", "login", "a@example.com"],
            &["whatsapp", "session", "create", "one"],
            &["whatsapp", "session", "list"],
            &["whatsapp", "session", "status"],
            &["whatsapp", "session", "qr"],
            &["whatsapp", "session", "delete", "1"],
            &["whatsapp", "webhook", "register", "https://h"],
            &["whatsapp", "webhook", "test"],
            &["whatsapp", "api-key", "create", "one"],
            &["whatsapp", "api-key", "list"],
            &["whatsapp", "history"],
            &["whatsapp", "health"],
            &["otp", "send", "15551234567"],
            &["otp", "verify", "15551234567", "123456"],
            &["otp", "setup"],
            &["check", "--file-only"],
            &["presets"],
            &["presets", "show", "twilio"],
        ] {
            // What follows a message of websms is part of it.
            let last = if line[0] == "websms" { 1 } else { line.len() };
            for position in 0..=last {
                for option in [&["--config", "/x"][..], &["--config=/x"]] {
                    let program = &["asterisk-websms"];
                    let (before, behind) = line.split_at(position);
                    let line = [program, before, option, behind].concat();
                    let parsed = try_parse(&line, false);
                    let command = parsed.unwrap_or_else(|error| panic!("{line:?}: {error}"));
                    assert_eq!(config(command.command), Path::new("/x"), "{line:?}");
                }
            }
        }
    }

    #[test]
    fn last_config_counts() {
        for (line, expected) in [
            ("--config /x queue --config /y list --config /z", "/z"),
            ("--config /x queue --config /y list", "/y"),
            ("--config /x queue list --config /z", "/z"),
        ] {
            let line = format!("asterisk-websms {line}");
            let line: Vec<_> = line.split(' ').collect();
            assert_eq!(config(parse(&line, false).command), Path::new(expected));
        }
    }

    #[test]
    fn options_stand_before_the_message() {
        let line = [
            "websms",
            "--config",
            "/x",
            "1",
            "2",
            "--config=/y",
            "--help",
        ];
        let read = websms(&line, false);
        assert_eq!(read.configured.config, Path::new("/x"));
        assert_eq!(read.arguments, ["1", "2", "--config=/y", "--help"]);
        let read = websms(&["websms", "--", "-1", "-2", "-3"], false);
        assert_eq!(read.arguments, ["-1", "-2", "-3"]);
        let read = websms(&["websms", "-1", "-2", "-3"], false);
        assert_eq!(read.arguments, ["-1", "-2", "-3"]);
    }

    #[test]
    fn under_agi_no_argument_of_a_caller_is_an_option() {
        for given in ["--config=/x", "--config", "--help", "-h", "", "15551234567"] {
            let line = ["websms-otp", "verify", given, "--version"];
            match parse(&line, true).command {
                Command::Otp(OtpOptions { action, .. }) => assert!(
                    matches!(&action, OtpAction::Verify { phone, code }
                        if phone == given && code == "--version"),
                    "{action:?}"
                ),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn under_agi_no_argument_of_a_message_is_an_option() {
        for first in ["--config", "--config=/y", "--help", "-h", "-x", "1"] {
            let read = websms(&["websms", first, "2", "x"], true);
            assert_eq!(read.arguments, [first, "2", "x"]);
            let read = websms(&["asterisk-websms", "websms", first, "2", "x"], true);
            assert_eq!(read.arguments, [first, "2", "x"]);
        }
    }

    #[test]
    fn under_agi_no_option_stands_before_the_command() {
        for line in [
            &["asterisk-websms", "--config=/x", "websms", "1", "2", "x"][..],
            &["asterisk-websms", "--config", "/x", "websms", "1", "2", "x"],
            &["asterisk-websms", "--config", "/x", "otp", "send", "--help"],
            &["asterisk-websms", "--", "websms", "--help", "2", "x"],
            &["asterisk-websms", "otp", "--config=/x", "send", "1"],
            &["asterisk-websms", "otp", "--config", "/x", "send", "1"],
            &["websms-otp", "--config", "send", "1"],
        ] {
            assert!(try_parse(line, true).is_err(), "{line:?}");
        }
    }
}
