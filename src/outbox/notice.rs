//! What the sender is told of a message that was not sent. Pure.

use crate::document::template;
use crate::model::interface::InterfaceName;
use crate::model::message::{Message, PhoneNumber, Sender, Text};
use crate::outbox::record::Record;

/// The notice for the sender of a message, from the number that they wrote to,
/// so that it shows up in that conversation. `None` when none is wanted, or the
/// sender is no number that a notice could go to.
#[must_use]
pub(crate) fn notice(record: &Record, template: &str, reason: &str) -> Option<Message> {
    if template.is_empty() {
        return None;
    }
    let to = PhoneNumber::parse(&record.from).ok()?;
    // What cannot be a sender is named in the text.
    let from = Sender::parse(&record.to).or_else(|_| Sender::parse(&record.from));
    let interface = InterfaceName::parse(&record.interface);
    let word = |word: &str| match word {
        "to" => record.to.clone(),
        "from" => record.from.clone(),
        "text" => record.text.clone(),
        "reason" => reason.to_owned(),
        _ => String::new(),
    };
    Some(Message {
        to,
        from: from.ok()?,
        text: Text::new(&template::fill(template, word)),
        interface: interface.unwrap_or_else(|_| InterfaceName::unnamed()),
        provider_id: None,
        pictures: Vec::new(),
    })
}
