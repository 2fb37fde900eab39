//! A stand-in provider that records requests and answers as the test decides.

use std::collections::HashMap;
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::{PATIENCE, http, wait_for};

/// The reaction to a request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// A response with this status, content type and body.
    Http(u16, &'static str, String),
    /// These bytes; then the connection is closed.
    Raw(Vec<u8>),
    /// These bytes again and again, until the client stops reading.
    Endless(Vec<u8>),
    /// No response; the connection stays open until the client closes it.
    Silence,
    /// No response; the connection is closed.
    HangUp,
}

impl Answer {
    pub(crate) fn ok() -> Self {
        Self::Http(200, "application/json", "{}".to_owned())
    }
}

/// A request as received.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    pub(crate) method: String,
    /// With the query.
    pub(crate) path: String,
    /// By name in lower case.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) header_lines: Vec<String>,
    pub(crate) body: String,
}

impl Recorded {
    /// The parameters of the form by name; of a repeated name, the last one.
    pub(crate) fn parameters(&self) -> HashMap<String, String> {
        form_urlencoded::parse(self.body.as_bytes())
            .into_owned()
            .collect()
    }
}

/// A server that listens until the test ends.
pub(crate) struct Provider {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<Recorded>>>,
}

impl Provider {
    /// Answers every request with `answer`.
    pub(crate) fn answering(answer: Answer) -> Self {
        Self::deciding(move |_| answer.clone())
    }

    /// Answers each request with the result of `decide`.
    pub(crate) fn deciding(decide: impl Fn(&Recorded) -> Answer + Send + Sync + 'static) -> Self {
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::listening(anywhere, decide)
    }

    /// Answers each request from a state, which the test can see and change.
    pub(crate) fn with_state<S: Send + 'static>(
        state: S,
        answer: impl Fn(&mut S, &Recorded) -> Answer + Send + Sync + 'static,
    ) -> (Self, Arc<Mutex<S>>) {
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        let provider = Self::deciding(move |request| answer(&mut shared.lock().unwrap(), request));
        (provider, state)
    }

    /// As [`Self::deciding`], at this address.
    pub(crate) fn listening(
        address: SocketAddr,
        decide: impl Fn(&Recorded) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let decide = Arc::new(decide);
        let record = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (decide, record) = (Arc::clone(&decide), Arc::clone(&record));
                std::thread::spawn(move || serve(stream, decide.as_ref(), &record));
            }
        });
        Self { address, requests }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.requests.lock().unwrap().clone()
    }

    /// Waits for at least `count` requests and returns all.
    pub(crate) fn wait_for(&self, count: usize) -> Vec<Recorded> {
        wait_for(&format!("{count} requests"), || {
            let requests = self.requests();
            (requests.len() >= count).then_some(requests)
        })
    }
}

fn serve(stream: TcpStream, decide: &dyn Fn(&Recorded) -> Answer, record: &Mutex<Vec<Recorded>>) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        record.lock().unwrap().push(request.clone());
        let written = match decide(&request) {
            Answer::Http(status, content_type, body) => writer.write_all(
                format!(
                    "HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\n\
                     Content-Length: {}\r\n\r\n{body}",
                    body.len()
                )
                .as_bytes(),
            ),
            Answer::Raw(bytes) => {
                let _ = writer.write_all(&bytes);
                return;
            }
            Answer::Endless(bytes) => loop {
                if writer.write_all(&bytes).is_err() {
                    return;
                }
            },
            Answer::Silence => {
                let _ = reader.read(&mut [0]);
                return;
            }
            Answer::HangUp => return,
        };
        if written.is_err() {
            return;
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Recorded> {
    let (mut lines, headers) = http::read_headers(reader);
    if lines.is_empty() {
        return None;
    }
    let first = lines.remove(0);
    let mut words = first.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let length = headers
        .get("content-length")
        .map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Recorded {
        method,
        path,
        headers,
        header_lines: lines,
        body: String::from_utf8(body).expect("a form is ASCII"),
    })
}
