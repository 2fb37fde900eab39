//! Parses the command line, runs the subcommand, and returns its exit status.

use std::io::Write as _;
use std::process::{ExitCode, Termination as _};

use asterisk_websms::cli::{self, Cli, Command};
use asterisk_websms::command::{self, check, demo, otp, presets, queue, sak, websms, websmsd};
use asterisk_websms::exit::Exit;
use clap::Parser as _;

fn main() -> ExitCode {
    command::protect_memory();
    // Asterisk sets this for its AGI programs (res/res_agi.c, launch_script).
    let agi = std::env::var_os("AST_AGI_DIR").is_some();
    let arguments = cli::arguments(std::env::args_os(), agi);
    let is_otp = arguments
        .get(1)
        .is_some_and(|subcommand| subcommand == "otp");
    match Cli::try_parse_from(arguments) {
        Ok(cli) => dispatch(&cli.command, agi),
        Err(_) if agi && is_otp => otp::misused(),
        Err(error) => usage(&error, agi),
    }
    .report()
}

fn dispatch(command: &Command, agi: bool) -> Exit {
    match command {
        Command::Check(options) => check::run(options),
        Command::Demo => demo::run(),
        Command::Otp(options) => otp::run(options, agi),
        Command::Presets(options) => presets::run(options),
        Command::Queue(options) => queue::run(options),
        Command::Websms(options) => websms::run(options, agi),
        Command::Websmsd(options) => websmsd::run(options),
        Command::Whatsapp(options) => sak::run(options),
    }
}

/// Prints help or version to stdout, and a mistake to stderr. Under AGI stdout is
/// only for commands.
fn usage(error: &clap::Error, agi: bool) -> Exit {
    if error.use_stderr() || agi {
        let _ = write!(std::io::stderr(), "{error}");
        return Exit::Usage;
    }
    let _ = write!(std::io::stdout(), "{error}");
    Exit::Success
}
