//! Delivery receipts for messages that providers accepted.
//!
//! A message that was sent and has a provider's id is kept in `outboxdir/sent`
//! until its `receipt_ttl` is over. Its receipts are recorded there. When one reports
//! that the message was not delivered, the message goes to the fallback or its
//! sender is notified. A receipt that comes before the message is known to be sent
//! waits a minute for it.

use std::collections::HashMap;
use std::io;
use std::time::{Instant, SystemTime};

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tracing::{debug, error, info, warn};

use crate::config::{Config, OutgoingInterface};
use crate::logging::masked;
use crate::model::id::Id;
use crate::model::interface::InterfaceName;
use crate::model::message::{Receipt, ReceiptState};
use crate::outbox::early_receipts::EarlyReceipts;
use crate::outbox::notifier::Notifier;
use crate::outbox::sent::{ReceiptKey, RecordedReceipt, RecordedState, SentMessage, SentMessages};
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
    notifier: Notifier,
    /// Runs the notifier, while the recording thread waits.
    runtime: Handle,
    /// Locked while a message or a receipt is recorded: what was read must still
    /// hold when it is written, and a message must not miss its early receipt.
    early: Mutex<EarlyReceipts>,
}

impl Tracker {
    pub(crate) fn new(
        outbox: Outbox,
        config: &Config,
        notifier: Notifier,
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
            early: Mutex::default(),
        }
    }

    /// Keeps a message that was sent, if its interface waits for receipts, and
    /// applies the receipt that came before. Blocks; not to be called on a thread
    /// of the runtime.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn track(&self, sent: &SentMessage) -> io::Result<()> {
        let interface = self.interfaces.get(&sent.interface);
        if interface.is_none_or(|interface| interface.delivery.receipt_lifetime.is_zero()) {
            return Ok(());
        }
        let key = ReceiptKey::new(&sent.interface, &sent.provider_id);
        let mut early = self.early.lock();
        self.sent.write(&key, sent)?;
        match early.take(&key) {
            Some(receipt) => self.apply(&key, sent.clone(), &receipt),
            None => Ok(()),
        }
    }

    /// Records a receipt. Blocks; not to be called on a thread of the runtime.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn record(&self, receipt: &Receipt) -> io::Result<()> {
        let keys = self.candidates(receipt);
        let mut early = self.early.lock();
        for key in &keys {
            if let Some(sent) = self.sent.read(key)? {
                return self.apply(key, sent, receipt);
            }
        }
        let (interface, status) = (&receipt.interface, &receipt.status);
        debug!(%interface, status, "receipt for unknown message");
        early.add(keys, receipt, Instant::now());
        Ok(())
    }

    /// The messages that a receipt could be for: one of the interface that it came
    /// in on, or of an interface that receives nothing itself.
    fn candidates(&self, receipt: &Receipt) -> Vec<ReceiptKey> {
        [&receipt.interface]
            .into_iter()
            .chain(&self.send_only)
            .map(|interface| ReceiptKey::new(interface, &receipt.provider_id))
            .collect()
    }

    fn apply(&self, key: &ReceiptKey, mut sent: SentMessage, receipt: &Receipt) -> io::Result<()> {
        let last = sent.receipt.as_ref().map(|receipt| receipt.state);
        if last.is_some_and(|last| last != RecordedState::Pending) {
            let status = &receipt.status;
            debug!(id = sent.id, status, "receipt after the final one");
            return Ok(());
        }
        let reason = self.reason(&sent, receipt);
        match self.fallback(&sent, receipt) {
            Some(fallback) => self.requeue_on(fallback, &sent, &reason)?,
            None => self.report(&sent, receipt, &reason),
        }
        sent.receipt = Some(RecordedReceipt {
            state: match receipt.state {
                ReceiptState::Delivered => RecordedState::Delivered,
                ReceiptState::Failed => RecordedState::Undelivered,
                ReceiptState::Pending => RecordedState::Pending,
            },
            status: receipt.status.clone(),
            reason: receipt.reason.is_some().then_some(reason),
        });
        self.sent.write(key, &sent)
    }

    /// The configured words for the code of a receipt, else the receipt's own.
    fn reason(&self, sent: &SentMessage, receipt: &Receipt) -> String {
        let interface = self.interfaces.get(&sent.interface);
        let configured =
            interface.and_then(|interface| interface.errors.explanation(receipt.code.as_deref()?));
        let own = receipt.reason.as_deref().or(receipt.code.as_deref());
        configured.or(own).unwrap_or(&receipt.status).to_owned()
    }

    /// The interface that the message goes to now, if `fallback_on` lists the code.
    fn fallback(&self, sent: &SentMessage, receipt: &Receipt) -> Option<&InterfaceName> {
        let interface = self.interfaces.get(&sent.interface)?;
        let code = receipt.code.as_ref()?;
        let listed =
            receipt.state == ReceiptState::Failed && interface.errors.fallback.contains(code);
        interface.delivery.fallback.as_ref().filter(|_| listed)
    }

    /// Queues a message once more, under a new id, for its fallback.
    fn requeue_on(
        &self,
        fallback: &InterfaceName,
        sent: &SentMessage,
        reason: &str,
    ) -> io::Result<()> {
        let record = sent.message.clone().reset().with_interface(fallback);
        let name = record.name(Id::generate(None));
        let SentMessage { id, interface, .. } = sent;
        warn!(
            id, failed = %interface, reason, %fallback, new_id = %name.id(),
            "using fallback interface after a receipt"
        );
        Ok(self.outbox.put(name, &record)?)
    }

    /// Logs a receipt, and notifies the sender of a message that was not delivered.
    fn report(&self, sent: &SentMessage, receipt: &Receipt, reason: &str) {
        let SentMessage { id, interface, .. } = sent;
        let to = masked(&sent.message.to);
        let status = &receipt.status;
        match receipt.state {
            ReceiptState::Delivered => info!(id, %interface, to, status, "message delivered"),
            ReceiptState::Pending => {
                info!(id, %interface, to, status, "message pending at provider");
            }
            ReceiptState::Failed => {
                error!(id, %interface, to, status, reason, "message not delivered");
                let settings = self.interfaces.get(interface);
                let template =
                    settings.map_or("", |settings| &settings.delivery.notice_undelivered);
                let notified = self.notifier.notify(id, &sent.message, template, reason);
                self.runtime.block_on(notified);
            }
        }
    }

    /// Removes messages whose receipts are no longer waited for.
    pub(crate) fn remove_expired(&self) {
        let interfaces = self.interfaces.values();
        let lifetimes = interfaces.map(|interface| interface.delivery.receipt_lifetime);
        let lifetime = lifetimes.max().unwrap_or_default();
        self.sent.remove_expired(lifetime, SystemTime::now());
    }
}
