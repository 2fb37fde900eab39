//! A whole configuration.

use std::path::PathBuf;

use thiserror::Error;

use crate::config::secrets::PlacedSecret;
use crate::config::sections::incoming::auth::WebhookAuth;
use crate::config::sections::incoming::interface::IncomingInterface;
use crate::config::sections::otp::OtpSettings;
use crate::config::sections::outgoing::interface::OutgoingInterface;
use crate::config::sections::sak::SakSettings;
use crate::config::sections::server::ServerSettings;
use crate::config::sections::spool::SpoolSettings;
use crate::config::syntax::problem::did_you_mean;
use crate::model::interface::InterfaceName;

/// A configuration without mistakes.
#[derive(Debug, Clone)]
pub struct Config {
    /// Interfaces that send messages, in the order of the file. Empty when
    /// `[websms]` is empty: then nothing can be sent.
    pub outgoing: Vec<OutgoingInterface>,
    /// Interfaces that receive messages, in the order of the file.
    pub incoming: Vec<IncomingInterface>,
    /// The daemon as a whole.
    pub server: ServerSettings,
    /// Call files.
    pub spool: SpoolSettings,
    /// Directory in which messages wait for the provider.
    pub outbox: PathBuf,
    /// Whether a message that names no interface is sent by the one on which the
    /// other party last wrote; otherwise by the first.
    pub reply_auto: bool,
    /// The account at a WhatsApp gateway; `None` if `[whatsapp]` is empty.
    pub sak: Option<SakSettings>,
    /// One-time passwords; `None` if `[otp]` is empty.
    pub otp: Option<OtpSettings>,
    /// The secrets of all sections.
    pub(crate) secrets: Vec<PlacedSecret>,
}

impl Config {
    /// Whether the file itself contains a secret.
    pub(crate) fn holds_secrets(&self) -> bool {
        let outgoing = self
            .outgoing
            .iter()
            .map(|outgoing| outgoing.auth.holds_secret());
        let incoming = self
            .incoming
            .iter()
            .filter_map(|incoming| incoming.auth.as_ref())
            .map(WebhookAuth::holds_secret);
        let sak = self.sak.iter().map(SakSettings::holds_secret);
        let otp = self.otp.iter().map(OtpSettings::holds_secret);
        let mut all = outgoing.chain(incoming).chain(sak).chain(otp);
        all.any(|holds_secret| holds_secret)
    }

    /// The interface that sends a message: the one of this index, or the
    /// first when the index is empty.
    ///
    /// # Errors
    /// When `[websms]` has no such interface.
    pub(crate) fn outgoing(&self, index: &str) -> Result<&OutgoingInterface, UnknownInterface> {
        let found = if index.is_empty() {
            self.outgoing.first()
        } else {
            self.outgoing
                .iter()
                .find(|outgoing| outgoing.interface.as_str() == index)
        };
        found.ok_or_else(|| self.unknown(index))
    }

    fn unknown(&self, index: &str) -> UnknownInterface {
        let names = self.outgoing.iter().map(|outgoing| &outgoing.interface);
        let known: Vec<_> = names.map(InterfaceName::as_str).collect();
        let index = index.to_owned();
        match known.as_slice() {
            [] => UnknownInterface::NoneConfigured,
            [""] => UnknownInterface::Unnamed { index },
            _ => UnknownInterface::Named {
                hint: did_you_mean(&index, known.iter().copied()),
                index,
                known: known.join(", "),
            },
        }
    }
}

/// A message names an interface that `[websms]` does not have. The administrator
/// or the author of the dialplan must act.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum UnknownInterface {
    /// There are others, with indexes.
    #[error("find the interface {index:?}: [websms] has {known}{hint}")]
    Named {
        index: String,
        known: String,
        hint: String,
    },
    /// `[websms]` is empty.
    #[error("find an interface to send by: set host in [websms]")]
    NoneConfigured,
    /// `[websms]` describes one interface, without an index.
    #[error("find the interface {index:?}: [websms] has one alone, without an index")]
    Unnamed { index: String },
}

#[cfg(test)]
mod tests {
    #[test]
    fn unknown_interface_is_named_beside_those_that_there_are() {
        const OTHER: &str = "host = https://h\nauth_method = none\n";
        for (websms, error) in [
            (String::new(), "find an interface to send by: set host"),
            (
                format!("[websms]\n{OTHER}"),
                "find the interface \"ap\": [websms] has one alone, without an index",
            ),
            (
                format!("[websms]\n{OTHER}key_to [api] = a\nkey_to [b] = c\n"),
                "find the interface \"ap\": [websms] has api, b (did you mean \"api\"?)",
            ),
        ] {
            let (config, _) =
                crate::config::parse("x".as_ref(), &websms, &|_, _| Ok(None)).unwrap();
            let found = config.outgoing("ap").unwrap_err().to_string();
            assert!(found.starts_with(error), "{found}");
        }
    }
}
