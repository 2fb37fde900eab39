//! `[otp]` before there is an account: what `otp setup` uses, and what it need not
//! ask for.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Url;

use crate::config::sections::otp::account::{self, AccountSource, Identifier, WhatsappCodes};
use crate::config::syntax::entry::Entry;
use crate::config::syntax::keys::{Key, otp as keys};
use crate::config::syntax::problem::Problem;
use crate::config::syntax::reader::Reader;
use crate::config::syntax::section::Section;
use crate::config::syntax::value;
use crate::model::interface::InterfaceName;
use crate::secret::SecretSource;

/// What `[otp]` contains so far: all of the account, parts of it, or nothing.
#[derive(Debug, Clone)]
pub(crate) struct OtpDraft {
    /// Whether the section exists.
    pub given: bool,
    /// Whether codes are sent by `WhatsApp`.
    pub by_whatsapp: bool,
    /// How long a code is valid.
    pub lifetime: Duration,
    /// Base URL of the API, with its version.
    pub api: Url,
    /// For a whole request.
    pub timeout: Duration,
    /// PEM file with certificates of authorities to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// File with the account. If it is set, none of the following are.
    pub info_file: Option<PathBuf>,
    /// `WhatsApp` Business Account.
    pub waba_id: Option<Identifier>,
    pub access_token: Option<SecretSource>,
    /// The number that codes are sent from.
    pub phone_number_id: Option<Identifier>,
    /// The template of the message.
    pub template_id: Option<Identifier>,
}

impl OtpDraft {
    /// The keys of the account that the configuration itself sets.
    pub(crate) fn keys(&self) -> Vec<&'static Key> {
        let keys: [(&Key, bool); 4] = [
            (&keys::WABA_ID.key, self.waba_id.is_some()),
            (&keys::ACCESS_TOKEN.key, self.access_token.is_some()),
            (&keys::PHONE_NUMBER_ID.key, self.phone_number_id.is_some()),
            (&keys::TEMPLATE_ID.key, self.template_id.is_some()),
        ];
        let given = keys.into_iter().filter(|(_, given)| *given);
        given.map(|(key, _)| key).collect()
    }

    /// How codes are sent if the account is in this file.
    pub(crate) fn codes(&self, info_file: &Path) -> WhatsappCodes {
        WhatsappCodes {
            account: AccountSource::File(info_file.to_owned()),
            api: self.api.clone(),
            timeout: self.timeout,
            ca_file: self.ca_file.clone(),
        }
    }
}

/// Reads the lines of the section; `None` after a mistake, which has been recorded.
pub(crate) fn read(entries: &[Entry], problems: &mut Vec<Problem>) -> Option<OtpDraft> {
    let unnamed = InterfaceName::unnamed();
    let mut reader = Reader::new(entries, Section::Otp, &unnamed, problems);
    let reader = &mut reader;
    let channels = reader.read_as(&keys::CHANNEL, value::words);
    let lifetime = reader.read(&keys::LIFETIME);
    let api = account::read_api(reader);
    let info_file = reader.read(&keys::INFO_FILE);
    let access_token = reader.read(&keys::ACCESS_TOKEN);
    let mut id = |key: &Key| reader.read_as(key, account::identifier);
    let waba_id = id(&keys::WABA_ID);
    let phone_number_id = id(&keys::PHONE_NUMBER_ID);
    let template_id = id(&keys::TEMPLATE_ID);
    let by_whatsapp = |name: &String| name.eq_ignore_ascii_case("whatsapp");
    let api = api?;
    let draft = OtpDraft {
        given: !entries.is_empty(),
        by_whatsapp: channels?.iter().any(by_whatsapp),
        lifetime: lifetime?,
        api: api.url,
        timeout: api.timeout,
        ca_file: api.ca_file,
        info_file: info_file?,
        waba_id: waba_id?,
        access_token: access_token?,
        phone_number_id: phone_number_id?,
        template_id: template_id?,
    };
    if draft.info_file.is_some()
        && let Some(key) = draft.keys().first()
    {
        reader.mistake(key, account::TWICE);
        return None;
    }
    Some(draft)
}

#[cfg(test)]
mod tests {
    use crate::config;

    fn parse(text: &str) -> Result<super::OtpDraft, String> {
        let parsed = config::load::parse_draft("websms.conf".as_ref(), text, &|_, _| Ok(None));
        parsed.map_err(|report| report.to_string())
    }

    #[test]
    fn section_may_lack_the_account_and_must_have_no_mistakes() {
        for (text, given, keys) in [
            ("", false, &[][..]),
            ("[websmsd]\nlisten = 127.0.0.1:0\n", false, &[]),
            ("[otp]\napi_url = http://127.0.0.1:1\n", true, &[]),
            ("[otp]\ninfo_file = /x\n", true, &[]),
            (
                "[otp]\naccess_token = env:T\nwaba_id = 1\n",
                true,
                &["waba_id", "access_token"],
            ),
        ] {
            let draft = parse(text).unwrap();
            assert_eq!(draft.given, given, "{text}");
            let named: Vec<_> = draft.keys().iter().map(|key| key.name).collect();
            assert_eq!(named, keys, "{text}");
        }
        for (text, mistake) in [
            (
                "[otp]\napi_version = 25\n",
                "api_version = \"25\": expected a version",
            ),
            ("[otp]\nwaba_id = x\n", "waba_id = \"x\": not an id"),
            (
                "[otp]\ninfo_file = /x\naccess_token = t\n",
                "access_token: is in info_file already",
            ),
            ("[otp]\nlifetime = 300\nlifetime = 300\n", "is given twice"),
            ("[astqueue]\nmaxretries = x\n", "[astqueue]"),
        ] {
            let report = parse(text).unwrap_err();
            assert!(report.contains(mistake), "{text}: {report}");
        }
    }

    #[test]
    fn api_is_metas_by_default() {
        let draft = parse("").unwrap();
        assert_eq!(draft.api.as_str(), "https://graph.facebook.com/v25.0");
        assert!(draft.by_whatsapp);
    }
}
