//! What a provider says later about a message that it accepted.
//!
//! A message that was sent and has a provider's id is kept in `sent`, under a
//! digest of interface and id, until its `receipt_ttl` is over. A receipt is
//! noted there; the sender is told when it says that the message did not arrive.
//! One that comes before the message has been settled waits a minute for it.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tracing::{debug, error, info, warn};

use crate::config::{Config, OutgoingInterface};
use crate::logging::masked;
use crate::model::digest::digest;
use crate::model::id::Id;
use crate::model::interface::InterfaceName;
use crate::model::message::{Receipt, ReceiptState};
use crate::outbox::notifier::Notifier;
use crate::outbox::record::Record;
use crate::outbox::store::Outbox;

/// How long a receipt waits for its message.
const EARLY: Duration = Duration::from_secs(60);

/// Receipts that wait at a time.
const EARLY_MAX: usize = 1000;

/// A message that a provider accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SentMessage {
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
    pub receipt: Option<RecordedReceipt>,
}

/// What a receipt says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecordedReceipt {
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
struct ReceiptKey(String);

impl ReceiptKey {
    fn new(interface: &str, provider_id: &str) -> Self {
        // A name of an interface holds no line break.
        Self(hex::encode(digest::<20>(&[interface, provider_id])))
    }

    fn file(&self) -> OsString {
        format!("{}.json", self.0).into()
    }
}

/// Notes what providers say later.
#[derive(Debug)]
pub(crate) struct Tracker {
    outbox: Outbox,
    /// By interface.
    interfaces: HashMap<String, OutgoingInterface>,
    /// Those on which nothing comes in: what is said of their messages comes in
    /// on others.
    send_only: Vec<String>,
    notifier: Notifier,
    /// Waits for what the teller does.
    runtime: Handle,
    early: Mutex<HashMap<ReceiptKey, (Instant, Receipt)>>,
    /// Held while a message is kept or a receipt noted: what is read must still
    /// hold when it is written, and a message must not slip past its receipt.
    turn: Mutex<()>,
}

impl Tracker {
    /// For messages that are kept in an outbox.
    #[must_use]
    pub(crate) fn new(outbox: Outbox, config: &Config, teller: Notifier, runtime: Handle) -> Self {
        let name = |outgoing: &OutgoingInterface| outgoing.interface.as_str().to_owned();
        let is_alone = |outgoing: &&OutgoingInterface| {
            let mut incoming = config.incoming.iter();
            !incoming.any(|incoming| incoming.interface == outgoing.interface)
        };
        let accounts = config.outgoing.iter();
        Self {
            outbox,
            send_only: accounts.clone().filter(is_alone).map(name).collect(),
            interfaces: accounts
                .map(|account| (name(account), account.clone()))
                .collect(),
            notifier: teller,
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
    pub(crate) fn track(&self, sent: &SentMessage) -> io::Result<()> {
        let account = self.interfaces.get(&sent.interface);
        if account.is_none_or(|account| account.delivery.receipt_lifetime.is_zero()) {
            return Ok(());
        }
        let key = ReceiptKey::new(&sent.interface, &sent.provider_id);
        let _turn = self.turn.lock();
        self.write(&key, sent)?;
        let early = self.early.lock().remove(&key);
        match early {
            Some((_, receipt)) => self.apply(&key, sent.clone(), &receipt),
            None => Ok(()),
        }
    }

    /// Notes a receipt. Blocks; not to be called on a thread of the runtime.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn record(&self, receipt: &Receipt) -> io::Result<()> {
        let keys = self.candidates(receipt);
        let _turn = self.turn.lock();
        for key in &keys {
            if let Some(sent) = self.read(key)? {
                return self.apply(key, sent, receipt);
            }
        }
        let (interface, status) = (&receipt.interface, &receipt.status);
        debug!(%interface, status, "receipt for a message that is not known");
        let now = Instant::now();
        let mut early = self.early.lock();
        early.retain(|_, (since, _)| now.saturating_duration_since(*since) < EARLY);
        if early.len() + keys.len() <= EARLY_MAX {
            early.extend(keys.into_iter().map(|key| (key, (now, receipt.clone()))));
        }
        Ok(())
    }

    /// The message could be of the interface that the receipt came in on, or of one
    /// on which nothing comes in.
    fn candidates(&self, receipt: &Receipt) -> Vec<ReceiptKey> {
        let others = self.send_only.iter().map(String::as_str);
        [receipt.interface.as_str()]
            .into_iter()
            .chain(others)
            .map(|interface| ReceiptKey::new(interface, &receipt.provider_id))
            .collect()
    }

    fn apply(&self, key: &ReceiptKey, mut sent: SentMessage, receipt: &Receipt) -> io::Result<()> {
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
        let why = self.reason(&sent, receipt);
        let fallback = self.fallback(&sent, receipt);
        match fallback {
            Some(fallback) => self.requeue_on(&fallback, &sent, &why)?,
            None => self.report(&sent, receipt, &why),
        }
        sent.receipt = Some(RecordedReceipt {
            state: word(receipt.state).to_owned(),
            status: receipt.status.clone(),
            reason: receipt.reason.is_some().then_some(why),
        });
        self.write(key, &sent)
    }

    /// What the code of a receipt means, or what it says itself.
    fn reason(&self, sent: &SentMessage, receipt: &Receipt) -> String {
        let errors = self
            .interfaces
            .get(&sent.interface)
            .map(|account| &account.errors);
        let words = errors.and_then(|errors| errors.words(receipt.code.as_deref()?));
        let said = receipt.reason.as_deref().or(receipt.code.as_deref());
        words.or(said).unwrap_or(&receipt.status).to_owned()
    }

    /// The interface that is to be tried now, if the code is a matter for one.
    fn fallback(&self, sent: &SentMessage, receipt: &Receipt) -> Option<InterfaceName> {
        let account = self.interfaces.get(&sent.interface)?;
        let code = receipt.code.as_ref()?;
        let its_matter =
            receipt.state == ReceiptState::Failed && account.errors.fallback.contains(code);
        account.delivery.fallback.clone().filter(|_| its_matter)
    }

    /// Puts a message into the outbox once more, for another interface.
    fn requeue_on(
        &self,
        fallback: &InterfaceName,
        sent: &SentMessage,
        why: &str,
    ) -> io::Result<()> {
        let record = Record {
            interface: fallback.as_str().to_owned(),
            ..sent.message.clone().reset()
        };
        let name = record.name(Id::generate(None));
        let (id, failed, instead) = (&sent.id, &sent.interface, fallback);
        let anew = name.id();
        warn!(id, failed, reason = why, %instead, %anew, "turned to the fallback after a receipt");
        self.outbox.put(name, &record).map_err(io::Error::other)
    }

    /// Tells the log, and the sender of what did not arrive.
    fn report(&self, sent: &SentMessage, receipt: &Receipt, why: &str) {
        let SentMessage { id, interface, .. } = sent;
        let to = masked(&sent.message.to);
        let status = &receipt.status;
        match receipt.state {
            ReceiptState::Delivered => info!(id, interface, to, status, "message delivered"),
            ReceiptState::Pending => info!(id, interface, to, status, "message on its way"),
            ReceiptState::Failed => {
                error!(
                    id,
                    interface,
                    to,
                    status,
                    reason = why,
                    "message not delivered"
                );
                let account = self.interfaces.get(&sent.interface);
                let template = account.map_or("", |account| &account.delivery.notice_undelivered);
                let telling = self.notifier.notify(id, &sent.message, template, why);
                self.runtime.block_on(telling);
            }
        }
    }

    fn read(&self, key: &ReceiptKey) -> io::Result<Option<SentMessage>> {
        match std::fs::read(self.outbox.kept().path().join(key.file())) {
            Ok(json) => Ok(serde_json::from_slice(&json).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write(&self, key: &ReceiptKey, sent: &SentMessage) -> io::Result<()> {
        let mut json = serde_json::to_vec_pretty(sent)?;
        json.push(b'\n');
        self.outbox
            .kept()
            .replace(&json, &key.file())
            .map_err(io::Error::other)
    }

    /// Removes what no receipt is waited for any more.
    pub(crate) fn remove_expired(&self) {
        let accounts = self.interfaces.values();
        let lifetimes = accounts.map(|account| account.delivery.receipt_lifetime);
        let lifetime = lifetimes.max().unwrap_or_default();
        let old = |entry: &std::fs::DirEntry| {
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            let age = modified.map(|time| SystemTime::now().duration_since(time));
            age.is_ok_and(|age| age.unwrap_or_default() > lifetime)
        };
        let entries = std::fs::read_dir(self.outbox.kept().path())
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
}

/// The message of that id among those that were sent.
///
/// # Errors
/// When the directory cannot be read.
pub(crate) fn find(directory: &std::path::Path, id: Id) -> io::Result<Option<SentMessage>> {
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
        .find(|sent: &SentMessage| sent.id == id);
    Ok(sent)
}

fn is_sent(name: &OsStr) -> bool {
    let name = name.to_str().and_then(|name| name.strip_suffix(".json"));
    name.is_some_and(|name| name.len() == 40 && name.bytes().all(|b| b.is_ascii_hexdigit()))
}
