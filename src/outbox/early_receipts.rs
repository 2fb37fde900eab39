//! Receipts that came before their message was known to be sent. Pure.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::model::message::Receipt;
use crate::outbox::sent::ReceiptKey;

/// How long a receipt waits for its message.
const LIFETIME: Duration = Duration::from_secs(60);

/// Entries that are kept at a time. Receipts for messages that others sent by the
/// same account would fill the memory otherwise.
const ENTRIES_MAX: usize = 1000;

/// Receipts by the messages that they could be for.
#[derive(Debug, Default)]
pub(super) struct EarlyReceipts(HashMap<ReceiptKey, (Instant, Receipt)>);

impl EarlyReceipts {
    /// Keeps a receipt, which could be for any of the keys; drops it when too many
    /// wait.
    pub(super) fn add(&mut self, keys: Vec<ReceiptKey>, receipt: &Receipt, now: Instant) {
        self.0
            .retain(|_, (since, _)| now.saturating_duration_since(*since) < LIFETIME);
        if self.0.len() + keys.len() <= ENTRIES_MAX {
            let entries = keys.into_iter().map(|key| (key, (now, receipt.clone())));
            self.0.extend(entries);
        }
    }

    /// The receipt for a message that has been sent now.
    pub(super) fn take(&mut self, key: &ReceiptKey) -> Option<Receipt> {
        self.0.remove(key).map(|(_, receipt)| receipt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::interface::InterfaceName;
    use crate::model::message::ReceiptState;

    fn receipt(number: usize) -> (ReceiptKey, Receipt) {
        let receipt = Receipt {
            interface: InterfaceName::unnamed(),
            provider_id: number.to_string(),
            state: ReceiptState::Failed,
            status: "failed".to_owned(),
            reason: None,
            code: None,
        };
        let key = ReceiptKey::new(&receipt.interface, &receipt.provider_id);
        (key, receipt)
    }

    #[test]
    fn receipt_is_taken_once() {
        let mut early = EarlyReceipts::default();
        let (key, receipt) = receipt(1);
        early.add(vec![key.clone()], &receipt, Instant::now());
        assert_eq!(early.take(&key), Some(receipt));
        assert_eq!(early.take(&key), None);
    }

    #[test]
    fn number_of_receipts_is_bounded() {
        let mut early = EarlyReceipts::default();
        let start = Instant::now();
        for number in 0..ENTRIES_MAX + 10 {
            let (key, receipt) = receipt(number);
            early.add(vec![key], &receipt, start);
        }
        assert_eq!(early.0.len(), ENTRIES_MAX);
        let (last, receipt) = receipt(ENTRIES_MAX);
        early.add(vec![last.clone()], &receipt, start + LIFETIME);
        assert_eq!(early.0.len(), 1, "older ones have expired");
        assert_eq!(early.take(&last), Some(receipt));
    }
}
