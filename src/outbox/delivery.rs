//! One message of the outbox: take it up, send it, settle it, tell its sender.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tracing::{error, warn};

use crate::config::DeliverySettings;
use crate::model::interface::InterfaceName;
use crate::model::outgoing::OutgoingMessage;
use crate::model::segments::TextSize;
use crate::outbound::fallback::{Attempt, ProviderChain};
use crate::outbound::report::MessageReport;
use crate::outbound::verdict::{Outcome, Reason, Verdict};
use crate::outbox::name::OutboxName;
use crate::outbox::notifier::Notifier;
use crate::outbox::receipts::Tracker;
use crate::outbox::record::Record;
use crate::outbox::retry::{NextStep, next_step};
use crate::outbox::sent::SentMessage;
use crate::outbox::store::{Claimed, Outbox};
use crate::storage::blocking::blocking;

/// How long to wait when the disk does not let a message be taken up.
const DISK_RETRY: Duration = Duration::from_secs(5);

/// What an interface needs to deliver.
#[derive(Debug)]
pub(crate) struct Delivery {
    outbox: Outbox,
    /// `None` when the interface is no longer configured.
    route: Option<ProviderChain>,
    settings: DeliverySettings,
    notifier: Notifier,
    receipts: Arc<Tracker>,
}

/// What is to be done about a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disposition {
    /// It is to be tried again after a while.
    Retry(Duration),
    /// Nothing more.
    Done,
}

impl Delivery {
    /// For an interface that delivers as `delivery` says.
    #[must_use]
    pub(crate) fn new(
        outbox: Outbox,
        route: Option<ProviderChain>,
        delivery: DeliverySettings,
        teller: Notifier,
        receipts: Arc<Tracker>,
    ) -> Self {
        Self {
            outbox,
            route,
            settings: delivery,
            notifier: teller,
            receipts,
        }
    }

    /// Sends a message, if it is time to, and settles it.
    pub(crate) async fn deliver(&self, name: OutboxName) -> Disposition {
        let begun = self.on_disk(move |outbox| outbox.claim(name, SystemTime::now()));
        let record = match begun.await {
            Ok(Claimed::Ready(record)) => record,
            Ok(Claimed::NotYet(wait)) => return Disposition::Retry(wait),
            Ok(Claimed::Missing) => return Disposition::Done,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return self.quarantine(name, &error).await;
            }
            Err(error) => {
                error!(id = %name.id(), %error, "failed to take up a message; it waits");
                return Disposition::Retry(DISK_RETRY);
            }
        };
        let message = match record.message() {
            Ok(message) => message,
            Err(error) => {
                error!(id = %name.id(), %error, "message not sent: its file was changed");
                let verdict = rejected(Reason::BadArguments);
                return self.give_up(name, record, &verdict).await;
            }
        };
        let age = age(name);
        if age > self.settings.retry.lifetime {
            let verdict = expired(&record);
            self.about(name, &interface(&record), &message)
                .verdict(&verdict);
            return self.give_up(name, record, &verdict).await;
        }
        let Some(route) = &self.route else {
            let verdict = rejected(Reason::UnknownIndex);
            self.about(name, &interface(&record), &message)
                .verdict(&verdict);
            return self.give_up(name, record, &verdict).await;
        };
        let attempt = route.send(name.id(), &message).await;
        self.settle(name, record, &message, attempt).await
    }

    /// Settles a message that was being sent when an earlier run ended.
    pub(crate) async fn recover(&self, name: OutboxName) -> Disposition {
        let read = self.on_disk(move |outbox| outbox.read_interrupted(name));
        let (record, message) = match read.await.map(|record| (record.message(), record)) {
            Ok((Ok(message), record)) => (record, message),
            Ok((Err(error), _)) => return self.unreadable(name, &error),
            Err(error) => return self.unreadable(name, &error),
        };
        let verdict = Verdict::not_sent(Outcome::Unknown, Reason::Interrupted, String::new());
        let interface = interface(&record);
        self.settle(name, record, &message, Attempt { interface, verdict })
            .await
    }

    fn unreadable(&self, name: OutboxName, error: &dyn std::error::Error) -> Disposition {
        let [_, (_, sending), _] = self.outbox.directories();
        let sending = sending.display();
        error!(id = %name.id(), %sending, error = %error, "cannot read a message that was being sent");
        Disposition::Done
    }

    async fn settle(
        &self,
        name: OutboxName,
        record: Record,
        message: &OutgoingMessage,
        attempt: Attempt,
    ) -> Disposition {
        let Attempt { interface, verdict } = attempt;
        let about = self.about(name, &interface, message);
        let attempts = record.attempts.saturating_add(1);
        match next_step(
            &verdict,
            &self.settings,
            attempts,
            age(name),
            random_fraction(),
        ) {
            NextStep::Sent => {
                about.verdict(&verdict);
                self.await_receipt(name, record, &interface, verdict).await;
                let removed = self.on_disk(move |outbox| outbox.sent(name)).await;
                log_unsettled(name, removed);
                Disposition::Done
            }
            NextStep::Retry(wait) => {
                about.retry_scheduled(&verdict, wait);
                let record = record.after_attempt(&verdict, Some(wait), SystemTime::now());
                let kept = self
                    .on_disk(move |outbox| outbox.requeue(name, &record))
                    .await;
                log_unsettled(name, kept);
                Disposition::Retry(wait)
            }
            NextStep::GiveUp => {
                about.verdict(&verdict);
                self.give_up(name, record, &verdict).await
            }
        }
    }

    /// Keeps a message that the provider has a name for, until it says what became
    /// of it.
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
        };
        let receipts = Arc::clone(&self.receipts);
        let kept = self.on_disk(move |_| receipts.track(&sent)).await;
        if let Err(error) = kept {
            warn!(id = %name.id(), %error, "failed to keep a message for its receipt");
        }
    }

    /// Tells the sender and keeps the message for the administrator.
    async fn give_up(&self, name: OutboxName, record: Record, verdict: &Verdict) -> Disposition {
        let template = match verdict.outcome {
            Outcome::Unknown => &self.settings.notice_unknown,
            _ => &self.settings.notice_failed,
        };
        let id = name.id().to_string();
        self.notifier
            .notify(&id, &record, template, verdict.reason_for_sender())
            .await;
        let record = record.after_attempt(verdict, None, SystemTime::now());
        let kept = self.on_disk(move |outbox| outbox.fail(name, &record)).await;
        log_unsettled(name, kept);
        Disposition::Done
    }

    async fn quarantine(&self, name: OutboxName, error: &io::Error) -> Disposition {
        error!(id = %name.id(), %error, "not a message; its file is put into failed");
        let aside = self.on_disk(move |outbox| outbox.quarantine(name)).await;
        log_unsettled(name, aside);
        Disposition::Done
    }

    fn about<'a>(
        &self,
        name: OutboxName,
        interface: &'a InterfaceName,
        message: &'a OutgoingMessage,
    ) -> MessageReport<'a> {
        let size = self.route.as_ref().map(|route| route.size(message));
        MessageReport {
            id: name.id(),
            interface,
            message,
            size: size.unwrap_or_else(|| TextSize::of(message.text.as_str())),
        }
    }

    /// The disk may take its time; other messages must not wait for it.
    async fn on_disk<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Outbox) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let outbox = self.outbox.clone();
        blocking(move || act(&outbox)).await
    }
}

fn interface(record: &Record) -> InterfaceName {
    InterfaceName::parse(&record.interface).unwrap_or_else(|_| InterfaceName::unnamed())
}

fn age(name: OutboxName) -> Duration {
    name.id().time().elapsed().unwrap_or_default()
}

fn rejected(reason: Reason) -> Verdict {
    Verdict::not_sent(Outcome::Rejected, reason, String::new())
}

/// What the last attempt failed for, or that there was none in time.
fn expired(record: &Record) -> Verdict {
    let reason = record
        .last
        .as_ref()
        .and_then(|last| Reason::parse(&last.reason));
    let reason = reason.unwrap_or(Reason::NotInTime);
    let detail = "queue_lifetime is over".to_owned();
    Verdict::not_sent(Outcome::Failed, reason, detail)
}

/// A number of 0 to 1.
fn random_fraction() -> f64 {
    f64::from(getrandom::u32().unwrap_or_default()) / f64::from(u32::MAX)
}

fn log_unsettled(name: OutboxName, settled: io::Result<()>) {
    if let Err(error) = settled {
        error!(id = %name.id(), %error, "failed to note what became of a message; \
            the next start takes it for one that may have been sent");
    }
}
