//! The sender of a message. It never refuses the message: a text is worth more than
//! the spelling of a name.

use crate::config::IncomingInterface;
use crate::document::Document;
use crate::document::cursor::Cursor;
use crate::logging::excerpt;
use crate::model::message::{InvalidParty, PhoneNumber, Sender};
use crate::model::sender_name::{harmless, visible};

/// Characters of a sender that are logged.
const EXCERPT: usize = 24;

/// A sender that the phone sees under another name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReplacedSender {
    /// The start of what the provider sent; empty when that was no text.
    pub sent: String,
    pub used: Sender,
}

/// The text at `key_from`; of several identities, as in WhatsApp, the first that is
/// a number. `None` when there is none, or an empty one.
pub(crate) fn sent(
    document: &Document,
    record: &Cursor,
    incoming: &IncomingInterface,
) -> Option<String> {
    let number = first_number(document, record, incoming);
    let sent = number.or_else(|| document.text(&incoming.keys.from, record));
    sent.filter(|sent| !sent.is_empty())
}

/// The sender for the dialplan, and what it replaces when that is not what the
/// provider sent.
pub(crate) fn read(
    sent: Option<&str>,
    incoming: &IncomingInterface,
) -> (Sender, Option<ReplacedSender>) {
    let sent = sent.unwrap_or_default();
    if let Ok(sender) = exact(sent, incoming) {
        return (sender, None);
    }
    let near = exact(&visible(sent), incoming).ok();
    let used = near
        .or_else(|| harmless(sent))
        .unwrap_or_else(|| incoming.from_default.clone());
    let replaced = ReplacedSender {
        sent: excerpt(sent, EXCERPT),
        used: used.clone(),
    };
    (used, Some(replaced))
}

/// A number in the form of `number_format`, or a name that is one already.
fn exact(sent: &str, incoming: &IncomingInterface) -> Result<Sender, InvalidParty> {
    let format = |sender: &str| Sender::parse(&incoming.number_format.read(sender));
    format(sent).and_then(|sender| format(sender.as_str()))
}

fn first_number(
    document: &Document,
    record: &Cursor,
    incoming: &IncomingInterface,
) -> Option<String> {
    let format = incoming.number_format;
    let paths = incoming
        .keys
        .from
        .iter()
        .filter(|_| format.has_identities());
    paths
        .filter_map(|path| document.text(std::slice::from_ref(path), record))
        .find(|text| PhoneNumber::parse(&format.read(text)).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn incoming(lines: &str) -> IncomingInterface {
        let text = format!("[websmsd]\nkey_id = Id\n{lines}\n");
        let parsed = config::parse("websms.conf".as_ref(), &text, &|_, _| Ok(None));
        parsed.unwrap().0.incoming.remove(0)
    }

    fn used(sent: &str, lines: &str) -> (String, bool) {
        let (sender, replaced) = read(Some(sent), &incoming(lines));
        if let Some(replaced) = &replaced {
            assert_eq!(replaced.used, sender);
        }
        (sender.to_string(), replaced.is_some())
    }

    #[test]
    fn sender_is_used_as_it_is_or_replaced() {
        for (sent, lines, expected, replaced) in [
            ("+1 202 555-0183", "", "+12025550183", false),
            ("My Bank", "", "My Bank", false),
            (
                "0012025550183",
                "number_format = plus",
                "+12025550183",
                false,
            ),
            (
                "12025550183\r\n",
                "number_format = plus",
                "+12025550183",
                true,
            ),
            ("\u{202a}+12025550183\u{202c}", "", "+12025550183", true),
            (" Bank ", "", "Bank", true),
            ("AT&T", "", "AT-T", true),
            ("7/11", "number_format = plus", "7-11_", true),
            ("123@lid", "number_format = jid", "lid123", false),
            ("1203634@g.us", "number_format = jid", "1203634-g.us", true),
            ("🎉", "", "unknown", true),
            ("", "", "unknown", true),
            ("", "from_default = Nobody", "Nobody", true),
            ("\r\n", "from_default = +000", "+000", true),
        ] {
            assert_eq!(
                used(sent, lines),
                (expected.to_owned(), replaced),
                "{sent:?}"
            );
        }
        let long = used(&"x".repeat(500), "");
        assert_eq!(long, ("x".repeat(24), true));
    }
}
