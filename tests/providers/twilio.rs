//! Requests of `preset = twilio` fit Twilio's own description of its API.

use serde_json::{Value, json};

use crate::prism::{Prism, description, statuses};
use crate::support::{Websms, section};

const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";

/// The description, with an addition: several values of a form field are sent by
/// repeating its name, as Twilio expects for `MediaUrl`.
fn messages() -> Option<Value> {
    let mut description = description("twilio-messages-v2010.json")?;
    let path = "/2010-04-01/Accounts/{AccountSid}/Messages.json";
    let content = &mut description["paths"][path]["post"]["requestBody"]["content"];
    let form = &mut content["application/x-www-form-urlencoded"];
    assert!(form["schema"].is_object(), "no {path} in the description");
    let repeated = json!({"style": "form", "explode": true});
    form["encoding"] = json!({"MediaUrl": repeated.clone(), "PersistentAction": repeated});
    Some(description)
}

/// Sends a text with the preset and these keys. Returns the exit status of `websms`
/// and the statuses of the mock's responses.
fn send(prism: &Prism, text: &str, more: &[(&str, &str)]) -> (i32, Vec<u16>) {
    let (provider, responses) = prism.provider();
    let url = provider.url();
    let mut pairs = vec![
        ("preset", "twilio"),
        ("host", &url),
        ("auth_user", ACCOUNT),
        ("auth_secret", "secret"),
    ];
    pairs.retain(|(key, _)| more.iter().all(|(other, _)| other != key));
    pairs.extend_from_slice(more);
    let websms = Websms::configured(&section("websms", &pairs));
    let status = websms.status(&["+12025550183", "+12025550160", text]);
    (status, statuses(&responses, 201))
}

#[test]
fn messages_fit_the_description() {
    let Some(description) = messages() else {
        return;
    };
    let prism = Prism::start(&description);
    let picture = "https://example.com/a.jpg";
    let long = "All work and no play. ".repeat(70);
    for text in [
        "Hello",
        "Grüße ☺ 👩🏽‍🚀 50 % off & a+b=c?; \"x\"",
        "https://example.com/page is no picture",
        &format!("Look {picture}"),
        &format!("{picture} https://example.com/b.png?x=1&y=%20"),
        picture,
        long.trim(),
    ] {
        let sent = send(&prism, text, &[]);
        assert_eq!(sent, (0, vec![201]), "{text}");
    }
    let callback = [(
        "val_static",
        "StatusCallback=https://sms.example.com/twilio",
    )];
    assert_eq!(send(&prism, "Hello", &callback), (0, vec![201]));
}

#[test]
fn wrong_messages_do_not_fit_the_description() {
    let Some(description) = messages() else {
        return;
    };
    let prism = Prism::start(&description);
    for (key, value, expected) in [
        ("key_to", "Tow", 422),
        ("val_static", "ContentRetention=forever", 422),
        ("auth_user", "AC0123", 422),
        ("body_type", "json", 415),
        ("body_type", "multipart", 415),
        ("auth_method", "none", 401),
        ("path", "/2010-04-01/Messages.json", 404),
    ] {
        let (status, answers) = send(&prism, "Hello", &[(key, value)]);
        assert_ne!(status, 0, "{key}");
        assert_eq!(answers, [expected], "{key}");
    }
    // Without the addition, pictures do not fit.
    let bare = Prism::start(&crate::prism::description("twilio-messages-v2010.json").unwrap());
    let (status, answers) = send(&bare, "https://example.com/a.jpg", &[]);
    assert_ne!(status, 0);
    assert_eq!(answers, [422]);
}
