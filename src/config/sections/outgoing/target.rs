//! `[websms]`: where a request goes, and its headers. What is known of the
//! account is filled in here; what a message says, when it is sent.

use reqwest::Url;

use crate::config::syntax::keys::{Key, websms as keys};
use crate::config::syntax::reader::Reader;
use crate::config::syntax::value;
use crate::document::{percent, template};

/// The words that may stand in braces in `path` and `header`.
const PATH_WORDS: [&str; 4] = ["to", "from", "body", "id"];

/// What fills `{account}` and `{user}`.
pub(crate) struct Account {
    account: String,
    user: String,
}

/// Reads it; `None` when there was a mistake, which has been noted.
pub(crate) fn account(reader: &mut Reader<'_>) -> Option<Account> {
    let account = reader.read(&keys::ACCOUNT);
    let user = reader.read(&keys::AUTH_USER);
    Some(Account {
        account: account?.unwrap_or_default(),
        user: user?.unwrap_or_default(),
    })
}

impl Account {
    /// A value with the words of the account filled in and the others as they
    /// are.
    pub(crate) fn fill(&self, raw: &str) -> Result<String, String> {
        self.fill_as(raw, str::to_owned)
    }

    /// The same, with each word written in another way.
    fn fill_as(&self, raw: &str, write: impl Fn(&str) -> String) -> Result<String, String> {
        let missing = [("account", &self.account), ("user", &self.user)]
            .into_iter()
            .find(|(word, value)| value.is_empty() && raw.contains(&format!("{{{word}}}")));
        if let Some((word, _)) = missing {
            let key = if word == "user" { "auth_user" } else { word };
            return Err(format!("holds {{{word}}}, and {key} is not set: set it"));
        }
        Ok(template::fill(raw, |word| match word {
            "account" => write(&self.account),
            "user" => write(&self.user),
            other => format!("{{{other}}}"),
        }))
    }
}

/// Nothing but words that are filled in for each message is left in braces.
fn only_words(filled: String) -> Result<String, String> {
    match template::unknown_word(&filled, &PATH_WORDS) {
        None => Ok(filled),
        Some(word) => Err(format!(
            "unknown word {{{word}}} (expected some of {{to}}, {{from}}, {{body}}, {{id}}, \
             {{account}} and {{user}})"
        )),
    }
}

/// A header line with what is known of the account; empty is none.
pub(crate) fn header(account: &Account, raw: &str) -> Result<Option<(String, String)>, String> {
    let Some((name, value)) = value::header(raw)? else {
        return Ok(None);
    };
    let set_elsewhere = match name.as_str() {
        "authorization" => Some("auth_header"),
        "content-type" => Some("content_type"),
        "host" | "content-length" | "transfer-encoding" | "connection" => Some("host"),
        _ => None,
    };
    if let Some(key) = set_elsewhere {
        return Err(format!("this header is the business of {key}"));
    }
    let value = account.fill(&value).and_then(only_words)?;
    Ok(Some((name, value)))
}

/// `host` and `path`, which must lead to that host whatever is filled in.
pub(crate) fn target(reader: &mut Reader<'_>, account: &Account) -> Option<(Url, String)> {
    let host = reader.read_as(&keys::HOST, |raw| {
        account.fill(raw).and_then(|raw| host(&raw))
    });
    let path = reader.read_as(&keys::PATH, |raw| {
        account
            .fill_as(raw, percent::encode)
            .and_then(only_words)
            .and_then(|raw| path(&raw))
    });
    let (host, path) = (host?, path?);
    let base = Url::parse(&host).ok();
    let example = template::fill(&path, |_| "1".to_owned());
    let whole = Url::parse(&format!("{host}{example}")).ok();
    match (base, whole) {
        (Some(base), Some(whole))
            if base.host() == whole.host()
                && base.port() == whole.port()
                && whole.username().is_empty() =>
        {
            Some((base, path))
        }
        _ => {
            let message = "does not continue the host: the path must start with /";
            reader.mistake(&keys::PATH, message);
            None
        }
    }
}

/// A path for something that goes elsewhere on the same host, if it does.
#[expect(clippy::option_option, reason = "a mistake is not the same as nothing")]
pub(crate) fn other_path(
    reader: &mut Reader<'_>,
    key: &Key,
    account: &Account,
) -> Option<Option<String>> {
    reader.read_as(key, |raw| {
        if raw.is_empty() {
            return Ok(None);
        }
        if !raw.starts_with('/') {
            return Err("the path must start with /".to_owned());
        }
        path(&account.fill_as(raw, percent::encode)?).map(Some)
    })
}

/// Scheme and host. One without a scheme is taken as http, which is what the
/// reference's library did.
fn host(raw: &str) -> Result<String, String> {
    const EXPECTED: &str = "expected scheme and host, e.g. https://api.example.com";
    if !raw
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
    {
        return Err(format!("holds what no host can ({EXPECTED})"));
    }
    let with_scheme = if raw.contains("://") {
        raw.to_owned()
    } else {
        format!("http://{raw}")
    };
    let url = Url::parse(&with_scheme).map_err(|error| format!("{error} ({EXPECTED})"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("neither http nor https ({EXPECTED})"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a user: put it into auth_user and auth_passwd".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!(
            "holds a ? or #, which belong into path ({EXPECTED})"
        ));
    }
    Ok(with_scheme)
}

fn path(raw: &str) -> Result<String, String> {
    if raw.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(raw.to_owned())
    } else {
        Err(
            "holds a blank or another character that a URL cannot hold: percent-encode it"
                .to_owned(),
        )
    }
}
