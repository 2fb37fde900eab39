//! One-time passwords from the dialplan: `websms-otp` as a program and by
//! `FastAGI`, and from a shell.

use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output};

use crate::support::agi::AgiCall;
use crate::support::otp::{OtpDaemon, PHONE, last_code, received_codes, sms_provider, wrong_code};
use crate::support::{Answer, Provider, program};

/// The AGI commands for an outcome.
fn commands(status: &str, left: u32) -> String {
    format!("SET VARIABLE OTP_STATUS \"{status}\"\nSET VARIABLE OTP_LEFT \"{left}\"\n")
}

fn run(otp: &OtpDaemon, agi: bool, arguments: &[&str]) -> Output {
    let mut command = Command::new(program());
    // The symlink that Asterisk runs.
    command.arg0("/usr/local/bin/websms-otp");
    command.env_clear().env("WEBSMS_CONF", otp.config_path());
    if agi {
        command.env("AST_AGI_DIR", "/x");
    }
    command.args(arguments).output().unwrap()
}

/// Runs it as Asterisk does; the AGI commands and the exit status.
fn agi(otp: &OtpDaemon, arguments: &[&str]) -> (String, i32) {
    let output = run(otp, true, arguments);
    let commands = String::from_utf8(output.stdout).unwrap();
    (commands, output.status.code().unwrap())
}

#[test]
fn every_outcome_reaches_the_dialplan() {
    let provider = sms_provider();
    let otp = OtpDaemon::with_sms(&provider, "per_phone = 2");
    let otp = otp.with_port_in_config();
    let number = format!("+{PHONE}");
    assert_eq!(
        agi(&otp, &["verify", &number, "123456"]),
        (commands("NONE", 0), 76)
    );
    assert_eq!(agi(&otp, &["send", &number]), (commands("SENT", 0), 0));
    let code = last_code(&provider);
    let wrong = wrong_code(&code);
    assert_eq!(
        agi(&otp, &["verify", &number, &wrong]),
        (commands("WRONG", 2), 76)
    );
    // The caller typed nothing.
    assert_eq!(
        agi(&otp, &["verify", &number, ""]),
        (commands("WRONG", 1), 76)
    );
    assert_eq!(
        agi(&otp, &["verify", &number, &code]),
        (commands("VERIFIED", 0), 0)
    );
    assert_eq!(agi(&otp, &["send", PHONE]), (commands("SENT", 0), 0));
    for _ in 0..2 {
        agi(&otp, &["verify", &number, &wrong]);
    }
    assert_eq!(
        agi(&otp, &["verify", &number, &wrong]),
        (commands("LOCKED", 0), 76)
    );
    assert_eq!(agi(&otp, &["send", &number]), (commands("LIMITED", 0), 69));
    for invalid in [
        "",
        "anonymous",
        "--config=/x",
        "1/../2",
        "12\n34",
        "%",
        "1 2?x=1",
        // In a URL these are another path.
        ".",
        "..",
        // Too long for a URL.
        &"+\u{e9}".repeat(3000),
    ] {
        assert_eq!(
            agi(&otp, &["send", invalid]),
            (commands("REJECTED", 0), 76),
            "{invalid:?}"
        );
        let answer = agi(&otp, &["verify", invalid, "1"]);
        assert_eq!(answer, (commands("NONE", 0), 76), "{invalid:?}");
    }
    assert_eq!(received_codes(&provider).len(), 2);
    let log = otp.daemon.log();
    assert!(!log.contains(&code) && !log.contains(PHONE), "{log}");
}

#[test]
fn unreachable_or_refusing_daemon_is_failed() {
    let provider = sms_provider();
    let otp = OtpDaemon::with_sms(&provider, "client_token = t\n").with_port_in_config();
    assert_eq!(agi(&otp, &["send", PHONE]).0, commands("SENT", 0));
    let config = std::fs::read_to_string(otp.config_path()).unwrap();
    let without_token = config.replace("client_token = t", "");
    std::fs::write(otp.config_path(), without_token).unwrap();
    let output = run(&otp, false, &["send", PHONE]);
    assert_eq!(output.status.code(), Some(69));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("refused the request with status 401 Unauthorized (see permit_addr"),
        "{stderr}"
    );
    let closed = OtpDaemon::with_sms(&provider, "permit_addr = 192.0.2.1\n");
    let closed = closed.with_port_in_config();
    for _ in 0..10 {
        let output = run(&closed, false, &["send", PHONE]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains("status 403 Forbidden"), "{stderr}");
    }
    let (config, address) = (otp.config_path(), otp.address);
    let copy = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(copy.path(), std::fs::read(config).unwrap()).unwrap();
    otp.daemon.stop();
    let mut command = Command::new(program());
    let output = command
        .args(["otp", "--config"])
        .arg(copy.path())
        .args(["verify", PHONE, "1"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(69), "{address}");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("reach websmsd at listen of [otp]"),
        "{stderr}"
    );
}

/// A number with a comma in it is two arguments. The outcome of an earlier request
/// must not stay in the variables.
#[test]
fn wrong_arguments_are_failed() {
    let provider = sms_provider();
    let otp = OtpDaemon::with_sms(&provider, "").with_port_in_config();
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
        assert_eq!(agi(&otp, wrong), (commands("FAILED", 0), 64), "{wrong:?}");
    }
    assert!(received_codes(&provider).is_empty());
}

/// While a provider does not answer, requests for one phone do not wait for each
/// other until `FastAGI` has no connection left.
#[test]
fn one_phone_does_not_take_all_connections() {
    const CONNECTIONS: usize = 64;
    let provider = Provider::answering(Answer::Silence);
    let before = format!(
        "[websms]\nhost = {}\nauth_user = id\nauth_passwd = s\ntimeout = 12\n\
         [websmsd]\nagi_listen = 127.0.0.1:0\n",
        provider.url()
    );
    let sms = "channel = sms\nsms_from = +12025550160\nsms_text = {code} is it\n";
    let otp = OtpDaemon::start(&before, sms);
    let line = otp.daemon.wait_for_log("FastAGI listening");
    let (_, address) = line.rsplit_once("address=").unwrap();
    let address = address.trim().parse().unwrap();
    std::thread::scope(|scope| {
        let calls: Vec<_> = (0..CONNECTIONS)
            .map(|_| scope.spawn(|| fastagi(address, &["send", PHONE])))
            .collect();
        let answers = calls.into_iter().map(|call| call.join().unwrap());
        let limited = commands("LIMITED", 0);
        assert!(answers.filter(|answer| *answer == limited).count() >= CONNECTIONS - 2);
    });
    assert!(provider.requests().len() <= 2);
}

/// Port 3000 is a common one: a program that listens there while websmsd is down may
/// answer 200 to everything.
#[test]
fn another_program_at_the_port_verifies_nobody() {
    let provider = sms_provider();
    let otp = OtpDaemon::with_sms(&provider, "");
    let config = std::fs::read_to_string(otp.config_path()).unwrap();
    for headers in [
        "",
        "Server: Kestrel\r\n",
        "Server: websmsd\r\n",
        "OTP-Status: VERIFIED\r\n",
        "Server: Kestrel\r\nOTP-Status: VERIFIED\r\n",
        // Not values of the header.
        "Server: websmsd\r\nOTP-Status: OK\r\n",
        "Server: websmsd\r\nOTP-Status: \r\n",
        "Server: websmsd\r\nOTP-Status: LIMITED\r\n",
        "Server: websmsd\r\nOTP-Status: VERIFIED;left=1\r\n",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: 0\r\n\r\n");
        let other = Provider::answering(Answer::Raw(answer.into_bytes()));
        let listen = format!("listen = {}", other.address);
        let config = config.replace("listen = 127.0.0.1:0", &listen);
        std::fs::write(otp.config_path(), config).unwrap();
        for arguments in [&["verify", PHONE, "123456"][..], &["send", PHONE]] {
            let answer = agi(&otp, arguments);
            assert_eq!(answer, (commands("FAILED", 0), 69), "{headers}");
        }
        assert_eq!(other.requests().len(), 2);
    }
}

#[test]
fn outcome_that_does_not_fit_the_request_is_refused() {
    let provider = sms_provider();
    let otp = OtpDaemon::with_sms(&provider, "");
    let config = std::fs::read_to_string(otp.config_path()).unwrap();
    for (outcome, send, verify) in [
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
        let listen = format!("listen = {}", daemon.address);
        let config = config.replace("listen = 127.0.0.1:0", &listen);
        std::fs::write(otp.config_path(), config).unwrap();
        let (answer, _) = agi(&otp, &["send", PHONE]);
        assert_eq!(answer, commands(send, 0), "{outcome}");
        let (answer, _) = agi(&otp, &["verify", PHONE, "123456"]);
        let left = u32::from(verify == "WRONG");
        assert_eq!(answer, commands(verify, left), "{outcome}");
    }
}

#[test]
fn shell_gets_one_word() {
    let provider = sms_provider();
    let otp = OtpDaemon::with_sms(&provider, "").with_port_in_config();
    let shell = |arguments: &[&str]| {
        let output = run(&otp, false, arguments);
        (
            String::from_utf8(output.stdout).unwrap(),
            output.status.code().unwrap(),
        )
    };
    assert_eq!(shell(&["send", PHONE]), ("SENT\n".to_owned(), 0));
    let code = last_code(&provider);
    let wrong = wrong_code(&code);
    assert_eq!(
        shell(&["verify", PHONE, &wrong]),
        ("WRONG\n".to_owned(), 76)
    );
    assert_eq!(
        shell(&["verify", PHONE, &code]),
        ("VERIFIED\n".to_owned(), 0)
    );
    assert_eq!(shell(&["verify", PHONE]).1, 64);
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
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("otp setup"), "{stderr}");
}

/// Makes an AGI call; returns the commands that set variables.
fn fastagi(address: SocketAddr, arguments: &[&str]) -> String {
    let commands = AgiCall::begin(address, "websms-otp", arguments).commands();
    commands.join(
        "
",
    ) + "
"
}

#[test]
fn fastagi_works_like_the_program() {
    let provider = sms_provider();
    let before = format!(
        "[websms]\nhost = {}\nauth_user = id\nauth_passwd = s\n",
        provider.url()
    );
    let before = format!("{before}[websmsd]\nagi_listen = 127.0.0.1:0\n");
    let sms = "channel = sms\nsms_from = +12025550160\nsms_text = {code} is it\n";
    let otp = OtpDaemon::start(&before, sms);
    let address = otp.daemon.logged_address("FastAGI listening");
    assert_eq!(fastagi(address, &["send", PHONE]), commands("SENT", 0));
    let code = last_code(&provider);
    let wrong = wrong_code(&code);
    assert_eq!(
        fastagi(address, &["verify", PHONE, &wrong]),
        commands("WRONG", 2)
    );
    assert_eq!(
        fastagi(address, &["verify", PHONE, &code]),
        commands("VERIFIED", 0)
    );
    for arguments in [
        &["send"][..],
        &["setup", PHONE],
        &[],
        // A number with a line break.
        &["verify", "1\nagi_arg_3: 123456", "1"],
        // And one with an empty line, which guesses a code for another phone.
        &["verify", "+1\nagi_arg_3: 123456\n", "1"],
    ] {
        let answer = fastagi(address, arguments);
        assert!(
            !answer.contains("SENT") && !answer.contains("VERIFIED"),
            "{answer}"
        );
    }
    // Without [otp] every request fails.
    let otp = otp.restart_without_otp();
    let address = otp.logged_address("FastAGI listening");
    assert_eq!(fastagi(address, &["send", PHONE]), commands("FAILED", 0));
}
