//! Counters of request outcomes, for the health endpoint. They hold no phone and
//! no code.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::otp::outcome::OtpOutcome;

/// Counted since the start of the daemon.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    sent: AtomicU64,
    failed: AtomicU64,
    limited: AtomicU64,
    verified: AtomicU64,
    wrong: AtomicU64,
    locked: AtomicU64,
    expired: AtomicU64,
    refused: AtomicU64,
    /// Valid codes at the last sweep.
    active: AtomicUsize,
}

impl Counters {
    pub(crate) fn count(&self, outcome: OtpOutcome) {
        let counter = match outcome {
            OtpOutcome::Sent => &self.sent,
            OtpOutcome::NotSent | OtpOutcome::Unavailable => &self.failed,
            OtpOutcome::Limited(_) => &self.limited,
            OtpOutcome::Verified => &self.verified,
            OtpOutcome::Wrong(_) => &self.wrong,
            OtpOutcome::Locked => &self.locked,
            OtpOutcome::Expired => &self.expired,
            OtpOutcome::InvalidPhone | OtpOutcome::NoCode | OtpOutcome::Unknown => &self.refused,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Sets how many codes are valid.
    pub(crate) fn set_active(&self, active: usize) {
        self.active.store(active, Ordering::Relaxed);
    }

    pub(crate) fn to_json(&self) -> Value {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        json!({
            "live": self.active.load(Ordering::Relaxed),
            "sent": count(&self.sent),
            "failed": count(&self.failed),
            "limited": count(&self.limited),
            "verified": count(&self.verified),
            "wrong": count(&self.wrong),
            "locked": count(&self.locked),
            "expired": count(&self.expired),
            "refused": count(&self.refused),
        })
    }
}
