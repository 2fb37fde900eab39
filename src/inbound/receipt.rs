//! Delivery receipts: reports of a provider about a message that was sent.

use crate::config::{IncomingInterface, ReceiptPaths};
use crate::document::Document;
use crate::document::condition::Condition;
use crate::document::cursor::Cursor;
use crate::document::path::FieldPath;
use crate::inbound::record::{RECORDS_MAX, bound, holds};
use crate::logging::excerpt;
use crate::model::message::{Receipt, ReceiptState};

/// Longest reason that is kept, in characters.
const REASON_MAX: usize = 160;

pub(crate) fn receipts(document: &Document, incoming: &IncomingInterface) -> Vec<Receipt> {
    let receipts = &incoming.receipts;
    if receipts.matching.is_empty() {
        return Vec::new();
    }
    let records = bound(document, &[&receipts.id, &receipts.status]);
    records
        .iter()
        .take(RECORDS_MAX)
        .filter(|record| {
            let holds = |condition: &Condition| holds(condition, document, record);
            receipts.matching.iter().any(holds)
        })
        .filter_map(|record| receipt(document, record, incoming))
        .collect()
}

fn receipt(document: &Document, record: &Cursor, incoming: &IncomingInterface) -> Option<Receipt> {
    let ReceiptPaths {
        id,
        status,
        delivered,
        failed,
        reason,
        code,
        ..
    } = &incoming.receipts;
    let provider_id = document.text(id, record).filter(|id| !id.is_empty())?;
    let status = document.text(status, record).unwrap_or_default();
    let is_one_of = |words: &[String]| words.iter().any(|word| word.eq_ignore_ascii_case(&status));
    let state = if is_one_of(delivered) {
        ReceiptState::Delivered
    } else if is_one_of(failed) {
        ReceiptState::Failed
    } else {
        ReceiptState::Pending
    };
    Some(Receipt {
        interface: incoming.interface.clone(),
        provider_id,
        state,
        status: excerpt(&status, REASON_MAX),
        reason: text_at(document, record, reason),
        code: text_at(document, record, code),
    })
}

/// The first text at one of these paths that is not empty.
fn text_at(document: &Document, record: &Cursor, paths: &[FieldPath]) -> Option<String> {
    let texts = paths
        .iter()
        .filter_map(|path| document.text(std::slice::from_ref(path), record));
    texts
        .map(|text| excerpt(&text, REASON_MAX))
        .find(|text| !text.is_empty())
}
