//! How often what became of requests, for whoever watches over the daemon. No
//! phone and no code is in it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::otp::outcome::OtpOutcome;

/// Counts since the start.
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
    /// Codes that counted at the last look.
    active: AtomicUsize,
}

impl Counters {
    /// Counts an answer.
    pub(crate) fn count(&self, answer: OtpOutcome) {
        let count = match answer {
            OtpOutcome::Sent => &self.sent,
            OtpOutcome::NotSent | OtpOutcome::Unavailable => &self.failed,
            OtpOutcome::Limited(_) => &self.limited,
            OtpOutcome::Verified => &self.verified,
            OtpOutcome::Wrong(_) => &self.wrong,
            OtpOutcome::Locked => &self.locked,
            OtpOutcome::Expired => &self.expired,
            OtpOutcome::InvalidPhone | OtpOutcome::NoCode | OtpOutcome::Unknown => &self.refused,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// So many codes count now.
    pub(crate) fn set_active(&self, active: usize) {
        self.active.store(active, Ordering::Relaxed);
    }

    /// All of it.
    #[must_use]
    pub(crate) fn to_json(&self) -> Value {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
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
