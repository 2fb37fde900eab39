//! Requests that an attacker makes from a signed one: the signature is valid, but not
//! for the fields that the request has.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::sdk::{HOST, Request, Sdk, daemon};
use crate::support::messages::assemble;

const SECRET: &str = "c0ffee0123456789c0ffee0123456789";
const JWT: [(&str, &str); 2] = [("auth", "jwt"), ("auth_secret", SECRET)];
const VONAGE: [(&str, &str); 3] = [
    ("auth", "vonage"),
    ("auth_secret", SECRET),
    ("method", "POST,GET"),
];
const ZADARMA: [(&str, &str); 9] = [
    ("auth", "hmac"),
    ("auth_algorithm", "sha1"),
    ("auth_encoding", "base64-hex"),
    ("auth_place", "header:Signature"),
    ("auth_template", "{field:result}"),
    ("auth_secret", SECRET),
    ("key_to", "/result/To,/To"),
    ("key_from", "/result/From,/From"),
    ("key_body", "/result/Body,/Body"),
];

fn signed(scheme: &str, more: &Value) -> Request {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mut question = json!({
        "scheme": scheme, "secret": SECRET, "url": format!("{HOST}/in"), "now": now.as_secs()
    });
    for (name, value) in more.as_object().unwrap() {
        question[name] = value.clone();
    }
    Sdk::start().sign(&question)
}

/// Asserts that the request is accepted, that no forgery is, and that the signed
/// message arrives.
fn assert_only_the_signed_request_is_accepted(
    keys: &[(&str, &str)],
    request: &Request,
    forged: &[Request],
) {
    let daemon = daemon(keys);
    for forged in forged {
        let status = forged.post(&daemon).status;
        assert!((400..500).contains(&status), "{status} to {forged:?}");
    }
    assert!(daemon.spool.is_untouched());
    assert_eq!(request.post(&daemon).status, 200, "{request:?}");
    let messages = assemble(&daemon.spool.drain()).unwrap();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].to, "+12025550183");
}

fn with(request: &Request, content_type: &str, body: &str) -> Request {
    let mut other = request.clone();
    content_type.clone_into(other.header("content-type"));
    other.body = body.as_bytes().to_vec();
    other
}

const FORM: &str = "application/x-www-form-urlencoded";
const PARTS: &str = "multipart/form-data; boundary=B";

#[test]
fn unsigned_field_is_not_read() {
    let result = r#"{"To":"+12025550183","From":"+12025550160","Body":"Hello"}"#;
    let request = signed("zadarma", &json!({"params": {"result": result}}));
    let body = String::from_utf8(request.body.clone()).unwrap();
    let forged = r#"{"To":"+1999999","From":"+1999999","Body":"forged"}"#;
    let part = |name: &str, value: &str| {
        format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let forgeries = [
        // Parsed as a form, it has the signed field.
        with(
            &request,
            PARTS,
            &format!("{body}\r\n{}--B--\r\n", part("result", forged)),
        ),
        with(
            &request,
            PARTS,
            &format!(
                "{}{}--B--\r\n",
                part("x", &format!("&{body}&")),
                part("result", forged)
            ),
        ),
        with(&request, FORM, &format!("{body}&result={forged}")),
        with(&request, FORM, &format!("result={forged}&{body}")),
        with(&request, FORM, "To=%2B1999999&From=%2B1999999&Body=forged"),
        with(&request, "application/json", forged),
    ];
    assert_only_the_signed_request_is_accepted(&ZADARMA, &request, &forgeries);
    // Unsigned fields beside it are ignored.
    let unsigned = format!("To=%2B1999999&{body}&From=%2B1999999&Body=forged");
    assert_only_the_signed_request_is_accepted(&ZADARMA, &with(&request, FORM, &unsigned), &[]);
}

#[test]
fn unsigned_members_are_not_read() {
    let fields = json!({"To": "+12025550183", "From": "+12025550160", "Body": "Hello"});
    let request = signed("vonage", &json!({"body": fields.to_string()}));
    let body = String::from_utf8(request.body.clone()).unwrap();
    let forged = r#"{"To":"+1999999","From":"+1999999","Body":"forged"}"#;
    let forgeries: Vec<_> = [
        format!("{forged},"),
        format!("[{forged}],"),
        format!("[[{forged}]],"),
    ]
    .iter()
    .map(|forged| body.replacen('{', &format!("{{\"x\":{forged}"), 1))
    .map(|body| with(&request, "application/json", &body))
    .collect();
    assert_only_the_signed_request_is_accepted(&VONAGE, &request, &forgeries);
}

#[test]
fn text_in_a_signed_body_is_not_read_as_a_form() {
    // The sender of the text is the attacker, who knows what is signed.
    let text = "&To=%2B1999999&From=%2B1999999&Body=forged&";
    let fields = json!({"To": "+12025550183", "From": "+12025550160", "Body": text});
    let request = signed("vonage-jwt", &json!({"body": fields.to_string()}));
    let body = String::from_utf8(request.body.clone()).unwrap();
    let mut twice = request.clone();
    twice
        .headers
        .insert(0, ("Content-Type".to_owned(), FORM.to_owned()));
    assert_only_the_signed_request_is_accepted(
        &JWT,
        &request,
        &[with(&request, FORM, &body), twice],
    );
}

#[test]
fn signature_of_a_post_is_invalid_for_a_get() {
    let fields = json!({"To": "+12025550183", "From": "+12025550160", "Body": "Hello"});
    let request = signed("vonage-jwt", &json!({"body": fields.to_string()}));
    let forged = Request {
        method: "GET".to_owned(),
        target: "/in?To=%2B1999999&From=%2B1999999&Body=forged".to_owned(),
        ..request.clone()
    };
    let keys = [JWT.as_slice(), &[("method", "POST,GET")]].concat();
    assert_only_the_signed_request_is_accepted(&keys, &request, &[forged]);
}
