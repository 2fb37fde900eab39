//! `check`: reports every mistake in configuration, spool, secrets and certificates
//! in one run, each with its remedy.

use std::error::Error;

use crate::cli::CheckOptions;
use crate::command::{become_owner, terminal};
use crate::config::{
    self, Config, DeliveryMode, LoadError, OutgoingInterface, Report, SakSettings, Severity,
};
use crate::exit::Exit;
use crate::inbound::endpoint::Endpoint;
use crate::logging::{escaped_line, failed};
use crate::outbound::provider::Provider;
use crate::sak::client;
use crate::secret::SecretSource;
use crate::spool::probe;
use crate::storage::quarantine;
use crate::{media, otp, outbox};

/// Prints every finding on stdout; success when none of them is an error.
#[must_use]
pub fn run(options: &CheckOptions) -> Exit {
    let mut findings = Findings::default();
    match config::load(&options.configured.config) {
        Ok((config, report)) => {
            findings.report(&report);
            if !options.file_only {
                check_directories(options, &config, &mut findings);
                let path = &options.configured.config;
                findings.report(&config::stored_secrets(&config.secrets, path));
                check_interfaces(&config, &mut findings);
            }
        }
        Err(LoadError::Mistakes(report)) => findings.report(&report),
        Err(unreadable) => findings.error(&failed(&unreadable)),
    }
    let path = options.configured.config.display();
    let Findings { lines, errors } = findings;
    let summary = match errors {
        0 => format!("ok: no errors in {path}\n"),
        1 => "1 error\n".to_owned(),
        _ => format!("{errors} errors\n"),
    };
    terminal::print(&format!("{lines}{summary}"));
    if errors == 0 {
        Exit::Success
    } else {
        Exit::Configuration
    }
}

/// Checks the directories as the user who will write into them.
fn check_directories(options: &CheckOptions, config: &Config, findings: &mut Findings) {
    match become_owner(&options.configured, config) {
        Ok(None) => {}
        Ok(Some(unreadable)) => findings.failure("[astqueue]", &unreadable),
        Err(error) => return findings.failure("[astqueue]", &error),
    }
    let spool = probe::probe(&config.spool).map(drop);
    let usable = "call files can be written and handed to Asterisk";
    findings.result("[astqueue]", usable, spool);
    let queues = |outgoing: &OutgoingInterface| outgoing.delivery.mode == DeliveryMode::Queue;
    if config.outgoing.iter().any(queues) {
        let outbox = outbox::probe(&config.outbox);
        let usable = "messages can be put into the outbox";
        findings.result("[websms] outboxdir", usable, outbox);
    }
    let media_store = config.server.media_store.as_ref();
    if let Some(settings) = media_store.filter(|_| media::is_wanted(config)) {
        let media = media::probe(settings);
        findings.result("[websmsd] media_dir", "pictures can be kept", media);
    }
    if let Some(settings) = &config.otp {
        let otp = otp::probe(config, settings);
        findings.result("[otp]", "one-time passwords can be sent and kept", otp);
    }
    check_quarantines(config, findings);
}

/// Names the damaged files that were put aside.
fn check_quarantines(config: &Config, findings: &mut Findings) {
    let mut directories = vec![("[astqueue]", config.spool.staging.clone())];
    let outbox = outbox::layout::with_quarantine(&config.outbox);
    directories.extend(outbox.map(|directory| ("[websms]", directory)));
    let otp = config.otp.as_ref().map(|otp| otp.directory.clone());
    directories.extend(otp.map(|directory| ("[otp]", directory)));
    let media = config.server.media_store.as_ref();
    directories.extend(media.map(|media| ("[websmsd]", media::jobs_directory(media))));
    for (section, directory) in directories {
        if let Some((count, quarantine)) = quarantine::kept(&directory) {
            let quarantine = quarantine.display();
            findings.line(
                "warning",
                &format!(
                    "{section}: damaged files in {quarantine}: {count} (look at them, mend or \
                     remove them)"
                ),
            );
        }
    }
}

/// Checks secrets and certificates of all interfaces.
fn check_interfaces(config: &Config, findings: &mut Findings) {
    for outgoing in &config.outgoing {
        if let Err(error) = Provider::new(outgoing.clone()) {
            let interface = &outgoing.interface;
            findings.failure(&format!("[websms] interface {interface}"), &error);
        }
    }
    for incoming in &config.incoming {
        if let Err(error) = Endpoint::new(incoming.clone()) {
            let interface = &incoming.interface;
            findings.failure(&format!("[websmsd] interface {interface}"), &error);
        }
    }
    if let Some(settings) = &config.sak {
        check_sak(settings, findings);
    }
}

/// The token may be missing before the first login; keys may not.
fn check_sak(settings: &SakSettings, findings: &mut Findings) {
    if let Err(error) = client::client(settings) {
        findings.failure("[whatsapp]", &error);
    }
    let keys = [
        ("user_key", &settings.user_key),
        ("session_key", &settings.session_key),
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

    /// Reports that something is usable, or why it is not.
    fn result<E: Error>(&mut self, location: &str, usable: &str, result: Result<(), E>) {
        match result {
            Ok(()) => self.line("ok", usable),
            Err(error) => self.failure(location, &error),
        }
    }

    fn failure(&mut self, location: &str, error: &dyn Error) {
        self.error(&format!("{location}: {}", failed(error)));
    }

    fn error(&mut self, line: &str) {
        self.errors += 1;
        self.line("error", line);
    }

    fn line(&mut self, kind: &str, line: &str) {
        self.lines.push_str(kind);
        self.lines.push_str(": ");
        self.lines.push_str(&escaped_line(line));
        self.lines.push('\n');
    }
}
