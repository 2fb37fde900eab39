//! Recorded requests, responses and webhooks of providers: `tests/presets`, one
//! file for each preset.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::section;

/// The recorded data of one provider.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Golden {
    config: Keys,
    pub(crate) send: Vec<Send>,
    pub(crate) answers: Vec<ProviderResponse>,
    pub(crate) webhooks: Vec<Webhook>,
    pub(crate) receipts: Vec<Receipt>,
}

/// Keys of `websms.conf` in addition to the preset.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    websms: Vec<(String, String)>,
    websmsd: Vec<(String, String)>,
}

/// An outgoing message, and the request that it becomes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Send {
    pub(crate) to: String,
    pub(crate) from: String,
    pub(crate) text: String,
    pub(crate) host: String,
    pub(crate) request: Request,
}

/// A request as the provider receives it. At most one of the last four fields is
/// set, and holds the parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Without the query if `query` is set.
    pub(crate) target: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) form: Option<Map<String, Value>>,
    pub(crate) json: Option<Value>,
    pub(crate) query: Option<Map<String, Value>>,
    pub(crate) multipart: Option<Map<String, Value>>,
}

/// A response of the provider, and its meaning.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProviderResponse {
    pub(crate) status: u16,
    #[serde(rename = "type")]
    pub(crate) content_type: String,
    pub(crate) body: String,
    /// `WEBSMS_STATUS`.
    pub(crate) outcome: String,
    /// Why it was refused, in the words that its sender reads.
    pub(crate) reason: Option<String>,
    pub(crate) provider_id: Option<String>,
}

/// A request from the provider, and our response.
#[derive(Debug, Deserialize)]
pub(crate) struct Post {
    pub(crate) about: String,
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
    pub(crate) public_url: String,
    /// The status of the response.
    pub(crate) status: u16,
    /// The body of the response, if it matters.
    pub(crate) answer: Option<String>,
}

/// A request that may contain messages.
#[derive(Debug, Deserialize)]
pub(crate) struct Webhook {
    #[serde(flatten)]
    pub(crate) post: Post,
    pub(crate) messages: Vec<Incoming>,
}

/// An incoming message as the dialplan gets it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Incoming {
    pub(crate) to: String,
    pub(crate) from: String,
    pub(crate) text: String,
    pub(crate) id: Option<String>,
}

/// A request that reports the delivery of a message.
#[derive(Debug, Deserialize)]
pub(crate) struct Receipt {
    #[serde(flatten)]
    pub(crate) post: Post,
    pub(crate) receipt: ExpectedReceipt,
}

/// The expected meaning of a receipt.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectedReceipt {
    pub(crate) id: String,
    /// `delivered`, `failed` or `other`.
    pub(crate) state: String,
    pub(crate) reason: Option<String>,
}

impl Golden {
    /// The data of the provider with this name.
    pub(crate) fn read(name: &str) -> Self {
        let path = directory("tests/presets").join(format!("{name}.json"));
        let json = std::fs::read(&path).unwrap_or_else(|error| panic!("{name}.json: {error}"));
        serde_json::from_slice(&json).unwrap_or_else(|error| panic!("{name}.json: {error}"))
    }

    /// `[websms]` with the preset; the keys `more` replace recorded ones.
    pub(crate) fn websms(&self, name: &str, more: &[(&str, &str)]) -> String {
        configured("websms", name, &self.config.websms, more)
    }

    /// `[websmsd]` with the preset, and with the URL that requests were signed for.
    pub(crate) fn websmsd(&self, name: &str) -> String {
        let posts = self.webhooks.iter().map(|webhook| &webhook.post);
        let posts = posts.chain(self.receipts.iter().map(|receipt| &receipt.post));
        let urls: BTreeSet<_> = posts.map(|post| post.public_url.as_str()).collect();
        assert_eq!(urls.len(), 1, "{name}: a daemon has one URL");
        let more: Vec<_> = urls.into_iter().map(|url| ("public_url", url)).collect();
        configured("websmsd", name, &self.config.websmsd, &more)
    }

    /// The lines of both sections with the index `[name]`, and with this host.
    pub(crate) fn indexed(&self, name: &str, host: &str) -> [String; 2] {
        let lines = |section: String| {
            let pairs = section.lines().filter_map(|line| line.split_once(" = "));
            let lines = pairs.map(|(key, value)| format!("{key} [{name}] = {value}\n"));
            lines.collect()
        };
        [self.websms(name, &[("host", host)]), self.websmsd(name)].map(lines)
    }

    /// `[websms]` and `[websmsd]`.
    pub(crate) fn config(&self, name: &str) -> String {
        self.websms(name, &[]) + &self.websmsd(name)
    }
}

fn configured(
    in_section: &str,
    preset: &str,
    keys: &[(String, String)],
    more: &[(&str, &str)],
) -> String {
    let keys = keys
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()));
    let kept = keys.filter(|(key, _)| more.iter().all(|(other, _)| other != key));
    let pairs: Vec<_> = [("preset", preset)].into_iter().chain(kept).collect();
    section(in_section, &[&pairs, more].concat())
}

/// A directory of the repository.
pub(crate) fn directory(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The names of the files in a directory that have this extension, without it.
pub(crate) fn stems(name: &str, extension: &str) -> BTreeSet<String> {
    let files = std::fs::read_dir(directory(name)).unwrap();
    files
        .filter_map(|file| {
            let file = file.unwrap().file_name().into_string().unwrap();
            Some(file.strip_suffix(extension)?.to_owned())
        })
        .collect()
}
