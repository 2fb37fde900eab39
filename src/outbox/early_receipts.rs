//! Receipts that came before their message was known to be sent. Pure.
//!
//! A provider can report about a message before its answer to the request has
//! arrived here, but not before the request was made. So a receipt for an unknown
//! message is kept only while a request of its interface is in flight that was made
//! before. Receipts for messages that others sent by the same account cost some
//! hundred bytes each for that time, and nothing else.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::logging::excerpt;
use crate::model::digest::digest;
use crate::model::interface::InterfaceName;
use crate::model::message::{Receipt, ReceiptState};

/// Bytes that early receipts may take: some hundred thousand. None above that is
/// kept; the provider must repeat it.
const BYTES_MAX: usize = 64 << 20;

/// Bytes of an entry besides its texts, with the share of free places in the tables.
const ENTRY_BYTES: usize = 256;

/// Longest text of a receipt that is kept, in characters.
const TEXT_MAX: usize = 300;

/// A digest of the interface and the provider's id of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct MessageDigest([u8; 16]);

/// Receipts by the messages that they could be for, and the requests in flight.
#[derive(Debug, Default)]
pub(super) struct EarlyReceipts {
    /// The interfaces that may send the message of a request, by its number.
    in_flight: BTreeMap<u64, Vec<InterfaceName>>,
    requests: u64,
    receipts: HashMap<MessageDigest, EarlyReceipt>,
    /// The same, in the order in which they came.
    order: VecDeque<(u64, MessageDigest)>,
    bytes: usize,
}

#[derive(Debug)]
struct EarlyReceipt {
    /// It is for a request with a lower number.
    before: u64,
    state: ReceiptState,
    status: Box<str>,
    reason: Option<Box<str>>,
    code: Option<Box<str>>,
}

impl EarlyReceipts {
    /// Counts a request that is about to be made; returns its number.
    pub(super) fn begin(&mut self, interfaces: Vec<InterfaceName>) -> u64 {
        let number = self.requests;
        self.requests += 1;
        self.in_flight.insert(number, interfaces);
        number
    }

    /// Ends a request, when its message is known to be sent or not. Receipts are
    /// dropped that are for no other one.
    pub(super) fn end(&mut self, number: u64) {
        self.in_flight.remove(&number);
        let oldest = self.in_flight.keys().next().copied();
        while let Some((before, digest)) = self.order.front().copied()
            && oldest.is_none_or(|oldest| oldest >= before)
        {
            self.order.pop_front();
            let receipt = self.receipts.get(&digest);
            if receipt.is_some_and(|receipt| receipt.before == before) {
                self.remove(digest);
            }
        }
        if self.in_flight.is_empty() {
            // Together with the memory that many receipts took.
            self.receipts = HashMap::new();
            self.order = VecDeque::new();
            self.bytes = 0;
        }
    }

    /// Keeps a receipt, which could be for a message of any of the interfaces, if
    /// such a message is being sent. Of several for one message, the final one counts.
    ///
    /// # Errors
    /// When there are too many.
    pub(super) fn add<'a>(
        &mut self,
        interfaces: impl Iterator<Item = &'a InterfaceName>,
        receipt: &Receipt,
    ) -> Result<(), TooManyReceipts> {
        for interface in interfaces {
            let mut in_flight = self.in_flight.values();
            if !in_flight.any(|interfaces| interfaces.contains(interface)) {
                continue;
            }
            let digest = MessageDigest::new(interface, &receipt.provider_id);
            let before = match self.receipts.get(&digest) {
                Some(earlier) if earlier.state != ReceiptState::Pending => continue,
                Some(earlier) => earlier.before,
                None => self.requests,
            };
            let new = EarlyReceipt::new(receipt, before);
            if self.bytes + new.bytes() > BYTES_MAX {
                return Err(TooManyReceipts);
            }
            if self.remove(digest).is_none() {
                self.order.push_back((before, digest));
            }
            self.bytes += new.bytes();
            self.receipts.insert(digest, new);
        }
        Ok(())
    }

    /// The receipt for a message that has been sent now.
    pub(super) fn take(&mut self, interface: &InterfaceName, provider_id: &str) -> Option<Receipt> {
        let early = self.remove(MessageDigest::new(interface, provider_id))?;
        Some(Receipt {
            interface: interface.clone(),
            provider_id: provider_id.to_owned(),
            state: early.state,
            status: early.status.into(),
            reason: early.reason.map(String::from),
            code: early.code.map(String::from),
        })
    }

    fn remove(&mut self, digest: MessageDigest) -> Option<EarlyReceipt> {
        let removed = self.receipts.remove(&digest)?;
        self.bytes -= removed.bytes();
        Some(removed)
    }
}

impl MessageDigest {
    fn new(interface: &InterfaceName, provider_id: &str) -> Self {
        Self(digest(&[interface.as_str(), provider_id]))
    }
}

impl EarlyReceipt {
    fn new(receipt: &Receipt, before: u64) -> Self {
        let text = |text: &str| excerpt(text, TEXT_MAX).into_boxed_str();
        Self {
            before,
            state: receipt.state,
            status: text(&receipt.status),
            reason: receipt.reason.as_deref().map(text),
            code: receipt.code.as_deref().map(text),
        }
    }

    fn bytes(&self) -> usize {
        let length = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
        ENTRY_BYTES + self.status.len() + length(&self.reason) + length(&self.code)
    }
}

/// More receipts for unknown messages than are kept came while requests are in
/// flight. Their sender must repeat them.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("keep the receipt: too many came for unknown messages while others are being sent")]
pub(super) struct TooManyReceipts;

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(name: &str) -> InterfaceName {
        InterfaceName::parse(name).unwrap()
    }

    fn receipt(provider_id: &str, state: ReceiptState) -> Receipt {
        Receipt {
            interface: interface("a"),
            provider_id: provider_id.to_owned(),
            state,
            status: format!("{state:?}"),
            reason: Some("no such subscriber".to_owned()),
            code: None,
        }
    }

    fn add(early: &mut EarlyReceipts, receipt: &Receipt) -> Result<(), TooManyReceipts> {
        early.add([&receipt.interface].into_iter(), receipt)
    }

    #[test]
    fn receipt_is_taken_once() {
        let mut early = EarlyReceipts::default();
        let failed = receipt("1", ReceiptState::Failed);
        early.begin(vec![interface("a")]);
        add(&mut early, &failed).unwrap();
        assert_eq!(early.take(&interface("b"), "1"), None);
        assert_eq!(early.take(&interface("a"), "1"), Some(failed));
        assert_eq!(early.take(&interface("a"), "1"), None);
        assert_eq!(early.bytes, 0);
    }

    #[test]
    fn receipt_is_kept_only_while_its_request_can_be_in_flight() {
        let mut early = EarlyReceipts::default();
        let failed = receipt("1", ReceiptState::Failed);
        let kept = |early: &EarlyReceipts| early.receipts.len();
        add(&mut early, &failed).unwrap();
        assert_eq!(kept(&early), 0, "nothing is in flight");
        let other = early.begin(vec![interface("b")]);
        add(&mut early, &failed).unwrap();
        assert_eq!(kept(&early), 0, "another interface is");
        let first = early.begin(vec![interface("b"), interface("a")]);
        add(&mut early, &failed).unwrap();
        let second = early.begin(vec![interface("a")]);
        add(&mut early, &receipt("2", ReceiptState::Failed)).unwrap();
        early.end(other);
        assert_eq!(kept(&early), 2);
        early.end(first);
        assert_eq!(kept(&early), 1, "the second request was made later");
        assert!(early.take(&interface("a"), "2").is_some());
        add(&mut early, &receipt("2", ReceiptState::Failed)).unwrap();
        early.end(second);
        assert_eq!((kept(&early), early.order.len(), early.bytes), (0, 0, 0));
        assert_eq!(early.in_flight.len(), 0);
    }

    #[test]
    fn final_receipt_counts() {
        for (states, expected) in [
            ([ReceiptState::Pending, ReceiptState::Failed], "Failed"),
            ([ReceiptState::Failed, ReceiptState::Pending], "Failed"),
            ([ReceiptState::Delivered, ReceiptState::Failed], "Delivered"),
        ] {
            let mut early = EarlyReceipts::default();
            let request = early.begin(vec![interface("a")]);
            for state in states {
                add(&mut early, &receipt("1", state)).unwrap();
            }
            let taken = early.take(&interface("a"), "1").unwrap();
            assert_eq!(taken.status, expected);
            early.end(request);
            assert_eq!((early.order.len(), early.bytes), (0, 0));
        }
    }

    #[test]
    fn receipts_of_strangers_push_none_out() {
        let mut early = EarlyReceipts::default();
        let request = early.begin(vec![interface("a")]);
        let stranger = |number: usize| receipt(&format!("s-{number}"), ReceiptState::Failed);
        for number in 0..50_000 {
            add(&mut early, &stranger(number)).unwrap();
        }
        let ours = receipt("ours", ReceiptState::Failed);
        add(&mut early, &ours).unwrap();
        for number in 50_000..100_000 {
            add(&mut early, &stranger(number)).unwrap();
        }
        assert_eq!(early.take(&interface("a"), "ours"), Some(ours));
        early.end(request);
        assert_eq!((early.receipts.capacity(), early.order.capacity()), (0, 0));
    }

    #[test]
    fn memory_is_bounded_and_receipts_above_it_are_refused() {
        let mut early = EarlyReceipts::default();
        let request = early.begin(vec![interface("a")]);
        let long = |number: usize| Receipt {
            reason: Some("x".repeat(500)),
            ..receipt(&number.to_string(), ReceiptState::Failed)
        };
        let kept = (0..1_000_000).find(|number| add(&mut early, &long(*number)).is_err());
        assert!(kept.is_some_and(|kept| kept > 100_000), "{kept:?}");
        assert!(early.bytes <= BYTES_MAX);
        assert_eq!(add(&mut early, &long(usize::MAX)), Err(TooManyReceipts));
        assert!(early.take(&interface("a"), "0").is_some());
        early.end(request);
        assert_eq!(early.bytes, 0);
    }
}
