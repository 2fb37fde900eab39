//! What a provider says later about a message that it accepted.
//!
//! A message that was sent and has a provider's id is kept in `sent`, under a
//! digest of interface and id, until its `receipt_ttl` is over. A receipt is
//! noted there; the sender is told when it says that the message did not arrive.
//! One that comes before the message has been settled waits a minute for it.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};
use sha1::{Digest as _, Sha1};
use tokio::runtime::Handle;
use tracing::{debug, error, info};

use super::record::Record;
use super::teller::Teller;
use crate::config::{Config, Delivery};
use crate::durable::Directory;
use crate::id::Id;
use crate::logging::masked;
use crate::message::{Receipt, ReceiptState};

/// How long a receipt waits for its message.
const EARLY: Duration = Duration::from_secs(60);

/// Receipts that wait at a time.
const EARLY_MAX: usize = 1000;

/// A message that a provider accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// What it is called here.
    pub id: String,
    /// What the provider calls it.
    pub provider_id: String,
    /// The interface that it went out by.
    pub interface: String,
    /// The message.
    pub message: Record,
    /// What the last receipt says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Noted>,
}

/// What a receipt says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    /// `delivered`, `undelivered` or `pending`.
    pub state: String,
    /// The provider's word for it.
    pub status: String,
    /// Why, if the provider says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A message by a digest of its interface and its provider's id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key(String);

impl Key {
    fn new(interface: &str, provider_id: &str) -> Self {
        // A name of an interface holds no line break.
        let digest = Sha1::digest(format!("{interface}\n{provider_id}"));
        Self(hex::encode(digest))
    }

    fn file(&self) -> OsString {
        format!("{}.json", self.0).into()
    }
}

/// Notes what providers say later.
#[derive(Debug)]
pub struct Receipts {
    directory: Directory,
    /// By interface.
    deliveries: HashMap<String, Delivery>,
    teller: Teller,
    /// Waits for what the teller does.
    runtime: Handle,
    early: Mutex<HashMap<Key, (Instant, Receipt)>>,
    /// Held while a message is kept or a receipt noted: what is read must still
    /// hold when it is written, and a message must not slip past its receipt.
    turn: Mutex<()>,
}

impl Receipts {
    /// For messages that are kept in a directory.
    #[must_use]
    pub fn new(directory: Directory, config: &Config, teller: Teller, runtime: Handle) -> Self {
        let delivery = |outgoing: &crate::config::Outgoing| {
            let name = outgoing.interface.as_str().to_owned();
            (name, outgoing.delivery.clone())
        };
        Self {
            directory,
            deliveries: config.outgoing.iter().map(delivery).collect(),
            teller,
            runtime,
            early: Mutex::default(),
            turn: Mutex::default(),
        }
    }

    /// Keeps a message that was sent, if receipts for it are wanted, and notes the
    /// one that came before it. Blocks.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn keep(&self, sent: &Sent) -> io::Result<()> {
        let wanted = self.deliveries.get(&sent.interface);
        if wanted.is_none_or(|delivery| delivery.receipt_lifetime.is_zero()) {
            return Ok(());
        }
        let key = Key::new(&sent.interface, &sent.provider_id);
        let _turn = self.turn();
        self.write(&key, sent)?;
        let early = self.waiting().remove(&key);
        match early {
            Some((_, receipt)) => self.note(&key, sent.clone(), &receipt),
            None => Ok(()),
        }
    }

    /// Notes a receipt. Blocks; not to be called on a thread of the runtime.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn record(&self, receipt: &Receipt) -> io::Result<()> {
        let keys = self.candidates(receipt);
        let _turn = self.turn();
        for key in &keys {
            if let Some(sent) = self.read(key)? {
                return self.note(key, sent, receipt);
            }
        }
        let (interface, status) = (&receipt.interface, &receipt.status);
        debug!(%interface, status, "receipt for a message that is not known");
        let now = Instant::now();
        let mut early = self.waiting();
        early.retain(|_, (since, _)| now.saturating_duration_since(*since) < EARLY);
        if early.len() + keys.len() <= EARLY_MAX {
            early.extend(keys.into_iter().map(|key| (key, (now, receipt.clone()))));
        }
        Ok(())
    }

    /// The message could be of the interface that the receipt came in on, or, when
    /// that has no name, of any.
    fn candidates(&self, receipt: &Receipt) -> Vec<Key> {
        let interface = receipt.interface.as_str();
        let others = self.deliveries.keys().map(String::as_str);
        let others = others.filter(|name| name.is_empty() != interface.is_empty());
        [interface]
            .into_iter()
            .chain(others.filter(|name| interface.is_empty() || name.is_empty()))
            .map(|interface| Key::new(interface, &receipt.provider_id))
            .collect()
    }

    fn note(&self, key: &Key, mut sent: Sent, receipt: &Receipt) -> io::Result<()> {
        let word = |state: ReceiptState| match state {
            ReceiptState::Delivered => "delivered",
            ReceiptState::Failed => "undelivered",
            ReceiptState::Pending => "pending",
        };
        let last = sent.receipt.as_ref().map(|noted| noted.state.as_str());
        if last.is_some_and(|last| last != word(ReceiptState::Pending)) {
            debug!(
                id = sent.id,
                status = receipt.status,
                "receipt after the last word"
            );
            return Ok(());
        }
        self.tell(&sent, receipt);
        sent.receipt = Some(Noted {
            state: word(receipt.state).to_owned(),
            status: receipt.status.clone(),
            reason: receipt.reason.clone(),
        });
        self.write(key, &sent)
    }

    /// Tells the log, and the sender of what did not arrive.
    fn tell(&self, sent: &Sent, receipt: &Receipt) {
        let Sent { id, interface, .. } = sent;
        let to = masked(&sent.message.to);
        let (status, reason) = (&receipt.status, receipt.reason.as_deref().unwrap_or(""));
        match receipt.state {
            ReceiptState::Delivered => info!(id, interface, to, status, "message delivered"),
            ReceiptState::Pending => info!(id, interface, to, status, "message on its way"),
            ReceiptState::Failed => {
                error!(id, interface, to, status, reason, "message not delivered");
                let template = self.deliveries.get(&sent.interface);
                let template = template.map_or("", |delivery| &delivery.notice_undelivered);
                let why = receipt.reason.as_ref().unwrap_or(&receipt.status);
                let telling = self.teller.tell(id, &sent.message, template, why);
                self.runtime.block_on(telling);
            }
        }
    }

    fn read(&self, key: &Key) -> io::Result<Option<Sent>> {
        match std::fs::read(self.directory.path().join(key.file())) {
            Ok(json) => Ok(serde_json::from_slice(&json).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write(&self, key: &Key, sent: &Sent) -> io::Result<()> {
        let mut json = serde_json::to_vec_pretty(sent)?;
        json.push(b'\n');
        self.directory
            .replace(&json, &key.file())
            .map_err(io::Error::other)
    }

    /// Removes what no receipt is waited for any more.
    pub fn tidy(&self) {
        let lifetimes = self.deliveries.values().map(|d| d.receipt_lifetime);
        let lifetime = lifetimes.max().unwrap_or_default();
        let old = |entry: &std::fs::DirEntry| {
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            let age = modified.map(|time| SystemTime::now().duration_since(time));
            age.is_ok_and(|age| age.unwrap_or_default() > lifetime)
        };
        let entries = std::fs::read_dir(self.directory.path())
            .into_iter()
            .flatten();
        for entry in entries
            .flatten()
            .filter(|entry| is_sent(&entry.file_name()) && old(entry))
        {
            // Next time, if not now.
            let _ = std::fs::remove_file(entry.path());
        }
    }

    fn turn(&self) -> std::sync::MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<Key, (Instant, Receipt)>> {
        // A panic elsewhere has ended the process.
        self.early.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The message of that id among those that were sent.
///
/// # Errors
/// When the directory cannot be read.
pub fn find(directory: &std::path::Path, id: Id) -> io::Result<Option<Sent>> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => entries?,
    };
    let id = id.to_string();
    let sent = entries
        .flatten()
        .filter(|entry| is_sent(&entry.file_name()))
        .filter_map(|entry| std::fs::read(entry.path()).ok())
        .filter_map(|json| serde_json::from_slice(&json).ok())
        .find(|sent: &Sent| sent.id == id);
    Ok(sent)
}

fn is_sent(name: &OsStr) -> bool {
    let name = name.to_str().and_then(|name| name.strip_suffix(".json"));
    name.is_some_and(|name| name.len() == 40 && name.bytes().all(|b| b.is_ascii_hexdigit()))
}
