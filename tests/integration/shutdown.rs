//! Signals to the daemon, and one deadline for everything that it has in progress.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use nix::sys::signal::Signal;

use crate::support::agi::AgiCall;
use crate::support::http::{self, Connection, FORM, request};
use crate::support::{Answer, Daemon, PATIENCE, Provider, Spool, wait_for};

const OURS: &str = "+12025550160";
const REMOTE: &str = "+12025550183";

/// Less than webhooks have at most, so that it bounds them, too.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);

/// A daemon with an interface that sends from the outbox and one that sends at
/// once, and its `FastAGI` address.
fn daemon(provider: &Provider) -> (Daemon, SocketAddr) {
    let spool = Spool::new();
    let config = format!(
        "[websms]\nhost = {}\ntimeout = 60\noutboxdir = {}\nauth_user = id\nauth_passwd = secret\n\
         delivery [queue] = queue\ndelivery [direct] = direct\n\
         [websmsd]\nagi_listen = 127.0.0.1:0\nshutdown_timeout = {}\n{}",
        provider.url(),
        spool.path().join("outbox").display(),
        SHUTDOWN_TIMEOUT.as_secs(),
        spool.section()
    );
    let daemon = Daemon::with(spool, &config);
    let address = daemon.logged_address("FastAGI listening");
    (daemon, address)
}

/// Begins the AGI call of a message to a number, by an interface.
fn agi_call(address: SocketAddr, to: &str, index: &str) -> AgiCall {
    let [from, body] = [OURS, "x"].map(|argument| BASE64_STANDARD.encode(argument));
    AgiCall::begin(address, "websms", &[to, &from, &body, index, "base64"])
}

/// The value of `id=` in a line of the log.
fn id(line: &str) -> String {
    let (_, rest) = line.split_once("id=").unwrap();
    rest.split_whitespace().next().unwrap().to_owned()
}

#[test]
fn everything_in_progress_shares_one_deadline() {
    let provider = Provider::answering(Answer::Silence);
    let (daemon, agi) = daemon(&provider);
    for to in ["+12025550183", "+12025550184"] {
        let commands = agi_call(agi, to, "queue").commands();
        assert_eq!(commands[0], "SET VARIABLE WEBSMS_STATUS \"QUEUED\"");
    }
    let direct = agi_call(agi, REMOTE, "direct");
    let mut webhook = http::connect(daemon.address);
    let raw = request("POST", "/", &[FORM], &http::message(OURS, REMOTE, "half"));
    webhook.write_all(&raw[..raw.len() - 1]).unwrap();
    provider.wait_for(3);
    let direct = std::thread::spawn(move || direct.commands());
    let start = Instant::now();
    let (status, log) = daemon.stop();
    let took = start.elapsed();
    assert!(status.success(), "{log}");
    let limit = SHUTDOWN_TIMEOUT + Duration::from_millis(500);
    assert!(took < limit, "{took:?}\n{log}");
    assert!(took >= SHUTDOWN_TIMEOUT, "ended early: {took:?}");
    // The dialplan still gets a status.
    let commands = direct.join().unwrap();
    assert_eq!(
        commands[0], "SET VARIABLE WEBSMS_STATUS \"UNKNOWN\"",
        "{commands:?}"
    );
    // Each interrupted message is logged.
    let interrupted: Vec<_> = log
        .lines()
        .filter(|line| line.contains("message interrupted by shutdown"))
        .map(id)
        .collect();
    assert_eq!(interrupted.len(), 3, "{log}");
    assert!(
        interrupted.iter().any(|id| commands[1].contains(id)),
        "{commands:?}"
    );
    assert!(log.contains("request cut off by shutdown"), "{log}");
}

#[test]
fn second_signal_ends_at_once() {
    let provider = Provider::answering(Answer::Silence);
    let (daemon, agi) = daemon(&provider);
    let _call = agi_call(agi, REMOTE, "direct");
    provider.wait_for(1);
    daemon.signal(Signal::SIGTERM);
    daemon.wait_for_log("stopping");
    let start = Instant::now();
    let (status, log) = daemon.stop();
    assert!(status.success(), "{log}");
    assert!(start.elapsed() < SHUTDOWN_TIMEOUT / 2, "{log}");
    assert!(log.contains("ending at once signal=\"SIGTERM\""), "{log}");
}

#[test]
fn hangup_is_logged_and_ignored() {
    let daemon = Daemon::start("");
    daemon.signal(Signal::SIGHUP);
    let line = daemon.wait_for_log("SIGHUP ignored");
    assert!(
        line.contains("WARN") && line.contains("restart websmsd"),
        "{line}"
    );
    assert_eq!(daemon.send(OURS, REMOTE, "x").status, 200);
    daemon.signal(Signal::SIGTERM);
    daemon.wait_for_log("stopping");
    daemon.signal(Signal::SIGHUP);
    let (status, log) = daemon.wait();
    assert!(status.success(), "{log}");
}

#[test]
fn first_line_of_the_log_names_the_version() {
    let daemon = Daemon::start("");
    let log = wait_for("a line", || {
        Some(daemon.log()).filter(|log| !log.is_empty())
    });
    let version = format!("starting version=\"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(log.lines().next().unwrap().contains(&version), "{log}");
}

/// Providers post while `websmsd` is restarted: what is established is answered, and
/// nothing else is let in. No connection is reset.
#[test]
fn no_request_is_cut_off_by_a_restart() {
    for _ in 0..5 {
        let daemon = Daemon::start("");
        let address = daemon.address;
        let (posting, started) = mpsc::channel();
        let clients: Vec<_> = (0..8)
            .map(|_| {
                let posting = posting.clone();
                std::thread::spawn(move || post_until_refused(address, &posting))
            })
            .collect();
        for _ in &clients {
            started.recv_timeout(PATIENCE).unwrap();
        }
        let (status, log) = daemon.stop();
        assert!(status.success(), "{log}");
        let posted = clients.into_iter().map(|client| client.join().unwrap());
        let posted: usize = posted.sum();
        assert_eq!(log.matches("message accepted").count(), posted);
    }
}

/// Posts on a connection until it is told that the response was the last one, then on
/// the next one, until there is none. Returns how many were accepted.
fn post_until_refused(address: SocketAddr, posting: &mpsc::Sender<()>) -> usize {
    let mut posted = 0;
    while let Ok(mut connection) = Connection::open(address) {
        loop {
            let response = connection.exchange(&http::message(OURS, REMOTE, "x"));
            assert_eq!(response.status, 200, "{response:?}");
            posted += 1;
            let _ = posting.send(());
            if response
                .headers
                .get("connection")
                .is_some_and(|it| it == "close")
            {
                break;
            }
        }
    }
    posted
}
