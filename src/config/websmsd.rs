//! `[websmsd]`: how messages come in from a provider.

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::keys::websmsd as keys;
use super::problem::{Problem, Severity, did_you_mean, place};
use super::reader::Reader;
use super::value;
use crate::message::InterfaceName;

/// What holds for the daemon as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Daemon {
    /// Addresses of proxies whose word about the client is believed.
    pub proxies: Vec<IpNet>,
    /// Header in which they name the client, in lower case.
    pub proxy_header: String,
    /// Largest request body in bytes.
    pub max_body: usize,
    /// Where whoever watches over the daemon may ask how it is.
    pub health: Option<SocketAddr>,
    /// Where Asterisk may call `websms` by `FastAGI`.
    pub agi: Option<SocketAddr>,
}

/// One provider account, as `[websmsd]` describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// Its name, the `[index]`.
    pub interface: InterfaceName,
    /// Addresses that may post; `None` is anyone.
    pub permitted: Option<Vec<IpNet>>,
    /// Paths that may be posted to; `None` is any.
    pub paths: Option<Vec<String>>,
    /// Parameter that carries the destination number.
    pub key_to: String,
    /// Parameter that carries the originating number.
    pub key_from: String,
    /// Parameter that carries the text.
    pub key_body: String,
    /// Field that carries the provider's id of the message; without it no message
    /// is taken for one that came before.
    pub key_id: Option<String>,
    /// How long such an id is remembered.
    pub dedupe_lifetime: Duration,
    /// Query parameter whose value is echoed to a provider that tests us.
    pub key_echo: Option<String>,
    /// Body of the answer to an accepted message.
    pub acknowledgement: String,
}

/// Interfaces that take messages from anyone at any path beside others that do
/// not: mostly a misspelt index, and a door that nobody meant to open.
pub(super) fn open_doors(interfaces: &[Incoming]) -> Vec<Problem> {
    let is_open = |incoming: &&Incoming| incoming.permitted.is_none() && incoming.paths.is_none();
    let (open, closed): (Vec<_>, Vec<_>) = interfaces.iter().partition(is_open);
    if closed.is_empty() {
        return Vec::new();
    }
    let closed = || closed.iter().map(|incoming| incoming.interface.as_str());
    open.into_iter()
        .map(|incoming| {
            let index = incoming.interface.as_str();
            let hint = did_you_mean(index, closed());
            Problem {
                severity: Severity::Mistake,
                line: None,
                place: place("websmsd", keys::PERMIT_ADDR.name, Some(index)),
                message: format!(
                    "is not set, nor is request_uri, so this interface takes what the others \
                     refuse: set one of them{hint}"
                ),
            }
        })
        .collect()
}

/// Reads what holds for the daemon.
pub(super) fn read_daemon(reader: &mut Reader<'_>) -> Option<Daemon> {
    let proxies = reader.read(&keys::PROXY_ADDR, value::networks);
    let proxy_header = reader.read(&keys::PROXY_HEADER, value::header_name);
    let max_body = reader.read(&keys::MAX_BODY, |raw| value::number(raw, 1024..=16_777_216));
    let health = reader.read(&keys::HEALTH_LISTEN, value::socket);
    let agi = reader.read(&keys::AGI_LISTEN, value::socket);
    Some(Daemon {
        proxies: proxies?.unwrap_or_default(),
        proxy_header: proxy_header?,
        max_body: max_body?,
        health: health?,
        agi: agi?,
    })
}

/// Reads one interface; `None` when there was a mistake, which has been noted.
pub(super) fn read(reader: &mut Reader<'_>, interface: InterfaceName) -> Option<Incoming> {
    let permitted = reader.read(&keys::PERMIT_ADDR, value::networks);
    let paths = reader.read(&keys::REQUEST_URI, value::url_paths);
    let key_to = reader.read(&keys::KEY_TO, value::text);
    let key_from = reader.read(&keys::KEY_FROM, value::text);
    let key_body = reader.read(&keys::KEY_BODY, value::text);
    let key_id = reader.read(&keys::KEY_ID, value::optional);
    let dedupe = reader.read(&keys::DEDUPE_TTL, |raw| {
        value::seconds(raw, 60..=31_536_000)
    });
    let key_echo = reader.read(&keys::KEY_ECHO, value::optional);
    let acknowledgement = reader.read(&keys::REPORT_SUCCESS, value::optional);
    // Read only so that a control character in it is noticed.
    let _ = reader.read(&keys::KEY_ACCOUNT, value::optional);
    Some(Incoming {
        interface,
        permitted: permitted?,
        paths: paths?,
        key_to: key_to?,
        key_from: key_from?,
        key_body: key_body?,
        key_id: key_id?,
        dedupe_lifetime: dedupe?,
        key_echo: key_echo?,
        acknowledgement: acknowledgement?.unwrap_or_default(),
    })
}
