//! Where codes are asked for and checked.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout;
use tracing::{error, info, warn};

use crate::config::OtpSettings;
use crate::model::message::{Receipt, ReceiptState};
use crate::otp::channels::{self, CodeChannel, SentCode};
use crate::otp::client_limit::ClientLimit;
use crate::otp::code::{Code, CodeHasher};
use crate::otp::counters::Counters;
use crate::otp::outcome::OtpOutcome;
use crate::otp::phone::Phone;
use crate::otp::phone_state::{ActiveCode, PhoneState};
use crate::otp::store::OtpStore;
use crate::storage::blocking::blocking;

/// Codes that are remembered until the provider says whether they arrived.
const AWAITED_MAX: usize = 10_000;

/// How long to wait while other codes go to the same phone. A provider that does
/// not answer must not let one phone fill all places at the doors, which those who
/// write messages by `FastAGI` need too.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// Where codes are asked for and checked.
pub(crate) struct OtpService {
    settings: OtpSettings,
    hasher: CodeHasher,
    store: OtpStore,
    channels: Vec<CodeChannel>,
    client_limit: ClientLimit,
    /// One code at a time for each phone, so that the last one that arrives is the
    /// one that counts.
    sending: Mutex<HashMap<Phone, Arc<tokio::sync::Mutex<()>>>>,
    /// Codes that a provider took and may still say that it could not deliver, by
    /// its name for them. They are in memory alone.
    awaited: Mutex<HashMap<String, AwaitedReceipt>>,
    counters: Counters,
}

struct AwaitedReceipt {
    phone: Phone,
    code: Code,
    channel: usize,
    until: Instant,
}

/// A code that does not count.
struct FailedSend {
    outcome: OtpOutcome,
    /// Whether it may be on the phone all the same.
    spent: bool,
}

impl FailedSend {
    /// One that surely did not go out.
    fn free(outcome: OtpOutcome) -> Self {
        let spent = false;
        Self { outcome, spent }
    }
}

impl fmt::Debug for OtpService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtpService")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl OtpService {
    /// A desk with its store, its key and its ways.
    #[must_use]
    pub(crate) fn new(
        settings: OtpSettings,
        hasher: CodeHasher,
        store: OtpStore,
        channels: Vec<CodeChannel>,
    ) -> Self {
        Self {
            settings,
            hasher,
            store,
            channels,
            client_limit: ClientLimit::default(),
            sending: Mutex::default(),
            awaited: Mutex::default(),
            counters: Counters::default(),
        }
    }

    /// What `[otp]` says.
    #[must_use]
    pub(crate) fn otp(&self) -> &OtpSettings {
        &self.settings
    }

    /// How often what became of requests.
    #[must_use]
    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Sends a code to a phone, for a client. It counts from when a provider has
    /// taken it; until then an earlier one does.
    pub(crate) async fn send(self: &Arc<Self>, client: IpAddr, raw: &str) -> OtpOutcome {
        let Ok(phone) = Phone::parse(raw) else {
            return self.count(OtpOutcome::InvalidPhone, None);
        };
        // In a task of its own: a client that hangs up must not leave a code sent
        // and not known.
        let service = Arc::clone(self);
        let sending = tokio::spawn(async move {
            let outcome = service.send_to(client, &phone).await;
            service.count(outcome, Some(&phone))
        });
        sending.await.unwrap_or(OtpOutcome::NotSent)
    }

    async fn send_to(self: &Arc<Self>, client: IpAddr, phone: &Phone) -> OtpOutcome {
        let per_client = self.settings.per_client;
        if let Err(wait) = self.client_limit.count(client, per_client, Instant::now()) {
            warn!(%phone, %client, "no more codes for this client within the hour: see per_client");
            return OtpOutcome::Limited(wait.as_secs() + 1);
        }
        match self.send_exclusively(phone).await {
            Ok(()) => OtpOutcome::Sent,
            Err(FailedSend { outcome, spent }) => {
                // What may have gone out, and been charged for, stays counted.
                if !spent {
                    self.client_limit.uncount(client);
                }
                outcome
            }
        }
    }

    async fn send_exclusively(self: &Arc<Self>, phone: &Phone) -> Result<(), FailedSend> {
        let Some(_turn) = self.lock_phone(phone).await else {
            warn!(%phone, "no code: earlier ones for this phone are still on their way");
            return Err(FailedSend::free(OtpOutcome::Limited(
                LOCK_TIMEOUT.as_secs(),
            )));
        };
        let most = self.settings.per_phone;
        let count = move |state: &mut PhoneState, now| (state.count(most, now), now);
        let counted = match self.change(phone, count).await {
            Ok((Ok(()), now)) => now,
            Ok((Err(wait), _)) => {
                warn!(%phone, "no more codes for this phone within the hour: see per_phone");
                return Err(FailedSend::free(OtpOutcome::Limited(wait.as_secs() + 1)));
            }
            Err(error) => return Err(FailedSend::free(not_stored(phone, &error))),
        };
        let sent = self.send_code(phone).await;
        if let Err(FailedSend { spent: false, .. }) = sent {
            let uncount = move |state: &mut PhoneState, _| state.uncount(counted);
            let uncounted = self.change(phone, uncount).await;
            uncounted.map_err(|error| FailedSend::free(not_stored(phone, &error)))?;
        }
        sent
    }

    async fn send_code(self: &Arc<Self>, phone: &Phone) -> Result<(), FailedSend> {
        let made = Code::random(self.settings.code_length)
            .and_then(|code| Ok((self.hasher.hash(phone, &code)?, code)));
        let (kept, code) = made.map_err(|error| {
            error!(%error, "no random numbers to be had");
            FailedSend::free(OtpOutcome::NotSent)
        })?;
        let sent = channels::send(&self.channels, 0, phone, &code).await;
        let sent = sent.map_err(|failure| FailedSend {
            outcome: OtpOutcome::NotSent,
            spent: failure.maybe_sent,
        })?;
        let lifetime = u64::try_from(self.settings.lifetime.as_millis()).unwrap_or(u64::MAX);
        let put = move |state: &mut PhoneState, now: u64| {
            state.replace_code(ActiveCode {
                kept,
                from: now,
                until: now.saturating_add(lifetime),
                wrong: 0,
            });
        };
        // Before it is stored: a receipt may be faster than the disk.
        self.await_receipt(phone, code, sent);
        let stored = self.change(phone, put).await;
        stored.map_err(|error| FailedSend {
            outcome: not_stored(phone, &error),
            spent: true,
        })
    }

    /// Checks a code that somebody has typed; `None` when there was none.
    pub(crate) async fn verify(self: &Arc<Self>, raw: &str, given: Option<String>) -> OtpOutcome {
        let Ok(phone) = Phone::parse(raw) else {
            return self.count(OtpOutcome::Unknown, None);
        };
        let service = Arc::clone(self);
        let of = phone.clone();
        let checked = self.change(&phone, move |state, now| {
            let most = service.settings.max_attempts;
            let is = |kept: &_, given: &str| service.hasher.matches(kept, &of, given);
            state.check(given.as_deref(), most, now, is)
        });
        let outcome = match checked.await {
            Ok(outcome) => outcome,
            Err(error) => not_stored(&phone, &error),
        };
        self.count(outcome, Some(&phone))
    }

    /// Hears what a provider says later about a message. When it is a code that it
    /// took and could not deliver, the code goes by the next way, if it still
    /// counts: one that was used, or that there is another one for, would be money
    /// for nothing and in the way of the one that counts.
    pub(crate) fn on_receipt(self: &Arc<Self>, receipt: &Receipt, runtime: &Handle) {
        if receipt.state == ReceiptState::Pending {
            return;
        }
        let Some(awaited) = self.awaited.lock().remove(&receipt.provider_id) else {
            return;
        };
        if receipt.state == ReceiptState::Delivered || awaited.until <= Instant::now() {
            return;
        }
        let next = awaited.channel + 1;
        let service = Arc::clone(self);
        runtime.spawn(async move {
            let AwaitedReceipt { phone, code, .. } = awaited;
            // The code may be about to be stored, or another one on its way.
            let turn = service.lock_phone(&phone).await;
            if turn.is_none() || !service.is_current(&phone, &code).await {
                return;
            }
            warn!(%phone, "code not delivered; it goes by another way");
            if let Ok(sent) = channels::send(&service.channels, next, &phone, &code).await {
                service.await_receipt(&phone, code, sent);
            }
        });
    }

    /// Whether it is this code that counts.
    async fn is_current(self: &Arc<Self>, phone: &Phone, code: &Code) -> bool {
        let (service, of, code) = (Arc::clone(self), phone.clone(), code.clone());
        let held = self.change(phone, move |state, now| {
            state.has_active_code_that(now, |kept| service.hasher.matches(kept, &of, code.expose()))
        });
        held.await.unwrap_or_else(|error| {
            not_stored(phone, &error);
            false
        })
    }

    fn await_receipt(&self, phone: &Phone, code: Code, sent: SentCode) {
        let Some(provider_id) = sent.provider_id else {
            return;
        };
        if sent.channel + 1 >= self.channels.len() {
            return;
        }
        let now = Instant::now();
        let mut awaited = self.awaited.lock();
        if awaited.len() >= AWAITED_MAX {
            awaited.retain(|_, awaited| awaited.until > now);
        }
        if awaited.len() < AWAITED_MAX {
            let awaits = AwaitedReceipt {
                phone: phone.clone(),
                code,
                channel: sent.channel,
                until: now + self.settings.lifetime,
            };
            awaited.insert(provider_id, awaits);
        }
    }

    /// Forgets what does not matter any more.
    pub(crate) async fn sweep(self: &Arc<Self>) {
        let service = Arc::clone(self);
        match blocking(move || service.store.remove_expired()).await {
            Ok(active) => self.counters.set_active(active),
            Err(error) => error!(%error, "failed to look through otpdir"),
        }
        let now = Instant::now();
        self.awaited.lock().retain(|_, awaited| awaited.until > now);
    }

    /// Changes what is known of a phone. The disk may take its time; others must not
    /// wait for it.
    async fn change<T: Send + 'static>(
        self: &Arc<Self>,
        phone: &Phone,
        act: impl FnOnce(&mut PhoneState, u64) -> T + Send + 'static,
    ) -> io::Result<T> {
        let (service, phone) = (Arc::clone(self), phone.clone());
        blocking(move || service.store.change(&service.hasher, &phone, act)).await
    }

    /// The right to send to a phone, if there is one in time.
    async fn lock_phone(&self, phone: &Phone) -> Option<OwnedMutexGuard<()>> {
        let turn = {
            let mut turns = self.sending.lock();
            // Of those that nobody has or waits for nothing need be known.
            if turns.len() >= AWAITED_MAX {
                turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            }
            Arc::clone(turns.entry(phone.clone()).or_default())
        };
        timeout(LOCK_TIMEOUT, turn.lock_owned()).await.ok()
    }

    fn count(&self, outcome: OtpOutcome, phone: Option<&Phone>) -> OtpOutcome {
        self.counters.count(outcome);
        let status = outcome.status().as_u16();
        let word = outcome.word();
        if let Some(phone) = phone {
            info!(%phone, status, word, "one-time password");
        } else {
            info!(
                status,
                word, "one-time password for what is no phone number"
            );
        }
        outcome
    }
}

fn not_stored(phone: &Phone, error: &io::Error) -> OtpOutcome {
    error!(%phone, %error, "failed to store what became of a code: see otpdir");
    OtpOutcome::Unavailable
}
