//! `[websmsd]`: delivery receipts for messages that were sent.

use crate::config::syntax::keys::websmsd as keys;
use crate::config::syntax::reader::Reader;
use crate::document::condition::Condition;
use crate::document::path::FieldPath;

/// How delivery receipts are recognized and read.
#[derive(Debug, Clone, Default)]
pub struct ReceiptPaths {
    /// What makes a request a receipt: any of these.
    pub matching: Vec<Condition>,
    /// Where a receipt has the provider's id of the message.
    pub id: Vec<FieldPath>,
    /// Where it has the status.
    pub status: Vec<FieldPath>,
    /// Statuses that mean delivered.
    pub delivered: Vec<String>,
    /// Statuses that mean not delivered.
    pub failed: Vec<String>,
    /// Where it has the reason.
    pub reason: Vec<FieldPath>,
    /// Where it has the code of an error.
    pub code: Vec<FieldPath>,
}

/// Reads one interface; `None` after a mistake, which has been recorded.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<ReceiptPaths> {
    let matching = reader.read_each(&keys::RECEIPT_MATCH);
    let id = reader.read(&keys::RECEIPT_ID);
    let status = reader.read(&keys::RECEIPT_STATUS);
    let delivered = reader.read(&keys::RECEIPT_DELIVERED);
    let failed = reader.read(&keys::RECEIPT_FAILED);
    let reason = reader.read(&keys::RECEIPT_REASON);
    let code = reader.read(&keys::RECEIPT_ERROR);
    let receipts = ReceiptPaths {
        matching: matching?,
        id: id?,
        status: status?,
        delivered: delivered?,
        failed: failed?,
        reason: reason?,
        code: code?,
    };
    for (key, paths) in [
        (&keys::RECEIPT_ID, &receipts.id),
        (&keys::RECEIPT_STATUS, &receipts.status),
    ] {
        if !receipts.matching.is_empty() && paths.is_empty() {
            reader.mistake(key, "is not set, and receipt_match needs it");
            return None;
        }
    }
    if receipts.matching.is_empty() && !receipts.id.is_empty() {
        let message = "is not set, and receipt_id needs it: set it to a condition that receipts \
                       fulfil and messages do not";
        reader.mistake(&keys::RECEIPT_MATCH, message);
        return None;
    }
    Some(receipts)
}
