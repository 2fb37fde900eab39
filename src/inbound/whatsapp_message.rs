//! WhatsApp messages of every kind as text that a phone can show.
//!
//! Reads one element of `messages` as Meta's Cloud API posts it
//! (<https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks>). Unknown kinds
//! are readable, too: better a strange text than none.

use serde_json::Value;

use crate::document::as_text;

/// A message as text, and the picture or other file that it brings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rendered {
    pub text: String,
    pub file: Option<FileReference>,
}

/// A file that the gateway keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileReference {
    /// The gateway's id, by which the file is fetched.
    pub id: String,
    pub content_type: Option<String>,
}

/// A message as text.
pub(crate) fn render(message: &Value) -> Rendered {
    let kind = string(message, "/type");
    let content = message.pointer(&format!("/{kind}")).unwrap_or(message);
    match kind.as_str() {
        "text" | "system" => plain(string(content, "/body")),
        "image" => file(content, "picture"),
        "sticker" => file(content, "sticker"),
        "video" => file(content, "video"),
        "audio" if boolean(content, "/voice") => file(content, "voice message"),
        "audio" => file(content, "sound"),
        "document" => file(content, "document"),
        "location" => plain(location(content)),
        "contacts" => plain(contacts(content)),
        "reaction" => plain(reaction(content)),
        "button" => plain(string(content, "/text")),
        "interactive" => plain(interactive_reply(content)),
        "order" => plain(order(content)),
        "unsupported" => plain("(a message of a kind that WhatsApp does not hand on)".to_owned()),
        "" => plain("(an empty message)".to_owned()),
        other => plain(format!("(a message of kind {other})")),
    }
}

fn plain(text: String) -> Rendered {
    Rendered { text, file: None }
}

/// The kind of a file, its name and its caption.
fn file(content: &Value, kind: &str) -> Rendered {
    let name = string(content, "/filename");
    let label = if name.is_empty() {
        format!("({kind})")
    } else {
        format!("({kind} {name})")
    };
    let some = |pointer| Some(string(content, pointer)).filter(|text| !text.is_empty());
    Rendered {
        text: join_lines(&[label, string(content, "/caption")]),
        file: some("/id").map(|id| FileReference {
            id,
            content_type: some("/mime_type"),
        }),
    }
}

fn location(content: &Value) -> String {
    let (latitude, longitude) = (string(content, "/latitude"), string(content, "/longitude"));
    let map = format!("https://maps.google.com/?q={latitude},{longitude}");
    let address = string(content, "/address");
    join_lines(&[string(content, "/name"), address, map])
}

fn contacts(content: &Value) -> String {
    let contact = |contact: &Value| {
        let phones = elements(contact, "/phones").map(|phone| string(phone, "/phone"));
        let phones: Vec<_> = phones.filter(|phone| !phone.is_empty()).collect();
        let name = string(contact, "/name/formatted_name");
        let named = [name, phones.join(", ")];
        let named: Vec<_> = named.into_iter().filter(|part| !part.is_empty()).collect();
        format!("Contact: {}", named.join(", "))
    };
    let contacts: Vec<_> = elements(content, "").map(contact).collect();
    join_lines(&contacts)
}

/// A reaction without an emoji takes the earlier one back.
fn reaction(content: &Value) -> String {
    match string(content, "/emoji") {
        emoji if emoji.is_empty() => "(took a reaction back)".to_owned(),
        emoji => format!("(reacted with {emoji})"),
    }
}

/// The choice among buttons, a list or a form.
fn interactive_reply(content: &Value) -> String {
    let title = [
        "/button_reply/title",
        "/list_reply/title",
        "/nfm_reply/body",
    ];
    let title = title.iter().map(|pointer| string(content, pointer));
    let title = title.into_iter().find(|title| !title.is_empty());
    let description = string(content, "/list_reply/description");
    join_lines(&[
        title.unwrap_or_else(|| "(a choice)".to_owned()),
        description,
    ])
}

fn order(content: &Value) -> String {
    let item = |item: &Value| {
        let [count, name, price, currency] = [
            "/quantity",
            "/product_retailer_id",
            "/item_price",
            "/currency",
        ]
        .map(|pointer| string(item, pointer));
        format!("{count} x {name}, {price} {currency}")
    };
    let mut lines = vec!["Order:".to_owned()];
    lines.extend(elements(content, "/product_items").map(item));
    lines.push(string(content, "/text"));
    join_lines(&lines)
}

/// The lines that are not empty, joined.
fn join_lines(lines: &[String]) -> String {
    let lines: Vec<_> = lines.iter().filter(|line| !line.is_empty()).collect();
    lines
        .into_iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join("\n")
}

fn string(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(as_text).unwrap_or_default()
}

fn boolean(value: &Value, pointer: &str) -> bool {
    value
        .pointer(pointer)
        .and_then(Value::as_bool)
        .unwrap_or_default()
}

fn elements<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    let elements = value.pointer(pointer).and_then(Value::as_array);
    elements.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    #[expect(clippy::too_many_lines, reason = "it is a table")]
    fn every_kind_is_readable() {
        for (message, expected) in [
            (
                json!({"type": "text", "text": {"body": "Hi \u{263a}"}}),
                "Hi \u{263a}",
            ),
            (
                json!({"type": "image", "image": {"id": "1", "caption": "Taj Mahal"}}),
                "(picture)\nTaj Mahal",
            ),
            (
                json!({"type": "sticker", "sticker": {"id": "1"}}),
                "(sticker)",
            ),
            (json!({"type": "video", "video": {"id": "1"}}), "(video)"),
            (json!({"type": "audio", "audio": {"id": "1"}}), "(sound)"),
            (
                json!({"type": "audio", "audio": {"id": "1", "voice": true}}),
                "(voice message)",
            ),
            (
                json!({"type": "document", "document": {"id": "1", "filename": "a.pdf", "caption": "b"}}),
                "(document a.pdf)\nb",
            ),
            (
                json!({"type": "location", "location": {"latitude": 37.442_215, "longitude": -122.161_659,
                    "name": "Coffee", "address": "101 Forest Ave"}}),
                "Coffee\n101 Forest Ave\nhttps://maps.google.com/?q=37.442215,-122.161659",
            ),
            (
                json!({"type": "contacts", "contacts": [
                    {"name": {"formatted_name": "A B"}, "phones": [{"phone": "+1 2"}, {"phone": "+3"}]},
                    {"name": {"formatted_name": "C"}}]}),
                "Contact: A B, +1 2, +3\nContact: C",
            ),
            (
                json!({"type": "reaction", "reaction": {"message_id": "x", "emoji": "\u{1f44d}"}}),
                "(reacted with \u{1f44d})",
            ),
            (
                json!({"type": "reaction", "reaction": {"message_id": "x"}}),
                "(took a reaction back)",
            ),
            (
                json!({"type": "button", "button": {"payload": "p", "text": "Yes"}}),
                "Yes",
            ),
            (
                json!({"type": "interactive", "interactive": {"type": "button_reply",
                    "button_reply": {"id": "i", "title": "Cancel"}}}),
                "Cancel",
            ),
            (
                json!({"type": "interactive", "interactive": {"type": "list_reply",
                    "list_reply": {"id": "i", "title": "Express", "description": "Next day"}}}),
                "Express\nNext day",
            ),
            (
                json!({"type": "interactive", "interactive": {}}),
                "(a choice)",
            ),
            (
                json!({"type": "order", "order": {"text": "quick", "product_items": [
                    {"product_retailer_id": "p1", "quantity": 2, "item_price": 30, "currency": "USD"}]}}),
                "Order:\n2 x p1, 30 USD\nquick",
            ),
            (
                json!({"type": "system", "system": {"body": "User A changed from 1 to 2"}}),
                "User A changed from 1 to 2",
            ),
            (
                json!({"type": "unsupported", "errors": [{"code": 131_051}]}),
                "(a message of a kind that WhatsApp does not hand on)",
            ),
            (
                json!({"type": "dance", "dance": {}}),
                "(a message of kind dance)",
            ),
            (json!({}), "(an empty message)"),
            (json!({"type": "text"}), ""),
        ] {
            assert_eq!(render(&message).text, expected, "{message}");
        }
    }

    #[test]
    fn file_has_the_id_of_the_gateway() {
        let image = json!({"type": "image", "image": {"id": "17", "mime_type": "image/jpeg"}});
        let file = render(&image).file.unwrap();
        assert_eq!(
            (file.id.as_str(), file.content_type.as_deref()),
            ("17", Some("image/jpeg"))
        );
        assert_eq!(render(&json!({"type": "image", "image": {}})).file, None);
    }
}
