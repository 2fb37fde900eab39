//! What works and is still not wise: the documented defaults stay, and whoever
//! relies on an unsafe one is told so.

use ipnet::IpNet;
use reqwest::Url;

use crate::config::configuration::Config;
use crate::config::sections::incoming::interface::IncomingInterface;
use crate::config::sections::otp::OtpChannel;
use crate::config::sections::outgoing::auth::Auth;
use crate::config::syntax::entry::Entry;
use crate::config::syntax::keys::{self, Key};
use crate::config::syntax::problem::{Problem, Severity, place};

/// What the administrator should know about a configuration without mistakes.
pub(crate) fn advice(config: &Config, entries: &[Entry]) -> Vec<Problem> {
    let mut advice = Vec::new();
    outgoing(config, &mut advice);
    incoming(config, entries, &mut advice);
    call_files(config, &mut advice);
    whatsapp(config, &mut advice);
    otp(config, &mut advice);
    advice
}

fn outgoing(config: &Config, advice: &mut Vec<Problem>) {
    for outgoing in &config.outgoing {
        if in_the_clear(&outgoing.host) {
            let what = match outgoing.auth {
                Auth::None | Auth::Zadarma { .. } => "texts go over the network in the clear",
                _ => "texts and password go over the network in the clear",
            };
            let message = format!("is http, so {what}: write https:// before the host");
            advice.push(note(
                &keys::websms::HOST,
                outgoing.interface.as_str(),
                message,
            ));
        }
    }
}

/// Whether what goes there can be read on the way.
fn in_the_clear(url: &Url) -> bool {
    let loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    url.scheme() == "http" && !loopback
}

fn whatsapp(config: &Config, advice: &mut Vec<Problem>) {
    let urls = config.sak.iter().map(|whatsapp| &whatsapp.url);
    for _ in urls.filter(|url| in_the_clear(url)) {
        let message = "is http, so password and keys go over the network in the clear: use https, \
                       or a network of your own"
            .to_owned();
        advice.push(note(&keys::whatsapp::URL, "", message));
    }
}

fn otp(config: &Config, advice: &mut Vec<Problem>) {
    let Some(otp) = &config.otp else {
        return;
    };
    let loopback = |range: &IpNet| range.network().is_loopback() && range.broadcast().is_loopback();
    if otp.client_token.is_none() && !otp.permitted.iter().all(loopback) {
        let message = "holds addresses of other machines, and client_token is not set, so who has \
                       one of them can have codes sent at your cost: set client_token"
            .to_owned();
        advice.push(note(&keys::otp::PERMIT_ADDR, "", message));
    }
    // Who connects to an address of this machine comes from there.
    let here = otp.here().ip();
    if !otp.permitted.iter().any(|range| range.contains(&here)) {
        let message = format!(
            "does not hold {here}, so AGI(websms-otp,…) is not let in: add it, unless that is called \
             by FastAGI"
        );
        advice.push(note(&keys::otp::PERMIT_ADDR, "", message));
    }
    let urls = otp.channels.iter().filter_map(|channel| match channel {
        OtpChannel::Whatsapp(codes) => Some(&codes.api),
        OtpChannel::Sms(_) => None,
    });
    for _ in urls.filter(|url| in_the_clear(url)) {
        let message = "is http, so codes and the access token go over the network in the clear: \
                       use https"
            .to_owned();
        advice.push(note(&keys::otp::API_URL, "", message));
    }
}

fn incoming(config: &Config, entries: &[Entry], advice: &mut Vec<Problem>) {
    for incoming in &config.incoming {
        if incoming.permitted.is_none() && incoming.auth.is_none() {
            let message = "is not set, so anyone who reaches the port can send texts to your \
                           phones: list the addresses that your provider posts from, or set auth"
                .to_owned();
            advice.push(note(
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
            "is not set, so whoever has an address in {} can claim to be anyone: list your \
             reverse proxy alone, or set it to \"\" if you have none",
            key.default
        );
        advice.push(note(key, "", message));
    }
    for (position, incoming) in config.incoming.iter().enumerate() {
        let earlier = config.incoming.iter().take(position);
        for other in earlier.filter(|other| same_door(other, incoming)) {
            let message = format!(
                "cannot be told from interface {}, whose address and path are the same, and \
                 takes all its messages: give each its own request_uri",
                other.interface
            );
            advice.push(note(
                &keys::websmsd::REQUEST_URI,
                incoming.interface.as_str(),
                message,
            ));
        }
    }
}

fn same_door(one: &IncomingInterface, other: &IncomingInterface) -> bool {
    one.permitted == other.permitted && one.paths == other.paths
}

fn call_files(config: &Config, advice: &mut Vec<Problem>) {
    let call = &config.spool.call_file;
    if call.max_retries == 0 {
        let message = "is 0, so Asterisk tries once and then deletes the message of a phone that \
                       is off: the shipped websms.conf has 4320"
            .to_owned();
        advice.push(note(&keys::astqueue::MAXRETRIES, "", message));
    }
    if !call.archive {
        let message = "is no, so a message that Asterisk gave up on cannot be told from a \
                       delivered one: set it to yes"
            .to_owned();
        advice.push(note(&keys::astqueue::ARCHIVE, "", message));
    }
}

fn note(key: &Key, index: &str, message: String) -> Problem {
    let index = (!index.is_empty()).then_some(index);
    Problem {
        severity: Severity::Advice,
        line: None,
        place: place(key.section.name(), key.name, index),
        message,
    }
}
