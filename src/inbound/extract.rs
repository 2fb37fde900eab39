//! Document to messages and receipts, by the interface's keys. The text of a message
//! is never interpreted.

use std::cell::LazyCell;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use reqwest::Url;
use serde_json::Value;

use crate::config::{BodyEncoding, IncomingInterface, MediaMode};
use crate::document::condition::Condition;
use crate::document::cursor::Cursor;
use crate::document::path::FieldPath;
use crate::document::{Document, as_text, has_member, template};
use crate::inbound::decode;
use crate::inbound::receipt::receipts;
use crate::inbound::record::{self, RECORDS_MAX, holds};
use crate::inbound::sender::{self, ReplacedSender};
use crate::inbound::shape;
use crate::inbound::whatsapp_message::{self, FileReference, Rendered};
use crate::model::character_set;
use crate::model::media_type::url_extension;
use crate::model::message::{InvalidParty, Message, PhoneNumber, Picture, Receipt, Text};

/// Longest text in bytes; it makes at most 200 call files.
const TEXT_MAX: usize = 65_536;

/// Longest URL of a picture in bytes.
const URL_MAX: usize = 2048;

/// Pictures of one message.
const PICTURES_MAX: usize = 20;

/// The content of a request, in its order.
#[derive(Debug, Default)]
pub(crate) struct Extracted {
    pub messages: Vec<Message>,
    /// Senders of these that could not be taken as they are.
    pub replaced: Vec<ReplacedSender>,
    /// Records that should be messages and cannot be read.
    pub rejected: Vec<ExtractError>,
    pub receipts: Vec<Receipt>,
    /// Records that are neither, by `match` and `ignore`.
    pub ignored: usize,
}

impl Extracted {
    /// Whether the request holds nothing that is known.
    fn is_empty(&self) -> bool {
        let parts = [
            self.messages.len(),
            self.rejected.len(),
            self.receipts.len(),
        ];
        self.ignored == 0 && parts == [0; 3]
    }
}

/// Reads the messages and receipts of a request.
pub(crate) fn extract(document: &Document, incoming: &IncomingInterface) -> Extracted {
    let mut extracted = Extracted {
        receipts: receipts(document, incoming),
        ..Extracted::default()
    };
    if shape::has_empty_list(document, incoming) {
        return extracted;
    }
    let records = record::find(document, incoming);
    if records.len() > RECORDS_MAX {
        extracted
            .rejected
            .push(ExtractError::TooMany(records.len()));
        return extracted;
    }
    // Once for all records: it walks through the document.
    let about = LazyCell::new(|| is_about_a_message(document, incoming));
    let mut unmatched = 0;
    for record in records {
        match judge(document, &record, incoming) {
            Judgement::Ignored => {
                extracted.ignored += 1;
                continue;
            }
            Judgement::Unmatched => {
                unmatched += 1;
                continue;
            }
            Judgement::Message => {}
        }
        match message(document, &record, incoming, &|| *about) {
            Ok((message, replaced)) => {
                extracted.messages.push(message);
                extracted.replaced.extend(replaced);
            }
            Err(error) => extracted.rejected.push(error),
        }
    }
    if unmatched > 0
        && extracted.is_empty()
        && let Some(error) = other_shape(document, incoming)
    {
        extracted.rejected.push(error);
    } else {
        extracted.ignored += unmatched;
    }
    extracted
}

/// What the conditions say of a record.
enum Judgement {
    /// `ignore` or `receipt_match` holds.
    Ignored,
    Message,
    /// `match` does not hold.
    Unmatched,
}

fn judge(document: &Document, record: &Cursor, incoming: &IncomingInterface) -> Judgement {
    let holds = |condition: &Condition| holds(condition, document, record);
    if incoming.ignored.iter().any(holds) || incoming.receipts.matching.iter().any(holds) {
        Judgement::Ignored
    } else if incoming.matching.iter().all(holds) {
        Judgement::Message
    } else {
        Judgement::Unmatched
    }
}

/// That a document in which nothing matches has not the shape that `match` is for.
fn other_shape(document: &Document, incoming: &IncomingInterface) -> Option<ExtractError> {
    let places = shape::missing_places(document, incoming);
    let first = places.first()?;
    Some(ExtractError::OtherShape {
        place: first.to_string(),
        members: shape::member_names(document.value()),
    })
}

fn message(
    document: &Document,
    record: &Cursor,
    incoming: &IncomingInterface,
    is_about_a_message: &dyn Fn() -> bool,
) -> Result<(Message, Option<ReplacedSender>), ExtractError> {
    let keys = &incoming.keys;
    let missing = |paths: &[FieldPath]| ExtractError::Missing(path_list(paths));
    let to = destination(document, record, incoming)?;
    let sent = sender::sent(document, record, incoming);
    let mut pictures = pictures(document, record, incoming);
    let text = if incoming.body_encoding == BodyEncoding::WhatsApp {
        let rendered = rendered_whatsapp(document, record, &keys.body);
        let rendered = rendered.ok_or_else(|| missing(&keys.body))?;
        pictures.extend(whatsapp_file(rendered.file, incoming));
        rendered.text
    } else {
        match document.text(&keys.body, record) {
            Some(text) => decode_text(document, record, incoming, text),
            // A picture needs no text.
            None if !pictures.is_empty() => String::new(),
            None if sent.is_none() => return Err(missing(&keys.from)),
            None if is_about_a_message() => return Err(missing(&keys.body)),
            None => String::new(),
        }
    };
    let (from, replaced) = sender::read(sent.as_deref(), incoming);
    let (text, pictures) = match incoming.media.mode {
        MediaMode::Link => (with_links(text, &links(&pictures)), Vec::new()),
        MediaMode::None => (text, Vec::new()),
        MediaMode::Store => (text, pictures),
    };
    if text.len() > TEXT_MAX {
        return Err(ExtractError::TooLong(text.len()));
    }
    let message = Message {
        to,
        from,
        text: Text::new(&text),
        interface: incoming.interface.clone(),
        // An empty id would make all messages duplicates of one.
        provider_id: document.text(&keys.id, record).filter(|id| !id.is_empty()),
        pictures,
    };
    Ok((message, replaced))
}

fn destination(
    document: &Document,
    record: &Cursor,
    incoming: &IncomingInterface,
) -> Result<PhoneNumber, ExtractError> {
    let paths = &incoming.keys.to;
    let Some(to) = document.text(paths, record) else {
        return Err(ExtractError::Missing(path_list(paths)));
    };
    let format = |number: &str| PhoneNumber::parse(&incoming.number_format.read(number));
    let to = format(&to).and_then(|to| format(to.as_str()));
    to.map_err(|error| ExtractError::Destination(path_list(paths), error))
}

/// Whether a document without a text is about the state of a message that we have
/// sent, rather than a message whose text is empty. `match` knows better.
fn is_about_a_message(document: &Document, incoming: &IncomingInterface) -> bool {
    let of_states = |name: &str| {
        let name = name.to_ascii_lowercase();
        ["status", "receipt", "dlr"]
            .iter()
            .any(|word| name.contains(word))
    };
    incoming.matching.is_empty() && has_member(document.value(), &of_states)
}

/// Appends links to a text, a line each.
pub(crate) fn with_links(mut text: String, links: &[String]) -> String {
    for link in links {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(link);
    }
    text
}

/// The links that a reader can open: not those that need the interface's
/// credentials.
pub(crate) fn links(pictures: &[Picture]) -> Vec<String> {
    let open = pictures.iter().filter(|picture| !picture.lookup);
    open.map(|picture| picture.url.clone()).collect()
}

/// A WhatsApp message as text.
fn rendered_whatsapp(
    document: &Document,
    record: &Cursor,
    paths: &[FieldPath],
) -> Option<Rendered> {
    let mut found = paths.iter().flat_map(|path| document.find(path, record));
    found
        .find(Value::is_object)
        .map(|message| whatsapp_message::render(&message))
}

/// The URL of a file that the gateway keeps under an id, if it has one for them.
fn whatsapp_file(file: Option<FileReference>, incoming: &IncomingInterface) -> Option<Picture> {
    let lookup = incoming.media.lookup.as_ref()?;
    let file = file?;
    let id = utf8_percent_encode(&file.id, NON_ALPHANUMERIC).to_string();
    Some(Picture {
        url: template::fill(lookup, |_| id.clone()),
        lookup: true,
        content_type: file.content_type,
    })
}

/// The URLs of pictures, without the layout of slide shows and texts that are not
/// URLs.
fn pictures(document: &Document, record: &Cursor, incoming: &IncomingInterface) -> Vec<Picture> {
    let mut urls = Vec::new();
    for path in &incoming.media.paths {
        let found = document.find(path, record);
        for url in found.iter().filter_map(as_text) {
            if is_picture(&url) && !urls.contains(&url) {
                urls.push(url);
            }
        }
    }
    urls.truncate(PICTURES_MAX);
    let picture = |url| Picture {
        url,
        lookup: false,
        content_type: None,
    };
    urls.into_iter().map(picture).collect()
}

fn is_picture(url: &str) -> bool {
    let parsed = Url::parse(url).ok();
    url.len() <= URL_MAX
        && !url.contains(char::is_whitespace)
        && parsed.is_some_and(|url| {
            let is_layout = url_extension(&url).as_deref() == Some("smil");
            matches!(url.scheme(), "http" | "https") && !is_layout
        })
}

/// Decodes a text. One that is not encoded as configured is taken as it is: better a
/// strange text than none.
fn decode_text(
    document: &Document,
    record: &Cursor,
    incoming: &IncomingInterface,
    text: String,
) -> String {
    let bytes = match incoming.body_encoding {
        BodyEncoding::None | BodyEncoding::WhatsApp => return text,
        // Form encoding writes a blank as `+`, and all others encode a `+`.
        BodyEncoding::Percent => Some(percent_decode_str(&text.replace('+', " ")).collect()),
        BodyEncoding::Base64 => STANDARD.decode(text.trim()).ok(),
        BodyEncoding::Hex => hex::decode(text.trim()).ok(),
    };
    let Some(bytes) = bytes else {
        return text;
    };
    let paths = incoming.body.character_set_paths.chunks(1);
    let values = paths.filter_map(|path| document.text(path, record));
    let declared = decode::meant(&incoming.body, values).or(incoming.body.character_set);
    character_set::decode(&bytes, declared).text
}

fn path_list(paths: &[FieldPath]) -> String {
    let paths: Vec<_> = paths.iter().map(ToString::to_string).collect();
    paths.join(", ")
}

/// A record that no message can be read from. Either the keys are configured
/// wrongly, or the provider has sent something else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ExtractError {
    #[error("read the message: field {0:?} is missing")]
    Missing(String),
    #[error("read field {0:?}")]
    Destination(String, #[source] InvalidParty),
    #[error("find {place:?}, which match names: the request has another shape")]
    OtherShape {
        place: String,
        /// The names that are there.
        members: String,
    },
    #[error("read the message: the text has {0} bytes (the limit is {TEXT_MAX})")]
    TooLong(usize),
    #[error("read the messages: the request holds {0} (the limit is {RECORDS_MAX})")]
    TooMany(usize),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::inbound::decode::Content;
    use crate::model::message::ReceiptState;

    /// What `[websmsd]` says, with these lines besides.
    fn incoming(lines: &str) -> IncomingInterface {
        let id = if lines.contains("key_id") {
            ""
        } else {
            "key_id = Id"
        };
        let text = format!("[websmsd]\n{id}\n{lines}\n");
        let parsed = config::parse("websms.conf".as_ref(), &text, &|_, _| Ok(None));
        parsed.unwrap().0.incoming.remove(0)
    }

    fn form(pairs: &[(&str, &str)]) -> Value {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Content::Form(pairs.iter().map(owned).collect()).into_value()
    }

    fn json(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    fn extracted(value: &Value, lines: &str) -> Extracted {
        let headers = vec![("x-guid".to_owned(), "G1".to_owned())];
        let document = Document::new(value.clone(), headers);
        extract(&document, &incoming(lines))
    }

    fn texts(fields: &Value) -> Result<Vec<(String, String, String)>, String> {
        let Extracted {
            messages,
            rejected: refused,
            ..
        } = extracted(fields, "");
        if let Some(error) = refused.first() {
            return Err(crate::logging::chain(error));
        }
        Ok(messages
            .iter()
            .map(|message| {
                (
                    message.to.to_string(),
                    message.from.to_string(),
                    message.text.as_str().to_owned(),
                )
            })
            .collect())
    }

    fn one(to: &str, from: &str, body: &str) -> Vec<(String, String, String)> {
        vec![(to.to_owned(), from.to_owned(), body.to_owned())]
    }

    #[test]
    fn form_fields_are_taken_by_name_and_the_last_counts() {
        let fields = form(&[
            ("To", "+1"),
            ("From", "+2"),
            ("Body", "a"),
            ("To", "+3"),
            ("to", "+4"),
        ]);
        assert_eq!(texts(&fields).unwrap(), one("+3", "+2", "a"));
        let fields = form(&[("To", "+1"), ("From", "+2"), ("Body", "")]);
        assert_eq!(texts(&fields).unwrap(), one("+1", "+2", ""));
    }

    #[test]
    fn missing_or_impossible_field_is_named() {
        for (fields, expected) in [
            (
                form(&[("From", "+2"), ("Body", "a")]),
                "read the message: field \"To\" is missing",
            ),
            (
                form(&[("To", "+1")]),
                "read the message: field \"From\" is missing",
            ),
            (
                form(&[("To", "+1"), ("From", "+2"), ("MessageStatus", "sent")]),
                "read the message: field \"Body\" is missing",
            ),
            (
                json(r#"{"To":"+1","From":"+2","data":[{"deliveryReceipt":true}]}"#),
                "read the message: field \"Body\" is missing",
            ),
            (form(&[]), "read the message: field \"To\" is missing"),
            (
                form(&[("To", "h"), ("From", "+2"), ("Body", "a")]),
                "read field \"To\": \"h\" is not a phone number",
            ),
            (json("{}"), "read the message: field \"To\" is missing"),
            (json("[]"), "read the message: field \"To\" is missing"),
            (json("\"To\""), "read the message: field \"To\" is missing"),
        ] {
            assert_eq!(texts(&fields).unwrap_err(), expected);
        }
    }

    #[test]
    fn text_is_never_interpreted() {
        for text in [
            r#"{"To":"+46999","From":"CEO","Body":"x"}"#,
            r#"[{"To":"+46999"}]"#,
            "To=+46999&From=x",
            "<To>+46999</To>",
            "1e5",
            "007",
            "12345678901234567890",
            "true",
            "null",
            "\"q\"",
            " 42 ",
        ] {
            let fields = form(&[("To", "+1"), ("From", "+2"), ("Body", text)]);
            assert_eq!(texts(&fields).unwrap(), one("+1", "+2", text));
            let document = serde_json::json!({"To": "+1", "From": "+2", "Body": text});
            assert_eq!(texts(&document).unwrap(), one("+1", "+2", text));
            // Inside Zadarma's document as well.
            let inner = serde_json::json!({"To": "+1", "From": "+2", "Body": text}).to_string();
            let fields = form(&[("event", "SMS"), ("result", &inner)]);
            assert_eq!(texts(&fields).unwrap(), one("+1", "+2", text));
            // Nor does a text stand in for keys that are missing.
            for missing in [
                form(&[("From", "+2"), ("Body", text)]),
                form(&[("Body", text)]),
            ] {
                assert!(texts(&missing).is_err());
            }
            let nameless = form(&[("To", "+1"), ("Body", text)]);
            assert_eq!(texts(&nameless).unwrap(), one("+1", "unknown", text));
        }
    }

    #[test]
    fn json_members_are_found_at_any_depth() {
        let nested =
            r#"{"event":{"Body":{"x":1},"data":{"To":12025550160,"From":"+2","Body":null}}}"#;
        assert_eq!(texts(&json(nested)).unwrap(), one("12025550160", "+2", ""));
    }

    #[test]
    fn every_innermost_whole_object_is_a_message() {
        let first = r#"{"To":"+1","From":"+2","Body":"a"}"#;
        let second = r#"{"data":{"To":"+1"},"From":"+2","Body":"b"}"#;
        let both = [one("+1", "+2", "a"), one("+1", "+2", "b")].concat();
        for document in [
            format!("[{first},{second}]"),
            format!(r#"{{"results":[{first},{second}],"From":"x"}}"#),
            format!(r#"[[{first}],{{"x":{second}}}]"#),
            // What lacks a key does not borrow it from its neighbour.
            format!(r#"[{{"To":"+9","From":"+9"}},{first},{{"Body":"z"}},{second}]"#),
        ] {
            assert_eq!(texts(&json(&document)).unwrap(), both, "{document}");
        }
    }

    #[test]
    fn message_without_sender_or_text_is_one() {
        let unknown = |text: &str| one("+1", "unknown", text);
        for (document, expected) in [
            (r#"{"To":"+1","Body":"a"}"#, unknown("a")),
            (r#"{"To":"+1","From":null,"Body":"a"}"#, unknown("a")),
            (r#"{"To":"+1","From":"","Body":"a"}"#, unknown("a")),
            (r#"{"To":"+1","From":{"n":1},"Body":"a"}"#, unknown("a")),
            (r#"{"To":"+1","From":"+2"}"#, one("+1", "+2", "")),
            (r#"{"To":"+1","From":"+2","Body":[]}"#, one("+1", "+2", "")),
            (
                r#"{"x":[{"To":"+1","Body":"a"},{"To":"+1","Body":"b"}]}"#,
                [unknown("a"), unknown("b")].concat(),
            ),
            // One that lacks its sender does not get the next one's.
            (
                r#"[{"To":"+1","Body":"a"},{"To":"+1","From":"+2","Body":"b"}]"#,
                [unknown("a"), one("+1", "+2", "b")].concat(),
            ),
            (
                r#"{"From":"+2","x":[{"To":"+1","Body":"a"}]}"#,
                one("+1", "+2", "a"),
            ),
        ] {
            assert_eq!(texts(&json(document)).unwrap(), expected, "{document}");
        }
        let status = form(&[("To", "+1"), ("From", "+2"), ("SmsStatus", "received")]);
        let matched = extracted(&status, "match = /SmsStatus=received");
        assert_eq!((matched.messages.len(), matched.rejected.len()), (1, 0));
    }

    #[test]
    fn bad_message_does_not_spoil_the_others() {
        let document = r#"[{"To":"h","From":"+2","Body":"a"},{"To":"+1","From":"+2","Body":"b"}]"#;
        let Extracted {
            messages,
            rejected: refused,
            ..
        } = extracted(&json(document), "");
        assert_eq!((messages.len(), refused.len()), (1, 1));
    }

    /// To, from, text and id of each message.
    fn messages(json: &str, lines: &str) -> Vec<[String; 4]> {
        let Extracted {
            messages,
            rejected: refused,
            ..
        } = extracted(&serde_json::from_str(json).unwrap(), lines);
        assert_eq!(refused, []);
        let all = |message: Message| {
            let id = message.provider_id.unwrap_or_default();
            let (to, from) = (message.to.to_string(), message.from.to_string());
            [to, from, message.text.as_str().to_owned(), id]
        };
        messages.into_iter().map(all).collect()
    }

    #[test]
    fn pointers_find_messages_of_every_shape() {
        let one =
            |to: &str, from: &str, text: &str, id: &str| [to, from, text, id].map(str::to_owned);
        for (lines, json, expected) in [
            (
                "key_from = /data/payload/from/phone_number\n\
                 key_to = /data/payload/to/*/phone_number\nkey_body = /data/payload/text\n\
                 key_id = /data/payload/id",
                r#"{"data":{"payload":{"from":{"phone_number":"+1"},"text":"a","id":"i",
                    "to":[{"phone_number":"+2"},{"phone_number":"+3"}]}}}"#,
                vec![one("+2", "+1", "a", "i"), one("+3", "+1", "a", "i")],
            ),
            (
                "key_from = /*/message/from\nkey_to = /*/to\nkey_body = /*/message/text\n\
                 key_id = /*/message/id",
                r#"[{"to":"+1","message":{"from":"+2","text":"a","id":1}},
                    {"to":"+3","message":{"from":"+4","text":"b","id":2}}]"#,
                vec![one("+1", "+2", "a", "1"), one("+3", "+4", "b", "2")],
            ),
            (
                "key_from = /data/attributes/from,/from\nkey_to = /data/attributes/to,/to\n\
                 key_body = /data/attributes/body,/body\nkey_id = /data/id,/id",
                r#"{"from":"1","to":"2","body":"a","id":"x"}"#,
                vec![one("2", "1", "a", "x")],
            ),
            (
                "key_from = /From\nkey_to = /To/*,/To\nkey_body = /Message\ndecode = percent\n\
                 key_id = header:X-GUID",
                r#"{"From":"1","To":["2"],"Message":"a%20b+c%2B"}"#,
                vec![one("2", "1", "a b c+", "G1")],
            ),
            (
                "key_from = /From\nkey_to = /To/*,/To\nkey_body = /Message\ndecode = base64",
                r#"{"From":"1","To":"2","Message":"4pi6"}"#,
                vec![one("2", "1", "\u{263a}", "")],
            ),
            (
                "key_from = /from\nkey_to = =+12025550160\nkey_body = /text\nnumber_format = jid",
                r#"{"from":"918484862949@s.whatsapp.net","text":"hi"}"#,
                vec![one("+12025550160", "+918484862949", "hi", "")],
            ),
            (
                "key_from = /result/caller_id\nkey_to = /result/caller_did\n\
                 key_body = /result/text\nnumber_format = plus",
                r#"{"event":"SMS","result":"{\"caller_id\":12025550160,\"caller_did\":\"46701740605\",\"text\":\"a\"}"}"#,
                vec![one("+46701740605", "+12025550160", "a", "")],
            ),
        ] {
            assert_eq!(messages(json, lines), expected, "{lines}");
        }
    }

    #[test]
    fn record_that_does_not_match_is_not_a_message() {
        let lines = "match = /*/type=message-received\nignore = /*/test=true\n\
                     key_from = /*/from\nkey_to = /*/to\nkey_body = /*/text";
        let json = r#"[{"type":"message-received","from":"1","to":"2","text":"a"},
                       {"type":"message-delivered","from":"1","to":"2","text":"b"},
                       {"type":"message-received","from":"1","to":"2","text":"c","test":true},
                       {"type":"message-received","from":"1","text":"d"},
                       {"type":"message-received","from":"1","to":"2"}]"#;
        let Extracted {
            messages,
            rejected: refused,
            ignored: passed_over,
            ..
        } = extracted(&serde_json::from_str(json).unwrap(), lines);
        assert_eq!((messages.len(), refused.len(), passed_over), (2, 1, 2));
        assert_eq!(messages[0].text.as_str(), "a");
        assert_eq!(messages[1].text.as_str(), "");
    }

    #[test]
    fn receipt_is_not_a_message() {
        let lines = "receipt_match = MessageStatus\u{7e}.\nreceipt_id = MessageSid\n\
                     receipt_status = MessageStatus\nreceipt_delivered = delivered\n\
                     receipt_failed = failed,undelivered\nreceipt_reason = ErrorMessage,ErrorCode";
        let lines = lines.replace("MessageStatus\u{7e}.", "/MessageStatus");
        for (status, state) in [
            ("delivered", ReceiptState::Delivered),
            ("Undelivered", ReceiptState::Failed),
            ("sent", ReceiptState::Pending),
        ] {
            let form = form(&[
                ("To", "+1"),
                ("From", "+2"),
                ("Body", ""),
                ("MessageSid", "SM1"),
                ("MessageStatus", status),
                ("ErrorMessage", " "),
                ("ErrorCode", "30003\r\n"),
            ]);
            let extracted = extracted(&form, &lines);
            assert!(extracted.messages.is_empty() && extracted.rejected.is_empty());
            let [receipt] = extracted.receipts.as_slice() else {
                panic!("{:?}", extracted.receipts);
            };
            assert_eq!(
                (receipt.state, receipt.provider_id.as_str()),
                (state, "SM1")
            );
            assert_eq!(receipt.reason.as_deref(), Some("30003"));
        }
    }

    #[test]
    fn pictures_stand_behind_the_text() {
        let picture = "https://example.com/a";
        let pairs = [
            ("To", "+1"),
            ("From", "+2"),
            ("Body", "Look"),
            ("MediaUrl1", "https://example.com/b"),
            ("MediaUrl0", picture),
            ("MediaUrl2", "javascript:alert(1)"),
            ("MediaUrl3", "https://example.com/layout.smil"),
            ("MediaUrl4", picture),
        ];
        let message = |lines: &str, pairs: &[(&str, &str)]| {
            let lines = format!("key_media = MediaUrl#\n{lines}");
            let extracted = extracted(&form(pairs), &lines);
            assert_eq!(extracted.rejected, []);
            extracted.messages.into_iter().next().unwrap()
        };
        let linked = message("", &pairs);
        let expected = "Look\nhttps://example.com/a\nhttps://example.com/b";
        assert_eq!(linked.text.as_str(), expected);
        assert_eq!(message("media = none", &pairs).text.as_str(), "Look");
        let store = "media = store\nmedia_dir = /m\nmedia_url = https://example.com";
        let stored = message(store, &pairs);
        assert_eq!((stored.text.as_str(), stored.pictures.len()), ("Look", 2));
        // Without words it is still a message.
        let wordless = [pairs[0], pairs[1], pairs[4]];
        assert_eq!(message("", &wordless).text.as_str(), picture);
    }

    #[test]
    fn too_much_is_refused() {
        let message = |text: &str| form(&[("To", "+1"), ("From", "+2"), ("Body", text)]);
        assert!(texts(&message(&"x".repeat(TEXT_MAX))).is_ok());
        assert!(texts(&message(&"x".repeat(TEXT_MAX + 1))).is_err());
        let many = vec![serde_json::json!({"To": 1, "From": 2, "Body": ""}); RECORDS_MAX + 1];
        let many = Value::Array(many);
        assert!(texts(&many).unwrap_err().contains("holds 1001 "));
    }
}
