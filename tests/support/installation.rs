//! A spool, an outbox and a configuration, with or without a running `websmsd`.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;

use nix::sys::signal::Signal;

use super::outbox::Outbox;
use super::websms::variables;
use super::{Daemon, Spool, program};

pub(crate) struct Installation {
    /// Belongs to the daemon while it runs.
    spool: Option<Spool>,
    directory: PathBuf,
    config: String,
}

impl Installation {
    /// With a new spool, and the configuration that `config` makes for it.
    pub(crate) fn new(config: impl FnOnce(&Spool) -> String) -> Self {
        let spool = Spool::new();
        let config = config(&spool);
        let mut installation = Self {
            directory: spool.path().to_owned(),
            spool: Some(spool),
            config: String::new(),
        };
        installation.configure(config);
        installation
    }

    pub(crate) fn configure(&mut self, config: String) {
        std::fs::write(self.path("websms.conf"), &config).unwrap();
        self.config = config;
    }

    /// Replaces a part of the configuration.
    pub(crate) fn replace(&mut self, from: &str, to: &str) {
        assert!(self.config.contains(from), "{from}");
        self.configure(self.config.replace(from, to));
    }

    pub(crate) fn config(&self) -> &str {
        &self.config
    }

    /// A path beside the configuration.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub(crate) fn spool(&self) -> &Spool {
        self.spool.as_ref().expect("no daemon runs")
    }

    pub(crate) fn outbox(&self) -> Outbox {
        Outbox::at(self.path("outbox"))
    }

    pub(crate) fn start(&mut self) -> Daemon {
        Daemon::with(self.spool.take().expect("no daemon runs"), &self.config)
    }

    /// Ends the daemon by SIGTERM; returns its log.
    pub(crate) fn stop(&mut self, daemon: Daemon) -> String {
        let (spool, status, log) = daemon.end(Signal::SIGTERM);
        assert!(status.success(), "{log}");
        self.spool = Some(spool);
        log
    }

    /// Ends the daemon by SIGKILL.
    pub(crate) fn kill(&mut self, daemon: Daemon) {
        let (spool, _, _) = daemon.end(Signal::SIGKILL);
        self.spool = Some(spool);
    }

    /// The program with this configuration.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command
            .env_clear()
            .env("WEBSMS_CONF", self.path("websms.conf"))
            .args(arguments);
        command
    }

    /// Runs `websms` as Asterisk does; returns the channel variables that it sets.
    pub(crate) fn send(&self, arguments: &[&str]) -> HashMap<String, String> {
        let output = self
            .command(&["websms"])
            .args(arguments)
            .env("AST_AGI_DIR", "x")
            .output()
            .unwrap();
        variables(&output.stdout)
    }

    /// Runs `queue`; returns its output.
    pub(crate) fn queue(&self, arguments: &[&str]) -> String {
        let output = Command::new(program())
            .args(["queue", "--config"])
            .arg(self.path("websms.conf"))
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}
