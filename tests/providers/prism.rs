//! Prism, a mock server that validates requests against an `OpenAPI` description.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::http::{self, Response};
use crate::support::provider::Recorded;
use crate::support::{Answer, Provider};

/// A running mock. It is killed when dropped.
pub(crate) struct Prism {
    child: Child,
    address: SocketAddr,
    _directory: TempDir,
}

/// The description with this file name. `None`, with a note on stderr, if the file
/// does not exist.
pub(crate) fn description(name: &str) -> Option<Value> {
    let default = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/specs"));
    let directory = std::env::var_os("WEBSMS_SPECS").map_or(default, PathBuf::from);
    let path = directory.join(name);
    if !path.is_file() {
        // Not by a macro, whose output the test harness captures.
        let note = format!(
            "not tested: {} does not exist (WEBSMS_SPECS)\n",
            path.display()
        );
        std::io::stderr().write_all(note.as_bytes()).unwrap();
        return None;
    }
    let json = match path.extension().and_then(OsStr::to_str) {
        Some("yaml") => json_of(&path),
        _ => std::fs::read(path).unwrap(),
    };
    Some(serde_json::from_slice(&json).unwrap())
}

/// Converts YAML to JSON.
fn json_of(path: &Path) -> Vec<u8> {
    let python = std::env::var_os("WEBSMS_SDK_PYTHON")
        .expect("WEBSMS_SDK_PYTHON must name a Python; run `tests/run providers`");
    let output = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sdk/json_of.py"))
        .arg(path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

impl Prism {
    pub(crate) fn start(description: &Value) -> Self {
        let program = std::env::var_os("WEBSMS_PRISM")
            .expect("WEBSMS_PRISM must name prism; run `tests/run providers`");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("openapi.json");
        std::fs::write(&path, description.to_string()).unwrap();
        let mut child = command(Path::new(&program), &path).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut log = String::new();
        let address = loop {
            let start = log.len();
            let length = stdout.read_line(&mut log).unwrap();
            assert!(length > 0, "prism has ended: {log}");
            let url = log[start..].split_once("listening on http://");
            if let Some((_, address)) = url {
                break address.trim().parse().unwrap();
            }
        };
        // Later output must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        Self {
            child,
            address,
            _directory: directory,
        }
    }

    /// A provider that forwards requests to the mock, and the mock's responses.
    pub(crate) fn provider(&self) -> (Provider, Arc<Mutex<Vec<Response>>>) {
        let address = self.address;
        let responses = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&responses);
        let provider = Provider::deciding(move |request| {
            let response = http::send(address, &raw(request));
            record.lock().unwrap().push(response.clone());
            Answer::Http(response.status, "application/json", response.text())
        });
        (provider, responses)
    }
}

/// The statuses of these responses. Asserts that each one either is `success` and
/// valid, or an error of the mock about the request.
pub(crate) fn statuses(responses: &Mutex<Vec<Response>>, success: u16) -> Vec<u16> {
    let responses = responses.lock().unwrap();
    for response in responses.iter() {
        let shown = response.text();
        let violations = response.headers.get("sl-violations");
        assert_eq!(violations, None, "{shown}");
        let is_refusal = shown.contains("https://stoplight.io/prism/errors#");
        assert_eq!(response.status != success, is_refusal, "{shown}");
    }
    responses.iter().map(|response| response.status).collect()
}

fn command(program: &Path, description: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .args(["mock", "-h", "127.0.0.1", "-p", "0", "--errors"])
        .arg(description)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

/// The bytes of a request, on a connection that is closed afterwards.
fn raw(request: &Recorded) -> Vec<u8> {
    let mut raw = format!("{} {} HTTP/1.1\r\n", request.method, request.path);
    for line in &request.header_lines {
        if !line.to_ascii_lowercase().starts_with("connection:") {
            raw.push_str(&format!("{line}\r\n"));
        }
    }
    raw.push_str("Connection: close\r\n\r\n");
    raw.push_str(&request.body);
    raw.into_bytes()
}

impl Drop for Prism {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
