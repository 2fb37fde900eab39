//! What the sender is told of a message that was not sent. Pure.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::record::Record;
use crate::config::Delivery;
use crate::message::{InterfaceName, Message, PhoneNumber, Sender, Text};
use crate::outbound::verdict::{Outcome, Reason, Verdict};

/// Notices that one sender gets within [`WINDOW`].
const MOST: u32 = 20;

const WINDOW: Duration = Duration::from_secs(60);

/// The notice for the sender of a message, from the number that they wrote to,
/// so that it shows up in that conversation. `None` when none is wanted, or the
/// sender is no number that a notice could go to.
#[must_use]
pub fn notice(record: &Record, verdict: &Verdict, delivery: &Delivery) -> Option<Message> {
    let template = match verdict.outcome {
        Outcome::Unknown => &delivery.notice_unknown,
        _ => &delivery.notice_failed,
    };
    if template.is_empty() {
        return None;
    }
    let to = PhoneNumber::parse(&record.from).ok()?;
    // What cannot be a sender is named in the text.
    let from = Sender::parse(&record.to).or_else(|_| Sender::parse(&record.from));
    let interface = InterfaceName::parse(&record.interface);
    Some(Message {
        to,
        from: from.ok()?,
        text: Text::new(&filled(template, record, verdict)),
        interface: interface.unwrap_or_else(|_| InterfaceName::unnamed()),
        provider_id: None,
    })
}

/// The template with what stands in braces replaced, in one pass: what is put
/// in is not looked at again.
fn filled(template: &str, record: &Record, verdict: &Verdict) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let (word, after) = after.split_once('}').unwrap_or((after, ""));
        text.push_str(match word {
            "to" => &record.to,
            "from" => &record.from,
            "text" => &record.text,
            "reason" => verdict.reason.map_or("", Reason::words),
            _ => "",
        });
        rest = after;
    }
    text.push_str(rest);
    text
}

/// How many notices each sender has had lately. Whoever has many messages fail
/// at once learns it from the first ones.
#[derive(Debug, Default)]
pub struct Limit {
    senders: HashMap<String, (Instant, u32)>,
}

impl Limit {
    /// Whether this sender may get one more now.
    pub fn allows(&mut self, sender: &str, now: Instant) -> bool {
        self.senders
            .retain(|_, (start, _)| now.saturating_duration_since(*start) < WINDOW);
        let (_, count) = self.senders.entry(sender.to_owned()).or_insert((now, 0));
        *count += 1;
        *count <= MOST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(to: &str, from: &str) -> Record {
        Record {
            interface: "api-1".to_owned(),
            to: to.to_owned(),
            from: from.to_owned(),
            text: "{reason}".to_owned(),
            attempts: 1,
            not_before: None,
            last: None,
        }
    }

    fn verdict() -> Verdict {
        Verdict::not_sent(Outcome::Failed, Reason::Busy, String::new())
    }

    #[test]
    fn template_is_filled_once() {
        let record = record("+1{from}", "+2");
        for (template, expected) in [
            (
                "Not delivered to {to}: {reason}",
                "Not delivered to +1{from}: provider is busy",
            ),
            ("{text} {from}", "{reason} +2"),
            ("{nothing}{", ""),
            ("a } b", "a } b"),
            ("", ""),
        ] {
            assert_eq!(filled(template, &record, &verdict()), expected);
        }
    }

    #[test]
    fn many_at_once_are_too_many_for_one_sender_alone() {
        let mut limit = Limit::default();
        let start = Instant::now();
        for _ in 0..MOST {
            assert!(limit.allows("+1", start));
        }
        assert!(!limit.allows("+1", start));
        assert!(limit.allows("+2", start));
        assert!(!limit.allows("+1", start + WINDOW / 2));
        assert!(limit.allows("+1", start + WINDOW));
    }
}
