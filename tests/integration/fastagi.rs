//! `FastAGI`: messages from the dialplan to `websmsd`, without a process each.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::support::agi::AgiCall;
use crate::support::daemon::assert_port_in_use_prevents_start;
use crate::support::websms::variable;
use crate::support::{Answer, Daemon, PATIENCE, Provider, Spool, wait_for};

const REMOTE: &str = "+12025550183";
const JOHN: &str = "+12025550160";

/// A daemon with an interface to the provider and these keys, and its `FastAGI`
/// address.
fn start(provider: &Provider, more: &str) -> (Daemon, SocketAddr) {
    let spool = Spool::new();
    let config = format!(
        "[websms]\nhost = {}\nauth_user = id\nauth_passwd = secret\noutboxdir = {}\n{more}\n\
         [websmsd]\nagi_listen = 127.0.0.1:0\n{}",
        provider.url(),
        spool.path().join("outbox").display(),
        spool.section()
    );
    let daemon = Daemon::with(spool, &config);
    let address = daemon.logged_address("FastAGI listening");
    (daemon, address)
}

/// Makes an AGI call; returns the channel variables that are set.
fn agi_call(address: SocketAddr, arguments: &[&str]) -> HashMap<String, String> {
    let commands = AgiCall::begin(address, "websms", arguments).commands();
    commands.iter().map(|command| variable(command)).collect()
}

fn encoded(text: &str) -> String {
    BASE64_STANDARD.encode(text)
}

#[test]
fn fastagi_sends_and_queues_as_the_program_does() {
    let provider = Provider::deciding(|request| match request.parameters()["Body"].as_str() {
        "refused" => Answer::Http(400, "text/plain", "HANGUP\n".to_owned()),
        _ => Answer::ok(),
    });
    for (more, accepted, refused) in [
        ("delivery = direct", "SENT", "REJECTED"),
        ("delivery = queue\nnotice_failed = \"\"", "QUEUED", "QUEUED"),
    ] {
        let before = provider.requests().len();
        let (_daemon, address) = start(&provider, more);
        let from = encoded("\"John\" <sip:+12025550160@h>");
        let text = "a \"b\"\r\n\r\nagi_arg_4: x\n";
        let body = encoded(text);
        let variables = agi_call(address, &[REMOTE, &from, &body, "", "base64"]);
        assert_eq!(variables["WEBSMS_STATUS"], accepted);
        assert_eq!(variables["WEBSMS_ERROR"], "");
        assert_eq!(variables["WEBSMS_SEGMENTS"], "1");
        let parameters = provider.wait_for(before + 1)[before].parameters();
        assert_eq!(parameters["Body"], text);
        assert_eq!(parameters["From"], JOHN);
        let body = encoded("refused");
        let arguments = [REMOTE, &from, &body, "", "base64-percent"];
        let variables = agi_call(address, &arguments);
        assert_eq!(variables["WEBSMS_STATUS"], refused);
        provider.wait_for(before + 2);
    }
}

#[test]
fn wrong_arguments_set_an_error_and_send_nothing() {
    let provider = Provider::answering(Answer::ok());
    let (daemon, address) = start(&provider, "max_segments = 1");
    let (from, body) = (encoded(JOHN), encoded("x"));
    let long = encoded(&"x".repeat(161));
    for (arguments, status, error) in [
        (vec![REMOTE, JOHN, "x"], "REJECTED", "bad arguments"),
        (vec![REMOTE, JOHN, "x", "", ""], "REJECTED", "bad arguments"),
        (
            vec![REMOTE, &from, &body, "nobody", "base64"],
            "FAILED",
            "unknown index",
        ),
        (
            vec![REMOTE, &from, "", "", "base64"],
            "REJECTED",
            "text empty or too long",
        ),
        (
            vec![REMOTE, &from, &long, "", "base64"],
            "REJECTED",
            "text too long",
        ),
        (
            vec!["", &from, &body, "", "base64"],
            "REJECTED",
            "bad arguments",
        ),
        (
            vec![
                "1\nagi_arg_2: Mg==\nagi_arg_3: eA==",
                &from,
                &body,
                "",
                "base64",
            ],
            "REJECTED",
            "bad arguments",
        ),
        // Without the last argument, and with answers that Asterisk could give.
        (
            vec![
                "1\nagi_arg_2: Mg==\nagi_arg_3: eA==\nagi_arg_4: \nagi_arg_5: base64\n\n\
                 HANGUP\n200 result=1 (00000000000000000000000000000000)",
                &from,
                &body,
                "",
                "base64",
            ],
            "REJECTED",
            "bad arguments",
        ),
    ] {
        let variables = agi_call(address, &arguments);
        assert_eq!(variables["WEBSMS_STATUS"], status, "{arguments:?}");
        assert_eq!(variables["WEBSMS_ERROR"], error, "{arguments:?}");
    }
    let line = daemon.wait_for_log("an argument holds a line break");
    assert!(line.contains("ERROR"), "{line}");
    assert!(provider.requests().is_empty());
}

#[test]
fn idle_and_endless_clients_do_not_delay_others() {
    let provider = Provider::answering(Answer::ok());
    let (daemon, address) = start(&provider, "");
    let idle: Vec<_> = (0..20)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    let mut endless = TcpStream::connect(address).unwrap();
    let line = format!("agi_x: {}\n", "x".repeat(1000));
    wait_for("the connection to be closed", || {
        endless.write_all(line.as_bytes()).err()
    });
    let (from, body) = (encoded(JOHN), encoded("x"));
    let variables = agi_call(address, &[REMOTE, &from, &body, "", "base64"]);
    assert_eq!(variables["WEBSMS_STATUS"], "SENT");
    drop(idle);
    daemon.wait_for_log("FastAGI connection ended early");
}

/// The time limit is for the whole environment, not for each byte.
#[test]
fn slow_client_is_disconnected() {
    let provider = Provider::answering(Answer::ok());
    let (daemon, address) = start(&provider, "");
    let start = Instant::now();
    let mut slow = TcpStream::connect(address).unwrap();
    wait_for("the connection to be closed", || {
        std::thread::sleep(Duration::from_millis(200));
        slow.write_all(b"x").err()
    });
    assert!(start.elapsed() < Duration::from_secs(15));
    daemon.wait_for_log("FastAGI connection ended early");
}

#[test]
fn port_in_use_prevents_the_start() {
    assert_port_in_use_prevents_start("agi_listen");
}

#[test]
fn address_that_is_not_permitted_is_not_answered() {
    let provider = Provider::answering(Answer::ok());
    for (permitted, answered) in [("192.0.2.1", false), ("\"\"", false), ("127.0.0.1", true)] {
        let spool = Spool::new();
        let config = format!(
            "[websms]\nhost = {}\nauth_user = id\n\
             [websmsd]\nagi_listen = 127.0.0.1:0\nagi_permit_addr = {permitted}\n{}",
            provider.url(),
            spool.section()
        );
        let daemon = Daemon::with(spool, &config);
        let address = daemon.logged_address("FastAGI listening");
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let call = "agi_network: yes\nagi_network_script: websms\n\n";
        let _ = stream.write_all(call.as_bytes());
        let mut answer = String::new();
        let _ = BufReader::new(stream).read_line(&mut answer);
        assert_eq!(answer.starts_with("GET FULL"), answered, "{answer}");
        if !answered {
            let line = daemon.wait_for_log("FastAGI connection refused");
            assert!(line.contains("agi_permit_addr of [websmsd]"), "{line}");
        }
    }
    assert!(provider.requests().is_empty());
}
