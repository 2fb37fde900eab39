//! Warnings about settings that work and are not safe. The documented defaults stay;
//! the administrator is warned about those that are unsafe.

mod access;
mod codes;

use reqwest::Url;

use crate::config::configuration::Config;
use crate::config::secrets::PlacedSecret;
use crate::config::sections::incoming::interface::IncomingInterface;
use crate::config::sections::otp::OtpChannel;
use crate::config::sections::outgoing::auth::Auth;
use crate::config::sections::outgoing::interface::OutgoingInterface;
use crate::config::syntax::entry::Entry;
use crate::config::syntax::keys::{self, Key};
use crate::config::syntax::problem::Problem;
use crate::config::syntax::reader;

/// The warnings about a configuration without mistakes.
pub(crate) fn advice(config: &Config, entries: &[Entry]) -> Vec<Problem> {
    let problems = Vec::new();
    let mut advice = Advice { entries, problems };
    outgoing(config, &mut advice);
    interfaces(config, &mut advice);
    access::check(config, &mut advice);
    call_files(config, &mut advice);
    sak(config, &mut advice);
    otp(config, &mut advice);
    let secrets = config.secrets.iter();
    advice
        .problems
        .extend(secrets.filter_map(PlacedSecret::short));
    advice.problems
}

/// The warnings so far, and the lines that they are about.
struct Advice<'a> {
    entries: &'a [Entry],
    problems: Vec<Problem>,
}

impl Advice<'_> {
    /// Warns about a key, of the interface `index` if that is not empty.
    fn warn(&mut self, key: &Key, index: &str, message: &str) {
        let index = (!index.is_empty()).then_some(index);
        let problem = reader::advice(self.entries, key, index, message);
        self.problems.push(problem);
    }

    /// Whether the file sets the key.
    fn is_set(&self, key: &Key) -> bool {
        reader::is_set(self.entries, key)
    }
}

fn outgoing(config: &Config, advice: &mut Advice<'_>) {
    for outgoing in &config.outgoing {
        let index = outgoing.interface.as_str();
        if is_unencrypted(&outgoing.host) {
            let what = match outgoing.auth {
                Auth::Digest { .. } | Auth::None | Auth::Zadarma { .. } => "texts are",
                _ => "texts and password are",
            };
            let message =
                format!("is http, so {what} sent unencrypted: write https:// before the host");
            advice.warn(&keys::websms::HOST, index, &message);
        }
        if let Auth::ClientCredentials(account) = &outgoing.auth
            && is_unencrypted(&account.token_url)
        {
            let message = "is http, so the secret is sent unencrypted: use https";
            advice.warn(&keys::websms::TOKEN_URL, index, message);
        }
        if names_no_destination(outgoing) {
            let message = "is empty, and neither path nor header contains {to}, so the provider \
                           does not learn whom a text is for: set it, or name in to_match the only \
                           number that the account writes to";
            advice.warn(&keys::websms::KEY_TO, index, message);
        }
    }
}

/// Whether texts to anybody go where the account's texts go.
fn names_no_destination(outgoing: &OutgoingInterface) -> bool {
    let is_sent = outgoing.parameters.key_to.is_some() || outgoing.fills_in("{to}");
    !is_sent && outgoing.to_match.is_none()
}

/// Whether others on the network can read what is sent there.
fn is_unencrypted(url: &Url) -> bool {
    let loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    url.scheme() == "http" && !loopback
}

fn sak(config: &Config, advice: &mut Advice<'_>) {
    let urls = config.sak.iter().map(|sak| &sak.url);
    for _ in urls.filter(|url| is_unencrypted(url)) {
        let message = "is http, so password and keys are sent unencrypted: use https, or a network \
             of your own";
        advice.warn(&keys::whatsapp::URL, "", message);
    }
}

fn otp(config: &Config, advice: &mut Advice<'_>) {
    let Some(otp) = &config.otp else {
        return;
    };
    codes::check(otp, advice);
    let urls = otp.channels.iter().filter_map(|channel| match channel {
        OtpChannel::Whatsapp(codes) => Some(&codes.api),
        OtpChannel::Sms(_) => None,
    });
    for _ in urls.filter(|url| is_unencrypted(url)) {
        let message = "is http, so codes and the access token are sent unencrypted: use https";
        advice.warn(&keys::otp::API_URL, "", message);
    }
}

fn interfaces(config: &Config, advice: &mut Advice<'_>) {
    for (position, incoming) in config.incoming.iter().enumerate() {
        let earlier = config.incoming.iter().take(position);
        for other in earlier.filter(|other| same_requests(other, incoming)) {
            let message = format!(
                "permits the same addresses and paths as interface {}, and gets all messages of \
                 that: give each its own request_uri",
                other.interface
            );
            let index = incoming.interface.as_str();
            advice.warn(&keys::websmsd::REQUEST_URI, index, &message);
        }
    }
}

/// Whether two interfaces permit the same requests.
fn same_requests(one: &IncomingInterface, other: &IncomingInterface) -> bool {
    one.permitted == other.permitted && one.paths == other.paths
}

fn call_files(config: &Config, advice: &mut Advice<'_>) {
    let settings = &config.spool.call_file;
    if settings.max_retries == 0 {
        let message = "is 0, so Asterisk tries once and then deletes the message of a phone that \
                       is off: the shipped websms.conf has 4320";
        advice.warn(&keys::astqueue::MAXRETRIES, "", message);
    }
    if !settings.archive {
        let message = "is no, so messages that Asterisk gave up on cannot be distinguished \
                       from delivered ones: set it to yes";
        advice.warn(&keys::astqueue::ARCHIVE, "", message);
    }
}
