//! Pictures of messages, fetched after the message is acknowledged, and stored.
//!
//! With `media = store` a message gets a link in place of each picture: `media_url`
//! and a name that cannot be guessed. The phone has text and link at once, and the
//! picture follows.
//!
//! | state | where the file is | who acts next | after a crash |
//! | --- | --- | --- | --- |
//! | recorded | `media_dir/.pending/….json` | [`inbound`](crate::inbound), which stores the message | fetched, though perhaps no message links to it |
//! | to be fetched | the same | [`worker`], at once and then with growing waits for a day | fetched after the start |
//! | being fetched | also `media_dir/.pending/.….tmp` | the picture's host | removed at start, and fetched again |
//! | stored | `media_dir/NAME.jpg` | anyone with the link; [`worker`] when it is old | kept |
//! | not available | gone | the phone, which is notified | the phone may be notified twice |
//!
//! Guarantee: a picture whose link was stored is fetched, or the phone is notified
//! that it was not. Connections go only to public and permitted addresses, and only
//! the hosts of `media_hosts` get the interface's credentials.
//!
//! The name of a picture has the extension of its URL, or none, because the link is
//! in the text before the picture is fetched. For names without an extension the
//! web server uses its default type. It should send `X-Content-Type-Options:
//! nosniff`, and neither list the directory nor serve names with a leading dot.
//!
//! [`recorder`], the only part that [`inbound`](crate::inbound) uses, makes
//! [`job`]s, which [`store`] keeps. [`worker`] schedules them, [`fetch`] makes one
//! attempt, and [`filter`] decides which files are stored.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use rustls::ClientConfig;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tracing::{info, warn};

pub(crate) mod fetch;
pub(crate) mod filter;
pub(crate) mod job;
pub(crate) mod recorder;
pub(crate) mod store;
pub(crate) mod worker;

use crate::config::{
    Auth, Config, IncomingInterface, MediaMode, MediaStoreSettings, OutgoingInterface,
};
use crate::http::client::tls;
use crate::http::safe_fetch::SafeClient;
use crate::logging::failed;
use crate::model::interface::InterfaceName;
use crate::model::media_type;
use crate::secret::SecretError;
use crate::secret::stored::StoredSecret;
use crate::spool::Spool;
use crate::storage::directory_error::DirectoryError;
use fetch::Fetcher;
pub(crate) use recorder::PictureRecorder;
use store::MediaStore;
use worker::{Downloader, MediaWorker};

/// Whether an interface stores pictures.
pub(crate) fn is_wanted(config: &Config) -> bool {
    let stores = |incoming: &IncomingInterface| incoming.media.mode == MediaMode::Store;
    config.incoming.iter().any(stores)
}

/// Does what storing a picture needs: writes, syncs and removes a file.
///
/// # Errors
/// The step that failed, with its remedy.
pub(crate) fn probe(settings: &MediaStoreSettings) -> Result<(), MediaError> {
    open(&settings.directory).map(drop)
}

/// Starts the worker on `runtime`, if an interface stores pictures or did so in an
/// earlier run. Notices to phones go to `spool`. The worker ends with the runtime.
///
/// # Errors
/// When the directory or a secret cannot be used.
pub(crate) fn start(
    config: &Config,
    spool: Spool,
    runtime: &Handle,
) -> Result<Option<PictureRecorder>, MediaError> {
    let Some(settings) = &config.server.media_store else {
        return Ok(None);
    };
    if !is_wanted(config) && !MediaStore::has_been_used(&settings.directory) {
        return Ok(None);
    }
    let unusable = unusable(&settings.directory);
    let store = open(&settings.directory)?;
    let lock = store.lock().map_err(&unusable)?;
    let recovered = store.jobs().map_err(&unusable)?;
    if !recovered.is_empty() {
        let pictures = recovered.len();
        info!(pictures, "fetching pictures of an earlier run");
    }
    let downloader = Downloader {
        store: store.clone(),
        fetchers: fetchers(config, settings)?,
        unconfigured: fetcher(settings, None, None)?,
        spool,
        min_free: config.spool.min_free,
        lifetime: settings.lifetime,
    };
    let (jobs, received_jobs) = mpsc::unbounded_channel();
    runtime.spawn(MediaWorker::new(downloader, recovered, received_jobs, lock).run());
    warn_about_unknown_types(settings);
    Ok(Some(PictureRecorder::new(store, settings, jobs)))
}

fn open(path: &Path) -> Result<MediaStore, MediaError> {
    let store = MediaStore::open(path).map_err(unusable(path))?;
    let probed = store.probe().map_err(io::Error::from);
    probed.map_err(unusable(path))?;
    Ok(store)
}

fn fetchers(
    config: &Config,
    settings: &MediaStoreSettings,
) -> Result<HashMap<InterfaceName, Fetcher>, MediaError> {
    let storing = config
        .incoming
        .iter()
        .filter(|incoming| incoming.media.mode == MediaMode::Store);
    let outgoing_of = |incoming: &IncomingInterface| {
        let mut outgoing = config.outgoing.iter();
        outgoing.find(|outgoing| outgoing.interface == incoming.interface)
    };
    storing
        .map(|incoming| {
            let fetcher = fetcher(settings, Some(incoming), outgoing_of(incoming))?;
            Ok((incoming.interface.clone(), fetcher))
        })
        .collect()
}

fn fetcher(
    settings: &MediaStoreSettings,
    incoming: Option<&IncomingInterface>,
    outgoing: Option<&OutgoingInterface>,
) -> Result<Fetcher, MediaError> {
    let hosts = incoming.map_or_else(Vec::new, |incoming| incoming.media.hosts.clone());
    let ca_file = outgoing.and_then(|outgoing| outgoing.ca_file.as_deref());
    let auth = match outgoing {
        Some(outgoing) if !hosts.is_empty() => auth(outgoing)?,
        _ => Auth::None,
    };
    Ok(Fetcher {
        settings: settings.clone(),
        hosts,
        auth,
        client: SafeClient {
            permitted: settings.permitted.clone(),
            tls: tls_config(ca_file),
        },
    })
}

fn auth(outgoing: &OutgoingInterface) -> Result<Auth<StoredSecret>, MediaError> {
    Ok(outgoing.auth.try_map(StoredSecret::new)?)
}

/// Without usable certificates messages are still accepted, but no picture is
/// fetched by https.
fn tls_config(ca_file: Option<&Path>) -> ClientConfig {
    tls::with_roots(ca_file).unwrap_or_else(|error| {
        warn!(error = %failed(&error), "pictures cannot be fetched by https");
        tls::without_roots()
    })
}

fn warn_about_unknown_types(settings: &MediaStoreSettings) {
    let unknown: Vec<_> = settings
        .types
        .iter()
        .map(String::as_str)
        .filter(|extension| !media_type::is_known(extension))
        .collect();
    if !unknown.is_empty() {
        let extensions = unknown.join(",");
        warn!(extensions, "unknown extensions in media_types ignored");
    }
}

/// Where jobs are kept until their pictures are fetched.
pub(crate) fn jobs_directory(settings: &MediaStoreSettings) -> PathBuf {
    MediaStore::jobs_directory(&settings.directory)
}

/// Why pictures cannot be stored. The administrator must act.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MediaError {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The secret for the credentials of an interface.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

/// The web server must be able to read the directory.
fn unusable(path: &Path) -> impl Fn(io::Error) -> DirectoryError {
    move |error| DirectoryError::new(path, "media_dir", 0o755, error)
}
