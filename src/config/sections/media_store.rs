//! `[websmsd]`: where pictures that come with messages are stored.

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use reqwest::Url;

use crate::config::syntax::keys::websmsd as keys;
use crate::config::syntax::reader::Reader;
use crate::config::syntax::value;

/// Where pictures are stored.
#[derive(Debug, Clone)]
pub struct MediaStoreSettings {
    pub directory: PathBuf,
    /// URL of the directory, with a `/` at the end.
    pub url: Url,
    /// Extensions of files that are stored, in lower case.
    pub types: Vec<String>,
    /// Largest size of a file in bytes.
    pub max: u64,
    /// How long files are kept.
    pub lifetime: Duration,
    /// Private addresses from which files may be fetched.
    pub permitted: Vec<IpNet>,
}

/// Reads where pictures are stored; `None` after a mistake, which has been recorded,
/// and `Some(None)` if none are.
#[expect(clippy::option_option, reason = "a mistake is not the same as nothing")]
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Option<MediaStoreSettings>> {
    let directory = reader.read(&keys::MEDIA_DIR);
    let url = reader.read_as(&keys::MEDIA_URL, |raw| {
        value::optional(raw)?.map(|raw| url(&raw)).transpose()
    });
    let types = reader.read(&keys::MEDIA_TYPES);
    let max = reader.read(&keys::MEDIA_MAX);
    let lifetime = reader.read(&keys::MEDIA_LIFETIME);
    let permitted = reader.read(&keys::MEDIA_PERMIT_ADDR);
    let (types, max, lifetime, permitted) = (types?, max?, lifetime?, permitted?);
    match (directory?, url?) {
        (None, _) => Some(None),
        (Some(_), None) => {
            let message = "is not set, and media_dir needs it: set it to the URL under which your \
                           web server publishes that directory";
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

fn url(raw: &str) -> Result<Url, String> {
    let url = Url::parse(&format!("{}/", raw.trim_end_matches('/'))).ok();
    url.filter(|url| matches!(url.scheme(), "http" | "https") && url.query().is_none())
        .ok_or_else(|| keys::MEDIA_URL.expected())
}
