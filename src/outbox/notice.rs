//! Notices: texts to the sender of messages that were not delivered. Pure.

use crate::config::DeliverySettings;
use crate::document::template;
use crate::model::interface::InterfaceName;
use crate::model::message::{Message, PhoneNumber, Sender, Text};
use crate::outbox::record::{DueNotice, NoticeKind, Record};

/// The notice for the sender of a message. It comes from the number that they
/// wrote to, so that it shows up in that conversation. `None` when the template
/// is empty, or when the sender is not a phone number.
pub(crate) fn notice(
    record: &Record,
    due: &DueNotice,
    settings: &DeliverySettings,
) -> Option<Message> {
    let template = match due.kind {
        NoticeKind::Failed => &settings.notice_failed,
        NoticeKind::Undelivered => &settings.notice_undelivered,
        NoticeKind::Unknown => &settings.notice_unknown,
    };
    let word = |word: &str| match word {
        "to" => record.to.clone(),
        "from" => record.from.clone(),
        "text" => record.text.clone(),
        "reason" => due.reason.clone(),
        _ => String::new(),
    };
    text_to_sender(record, template, word)
}

/// One notice for all messages of a sender that were too many for a notice each. It
/// shows up in the conversation of the first of them.
pub(crate) fn further(
    first: &Record,
    count: usize,
    settings: &DeliverySettings,
) -> Option<Message> {
    let word = |word: &str| match word {
        "count" => count.to_string(),
        _ => String::new(),
    };
    text_to_sender(first, &settings.notice_more, word)
}

fn text_to_sender(
    record: &Record,
    template: &str,
    word: impl Fn(&str) -> String,
) -> Option<Message> {
    if template.is_empty() {
        return None;
    }
    let to = PhoneNumber::parse(&record.from).ok()?;
    // A destination that cannot be a sender is named in the text all the same.
    let from = Sender::parse(&record.to).or_else(|_| Sender::parse(&record.from));
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
