//! Calls of `websms` without a process: what Asterisk says and is told.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::support::daemon::command;
use crate::support::{Answer, Daemon, PATIENCE, Provider, Spool, wait_for};

const THEIRS: &str = "+12025550183";
const JOHN: &str = "+12025550160";

/// A daemon that takes calls, with an account at the provider and these keys.
fn taking(provider: &Provider, more: &str) -> (Daemon, SocketAddr) {
    let spool = Spool::new();
    let config = format!(
        "[websms]\nhost = {}\nauth_user = id\nauth_passwd = secret\noutboxdir = {}\n{more}\n\
         [websmsd]\nagi_listen = 127.0.0.1:0\n{}",
        provider.url(),
        spool.path().join("outbox").display(),
        spool.section()
    );
    let daemon = Daemon::with(spool, &config);
    let line = daemon.wait_for_log("FastAGI listening");
    let (_, address) = line.rsplit_once("address=").unwrap();
    let address = address.trim().parse().unwrap();
    (daemon, address)
}

/// Says what Asterisk says, with these lines for the arguments, and answers
/// each command; what the dialplan is told.
fn say(address: SocketAddr, arguments: &str) -> HashMap<String, String> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let said = format!(
        "agi_network: yes\nagi_network_script: websms\nagi_request: agi://127.0.0.1/websms\n\
         agi_channel: Message/ast_msg_queue\nagi_callerid: unknown\nagi_enhanced: 0.0\n\
         agi_accountcode: \nagi_threadid: 1\n{arguments}\n"
    );
    stream.write_all(said.as_bytes()).unwrap();
    let mut told = HashMap::new();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    while reader.read_line(&mut line).unwrap() > 0 {
        // Asterisk would not see a second one before it has answered.
        assert!(reader.buffer().is_empty(), "more than one command");
        let rest = line.trim().strip_prefix("SET VARIABLE ").unwrap();
        let (name, value) = rest.split_once(' ').unwrap();
        told.insert(name.to_owned(), value.trim_matches('"').to_owned());
        line.clear();
        stream.write_all(b"200 result=1\n").unwrap();
    }
    told
}

fn call(address: SocketAddr, arguments: &[&str]) -> HashMap<String, String> {
    let mut lines = String::new();
    for (number, argument) in (1..).zip(arguments) {
        lines.push_str(&format!("agi_arg_{number}: {argument}\n"));
    }
    say(address, &lines)
}

fn encoded(text: &str) -> String {
    BASE64_STANDARD.encode(text)
}

#[test]
fn call_does_what_the_program_does() {
    let provider = Provider::deciding(|request| match request.parameters()["Body"].as_str() {
        "refused" => Answer::Http(400, "text/plain", "HANGUP\n".to_owned()),
        _ => Answer::ok(),
    });
    for (more, good, bad) in [
        ("delivery = direct", "SENT", "REJECTED"),
        ("delivery = queue\nnotice_failed = \"\"", "QUEUED", "QUEUED"),
    ] {
        let before = provider.requests().len();
        let (_daemon, address) = taking(&provider, more);
        let from = encoded("\"John\" <sip:+12025550160@h>");
        let text = "a \"b\"\r\n\r\nagi_arg_4: x\n";
        let body = encoded(text);
        let told = call(address, &[THEIRS, &from, &body, "", "base64"]);
        assert_eq!(told["WEBSMS_STATUS"], good);
        assert_eq!(told["WEBSMS_ERROR"], "");
        assert_eq!(told["WEBSMS_SEGMENTS"], "1");
        let parameters = provider.wait_for(before + 1)[before].parameters();
        assert_eq!(parameters["Body"], text);
        assert_eq!(parameters["From"], JOHN);
        let refused = encoded("refused");
        let told = call(address, &[THEIRS, &from, &refused, "", "base64-percent"]);
        assert_eq!(told["WEBSMS_STATUS"], bad);
        provider.wait_for(before + 2);
    }
}

#[test]
fn what_is_no_call_is_told_and_nothing_is_sent() {
    let provider = Provider::answering(Answer::ok());
    let (daemon, address) = taking(&provider, "max_segments = 1");
    let (from, body) = (encoded(JOHN), encoded("x"));
    let long = encoded(&"x".repeat(161));
    for (arguments, status, error) in [
        (vec![THEIRS, JOHN, "x"], "REJECTED", "bad arguments"),
        (vec![THEIRS, JOHN, "x", "", ""], "REJECTED", "bad arguments"),
        (
            vec![THEIRS, &from, &body, "nobody", "base64"],
            "FAILED",
            "unknown index",
        ),
        (
            vec![THEIRS, &from, "", "", "base64"],
            "REJECTED",
            "text empty or too long",
        ),
        (
            vec![THEIRS, &from, &long, "", "base64"],
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
    ] {
        let told = call(address, &arguments);
        let got = (
            told["WEBSMS_STATUS"].as_str(),
            told["WEBSMS_ERROR"].as_str(),
        );
        assert_eq!(got, (status, error), "{arguments:?}");
    }
    let line = daemon.wait_for_log("an argument holds a line break");
    assert!(line.contains("ERROR"), "{line}");
    assert!(provider.requests().is_empty());
}

#[test]
fn who_says_nothing_or_too_much_holds_up_nobody() {
    let provider = Provider::answering(Answer::ok());
    let (daemon, address) = taking(&provider, "");
    let idle: Vec<_> = (0..20)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    let mut endless = TcpStream::connect(address).unwrap();
    // It is cut off before it has said all.
    let line = format!("agi_x: {}\n", "x".repeat(1000));
    wait_for("the end of it", || endless.write_all(line.as_bytes()).err());
    let (from, body) = (encoded(JOHN), encoded("x"));
    let told = call(address, &[THEIRS, &from, &body, "", "base64"]);
    assert_eq!(told["WEBSMS_STATUS"], "SENT");
    drop(idle);
    daemon.wait_for_log("FastAGI connection ended early");
}

/// A byte now and then is no sign of life.
#[test]
fn who_says_it_in_small_pieces_is_cut_off() {
    let provider = Provider::answering(Answer::ok());
    let (daemon, address) = taking(&provider, "");
    let begun = Instant::now();
    let mut slow = TcpStream::connect(address).unwrap();
    wait_for("the end of it", || {
        std::thread::sleep(Duration::from_millis(200));
        slow.write_all(b"x").err()
    });
    assert!(begun.elapsed() < Duration::from_secs(15));
    daemon.wait_for_log("FastAGI connection ended early");
}

#[test]
fn port_that_is_taken_is_a_clear_end() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap();
    let spool = Spool::new();
    let config = spool.path().join("websms.conf");
    let text = format!("[websmsd]\nagi_listen = {address}\n{}", spool.section());
    std::fs::write(&config, text).unwrap();
    let output = command(&config).output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("cannot listen at agi_listen"), "{log}");
}
