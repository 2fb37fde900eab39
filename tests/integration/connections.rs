//! Who gets a connection and keeps it, how a refusal ends it, and how many lines a
//! stranger can write to the log.

use std::io::{BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::support::agi::AgiCall;
use crate::support::daemon::Server;
use crate::support::http::{self, FORM, JSON, Response, kept_request};
use crate::support::{Daemon, Spool, allow_descriptors, wait_for};

const TO: &str = "+12025550160";
const FROM: &str = "+15017122661";

/// Lines of the same kind that a refusal may write, of one moment and the next.
const LINES_MAX: usize = 20;

fn message() -> Vec<u8> {
    http::message(TO, FROM, "x")
}

/// Sends all of a request, reads one response, and whether the connection ends
/// behind it. A reset fails.
fn exchange(address: SocketAddr, raw: &[u8]) -> (Response, bool) {
    let mut stream = http::connect(address);
    stream.write_all(raw).expect("all of the request is read");
    let mut reader = BufReader::new(stream);
    let response = http::read_response(&mut reader);
    let timeout = Duration::from_millis(500);
    reader.get_ref().set_read_timeout(Some(timeout)).unwrap();
    let ended = match reader.read(&mut [0]) {
        Ok(0) => true,
        Ok(_) => panic!("bytes behind the response"),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => false,
        Err(error) => panic!("{error}"),
    };
    (response, ended)
}

fn lines(log: &str, message: &str) -> usize {
    log.lines().filter(|line| line.contains(message)).count()
}

#[test]
fn refusal_ends_the_connection() {
    let daemon = Daemon::start(
        "[websmsd]\nrequest_uri [t] = /token\nauth [t] = token\nauth_place [t] = query:k\n\
         auth_secret [t] = secret\n\
         request_uri [b] = /basic\nauth [b] = basic\nauth_user [b] = u\nauth_secret [b] = s\n\
         request_uri [p] = /plain\nmax_body = 2000\n",
    );
    let message = message();
    let post =
        |target: &str, headers: &[_], body: &[u8]| kept_request("POST", target, headers, body);
    let large = http::message(TO, FROM, &"x".repeat(2000));
    let long = ("X-Long", "x".repeat(20_000));
    for (raw, status) in [
        (post("/plain", &[JSON], b"{"), 400),
        (post("/plain", &[FORM], b"To=1"), 400),
        (post("/basic", &[FORM], &message), 401),
        (post("/token?k=wrong", &[FORM], &message), 403),
        (post("/other", &[FORM], &message), 404),
        (kept_request("GET", "/plain", &[], b""), 405),
        (post("/plain", &[FORM], &large), 413),
        (post("/plain", &[("Content-Type", "x/y")], &message), 415),
        (post("/plain", &[(long.0, &long.1), FORM], b""), 431),
        (b"garbage\r\n\r\n".to_vec(), 400),
    ] {
        let (response, ended) = exchange(daemon.address, &raw);
        assert_eq!(response.status, status);
        assert_eq!(response.headers["connection"], "close", "{status}");
        assert!(ended, "{status}");
    }
    let (response, ended) = exchange(daemon.address, &post("/plain", &[FORM], &message));
    assert_eq!(response.status, 200);
    assert!(!ended && !response.headers.contains_key("connection"));
}

#[test]
fn connection_of_a_proxy_survives_a_refusal_that_has_read_everything() {
    let daemon = Daemon::start(
        "[websmsd]\nproxy_addr = 127.0.0.1\npermit_addr = 192.0.2.0/24\nrequest_uri = /hook\n",
    );
    let message = message();
    let client = |address| ("X-Forwarded-For", address);
    let stream = http::connect(daemon.address);
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    for (headers, body, status) in [
        (vec![client("198.51.100.1")], &b""[..], 403),
        (vec![client("192.0.2.1"), JSON], b"{", 400),
        (vec![client("192.0.2.1"), FORM], &message, 200),
    ] {
        let raw = kept_request("POST", "/hook", &headers, body);
        writer.write_all(&raw).unwrap();
        let response = http::read_response(&mut reader);
        assert_eq!(response.status, status);
        assert!(!response.headers.contains_key("connection"), "{status}");
    }
    // The rest of this body would stand before the next request.
    let raw = kept_request("POST", "/hook", &[client("198.51.100.1"), FORM], &message);
    let (response, ended) = exchange(daemon.address, &raw);
    assert_eq!((response.status, ended), (403, true));
    assert_eq!(response.headers["connection"], "close");
}

/// A client, or a proxy, that sends everything before it reads gets the answer.
#[test]
fn refusal_of_a_large_body_is_readable() {
    let body = vec![b'x'; 1_000_000];
    for (config, target, status) in [
        ("[websmsd]\n", "/", 413),
        ("[websmsd]\nrequest_uri = /hook\n", "/other", 404),
        ("[websmsd]\npermit_addr = 192.0.2.1\n", "/", 403),
        (
            "[websmsd]\nproxy_addr = 127.0.0.1\npermit_addr = 192.0.2.1\n",
            "/",
            403,
        ),
    ] {
        let daemon = Daemon::start(config);
        let raw = kept_request("POST", target, &[FORM], &body);
        let (response, ended) = exchange(daemon.address, &raw);
        assert_eq!((response.status, ended), (status, true), "{config}");
        assert_eq!(response.headers["connection"], "close", "{config}");
    }
}

#[test]
fn stranger_is_answered_before_it_asks() {
    let daemon = Daemon::start("[websmsd]\npermit_addr = 192.0.2.1\nproxy_addr = \"\"\n");
    let stream = http::connect(daemon.address);
    let mut reader = BufReader::new(&stream);
    let response = http::read_response(&mut reader);
    assert_eq!(response.status, 403);
    assert_eq!(response.text(), "Forbidden\n");
    assert_eq!(response.headers["connection"], "close");
    assert_eq!(reader.read(&mut [0]).unwrap(), 0);
    let line = daemon.wait_for_log("connection refused");
    for part in ["WARN", "peer=127.0.0.1", "status=403", "permit_addr"] {
        assert!(line.contains(part), "{line}");
    }
}

#[test]
fn client_behind_a_proxy_has_a_share_of_the_requests() {
    // Every address has this many until a message came from there.
    const SHARE: usize = 32;
    let daemon = Daemon::start("[websmsd]\nproxy_addr = 127.0.0.1\n");
    let message = message();
    let request =
        |client| kept_request("POST", "/", &[("X-Forwarded-For", client), FORM], &message);
    let mut stuck = Vec::new();
    let refused = wait_for("a refusal", || {
        let mut stream = http::connect(daemon.address);
        let raw = request("198.51.100.1");
        stream.write_all(&raw[..raw.len() - 1]).unwrap();
        stuck.push(stream);
        // An answer to another client shows that the daemon has read this head.
        assert_eq!(daemon.request(&request("192.0.2.1")).status, 200);
        (stuck.len() > SHARE).then(|| exchange(daemon.address, &request("198.51.100.1")))
    });
    assert_eq!((refused.0.status, refused.1), (503, true));
    assert!(refused.0.headers.contains_key("retry-after"));
    daemon.wait_for_log("its address has too many connections");
    for stream in &mut stuck[..SHARE] {
        stream.write_all(&message[message.len() - 1..]).unwrap();
        let response = http::read_response(&mut BufReader::new(stream));
        assert_eq!(response.status, 200);
    }
    assert_eq!(daemon.request(&request("198.51.100.1")).status, 200);
}

/// Those that have been silent longest make room, and none of the rest is closed.
#[test]
fn silent_connections_do_not_shut_out_a_message() {
    allow_descriptors(4096);
    let daemon = Daemon::start("[websmsd]\npermit_addr = 127.0.0.1\n");
    let silent: Vec<_> = (0..600).map(|_| http::connect(daemon.address)).collect();
    let started = Instant::now();
    for _ in 0..20 {
        assert_eq!(daemon.send(TO, FROM, "x").status, 200);
    }
    // Each of them would stand for ten seconds.
    assert!(started.elapsed() < Duration::from_secs(8));
    drop(silent);
}

fn silent_then<T>(address: SocketAddr, act: impl FnOnce() -> T) -> (T, Duration) {
    let silent: Vec<_> = (0..100).map(|_| http::connect(address)).collect();
    let started = Instant::now();
    let result = act();
    let took = started.elapsed();
    drop(silent);
    (result, took)
}

#[test]
fn silent_connections_do_not_shut_out_monitoring() {
    let spool = Spool::new();
    let config = format!(
        "[websmsd]\nhealth_listen = 127.0.0.1:0\n{}",
        spool.section()
    );
    let daemon = Daemon::with(spool, &config);
    let address = daemon.logged_address("health endpoint listening");
    let ask = || http::send(address, &http::request("GET", "/", &[], b"")).status;
    let (status, took) = silent_then(address, ask);
    assert_eq!(status, 200);
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn silent_connections_do_not_shut_out_asterisk() {
    let spool = Spool::new();
    let config = format!("[websmsd]\nagi_listen = 127.0.0.1:0\n{}", spool.section());
    let daemon = Daemon::with(spool, &config);
    let address = daemon.logged_address("FastAGI listening");
    let call = || AgiCall::begin(address, "other", &[]).commands();
    let (commands, took) = silent_then(address, call);
    assert_eq!(commands[0], "SET VARIABLE WEBSMS_STATUS \"REJECTED\"");
    assert!(took < Duration::from_secs(2), "{took:?}");
    // Nor do those that are cut off fill the log.
    for _ in 0..500 {
        drop(TcpStream::connect(address).unwrap());
    }
    let last = http::connect(address);
    last.shutdown(Shutdown::Write).unwrap();
    assert_eq!((&last).read(&mut [0]).unwrap_or(0), 0);
    let ended = lines(&daemon.log(), "FastAGI connection ended early");
    assert!((1..=LINES_MAX).contains(&ended), "{ended}");
}

#[test]
fn unreadable_requests_are_logged_within_bounds() {
    let daemon = Daemon::start("");
    let raw = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nPOST / HTTP/1.1\r\n\r\n";
    for _ in 0..500 {
        assert_eq!(daemon.request(raw).status, 400);
    }
    let line = daemon.wait_for_log("unreadable request refused");
    for part in ["WARN", "peer=127.0.0.1", "PROXY protocol"] {
        assert!(line.contains(part), "{line}");
    }
    let lines = lines(&daemon.log(), "unreadable request refused");
    assert!(lines <= LINES_MAX, "{lines}");
}

/// Posts this many, all of which are refused.
fn flood(daemon: &Server, count: usize, status: u16) {
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..count / 8 {
                    assert_eq!(daemon.send(TO, FROM, "x").status, status);
                }
            });
        }
    });
}

#[test]
fn messages_that_cannot_be_stored_are_logged_within_bounds() {
    let spool = Spool::new();
    let config = format!("{}max_waiting = 1\n", spool.section());
    let daemon = Daemon::with(spool, &config);
    wait_for("max_waiting", || {
        (daemon.send(TO, FROM, "x").status == 503).then_some(())
    });
    let started = Instant::now();
    flood(&daemon, 5000, 503);
    // Another kind of refusal is logged all the same.
    assert_eq!(daemon.get("/").status, 405);
    daemon.wait_for_log("status=405");
    let log = daemon.log();
    let stored = lines(&log, "message not stored");
    let periods = 1 + usize::try_from(started.elapsed().as_secs()).unwrap() / 10;
    assert!((1..=periods * LINES_MAX).contains(&stored), "{stored}");
    assert!(log.lines().count() < 200, "{log}");
}
