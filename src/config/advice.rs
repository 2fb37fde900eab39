//! Warnings about settings that work and are not safe. The documented defaults stay;
//! the administrator is warned about those that are unsafe.

use ipnet::IpNet;
use reqwest::Url;

use crate::config::configuration::Config;
use crate::config::sections::incoming::interface::IncomingInterface;
use crate::config::sections::otp::OtpChannel;
use crate::config::sections::outgoing::auth::Auth;
use crate::config::syntax::entry::Entry;
use crate::config::syntax::keys::{self, Key};
use crate::config::syntax::problem::{Problem, Severity, location};

/// The warnings about a configuration without mistakes.
pub(crate) fn advice(config: &Config, entries: &[Entry]) -> Vec<Problem> {
    let mut advice = Vec::new();
    outgoing(config, &mut advice);
    incoming(config, entries, &mut advice);
    call_files(config, &mut advice);
    sak(config, &mut advice);
    otp(config, &mut advice);
    advice
}

fn outgoing(config: &Config, advice: &mut Vec<Problem>) {
    for outgoing in &config.outgoing {
        if is_unencrypted(&outgoing.host) {
            let what = match outgoing.auth {
                Auth::None | Auth::Zadarma { .. } => "texts are",
                _ => "texts and password are",
            };
            let message =
                format!("is http, so {what} sent unencrypted: write https:// before the host");
            advice.push(warning(
                &keys::websms::HOST,
                outgoing.interface.as_str(),
                message,
            ));
        }
    }
}

/// Whether others on the network can read what is sent there.
fn is_unencrypted(url: &Url) -> bool {
    let loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    url.scheme() == "http" && !loopback
}

fn sak(config: &Config, advice: &mut Vec<Problem>) {
    let urls = config.sak.iter().map(|sak| &sak.url);
    for _ in urls.filter(|url| is_unencrypted(url)) {
        let message =
            "is http, so password and keys are sent unencrypted: use https, or a network \
                       of your own"
                .to_owned();
        advice.push(warning(&keys::whatsapp::URL, "", message));
    }
}

fn otp(config: &Config, advice: &mut Vec<Problem>) {
    let Some(otp) = &config.otp else {
        return;
    };
    let loopback = |range: &IpNet| range.network().is_loopback() && range.broadcast().is_loopback();
    if otp.client_token.is_none() && !otp.permitted.iter().all(loopback) {
        let message =
            "contains addresses of other machines, and client_token is not set, so these \
                       machines can have codes sent at your cost: set client_token"
                .to_owned();
        advice.push(warning(&keys::otp::PERMIT_ADDR, "", message));
    }
    // A client that connects to an address of this machine has that address too.
    let local = otp.local_address().ip();
    if !otp.permitted.iter().any(|range| range.contains(&local)) {
        let message = format!(
            "does not contain {local}, so AGI(websms-otp,…) is refused: add it, unless you use \
             FastAGI"
        );
        advice.push(warning(&keys::otp::PERMIT_ADDR, "", message));
    }
    let urls = otp.channels.iter().filter_map(|channel| match channel {
        OtpChannel::Whatsapp(codes) => Some(&codes.api),
        OtpChannel::Sms(_) => None,
    });
    for _ in urls.filter(|url| is_unencrypted(url)) {
        let message =
            "is http, so codes and the access token are sent unencrypted: use https".to_owned();
        advice.push(warning(&keys::otp::API_URL, "", message));
    }
}

fn incoming(config: &Config, entries: &[Entry], advice: &mut Vec<Problem>) {
    for incoming in &config.incoming {
        if incoming.permitted.is_none() && incoming.auth.is_none() {
            let message = "is not set, so anyone who reaches the port can send texts to your \
                           phones: list the addresses from which your provider posts, or set auth"
                .to_owned();
            advice.push(warning(
                &keys::websmsd::PERMIT_ADDR,
                incoming.interface.as_str(),
                message,
            ));
        }
    }
    let set = |key: &Key| {
        entries
            .iter()
            .any(|entry| entry.section == key.section.name() && key.is_called(&entry.key))
    };
    if !set(&keys::websmsd::PROXY_ADDR) {
        let key = &keys::websmsd::PROXY_ADDR;
        let message = format!(
            "is not set, so any machine with an address in {} can claim to be any client: list only \
             your reverse proxy, or set it to \"\" if you have none",
            key.default
        );
        advice.push(warning(key, "", message));
    }
    for (position, incoming) in config.incoming.iter().enumerate() {
        let earlier = config.incoming.iter().take(position);
        for other in earlier.filter(|other| same_requests(other, incoming)) {
            let message = format!(
                "permits the same addresses and paths as interface {}, and gets all messages of \
                 that: give each its own request_uri",
                other.interface
            );
            advice.push(warning(
                &keys::websmsd::REQUEST_URI,
                incoming.interface.as_str(),
                message,
            ));
        }
    }
}

/// Whether two interfaces permit the same requests.
fn same_requests(one: &IncomingInterface, other: &IncomingInterface) -> bool {
    one.permitted == other.permitted && one.paths == other.paths
}

fn call_files(config: &Config, advice: &mut Vec<Problem>) {
    let settings = &config.spool.call_file;
    if settings.max_retries == 0 {
        let message = "is 0, so Asterisk tries once and then deletes the message of a phone that \
                       is off: the shipped websms.conf has 4320"
            .to_owned();
        advice.push(warning(&keys::astqueue::MAXRETRIES, "", message));
    }
    if !settings.archive {
        let message = "is no, so messages that Asterisk gave up on cannot be distinguished \
                       from delivered ones: set it to yes"
            .to_owned();
        advice.push(warning(&keys::astqueue::ARCHIVE, "", message));
    }
}

fn warning(key: &Key, index: &str, message: String) -> Problem {
    let index = (!index.is_empty()).then_some(index);
    Problem {
        severity: Severity::Advice,
        line: None,
        location: location(key.section.name(), key.name, index),
        message,
    }
}
