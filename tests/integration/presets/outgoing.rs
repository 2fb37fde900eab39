//! Outgoing messages: the requests that they become, and how responses are
//! understood.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use asterisk_websms::config;
use serde_json::{Map, Value};

use super::for_each_preset;
use crate::support::golden::{Golden, ProviderResponse, Request, Send};
use crate::support::outbox::Outbox;
use crate::support::provider::Recorded;
use crate::support::websms::variables;
use crate::support::{Answer, Daemon, Provider, Spool, Websms, callfile};

/// Headers that the HTTP client sends to every provider.
const CLIENT_HEADERS: [&str; 4] = ["accept", "content-length", "host", "user-agent"];

#[test]
fn message_becomes_the_request_that_the_provider_wants() {
    for_each_preset(|name, golden| {
        for (number, send) in golden.send.iter().enumerate() {
            let case = format!("{name}, send {number}");
            let config = golden.websms(name, &[]);
            let parsed = config::parse(Path::new("websms.conf"), &config, &|_, _| Ok(None));
            let (config, _) = parsed.unwrap_or_else(|report| panic!("{case}: {report}"));
            let host = config.outgoing[0].host.as_str().trim_end_matches('/');
            assert_eq!(host, send.host, "{case}");
            let provider = Provider::answering(Answer::ok());
            let config = golden.websms(name, &[("host", &provider.url())]);
            Websms::configured(&config).run(&[&send.to, &send.from, &send.text]);
            let requests = provider.requests();
            assert_eq!(requests.len(), 1, "{case}");
            compare(&requests[0], &send.request, &case);
        }
    });
}

/// Asserts that a request is the expected one and has nothing else.
pub(super) fn compare(request: &Recorded, expected: &Request, case: &str) {
    assert_eq!(request.method, expected.method, "{case}");
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    if let Some(fields) = &expected.query {
        assert_eq!(path, expected.target, "{case}");
        assert_eq!(decoded(query), pairs(fields), "{case}");
    } else {
        assert_eq!(request.path, expected.target, "{case}");
    }
    if let Some(fields) = &expected.form {
        assert_eq!(decoded(&request.body), pairs(fields), "{case}");
    } else if let Some(json) = &expected.json {
        let body: Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!(&body, json, "{case}");
    } else if let Some(fields) = &expected.multipart {
        assert_eq!(parts(request), pairs(fields), "{case}");
    } else {
        assert!(
            expected.query.is_some() && request.body.is_empty(),
            "{case}"
        );
    }
    let mut headers: BTreeMap<_, _> = request.headers.clone().into_iter().collect();
    headers.retain(|name, _| !CLIENT_HEADERS.contains(&name.as_str()));
    if expected.multipart.is_some()
        && let Some(content_type) = headers.get_mut("content-type")
        && let Some((media_type, _)) = content_type.split_once(';')
    {
        // The boundary is different each time.
        *content_type = media_type.to_owned();
    }
    assert_eq!(headers, expected.headers, "{case}");
}

/// The fields of a form or query, sorted.
fn decoded(form: &str) -> Vec<(String, String)> {
    let mut pairs: Vec<_> = form_urlencoded::parse(form.as_bytes())
        .into_owned()
        .collect();
    pairs.sort();
    pairs
}

/// The fields of a multipart body, sorted.
fn parts(request: &Recorded) -> Vec<(String, String)> {
    let (_, boundary) = request.headers["content-type"]
        .split_once("boundary=")
        .unwrap();
    let boundary = format!("--{boundary}");
    let mut parts = request.body.split(&boundary);
    assert_eq!(parts.next(), Some(""));
    let mut pairs = Vec::new();
    for part in parts.by_ref().take_while(|part| *part != "--\r\n") {
        let (head, value) = part.split_once("\r\n\r\n").unwrap();
        let (_, name) = head.split_once("name=\"").unwrap();
        let (name, _) = name.split_once('"').unwrap();
        pairs.push((
            name.to_owned(),
            value.strip_suffix("\r\n").unwrap().to_owned(),
        ));
    }
    assert_eq!(parts.next(), None);
    pairs.sort();
    pairs
}

/// The fields of the golden data, sorted; a list is a repeated field.
fn pairs(fields: &Map<String, Value>) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for (name, value) in fields {
        let values = value
            .as_array()
            .map_or(std::slice::from_ref(value), Vec::as_slice);
        for value in values {
            pairs.push((name.clone(), value.as_str().unwrap().to_owned()));
        }
    }
    pairs.sort();
    pairs
}

#[test]
fn response_decides_the_status() {
    for_each_preset(|name, golden| {
        for (number, answer) in golden.answers.iter().enumerate() {
            let case = format!("{name}, answer {number}");
            let provider = Provider::answering(http_answer(answer, answer.body.clone()));
            let config = golden.websms(name, &[("host", &provider.url())]);
            let Send { to, from, text, .. } = &golden.send[0];
            let output = Websms::configured(&config)
                .under_agi()
                .run(&[to, from, text]);
            let variables = variables(&output.stdout);
            assert_eq!(
                variables["WEBSMS_STATUS"], answer.outcome,
                "{case}: {variables:?}"
            );
            let status = match answer.outcome.as_str() {
                "SENT" => 0,
                "FAILED" => 69,
                "UNKNOWN" => 75,
                "REJECTED" => 76,
                other => panic!("{case}: {other}"),
            };
            assert_eq!(output.status.code(), Some(status), "{case}");
            assert_eq!(provider.requests().len(), 1, "{case}");
        }
    });
}

#[test]
fn refusal_is_explained_to_the_sender() {
    for_each_preset(|name, golden| {
        let queue = Queue::new(name, golden);
        let send = &golden.send[0];
        let mut explained = 0;
        for (number, answer) in golden.answers.iter().enumerate() {
            let Some(reason) = &answer.reason else {
                continue;
            };
            let case = format!("{name}, answer {number}");
            let http = http_answer(answer, answer.body.clone());
            assert!(queue.send(send, http, &case).is_none(), "{case}");
            explained += 1;
            let files = queue.daemon.spool.wait_for(explained);
            let (to, from, text) = callfile::read(&files[explained - 1]);
            assert_eq!((to, from), (send.from.clone(), send.to.clone()), "{case}");
            let expected = format!("Not delivered to {}: {reason}", send.to);
            assert_eq!(text, expected, "{case}");
        }
        assert!(explained > 0, "{name}: no refusal is explained");
    });
}

pub(super) fn http_answer(answer: &ProviderResponse, body: String) -> Answer {
    let content_type = Box::leak(answer.content_type.clone().into_boxed_str());
    Answer::Http(answer.status, content_type, body)
}

#[test]
fn id_is_read_from_the_response() {
    for_each_preset(|name, golden| {
        let queue = Queue::new(name, golden);
        for (number, answer) in golden.answers.iter().enumerate() {
            if answer.outcome == "SENT" {
                let case = format!("{name}, answer {number}");
                let http = http_answer(answer, answer.body.clone());
                let kept = queue.send(&golden.send[0], http, &case);
                let id = kept.as_ref().and_then(|sent| sent["provider_id"].as_str());
                assert_eq!(id, answer.provider_id.as_deref(), "{case}");
            }
        }
    });
}

/// A daemon that sends waiting messages to a provider whose next response is set.
pub(super) struct Queue {
    pub(super) daemon: Daemon,
    websms: Websms,
    answer: Arc<Mutex<Answer>>,
}

impl Queue {
    pub(super) fn new(name: &str, golden: &Golden) -> Self {
        let answer = Arc::new(Mutex::new(Answer::ok()));
        let next = Arc::clone(&answer);
        let provider = Provider::deciding(move |_| next.lock().unwrap().clone());
        let spool = Spool::new();
        let (host, outbox) = (provider.url(), spool.path().join("outbox"));
        let outbox = outbox.display().to_string();
        let more = [
            ("host", host.as_str()),
            ("outboxdir", &outbox),
            ("delivery", "queue"),
        ];
        let config = golden.websms(name, &more) + &golden.websmsd(name) + &spool.section();
        Self {
            daemon: Daemon::with(spool, &config),
            websms: Websms::configured(&config).under_agi(),
            answer,
        }
    }

    fn outbox(&self) -> Outbox {
        Outbox::at(self.daemon.spool.path().join("outbox"))
    }

    /// Sends a message, which the provider answers with `answer`. Returns the record
    /// that waits for its receipt.
    pub(super) fn send(&self, send: &Send, answer: Answer, case: &str) -> Option<Value> {
        *self.answer.lock().unwrap() = answer;
        let output = self.websms.run(&[&send.to, &send.from, &send.text]);
        let variables = variables(&output.stdout);
        assert_eq!(variables["WEBSMS_STATUS"], "QUEUED", "{case}");
        self.outbox().wait_until_empty();
        self.kept()
            .into_iter()
            .find(|sent| sent["id"] == *variables["WEBSMS_ID"])
    }

    /// The records of sent messages, which wait for their receipts.
    pub(super) fn kept(&self) -> Vec<Value> {
        let files = self.outbox().files("sent");
        let read = |path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        files.into_iter().map(read).collect()
    }
}
