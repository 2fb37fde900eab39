//! `check`: everything that is wrong, in one run, each with its remedy.

use std::error::Error;
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
use crate::secret::SecretSource;
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
        Err(unreadable) => findings.error(&format!("failed to {}", chain(&unreadable))),
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
    let spool = probe::probe(&config.spool).map(drop);
    let usable = "call files can be written and handed to Asterisk";
    findings.result("[astqueue]", usable, spool);
    let queues = |outgoing: &OutgoingInterface| outgoing.delivery.mode == DeliveryMode::Queue;
    if config.outgoing.iter().any(queues) {
        let outbox = outbox::probe(&config.outbox);
        let usable = "messages can be put into the outbox";
        findings.result("[websms] outboxdir", usable, outbox);
    }
    if let Some(shelf) = config
        .server
        .media_store
        .as_ref()
        .filter(|_| media::is_wanted(config))
    {
        let media = media::probe(shelf);
        findings.result("[websmsd] media_dir", "pictures can be kept", media);
    }
    for outgoing in &config.outgoing {
        if let Err(error) = Provider::new(outgoing.clone()) {
            findings.failure(
                &format!("[websms] interface {}", outgoing.interface),
                &error,
            );
        }
    }
    for incoming in &config.incoming {
        if let Err(error) = Endpoint::new(incoming.clone()) {
            findings.failure(
                &format!("[websmsd] interface {}", incoming.interface),
                &error,
            );
        }
    }
    if let Some(settings) = &config.otp {
        let otp = otp::probe(config, settings);
        findings.result("[otp]", "one-time passwords can be sent and kept", otp);
    }
    if let Some(account) = &config.sak {
        whatsapp(account, findings);
    }
}

/// A token need not be there yet; keys have to.
fn whatsapp(whatsapp: &SakSettings, findings: &mut Findings) {
    if let Err(error) = client::client(whatsapp) {
        findings.failure("[whatsapp]", &error);
    }
    let keys = [
        ("user_key", &whatsapp.user_key),
        ("session_key", &whatsapp.session_key),
    ];
    for (key, source) in keys {
        if let Some(Err(error)) = source.as_ref().map(SecretSource::resolve_nonempty) {
            findings.failure(&format!("[whatsapp] {key}"), &error);
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

    /// That something can be used, or why not.
    fn result<E: Error>(&mut self, place: &str, usable: &str, result: Result<(), E>) {
        match result {
            Ok(()) => self.line("ok", usable),
            Err(error) => self.failure(place, &error),
        }
    }

    fn failure(&mut self, place: &str, error: &dyn Error) {
        self.error(&format!("{place}: failed to {}", chain(error)));
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
