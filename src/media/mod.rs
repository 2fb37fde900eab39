//! Pictures that come with messages, fetched after the answer and kept.
//!
//! With `media = store` a message gets links in place of pictures: each picture
//! gets a name that nobody guesses, `media_url` and that name stand behind the
//! text, and the phone has both at once. The picture follows.
//!
//! | state | where the file is | who acts next | after a crash |
//! | --- | --- | --- | --- |
//! | noted | `media_dir/.pending/….json` | [`inbound`](crate::inbound), which stores the message | fetched, though perhaps no message speaks of it |
//! | to be fetched | the same | [`worker`], at once and then with growing waits for a day | taken up at start |
//! | coming in | also `media_dir/.pending/.….tmp` | its host | swept at start, and fetched again |
//! | kept | `media_dir/NAME.jpg` | whoever has the link; [`worker`] when it is old | kept |
//! | not to be had | gone | the phone, which is told | it may be told twice |
//!
//! Guarantee: a picture whose link was stored is fetched, or the phone is told
//! that it was not. Nothing is fetched from addresses that are not public, and no
//! host but those of `media_hosts` learns the account's credentials.
//!
//! A URL without an extension leads to a name without one, because the link
//! stands in the text before anybody knows what will come. The web server then
//! has no type to tell but its default. It should in any case say
//! `X-Content-Type-Options: nosniff`, show no listing of the directory and
//! nothing of what starts with a dot.
//!
//! [`recorder`] is all that [`inbound`](crate::inbound) uses: it makes [`job`]s, which
//! [`store`] keeps. [`fetch`] makes one attempt by way of [`crate::http::safe_fetch`]; [`filter`]
//! says what is kept.

use std::collections::HashMap;
use std::fmt;
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
use crate::model::media_type;
use crate::secret::{Secret, SecretError};
use crate::spool::Spool;
use fetch::Fetcher;
pub(crate) use recorder::PictureRecorder;
use store::MediaStore;
use worker::{Downloader, MediaWorker};

/// Whether an interface wants pictures to be kept.
#[must_use]
pub(crate) fn is_wanted(config: &Config) -> bool {
    let keeps = |incoming: &IncomingInterface| incoming.media.mode == MediaMode::Store;
    config.incoming.iter().any(keeps)
}

/// Tries what a picture needs: writes, syncs and removes a file.
///
/// # Errors
/// What cannot be done, with its remedy.
pub(crate) fn probe(shelf: &MediaStoreSettings) -> Result<(), MediaError> {
    open(&shelf.directory).map(drop)
}

/// Starts to fetch, on `runtime`, if an interface wants it or an earlier one did.
/// What phones are told goes by `spool`. The task ends with the runtime.
///
/// # Errors
/// When the directory or a secret cannot be used.
pub(crate) fn start(
    config: &Config,
    spool: Spool,
    runtime: &Handle,
) -> Result<Option<PictureRecorder>, MediaError> {
    let Some(shelf) = &config.server.shelf else {
        return Ok(None);
    };
    if !is_wanted(config) && !MediaStore::has_been_used(&shelf.directory) {
        return Ok(None);
    }
    let directory = |source| MediaError::Directory(shelf.directory.clone(), source);
    let pending = open(&shelf.directory)?;
    let claim = pending.lock().map_err(directory)?;
    let left = pending.jobs().map_err(directory)?;
    if !left.is_empty() {
        info!(
            pictures = left.len(),
            "taking up pictures of an earlier run"
        );
    }
    let desk = Downloader {
        store: pending.clone(),
        fetchers: fetchers(config, shelf)?,
        unconfigured: fetcher(shelf, None, None)?,
        spool,
        min_free: config.spool.min_free,
        lifetime: shelf.lifetime,
    };
    let (orders, ordered) = mpsc::unbounded_channel();
    runtime.spawn(MediaWorker::new(desk, left, ordered, claim).run());
    unknown_types(shelf);
    Ok(Some(PictureRecorder::new(pending, shelf, orders)))
}

fn open(path: &Path) -> Result<MediaStore, MediaError> {
    let directory = |source| MediaError::Directory(path.to_owned(), source);
    let pending = MediaStore::open(path).map_err(directory)?;
    let probed = pending.probe();
    probed.map_err(|error| directory(io::Error::other(error)))?;
    Ok(pending)
}

/// By the name of the interface.
fn fetchers(
    config: &Config,
    shelf: &MediaStoreSettings,
) -> Result<HashMap<String, Fetcher>, MediaError> {
    let keeping = config
        .incoming
        .iter()
        .filter(|incoming| incoming.media.mode == MediaMode::Store);
    let named = |incoming: &IncomingInterface| {
        let mut outgoing = config.outgoing.iter();
        outgoing.find(|outgoing| outgoing.interface == incoming.interface)
    };
    keeping
        .map(|incoming| {
            let fetcher = fetcher(shelf, Some(incoming), named(incoming))?;
            Ok((incoming.interface.as_str().to_owned(), fetcher))
        })
        .collect()
}

fn fetcher(
    shelf: &MediaStoreSettings,
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
        settings: shelf.clone(),
        hosts,
        auth,
        client: SafeClient {
            permitted: shelf.permitted.clone(),
            tls: trust(ca_file),
        },
    })
}

fn auth(outgoing: &OutgoingInterface) -> Result<Auth<Secret>, MediaError> {
    let auth = outgoing.auth.clone();
    auth.try_map(|secret| secret.resolve(|name| std::env::var_os(name)))
        .map_err(MediaError::Secret)
}

/// Texts must come in even if nobody can be trusted; then no picture comes by
/// https.
fn trust(ca_file: Option<&Path>) -> ClientConfig {
    tls::with_roots(ca_file).unwrap_or_else(|error| {
        warn!(%error, "no picture can be fetched by https");
        tls::without_roots()
    })
}

fn unknown_types(shelf: &MediaStoreSettings) {
    let unknown = shelf
        .types
        .iter()
        .filter(|kind| !media_type::is_known(kind));
    let unknown: Vec<_> = unknown.map(String::as_str).collect();
    if !unknown.is_empty() {
        let unknown = unknown.join(",");
        warn!(
            unknown,
            "media_types holds extensions of which nothing is known: they are never kept"
        );
    }
}

/// Pictures cannot be kept. The administrator must act.
#[derive(Debug)]
pub(crate) enum MediaError {
    /// The directory.
    Directory(PathBuf, io::Error),
    /// A secret.
    Secret(SecretError),
}

impl fmt::Display for MediaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path, source) if source.kind() == io::ErrorKind::WouldBlock => write!(
                f,
                "use {}: another websmsd uses it (stop the other one, or name another directory \
                 with media_dir)",
                path.display()
            ),
            Self::Directory(path, source) => write!(
                f,
                "use {}: {source} (create it for Asterisk's user, readable for the web server: \
                 install -d -o asterisk -g asterisk -m 0755 {})",
                path.display(),
                path.display()
            ),
            Self::Secret(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for MediaError {}
