//! How often what became of requests, for whoever watches over the daemon. No
//! phone and no code is in it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::otp::outcome::Answer;

/// Counts since the start.
#[derive(Debug, Default)]
pub struct Tally {
    sent: AtomicU64,
    failed: AtomicU64,
    limited: AtomicU64,
    verified: AtomicU64,
    wrong: AtomicU64,
    locked: AtomicU64,
    expired: AtomicU64,
    refused: AtomicU64,
    /// Codes that counted at the last look.
    live: AtomicUsize,
}

impl Tally {
    /// Counts an answer.
    pub fn count(&self, answer: Answer) {
        let count = match answer {
            Answer::Sent => &self.sent,
            Answer::NotSent | Answer::Unavailable => &self.failed,
            Answer::Limited(_) => &self.limited,
            Answer::Verified => &self.verified,
            Answer::Wrong(_) => &self.wrong,
            Answer::Locked => &self.locked,
            Answer::Expired => &self.expired,
            Answer::NotAPhone | Answer::NoCode | Answer::Unknown => &self.refused,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// So many codes count now.
    pub fn live(&self, live: usize) {
        self.live.store(live, Ordering::Relaxed);
    }

    /// All of it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        json!({
            "live": self.live.load(Ordering::Relaxed),
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
