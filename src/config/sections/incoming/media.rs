//! `[websmsd]`: what is done about pictures that come with a message.

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use reqwest::Url;

use crate::config::syntax::keys::websmsd as keys;
use crate::config::syntax::reader::Reader;
use crate::config::syntax::value;
use crate::document::path::FieldPath;

/// What one interface does about pictures.
#[derive(Debug, Clone)]
pub struct MediaSettings {
    /// Where their URLs are; all of these count.
    pub places: Vec<FieldPath>,
    /// What is done about them.
    pub mode: MediaMode,
    /// URL, with `{id}`, of a document that says where a file of that id is.
    pub lookup: Option<String>,
    /// Hosts that get the account's credentials, in lower case.
    pub hosts: Vec<String>,
}

/// What is done about a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaMode {
    /// Its URL goes behind the text.
    Link,
    /// Nothing.
    None,
    /// It is fetched and kept, and the URL of what is kept goes behind the text.
    Store,
}

/// Where pictures are kept.
#[derive(Debug, Clone)]
pub struct MediaStoreSettings {
    /// The directory.
    pub directory: PathBuf,
    /// Its URL, with a `/` at the end.
    pub url: Url,
    /// Extensions of what is taken, in lower case.
    pub types: Vec<String>,
    /// Largest size in bytes.
    pub max: u64,
    /// How long they are kept.
    pub lifetime: Duration,
    /// Private addresses that may be fetched from.
    pub permitted: Vec<IpNet>,
}

const HANDLINGS: [(&str, MediaMode); 3] = [
    ("link", MediaMode::Link),
    ("store", MediaMode::Store),
    ("none", MediaMode::None),
];

/// Reads what one interface says; `None` when there was a mistake, which has
/// been noted.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<MediaSettings> {
    let places = reader.read(&keys::KEY_MEDIA, value::places);
    let handling = reader.read(&keys::MEDIA, |raw| value::choice(raw, &HANDLINGS));
    let lookup = reader.read(&keys::MEDIA_LOOKUP, lookup);
    let hosts = reader.read(&keys::MEDIA_HOSTS, value::words);
    Some(MediaSettings {
        places: places?,
        mode: handling?,
        lookup: lookup?,
        hosts: hosts?.iter().map(|host| host.to_lowercase()).collect(),
    })
}

/// Reads where pictures are kept; `Some(None)` is nowhere.
#[expect(clippy::option_option, reason = "a mistake is not the same as nothing")]
pub(crate) fn read_store(reader: &mut Reader<'_>) -> Option<Option<MediaStoreSettings>> {
    let directory = reader.read(&keys::MEDIA_DIR, |raw| {
        value::optional(raw)?
            .map(|raw| value::directory(&raw))
            .transpose()
    });
    let url = reader.read(&keys::MEDIA_URL, |raw| {
        value::optional(raw)?.map(|raw| url(&raw)).transpose()
    });
    let types = reader.read(&keys::MEDIA_TYPES, value::extensions);
    let max = reader.read(&keys::MEDIA_MAX, |raw| {
        value::number(raw, 1..=1_073_741_824)
    });
    let lifetime = reader.read(&keys::MEDIA_LIFETIME, |raw| {
        value::seconds(raw, 3600..=315_360_000)
    });
    let permitted = reader.read(&keys::MEDIA_PERMIT_ADDR, value::networks);
    let (types, max, lifetime, permitted) = (types?, max?, lifetime?, permitted?);
    match (directory?, url?) {
        (None, _) => Some(None),
        (Some(_), None) => {
            let message = "is not set, and media_dir needs it: the URL at which your web server \
                           shows that directory";
            reader.mistake(&keys::MEDIA_URL, message);
            None
        }
        (Some(directory), Some(url)) => Some(Some(MediaStoreSettings {
            directory,
            url,
            types,
            max,
            lifetime,
            permitted: permitted.unwrap_or_default(),
        })),
    }
}

fn lookup(raw: &str) -> Result<Option<String>, String> {
    let Some(raw) = value::optional(raw)? else {
        return Ok(None);
    };
    let example = raw.replace("{id}", "1");
    match Url::parse(&example) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && example != raw => Ok(Some(raw)),
        _ => Err("not a URL with {id} (expected e.g. https://api.example.com/{id})".to_owned()),
    }
}

fn url(raw: &str) -> Result<Url, String> {
    let url = Url::parse(&format!("{}/", raw.trim_end_matches('/'))).ok();
    url.filter(|url| matches!(url.scheme(), "http" | "https") && url.query().is_none())
        .ok_or_else(|| "not a URL (expected e.g. https://sms.example.com/media)".to_owned())
}
