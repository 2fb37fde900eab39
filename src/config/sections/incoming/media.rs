//! `[websmsd]`: what is done about pictures that come with a message.

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

const HANDLINGS: [(&str, MediaMode); 3] = [
    ("link", MediaMode::Link),
    ("store", MediaMode::Store),
    ("none", MediaMode::None),
];

/// Reads what one interface says; `None` when there was a mistake, which has
/// been noted.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<MediaSettings> {
    let places = reader.read(&keys::KEY_MEDIA);
    let handling = reader.choose(&keys::MEDIA, &HANDLINGS);
    let lookup = reader.read_as(&keys::MEDIA_LOOKUP, lookup);
    let hosts = reader.read(&keys::MEDIA_HOSTS);
    Some(MediaSettings {
        places: places?,
        mode: handling?,
        lookup: lookup?,
        hosts: hosts?.iter().map(|host| host.to_lowercase()).collect(),
    })
}

fn lookup(raw: &str) -> Result<Option<String>, String> {
    let Some(raw) = value::optional(raw)? else {
        return Ok(None);
    };
    let example = raw.replace("{id}", "1");
    match Url::parse(&example) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && example != raw => Ok(Some(raw)),
        _ => Err(keys::MEDIA_LOOKUP.expected()),
    }
}
