//! `[otp]`: one-time passwords, and by which ways they go out.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use reqwest::Url;

use super::ini::Entry;
use super::keys::{Key, otp as keys, websms as outgoing_keys};
use super::preset;
use super::reader::Reader;
use super::websms::{self, Outgoing};
use super::{Auth, Section, value};
use crate::message::InterfaceName;
use crate::secret::{Secret, SecretSource};
use crate::template;

/// Longest id of Meta's.
const IDENTIFIER_MAX: usize = 32;

/// Why something of the account cannot be left out.
const WHY: &str = "is not set, and channel = whatsapp needs it: `asterisk-websms otp setup` gets \
                   it, or writes a file for info_file";

/// What is wrong with a key of the account besides `info_file`.
pub(super) const TWICE: &str = "stands in info_file already: remove one of them";

/// In `sms_text`, where the code stands.
const CODE: &str = "{code}";

/// One-time passwords, as `[otp]` describes them.
#[derive(Debug, Clone)]
pub struct Otp {
    /// Where they are asked for.
    pub listen: SocketAddr,
    /// Addresses that may ask.
    pub permitted: Vec<IpNet>,
    /// What whoever asks must show besides.
    pub client_token: Option<SecretSource>,
    /// Ways by which a code goes out, in the order in which they are tried; at
    /// least one.
    pub channels: Vec<Channel>,
    /// Digits of a code, 4 to 15: as many as a template takes.
    pub code_length: u32,
    /// How long a code counts.
    pub lifetime: Duration,
    /// Wrong codes after which the right one does not count any more, at least 1.
    pub max_attempts: u32,
    /// Codes for one phone in an hour; `None` is any number.
    pub per_phone: Option<u32>,
    /// Codes that one client may have sent in an hour; `None` is any number.
    pub per_client: Option<u32>,
    /// Directory with codes that count.
    pub directory: PathBuf,
    /// Key that codes are hashed with; `None` is the access token of the account.
    pub hash_key: Option<SecretSource>,
}

/// A way by which a code goes out.
#[derive(Debug, Clone)]
pub enum Channel {
    /// By an interface of `[websms]`.
    Sms(Sms),
    /// By a template of Meta's.
    Whatsapp(WhatsappCodes),
}

/// How a code goes out by SMS.
#[derive(Debug, Clone)]
pub struct Sms {
    /// The interface of `[websms]`.
    pub interface: InterfaceName,
    /// Our number.
    pub from: String,
    /// What is said, with `{code}` and `{minutes}`.
    pub text: String,
}

/// How a code goes out by `WhatsApp`.
#[derive(Debug, Clone)]
pub struct WhatsappCodes {
    /// The account, or the file that describes it.
    pub account: AccountSource,
    /// Where the API is, with its version.
    pub api: Url,
    /// Bound of a whole request.
    pub timeout: Duration,
    /// PEM file with authorities to trust besides the system's.
    pub ca_file: Option<PathBuf>,
}

/// Where an account is described.
#[derive(Debug, Clone)]
pub enum AccountSource {
    /// In a file, `whatsapp-info.json`.
    File(PathBuf),
    /// In the configuration itself.
    Here(Account<SecretSource>),
}

/// An account with Meta. `S` is where the secret is, or the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account<S> {
    /// The `WhatsApp` Business Account.
    pub waba_id: Identifier,
    /// Its access token.
    pub access_token: S,
    /// The number that codes come from.
    pub phone_number_id: Identifier,
    /// The template that they come in.
    pub template_id: Identifier,
}

/// What Meta calls something: digits. It can stand in a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identifier(String);

impl Identifier {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Identifier {
    type Err = String;

    fn from_str(raw: &str) -> Result<Self, String> {
        let digits = raw.bytes().all(|byte| byte.is_ascii_digit());
        if digits && (1..=IDENTIFIER_MAX).contains(&raw.len()) {
            Ok(Self(raw.to_owned()))
        } else {
            Err(format!(
                "not an id of Meta's (expected 1 to {IDENTIFIER_MAX} digits)"
            ))
        }
    }
}

impl Otp {
    /// Whether a secret stands in the file itself.
    pub(super) fn holds_secret(&self) -> bool {
        let tokens = self.channels.iter().filter_map(|channel| match channel {
            Channel::Whatsapp(WhatsappCodes {
                account: AccountSource::Here(account),
                ..
            }) => Some(&account.access_token),
            _ => None,
        });
        let others = [&self.client_token, &self.hash_key].into_iter().flatten();
        others.chain(tokens).any(SecretSource::is_here)
    }
}

/// Reads the section; `None` when there was a mistake, which has been noted.
pub(super) fn read(reader: &mut Reader<'_>, outgoing: &[Outgoing]) -> Option<Otp> {
    let listen = reader.read(&keys::LISTEN, |raw| {
        value::socket(raw)?.ok_or_else(|| "must not be empty".to_owned())
    });
    let permitted = reader.read(&keys::PERMIT_ADDR, value::networks);
    let client_token = reader.read(&keys::CLIENT_TOKEN, value::secret);
    let code_length = reader.read(&keys::CODE_LENGTH, |raw| value::number(raw, 4..=15));
    let lifetime = read_lifetime(reader);
    let max_attempts = reader.read(&keys::MAX_ATTEMPTS, |raw| value::number(raw, 1..=100));
    let per_phone = reader.read(&keys::PER_PHONE, bound);
    let per_client = reader.read(&keys::PER_CLIENT, bound);
    let directory = reader.read(&keys::OTPDIR, value::directory);
    let hash_key = reader.read(&keys::HASH_KEY, value::secret);
    let channels = read_channels(reader, outgoing);
    let channels = channels?;
    Some(Otp {
        listen: listen?,
        // Nobody at all, if it says nothing.
        permitted: permitted?.unwrap_or_default(),
        client_token: client_token?,
        code_length: code_length?,
        lifetime: lifetime?,
        max_attempts: max_attempts?,
        per_phone: per_phone?,
        per_client: per_client?,
        directory: directory?,
        hash_key: key_of(reader, hash_key?, &channels, outgoing)?,
        channels,
    })
}

/// 0 is no bound.
fn bound(raw: &str) -> Result<Option<u32>, String> {
    value::number(raw, 0..=1_000_000).map(|most| (most > 0).then_some(most))
}

fn read_channels(reader: &mut Reader<'_>, outgoing: &[Outgoing]) -> Option<Vec<Channel>> {
    let names = reader.read(&keys::CHANNEL, |raw| {
        let names = value::words(raw)?;
        let twice = (1..names.len()).any(|from| names.get(from - 1) == names.get(from));
        if names.is_empty() || names.len() > 2 || twice {
            return Err("expected whatsapp, sms or whatsapp,sms".to_owned());
        }
        let known = [("whatsapp", true), ("sms", false)];
        let names = names.iter().map(|name| value::choice(name, &known));
        names.collect::<Result<Vec<_>, _>>()
    })?;
    let channels: Vec<_> = names
        .into_iter()
        .map(|whatsapp| {
            if whatsapp {
                read_whatsapp(reader).map(Channel::Whatsapp)
            } else {
                read_sms(reader, outgoing).map(Channel::Sms)
            }
        })
        .collect();
    channels.into_iter().collect()
}

fn read_whatsapp(reader: &mut Reader<'_>) -> Option<WhatsappCodes> {
    let api = read_api(reader);
    let account = read_account(reader);
    let Api {
        url,
        timeout,
        ca_file,
    } = api?;
    Some(WhatsappCodes {
        account: account?,
        api: url,
        timeout,
        ca_file,
    })
}

/// Where Meta is asked.
pub(super) struct Api {
    /// With its version.
    pub(super) url: Url,
    pub(super) timeout: Duration,
    pub(super) ca_file: Option<PathBuf>,
}

/// Reads where Meta is asked.
pub(super) fn read_api(reader: &mut Reader<'_>) -> Option<Api> {
    let url = reader.read(&keys::API_URL, |raw| {
        value::base_url(raw, keys::API_URL.default)
    });
    let version = reader.read(&keys::API_VERSION, version);
    let timeout = reader.read(&keys::TIMEOUT, |raw| value::seconds(raw, 2..=120));
    let ca_file = reader.read(&keys::CA_FILE, value::optional_path);
    let (mut url, version) = (url?, version?);
    let path = format!("{}/{version}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Some(Api {
        url,
        timeout: timeout?,
        ca_file: ca_file?,
    })
}

/// Reads how long a code counts.
pub(super) fn read_lifetime(reader: &mut Reader<'_>) -> Option<Duration> {
    reader.read(&keys::LIFETIME, |raw| value::seconds(raw, 10..=5400))
}

fn read_account(reader: &mut Reader<'_>) -> Option<AccountSource> {
    let file = reader.read(&keys::INFO_FILE, value::optional_path)?;
    let ids = [&keys::WABA_ID, &keys::PHONE_NUMBER_ID, &keys::TEMPLATE_ID];
    let [waba_id, phone_number_id, template_id] =
        ids.map(|key| reader.read(key, identifier).map(|id| (key, id)));
    let access_token = reader.read(&keys::ACCESS_TOKEN, value::secret)?;
    let (waba_id, phone_number_id, template_id) = (waba_id?, phone_number_id?, template_id?);
    if let Some(file) = file {
        let given = [&waba_id, &phone_number_id, &template_id]
            .into_iter()
            .find_map(|(key, id)| id.as_ref().map(|_| *key))
            .or(access_token.as_ref().map(|_| &keys::ACCESS_TOKEN));
        if let Some(key) = given {
            reader.mistake(key, TWICE);
            return None;
        }
        return Some(AccountSource::File(file));
    }
    let id = |reader: &mut Reader<'_>, (key, id): (&'static Key, Option<Identifier>)| {
        reader.needed(key, WHY, id)
    };
    let waba_id = id(reader, waba_id);
    let access_token = reader.needed(&keys::ACCESS_TOKEN, WHY, access_token);
    let phone_number_id = id(reader, phone_number_id);
    let template_id = id(reader, template_id);
    Some(AccountSource::Here(Account {
        waba_id: waba_id?,
        access_token: access_token?,
        phone_number_id: phone_number_id?,
        template_id: template_id?,
    }))
}

/// An id of Meta's; empty means "not set".
pub(super) fn identifier(raw: &str) -> Result<Option<Identifier>, String> {
    value::optional(raw)?.map(|raw| raw.parse()).transpose()
}

/// A version of the Graph API, `v25.0`.
fn version(raw: &str) -> Result<String, String> {
    let number = raw.strip_prefix('v').and_then(|raw| raw.split_once('.'));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match number {
        Some((major, minor)) if digits(major) && digits(minor) => Ok(raw.to_owned()),
        _ => Err("not a version of the Graph API (expected e.g. v25.0)".to_owned()),
    }
}

fn read_sms(reader: &mut Reader<'_>, outgoing: &[Outgoing]) -> Option<Sms> {
    let index = reader.read(&keys::SMS_INDEX, value::optional);
    let from = reader.read(&keys::SMS_FROM, value::optional);
    let text = reader.read(&keys::SMS_TEXT, sms_text);
    let why = "is not set, and channel = sms needs it: the number that codes come from";
    let from = reader.needed(&keys::SMS_FROM, why, from?);
    let index = index?;
    let found = match &index {
        None => outgoing.first(),
        Some(index) => outgoing
            .iter()
            .find(|outgoing| outgoing.interface.as_str() == index),
    };
    let Some(found) = found else {
        let message = "names no interface of [websms], and channel = sms needs one";
        reader.mistake(&keys::SMS_INDEX, message);
        return None;
    };
    Some(Sms {
        interface: found.interface.clone(),
        from: from?,
        text: text?,
    })
}

fn sms_text(raw: &str) -> Result<String, String> {
    let text = value::text(raw)?;
    if !text.contains(CODE) {
        return Err(format!("holds no {CODE}"));
    }
    match template::stranger(&text, &["code", "minutes"]) {
        None => Ok(text),
        Some(word) => Err(format!(
            "{{{word}}} is not known (expected {CODE} and perhaps {{minutes}})"
        )),
    }
}

/// What codes are hashed with: a secret that is not where they are. Without one of
/// its own it is the account's.
#[expect(clippy::option_option, reason = "a mistake is not the same as nothing")]
fn key_of(
    reader: &mut Reader<'_>,
    given: Option<SecretSource>,
    channels: &[Channel],
    outgoing: &[Outgoing],
) -> Option<Option<SecretSource>> {
    if given.is_some() {
        return Some(given);
    }
    let account = channels.iter().find_map(|channel| match channel {
        Channel::Whatsapp(codes) => Some(match &codes.account {
            AccountSource::File(_) => None,
            AccountSource::Here(account) => Some(account.access_token.clone()),
        }),
        Channel::Sms(sms) => outgoing
            .iter()
            .find(|outgoing| outgoing.interface == sms.interface)
            .and_then(|outgoing| outgoing.auth.secret())
            .map(|secret| Some(secret.clone())),
    });
    let why = "is not set, and the account has no secret that could serve in its place: set it to \
               a long one, e.g. what `openssl rand -hex 32` prints";
    reader.needed(&keys::HASH_KEY, why, account)
}

/// The account of Meta's by which codes go out in a template: an interface like
/// those of `[websms]`, with the preset `whatsapp-template` and the code in two
/// places.
///
/// # Errors
/// When `template` or `language` are no names of such.
pub fn sender(
    codes: &WhatsappCodes,
    account: &Account<Secret>,
    template: &str,
    language: &str,
) -> Result<Outgoing, String> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    for name in [template, language] {
        if name.is_empty() || !name.bytes().all(word) {
            return Err(format!("{name:?} is no name of a template or language"));
        }
    }
    let mut entries = entries(codes, account, template, language);
    let (added, mut problems) = preset::expand(&entries, &|_, _| Ok(None));
    entries.extend(added);
    let name = InterfaceName::unnamed();
    let mut reader = Reader::new(&entries, Section::Websms, &name, &mut problems);
    let interface = InterfaceName::parse("whatsapp-otp").unwrap_or_else(|_| name.clone());
    let outgoing = websms::read(&mut reader, interface);
    let auth = Auth::Bearer {
        secret: SecretSource::Here(account.access_token.clone()),
    };
    let said = |problems: &[super::Problem]| {
        let said: Vec<_> = problems.iter().map(|problem| &problem.message).collect();
        format!("{said:?}")
    };
    let outgoing = outgoing.ok_or_else(|| said(&problems))?;
    Ok(Outgoing { auth, ..outgoing })
}

/// What such an interface would have in the file.
fn entries(
    codes: &WhatsappCodes,
    account: &Account<Secret>,
    template: &str,
    language: &str,
) -> Vec<Entry> {
    let mut host = codes.api.clone();
    host.set_path("");
    let ca_file = codes.ca_file.as_deref().unwrap_or("".as_ref());
    let timeout = codes.timeout.as_secs();
    let entry = |key: &Key, value: String| Entry {
        line: 0,
        section: Section::Websms.name().to_owned(),
        key: key.name.to_owned(),
        index: None,
        numbered: false,
        value,
        cut: false,
        preset: None,
    };
    vec![
        entry(&outgoing_keys::PRESET, "whatsapp-template".to_owned()),
        entry(&outgoing_keys::ACCOUNT, account.phone_number_id.to_string()),
        entry(&outgoing_keys::HOST, host.to_string()),
        entry(
            &outgoing_keys::PATH,
            format!("{}/{{account}}/messages", codes.api.path()),
        ),
        entry(
            &outgoing_keys::KEY_BODY,
            "/template/components/0/parameters/0/text,/template/components/1/parameters/0/text"
                .to_owned(),
        ),
        entry(
            &outgoing_keys::VAL_EXTRA,
            format!(
                "/template/name={template},/template/language/code={language},\
                 /template/components/1/type=button,/template/components/1/sub_type=url,\
                 /template/components/1/index=0,/template/components/1/parameters/0/type=text"
            ),
        ),
        entry(&outgoing_keys::AUTH_METHOD, "none".to_owned()),
        entry(&outgoing_keys::TIMEOUT, timeout.to_string()),
        entry(
            &outgoing_keys::CONNECT_TIMEOUT,
            timeout.saturating_sub(1).min(5).to_string(),
        ),
        entry(&outgoing_keys::CA_FILE, ca_file.display().to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    const SMS: &str = "[websms]\nhost = https://h\nauth_user = u\nauth_passwd = p\n";

    fn parse(text: &str) -> Result<Otp, String> {
        let parsed = config::parse("websms.conf".as_ref(), text, &|_, _| Ok(None));
        let parsed = parsed.map_err(|report| report.to_string());
        parsed.map(|(config, _)| config.otp.unwrap())
    }

    #[test]
    fn channels_have_what_they_need_or_it_is_named() {
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
                &["waba_id = \"1\": stands in info_file already"],
            ),
            (
                "[otp]\nwaba_id = 1\naccess_token = t\nphone_number_id = 2/\ntemplate_id = 3\n"
                    .to_owned(),
                &["phone_number_id = \"2/\": not an id of Meta's"],
            ),
            ("[otp]\nchannel = telex\n".to_owned(), &["channel"]),
            ("[otp]\nchannel = sms,sms\n".to_owned(), &["channel"]),
            (
                "[otp]\nchannel = sms\nsms_from = +1\n".to_owned(),
                &["sms_index: names no interface"],
            ),
            (format!("{SMS}[otp]\nchannel = sms\nsms_from = +1\n"), &[]),
            (
                format!("{SMS}[otp]\nchannel = sms\n"),
                &["sms_from: is not set"],
            ),
            (
                format!("{SMS}[otp]\nchannel = sms\nsms_from = +1\nsms_text = hello\n"),
                &["sms_text = \"hello\": holds no {code}"],
            ),
            (
                format!("{SMS}auth_method = none\n[otp]\nchannel = sms\nsms_from = +1\n"),
                &["hash_key: is not set"],
            ),
            (
                "[otp]\ninfo_file = /x\napi_version = 25\n".to_owned(),
                &["api_version = \"25\": not a version"],
            ),
        ] {
            match parse(&text) {
                Ok(_) => assert!(mistakes.is_empty(), "{text}"),
                Err(said) => {
                    assert!(!mistakes.is_empty(), "{text}: {said}");
                    for mistake in mistakes {
                        assert!(said.contains(mistake), "{text}: {said}");
                    }
                }
            }
        }
    }

    #[test]
    fn nobody_but_this_machine_may_ask_by_default() {
        let otp = parse("[otp]\ninfo_file = /x\n").unwrap();
        assert!(otp.listen.ip().is_loopback());
        let open = otp
            .permitted
            .iter()
            .filter(|range| !range.addr().is_loopback());
        assert_eq!(open.count(), 0);
    }

    #[test]
    fn sender_is_an_interface_with_the_code_in_two_places() {
        let otp = parse("[otp]\ninfo_file = /x\napi_url = http://127.0.0.1:1\n").unwrap();
        let Some(Channel::Whatsapp(codes)) = otp.channels.first() else {
            panic!("{otp:?}");
        };
        let account = Account {
            waba_id: "1".parse().unwrap(),
            access_token: Secret::new("t".to_owned()),
            phone_number_id: "2".parse().unwrap(),
            template_id: "3".parse().unwrap(),
        };
        let made = |template: &str| sender(codes, &account, template, "en_US");
        let outgoing = made("otp_both").unwrap();
        assert_eq!(outgoing.path, "/v25.0/2/messages");
        assert_eq!(outgoing.parameters.key_body.len(), 2);
        assert!(made("a,/type=b").is_err());
    }
}
