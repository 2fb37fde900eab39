//! A configuration from its file: text to entries, entries to sections, sections
//! to a configuration and a report of everything that is wrong.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::config::configuration::Config;
use crate::config::sections::otp::{OtpChannel, OtpDraft, OtpSettings};
use crate::config::sections::outgoing::{self, delivery, fallbacks};
use crate::config::sections::{incoming, otp, sak, server, spool};
use crate::config::syntax::entry::Entry;
use crate::config::syntax::problem::{Problem, Report, Severity};
use crate::config::syntax::reader::{self, Reader};
use crate::config::syntax::section::Section;
use crate::config::syntax::{ini, keys, preset};
use crate::config::{advice, secret_places, secrets};
use crate::model::interface::InterfaceName;

/// Why there is no configuration. The administrator must act.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The file contains mistakes.
    #[error("use the configuration:\n{0}")]
    Mistakes(Report),
    /// The file cannot be read.
    #[error("read the configuration {} (--config names another file)", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
}

/// Reads a configuration file.
///
/// The report contains warnings: what works and the administrator should know.
///
/// # Errors
/// When the file cannot be read or contains mistakes.
pub fn load(path: &Path) -> Result<(Config, Report), LoadError> {
    let text = read(path)?;
    let (config, mut report) =
        parse(path, &text, &preset::from_file).map_err(LoadError::Mistakes)?;
    if config.holds_secrets() && secrets::is_world_readable(path) {
        report.problems.push(Problem {
            severity: Severity::Advice,
            line: None,
            location: String::new(),
            message: "contains a secret and every user of this machine can read it: \
                      chown root:asterisk, chmod 0640"
                .to_owned(),
        });
    }
    Ok((config, report))
}

/// Reads from a configuration file what `[otp]` contains before there is an account.
///
/// # Errors
/// When the file cannot be read or contains mistakes.
pub(crate) fn load_draft(path: &Path) -> Result<OtpDraft, LoadError> {
    let text = read(path)?;
    parse_draft(path, &text, &preset::from_file).map_err(LoadError::Mistakes)
}

/// Reads a configuration from its text, as [`load`] does from a file. `own` finds
/// the administrator's own presets.
///
/// # Errors
/// The report of all problems when one of them is a mistake.
pub fn parse(
    path: &Path,
    text: &str,
    own: preset::PresetLoader<'_>,
) -> Result<(Config, Report), Report> {
    let (entries, mut problems) = read_entries(text, own);
    let mut config = assemble(&entries, &mut problems);
    if let Some(config) = &mut config {
        config.secrets = secret_places::placed(config, &entries);
        problems.extend(advice::advice(config, &entries));
        problems.extend(reader::comments_without_blank(&entries));
    }
    finish(path, problems, config)
}

/// Reads from the text of a configuration what `[otp]` contains before there is an
/// account. The other sections must be without mistakes all the same.
///
/// # Errors
/// The report of all problems when one of them is a mistake.
pub(crate) fn parse_draft(
    path: &Path,
    text: &str,
    own: preset::PresetLoader<'_>,
) -> Result<OtpDraft, Report> {
    let (entries, mut problems) = read_entries(text, own);
    let of_otp = |entry: &Entry| entry.section == Section::Otp.name();
    let (otp, others): (Vec<_>, Vec<_>) = entries.into_iter().partition(of_otp);
    let config = assemble(&others, &mut problems);
    let draft = otp::read_draft(&otp, &mut problems);
    finish(path, problems, config.and(draft)).map(|(draft, _)| draft)
}

/// The text of a file. A byte that is not UTF-8 is a mistake only in a value; in a
/// comment of an old file it does no harm.
fn read(path: &Path) -> Result<String, LoadError> {
    match std::fs::read(path) {
        Ok(text) => Ok(String::from_utf8_lossy(&text).into_owned()),
        Err(source) => Err(LoadError::Unreadable(path.to_owned(), source)),
    }
}

/// The entries of a text and of the presets that it names, and what is wrong with
/// them whatever their values are.
fn read_entries(text: &str, own: preset::PresetLoader<'_>) -> (Vec<Entry>, Vec<Problem>) {
    let (mut entries, mut problems) = ini::parse(text);
    problems.extend(reader::unread_lines(&entries));
    let (added, mistakes) = preset::expand(&entries, own);
    entries.extend(added);
    problems.extend(mistakes);
    (entries, problems)
}

/// The report on a file, and what was read from it unless there is a mistake.
fn finish<T>(
    path: &Path,
    mut problems: Vec<Problem>,
    read: Option<T>,
) -> Result<(T, Report), Report> {
    problems.sort_by_key(|problem| (problem.line.is_none(), problem.line));
    // The interfaces of a section share its plain keys and so their mistakes.
    problems.dedup();
    let report = Report {
        path: path.to_owned(),
        problems,
    };
    match read {
        Some(read) if report.worst() != Some(Severity::Mistake) => Ok((read, report)),
        _ => Err(report),
    }
}

/// The configuration of all sections; `None` after a mistake in one of them. Every
/// section is read even then.
fn assemble(entries: &[Entry], problems: &mut Vec<Problem>) -> Option<Config> {
    let unnamed = InterfaceName::unnamed();
    let is_given = |section: Section| entries.iter().any(|entry| entry.section == section.name());
    let mut outgoing = Some(Vec::new());
    if has_interface(entries) {
        outgoing = each(entries, Section::Websms, problems, outgoing::read);
    }
    if let Some(outgoing) = &outgoing {
        problems.extend(fallbacks::check(outgoing));
    }
    let mut reader = Reader::new(entries, Section::Websms, &unnamed, problems);
    let outbox = delivery::read_directory(&mut reader);
    let reply_auto = delivery::read_reply(&mut reader);
    let incoming = each(entries, Section::Websmsd, problems, incoming::read);
    if let Some(incoming) = &incoming {
        problems.extend(incoming::unauthenticated_interfaces(incoming));
    }
    let mut reader = Reader::new(entries, Section::Websmsd, &unnamed, problems);
    let server = server::read(&mut reader);
    let mut reader = Reader::new(entries, Section::Astqueue, &unnamed, problems);
    let spool = spool::read(&mut reader);
    let mut sak = Some(None);
    if is_given(Section::Whatsapp) {
        let mut reader = Reader::new(entries, Section::Whatsapp, &unnamed, problems);
        sak = sak::read(&mut reader).map(Some);
    }
    let mut otp = Some(None);
    if is_given(Section::Otp) {
        let mut reader = Reader::new(entries, Section::Otp, &unnamed, problems);
        otp = otp::read(&mut reader, outgoing.as_deref().unwrap_or_default()).map(Some);
        let needs_no_sms = |otp: &OtpSettings| !otp.channels.iter().any(OtpChannel::is_sms);
        if outgoing.is_none() && otp.iter().flatten().any(needs_no_sms) {
            problems.extend(unneeded(entries));
        }
    }
    Some(Config {
        outgoing: outgoing?,
        incoming: incoming?,
        server: server?,
        spool: spool?,
        outbox: outbox?,
        reply_auto: reply_auto?,
        sak: sak?,
        otp: otp?,
        secrets: Vec::new(),
    })
}

/// Whether `[websms]` describes an interface. Keys of the whole section alone, such as
/// `outboxdir`, do not.
fn has_interface(entries: &[Entry]) -> bool {
    let is_of_interface = |entry: &Entry| {
        entry.section == Section::Websms.name()
            && keys::find(Section::Websms, &entry.key).is_none_or(|key| key.per_interface)
    };
    entries.iter().any(is_of_interface)
}

/// Advice about mistakes in `[websms]` when all codes go by WhatsApp.
fn unneeded(entries: &[Entry]) -> Option<Problem> {
    let mut given = entries.iter();
    let first = given.find(|entry| entry.section == Section::Websms.name())?;
    Some(Problem {
        severity: Severity::Advice,
        line: first.preset.is_none().then_some(first.line),
        location: format!("[{}]", Section::Websms.name()),
        message: "is not complete, and one-time passwords do not need it, because channel is \
                  whatsapp: complete it, or remove the whole section if no texts are to be sent"
            .to_owned(),
    })
}

/// Reads every interface of a section; all of them even when one has a
/// mistake.
fn each<T>(
    entries: &[Entry],
    section: Section,
    problems: &mut Vec<Problem>,
    read: impl Fn(&mut Reader<'_>, InterfaceName) -> Option<T>,
) -> Option<Vec<T>> {
    let read: Vec<Option<T>> = reader::interfaces(entries, section)
        .into_iter()
        .map(|name| {
            read(
                &mut Reader::new(entries, section, &name, problems),
                name.clone(),
            )
        })
        .collect();
    read.into_iter().collect()
}
