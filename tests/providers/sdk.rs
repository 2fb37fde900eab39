//! The providers' SDKs, behind `tests/sdk/sign.py`.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::support::Daemon;
use crate::support::http::{self, Response};

/// The URL at which the provider reaches `websmsd`.
pub(crate) const HOST: &str = "https://sms.example.com";

/// The running program `tests/sdk/sign.py`.
pub(crate) struct Sdk {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// A request as the provider sends it.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Sdk {
    pub(crate) fn start() -> Self {
        let python = std::env::var_os("WEBSMS_SDK_PYTHON").expect(
            "WEBSMS_SDK_PYTHON must name a Python that has the SDKs; \
             run `tests/run providers`",
        );
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sdk/sign.py");
        let mut child = Command::new(python)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            questions: child.stdin.take().unwrap(),
            answers: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    /// Asks the program; returns its answer.
    pub(crate) fn ask(&mut self, question: &Value) -> Value {
        writeln!(self.questions, "{question}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).expect("sign.py has ended");
        assert!(answer.get("error").is_none(), "{question}: {answer}");
        answer
    }

    /// A signed request. Asserts that the SDK accepts it itself, if it can verify.
    pub(crate) fn sign(&mut self, question: &Value) -> Request {
        let answer = self.ask(question);
        assert_ne!(answer["verified"], false, "{question}: {answer}");
        let url = answer["url"].as_str().unwrap();
        let headers = answer["headers"].as_object().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Request {
            method: question["method"].as_str().unwrap_or("POST").to_owned(),
            target: url.strip_prefix(HOST).unwrap().to_owned(),
            headers: headers
                .iter()
                .map(|(name, value)| (name.clone(), text(value)))
                .collect(),
            body: text(&answer["body"]).into_bytes(),
        }
    }
}

impl Drop for Sdk {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Request {
    /// Posts it to a daemon.
    pub(crate) fn post(&self, daemon: &Daemon) -> Response {
        let headers = self.headers.iter();
        let headers: Vec<_> = headers
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let request = http::request(&self.method, &self.target, &headers, &self.body);
        daemon.request(&request)
    }

    /// A header, by a part of its name in lower case.
    pub(crate) fn header(&mut self, part: &str) -> &mut String {
        let mut headers = self.headers.iter_mut();
        let found = headers.find(|(name, _)| name.to_ascii_lowercase().contains(part));
        &mut found.expect(part).1
    }
}

/// A daemon with these keys of `[websmsd]`.
pub(crate) fn daemon(keys: &[(&str, &str)]) -> Daemon {
    let mut all = vec![("request_uri", "/in"), ("public_url", HOST)];
    all.extend_from_slice(keys);
    Daemon::start(&crate::support::section("websmsd", &all))
}
