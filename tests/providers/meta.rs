//! Requests to WhatsApp fit Meta's own description of its Cloud API, and the
//! webhooks in its examples are received.

use serde_json::{Value, json};

use crate::prism::{Prism, description, statuses};
use crate::support::http::{JSON, sha256_signature};
use crate::support::messages::assemble;
use crate::support::{Answer, Daemon, Provider, Websms, section};

const DESCRIPTION: &str = "meta-business-messaging-v23.yaml";

/// A phone number id.
const ACCOUNT: &str = "106540352242922";

/// The secret of the app.
const SECRET: &str = "614fc2afde15eee07a26b2fe3eaee9b9";

const REMOTE: &str = "+12025550183";

/// The result of a run of `websms`: its exit status, the statuses that the mock
/// answered, and the bodies that it got.
#[derive(Debug)]
struct Sent {
    status: i32,
    answers: Vec<u16>,
    bodies: Vec<Value>,
}

/// Sends a text with a preset and these keys.
fn send(prism: &Prism, preset: &str, text: &str, more: &[(&str, &str)]) -> Sent {
    let (provider, responses) = prism.provider();
    let url = provider.url();
    let mut pairs = vec![
        ("preset", preset),
        ("host", &url),
        ("account", ACCOUNT),
        ("auth_secret", "EAAJB123-_."),
    ];
    if preset == "whatsapp-template" {
        pairs.push((
            "val_extra",
            "/template/name=new_message,/template/language/code=en_US",
        ));
    }
    pairs.retain(|(key, _)| more.iter().all(|(other, _)| other != key));
    pairs.extend_from_slice(more);
    let websms = Websms::configured(&section("websms", &pairs));
    let status = websms.status(&[REMOTE, "+12025550160", text]);
    let requests = provider.requests();
    Sent {
        status,
        answers: statuses(&responses, 200),
        // The description accepts an empty body.
        bodies: requests
            .iter()
            .map(|request| serde_json::from_str(&request.body).unwrap_or_default())
            .collect(),
    }
}

/// The request for a message of this type.
fn message(kind: &str, content: &Value) -> Value {
    json!({
        "messaging_product": "whatsapp", "recipient_type": "individual",
        "to": REMOTE.trim_start_matches('+'), "type": kind, kind: content,
    })
}

#[test]
fn messages_fit_the_description() {
    let Some(description) = description(DESCRIPTION) else {
        return;
    };
    let prism = Prism::start(&description);
    let file = |extension: &str| format!("https://example.com/files/a.{extension}?x=1&y=%20");
    let (jpg, mp4, pdf, mp3) = (file("jpg"), file("mp4"), file("pdf"), file("mp3"));
    let special = "Grüße ☺ 👩🏽‍🚀 50 % off & a+b=c?; \"x\"\r\n\\";
    let long = "All work and no play. ".repeat(400);
    let parts = [&long[..4096], &long[4096..8192], &long[8192..]];
    let text_message = |text: &str| message("text", &json!({"body": text, "preview_url": false}));
    for (text, expected) in [
        ("Hello", vec![text_message("Hello")]),
        (special, vec![text_message(special)]),
        (&long, parts.map(text_message).to_vec()),
        (
            "https://example.com/page is no picture",
            vec![text_message("https://example.com/page is no picture")],
        ),
        (&jpg, vec![message("image", &json!({"link": jpg}))]),
        (&mp4, vec![message("video", &json!({"link": mp4}))]),
        (&pdf, vec![message("document", &json!({"link": pdf}))]),
        (&mp3, vec![message("audio", &json!({"link": mp3}))]),
        (
            &format!("Look {jpg}"),
            vec![message("image", &json!({"link": jpg, "caption": "Look"}))],
        ),
        (
            &format!("{mp4}\nLook"),
            vec![message("video", &json!({"link": mp4, "caption": "Look"}))],
        ),
        (
            &format!("Read {pdf} now"),
            vec![message(
                "document",
                &json!({"link": pdf, "caption": "Read now"}),
            )],
        ),
        (
            &format!("{jpg} {jpg}"),
            vec![message("image", &json!({"link": jpg, "caption": jpg}))],
        ),
    ] {
        // The preset sends no audio, because it cannot have a caption.
        let sent = send(
            &prism,
            "whatsapp",
            text,
            &[("media_out", "jpg,mp4,pdf,mp3")],
        );
        assert_eq!(sent.status, 0, "{text}: {sent:?}");
        assert_eq!(sent.answers, vec![200; expected.len()], "{text}");
        assert_eq!(sent.bodies, expected);
    }
}

#[test]
fn uploaded_files_fit_the_description() {
    let Some(description) = description(DESCRIPTION) else {
        return;
    };
    let prism = Prism::start(&description);
    let gallery = Provider::answering(Answer::Http(200, "image/png", "a picture".to_owned()));
    let sent = send(
        &prism,
        "whatsapp",
        &format!("Look {}/a.png", gallery.url()),
        &[
            ("media_upload", "yes"),
            ("media_permit_addr", "127.0.0.1"),
            ("path_upload", "/v25.0/{account}/media"),
            ("val_upload", "messaging_product=whatsapp"),
            ("key_media", "/{kind}/id"),
        ],
    );
    assert_eq!(
        (sent.status, sent.answers.as_slice()),
        (0, [200, 200].as_slice())
    );
    let body = &sent.bodies[1];
    let id = body["image"]["id"].as_str().unwrap();
    assert!(!id.is_empty());
    assert_eq!(
        *body,
        message("image", &json!({"id": id, "caption": "Look"}))
    );
}

#[test]
fn templates_fit_the_description() {
    let Some(description) = description(DESCRIPTION) else {
        return;
    };
    let prism = Prism::start(&description);
    let long = "All work and no play. ".repeat(50);
    let template_message = |text: &str| {
        message(
            "template",
            &json!({
                "name": "new_message",
                "language": {"policy": "deterministic", "code": "en_US"},
                "components": [{"type": "body", "parameters": [{"type": "text", "text": text}]}],
            }),
        )
    };
    for (text, expected) in [
        ("Hello", vec![template_message("Hello")]),
        ("Grüße ☺ \"x\"", vec![template_message("Grüße ☺ \"x\"")]),
        (
            &long,
            vec![
                template_message(&long[..900]),
                template_message(&long[900..]),
            ],
        ),
    ] {
        let sent = send(&prism, "whatsapp-template", text, &[]);
        assert_eq!((sent.status, sent.answers), (0, vec![200; expected.len()]));
        assert_eq!(sent.bodies, expected);
    }
}

#[test]
fn wrong_messages_do_not_fit_the_description() {
    let Some(description) = description(DESCRIPTION) else {
        return;
    };
    let prism = Prism::start(&description);
    let picture = "https://example.com/a.jpg";
    let no_type = "messaging_product=whatsapp,recipient_type=individual";
    let no_recipient = "messaging_product=whatsapp,type=text";
    // A string, not a boolean.
    let preview = "messaging_product=whatsapp,recipient_type=individual,type=text,\
                   /text/preview_url=false";
    for (text, key, value, expected) in [
        ("Hello", "val_static", no_type, 422),
        ("Hello", "val_static", no_recipient, 422),
        ("Hello", "key_to", "recipient", 422),
        ("Hello", "key_body", "body", 422),
        ("Hello", "val_extra", "biz_opaque_callback_data=x", 422),
        ("Hello", "val_static", preview, 422),
        (
            "Hello",
            "content_type",
            "application/json; charset=utf-8",
            422,
        ),
        (picture, "val_media", "type=photo", 422),
        ("Hello", "auth_method", "none", 401),
        ("Hello", "body_type", "multipart", 415),
        ("Hello", "path", "/v25.0/106540352242922/text/messages", 404),
    ] {
        let sent = send(&prism, "whatsapp", text, &[(key, value)]);
        assert_ne!(sent.status, 0, "{key}");
        assert_eq!(sent.answers, [expected], "{key} {value}");
    }
    let code = ("val_extra", "/template/language/code=en_US");
    let sent = send(&prism, "whatsapp-template", "Hello", &[code]);
    assert_eq!(sent.answers, [422], "a template without a name");
}

/// The webhooks among the examples of a document, with their names.
fn examples(document: &Value) -> Vec<(String, Value)> {
    let Some(members) = document.as_object() else {
        let elements = document.as_array().into_iter().flatten();
        return elements.flat_map(examples).collect();
    };
    let is_webhook =
        |value: &Value| value["object"] == "whatsapp_business_account" && value["entry"].is_array();
    let found = members.iter().flat_map(|(name, member)| {
        if is_webhook(&member["value"]) {
            vec![(name.clone(), member["value"].clone())]
        } else {
            examples(member)
        }
    });
    found.collect()
}

/// Posts a signed webhook: the status, and the messages that arrived.
fn post(body: &str) -> (u16, Vec<(String, String, String)>) {
    let keys = [
        ("preset", "whatsapp"),
        ("auth_secret", SECRET),
        ("echo_secret", "verify"),
    ];
    // A new daemon each time, because examples share message ids.
    let daemon = Daemon::start(&section("websmsd", &keys));
    let signature = sha256_signature(SECRET, body);
    let headers = [JSON, ("X-Hub-Signature-256", signature.as_str())];
    let status = daemon.post("/whatsapp", &headers, body.as_bytes()).status;
    let arrived = assemble(&daemon.spool.drain()).unwrap();
    let arrived = arrived
        .into_iter()
        .map(|message| (message.to, message.from, message.text));
    (status, arrived.collect())
}

#[test]
fn webhooks_of_the_examples_are_received() {
    let Some(description) = description(DESCRIPTION) else {
        return;
    };
    let expected = [
        ("Text Message", "Does it come in another color?"),
        (
            "Text Message with Context (Product Inquiry)",
            "Is this still available?",
        ),
        (
            "Text Message from Click to WhatsApp Ad",
            "Hello! Can I get more info on this?",
        ),
        ("Reaction Message", "(reacted with 👍)"),
        ("Image Message", "(picture)\nTaj Mahal"),
        (
            "Location Message",
            "Philz Coffee\n101 Forest Ave, Palo Alto, CA 94301\n\
             https://maps.google.com/?q=37.44221496582,-122.16165924072",
        ),
        (
            "Contact Sharing Message",
            "Contact: Lucía Gómez, +1 (983) 555-2319",
        ),
        (
            "Unsupported Message",
            "(a message of a kind that WhatsApp does not hand on)",
        ),
        ("Button Message", "Unsubscribe"),
        (
            "Interactive List Reply Message",
            "Priority Mail Express\nNext Day to 2 Days",
        ),
        ("Interactive Button Reply Message", "Cancel"),
        (
            "Order Message",
            "Order:\n2 x di9ozbzfi4, 30 USD\n1 x nqryix03ez, 25 USD",
        ),
        (
            "System Message",
            "User Sheena Nelson changed from 16505551234 to 12195555358",
        ),
        // Events other than messages.
        ("Group Create Message", ""),
        ("Group Settings Update", ""),
        ("Group Remove Participants", ""),
    ];
    let examples = examples(&description);
    assert_eq!(examples.len(), expected.len());
    for (name, text) in expected {
        let mut named = examples.iter().filter(|(other, _)| other == name);
        let (_, example) = named.next().unwrap_or_else(|| panic!("no example {name}"));
        let (to, from) = ("+15550783881", "+16505551234");
        let one = (to.to_owned(), from.to_owned(), text.to_owned());
        let expected = if text.is_empty() { vec![] } else { vec![one] };
        for body in [example.to_string(), escaped(example)] {
            assert_eq!(post(&body), (200, expected.clone()), "{name}");
        }
    }
}

/// JSON as Meta writes it: only ASCII, and slashes escaped.
fn escaped(document: &Value) -> String {
    let mut escaped = String::new();
    for character in document.to_string().chars() {
        match character {
            '/' => escaped.push_str("\\/"),
            ' '..='~' => escaped.push(character),
            other => {
                let mut units = [0; 2];
                for unit in other.encode_utf16(&mut units) {
                    escaped.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    escaped
}
