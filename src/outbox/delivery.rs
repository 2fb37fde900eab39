//! Delivers one message of the outbox: claims it, sends it, settles it, notifies
//! its sender.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tracing::{error, warn};

use crate::config::{DeliverySettings, RetrySettings};
use crate::logging::chain;
use crate::model::interface::InterfaceName;
use crate::model::outgoing::OutgoingMessage;
use crate::model::segments::TextSize;
use crate::outbound::fallback::{Attempt, ProviderChain};
use crate::outbound::report::MessageReport;
use crate::outbound::verdict::{Outcome, Reason, Verdict};
use crate::outbox::age::Age;
use crate::outbox::name::OutboxName;
use crate::outbox::notifier::Notifier;
use crate::outbox::receipts::Tracker;
use crate::outbox::record::{NoticeKind, Record};
use crate::outbox::retry::{NextStep, next_step};
use crate::outbox::sent::SentMessage;
use crate::outbox::store::{Claimed, Outbox};
use crate::storage::blocking::blocking;

/// How long to wait when the disk refuses to claim a message.
const DISK_RETRY: Duration = Duration::from_secs(5);

/// Delivers the messages of an interface.
#[derive(Debug)]
pub(crate) struct Delivery {
    outbox: Outbox,
    /// `None` when the interface is not configured, or no longer.
    providers: Option<ProviderChain>,
    settings: DeliverySettings,
    notifier: Arc<Notifier>,
    receipts: Arc<Tracker>,
}

/// A message whose turn it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn {
    pub age: Age,
    /// Whether it has waited for this attempt in this process. Then it is due,
    /// whatever the clock and its file say.
    pub has_waited: bool,
}

/// What the scheduler is to do with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disposition {
    /// Deliver it again after a while.
    Retry(Duration),
    /// Nothing more.
    Done,
}

impl Delivery {
    pub(crate) fn new(
        outbox: Outbox,
        providers: Option<ProviderChain>,
        settings: DeliverySettings,
        notifier: Arc<Notifier>,
        receipts: Arc<Tracker>,
    ) -> Self {
        Self {
            outbox,
            providers,
            settings,
            notifier,
            receipts,
        }
    }

    pub(crate) fn retry_settings(&self) -> &RetrySettings {
        &self.settings.retry
    }

    /// Sends a message, if it is due, and settles it.
    pub(crate) async fn deliver(&self, name: OutboxName, turn: Turn) -> Disposition {
        let record = match self.claim(name, turn).await {
            Ok(record) => record,
            Err(disposition) => return disposition,
        };
        let message = match record.message() {
            Ok(message) => message,
            Err(error) => {
                error!(id = %name.id(), error = %chain(&error), "address in file invalid");
                let verdict = rejected(Reason::BadArguments);
                return self.give_up(name, record, &verdict).await;
            }
        };
        let Some(interface) = record.interface.name().cloned() else {
            let interface = record.interface.as_str();
            error!(id = %name.id(), interface, "interface name in file invalid");
            let verdict = rejected(Reason::UnknownIndex);
            return self.give_up(name, record, &verdict).await;
        };
        let verdict = match &self.providers {
            _ if turn.age.at(Instant::now()) > self.settings.retry.lifetime => expired(&record),
            None => rejected(Reason::UnknownIndex),
            Some(providers) => {
                let _in_flight = self.receipts.in_flight(providers.interfaces());
                let attempt = providers.send(name.id(), &message).await;
                return self.settle(name, turn.age, record, &message, attempt).await;
            }
        };
        self.report(name, &interface, &message).verdict(&verdict);
        self.give_up(name, record, &verdict).await
    }

    async fn claim(&self, name: OutboxName, turn: Turn) -> Result<Record, Disposition> {
        let retry = self.settings.retry.clone();
        let wait = move |record: &Record| {
            if turn.has_waited {
                Duration::ZERO
            } else {
                record.remaining_wait(SystemTime::now(), &retry)
            }
        };
        let claimed = self.on_disk(move |outbox| outbox.claim(name, wait));
        match claimed.await {
            Ok(Claimed::Ready(record)) => Ok(*record),
            Ok(Claimed::NotYet(wait)) => Err(Disposition::Retry(wait)),
            Ok(Claimed::Missing) => Err(Disposition::Done),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(self.quarantine(name, &error).await)
            }
            Err(error) => {
                error!(id = %name.id(), error = %chain(&error), "message not claimed, will retry");
                Err(Disposition::Retry(DISK_RETRY))
            }
        }
    }

    /// Settles a message that was being sent when an earlier run ended.
    pub(crate) async fn recover(&self, name: OutboxName, age: Age) -> Disposition {
        let read = self.on_disk(move |outbox| outbox.read_interrupted(name));
        let (record, message) = match read.await.map(|record| (record.message(), record)) {
            Ok((Ok(message), record)) => (record, message),
            Ok((Err(error), _)) => return self.unreadable(name, &error).await,
            Err(error) => return self.unreadable(name, &error).await,
        };
        let verdict = Verdict::not_sent(Outcome::Unknown, Reason::Interrupted, String::new());
        let Some(interface) = record.interface.name().cloned() else {
            let interface = record.interface.as_str();
            error!(id = %name.id(), interface, "interface name in file invalid");
            return self.give_up(name, record, &verdict).await;
        };
        let attempt = Attempt { interface, verdict };
        self.settle(name, age, record, &message, attempt).await
    }

    /// Nobody can be notified: whose message it was stands in the file.
    async fn unreadable(
        &self,
        name: OutboxName,
        error: &(dyn std::error::Error + Sync),
    ) -> Disposition {
        let reason = chain(error);
        error!(id = %name.id(), reason, "interrupted message unreadable");
        let put_aside = move |outbox: &Outbox| {
            outbox.put_interrupted_aside(name, &reason);
            Ok(())
        };
        // It has been logged.
        let _ = self.on_disk(put_aside).await;
        Disposition::Done
    }

    async fn settle(
        &self,
        name: OutboxName,
        age: Age,
        record: Record,
        message: &OutgoingMessage,
        attempt: Attempt,
    ) -> Disposition {
        let Attempt { interface, verdict } = attempt;
        let report = self.report(name, &interface, message);
        let attempts = record.attempts.saturating_add(1);
        let (settings, age) = (&self.settings, age.at(Instant::now()));
        match next_step(&verdict, settings, attempts, age, random_fraction()) {
            NextStep::Sent => {
                report.verdict(&verdict);
                self.await_receipt(name, record, &interface, verdict).await;
                let removed = self.on_disk(move |outbox| outbox.complete(name)).await;
                log_unsettled(name, removed);
                Disposition::Done
            }
            NextStep::Retry(wait) => {
                report.retry_scheduled(&verdict, wait);
                let record = record.after_attempt(&verdict, Some(wait), SystemTime::now());
                let requeued = self.on_disk(move |outbox| outbox.requeue(name, &record));
                log_unsettled(name, requeued.await);
                Disposition::Retry(wait)
            }
            NextStep::GiveUp => {
                report.verdict(&verdict);
                self.give_up(name, record, &verdict).await
            }
        }
    }

    /// Keeps a message that the provider has an id for until its receipts have
    /// come.
    async fn await_receipt(
        &self,
        name: OutboxName,
        record: Record,
        interface: &InterfaceName,
        verdict: Verdict,
    ) {
        let Some(provider_id) = verdict.provider_id else {
            return;
        };
        let sent = SentMessage {
            id: name.id().to_string(),
            provider_id,
            interface: interface.clone(),
            message: record,
            receipt: None,
            next: None,
        };
        let receipts = Arc::clone(&self.receipts);
        if let Err(error) = blocking(move || receipts.track(&sent)).await {
            warn!(id = %name.id(), error = %chain(&error), "message not kept for its receipt");
        }
    }

    /// Notifies the sender and keeps the message for the administrator.
    async fn give_up(&self, name: OutboxName, record: Record, verdict: &Verdict) -> Disposition {
        let kind = match verdict.outcome {
            Outcome::Unknown => NoticeKind::Unknown,
            _ => NoticeKind::Failed,
        };
        let record = record
            .after_attempt(verdict, None, SystemTime::now())
            .with_notice(kind, verdict.reason_for_sender());
        log_unsettled(name, self.notifier.give_up(name, record).await);
        Disposition::Done
    }

    async fn quarantine(&self, name: OutboxName, error: &io::Error) -> Disposition {
        error!(id = %name.id(), error = %chain(error), "invalid file moved to failed");
        let moved = self.on_disk(move |outbox| outbox.quarantine(name)).await;
        log_unsettled(name, moved);
        Disposition::Done
    }

    fn report<'a>(
        &self,
        name: OutboxName,
        interface: &'a InterfaceName,
        message: &'a OutgoingMessage,
    ) -> MessageReport<'a> {
        let providers = self.providers.as_ref();
        let size = providers.map(|providers| providers.size(message));
        MessageReport {
            id: name.id(),
            interface,
            message,
            size: size.unwrap_or_else(|| TextSize::of(message.text.as_str())),
        }
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        action: impl FnOnce(&Outbox) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let outbox = self.outbox.clone();
        blocking(move || action(&outbox)).await
    }
}

fn rejected(reason: Reason) -> Verdict {
    Verdict::not_sent(Outcome::Rejected, reason, String::new())
}

/// The verdict on a message whose time is over: why the last attempt failed, or
/// that there was none in time.
fn expired(record: &Record) -> Verdict {
    let reason = record
        .last
        .as_ref()
        .and_then(|last| Reason::parse(&last.reason));
    let reason = reason.unwrap_or(Reason::NotInTime);
    let detail = "queue_lifetime is over".to_owned();
    Verdict::not_sent(Outcome::Failed, reason, detail)
}

/// A number from 0 to 1.
fn random_fraction() -> f64 {
    f64::from(getrandom::u32().unwrap_or_default()) / f64::from(u32::MAX)
}

fn log_unsettled(name: OutboxName, settled: io::Result<()>) {
    if let Err(error) = settled {
        // The next start takes the message for one that may have been sent.
        error!(id = %name.id(), error = %chain(&error), "outcome not recorded");
    }
}
