//! Requests and call files recorded from the PHP WebSMS (`tests/vectors`), case by
//! case, through the real binary. A case that differs from the PHP WebSMS says why.

use serde_json::Value;

use crate::support::http;
use crate::support::{Answer, Daemon, Provider, Spool, Websms, section};

fn cases(file: &str) -> Vec<Value> {
    let path = format!("{}/tests/vectors/{file}", env!("CARGO_MANIFEST_DIR"));
    let document: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    document["cases"].as_array().unwrap().clone()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

#[test]
fn recorded_messages_become_the_recorded_requests() {
    let cases = cases("outgoing.json");
    for case in &cases {
        assert_request(case, &case["websms"]);
        if let names @ Value::Object(_) = &case["websms_first_names"] {
            assert_request(case, names);
        }
    }
    assert_eq!(cases.len(), 62, "all cases were read");
}

fn assert_request(case: &Value, keys: &Value) {
    let name = text(case, "name");
    let answers = &case["provider_answers"];
    let provider = Provider::answering(Answer::Http(
        answers["status"].as_u64().unwrap().try_into().unwrap(),
        Box::leak(text(answers, "content_type").to_owned().into_boxed_str()),
        text(answers, "body").to_owned(),
    ));
    let url = provider.url();
    let pairs: Vec<_> = keys
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, value)| {
            (
                key.as_str(),
                value.as_str().unwrap().replace("{PROVIDER}", &url),
            )
        })
        .collect();
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(key, value)| (*key, value.as_str()))
        .collect();
    let websms = Websms::configured(&section("websms", &pairs));
    let arguments: Vec<_> = case["args"]
        .as_array()
        .unwrap()
        .iter()
        .map(|argument| argument.as_str().unwrap())
        .collect();
    let status = websms.status(&arguments);
    let expect = &case["expect"];
    match &expect["exit"] {
        Value::Number(number) => assert_eq!(Some(i64::from(status)), number.as_i64(), "{name}"),
        _ => assert_ne!(status, 0, "{name}"),
    }
    let requests = provider.requests();
    if expect["sent"] == false {
        assert!(requests.is_empty(), "{name}");
        return;
    }
    assert_eq!(requests.len(), 1, "{name}");
    let request = &requests[0];
    assert_eq!(request.method, text(expect, "method"), "{name}");
    assert_eq!(request.path, text(expect, "path"), "{name}");
    assert_eq!(request.body, text(expect, "body"), "{name}");
    let header = |header: &str| request.headers.get(header).map(String::as_str);
    assert_eq!(
        header("authorization"),
        expect["authorization"].as_str(),
        "{name}"
    );
    assert_eq!(
        header("content-type"),
        expect["content_type"].as_str(),
        "{name}"
    );
}

#[test]
fn recorded_webhooks_become_the_recorded_call_files() {
    let cases = cases("incoming.json");
    for case in &cases {
        assert_call_file(case);
    }
    assert_eq!(cases.len(), 21, "all cases were read");
}

fn assert_call_file(case: &Value) {
    let name = text(case, "name");
    let spool = Spool::new();
    let config = config(&case["conf"], &spool);
    let daemon = Daemon::with(spool, &config);
    let request = &case["request"];
    let headers: Vec<_> = request["headers"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str().unwrap()))
        .collect();
    let raw = http::request(
        text(request, "method"),
        text(request, "path"),
        &headers,
        text(request, "body").as_bytes(),
    );
    let response = daemon.request(&raw);
    let expect = &case["expect"];
    assert_eq!(
        Some(u64::from(response.status)),
        expect["status"].as_u64(),
        "{name}"
    );
    if let Some(body) = expect["body"].as_str() {
        assert_eq!(response.text(), body, "{name}");
    }
    if let Some(call_file) = expect["call_file"].as_str() {
        assert_eq!(daemon.spool.wait_for(1), [call_file], "{name}");
    } else {
        assert!(daemon.spool.is_untouched(), "{name}");
    }
}

fn config(conf: &Value, spool: &Spool) -> String {
    let mut config = String::new();
    for (section, pairs) in conf.as_object().unwrap() {
        config.push_str(&format!("[{section}]\n"));
        for pair in pairs.as_array().unwrap() {
            let value = pair[1]
                .as_str()
                .unwrap()
                .replace("{OUTGOING}", &spool.outgoing().display().to_string())
                .replace("{STAGING}", &spool.staging().display().to_string());
            config.push_str(&format!("{} = \"{value}\"\n", pair[0].as_str().unwrap()));
        }
    }
    config
}
