//! What is said of messages that went out.

use crate::config::{IncomingInterface, ReceiptPaths};
use crate::document::condition::Condition;
use crate::document::path::{Cursor, Document, FieldPath};
use crate::inbound::record::{RECORDS_MAX, bound, holds};
use crate::model::message::{Receipt, ReceiptState};

/// Longest reason that is taken, in characters.
const REASON_MAX: usize = 160;

/// The receipts of a request.
#[must_use]
pub(super) fn receipts(document: &Document, incoming: &IncomingInterface) -> Vec<Receipt> {
    let receipts = &incoming.receipts;
    if receipts.matching.is_empty() {
        return Vec::new();
    }
    let elements = bound(document, &[&receipts.id, &receipts.status]);
    elements
        .iter()
        .take(RECORDS_MAX)
        .filter(|element| {
            let holds = |condition: &Condition| holds(condition, document, element);
            receipts.matching.iter().any(holds)
        })
        .filter_map(|element| receipt(document, element, incoming))
        .collect()
}

fn receipt(document: &Document, element: &Cursor, incoming: &IncomingInterface) -> Option<Receipt> {
    let ReceiptPaths {
        id,
        status,
        delivered,
        failed,
        reason,
        code,
        ..
    } = &incoming.receipts;
    let provider_id = document.text(id, element).filter(|id| !id.is_empty())?;
    let status = document.text(status, element).unwrap_or_default();
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
        status: single_line(&status),
        reason: text_at(document, element, reason),
        code: text_at(document, element, code),
    })
}

/// The first of some places that says something: a field that is there and is
/// empty does not.
fn text_at(document: &Document, element: &Cursor, places: &[FieldPath]) -> Option<String> {
    let texts = places
        .iter()
        .filter_map(|place| document.text(std::slice::from_ref(place), element));
    texts
        .map(|text| single_line(&text))
        .find(|text| !text.is_empty())
}

/// The start of what a provider says, in one line.
fn single_line(said: &str) -> String {
    let line = said.trim().chars().take(REASON_MAX);
    line.map(|c| if c.is_control() { ' ' } else { c }).collect()
}
