//! Notices: texts to the sender of a message that was not delivered. Pure.

use crate::document::template;
use crate::model::interface::InterfaceName;
use crate::model::message::{Message, PhoneNumber, Sender, Text};
use crate::outbox::record::Record;

/// The notice for the sender of a message. It comes from the number that they
/// wrote to, so that it shows up in that conversation. `None` when the template
/// is empty, or when the sender is not a phone number.
pub(crate) fn notice(record: &Record, template: &str, reason: &str) -> Option<Message> {
    if template.is_empty() {
        return None;
    }
    let to = PhoneNumber::parse(&record.from).ok()?;
    // A destination that cannot be a sender is named in the text all the same.
    let from = Sender::parse(&record.to).or_else(|_| Sender::parse(&record.from));
    let word = |word: &str| match word {
        "to" => record.to.clone(),
        "from" => record.from.clone(),
        "text" => record.text.clone(),
        "reason" => reason.to_owned(),
        _ => String::new(),
    };
    // It only separates conversations; the phone does not see it.
    let interface = record.interface.name().cloned();
    Some(Message {
        to,
        from: from.ok()?,
        text: Text::new(&template::fill(template, word)),
        interface: interface.unwrap_or_else(InterfaceName::unnamed),
        provider_id: None,
        pictures: Vec::new(),
    })
}
