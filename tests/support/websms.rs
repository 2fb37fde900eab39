//! Runs `websms` as from a shell, or as Asterisk runs an AGI program.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

use super::{Provider, program, section};

/// The channel variables that these AGI commands set.
pub(crate) fn variables(commands: &[u8]) -> HashMap<String, String> {
    let commands = String::from_utf8(commands.to_vec()).unwrap();
    commands.lines().map(variable).collect()
}

/// Name and value of the channel variable that an AGI command sets.
pub(crate) fn variable(command: &str) -> (String, String) {
    let rest = command.trim().strip_prefix("SET VARIABLE ").unwrap();
    let (name, value) = rest.split_once(' ').unwrap();
    (name.to_owned(), value.trim_matches('"').to_owned())
}

/// A configured `websms`.
pub(crate) struct Websms {
    directory: TempDir,
    agi: bool,
    environment: Vec<(String, String)>,
}

impl Websms {
    /// With this configuration file.
    pub(crate) fn configured(config: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("websms.conf"), config).unwrap();
        Self {
            directory,
            agi: false,
            environment: Vec::new(),
        }
    }

    /// With an interface to this provider, and these keys.
    pub(crate) fn to(provider: &Provider, more: &[(&str, &str)]) -> Self {
        let url = provider.url();
        let mut pairs = vec![
            ("host", url.as_str()),
            ("path", "/sms/send/"),
            ("auth_user", "id"),
            ("auth_passwd", "secret"),
        ];
        pairs.extend_from_slice(more);
        Self::configured(&section("websms", &pairs))
    }

    /// As Asterisk runs it.
    pub(crate) fn under_agi(mut self) -> Self {
        self.agi = true;
        self
    }

    pub(crate) fn with_environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The directory of the configuration.
    pub(crate) fn path(&self) -> &std::path::Path {
        self.directory.path()
    }

    pub(crate) fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(program());
        command
            .env_clear()
            .env("WEBSMS_CONF", self.directory.path().join("websms.conf"))
            .envs(self.environment.iter().cloned())
            .arg("websms")
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if self.agi {
            command.env("AST_AGI_DIR", "/usr/share/asterisk/agi-bin");
        }
        command
    }

    pub(crate) fn start<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs it and returns its exit status.
    pub(crate) fn status<S: AsRef<OsStr>>(&self, arguments: &[S]) -> i32 {
        self.run(arguments).status.code().expect("no signal")
    }
}
