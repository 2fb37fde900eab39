//! `[otp]`: the account at Meta that sends codes, and Meta's API.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use reqwest::Url;

use crate::config::syntax::keys::{Key, otp as keys};
use crate::config::syntax::reader::Reader;
use crate::config::syntax::value;
use crate::secret::SecretSource;

/// Longest id at Meta, in digits.
const IDENTIFIER_MAX: usize = 32;

/// The message for a key of the account that is not set.
const REQUIRED: &str = "is not set, and channel = whatsapp needs it: run `asterisk-websms otp \
                        setup`, which gets it or writes a file for info_file";

/// The message for a key of the account that is set together with `info_file`.
pub(crate) const TWICE: &str = "is in info_file already: remove one of them";

/// How a code is sent by `WhatsApp`.
#[derive(Debug, Clone)]
pub struct WhatsappCodes {
    pub account: AccountSource,
    /// Base URL of the API, with its version.
    pub api: Url,
    /// For a whole request.
    pub timeout: Duration,
    /// PEM file with certificates of authorities to trust besides the system's.
    pub ca_file: Option<PathBuf>,
}

/// Where the account is described.
#[derive(Debug, Clone)]
pub enum AccountSource {
    /// A file, `whatsapp-info.json`.
    File(PathBuf),
    /// The configuration itself.
    Inline(WhatsappAccount<SecretSource>),
}

/// An account at Meta. `S` is the source of the access token, or the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhatsappAccount<S> {
    /// `WhatsApp` Business Account.
    pub waba_id: Identifier,
    pub access_token: S,
    /// The number that codes are sent from.
    pub phone_number_id: Identifier,
    /// The template of the message.
    pub template_id: Identifier,
}

/// An id at Meta: digits. It is safe in the path of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identifier(String);

impl Identifier {
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
                "not an id at Meta (expected 1 to {IDENTIFIER_MAX} digits)"
            ))
        }
    }
}

/// Reads how codes are sent by `WhatsApp`; `None` after a mistake, which has been
/// recorded.
pub(crate) fn read_whatsapp(reader: &mut Reader<'_>) -> Option<WhatsappCodes> {
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

/// Meta's API.
pub(crate) struct Api {
    /// Base URL with the version.
    pub(crate) url: Url,
    pub(crate) timeout: Duration,
    pub(crate) ca_file: Option<PathBuf>,
}

/// Reads Meta's API; `None` after a mistake, which has been recorded.
pub(crate) fn read_api(reader: &mut Reader<'_>) -> Option<Api> {
    let url = reader.read(&keys::API_URL);
    let version = reader.read_as(&keys::API_VERSION, version);
    let timeout = reader.read(&keys::TIMEOUT);
    let ca_file = reader.read(&keys::CA_FILE);
    let (mut url, version) = (url?, version?);
    let path = format!("{}/{version}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Some(Api {
        url,
        timeout: timeout?,
        ca_file: ca_file?,
    })
}

fn read_account(reader: &mut Reader<'_>) -> Option<AccountSource> {
    let file = reader.read(&keys::INFO_FILE)?;
    let ids = [
        &keys::WABA_ID.key,
        &keys::PHONE_NUMBER_ID.key,
        &keys::TEMPLATE_ID.key,
    ];
    let [waba_id, phone_number_id, template_id] =
        ids.map(|key| reader.read_as(key, identifier).map(|id| (key, id)));
    let access_token = reader.read(&keys::ACCESS_TOKEN)?;
    let (waba_id, phone_number_id, template_id) = (waba_id?, phone_number_id?, template_id?);
    if let Some(file) = file {
        let given = [&waba_id, &phone_number_id, &template_id]
            .into_iter()
            .find_map(|(key, id)| id.as_ref().map(|_| *key))
            .or(access_token.as_ref().map(|_| &keys::ACCESS_TOKEN.key));
        if let Some(key) = given {
            reader.mistake(key, TWICE);
            return None;
        }
        return Some(AccountSource::File(file));
    }
    let id = |reader: &mut Reader<'_>, (key, id): (&'static Key, Option<Identifier>)| {
        reader.required(key, REQUIRED, id)
    };
    let waba_id = id(reader, waba_id);
    let access_token = reader.required(&keys::ACCESS_TOKEN, REQUIRED, access_token);
    let phone_number_id = id(reader, phone_number_id);
    let template_id = id(reader, template_id);
    Some(AccountSource::Inline(WhatsappAccount {
        waba_id: waba_id?,
        access_token: access_token?,
        phone_number_id: phone_number_id?,
        template_id: template_id?,
    }))
}

/// An id at Meta; empty is `None`.
pub(crate) fn identifier(raw: &str) -> Result<Option<Identifier>, String> {
    value::optional(raw)?.map(|raw| raw.parse()).transpose()
}

/// A version of the Graph API, `v25.0`.
fn version(raw: &str) -> Result<String, String> {
    let number = raw.strip_prefix('v').and_then(|raw| raw.split_once('.'));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match number {
        Some((major, minor)) if digits(major) && digits(minor) => Ok(raw.to_owned()),
        _ => Err(keys::API_VERSION.expected()),
    }
}
