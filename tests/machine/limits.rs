//! Few file descriptors.

use std::collections::BTreeSet;
use std::io::{BufReader, Write as _};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use crate::support::daemon::Server;
use crate::support::http::{self, FORM};
use crate::support::messages::assemble;
use crate::support::{Spool, program};

const TO: &str = "+12025550160";
const FROM: &str = "+15017122661";

/// The daemon's limit of file descriptors.
const DESCRIPTORS: usize = 64;

fn limited(spool: &Spool) -> Server {
    let mut command = Command::new("prlimit");
    command
        .arg(format!("--nofile={DESCRIPTORS}"))
        .arg(program())
        .args(["websmsd", "--listen", "127.0.0.1:0", "--config"])
        .arg(spool.configure(""))
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Server::run(command)
}

fn request(from: &str, text: &str) -> Vec<u8> {
    http::request("POST", "/", &[FORM], &http::message(TO, from, text))
}

#[test]
fn more_connections_than_descriptors_lose_no_message() {
    let spool = Spool::new();
    let server = limited(&spool);
    // All are open before the first one sends something.
    let connections: Vec<_> = (0..200).map(|_| http::connect(server.address)).collect();
    server.wait_for_log("failed to accept a connection");
    let acknowledged = Mutex::new(BTreeSet::new());
    let refused = Mutex::new(0);
    thread::scope(|scope| {
        for (number, mut stream) in connections.into_iter().enumerate() {
            let (acknowledged, refused) = (&acknowledged, &refused);
            scope.spawn(move || {
                let from = format!("+1{number:06}");
                // Several parts, for some of which a descriptor may be free.
                let text = format!("{from} {}", "x".repeat(2500));
                let _ = stream.write_all(&request(&from, &text));
                match http::read_response(&mut BufReader::new(stream)).status {
                    200 => {
                        acknowledged.lock().unwrap().insert(text);
                    }
                    0 | 503 => *refused.lock().unwrap() += 1,
                    other => panic!("{other} for {from}"),
                }
            });
        }
    });
    assert_eq!(server.send(TO, FROM, "after").status, 200);
    let arrived: Vec<_> = assemble(&spool.drain())
        .unwrap()
        .into_iter()
        .map(|message| message.text)
        .collect();
    let distinct: BTreeSet<_> = arrived.iter().cloned().collect();
    assert_eq!(distinct.len(), arrived.len(), "no message arrived twice");
    let mut acknowledged = acknowledged.into_inner().unwrap();
    let refused = refused.into_inner().unwrap();
    println!("acknowledged {}, refused {refused}", acknowledged.len());
    assert_eq!(acknowledged.len() + refused, 200);
    acknowledged.insert("after".to_owned());
    // Refused messages are not stored.
    assert_eq!(distinct, acknowledged);
}

#[test]
fn request_of_more_files_than_descriptors_is_stored() {
    let spool = Spool::new();
    let server = limited(&spool);
    let text = "x".repeat(65_536);
    assert_eq!(server.send(TO, FROM, &text).status, 200);
    let files = spool.drain();
    assert!(files.len() > DESCRIPTORS);
    assert_eq!(assemble(&files).unwrap()[0].text, text);
}
