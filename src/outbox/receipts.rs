//! Delivery receipts for messages that providers accepted.
//!
//! A message that was sent and has a provider's id is kept in `outboxdir/sent`
//! until its `receipt_ttl` is over. Its receipts are recorded there. When one reports
//! that the message was not delivered, the message goes to the fallback or its
//! sender is notified. A receipt that comes before the message is known to be sent
//! waits for it in [`EarlyReceipts`], as long as its request is in flight.
//!
//! What follows a receipt happens once, although the provider repeats a receipt that
//! could not be recorded:
//!
//! | step | file in `outboxdir/sent` | after a crash |
//! | --- | --- | --- |
//! | the follow-up is written | `KEY.json` without the receipt, `KEY.next` | `KEY.next` is removed; the provider repeats the receipt |
//! | the receipt is recorded | `KEY.json` with receipt and follow-up, `KEY.next` | the next step |
//! | the follow-up is moved on | `KEY.json`; `KEY.next` is in `outboxdir` for the fallback, or in `outboxdir/notices` | – |

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tracing::{debug, error, info, warn};

use crate::config::{Config, OutgoingInterface};
use crate::logging::{chain, masked};
use crate::model::id::Id;
use crate::model::interface::InterfaceName;
use crate::model::message::{Receipt, ReceiptState};
use crate::outbox::early_receipts::EarlyReceipts;
use crate::outbox::notifier::Notifier;
use crate::outbox::record::{NoticeKind, Record};
use crate::outbox::sent::{
    FollowUp, ReceiptKey, RecordedReceipt, RecordedState, SentMessage, SentMessages,
};
use crate::outbox::store::Outbox;

/// Tracks sent messages until their receipts have come.
#[derive(Debug)]
pub(crate) struct Tracker {
    outbox: Outbox,
    sent: SentMessages,
    interfaces: HashMap<InterfaceName, OutgoingInterface>,
    /// Interfaces that receive nothing: receipts for their messages come in on
    /// others.
    send_only: Vec<InterfaceName>,
    notifier: Arc<Notifier>,
    /// Runs the notifier, while the recording thread waits.
    runtime: Handle,
    /// Locked while a message or a receipt is recorded: what was read must still
    /// hold when it is written, and a message must not miss its early receipt.
    recording: Mutex<()>,
    /// Never locked for long.
    early: Mutex<EarlyReceipts>,
}

/// A request in flight, for whose message early receipts are kept. It ends when this
/// is dropped.
#[derive(Debug)]
pub(crate) struct InFlight {
    tracker: Arc<Tracker>,
    number: u64,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.tracker.early.lock().end(self.number);
    }
}

impl Tracker {
    pub(crate) fn new(
        outbox: Outbox,
        config: &Config,
        notifier: Arc<Notifier>,
        runtime: Handle,
    ) -> Self {
        let names = config.outgoing.iter().map(|outgoing| &outgoing.interface);
        let receives = |name: &InterfaceName| {
            let mut incoming = config.incoming.iter();
            incoming.any(|incoming| incoming.interface == *name)
        };
        let send_only = names.clone().filter(|name| !receives(name));
        Self {
            sent: outbox.sent_messages(),
            outbox,
            send_only: send_only.cloned().collect(),
            interfaces: names
                .cloned()
                .zip(config.outgoing.iter().cloned())
                .collect(),
            notifier,
            runtime,
            recording: Mutex::default(),
            early: Mutex::default(),
        }
    }

    /// Counts a request that is about to be made for a message, by one of the
    /// interfaces. It is to be kept until [`Self::track`] has returned.
    pub(crate) fn in_flight<'a>(
        self: &Arc<Self>,
        interfaces: impl Iterator<Item = &'a InterfaceName>,
    ) -> InFlight {
        let awaiting = interfaces.filter(|name| self.awaits_receipts(name));
        let number = self.early.lock().begin(awaiting.cloned().collect());
        let tracker = Arc::clone(self);
        InFlight { tracker, number }
    }

    fn awaits_receipts(&self, interface: &InterfaceName) -> bool {
        let interface = self.interfaces.get(interface);
        interface.is_some_and(|interface| !interface.delivery.receipt_lifetime.is_zero())
    }

    /// Keeps a message that was sent, if its interface waits for receipts, and
    /// applies the receipt that came before. Blocks; not to be called on a thread
    /// of the runtime.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn track(&self, sent: &SentMessage) -> io::Result<()> {
        if !self.awaits_receipts(&sent.interface) {
            return Ok(());
        }
        let key = ReceiptKey::new(&sent.interface, &sent.provider_id);
        let _recording = self.recording.lock();
        self.sent.write(&key, sent)?;
        let early = self.early.lock().take(&sent.interface, &sent.provider_id);
        match early {
            Some(receipt) => self.apply(&key, sent.clone(), &receipt),
            None => Ok(()),
        }
    }

    /// Records a receipt. Blocks; not to be called on a thread of the runtime.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn record(&self, receipt: &Receipt) -> io::Result<()> {
        let _recording = self.recording.lock();
        for interface in self.candidates(receipt) {
            let key = ReceiptKey::new(interface, &receipt.provider_id);
            if let Some(sent) = self.sent.read(&key)? {
                return self.apply(&key, sent, receipt);
            }
        }
        let (interface, status) = (&receipt.interface, &receipt.status);
        debug!(%interface, status, "receipt for unknown message");
        let mut early = self.early.lock();
        let kept = early.add(self.candidates(receipt), receipt);
        kept.map_err(io::Error::other)
    }

    /// The interfaces whose message a receipt could be for: the one that it came in
    /// on, and those that receive nothing themselves.
    fn candidates<'a>(&'a self, receipt: &'a Receipt) -> impl Iterator<Item = &'a InterfaceName> {
        [&receipt.interface].into_iter().chain(&self.send_only)
    }

    fn apply(&self, key: &ReceiptKey, mut sent: SentMessage, receipt: &Receipt) -> io::Result<()> {
        let last = sent.receipt.as_ref().map(|receipt| receipt.state);
        if last.is_some_and(|last| last != RecordedState::Pending) {
            let status = &receipt.status;
            debug!(id = sent.id, status, "receipt after the final one");
            // The disk may have refused that when the final one came.
            return self.follow(key, &sent);
        }
        let reason = self.reason(&sent, receipt);
        let next = self.follow_up(&sent, receipt, &reason);
        if let Some((_, record)) = &next {
            self.sent.prepare_next(key, record)?;
        }
        sent.receipt = Some(RecordedReceipt {
            state: match receipt.state {
                ReceiptState::Delivered => RecordedState::Delivered,
                ReceiptState::Failed => RecordedState::Undelivered,
                ReceiptState::Pending => RecordedState::Pending,
            },
            status: receipt.status.clone(),
            reason: says_why(receipt).then(|| reason.clone()),
        });
        sent.next = next.as_ref().map(|(next, _)| next.clone());
        self.sent.write(key, &sent)?;
        if next.is_some() {
            self.sent.sync()?;
        }
        log(&sent, receipt, &reason);
        self.follow(key, &sent)
    }

    /// What follows a receipt: the message once more, under a new id, for its
    /// fallback, or with the notice that its sender gets.
    fn follow_up(
        &self,
        sent: &SentMessage,
        receipt: &Receipt,
        reason: &str,
    ) -> Option<(FollowUp, Record)> {
        if receipt.state != ReceiptState::Failed {
            return None;
        }
        let message = sent.message.clone().reset();
        if let Some(fallback) = self.fallback(sent, receipt) {
            let record = message.with_interface(fallback);
            let name = record.name(Id::generate(None));
            return Some((FollowUp::Fallback(name.to_string()), record));
        }
        let id = sent.id.parse().unwrap_or_else(|_| Id::generate(None));
        let record = message.with_notice(NoticeKind::Undelivered, reason);
        Some((FollowUp::Notice(record.name(id).to_string()), record))
    }

    /// Moves what follows a recorded receipt on, unless that is done.
    fn follow(&self, key: &ReceiptKey, sent: &SentMessage) -> io::Result<()> {
        let Some(next) = &sent.next else {
            return Ok(());
        };
        let Some(name) = next.name() else {
            let error = "the name of the follow-up is invalid";
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        };
        let moved = match next {
            FollowUp::Fallback(_) => self.outbox.queue_next(&self.sent, key, name)?,
            FollowUp::Notice(_) => self.outbox.notice_next(&self.sent, key, name)?,
        };
        if moved && matches!(next, FollowUp::Notice(_)) {
            self.runtime.block_on(self.notifier.send_new(name));
        }
        Ok(())
    }

    /// Why a message has the state that a receipt reports.
    fn reason(&self, sent: &SentMessage, receipt: &Receipt) -> String {
        let interface = self.interfaces.get(&sent.interface);
        let code = receipt.code.as_deref();
        // Of a message that was delivered, some report the code "no error".
        let code = code.filter(|_| receipt.state == ReceiptState::Failed);
        let configured = interface.and_then(|interface| interface.errors.explanation(code?));
        reason_in_words(configured, receipt)
    }

    /// The interface that the message goes to now, if `fallback_on` lists the code.
    fn fallback(&self, sent: &SentMessage, receipt: &Receipt) -> Option<&InterfaceName> {
        let interface = self.interfaces.get(&sent.interface)?;
        let code = receipt.code.as_ref()?;
        let listed =
            receipt.state == ReceiptState::Failed && interface.errors.fallback.contains(code);
        interface.delivery.fallback.as_ref().filter(|_| listed)
    }

    /// Does what an earlier run, or a disk that refused, has left to do, and removes
    /// messages whose receipts are no longer waited for. Blocks; not to be called on
    /// a thread of the runtime.
    pub(crate) fn clean_up(&self) {
        let _recording = self.recording.lock();
        for key in self.sent.with_next() {
            let followed = match self.sent.read(&key) {
                Ok(Some(sent)) if sent.next.is_some() => self.follow(&key, &sent),
                // The receipt was not recorded: the provider repeats it.
                Ok(_) => self.sent.remove_next(&key),
                Err(error) => Err(error),
            };
            if let Err(error) = followed {
                error!(error = %chain(&error), "receipt not followed up, will retry");
            }
        }
        let interfaces = self.interfaces.values();
        let lifetimes = interfaces.map(|interface| interface.delivery.receipt_lifetime);
        let lifetime = lifetimes.max().unwrap_or_default();
        self.sent.remove_expired(lifetime, SystemTime::now());
    }
}

/// Whether a receipt says more than the status. Of a message that was delivered the
/// code says nothing.
fn says_why(receipt: &Receipt) -> bool {
    let failed = receipt.state == ReceiptState::Failed;
    receipt.reason.is_some() || (failed && receipt.code.is_some())
}

/// The configured words for the code of a receipt, else the receipt's own. A code
/// alone tells the sender nothing, so it stands behind the status.
fn reason_in_words(configured: Option<&str>, receipt: &Receipt) -> String {
    let status = receipt.status.as_str();
    if let Some(words) = configured.or(receipt.reason.as_deref()) {
        return words.to_owned();
    }
    match receipt.code.as_deref() {
        Some(code) if status.is_empty() => code.to_owned(),
        Some(code) if status != code => format!("{status} ({code})"),
        _ => status.to_owned(),
    }
}

fn log(sent: &SentMessage, receipt: &Receipt, reason: &str) {
    let SentMessage { id, interface, .. } = sent;
    let to = masked(&sent.message.to);
    let status = &receipt.status;
    match (receipt.state, &sent.next) {
        (ReceiptState::Delivered, _) => info!(id, %interface, to, status, "message delivered"),
        (ReceiptState::Pending, _) => {
            info!(id, %interface, to, status, "message pending at provider");
        }
        (ReceiptState::Failed, Some(next @ FollowUp::Fallback(_))) => {
            let new_id = next.name().map(|name| name.id().to_string());
            warn!(id, failed = %interface, reason, new_id, "using fallback interface after a receipt");
        }
        (ReceiptState::Failed, _) => {
            error!(id, %interface, to, status, reason, "message not delivered");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_is_in_words_where_there_are_any() {
        for (configured, reason, code, status, expected) in [
            (
                Some("no credit"),
                Some("balance 0"),
                Some("7"),
                "failed",
                "no credit",
            ),
            (None, Some("balance 0"), Some("7"), "failed", "balance 0"),
            (None, None, Some("7"), "failed", "failed (7)"),
            (None, None, Some("7"), "", "7"),
            (None, None, Some("EXPIRED"), "EXPIRED", "EXPIRED"),
            (None, None, None, "failed", "failed"),
        ] {
            let receipt = Receipt {
                interface: InterfaceName::parse("api").unwrap(),
                provider_id: "1".to_owned(),
                state: ReceiptState::Failed,
                status: status.to_owned(),
                reason: reason.map(str::to_owned),
                code: code.map(str::to_owned),
            };
            assert_eq!(reason_in_words(configured, &receipt), expected);
            assert_eq!(says_why(&receipt), reason.or(code).is_some());
        }
    }
}
