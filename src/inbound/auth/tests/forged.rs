//! A good signature on something else, made by hand.

use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::*;

/// What a message would be read from.
fn believed(recorded: &Recorded) -> Option<Value> {
    let scope = recorded.verified().ok()?;
    let endpoint = Endpoint::new(recorded.incoming(&[&recorded.secret])).unwrap();
    let request = recorded.request(&endpoint);
    let document = crate::inbound::handler::document(request, scope).ok()?;
    Some(document.value().clone())
}

#[test]
fn field_beside_the_signed_one_is_not_read() {
    let zadarma = named("zadarma");
    let signed = zadarma.body.clone();
    for (unsigned, read) in [
        ("&event=SMS&caller_id=%2B1", true),
        // With a name that is given twice it is unclear which one is meant.
        ("&result=%7B%7D", false),
        ("&r%65sult=%7B%7D", false),
        ("&result", false),
    ] {
        let behind = [&signed, unsigned.as_bytes()].concat();
        let before = [&unsigned.as_bytes()[1..], b"&", &signed].concat();
        for body in [behind, before] {
            let fields = believed(&zadarma.clone().body(body));
            let fields = fields.map(|fields| fields.as_object().unwrap().len());
            assert_eq!(fields, read.then_some(1), "{unsigned}");
        }
    }
}

#[test]
fn body_is_read_as_it_was_signed_or_not_at_all() {
    let zadarma = named("zadarma");
    // As a form it holds the field that was signed, as parts another one.
    let form = zadarma.body.clone();
    let part = "\r\n--B\r\nContent-Disposition: form-data; name=\"result\"\r\n\r\n{}\r\n--B--\r\n";
    let both = [&form, part.as_bytes()].concat();
    let signed = believed(&zadarma);
    for content_type in ["multipart/form-data; boundary=B", "text/plain", ""] {
        for body in [&form, &both] {
            let other = zadarma.clone().body(body.clone());
            let other = believed(&other.content_type(content_type));
            assert!(other.is_none() || other == signed, "{content_type}");
        }
    }
    // Of two members of a name the last one counts, for both.
    let result = form_urlencoded::parse(&form).next().unwrap().1.into_owned();
    let member = serde_json::json!({ "result": result }).to_string();
    for more in [r#"{"result":{},"#, r#"{"result":"{}","#] {
        let json = member.replacen('{', more, 1);
        let other = zadarma.clone().body(json).content_type("application/json");
        let fields = believed(&other).map(|fields| fields["result"].clone());
        assert_eq!(fields, Some(result.clone().into()));
    }
    let json = member.replacen("\"}", "\",\"result\":\"{}\"}", 1);
    assert!(
        zadarma
            .clone()
            .body(json)
            .content_type("application/json")
            .verified()
            .is_err()
    );
    // A token in a part is not looked for.
    let token = named("token in field");
    let part = part.replace("result", "token").replace("{}", &token.secret);
    assert!(
        token
            .body(part)
            .content_type("multipart/form-data; boundary=B")
            .verified()
            .is_err()
    );
    // One parser may read the first of two types, another one the last.
    for (first, last) in [(0, 1), (1, 0)] {
        let types = [
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=B",
        ];
        let mut other = zadarma
            .clone()
            .body(both.clone())
            .content_type(types[first]);
        other
            .headers
            .push(("content-type".to_owned(), types[last].to_owned()));
        assert!(other.verified().is_err());
    }
}

#[test]
fn signed_bytes_are_not_read_as_another_type() {
    for name in [
        "sinch",
        "bird",
        "telnyx base64",
        "vonage jwt",
        "messagebird jwt HS256",
        "twilio json",
    ] {
        for content_type in [
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=B",
            "",
        ] {
            let signed = believed(&named(name));
            let other = believed(&named(name).content_type(content_type));
            assert!(
                other.is_none() || other == signed,
                "{name} as {content_type}"
            );
        }
    }
}

#[test]
fn unsigned_query_is_not_read() {
    for recorded in recorded() {
        let name = recorded.name.clone();
        if recorded.method == "GET" || name.starts_with("token") || name == "basic" {
            continue;
        }
        let separator = if recorded.target.contains('?') {
            '&'
        } else {
            '?'
        };
        let target = format!("{}{separator}To=1&From=2&Body=x", recorded.target);
        let forged = Recorded {
            method: "GET".to_owned(),
            target,
            ..recorded
        };
        // Plivo's is proof of who has sent it, and of nothing in it.
        let believed = believed(&forged).map(|fields| fields.as_object().unwrap().len());
        let expected = (name == "plivo").then_some(0);
        assert_eq!(believed, expected, "{name}");
    }
}

#[test]
fn members_that_vonage_does_not_sign_are_refused() {
    let json = named("vonage sha256 json");
    let text = String::from_utf8(json.body.clone()).unwrap();
    let with = |more: &str| text.replacen('{', &format!("{{{more},"), 1);
    for forged in [
        with(r#""x":{"msisdn":"1","to":"2","text":"forged"}"#),
        with(r#""x":[{"msisdn":"1","to":"2","text":"forged"}]"#),
        with(r#""x":[]"#),
        with(r#""x":null"#),
        with(r#""x":"""#),
        format!("[{text}]"),
        text.replacen("\"to\":\"12025550183\"", "\"to\":[\"12025550183\"]", 1),
        text.replacen("\"keyword\":\"\",", "", 1),
    ] {
        assert_ne!(text, forged);
        assert!(
            json.clone().body(forged.clone()).verified().is_err(),
            "{forged}"
        );
    }
    // Of two members of a name the last one counts, here as there.
    let twice = with(r#""text":"forged""#);
    let fields = believed(&json.clone().body(twice)).unwrap();
    assert_ne!(fields["text"], "forged");
    let twice = text.replacen("\"}", "\",\"text\":\"forged\"}", 1);
    assert!(json.clone().body(twice).verified().is_err());
    // A number is signed as its digits.
    let number = text.replacen("\"to\":\"12025550183\"", "\"to\":12025550183", 1);
    assert_eq!(
        json.clone().body(number).verified(),
        Ok(TrustScope::Content)
    );
    for other in ["12025550183.0", "1.2025550183e10", "true", "null"] {
        let number = format!("\"to\":{other}");
        let number = text.replacen("\"to\":\"12025550183\"", &number, 1);
        assert!(json.clone().body(number).verified().is_err(), "{other}");
    }
}

#[test]
fn fields_of_vonage_cannot_be_put_together_in_another_way() {
    let form = named("vonage sha256 form");
    let text = String::from_utf8(form.body.clone()).unwrap();
    let merged = text.replacen("keyword=&", "", 1);
    let merged = merged.replacen("messageId=", "keyword%3D%26messageId=", 1);
    assert_ne!(text, merged);
    assert!(form.clone().body(merged).verified().is_err());
    // Their order is not signed, so nothing may hang on it.
    let mut pairs: Vec<_> = text.split('&').collect();
    pairs.reverse();
    assert!(form.clone().body(pairs.join("&")).verified().is_ok());
    let get = named("vonage sha256 get");
    for separated in [
        get.target.replace('&', ";"),
        get.target.replacen('&', ";", 1),
    ] {
        let all = !separated.contains('&');
        let other = Recorded {
            target: separated,
            ..get.clone()
        };
        assert_eq!(other.verified().is_ok(), all);
        assert_eq!(believed(&other), all.then(|| believed(&get).unwrap()));
    }
}

#[test]
fn neighbours_in_a_template_do_not_take_from_each_other() {
    let sinch = named("sinch").with("auth_max_age = 0");
    let mut sinch = sinch
        .content_type("application/x-www-form-urlencoded")
        .body("a=1.5&b=2");
    let hmac = |text: &str| {
        let key = Secret::new("c0ffee0123456789c0ffee0123456789".to_owned());
        STANDARD.encode(hmac::keyed_digest(
            config::HmacDigest::Sha256,
            &key,
            text.as_bytes(),
        ))
    };
    let signature = hmac("a=1.5&b=2.N.1700000000");
    *sinch.header("x-sinch-webhook-signature") = signature;
    for (body, nonce, timestamp, accepted) in [
        ("a=1.5&b=2", "N", "1700000000", true),
        ("a=1", "5&b=2.N", "1700000000", false),
        ("a=1.5&b=2.N", "1700000000", "", false),
        ("a=1", "5&b=2", "N.1700000000", false),
    ] {
        let mut other = sinch.clone().body(body);
        *other.header("x-sinch-webhook-signature-nonce") = nonce.to_owned();
        *other.header("x-sinch-webhook-signature-timestamp") = timestamp.to_owned();
        assert_eq!(
            other.verified().is_ok(),
            accepted,
            "{body} {nonce} {timestamp}"
        );
    }
}

#[test]
fn value_whose_order_is_not_signed_is_not_believed() {
    let form = named("twilio form");
    let fields = believed(&form).unwrap();
    assert_eq!(fields["To"], "+12025550183");
    assert_eq!(fields.get("X"), None);
    let text = String::from_utf8(form.body.clone()).unwrap();
    let swapped = text.replacen("X=2&X=1", "X=1", 1);
    assert_eq!(believed(&form.clone().body(swapped)), Some(fields));
}

#[test]
fn url_goes_by_public_url_or_else_by_host() {
    let form = named("twilio form");
    for (public_url, host, accepted) in [
        ("public_url = https://sms.example.com/", None, true),
        ("public_url = https://sms.example.com:443", None, true),
        ("public_url = https://sms.example.com:8443", None, true),
        ("public_url = http://sms.example.com", None, false),
        ("public_url = https://sms.example.com/prefix", None, false),
        ("public_url = https://example.com", None, false),
        (
            "public_url = https://sms.example.com",
            Some("evil.example"),
            true,
        ),
        // Without it the URL is http, and this one was signed as https.
        ("public_url =", Some("sms.example.com"), false),
    ] {
        let mut other = form.clone().with(public_url);
        other
            .headers
            .extend(host.map(|host| ("host".to_owned(), host.to_owned())));
        assert_eq!(other.verified().is_ok(), accepted, "{public_url}");
    }
}

#[test]
fn host_is_no_more_than_a_host() {
    let form = named("twilio form");
    let key = Secret::new(form.secret.clone());
    let sign = |url: &str| {
        STANDARD.encode(hmac::keyed_digest(
            config::HmacDigest::Sha1,
            &key,
            url.as_bytes(),
        ))
    };
    for (host, path, signed, accepted) in [
        ("sms.example.com", "/in", "http://sms.example.com/in", true),
        (
            "sms.example.com:80",
            "/in",
            "http://sms.example.com/in",
            true,
        ),
        (
            "sms.example.com:8080",
            "/in",
            "http://sms.example.com:8080/in",
            true,
        ),
        ("[2001:db8::1]", "/in", "http://[2001:db8::1]/in", true),
        ("[2001:db8::1]", "/in", "http://[2001:db8::1]:80/in", true),
        (
            "[2001:db8::1]:81",
            "/in",
            "http://[2001:db8::1]:81/in",
            true,
        ),
        (
            "sms.example.com/x",
            "/in",
            "http://sms.example.com/x/in",
            false,
        ),
        (
            "sms.example.com?",
            "/in",
            "http://sms.example.com?/in",
            false,
        ),
        ("", "/in", "http://sms.example.com/in", false),
    ] {
        let mut other = form.clone().with("public_url =").body("");
        path.clone_into(&mut other.target);
        *other.header("x-twilio-signature") = sign(signed);
        other.headers.push(("host".to_owned(), host.to_owned()));
        assert_eq!(other.verified().is_ok(), accepted, "{host} {signed}");
    }
}

/// A token with these claims (RFC 7515, section 3.3, HS256).
fn signed_token(claims: &Value, secret: &[u8]) -> String {
    let part = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let head = part(br#"{"typ":"JWT","alg":"HS256"}"#);
    let signed = format!("{head}.{}", part(claims.to_string().as_bytes()));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
    let signature = part(ring::hmac::sign(&key, signed.as_bytes()).as_ref());
    format!("{signed}.{signature}")
}

#[test]
fn token_says_what_it_covers() {
    let recorded = named("vonage jwt");
    let hash = |bytes: &[u8]| hex::encode(<sha2::Sha256 as sha2::Digest>::digest(bytes));
    let body = hash(&recorded.body);
    let url = hash(b"https://sms.example.com/in");
    let now = recorded.now;
    for (claims, accepted) in [
        (serde_json::json!({"iat": now, "payload_hash": body}), true),
        (
            serde_json::json!({"iat": now, "payload_hash": body.to_uppercase()}),
            true,
        ),
        (serde_json::json!({"exp": now, "payload_hash": body}), true),
        (
            serde_json::json!({"iat": now, "payload_hash": body, "url_hash": url}),
            true,
        ),
        (
            serde_json::json!({"iat": now, "payload_hash": body, "url_hash": body}),
            false,
        ),
        (
            serde_json::json!({"iat": now, "payload_hash": body, "url_hash": ""}),
            false,
        ),
        (serde_json::json!({"iat": now, "payload_hash": ""}), false),
        (serde_json::json!({"iat": now, "url_hash": url}), false),
        (serde_json::json!({"iat": now}), false),
        (serde_json::json!({"payload_hash": body}), false),
        (
            serde_json::json!({"iat": now - 10, "exp": now - 61, "payload_hash": body}),
            false,
        ),
        (
            serde_json::json!({"nbf": now + 61, "exp": now + 100, "payload_hash": body}),
            false,
        ),
        (
            serde_json::json!({"iat": now.to_string(), "payload_hash": body}),
            false,
        ),
        (
            serde_json::json!({"iat": now, "payload_hash": [body]}),
            false,
        ),
    ] {
        let mut other = recorded.clone();
        let token = signed_token(&claims, recorded.secret.as_bytes());
        *other.header("authorization") = format!("Bearer {token}");
        assert_eq!(other.verified().is_ok(), accepted, "{claims}");
    }
}

#[test]
fn token_without_a_key_is_none() {
    let recorded = named("vonage jwt");
    let claims = recorded
        .clone()
        .header("authorization")
        .split('.')
        .nth(1)
        .unwrap()
        .to_owned();
    for head in [
        "eyJhbGciOiJub25lIn0",
        "eyJhbGciOiJOb25lIn0",
        "eyJhbGciOiJSUzI1NiJ9",
    ] {
        for token in [format!("{head}.{claims}."), format!("{head}.{claims}")] {
            let mut other = recorded.clone();
            *other.header("authorization") = format!("Bearer {token}");
            assert_eq!(other.verified(), Err(AuthError::Mismatch), "{token}");
        }
    }
}
