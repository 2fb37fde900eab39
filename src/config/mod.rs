//! `websms.conf`: text to typed, checked configuration.
//!
//! Four steps: [`ini`] makes entries of lines, [`preset`] adds what the file
//! leaves to a preset, [`value`](syntax::value) makes types of values, and one file per section
//! puts them together. All mistakes of a file are found in
//! one run; a configuration exists only when there are none. Reading touches
//! nothing but text; secrets that stand elsewhere are fetched by whoever uses
//! them.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

mod advice;
pub mod sections;
pub mod syntax;

pub use sections::incoming::authenticity::{
    AuthLocation, AuthScheme, DigestEncoding, HmacDigest, HmacScheme, VonageDigest, WebhookAuth,
};
pub use sections::incoming::interface::{
    Acknowledgement, AllowedMethod, BodyEncoding, EchoSecret, FieldPaths, IncomingInterface, TOKEN,
};
pub use sections::incoming::media::{MediaMode, MediaSettings};
pub use sections::incoming::receipts::ReceiptPaths;
pub use sections::media_store::MediaStoreSettings;
pub use sections::otp::{
    AccountSource, Identifier, OtpChannel, OtpDraft, OtpSettings, SmsSettings, WhatsappAccount,
    WhatsappCodes, sender,
};
pub use sections::outgoing::auth::Auth;
pub use sections::outgoing::delivery::{
    DeliveryMode, DeliverySettings, IdempotencySettings, RetrySettings,
};
pub use sections::outgoing::error_codes::ErrorCodes;
pub use sections::outgoing::interface::{Charset, OutgoingInterface, RequestMethod, ResponseId};
pub use sections::outgoing::parameters::{BodyType, Parameters, pointer};
pub use sections::outgoing::pictures::{PictureSettings, PrecedingUpload, UploadSettings};
pub use sections::sak::{SakSettings, SessionId};
pub use sections::server::{HttpSettings, ServerSettings};
pub use sections::spool::{CallFileSettings, Owner, SpoolSettings};
pub use syntax::problem::{Problem, Report, Severity};

use crate::model::interface::InterfaceName;
use sections::outgoing::{delivery, fallbacks};
use sections::{incoming, otp, outgoing, sak, server, spool};
use syntax::entry::Entry;
use syntax::problem::did_you_mean;
use syntax::reader::{self, Reader};
use syntax::section::Section;
use syntax::{ini, preset};

/// Where the file is when nobody says otherwise.
pub const DEFAULT_PATH: &str = "/etc/asterisk/websms.conf";

/// A whole configuration without mistakes.
#[derive(Debug, Clone)]
pub struct Config {
    /// Accounts that messages go out by, in the order of the file. Empty when
    /// `[websms]` holds nothing: then nothing can be sent.
    pub outgoing: Vec<OutgoingInterface>,
    /// Accounts that messages come in on, in the order of the file.
    pub incoming: Vec<IncomingInterface>,
    /// The daemon as a whole.
    pub server: ServerSettings,
    /// Call files.
    pub spool: SpoolSettings,
    /// Directory in which messages wait for the provider.
    pub outbox: PathBuf,
    /// Whether a message that names no interface goes by the one on which the
    /// other party last wrote.
    pub reply_auto: bool,
    /// The WhatsApp gateway whose account is looked after; `None` when
    /// `[whatsapp]` holds nothing.
    pub sak: Option<SakSettings>,
    /// One-time passwords; `None` when `[otp]` holds nothing.
    pub otp: Option<OtpSettings>,
}

impl Config {
    /// Whether a secret stands in the file itself.
    fn holds_secrets(&self) -> bool {
        let outgoing = self
            .outgoing
            .iter()
            .map(|outgoing| outgoing.auth.holds_secret());
        let incoming = self.incoming.iter().map(|incoming| {
            let authenticity = incoming.auth.as_ref();
            authenticity.is_some_and(WebhookAuth::holds_secret)
        });
        let whatsapp = self.sak.iter().map(SakSettings::holds_secret);
        let otp = self.otp.iter().map(OtpSettings::holds_secret);
        let all = outgoing.chain(incoming).chain(whatsapp).chain(otp);
        all.into_iter().any(|holds| holds)
    }

    /// The account that messages go out by: the one of that name, or the first
    /// when no name is given.
    ///
    /// # Errors
    /// When there is none; the text says which there are.
    pub fn outgoing(&self, index: &str) -> Result<&OutgoingInterface, UnknownIndex> {
        let found = if index.is_empty() {
            self.outgoing.first()
        } else {
            self.outgoing
                .iter()
                .find(|outgoing| outgoing.interface.as_str() == index)
        };
        found.ok_or_else(|| UnknownIndex {
            index: index.to_owned(),
            known: self
                .outgoing
                .iter()
                .map(|outgoing| outgoing.interface.clone())
                .collect(),
        })
    }
}

/// A message names an account that is not configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownIndex {
    index: String,
    known: Vec<InterfaceName>,
}

impl fmt::Display for UnknownIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.known.is_empty() {
            return f.write_str("[websms] names no provider to send by: set host");
        }
        let known: Vec<_> = self.known.iter().map(InterfaceName::as_str).collect();
        let hint = did_you_mean(&self.index, known.iter().copied());
        let index = &self.index;
        let known = known.join(", ");
        write!(
            f,
            "no interface {index:?} in [websms], which has: {known}{hint}"
        )
    }
}

impl std::error::Error for UnknownIndex {}

/// Reads a configuration from its text.
///
/// The report holds what the administrator should know even though it works;
/// its problems are not worse than [`Severity::Unknown`]. `own` gives the presets
/// of the administrator's own.
///
/// # Errors
/// The report of all problems when one of them is a mistake.
pub fn parse(
    path: &Path,
    text: &str,
    own: preset::PresetLoader<'_>,
) -> Result<(Config, Report), Report> {
    let (mut entries, mut problems) = ini::parse(text);
    problems.extend(reader::strays(&entries));
    let (added, mistakes) = preset::expand(&entries, own);
    entries.extend(added);
    problems.extend(mistakes);
    let config = assemble(&entries, &mut problems);
    if let Some(config) = &config {
        problems.extend(advice::advice(config, &entries));
        problems.extend(reader::glued(&entries));
    }
    problems.sort_by_key(|problem| (problem.line.is_none(), problem.line));
    // The interfaces of a section share its plain keys and so their mistakes.
    problems.dedup();
    let report = Report {
        path: path.to_owned(),
        problems,
    };
    match config {
        Some(config) if report.worst() != Some(Severity::Mistake) => Ok((config, report)),
        _ => Err(report),
    }
}

/// Reads from the text of a configuration what `[otp]` says before there is an
/// account. The rest of it must be without mistakes all the same.
///
/// # Errors
/// The report of all problems when one of them is a mistake.
pub fn parse_draft(
    path: &Path,
    text: &str,
    own: preset::PresetLoader<'_>,
) -> Result<OtpDraft, Report> {
    let (mut entries, mut problems) = ini::parse(text);
    problems.extend(reader::strays(&entries));
    let (added, mistakes) = preset::expand(&entries, own);
    entries.extend(added);
    problems.extend(mistakes);
    let of_otp = |entry: &Entry| entry.section == Section::Otp.name();
    let (mine, others): (Vec<_>, Vec<_>) = entries.into_iter().partition(of_otp);
    let config = assemble(&others, &mut problems);
    let draft = otp::read_draft(&mine, &mut problems);
    problems.sort_by_key(|problem| (problem.line.is_none(), problem.line));
    problems.dedup();
    let report = Report {
        path: path.to_owned(),
        problems,
    };
    match (config, draft) {
        (Some(_), Some(draft)) if report.worst() != Some(Severity::Mistake) => Ok(draft),
        _ => Err(report),
    }
}

/// Reads from a configuration file what `[otp]` says before there is an account.
///
/// # Errors
/// When it cannot be read or holds mistakes.
pub fn load_draft(path: &Path) -> Result<OtpDraft, LoadError> {
    let text = read(path)?;
    parse_draft(path, &text, &preset::from_file).map_err(LoadError::Mistakes)
}

/// Reads a configuration file.
///
/// # Errors
/// When it cannot be read or holds mistakes.
pub fn load(path: &Path) -> Result<(Config, Report), LoadError> {
    let text = read(path)?;
    let (config, mut report) =
        parse(path, &text, &preset::from_file).map_err(LoadError::Mistakes)?;
    if config.holds_secrets() && is_world_readable(path) {
        report.problems.push(Problem {
            severity: Severity::Advice,
            line: None,
            place: String::new(),
            message: "holds a secret and can be read by every user of this machine: \
                      chown root:asterisk, chmod 0640"
                .to_owned(),
        });
    }
    Ok((config, report))
}

/// The text of a file. A byte that is not UTF-8 is a mistake only where it stands;
/// in a comment of an old file it is none.
fn read(path: &Path) -> Result<String, LoadError> {
    match std::fs::read(path) {
        Ok(text) => Ok(String::from_utf8_lossy(&text).into_owned()),
        Err(source) => Err(LoadError::Unreadable {
            path: path.to_owned(),
            source,
        }),
    }
}

fn is_world_readable(path: &Path) -> bool {
    const OTHERS_READ: u32 = 0o004;
    path.metadata()
        .is_ok_and(|metadata| metadata.mode() & OTHERS_READ != 0)
}

fn assemble(entries: &[Entry], problems: &mut Vec<Problem>) -> Option<Config> {
    let unnamed = InterfaceName::unnamed();
    let given = |section: Section| entries.iter().any(|entry| entry.section == section.name());
    let mut outgoing = Some(Vec::new());
    if given(Section::Websms) {
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
    let daemon = server::read(&mut reader);
    let mut reader = Reader::new(entries, Section::Astqueue, &unnamed, problems);
    let queue = spool::read(&mut reader);
    let mut whatsapp = Some(None);
    if given(Section::Whatsapp) {
        let mut reader = Reader::new(entries, Section::Whatsapp, &unnamed, problems);
        whatsapp = sak::read(&mut reader).map(Some);
    }
    let mut otp = Some(None);
    if given(Section::Otp) {
        let mut reader = Reader::new(entries, Section::Otp, &unnamed, problems);
        otp = otp::read(&mut reader, outgoing.as_deref().unwrap_or_default()).map(Some);
    }
    Some(Config {
        outgoing: outgoing?,
        incoming: incoming?,
        server: daemon?,
        spool: queue?,
        outbox: outbox?,
        reply_auto: reply_auto?,
        sak: whatsapp?,
        otp: otp?,
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

/// Why there is no configuration. The administrator must act.
#[derive(Debug)]
pub enum LoadError {
    /// It can be read but not used.
    Mistakes(Report),
    /// It cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mistakes(report) => report.fmt(f),
            Self::Unreadable { path, source } => {
                let path = path.display();
                write!(
                    f,
                    "{path}: cannot be read: {source} (name another file with --config)"
                )
            }
        }
    }
}

impl std::error::Error for LoadError {}
