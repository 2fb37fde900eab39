//! What goes out by `preset = twilio` fits Twilio's own description of its API.

use serde_json::{Value, json};

use crate::prism::{Prism, description};
use crate::support::{Websms, section};

const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";

/// The description, with what it leaves out: names of a form are repeated where
/// there are several values, which is how Twilio takes `MediaUrl`.
fn messages() -> Option<Value> {
    let mut description = description("twilio-messages-v2010.json")?;
    let path = "/2010-04-01/Accounts/{AccountSid}/Messages.json";
    let content = &mut description["paths"][path]["post"]["requestBody"]["content"];
    let form = &mut content["application/x-www-form-urlencoded"];
    assert!(form["schema"].is_object(), "there is no {path}");
    let repeated = json!({"style": "form", "explode": true});
    form["encoding"] = json!({"MediaUrl": repeated.clone(), "PersistentAction": repeated});
    Some(description)
}

/// Sends by the preset with these keys besides: the status of `websms`, then
/// those of the mock.
fn send(prism: &Prism, text: &str, more: &[(&str, &str)]) -> (i32, Vec<u16>) {
    let (provider, answers) = prism.provider();
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
    let answers = answers.lock().unwrap();
    for answer in answers.iter() {
        let violations = answer.headers.get("sl-violations");
        assert_eq!(violations, None, "{}", answer.text());
        let shown = answer.text();
        let is_refusal = shown.contains("https://stoplight.io/prism/errors#");
        assert_eq!(answer.status != 201, is_refusal, "{shown}");
    }
    (status, answers.iter().map(|answer| answer.status).collect())
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
fn wrong_messages_do_not() {
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
    // And without what the description leaves out, pictures do not fit either.
    let bare = Prism::start(&crate::prism::description("twilio-messages-v2010.json").unwrap());
    let (status, answers) = send(&bare, "https://example.com/a.jpg", &[]);
    assert_ne!(status, 0);
    assert_eq!(answers, [422]);
}
