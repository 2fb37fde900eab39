//! The account at Meta as an interface that sends codes.

use crate::config::sections::otp::account::{WhatsappAccount, WhatsappCodes};
use crate::config::sections::outgoing;
use crate::config::sections::outgoing::auth::Auth;
use crate::config::sections::outgoing::interface::OutgoingInterface;
use crate::config::syntax::entry::Entry;
use crate::config::syntax::keys::{Key, websms as keys};
use crate::config::syntax::preset;
use crate::config::syntax::problem::Problem;
use crate::config::syntax::reader::Reader;
use crate::config::syntax::section::Section;
use crate::model::interface::InterfaceName;
use crate::secret::{Secret, SecretSource};

/// The account at Meta as an interface like those of `[websms]`: with the preset
/// `whatsapp-template`, and the code in two places of the template.
///
/// # Errors
/// When `template` or `language` contain more than letters, digits and `_`.
pub(crate) fn sender(
    codes: &WhatsappCodes,
    account: &WhatsappAccount<Secret>,
    template: &str,
    language: &str,
) -> Result<OutgoingInterface, String> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    for name in [template, language] {
        if name.is_empty() || !name.bytes().all(word) {
            return Err(format!(
                "{name:?} is not the name of a template or language"
            ));
        }
    }
    let mut entries = entries(codes, account, template, language);
    let (added, mut problems) = preset::expand(&entries, &|_, _| Ok(None));
    entries.extend(added);
    let name = InterfaceName::unnamed();
    let mut reader = Reader::new(&entries, Section::Websms, &name, &mut problems);
    let interface = InterfaceName::parse("whatsapp-otp").unwrap_or_else(|_| name.clone());
    let outgoing = outgoing::read(&mut reader, interface);
    let auth = Auth::Bearer {
        secret: SecretSource::Inline(account.access_token.clone()),
    };
    let outgoing = outgoing.ok_or_else(|| messages(&problems))?;
    Ok(OutgoingInterface { auth, ..outgoing })
}

fn messages(problems: &[Problem]) -> String {
    let messages: Vec<_> = problems.iter().map(|problem| &problem.message).collect();
    format!("{messages:?}")
}

/// The lines that such an interface would have in the file.
fn entries(
    codes: &WhatsappCodes,
    account: &WhatsappAccount<Secret>,
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
        entry(&keys::PRESET, "whatsapp-template".to_owned()),
        entry(&keys::ACCOUNT, account.phone_number_id.to_string()),
        entry(&keys::HOST, host.to_string()),
        entry(
            &keys::PATH,
            format!("{}/{{account}}/messages", codes.api.path()),
        ),
        entry(
            &keys::KEY_BODY,
            "/template/components/0/parameters/0/text,/template/components/1/parameters/0/text"
                .to_owned(),
        ),
        entry(
            &keys::VAL_EXTRA,
            format!(
                "/template/name={template},/template/language/code={language},\
                 /template/components/1/type=button,/template/components/1/sub_type=url,\
                 /template/components/1/index=0,/template/components/1/parameters/0/type=text"
            ),
        ),
        entry(&keys::AUTH_METHOD, "none".to_owned()),
        entry(&keys::TIMEOUT, timeout.to_string()),
        entry(
            &keys::CONNECT_TIMEOUT,
            timeout.saturating_sub(1).min(5).to_string(),
        ),
        entry(&keys::CA_FILE, ca_file.display().to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::config::OtpChannel;

    #[test]
    fn sender_is_an_interface_with_the_code_in_two_places() {
        let text = "[otp]\ninfo_file = /x\napi_url = http://127.0.0.1:1\n";
        let parsed = config::parse("websms.conf".as_ref(), text, &|_, _| Ok(None));
        let otp = parsed.unwrap().0.otp.unwrap();
        let Some(OtpChannel::Whatsapp(codes)) = otp.channels.first() else {
            panic!("{otp:?}");
        };
        let account = WhatsappAccount {
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
