//! `[websmsd]`: the daemon as a whole.

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::config::sections::media_store::{self, MediaStoreSettings};
use crate::config::syntax::keys::websmsd as keys;
use crate::config::syntax::reader::Reader;

/// The daemon as a whole.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// How its HTTP servers treat requests.
    pub http: HttpSettings,
    /// Where monitoring asks for the health of the daemon; `None` is nowhere.
    pub health: Option<SocketAddr>,
    /// Where Asterisk calls `websms` by `FastAGI`; `None` is nowhere.
    pub agi: Option<SocketAddr>,
    /// From where Asterisk may call it.
    pub agi_permitted: Vec<IpNet>,
    /// From the signal to the end, for all parts of the daemon together.
    pub shutdown_timeout: Duration,
    /// Where pictures are stored; `None` stores none.
    pub media_store: Option<MediaStoreSettings>,
}

/// How HTTP servers treat requests.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Addresses of reverse proxies whose header about the client is trusted.
    pub proxies: Vec<IpNet>,
    /// Whether the file sets `proxy_addr`. Its default is whole networks of other
    /// machines.
    pub proxies_named: bool,
    /// Header in which proxies name the client, in lower case.
    pub proxy_header: String,
    /// Largest request body in bytes.
    pub max_body: usize,
}

/// Reads it; `None` after a mistake, which has been recorded.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<ServerSettings> {
    let http = read_http(reader);
    let health = reader.read(&keys::HEALTH_LISTEN);
    let agi = reader.read(&keys::AGI_LISTEN);
    let agi_permitted = agi.and_then(|agi| read_agi_permitted(reader, agi));
    let shutdown_timeout = reader.read(&keys::SHUTDOWN_TIMEOUT);
    let media_store = media_store::read(reader);
    Some(ServerSettings {
        http: http?,
        health: health?,
        agi: agi?,
        agi_permitted: agi_permitted?,
        shutdown_timeout: shutdown_timeout?,
        media_store: media_store?,
    })
}

/// The default is this machine, and applies only if nobody else can reach the listener.
/// An empty value permits nobody.
fn read_agi_permitted(reader: &mut Reader<'_>, agi: Option<SocketAddr>) -> Option<Vec<IpNet>> {
    let permitted = reader.read(&keys::AGI_PERMIT_ADDR)?;
    let beyond = agi.is_some_and(|agi| !agi.ip().to_canonical().is_loopback());
    let named = permitted.is_some() && reader.is_set(&keys::AGI_PERMIT_ADDR);
    if beyond && !named {
        let message = "is beyond loopback, where anyone who reaches it can send texts at your \
                       cost: set agi_permit_addr to the addresses of Asterisk, e.g. 192.0.2.10";
        reader.mistake(&keys::AGI_LISTEN, message);
        return None;
    }
    Some(permitted.unwrap_or_default())
}

fn read_http(reader: &mut Reader<'_>) -> Option<HttpSettings> {
    let proxies = reader.read(&keys::PROXY_ADDR);
    let proxy_header = reader.read(&keys::PROXY_HEADER);
    let max_body = reader.read(&keys::MAX_BODY);
    Some(HttpSettings {
        proxies: proxies?.unwrap_or_default(),
        proxies_named: reader.is_set(&keys::PROXY_ADDR),
        proxy_header: proxy_header?,
        max_body: max_body?,
    })
}
