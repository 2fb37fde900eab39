//! `[websmsd]`: what a provider says later about a message that went out.

use crate::config::syntax::keys::websmsd as keys;
use crate::config::syntax::reader::Reader;
use crate::document::condition::Condition;
use crate::document::path::FieldPath;

/// How delivery receipts are told from messages, and read.
#[derive(Debug, Clone, Default)]
pub struct ReceiptPaths {
    /// What is one; any of these.
    pub matching: Vec<Condition>,
    /// Where it names the message.
    pub id: Vec<FieldPath>,
    /// Where it says what became of it.
    pub status: Vec<FieldPath>,
    /// Words that mean delivered.
    pub delivered: Vec<String>,
    /// Words that mean undelivered.
    pub failed: Vec<String>,
    /// Where it says why.
    pub reason: Vec<FieldPath>,
    /// Where it has a code for that.
    pub code: Vec<FieldPath>,
}

/// Reads what one interface says; `None` when there was a mistake, which has
/// been noted.
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
    for (key, places) in [
        (&keys::RECEIPT_ID, &receipts.id),
        (&keys::RECEIPT_STATUS, &receipts.status),
    ] {
        if !receipts.matching.is_empty() && places.is_empty() {
            reader.mistake(key, "is not set, and receipt_match needs it");
            return None;
        }
    }
    if receipts.matching.is_empty() && !receipts.id.is_empty() {
        let message = "is not set, and receipt_id needs it: say what a receipt holds that a \
                       message does not";
        reader.mistake(&keys::RECEIPT_MATCH, message);
        return None;
    }
    Some(receipts)
}
