//! What the sender is told of a message that was not sent. Pure.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::document::template;
use crate::model::message::{InterfaceName, Message, PhoneNumber, Sender, Text};
use crate::outbox::record::Record;

/// Notices that one sender gets within [`WINDOW`].
const NOTICES_MAX: u32 = 20;

const WINDOW: Duration = Duration::from_secs(60);

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

/// How many notices each sender has had lately. Whoever has many messages fail
/// at once learns it from the first ones.
#[derive(Debug, Default)]
pub(crate) struct NoticeLimit {
    senders: HashMap<String, (Instant, u32)>,
}

impl NoticeLimit {
    /// Whether this sender may get one more now.
    pub(crate) fn allows(&mut self, sender: &str, now: Instant) -> bool {
        self.senders
            .retain(|_, (start, _)| now.saturating_duration_since(*start) < WINDOW);
        let (_, count) = self.senders.entry(sender.to_owned()).or_insert((now, 0));
        *count += 1;
        *count <= NOTICES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_at_once_are_too_many_for_one_sender_alone() {
        let mut limit = NoticeLimit::default();
        let start = Instant::now();
        for _ in 0..NOTICES_MAX {
            assert!(limit.allows("+1", start));
        }
        assert!(!limit.allows("+1", start));
        assert!(limit.allows("+2", start));
        assert!(!limit.allows("+1", start + WINDOW / 2));
        assert!(limit.allows("+1", start + WINDOW));
    }
}
