//! `[otp]`: one-time passwords, and the channels that send them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use crate::config::sections::outgoing::interface::OutgoingInterface;
use crate::config::syntax::keys::otp as keys;
use crate::config::syntax::reader::Reader;
use crate::config::syntax::value::{self, Kind as _, RequiredText};
use crate::document::template;
use crate::model::interface::InterfaceName;
use crate::secret::SecretSource;

mod account;
mod draft;
mod sender;

pub(crate) use account::{AccountSource, Identifier, WhatsappAccount, WhatsappCodes};
pub(crate) use draft::OtpDraft;
pub(crate) use sender::sender;

pub(crate) use draft::read as read_draft;

/// Shortest key for hashing, in bytes.
const KEY_MIN: usize = 16;

/// The word for the code in `sms_text`.
const CODE: &str = "{code}";

/// One-time passwords.
#[derive(Debug, Clone)]
pub struct OtpSettings {
    /// Address and port of the HTTP server.
    pub listen: SocketAddr,
    /// Addresses of clients that may ask.
    pub permitted: Vec<IpNet>,
    /// Names and addresses, besides those of `listen`, that clients may ask for; in
    /// lower case.
    pub hosts: Vec<String>,
    /// The bearer token that clients must send; `None` needs none.
    pub client_token: Option<SecretSource>,
    /// Channels that send a code, in the order in which they are tried; at least one.
    pub channels: Vec<OtpChannel>,
    /// Digits of a code, 4 to 15: as many as a template takes.
    pub code_length: u32,
    /// How long a code is valid.
    pub lifetime: Duration,
    /// Wrong codes after which the right one is not accepted any more; at least 1.
    pub max_attempts: u32,
    /// Codes for one phone in an hour; `None` sets no limit.
    pub per_phone: Option<u32>,
    /// Codes that one client may ask for in an hour; `None` sets no limit.
    pub per_client: Option<u32>,
    /// Codes for all clients and phones together in an hour; `None` sets no limit.
    pub per_hour: Option<u32>,
    /// Directory with the state of codes.
    pub directory: PathBuf,
    /// Key with which codes are hashed; `None` is the access token of the account.
    pub hash_key: Option<SecretSource>,
}

/// What sends a code.
#[derive(Debug, Clone)]
pub enum OtpChannel {
    /// An interface of `[websms]`.
    Sms(SmsSettings),
    /// A template at Meta.
    Whatsapp(WhatsappCodes),
}

impl OtpChannel {
    pub(crate) fn is_sms(&self) -> bool {
        matches!(self, Self::Sms(_))
    }
}

/// How a code is sent by SMS.
#[derive(Debug, Clone)]
pub struct SmsSettings {
    pub interface: InterfaceName,
    /// Our number.
    pub from: String,
    /// With `{code}` and perhaps `{minutes}`.
    pub text: String,
}

impl OtpSettings {
    /// Where this machine reaches the server, which may listen on all addresses.
    pub fn local_address(&self) -> SocketAddr {
        let ip = match self.listen.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip.to_canonical(),
        };
        SocketAddr::new(ip, self.listen.port())
    }

    /// Whether the file itself contains a secret.
    pub(crate) fn holds_secret(&self) -> bool {
        let tokens = self.channels.iter().filter_map(|channel| match channel {
            OtpChannel::Whatsapp(WhatsappCodes {
                account: AccountSource::Inline(account),
                ..
            }) => Some(&account.access_token),
            _ => None,
        });
        let others = [&self.client_token, &self.hash_key].into_iter().flatten();
        others.chain(tokens).any(SecretSource::is_inline)
    }
}

/// Reads the section; `None` after a mistake, which has been recorded.
pub(crate) fn read(reader: &mut Reader<'_>, outgoing: &[OutgoingInterface]) -> Option<OtpSettings> {
    let listen = reader
        .read(&keys::LISTEN)
        .and_then(|listen| reader.required(&keys::LISTEN, "must not be empty", listen));
    let permitted = reader.read(&keys::PERMIT_ADDR);
    let hosts = reader.read(&keys::OTP_HOST);
    let client_token = reader.read(&keys::CLIENT_TOKEN);
    let code_length = reader.read(&keys::CODE_LENGTH);
    let lifetime = reader.read(&keys::LIFETIME);
    let max_attempts = reader.read(&keys::MAX_ATTEMPTS);
    let per_phone = reader.read(&keys::PER_PHONE);
    let per_client = reader.read(&keys::PER_CLIENT);
    let per_hour = reader.read(&keys::PER_HOUR);
    let directory = reader.read(&keys::OTPDIR);
    let hash_key = reader.read(&keys::HASH_KEY);
    let channels = read_channels(reader, outgoing);
    let channels = channels?;
    Some(OtpSettings {
        listen: listen?,
        // An empty value permits no client.
        permitted: permitted?.unwrap_or_default(),
        hosts: hosts?,
        client_token: client_token?,
        code_length: code_length?,
        lifetime: lifetime?,
        max_attempts: max_attempts?,
        per_phone: per_phone?,
        per_client: per_client?,
        per_hour: per_hour?,
        directory: directory?,
        hash_key: resolve_hash_key(reader, hash_key?, &channels, outgoing)?,
        channels,
    })
}

fn read_channels(
    reader: &mut Reader<'_>,
    outgoing: &[OutgoingInterface],
) -> Option<Vec<OtpChannel>> {
    let names = reader.read_as(&keys::CHANNEL, |raw| {
        let names = value::words(raw)?;
        let twice = (1..names.len()).any(|from| names.get(from - 1) == names.get(from));
        if names.is_empty() || names.len() > 2 || twice {
            return Err(keys::CHANNEL.expected());
        }
        let by_whatsapp = |name: &String| match name.to_ascii_lowercase().as_str() {
            "whatsapp" => Ok(true),
            "sms" => Ok(false),
            _ => Err(keys::CHANNEL.expected()),
        };
        names.iter().map(by_whatsapp).collect::<Result<Vec<_>, _>>()
    })?;
    let channels: Vec<_> = names
        .into_iter()
        .map(|whatsapp| {
            if whatsapp {
                account::read_whatsapp(reader).map(OtpChannel::Whatsapp)
            } else {
                read_sms(reader, outgoing).map(OtpChannel::Sms)
            }
        })
        .collect();
    channels.into_iter().collect()
}

fn read_sms(reader: &mut Reader<'_>, outgoing: &[OutgoingInterface]) -> Option<SmsSettings> {
    let index = reader.read(&keys::SMS_INDEX);
    let from = reader.read(&keys::SMS_FROM);
    let text = reader.read_as(&keys::SMS_TEXT, sms_text);
    let message = "is not set, and channel = sms needs it: set it to the number that codes are \
                   sent from";
    let from = reader.required(&keys::SMS_FROM, message, from?);
    let index = index?;
    let found = match &index {
        None => outgoing.first(),
        Some(index) => outgoing
            .iter()
            .find(|outgoing| outgoing.interface.as_str() == index),
    };
    let Some(found) = found else {
        let message = "is not an interface of [websms], and channel = sms needs one";
        reader.mistake(&keys::SMS_INDEX, message);
        return None;
    };
    Some(SmsSettings {
        interface: found.interface.clone(),
        from: from?,
        text: text?,
    })
}

fn sms_text(raw: &str) -> Result<String, String> {
    let text = RequiredText.parse(raw)?;
    if !text.contains(CODE) {
        return Err(format!("does not contain {CODE}"));
    }
    match template::unknown_placeholder(&text, &["code", "minutes"]) {
        None => Ok(text),
        Some(word) => Err(format!(
            "unknown word {{{word}}} (expected {CODE} or {{minutes}})"
        )),
    }
}

/// The key with which codes are hashed: a secret that is not stored where they are.
/// Without `hash_key` it is the secret of the account.
#[expect(clippy::option_option, reason = "a mistake is not the same as nothing")]
fn resolve_hash_key(
    reader: &mut Reader<'_>,
    given: Option<SecretSource>,
    channels: &[OtpChannel],
    outgoing: &[OutgoingInterface],
) -> Option<Option<SecretSource>> {
    if let Some(SecretSource::Inline(key)) = &given
        && key.expose().len() < KEY_MIN
    {
        let message = "is short enough to be guessed by anyone who reads otpdir: use a long one, \
                       e.g. from `openssl rand -hex 32`";
        reader.mistake(&keys::HASH_KEY, message);
        return None;
    }
    if given.is_some() {
        return Some(given);
    }
    let account = channels.iter().find_map(|channel| match channel {
        OtpChannel::Whatsapp(codes) => Some(match &codes.account {
            AccountSource::File(_) => None,
            AccountSource::Inline(account) => Some(account.access_token.clone()),
        }),
        OtpChannel::Sms(sms) => outgoing
            .iter()
            .find(|outgoing| outgoing.interface == sms.interface)
            .and_then(|outgoing| outgoing.auth.secret())
            .map(|secret| Some(secret.clone())),
    });
    let message = "is not set, and the account has no secret to use instead: set it to a long one, \
                   e.g. from `openssl rand -hex 32`";
    reader.required(&keys::HASH_KEY, message, account)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    const SMS: &str = "[websms]\nhost = https://h\nauth_user = u\nauth_passwd = p\n";

    fn parse(text: &str) -> Result<OtpSettings, String> {
        let parsed = config::parse("websms.conf".as_ref(), text, &|_, _| Ok(None));
        let parsed = parsed.map_err(|report| report.to_string());
        parsed.map(|(config, _)| config.otp.unwrap())
    }

    #[test]
    fn key_that_a_channel_needs_is_named() {
        for (text, mistakes) in [
            ("[otp]\ninfo_file = /x\n".to_owned(), &[][..]),
            (
                "[otp]\nlifetime = 60\n".to_owned(),
                &[
                    "waba_id: is not set",
                    "access_token: is",
                    "phone_number_id",
                    "template_id",
                ],
            ),
            (
                "[otp]\ninfo_file = /x\nwaba_id = 1\n".to_owned(),
                &["waba_id = \"1\": is in info_file already"],
            ),
            (
                "[otp]\nwaba_id = 1\naccess_token = t\nphone_number_id = 2/\ntemplate_id = 3\n"
                    .to_owned(),
                &["phone_number_id = \"2/\": not an id at Meta"],
            ),
            ("[otp]\nchannel = telex\n".to_owned(), &["channel"]),
            ("[otp]\nchannel = sms,sms\n".to_owned(), &["channel"]),
            (
                "[otp]\nchannel = sms\nsms_from = +1\n".to_owned(),
                &["sms_index: is not an interface"],
            ),
            (format!("{SMS}[otp]\nchannel = sms\nsms_from = +1\n"), &[]),
            (
                format!("{SMS}[otp]\nchannel = sms\n"),
                &["sms_from: is not set"],
            ),
            (
                format!("{SMS}[otp]\nchannel = sms\nsms_from = +1\nsms_text = hello\n"),
                &["sms_text = \"hello\": does not contain {code}"],
            ),
            (
                format!("{SMS}auth_method = none\n[otp]\nchannel = sms\nsms_from = +1\n"),
                &["hash_key: is not set"],
            ),
            (
                "[otp]\ninfo_file = /x\napi_version = 25\n".to_owned(),
                &["api_version = \"25\": expected a version"],
            ),
        ] {
            match parse(&text) {
                Ok(_) => assert!(mistakes.is_empty(), "{text}"),
                Err(report) => {
                    assert!(!mistakes.is_empty(), "{text}: {report}");
                    for mistake in mistakes {
                        assert!(report.contains(mistake), "{text}: {report}");
                    }
                }
            }
        }
    }

    #[test]
    fn hash_key_that_could_be_guessed_is_refused() {
        let with = |key: &str| parse(&format!("[otp]\ninfo_file = /x\nhash_key = {key}\n"));
        let report = with("123456789012345").unwrap_err();
        assert!(
            report.contains("hash_key: is short enough to be guessed"),
            "{report}"
        );
        assert!(with("1234567890123456").is_ok());
        assert!(with("env:KEY").is_ok());
    }

    #[test]
    fn only_this_machine_may_ask_by_default() {
        let otp = parse("[otp]\ninfo_file = /x\n").unwrap();
        assert!(otp.listen.ip().is_loopback());
        let open = otp
            .permitted
            .iter()
            .filter(|range| !range.addr().is_loopback());
        assert_eq!(open.count(), 0);
    }

    #[test]
    fn server_on_all_addresses_is_reached_on_loopback() {
        for (listen, expected) in [
            ("0.0.0.0:3000", "127.0.0.1:3000"),
            ("[::]:3000", "[::1]:3000"),
            ("192.0.2.1:3000", "192.0.2.1:3000"),
        ] {
            let otp = parse(&format!("[otp]\ninfo_file = /x\nlisten = {listen}\n")).unwrap();
            assert_eq!(otp.local_address().to_string(), expected);
        }
    }

    #[test]
    fn unsafe_permissions_are_warned_about() {
        const OTHERS: &str = "contains addresses of other machines";
        for (listen, permitted, notes) in [
            ("127.0.0.1:3000", "127.0.0.0/8,::1", &[][..]),
            ("0.0.0.0:3000", "127.0.0.1", &[]),
            ("0.0.0.0:3000", "0.0.0.0/0,::/0", &[OTHERS]),
            ("127.0.0.1:3000", "127.0.0.0/1", &[OTHERS]),
            ("[::]:3000", "127.0.0.1", &["does not contain ::1, so AGI"]),
            (
                "192.0.2.1:3000",
                "127.0.0.1",
                &["does not contain 192.0.2.1"],
            ),
            (
                "127.0.0.1:3000",
                "192.0.2.2",
                &[OTHERS, "does not contain 127.0.0.1"],
            ),
        ] {
            let text =
                format!("[otp]\ninfo_file = /x\nlisten = {listen}\npermit_addr = {permitted}\n");
            let parsed = config::parse("websms.conf".as_ref(), &text, &|_, _| Ok(None));
            let report = parsed.unwrap().1.to_string();
            let lines: Vec<_> = report
                .lines()
                .filter(|line| line.contains("[otp]"))
                .collect();
            assert_eq!(lines.len(), notes.len(), "{lines:?}");
            for (line, note) in lines.iter().zip(notes) {
                assert!(line.contains(note), "{line}");
            }
        }
    }
}
