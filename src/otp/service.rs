//! Sends and checks codes.
//!
//! Each phone has one code at a time. It is valid from when a provider has
//! taken it; an earlier one is valid until then.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fmt, io};

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout;
use tracing::{error, info, warn};

use crate::config::OtpSettings;
use crate::logging::chain;
use crate::model::message::{Receipt, ReceiptState};
use crate::otp::channels::{self, CodeChannel, SentCode};
use crate::otp::code::{Code, CodeHasher};
use crate::otp::counters::Counters;
use crate::otp::hourly_limits::{HourlyLimits, HourlyMax, LimitReached};
use crate::otp::outcome::OtpOutcome;
use crate::otp::phone::Phone;
use crate::otp::phone_state::{ActiveCode, PhoneState};
use crate::otp::store::OtpStore;
use crate::storage::blocking::blocking;

/// Messages that await a receipt, and phones with a lock, above which old ones
/// are dropped.
const AWAITED_MAX: usize = 10_000;

/// How long to wait while another code is sent to the same phone. A provider that
/// does not answer must not let one phone take all connections: `websms` by
/// `FastAGI` needs them too.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends and checks codes.
pub(crate) struct OtpService {
    settings: OtpSettings,
    hasher: CodeHasher,
    store: OtpStore,
    channels: Vec<CodeChannel>,
    hourly_limits: HourlyLimits,
    /// A lock for each phone: one code is sent at a time, so that the last one to
    /// arrive is the valid one.
    sending: Mutex<HashMap<Phone, Arc<tokio::sync::Mutex<()>>>>,
    /// Codes that a provider has accepted and may report as undelivered, by the
    /// provider's message id. They are in memory only.
    awaited: Mutex<HashMap<String, AwaitedReceipt>>,
    counters: Counters,
}

struct AwaitedReceipt {
    phone: Phone,
    code: Code,
    channel: usize,
    until: Instant,
}

/// Why a code was not sent, or is not valid.
struct FailedSend {
    outcome: OtpOutcome,
    /// Whether it may be on the phone all the same, and was perhaps charged for.
    maybe_sent: bool,
}

impl FailedSend {
    fn not_sent(outcome: OtpOutcome) -> Self {
        let maybe_sent = false;
        Self {
            outcome,
            maybe_sent,
        }
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
            hourly_limits: HourlyLimits::default(),
            sending: Mutex::default(),
            awaited: Mutex::default(),
            counters: Counters::default(),
        }
    }

    pub(crate) fn settings(&self) -> &OtpSettings {
        &self.settings
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Sends a code to a phone, as `client` has requested.
    pub(crate) async fn send(self: &Arc<Self>, client: IpAddr, raw_phone: &str) -> OtpOutcome {
        let Ok(phone) = Phone::parse(raw_phone) else {
            return self.count(OtpOutcome::InvalidPhone, None);
        };
        // In a task of its own: if the client hangs up, a code that is being sent
        // must still be stored.
        let service = Arc::clone(self);
        let sending = tokio::spawn(async move {
            let outcome = service.send_within_limits(client, &phone).await;
            service.count(outcome, Some(&phone))
        });
        sending.await.unwrap_or(OtpOutcome::NotSent)
    }

    async fn send_within_limits(self: &Arc<Self>, client: IpAddr, phone: &Phone) -> OtpOutcome {
        let max = HourlyMax {
            per_client: self.settings.per_client,
            in_all: self.settings.per_hour,
        };
        if let Err(reached) = self.hourly_limits.count(client, max, Instant::now()) {
            let wait = match reached {
                LimitReached::PerClient(wait) => {
                    warn!(%phone, %client, "client has reached per_client");
                    wait
                }
                LimitReached::InAll(wait) => {
                    warn!(%phone, %client, "all clients have reached per_hour");
                    wait
                }
            };
            return OtpOutcome::Limited(wait.as_secs() + 1);
        }
        match self.send_exclusively(phone).await {
            Ok(()) => OtpOutcome::Sent,
            Err(FailedSend {
                outcome,
                maybe_sent,
            }) => {
                // What was perhaps charged for stays counted.
                if !maybe_sent {
                    self.hourly_limits.uncount(client);
                }
                outcome
            }
        }
    }

    async fn send_exclusively(self: &Arc<Self>, phone: &Phone) -> Result<(), FailedSend> {
        let Some(_lock) = self.lock_phone(phone).await else {
            warn!(%phone, "another code still being sent");
            let outcome = OtpOutcome::Limited(LOCK_TIMEOUT.as_secs());
            return Err(FailedSend::not_sent(outcome));
        };
        let max = self.settings.per_phone;
        let count = move |state: &mut PhoneState, now| (state.count(max, now), now);
        let counted = match self.change(phone, count).await {
            Ok((Ok(()), now)) => now,
            Ok((Err(wait), _)) => {
                warn!(%phone, "phone has reached per_phone");
                let outcome = OtpOutcome::Limited(wait.as_secs() + 1);
                return Err(FailedSend::not_sent(outcome));
            }
            Err(error) => return Err(FailedSend::not_sent(unavailable(phone, &error))),
        };
        let sent = self.send_code(phone).await;
        let surely_not = |failure: &FailedSend| !failure.maybe_sent;
        if sent.as_ref().is_err_and(surely_not) {
            let uncount = move |state: &mut PhoneState, _| state.uncount(counted);
            let uncounted = self.change(phone, uncount).await;
            uncounted.map_err(|error| FailedSend::not_sent(unavailable(phone, &error)))?;
        }
        sent
    }

    async fn send_code(self: &Arc<Self>, phone: &Phone) -> Result<(), FailedSend> {
        let generated = Code::random(self.settings.code_length)
            .and_then(|code| Ok((self.hasher.hash(phone, &code)?, code)));
        let (hashed, code) = generated.map_err(|error| {
            error!(error = %chain(&error), "no random numbers available");
            FailedSend::not_sent(OtpOutcome::NotSent)
        })?;
        let sent = channels::send(&self.channels, 0, phone, &code).await;
        let sent = sent.map_err(|failure| FailedSend {
            outcome: OtpOutcome::NotSent,
            maybe_sent: failure.maybe_sent,
        })?;
        let lifetime = u64::try_from(self.settings.lifetime.as_millis()).unwrap_or(u64::MAX);
        let replace = move |state: &mut PhoneState, now: u64| {
            state.replace_code(ActiveCode {
                hashed,
                from: now,
                until: now.saturating_add(lifetime),
                wrong: 0,
            });
        };
        // Before it is stored: a receipt may be faster than the disk.
        self.await_receipt(phone, code, sent);
        let stored = self.change(phone, replace).await;
        stored.map_err(|error| FailedSend {
            outcome: unavailable(phone, &error),
            maybe_sent: true,
        })
    }

    /// Checks a code that a user typed; `given` is `None` when the request has no
    /// code.
    pub(crate) async fn verify(
        self: &Arc<Self>,
        raw_phone: &str,
        given: Option<String>,
    ) -> OtpOutcome {
        let Ok(phone) = Phone::parse(raw_phone) else {
            return self.count(OtpOutcome::Unknown, None);
        };
        let (service, of) = (Arc::clone(self), phone.clone());
        let checked = self.change(&phone, move |state, now| {
            let matches = |hashed: &_, given: &str| service.hasher.matches(hashed, &of, given);
            let max_wrong = service.settings.max_attempts;
            state.check(given.as_deref(), max_wrong, now, matches)
        });
        let outcome = checked.await;
        let outcome = outcome.unwrap_or_else(|error| unavailable(&phone, &error));
        self.count(outcome, Some(&phone))
    }

    /// Handles a provider's receipt. A code that the provider accepted and could
    /// not deliver is sent by the next channel, if it is still valid: a code that
    /// was used or replaced would cost money and confuse the user.
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
        let service = Arc::clone(self);
        runtime.spawn(async move {
            let AwaitedReceipt {
                phone,
                code,
                channel,
                ..
            } = awaited;
            // The code may not be stored yet, or another one may be on its way.
            let lock = service.lock_phone(&phone).await;
            if lock.is_none() || !service.is_current(&phone, &code).await {
                return;
            }
            warn!(%phone, "code not delivered; trying next channel");
            let sent = channels::send(&service.channels, channel + 1, &phone, &code).await;
            if let Ok(sent) = sent {
                service.await_receipt(&phone, code, sent);
            }
        });
    }

    /// Whether this is the valid code of the phone.
    async fn is_current(self: &Arc<Self>, phone: &Phone, code: &Code) -> bool {
        let (service, of, code) = (Arc::clone(self), phone.clone(), code.clone());
        let current = self.change(phone, move |state, now| {
            state.has_active_code_that(now, |hashed| {
                service.hasher.matches(hashed, &of, code.expose())
            })
        });
        current.await.unwrap_or_else(|error| {
            unavailable(phone, &error);
            false
        })
    }

    fn await_receipt(&self, phone: &Phone, code: Code, sent: SentCode) {
        let Some(provider_id) = sent.provider_id else {
            return;
        };
        let is_last = sent.channel + 1 >= self.channels.len();
        if is_last {
            return;
        }
        let now = Instant::now();
        let mut awaited = self.awaited.lock();
        if awaited.len() >= AWAITED_MAX {
            awaited.retain(|_, awaited| awaited.until > now);
        }
        if awaited.len() < AWAITED_MAX {
            let receipt = AwaitedReceipt {
                phone: phone.clone(),
                code,
                channel: sent.channel,
                until: now + self.settings.lifetime,
            };
            awaited.insert(provider_id, receipt);
        }
    }

    /// Removes what has expired from disk and memory.
    pub(crate) async fn sweep(self: &Arc<Self>) {
        let service = Arc::clone(self);
        match blocking(move || service.store.remove_expired()).await {
            Ok(active) => self.counters.set_active(active),
            Err(error) => error!(error = %chain(&error), "otpdir not readable"),
        }
        let now = Instant::now();
        self.awaited.lock().retain(|_, awaited| awaited.until > now);
    }

    /// Changes the stored state of a phone, on a thread for blocking work, so that a
    /// slow disk does not delay other requests.
    async fn change<T: Send + 'static>(
        self: &Arc<Self>,
        phone: &Phone,
        change: impl FnOnce(&mut PhoneState, u64) -> T + Send + 'static,
    ) -> io::Result<T> {
        let (service, phone) = (Arc::clone(self), phone.clone());
        blocking(move || service.store.change(&service.hasher, &phone, change)).await
    }

    /// The lock of a phone, or `None` after [`LOCK_TIMEOUT`].
    async fn lock_phone(&self, phone: &Phone) -> Option<OwnedMutexGuard<()>> {
        let lock = {
            let mut locks = self.sending.lock();
            // Locks that no task holds or waits for are dropped.
            if locks.len() >= AWAITED_MAX {
                locks.retain(|_, lock| Arc::strong_count(lock) > 1);
            }
            Arc::clone(locks.entry(phone.clone()).or_default())
        };
        timeout(LOCK_TIMEOUT, lock.lock_owned()).await.ok()
    }

    /// Counts and logs an outcome; `phone` is `None` when it is invalid.
    fn count(&self, outcome: OtpOutcome, phone: Option<&Phone>) -> OtpOutcome {
        self.counters.count(outcome);
        let (status, word) = (outcome.status().as_u16(), outcome.word());
        if let Some(phone) = phone {
            info!(%phone, status, outcome = word, "OTP request answered");
        } else {
            info!(status, outcome = word, "OTP request with invalid phone");
        }
        outcome
    }
}

fn unavailable(phone: &Phone, error: &io::Error) -> OtpOutcome {
    error!(%phone, error = %chain(error), "OTP state not stored: see otpdir");
    OtpOutcome::Unavailable
}
