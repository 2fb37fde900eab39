//! Clients that disconnect early, and a daemon that stops while clients post.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::daemon::{self, Server};
use crate::support::http::{self, Connection, FORM};
use crate::support::messages::assemble;
use crate::support::{Daemon, Spool, wait_for};

const TO: &str = "+12025550160";

/// A text that needs two call files.
fn text(from: &str) -> String {
    format!("{from} {}", "x".repeat(1500))
}

/// A connection that sends RST when it is dropped.
fn connect_with_reset(address: std::net::SocketAddr) -> std::net::TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let stream = runtime
        .block_on(tokio::net::TcpStream::connect(address))
        .unwrap();
    stream.set_zero_linger().unwrap();
    let stream = {
        let _inside = runtime.enter();
        stream.into_std().unwrap()
    };
    stream.set_nonblocking(false).unwrap();
    stream
}

#[test]
fn message_of_a_client_that_resets_is_complete_or_not_stored() {
    let daemon = Daemon::start("");
    let sent: BTreeSet<_> = thread::scope(|scope| {
        let clients: Vec<_> = (0..200)
            .map(|number| {
                let daemon = &daemon;
                scope.spawn(move || {
                    let from = format!("+1{number:06}");
                    let form = http::message(TO, &from, &text(&from));
                    let request = http::request("POST", "/", &[FORM], &form);
                    let mut stream = connect_with_reset(daemon.address);
                    // Every other client does not send the last byte.
                    let length = request.len() - number % 2;
                    stream.write_all(&request[..length]).unwrap();
                    if number % 4 == 0 {
                        // The response has arrived, but is not read.
                        stream.peek(&mut [0]).unwrap();
                    }
                    drop(stream);
                    (number % 2 == 0).then(|| text(&from))
                })
            })
            .collect();
        clients
            .into_iter()
            .filter_map(|client| client.join().unwrap())
            .collect()
    });
    let last = daemon.send(TO, "+1999", "last");
    assert_eq!(last.status, 200);
    daemon.spool.drain();
    // Requests in progress are finished before the daemon stops.
    daemon.signal(Signal::SIGTERM);
    daemon.wait_for_log("stopped");
    let arrived = assemble(&daemon.spool.all()).unwrap();
    let texts: BTreeSet<_> = arrived.iter().map(|message| message.text.clone()).collect();
    assert_eq!(arrived.len(), texts.len(), "no duplicates");
    assert!(texts.contains("last"));
    assert!(texts.len() > 20, "only {} were stored", texts.len());
    let mut unsent = texts.difference(&sent).filter(|text| *text != "last");
    assert_eq!(unsent.next(), None, "stored, but sent only in part");
    let (status, log) = daemon.wait();
    assert!(status.success(), "{log}");
}

/// A provider that did not get its response posts the message again.
#[test]
fn message_posted_again_after_a_reset_arrives_once() {
    const COUNT: usize = 100;
    let daemon = Daemon::start("[websmsd]\nkey_id = id\n");
    let form = |number: usize| {
        let from = format!("+1{number:06}");
        let mut form = http::message(TO, &from, &text(&from));
        form.extend(format!("&id=m{number}").bytes());
        form
    };
    thread::scope(|scope| {
        for number in 0..COUNT {
            let (daemon, form) = (&daemon, &form);
            scope.spawn(move || {
                let request = http::request("POST", "/", &[FORM], &form(number));
                let mut stream = connect_with_reset(daemon.address);
                stream.write_all(&request).unwrap();
            });
        }
    });
    for number in 0..COUNT {
        let response = daemon.post("/", &[FORM], &form(number));
        assert_eq!(response.status, 200, "{number}");
    }
    daemon.spool.drain();
    let arrived = assemble(&daemon.spool.all()).unwrap();
    let texts: BTreeSet<_> = arrived.iter().map(|message| message.text.clone()).collect();
    assert_eq!((arrived.len(), texts.len()), (COUNT, COUNT));
}

#[test]
fn daemon_stopped_under_load_loses_no_acknowledged_message() {
    let spool = Spool::new();
    let server = Server::run(daemon::command(&spool.configure("")));
    let address = server.address;
    let acknowledged = Mutex::new(BTreeSet::new());
    let unanswered = AtomicUsize::new(0);
    let count = || acknowledged.lock().unwrap().len();
    let (took, (status, log)) = thread::scope(|scope| {
        for client in 0..32 {
            let (acknowledged, unanswered) = (&acknowledged, &unanswered);
            scope.spawn(move || {
                let mut connection = Connection::new(address);
                for number in 0.. {
                    let from = format!("+1{client:02}{number:06}");
                    let text = text(&from);
                    match connection.post(&http::message(TO, &from, &text)) {
                        200 => acknowledged.lock().unwrap().insert(text),
                        0 => {
                            unanswered.fetch_add(1, Ordering::Relaxed);
                            return;
                        }
                        other => panic!("{other}"),
                    };
                }
            });
        }
        wait_for("200 messages", || (count() > 200).then_some(()));
        let start = Instant::now();
        let ended = server.stop();
        (start.elapsed(), ended)
    });
    assert!(status.success(), "{log}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    let acknowledged = acknowledged.into_inner().unwrap();
    let arrived = assemble(&spool.all()).unwrap();
    let texts: BTreeSet<_> = arrived.iter().map(|message| message.text.clone()).collect();
    assert!(texts.is_superset(&acknowledged), "acknowledged but lost");
    // The daemon stopped before it could answer these.
    let more = texts.len() - acknowledged.len();
    assert!(more <= unanswered.load(Ordering::Relaxed), "{more}");
    println!(
        "{} acknowledged, {more} more stored, {took:?}",
        acknowledged.len()
    );
}
