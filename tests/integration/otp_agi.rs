//! One-time passwords from the dialplan: `websms-otp` as a program and by
//! `FastAGI`, and from a shell.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output};

use crate::support::otp::{PHONE, Passwords, another, codes, last_code, provider};
use crate::support::{Answer, PATIENCE, Provider, program};

/// What the dialplan is told.
fn told(status: &str, left: u32) -> String {
    format!("SET VARIABLE OTP_STATUS \"{status}\"\nSET VARIABLE OTP_LEFT \"{left}\"\n")
}

fn run(passwords: &Passwords, agi: bool, arguments: &[&str]) -> Output {
    let mut command = Command::new(program());
    // As the symlink that Asterisk calls.
    command.arg0("/usr/local/bin/websms-otp");
    command
        .env_clear()
        .env("WEBSMS_CONF", passwords.configured());
    if agi {
        command.env("AST_AGI_DIR", "/x");
    }
    command.args(arguments).output().unwrap()
}

/// As Asterisk calls it; what it is told, and the status.
fn agi(passwords: &Passwords, arguments: &[&str]) -> (String, i32) {
    let output = run(passwords, true, arguments);
    let told = String::from_utf8(output.stdout).unwrap();
    (told, output.status.code().unwrap())
}

#[test]
fn dialplan_is_told_what_became_of_it() {
    let provider = provider();
    let passwords = Passwords::by_sms(&provider, "per_phone = 2");
    let passwords = passwords.where_it_is();
    let number = format!("+{PHONE}");
    assert_eq!(
        agi(&passwords, &["verify", &number, "123456"]),
        (told("NONE", 0), 76)
    );
    assert_eq!(agi(&passwords, &["send", &number]), (told("SENT", 0), 0));
    let code = last_code(&provider);
    let wrong = another(&code);
    assert_eq!(
        agi(&passwords, &["verify", &number, &wrong]),
        (told("WRONG", 2), 76)
    );
    // Nothing was typed.
    assert_eq!(
        agi(&passwords, &["verify", &number, ""]),
        (told("WRONG", 1), 76)
    );
    assert_eq!(
        agi(&passwords, &["verify", &number, &code]),
        (told("VERIFIED", 0), 0)
    );
    assert_eq!(agi(&passwords, &["send", PHONE]), (told("SENT", 0), 0));
    for _ in 0..2 {
        agi(&passwords, &["verify", &number, &wrong]);
    }
    assert_eq!(
        agi(&passwords, &["verify", &number, &wrong]),
        (told("LOCKED", 0), 76)
    );
    assert_eq!(
        agi(&passwords, &["send", &number]),
        (told("LIMITED", 0), 69)
    );
    for odd in [
        "",
        "anonymous",
        "--config=/x",
        "1/../2",
        "12\n34",
        "%",
        "1 2?x=1",
        // What these lead to in a URL is another path.
        ".",
        "..",
        // Longer than a head may be, in a URL.
        &"+\u{e9}".repeat(3000),
    ] {
        assert_eq!(
            agi(&passwords, &["send", odd]),
            (told("REJECTED", 0), 76),
            "{odd:?}"
        );
        let answer = agi(&passwords, &["verify", odd, "1"]);
        assert_eq!(answer, (told("NONE", 0), 76), "{odd:?}");
    }
    assert_eq!(codes(&provider).len(), 2);
    let log = passwords.daemon.log();
    assert!(!log.contains(&code) && !log.contains(PHONE), "{log}");
}

#[test]
fn daemon_that_is_away_or_lets_nobody_in_is_failed() {
    let provider = provider();
    let passwords = Passwords::by_sms(&provider, "client_token = t\n").where_it_is();
    assert_eq!(agi(&passwords, &["send", PHONE]).0, told("SENT", 0));
    let other = std::fs::read_to_string(passwords.configured()).unwrap();
    std::fs::write(
        passwords.configured(),
        other.replace("client_token = t", ""),
    )
    .unwrap();
    let output = run(&passwords, false, &["send", PHONE]);
    assert_eq!(output.status.code(), Some(69));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("refused the request with status 401 Unauthorized (see permit_addr"),
        "{said}"
    );
    let (config, address) = (passwords.configured(), passwords.address);
    let copy = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(copy.path(), std::fs::read(config).unwrap()).unwrap();
    passwords.daemon.stop();
    let mut command = Command::new(program());
    let output = command
        .args(["otp", "--config"])
        .arg(copy.path())
        .args(["verify", PHONE, "1"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(69), "{address}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("reach websmsd at listen of [otp]"), "{said}");
}

/// A number with a comma in it is two arguments. What an earlier call has set must
/// not stay.
#[test]
fn wrong_call_is_failed() {
    let provider = provider();
    let passwords = Passwords::by_sms(&provider, "").where_it_is();
    for wrong in [
        &["verify", PHONE, "1", "2"][..],
        &["verify", PHONE],
        &["send", PHONE, "1"],
        &["send"],
        &["setup"],
        &["setup", "--token", "env:X"],
        &["--help"],
        &[],
    ] {
        assert_eq!(agi(&passwords, wrong), (told("FAILED", 0), 64), "{wrong:?}");
    }
    assert!(codes(&provider).is_empty());
}

/// Calls that are still made while a provider is silent, all to one phone, do not
/// wait for each other until no call of any kind finds a place.
#[test]
fn one_phone_does_not_keep_all_places_while_the_provider_is_silent() {
    const PLACES: usize = 64;
    let provider = Provider::answering(Answer::Silence);
    let before = format!(
        "[websms]\nhost = {}\nauth_user = id\nauth_passwd = s\ntimeout = 12\n\
         [websmsd]\nagi_listen = 127.0.0.1:0\n",
        provider.url()
    );
    let sms = "channel = sms\nsms_from = +12025550160\nsms_text = {code} is it\n";
    let passwords = Passwords::start(&before, sms);
    let line = passwords.daemon.wait_for_log("FastAGI listening");
    let (_, address) = line.rsplit_once("address=").unwrap();
    let address = address.trim().parse().unwrap();
    std::thread::scope(|scope| {
        let calls: Vec<_> = (0..PLACES)
            .map(|_| scope.spawn(|| fastagi(address, &["send", PHONE])))
            .collect();
        let told: Vec<_> = calls.into_iter().map(|call| call.join().unwrap()).collect();
        let limited = self::told("LIMITED", 0);
        assert!(told.iter().filter(|told| **told == limited).count() >= PLACES - 2);
    });
    assert!(provider.requests().len() <= 2);
}

/// Port 3000 is a common one: what listens there while websmsd is down may answer
/// 200 to everything.
#[test]
fn another_program_at_the_port_verifies_nobody() {
    let provider = provider();
    let passwords = Passwords::by_sms(&provider, "");
    let config = std::fs::read_to_string(passwords.configured()).unwrap();
    for headers in [
        "",
        "Server: Kestrel\r\n",
        "Server: websmsd\r\n",
        "OTP-Status: VERIFIED\r\n",
        "Server: Kestrel\r\nOTP-Status: VERIFIED\r\n",
        // Neither of these answers what was asked.
        "Server: websmsd\r\nOTP-Status: OK\r\n",
        "Server: websmsd\r\nOTP-Status: \r\n",
        "Server: websmsd\r\nOTP-Status: LIMITED\r\n",
        "Server: websmsd\r\nOTP-Status: VERIFIED;left=1\r\n",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: 0\r\n\r\n");
        let stranger = Provider::answering(Answer::Raw(answer.into_bytes()));
        let there = format!("listen = {}", stranger.address);
        let config = config.replace("listen = 127.0.0.1:0", &there);
        std::fs::write(passwords.configured(), config).unwrap();
        for arguments in [&["verify", PHONE, "123456"][..], &["send", PHONE]] {
            let answer = agi(&passwords, arguments);
            assert_eq!(answer, (told("FAILED", 0), 69), "{headers}");
        }
        assert_eq!(stranger.requests().len(), 2);
    }
}

#[test]
fn outcome_of_another_request_is_refused() {
    let provider = provider();
    let passwords = Passwords::by_sms(&provider, "");
    let config = std::fs::read_to_string(passwords.configured()).unwrap();
    for (outcome, sending, verifying) in [
        ("SENT", "SENT", "FAILED"),
        ("LIMITED;seconds=7", "LIMITED", "FAILED"),
        ("VERIFIED", "FAILED", "VERIFIED"),
        ("WRONG;left=1", "FAILED", "WRONG"),
        ("NONE", "FAILED", "NONE"),
        ("UNAVAILABLE", "FAILED", "FAILED"),
    ] {
        let answer = format!(
            "HTTP/1.1 200 OK\r\nServer: websmsd\r\nOTP-Status: {outcome}\r\n\
             Content-Length: 0\r\n\r\n"
        );
        let daemon = Provider::answering(Answer::Raw(answer.into_bytes()));
        let there = format!("listen = {}", daemon.address);
        let config = config.replace("listen = 127.0.0.1:0", &there);
        std::fs::write(passwords.configured(), config).unwrap();
        let (answer, _) = agi(&passwords, &["send", PHONE]);
        assert_eq!(answer, told(sending, 0), "{outcome}");
        let (answer, _) = agi(&passwords, &["verify", PHONE, "123456"]);
        let left = u32::from(verifying == "WRONG");
        assert_eq!(answer, told(verifying, left), "{outcome}");
    }
}

#[test]
fn shell_reads_one_word() {
    let provider = provider();
    let passwords = Passwords::by_sms(&provider, "").where_it_is();
    let said = |arguments: &[&str]| {
        let output = run(&passwords, false, arguments);
        (
            String::from_utf8(output.stdout).unwrap(),
            output.status.code().unwrap(),
        )
    };
    assert_eq!(said(&["send", PHONE]), ("SENT\n".to_owned(), 0));
    let code = last_code(&provider);
    let wrong = another(&code);
    assert_eq!(said(&["verify", PHONE, &wrong]), ("WRONG\n".to_owned(), 76));
    assert_eq!(
        said(&["verify", PHONE, &code]),
        ("VERIFIED\n".to_owned(), 0)
    );
    assert_eq!(said(&["verify", PHONE]).1, 64);
    let without = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(without.path(), "").unwrap();
    let mut command = Command::new(program());
    let output = command
        .args(["otp", "--config"])
        .arg(without.path())
        .args(["send", PHONE])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(78));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("otp setup"), "{said}");
}

/// Says what Asterisk says and answers each command; what it is told.
fn fastagi(address: SocketAddr, arguments: &[&str]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut said = "agi_network: yes\nagi_network_script: websms-otp\n".to_owned();
    for (number, argument) in (1..).zip(arguments) {
        said.push_str(&format!("agi_arg_{number}: {argument}\n"));
    }
    said.push('\n');
    stream.write_all(said.as_bytes()).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut told = String::new();
    while reader.read_line(&mut told).unwrap() > 0 {
        stream.write_all(b"200 result=1\n").unwrap();
    }
    told
}

#[test]
fn fastagi_does_what_the_program_does() {
    let provider = provider();
    let before = format!(
        "[websms]\nhost = {}\nauth_user = id\nauth_passwd = s\n",
        provider.url()
    );
    let before = format!("{before}[websmsd]\nagi_listen = 127.0.0.1:0\n");
    let sms = "channel = sms\nsms_from = +12025550160\nsms_text = {code} is it\n";
    let passwords = Passwords::start(&before, sms);
    let line = passwords.daemon.wait_for_log("FastAGI listening");
    let address = line
        .rsplit_once("address=")
        .unwrap()
        .1
        .trim()
        .parse()
        .unwrap();
    assert_eq!(fastagi(address, &["send", PHONE]), told("SENT", 0));
    let code = last_code(&provider);
    let wrong = another(&code);
    assert_eq!(
        fastagi(address, &["verify", PHONE, &wrong]),
        told("WRONG", 2)
    );
    assert_eq!(
        fastagi(address, &["verify", PHONE, &code]),
        told("VERIFIED", 0)
    );
    for arguments in [
        &["send"][..],
        &["setup", PHONE],
        &[],
        // A number that holds a line break.
        &["verify", "1\nagi_arg_3: 123456", "1"],
    ] {
        let answer = fastagi(address, arguments);
        assert!(
            !answer.contains("SENT") && !answer.contains("VERIFIED"),
            "{answer}"
        );
    }
    // Without [otp] there is nothing to ask for.
    let passwords = passwords.without();
    let line = passwords.wait_for_log("FastAGI listening");
    let address = line
        .rsplit_once("address=")
        .unwrap()
        .1
        .trim()
        .parse()
        .unwrap();
    assert_eq!(fastagi(address, &["send", PHONE]), told("FAILED", 0));
}
