//! `check`: everything that is wrong, in one run, each with its remedy.

use std::io::{self, Write};

use crate::cli::CheckOptions;
use crate::config::{
    self, Config, DeliveryMode, LoadError, OutgoingInterface, Report, SakSettings, Severity,
};
use crate::exit::Exit;
use crate::inbound::endpoint::Endpoint;
use crate::logging::chain;
use crate::media;
use crate::otp;
use crate::outbound::provider::Provider;
use crate::outbox;
use crate::sak::client;
use crate::spool::probe;

/// Prints every problem on stdout; success when none of them is an error.
#[must_use]
pub fn run(options: &CheckOptions) -> Exit {
    let mut findings = Findings::default();
    match config::load(&options.configured.config) {
        Ok((config, report)) => {
            findings.report(&report);
            if !options.file_only {
                surroundings(&config, &mut findings);
            }
        }
        Err(LoadError::Mistakes(report)) => findings.report(&report),
        Err(unreadable) => findings.error(&unreadable.to_string()),
    }
    let path = options.configured.config.display();
    let Findings { lines, errors } = findings;
    let summary = if errors == 0 {
        format!("ok: {path} can be used\n")
    } else {
        format!("{errors} to be mended\n")
    };
    // A closed stdout is no reason to say something else.
    let _ = io::stdout().write_all(format!("{lines}{summary}").as_bytes());
    if errors == 0 {
        Exit::Success
    } else {
        Exit::Configuration
    }
}

/// What the file leads to: directories, secrets, certificates.
fn surroundings(config: &Config, findings: &mut Findings) {
    match probe::probe(&config.spool) {
        Ok(_) => findings.line("ok", "call files can be written and handed to Asterisk"),
        Err(error) => findings.error(&format!("[astqueue] failed to {}", chain(&error))),
    }
    let queues = |outgoing: &OutgoingInterface| outgoing.delivery.mode == DeliveryMode::Queue;
    if config.outgoing.iter().any(queues) {
        match outbox::probe(&config.outbox) {
            Ok(()) => findings.line("ok", "messages can be put into the outbox"),
            Err(error) => {
                findings.error(&format!("[websms] outboxdir: failed to {}", chain(&error)));
            }
        }
    }
    if let Some(shelf) = config
        .server
        .shelf
        .as_ref()
        .filter(|_| media::is_wanted(config))
    {
        match media::probe(shelf) {
            Ok(()) => findings.line("ok", "pictures can be kept"),
            Err(error) => {
                findings.error(&format!("[websmsd] media_dir: failed to {}", chain(&error)));
            }
        }
    }
    for outgoing in &config.outgoing {
        if let Err(error) = Provider::new(outgoing.clone()) {
            let interface = &outgoing.interface;
            findings.error(&format!(
                "[websms] interface {interface}: failed to {}",
                chain(&error)
            ));
        }
    }
    for incoming in &config.incoming {
        if let Err(error) = Endpoint::new(incoming.clone()) {
            let interface = &incoming.interface;
            findings.error(&format!(
                "[websmsd] interface {interface}: failed to {error}"
            ));
        }
    }
    if let Some(settings) = &config.otp {
        match otp::probe(config, settings) {
            Ok(()) => findings.line("ok", "one-time passwords can be sent and kept"),
            Err(error) => findings.error(&format!("[otp] failed to {error}")),
        }
    }
    if let Some(account) = &config.sak {
        whatsapp(account, findings);
    }
}

/// A token need not be there yet; keys have to.
fn whatsapp(whatsapp: &SakSettings, findings: &mut Findings) {
    if let Err(error) = client::client(whatsapp) {
        findings.error(&format!("[whatsapp] failed to {error}"));
    }
    let keys = [
        ("user_key", &whatsapp.user_key),
        ("session_key", &whatsapp.session_key),
    ];
    for (key, source) in keys {
        let resolved = source
            .as_ref()
            .map(|source| source.resolve_nonempty(|name| std::env::var_os(name)));
        if let Some(Err(error)) = resolved {
            findings.error(&format!("[whatsapp] {key}: failed to {error}"));
        }
    }
}

#[derive(Default)]
struct Findings {
    lines: String,
    errors: usize,
}

impl Findings {
    fn report(&mut self, report: &Report) {
        for (severity, line) in report.lines() {
            match severity {
                Severity::Advice => self.line("warning", &line),
                Severity::Mistake | Severity::Unknown => self.error(&line),
            }
        }
    }

    fn error(&mut self, line: &str) {
        self.errors += 1;
        self.line("error", line);
    }

    fn line(&mut self, kind: &str, line: &str) {
        self.lines.push_str(kind);
        self.lines.push_str(": ");
        self.lines.push_str(line);
        self.lines.push('\n');
    }
}
