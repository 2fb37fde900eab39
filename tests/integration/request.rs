//! Requests of every shape: the place of each value, and that no text escapes from
//! its field.

use serde_json::{Value, json};

use crate::support::provider::Recorded;
use crate::support::{Answer, Provider, Websms};

/// A text that tries to escape from its field.
const NASTY: &str = "\"}],{\"a\":1}\r\nX-Evil: 1\r\n\r\n&to=+1&b=?#%00/../☺";

/// The only request for a text with these keys.
fn request(text: &str, keys: &str) -> Recorded {
    let provider = Provider::answering(Answer::ok());
    let no_auth = if keys.contains("auth_method") {
        ""
    } else {
        "auth_method = none"
    };
    let config = format!("[websms]\nhost = {}\n{no_auth}\n{keys}\n", provider.url());
    let status = Websms::configured(&config).status(&["+12025550183", "+12025550160", text]);
    assert_eq!(status, 0, "{keys}");
    let [request] = provider.requests().try_into().unwrap();
    request
}

#[test]
fn json_is_built_by_pointers() {
    let keys = "body_type = json\nkey_to = /data/to/0\nkey_from = /data/from\nkey_body = text\n\
                val_static = \"/data/mms:=false,/data/n:=1,kind=sms,/data/to/1=x\"";
    let request = request(NASTY, keys);
    assert_eq!(request.headers["content-type"], "application/json");
    let body: Value = serde_json::from_str(&request.body).unwrap();
    let expected = json!({
        "data": {"to": ["+12025550183", "x"], "from": "+12025550160", "mms": false, "n": 1},
        "text": NASTY, "kind": "sms",
    });
    assert_eq!(body, expected);
}

#[test]
fn query_and_path_carry_configured_values() {
    let keys = "method = GET\nbody_type = query\npath = /v1/{account}/{from}?key=k\n\
                account = a b\nkey_from =\nval_static = x=y";
    let request = request(NASTY, keys);
    assert_eq!(
        (request.method.as_str(), request.body.as_str()),
        ("GET", "")
    );
    assert!(!request.headers.contains_key("x-evil"));
    let (path, query) = request.path.split_once('?').unwrap();
    assert_eq!(path, "/v1/a%20b/%2B12025550160");
    let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let expected = [
        pair("key", "k"),
        pair("Body", NASTY),
        pair("To", "+12025550183"),
        pair("x", "y"),
    ];
    assert_eq!(pairs, expected);
}

#[test]
fn multipart_holds_each_parameter_whole() {
    let request = request(NASTY, "method = PUT\nbody_type = multipart");
    assert_eq!(request.method, "PUT");
    let content_type = &request.headers["content-type"];
    let boundary = content_type
        .strip_prefix("multipart/form-data; boundary=")
        .unwrap();
    let parts: Vec<_> = request.body.split(&format!("--{boundary}")).collect();
    assert_eq!(parts.len(), 5, "{}", request.body);
    let body = parts.iter().find(|part| part.contains("\"Body\"")).unwrap();
    assert!(body.ends_with(&format!("\r\n\r\n{NASTY}\r\n")), "{body}");
}

#[test]
fn headers_are_exactly_those_configured() {
    for lines in [
        "header = \"X-One: {to}\"\nheader = \"X-Two: {body}\"",
        "header[] = \"X-One: {to}\"\nheader[] = \"X-Two: {body}\"",
    ] {
        let request = request(NASTY, &format!("{lines}\ncontent_type = text/x-own"));
        assert_eq!(request.headers["x-one"], "+12025550183", "{lines}");
        assert!(!request.headers.contains_key("x-evil"));
        let decoded = percent_encoding::percent_decode_str(&request.headers["x-two"]);
        assert_eq!(decoded.decode_utf8().unwrap(), NASTY);
        assert_eq!(request.headers["content-type"], "text/x-own");
    }
}

#[test]
fn secret_goes_where_configured() {
    for (keys, name, value) in [
        (
            "auth_method = bearer\nauth_passwd = s",
            "authorization",
            "Bearer s",
        ),
        (
            "auth_method = header\nauth_passwd = s\nauth_header = \"X-Key: {user}:{secret}\"\nauth_user = u",
            "x-key",
            "u:s",
        ),
    ] {
        let request = request("x", keys);
        assert_eq!(request.headers[name], value);
    }
}

#[test]
fn parameters_depend_on_the_text() {
    let keys = "val_static = type=text,a=b\nval_extra = c=d\nval_ucs2 = type=unicode,coding=8";
    let parameters = |text: &str| {
        let mut parameters: Vec<_> = request(text, keys).parameters().into_iter().collect();
        parameters.retain(|(name, _)| !["To", "From", "Body"].contains(&name.as_str()));
        parameters.sort();
        parameters
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join("&")
    };
    assert_eq!(parameters("Grüße {€}"), "a=b&c=d&type=text");
    assert_eq!(parameters("Привет"), "a=b&c=d&coding=8&type=unicode");
}

#[test]
fn picture_url_in_the_text_is_sent_as_a_picture() {
    let text = "Look https://example.com/a.jpg here\nhttps://example.com/b.png";
    let form = request(text, "media_out = jpg,png\nkey_media = MediaUrl");
    let urls: Vec<_> = form_urlencoded::parse(form.body.as_bytes())
        .filter(|(name, _)| name == "MediaUrl")
        .map(|(_, value)| value.into_owned())
        .collect();
    assert_eq!(
        urls,
        ["https://example.com/a.jpg", "https://example.com/b.png"]
    );
    assert_eq!(form.parameters()["Body"], "Look here");

    let keys = "media_out = jpg,png\nkey_media = media#\nval_static = method=sendSMS\n\
                val_media = method=sendMMS";
    let numbered = request(text, keys).parameters();
    assert_eq!(numbered["media1"], "https://example.com/a.jpg");
    assert_eq!(numbered["media2"], "https://example.com/b.png");
    assert_eq!(numbered["method"], "sendMMS");
    assert_eq!(
        request("no picture", keys).parameters()["method"],
        "sendSMS"
    );

    let keys = "media_out = jpg,png\nkey_media = /media/*\nbody_type = json";
    let body: Value = serde_json::from_str(&request(text, keys).body).unwrap();
    assert_eq!(
        body["media"],
        json!(["https://example.com/a.jpg", "https://example.com/b.png"])
    );
}

/// A web server with pictures, and the content of a picture.
fn gallery() -> (Provider, &'static str) {
    let picture = "\u{89}PNG \r\n--x\r\n";
    let serve = move |request: &Recorded| match request.path.as_str() {
        "/a.png" => Answer::Http(200, "image/png", picture.to_owned()),
        "/moved.png" => Answer::Raw(b"HTTP/1.1 302 Found\r\nLocation: /a.png\r\n\r\n".to_vec()),
        "/busy.png" => Answer::Http(503, "text/plain", String::new()),
        _ => Answer::Http(404, "text/plain", String::new()),
    };
    (Provider::deciding(serve), picture)
}

const UPLOAD: &str = "body_type = json\nkey_to = to\nkey_from =\nkey_body = text\n\
                      path = /send\npath_media = /send-{kind}\nmedia_upload = yes\n\
                      key_media = {kind}\nkey_caption = caption\nmedia_out = png,pdf\n";

#[test]
fn picture_is_sent_as_a_file_if_configured() {
    let (gallery, picture) = gallery();
    let keys = format!("{UPLOAD}media_permit_addr = 127.0.0.1");
    for name in ["a.png", "moved.png"] {
        let text = format!("Look {}/{name}", gallery.url());
        let request = request(&text, &keys);
        assert_eq!(request.path, "/send-image");
        let content_type = &request.headers["content-type"];
        let boundary = content_type
            .strip_prefix("multipart/form-data; boundary=")
            .unwrap();
        let part = |name: &str| {
            let start = format!("Content-Disposition: form-data; name=\"{name}\"");
            let divider = format!("--{boundary}\r\n");
            let mut parts = request.body.split(&divider);
            let found = parts.find(|part| part.starts_with(&start)).unwrap();
            let (head, content) = found.split_once("\r\n\r\n").unwrap();
            let end = content.rfind("\r\n").unwrap();
            (head.to_owned(), content[..end].to_owned())
        };
        assert_eq!(part("to").1, "+12025550183");
        assert_eq!(part("caption").1, "Look");
        let (head, content) = part("image");
        assert!(head.contains(&format!("filename=\"{name}\"")), "{head}");
        assert!(head.contains("Content-Type: image/png"), "{head}");
        assert!(content.starts_with(picture), "{content:?}");
    }
    // Without a picture it is an ordinary text.
    let plain = request("Look", &keys);
    assert_eq!(plain.path, "/send");
    assert_eq!(
        serde_json::from_str::<Value>(&plain.body).unwrap()["text"],
        "Look"
    );
}

#[test]
fn unavailable_picture_sends_nothing() {
    let (gallery, _) = gallery();
    for (name, permit, status) in [
        ("gone.png", "media_permit_addr = 127.0.0.1", 76),
        ("busy.png", "media_permit_addr = 127.0.0.1", 69),
        // A text must not make us fetch from our own network.
        ("a.png", "", 76),
    ] {
        let provider = Provider::answering(Answer::ok());
        let config = format!(
            "[websms]\nhost = {}\nauth_method = none\n{UPLOAD}{permit}\n",
            provider.url()
        );
        let text = format!("Look {}/{name}", gallery.url());
        let output = Websms::configured(&config)
            .under_agi()
            .run(&["+1", "+2", &text]);
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert!(
            stdout.contains("picture cannot be fetched"),
            "{name}: {stdout}"
        );
        let exits = Websms::configured(&config).status(&["+1", "+2", &text]);
        assert_eq!(exits, status, "{name}");
        assert!(provider.requests().is_empty(), "{name}");
    }
}

const UPLOAD_FIRST: &str = "body_type = json\nkey_to = to\nkey_from =\nkey_body = /text/body\n\
                         path = /messages\nmedia_upload = yes\nmedia_permit_addr = 127.0.0.1\n\
                         path_upload = /{account}/media\naccount = 17\n\
                         val_upload = \"product=whatsapp,type={kind}\"\n\
                         key_media = /{kind}/id\nkey_caption = /{kind}/caption\n\
                         val_media = type={kind}\nval_static = type=text\nmedia_out = png\n\
                         auth_method = bearer\nauth_passwd = s\n";

#[test]
fn picture_is_uploaded_before_its_message() {
    let (gallery, picture) = gallery();
    let provider = Provider::deciding(|request| match request.path.as_str() {
        "/17/media" => Answer::Http(200, "application/json", r#"{"id":"M1"}"#.to_owned()),
        _ => Answer::ok(),
    });
    let config = format!("[websms]\nhost = {}\n{UPLOAD_FIRST}", provider.url());
    let text = format!("Look {}/a.png", gallery.url());
    let status = Websms::configured(&config).status(&["+1", "+2", &text]);
    assert_eq!(status, 0);
    let [upload, message] = provider.requests().try_into().unwrap();
    assert_eq!(
        (upload.method.as_str(), upload.path.as_str()),
        ("POST", "/17/media")
    );
    assert_eq!(upload.headers["authorization"], "Bearer s");
    for part in [
        "name=\"product\"\r\n\r\nwhatsapp\r\n",
        "name=\"type\"\r\n\r\nimage\r\n",
        "name=\"file\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n",
        picture,
    ] {
        assert!(upload.body.contains(part), "{part}: {}", upload.body);
    }
    let body: Value = serde_json::from_str(&message.body).unwrap();
    let expected = json!({"to": "+1", "type": "image", "image": {"id": "M1", "caption": "Look"}});
    assert_eq!((message.path.as_str(), body), ("/messages", expected));
}

#[test]
fn configured_content_type_is_not_that_of_an_upload() {
    let (gallery, _) = gallery();
    let provider = Provider::deciding(|request| match request.path.as_str() {
        "/17/media" => Answer::Http(200, "application/json", r#"{"id":"M1"}"#.to_owned()),
        _ => Answer::ok(),
    });
    let configured = "application/vnd.api+json";
    let config = format!(
        "[websms]\nhost = {}\n{UPLOAD_FIRST}content_type = {configured}\n",
        provider.url()
    );
    let text = format!("Look {}/a.png", gallery.url());
    assert_eq!(Websms::configured(&config).status(&["+1", "+2", &text]), 0);
    let [upload, message] = provider.requests().try_into().unwrap();
    let content_type = &upload.headers["content-type"];
    assert!(
        content_type.starts_with("multipart/form-data; boundary="),
        "{content_type}"
    );
    assert_eq!(message.headers["content-type"], configured);
}

#[test]
fn message_is_not_sent_when_the_upload_fails() {
    let (gallery, _) = gallery();
    for (answer, status, reason) in [
        (
            Answer::Http(400, "application/json", "{}".to_owned()),
            76,
            "refused by provider",
        ),
        (
            Answer::Http(200, "application/json", "{}".to_owned()),
            76,
            "not accepted by provider",
        ),
        // Nothing of the message has been sent, so another attempt is safe.
        (
            Answer::Http(500, "text/plain", String::new()),
            69,
            "error at provider",
        ),
        (Answer::HangUp, 69, "no answer from provider"),
    ] {
        let provider = Provider::answering(answer.clone());
        let config = format!("[websms]\nhost = {}\n{UPLOAD_FIRST}", provider.url());
        let text = format!("{}/a.png", gallery.url());
        let output = Websms::configured(&config)
            .under_agi()
            .run(&["+1", "+2", &text]);
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert!(stdout.contains(reason), "{answer:?}: {stdout}");
        let exits = Websms::configured(&config).status(&["+1", "+2", &text]);
        assert_eq!(exits, status, "{answer:?}");
        assert!(
            provider
                .requests()
                .iter()
                .all(|request| request.path == "/17/media")
        );
    }
}
