//! `[websmsd]`: what is done with pictures that come with a message.

use reqwest::Url;

use crate::config::syntax::keys::websmsd as keys;
use crate::config::syntax::reader::Reader;
use crate::config::syntax::value;
use crate::document::path::FieldPath;

/// What one interface does with pictures.
#[derive(Debug, Clone)]
pub struct MediaSettings {
    /// Where their URLs are: all of these.
    pub paths: Vec<FieldPath>,
    pub mode: MediaMode,
    /// URL, with `{id}`, of a document with the URL of the file that has this id.
    pub lookup: Option<String>,
    /// Hosts that get the credentials of the interface, in lower case.
    pub hosts: Vec<String>,
}

/// What is done with a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaMode {
    /// Its URL is put behind the text.
    Link,
    /// Nothing.
    None,
    /// It is fetched and stored, and the URL of the stored file is put behind the text.
    Store,
}

const MODES: [(&str, MediaMode); 3] = [
    ("link", MediaMode::Link),
    ("store", MediaMode::Store),
    ("none", MediaMode::None),
];

/// Reads one interface; `None` after a mistake, which has been recorded.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<MediaSettings> {
    let paths = reader.read(&keys::KEY_MEDIA);
    let mode = reader.choose(&keys::MEDIA, &MODES);
    let lookup = reader.read_as(&keys::MEDIA_LOOKUP, lookup);
    let hosts = reader.read(&keys::MEDIA_HOSTS);
    Some(MediaSettings {
        paths: paths?,
        mode: mode?,
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
