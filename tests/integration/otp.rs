//! One-time passwords by HTTP: what the sample server's guide says, its corners,
//! who may ask, how often, and what is kept.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::http::{self, JSON};
use crate::support::otp::{PHONE, Passwords, another, codes, last_code, provider};
use crate::support::{Answer, Provider, Spool, daemon, wait_for};

const LEFT_2: &str = "Incorrect code. 2 attempt(s) remaining.";
const LEFT_1: &str = "Incorrect code. 1 attempt(s) remaining.";
const LOCKED: &str = "Too many failed attempts, please request a new code.";
const EXPIRED: &str = "Code has expired, please request another.";
const NO_CODE: &str = "No code provided.";
const NOT_SENT: &str = "Error calling send message API. Check server logs.";
const LIMITED: &str = "Too many requests, please try again later.";

fn said(status: u16, text: &str) -> (u16, String) {
    (status, text.to_owned())
}

fn unknown(phone: &str) -> (u16, String) {
    (404, format!("No active code for phone # {phone}"))
}

/// Every row of the guide, in the order of the sample.
#[test]
fn guide_is_kept_row_by_row() {
    let provider = provider();
    let passwords = Passwords::by_sms(&provider, "");
    let ok = said(200, "");
    assert_eq!(passwords.verify(PHONE, "123456"), unknown(PHONE));
    assert_eq!(passwords.send(PHONE), ok);
    let code = last_code(&provider);
    assert!(code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()));
    let request = &provider.requests()[0];
    assert_eq!(request.parameters()["To"], format!("+{PHONE}"));
    assert_eq!(request.parameters()["Body"], format!("{code} for 5 min"));
    let wrong = another(&code);
    // None of these is an attempt.
    for body in ["", "{}", "{\"code\": null}", "[]", "{\"code\": 123456}"] {
        assert_eq!(passwords.post(PHONE, body), said(400, NO_CODE), "{body}");
    }
    assert_eq!(passwords.verify(PHONE, &wrong), said(401, LEFT_2));
    assert_eq!(passwords.verify(PHONE, &wrong), said(401, LEFT_1));
    assert_eq!(passwords.verify(PHONE, &code), ok);
    assert_eq!(passwords.verify(PHONE, &code), unknown(PHONE), "used once");
    // A new one has its own attempts.
    assert_eq!(passwords.send(PHONE), ok);
    let code = last_code(&provider);
    assert_eq!(passwords.verify(PHONE, &wrong), said(401, LEFT_2));
    assert_eq!(passwords.send(PHONE), ok);
    let newer = last_code(&provider);
    assert_ne!(code, newer);
    assert_eq!(
        passwords.verify(PHONE, &code),
        said(401, LEFT_2),
        "the old one"
    );
    assert_eq!(
        passwords.verify(PHONE, ""),
        said(401, LEFT_1),
        "as the sample's"
    );
    assert_eq!(passwords.verify(PHONE, &wrong), said(401, LOCKED));
    assert_eq!(passwords.verify(PHONE, &newer), unknown(PHONE));
}

/// Programs read the outcome from a header.
#[test]
fn outcome_is_said_in_a_header() {
    let provider = provider();
    let passwords = Passwords::by_sms(&provider, "per_phone = 3");
    let target = format!("/otp/{PHONE}/");
    let outcome = |method, target: &str, body: &str| {
        let answer = passwords.say(method, target, &[JSON], body);
        let header = answer.headers.get("otp-status").cloned();
        (answer.status, header.unwrap_or_default())
    };
    let post = |code: &str| outcome("POST", &target, &format!("{{\"code\": \"{code}\"}}"));
    assert_eq!(post("123456"), said(404, "NONE"));
    assert_eq!(outcome("GET", &target, ""), said(200, "SENT"));
    let code = last_code(&provider);
    let wrong = another(&code);
    for body in ["{}", "{", ""] {
        assert_eq!(outcome("POST", &target, body), said(400, "NO_CODE"));
    }
    assert_eq!(post(&wrong), said(401, "WRONG;left=2"));
    assert_eq!(post(&wrong), said(401, "WRONG;left=1"));
    assert_eq!(post(&code), said(200, "VERIFIED"));
    assert_eq!(outcome("GET", &target, ""), said(200, "SENT"));
    for left in ["WRONG;left=2", "WRONG;left=1", "LOCKED"] {
        assert_eq!(post(&another(&last_code(&provider))), said(401, left));
    }
    assert_eq!(outcome("GET", &target, ""), said(200, "SENT"));
    let answer = passwords.say("GET", &target, &[], "");
    let seconds = &answer.headers["retry-after"];
    let limited = format!("LIMITED;seconds={seconds}");
    assert_eq!(answer.headers["otp-status"], limited);
    assert_eq!(outcome("GET", "/otp/abc/", ""), said(400, "REJECTED"));
    // Refused before a code was looked at.
    assert_eq!(outcome("GET", "/otp/", ""), said(404, ""));
    assert_eq!(outcome("PUT", &target, ""), said(405, ""));
    passwords.forward(Duration::from_secs(300));
    assert_eq!(post(&code), said(401, "EXPIRED"));
}

#[test]
fn message_that_nobody_takes_is_500_and_the_earlier_code_counts() {
    let provider = Provider::deciding({
        let answers = std::sync::atomic::AtomicUsize::new(0);
        move |_| match answers.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 => Answer::ok(),
            1..=3 => Answer::Http(400, "text/plain", "no".to_owned()),
            4 => Answer::HangUp,
            _ => Answer::Http(500, "text/plain", "sorry".to_owned()),
        }
    });
    let passwords = Passwords::by_sms(&provider, "per_phone = 3");
    assert_eq!(passwords.send(PHONE), said(200, ""));
    let code = last_code(&provider);
    // What was refused does not count for per_phone; what may have been sent does,
    // or there would be no bound while a provider takes messages and does not say
    // so.
    for _ in 0..5 {
        assert_eq!(passwords.send(PHONE), said(500, NOT_SENT));
    }
    assert_eq!(passwords.send(PHONE), said(429, LIMITED));
    assert_eq!(codes(&provider).len(), 6);
    let log = passwords.daemon.log();
    assert!(log.contains("code not sent"), "{log}");
    assert_eq!(passwords.verify(PHONE, &code), said(200, ""));
}

#[test]
fn code_expires_and_that_is_known_after_a_restart() {
    let provider = provider();
    let passwords = Passwords::by_sms(&provider, "lifetime = 10");
    assert_eq!(passwords.send(PHONE).0, 200);
    let code = last_code(&provider);
    let wrong = another(&code);
    assert_eq!(passwords.verify(PHONE, &wrong), said(401, LEFT_2));
    let passwords = passwords.again(Signal::SIGKILL);
    assert_eq!(passwords.verify(PHONE, &wrong), said(401, LEFT_1));
    // What is kept says when: it is not worth waiting for.
    passwords.forward(Duration::from_secs(10));
    let passwords = passwords.again(Signal::SIGTERM);
    assert_eq!(passwords.post(PHONE, "{}"), said(400, NO_CODE));
    assert_eq!(passwords.verify(PHONE, &code), said(401, EXPIRED));
    assert_eq!(passwords.verify(PHONE, &code), unknown(PHONE));
}

#[test]
fn paths_are_taken_as_clients_write_them() {
    let provider = provider();
    let passwords = Passwords::by_sms(&provider, "per_phone = 0");
    for path in [
        format!("/otp/{PHONE}/"),
        format!("/otp/{PHONE}"),
        format!("/OTP/{PHONE}"),
        format!("/Otp/%2B{PHONE}/"),
        format!("/otp/00{PHONE}"),
        format!("/otp/{PHONE}?x=1"),
    ] {
        assert_eq!(passwords.say("GET", &path, &[], "").status, 200, "{path}");
        let body = format!("{{\"code\": \"{}\"}}", last_code(&provider));
        let answer = passwords.say("POST", &path, &[JSON], &body);
        assert_eq!((answer.status, answer.text()), said(200, ""), "{path}");
    }
    // The phone is echoed as it was written, and is text.
    let answer = passwords.say("POST", "/otp/+1%3Cb%3E555/", &[JSON], "{\"code\": \"1\"}");
    assert_eq!((answer.status, answer.text()), unknown("+1<b>555"));
    assert_eq!(answer.headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    for path in ["/", "/otp/", "/otp", "/otp/1/2/", "/metrics"] {
        assert_eq!(passwords.say("GET", path, &[], "").status, 404, "{path}");
    }
    let bad = said(400, "Not a phone number in international format.");
    for phone in ["abc", "555", "0155512345", "1555123456789012"] {
        assert_eq!(passwords.send(phone), bad, "{phone}");
    }
    for method in ["PUT", "DELETE", "PATCH", "HEAD"] {
        let answer = passwords.say(method, &format!("/otp/{PHONE}/"), &[], "");
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.headers["allow"], "GET, POST");
    }
    assert_eq!(codes(&provider).len(), 6, "nothing else was sent");
}

/// Broken JSON is refused before anything is looked up, as in the sample's
/// JavaScript server.
#[test]
fn body_is_json_whatever_its_type() {
    let provider = provider();
    let passwords = Passwords::by_sms(&provider, "");
    for body in ["{", "code=123456", "\u{feff}{}", "{\"code\": \"1\"} x"] {
        assert_eq!(passwords.post(PHONE, body), said(400, NO_CODE), "{body}");
    }
    assert_eq!(passwords.post(PHONE, "{}"), unknown(PHONE));
    passwords.send(PHONE);
    let body = format!("{{\"code\": \"{}\", \"x\": [1]}}", last_code(&provider));
    let target = format!("/otp/{PHONE}/");
    let long = " ".repeat(17 * 1024);
    assert_eq!(passwords.post(PHONE, &long).0, 413);
    let answer = passwords.say("POST", &target, &[http::FORM], &body);
    assert_eq!(answer.status, 200);
}

#[test]
fn nobody_asks_without_address_and_token() {
    let provider = provider();
    let token = "client_token = a-long-token\n";
    let passwords = Passwords::by_sms(&provider, token);
    let target = format!("/otp/{PHONE}/");
    for (shown, status) in [
        ("Bearer a-long-token", 200),
        ("bearer  a-long-token", 200),
        ("Bearer a-long-toke", 401),
        ("Bearer", 401),
        ("Basic a-long-token", 401),
        ("a-long-token", 401),
        ("", 401),
    ] {
        let headers = [("Authorization", shown)];
        let answer = passwords.say("GET", &target, &headers, "");
        assert_eq!(answer.status, status, "{shown}");
        if status == 401 {
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
        }
    }
    assert_eq!(passwords.verify(PHONE, "1").0, 401);
    let passwords = passwords.changed(token, "permit_addr = 192.0.2.1\n");
    let (status, text) = passwords.send(PHONE);
    assert_eq!((status, text.as_str()), (403, "Forbidden"));
    let line = passwords.daemon.wait_for_log("OTP request refused");
    assert!(line.contains("permit_addr of [otp]"), "{line}");
    assert_eq!(codes(&provider).len(), 2);
}

/// A reverse proxy on this machine would make everybody seem to be this machine.
#[test]
fn proxy_that_is_not_known_opens_no_door() {
    let provider = provider();
    let passwords = Passwords::by_sms(&provider, "per_phone = 0\n");
    let target = format!("/otp/{PHONE}/");
    for header in [
        "X-Forwarded-For",
        "X-Real-IP",
        "Forwarded",
        "Via",
        "X-Forwarded-Host",
        "CF-Connecting-IP",
    ] {
        let answer = passwords.say("GET", &target, &[(header, "127.0.0.1")], "");
        assert_eq!(answer.status, 403, "{header}");
    }
    let line = passwords.daemon.wait_for_log("OTP request refused");
    assert!(line.contains("proxy_addr of [websmsd]"), "{line}");
    let known = "[websmsd]\nproxy_addr = 127.0.0.1\n[otp]";
    let passwords = passwords.changed("[otp]", known);
    for (client, status) in [("127.0.0.1", 200), ("203.0.113.9", 403), ("x", 403)] {
        let header = [("X-Forwarded-For", client)];
        let answer = passwords.say("GET", &target, &header, "");
        assert_eq!(answer.status, status, "{client}");
    }
    assert_eq!(codes(&provider).len(), 1);
}

#[test]
fn phone_and_client_have_so_many_an_hour() {
    let provider = provider();
    let passwords = Passwords::by_sms(&provider, "per_phone = 2\nper_client = 5");
    let send = |phone: &str| {
        let answer = passwords.say("GET", &format!("/otp/{phone}/"), &[], "");
        let seconds = answer.headers.get("retry-after");
        let seconds: Option<u64> = seconds.map(|seconds| seconds.parse().unwrap());
        (
            answer.status,
            seconds.is_some_and(|seconds| (3500..=3600).contains(&seconds)),
        )
    };
    for _ in 0..2 {
        assert_eq!(send(PHONE), (200, false));
    }
    assert_eq!(send(PHONE), (429, true));
    assert_eq!(passwords.send(PHONE), said(429, LIMITED));
    // Written in another way it is the same phone.
    assert_eq!(send(&format!("%2B{PHONE}")), (429, true));
    let code = last_code(&provider);
    // What was not sent does not count for the client, which has three more.
    for number in 0..3 {
        assert_eq!(send(&format!("1555123457{number}")), (200, false));
    }
    assert_eq!(send("15551234568"), (429, true));
    assert_eq!(codes(&provider).len(), 5);
    // The one that came last counts all the same.
    assert_eq!(passwords.verify(PHONE, &code), said(200, ""));
    // A restart forgets the client, not the phone; nor does a code that was used.
    let passwords = passwords.again(Signal::SIGKILL);
    assert_eq!(passwords.send("15551234568").0, 200);
    assert_eq!(passwords.send(PHONE), said(429, LIMITED));
}

/// Nothing that is stored or logged reveals a code or a whole number: none of all
/// codes gives what is kept when it is hashed with anything that is beside it.
#[test]
fn nothing_reveals_a_code_or_a_number() {
    let provider = provider();
    let passwords = Passwords::by_sms(&provider, "code_length = 8");
    assert_eq!(passwords.send(PHONE).0, 200);
    let code = last_code(&provider);
    assert_eq!(passwords.verify(PHONE, &another(&code)).0, 401);
    let kept: Vec<_> = std::fs::read_dir(passwords.directory())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(kept.len(), 1);
    let text = std::fs::read_to_string(&kept[0]).unwrap();
    let name = kept[0].file_name().unwrap().to_str().unwrap().to_owned();
    let mode = std::os::unix::fs::PermissionsExt::mode(&kept[0].metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let (_, log) = passwords.daemon.stop();
    for (place, text) in [("file", text.clone() + &name), ("log", log)] {
        assert!(!text.contains(&code), "{place}: {text}");
        assert!(!text.contains(PHONE), "{place}: {text}");
        assert!(!text.contains("secret-of-the-provider"), "{place}: {text}");
    }
}

/// A provider may repeat both in the words that `resp_reason` takes from its answer.
#[test]
fn nothing_that_a_provider_repeats_gets_into_the_log() {
    let provider = Provider::deciding(|request| {
        let code = request.parameters()["Body"]
            .split(' ')
            .next()
            .map(str::to_owned);
        let message = format!("+{PHONE} does not take {}", code.unwrap());
        let body = serde_json::json!({ "message": message }).to_string();
        Answer::Http(400, "application/json", body)
    });
    let passwords = Passwords::by_sms(&provider, "");
    let passwords = passwords.changed("auth_user", "resp_reason = /message\nauth_user");
    assert_eq!(passwords.send(PHONE), said(500, NOT_SENT));
    let line = passwords.daemon.wait_for_log("code not sent");
    assert!(
        line.contains("+*******4567 does not take (the code); "),
        "{line}"
    );
    let log = passwords.daemon.log();
    assert!(
        !log.contains(PHONE) && !log.contains(&last_code(&provider)),
        "{log}"
    );
}

/// What is not SHA-256 of code, salt and phone in any order cannot be tried out.
#[test]
fn kept_hash_cannot_be_had_from_the_code_alone() {
    use sha2::{Digest as _, Sha256};

    let provider = provider();
    let passwords = Passwords::by_sms(&provider, "code_length = 4");
    assert_eq!(passwords.send(PHONE).0, 200);
    let code = last_code(&provider);
    let file = std::fs::read_dir(passwords.directory())
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let text = std::fs::read_to_string(file.path()).unwrap();
    let entry: serde_json::Value = serde_json::from_str(&text).unwrap();
    let kept = &entry["code"]["kept"];
    let (salt, hash) = (
        kept["salt"].as_str().unwrap(),
        kept["hash"].as_str().unwrap(),
    );
    let (raw, phone) = (hex::decode(salt).unwrap(), PHONE.as_bytes());
    let name = file.file_name();
    let parts: [&[u8]; 6] = [
        code.as_bytes(),
        salt.as_bytes(),
        &raw,
        phone,
        name.as_encoded_bytes(),
        b"",
    ];
    for first in parts {
        for second in parts {
            for third in parts {
                let digest = Sha256::digest([first, second, third].concat());
                assert_ne!(hex::encode(digest), hash);
            }
        }
    }
    // And with another key it is no code at all.
    let passwords = passwords.changed("secret-of-the-provider", "another-secret-of-it");
    assert_eq!(passwords.verify(PHONE, &code), unknown(PHONE));
}

#[test]
fn what_does_not_matter_any_more_is_forgotten() {
    let provider = provider();
    let passwords = Passwords::by_sms(&provider, "");
    let files = |passwords: &Passwords| std::fs::read_dir(passwords.directory()).unwrap().count();
    for number in 0..3 {
        assert_eq!(passwords.send(&format!("1555123456{number}")).0, 200);
    }
    passwords.forward(Duration::from_secs(3600 + 299));
    assert_eq!(passwords.send(PHONE).0, 200);
    let passwords = passwords.again(Signal::SIGTERM);
    assert_eq!(passwords.verify("15551234560", "1"), said(401, EXPIRED));
    assert!(files(&passwords) >= 3);
    passwords.forward(Duration::from_secs(1));
    let passwords = passwords.again(Signal::SIGTERM);
    wait_for("the last one", || (files(&passwords) == 1).then_some(()));
    let code = last_code(&provider);
    assert_eq!(passwords.verify(PHONE, &code), said(200, ""));
}

#[test]
fn health_tells_how_often_what_happened() {
    let provider = provider();
    let passwords = Passwords::by_sms(&provider, "per_phone = 1\n");
    let passwords = passwords.changed("[otp]", "[websmsd]\nhealth_listen = 127.0.0.1:0\n[otp]");
    let line = passwords.daemon.wait_for_log("health endpoint listening");
    let health = line
        .rsplit_once("address=")
        .unwrap()
        .1
        .trim()
        .parse()
        .unwrap();
    passwords.send(PHONE);
    passwords.send(PHONE);
    passwords.send("x");
    let code = last_code(&provider);
    passwords.verify(PHONE, &another(&code));
    passwords.verify(PHONE, &code);
    passwords.verify(PHONE, &code);
    let told = http::say(health, &http::request("GET", "/", &[], b"")).text();
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let expected = serde_json::json!({
        "live": 0, "sent": 1, "failed": 0, "limited": 1, "verified": 1, "wrong": 1, "locked": 0,
        "expired": 0, "refused": 2,
    });
    assert_eq!(told["otp"], expected);
}

/// However many connect here, descriptors are left for all else that the daemon
/// does.
#[test]
fn crowd_leaves_descriptors_to_the_others() {
    let provider = provider();
    let passwords = Passwords::by_sms(&provider, "");
    let descriptors = format!("/proc/{}/fd", passwords.daemon.pid());
    let open = || std::fs::read_dir(&descriptors).unwrap().count();
    let before = open();
    let crowd: Vec<_> = (0..400).map(|_| http::connect(passwords.address)).collect();
    wait_for("a crowd", || (open() > before + 100).then_some(()));
    // Another door is served all the while, and after what has come in before.
    for _ in 0..3 {
        assert_eq!(passwords.daemon.send("+1", "+2", "x").status, 200);
        assert!(open() < before + 200, "{}", open());
    }
    drop(crowd);
    wait_for("an answer", || {
        (passwords.send(PHONE).0 == 200).then_some(())
    });
}

/// The times to finish do not add up.
#[test]
fn webhook_and_otp_request_share_one_deadline() {
    use std::io::Write as _;

    let provider = Provider::answering(Answer::Silence);
    let passwords = Passwords::by_sms(&provider, "");
    let passwords = passwords.changed("auth_user", "timeout = 60\nauth_user");
    let mut message = http::connect(passwords.daemon.address);
    let part = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nTo=";
    message.write_all(part).unwrap();
    let mut asked = http::connect(passwords.address);
    let get = http::request("GET", &format!("/otp/{PHONE}/"), &[], b"");
    asked.write_all(&get).unwrap();
    provider.wait_for(1);
    let start = Instant::now();
    let (status, log) = passwords.daemon.stop();
    assert!(status.success());
    assert_eq!(
        log.matches("request cut off by shutdown").count(),
        2,
        "{log}"
    );
    assert!(start.elapsed() < Duration::from_secs(9), "{log}");
}

#[test]
fn directory_is_one_daemons() {
    let provider = provider();
    let passwords = Passwords::by_sms(&provider, "");
    let config = std::fs::read_to_string(passwords.configured()).unwrap();
    let (config, _) = config.split_once("[astqueue]").unwrap();
    let other = Spool::new();
    let output = daemon::command(&other.configure(config)).output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("otpdir: another websmsd uses it"), "{said}");
}

#[test]
fn torn_file_is_a_code_less_and_not_an_end() {
    let provider = provider();
    let passwords = Passwords::by_sms(&provider, "");
    assert_eq!(passwords.send(PHONE).0, 200);
    let file = std::fs::read_dir(passwords.directory())
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    std::fs::write(file.path(), "{\"sends\":").unwrap();
    assert_eq!(
        passwords.verify(PHONE, &last_code(&provider)),
        unknown(PHONE)
    );
    passwords.daemon.wait_for_log("OTP state file unreadable");
    assert_eq!(passwords.send(PHONE).0, 200);
    assert_eq!(
        passwords.verify(PHONE, &last_code(&provider)),
        said(200, "")
    );
}

#[test]
fn disk_that_refuses_is_503_and_nothing_is_verified() {
    let provider = provider();
    let passwords = Passwords::by_sms(&provider, "");
    assert_eq!(passwords.send(PHONE).0, 200);
    let code = last_code(&provider);
    let (here, away) = (
        passwords.directory(),
        passwords.directory().with_extension("away"),
    );
    std::fs::rename(&here, &away).unwrap();
    std::fs::write(&here, "no directory").unwrap();
    assert_eq!(passwords.verify(PHONE, &code).0, 503);
    assert_eq!(passwords.send(PHONE).0, 503);
    std::fs::remove_file(&here).unwrap();
    std::fs::rename(&away, &here).unwrap();
    assert_eq!(
        codes(&provider).len(),
        1,
        "what cannot be counted is not sent"
    );
    assert_eq!(passwords.verify(PHONE, &code), said(200, ""));
}
