//! `[websms]`: the URL of a request, and its headers. The words of the account are
//! filled in here; those of a message when it is sent.

use reqwest::Url;

use crate::config::syntax::keys::{Key, websms as keys};
use crate::config::syntax::reader::Reader;
use crate::config::syntax::value;
use crate::document::{percent, template};

/// The words that `path` and `header` may have in braces.
const PATH_WORDS: [&str; 4] = ["to", "from", "body", "id"];

/// What fills `{account}` and `{user}`.
pub(crate) struct Account {
    account: String,
    user: String,
}

/// Reads one interface; `None` after a mistake, which has been recorded.
pub(crate) fn account(reader: &mut Reader<'_>) -> Option<Account> {
    let account = reader.read(&keys::ACCOUNT);
    let user = reader.read(&keys::AUTH_USER);
    Some(Account {
        account: account?.unwrap_or_default(),
        user: user?.unwrap_or_default(),
    })
}

impl Account {
    /// The value with the words of the account filled in and other words unchanged.
    pub(crate) fn fill(&self, raw: &str) -> Result<String, String> {
        self.fill_as(raw, str::to_owned)
    }

    /// The same, with each value written by `write`.
    fn fill_as(&self, raw: &str, write: impl Fn(&str) -> String) -> Result<String, String> {
        let missing = [("account", &self.account), ("user", &self.user)]
            .into_iter()
            .find(|(word, value)| value.is_empty() && raw.contains(&format!("{{{word}}}")));
        if let Some((word, _)) = missing {
            let key = if word == "user" { "auth_user" } else { word };
            return Err(format!("contains {{{word}}}, and {key} is not set: set it"));
        }
        Ok(template::fill(raw, |word| match word {
            "account" => write(&self.account),
            "user" => write(&self.user),
            other => format!("{{{other}}}"),
        }))
    }
}

/// Checks that only words of a message are left in braces.
fn only_words(filled: String) -> Result<String, String> {
    match template::unknown_placeholder(&filled, &PATH_WORDS) {
        None => Ok(filled),
        Some(word) => Err(format!(
            "unknown word {{{word}}} (expected {{to}}, {{from}}, {{body}}, {{id}}, {{account}} or \
             {{user}})"
        )),
    }
}

/// A header line with the words of the account filled in; empty is `None`.
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
        return Err(format!("this header is set by {key}"));
    }
    let value = account.fill(&value).and_then(only_words)?;
    Ok(Some((name, value)))
}

/// `host` and `path`: the URL must lead to that host with any values filled in.
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
            let message = "does not continue the host: start the path with /";
            reader.mistake(&keys::PATH, message);
            None
        }
    }
}

/// Another path on the same host; `Some(None)` if it is not set.
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
            return Err("start the path with /".to_owned());
        }
        path(&account.fill_as(raw, percent::encode)?).map(Some)
    })
}

/// Scheme and host. Without a scheme it is http, as in the library of the PHP WebSMS.
fn host(raw: &str) -> Result<String, String> {
    let expected = keys::HOST.expected();
    if !raw
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
    {
        return Err(format!(
            "contains a blank or another invalid character ({expected})"
        ));
    }
    let with_scheme = if raw.contains("://") {
        raw.to_owned()
    } else {
        format!("http://{raw}")
    };
    let url = Url::parse(&with_scheme).map_err(|error| format!("{error} ({expected})"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("neither http nor https ({expected})"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("contains a user: move it to auth_user and auth_passwd".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!(
            "contains a ? or #, which belong to path ({expected})"
        ));
    }
    Ok(with_scheme)
}

fn path(raw: &str) -> Result<String, String> {
    if raw.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(raw.to_owned())
    } else {
        Err(
            "contains a blank or another character that a URL cannot contain: percent-encode it"
                .to_owned(),
        )
    }
}
