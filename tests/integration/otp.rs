//! One-time passwords by HTTP: the guide of Meta's sample server, its edge cases,
//! access, limits, and what is stored.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::http::{self, JSON};
use crate::support::otp::{OtpDaemon, PHONE, last_code, received_codes, sms_provider, wrong_code};
use crate::support::{Answer, Provider, Spool, daemon, wait_for};

const LEFT_2: &str = "Incorrect code. 2 attempt(s) remaining.";
const LEFT_1: &str = "Incorrect code. 1 attempt(s) remaining.";
const LOCKED: &str = "Too many failed attempts, please request a new code.";
const EXPIRED: &str = "Code has expired, please request another.";
const NO_CODE: &str = "No code provided.";
const NOT_SENT: &str = "Error calling send message API. Check server logs.";
const LIMITED: &str = "Too many requests, please try again later.";

fn answer(status: u16, text: &str) -> (u16, String) {
    (status, text.to_owned())
}

fn unknown(phone: &str) -> (u16, String) {
    (404, format!("No active code for phone # {phone}"))
}

/// Every row of the guide's table, in the order of the sample.
#[test]
fn responses_are_those_of_the_guide() {
    let provider = sms_provider();
    let otp = OtpDaemon::with_sms(&provider, "");
    let ok = answer(200, "");
    assert_eq!(otp.verify(PHONE, "123456"), unknown(PHONE));
    assert_eq!(otp.send(PHONE), ok);
    let code = last_code(&provider);
    assert!(code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()));
    let request = &provider.requests()[0];
    assert_eq!(request.parameters()["To"], format!("+{PHONE}"));
    assert_eq!(request.parameters()["Body"], format!("{code} for 5 min"));
    let wrong = wrong_code(&code);
    // None of these is an attempt.
    for body in ["", "{}", "{\"code\": null}", "[]", "{\"code\": 123456}"] {
        assert_eq!(otp.post(PHONE, body), answer(400, NO_CODE), "{body}");
    }
    assert_eq!(otp.verify(PHONE, &wrong), answer(401, LEFT_2));
    assert_eq!(otp.verify(PHONE, &wrong), answer(401, LEFT_1));
    assert_eq!(otp.verify(PHONE, &code), ok);
    assert_eq!(otp.verify(PHONE, &code), unknown(PHONE), "used once");
    // A new code has its own attempts.
    assert_eq!(otp.send(PHONE), ok);
    let code = last_code(&provider);
    assert_eq!(otp.verify(PHONE, &wrong), answer(401, LEFT_2));
    assert_eq!(otp.send(PHONE), ok);
    let newer = last_code(&provider);
    assert_ne!(code, newer);
    assert_eq!(otp.verify(PHONE, &code), answer(401, LEFT_2), "the old one");
    assert_eq!(
        otp.verify(PHONE, ""),
        answer(401, LEFT_1),
        "as the sample's"
    );
    assert_eq!(otp.verify(PHONE, &wrong), answer(401, LOCKED));
    assert_eq!(otp.verify(PHONE, &newer), unknown(PHONE));
}

#[test]
fn outcome_is_in_the_header_otp_status() {
    let provider = sms_provider();
    let otp = OtpDaemon::with_sms(&provider, "per_phone = 3");
    let target = format!("/otp/{PHONE}/");
    let outcome = |method, target: &str, body: &str| {
        let response = otp.request(method, target, &[JSON], body);
        let header = response.headers.get("otp-status").cloned();
        (response.status, header.unwrap_or_default())
    };
    let post = |code: &str| outcome("POST", &target, &format!("{{\"code\": \"{code}\"}}"));
    assert_eq!(post("123456"), answer(404, "NONE"));
    assert_eq!(outcome("GET", &target, ""), answer(200, "SENT"));
    let code = last_code(&provider);
    let wrong = wrong_code(&code);
    for body in ["{}", "{", ""] {
        assert_eq!(outcome("POST", &target, body), answer(400, "NO_CODE"));
    }
    assert_eq!(post(&wrong), answer(401, "WRONG;left=2"));
    assert_eq!(post(&wrong), answer(401, "WRONG;left=1"));
    assert_eq!(post(&code), answer(200, "VERIFIED"));
    assert_eq!(outcome("GET", &target, ""), answer(200, "SENT"));
    for left in ["WRONG;left=2", "WRONG;left=1", "LOCKED"] {
        assert_eq!(post(&wrong_code(&last_code(&provider))), answer(401, left));
    }
    assert_eq!(outcome("GET", &target, ""), answer(200, "SENT"));
    let response = otp.request("GET", &target, &[], "");
    let seconds = &response.headers["retry-after"];
    let limited = format!("LIMITED;seconds={seconds}");
    assert_eq!(response.headers["otp-status"], limited);
    assert_eq!(outcome("GET", "/otp/abc/", ""), answer(400, "REJECTED"));
    // Requests that are refused before that have no header.
    assert_eq!(outcome("GET", "/otp/", ""), answer(404, ""));
    assert_eq!(outcome("PUT", &target, ""), answer(405, ""));
    otp.advance(Duration::from_secs(300));
    assert_eq!(post(&code), answer(401, "EXPIRED"));
}

#[test]
fn unsent_code_is_500_and_the_earlier_code_stays_valid() {
    let provider = Provider::deciding({
        let answers = std::sync::atomic::AtomicUsize::new(0);
        move |_| match answers.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 => Answer::ok(),
            1..=3 => Answer::Http(400, "text/plain", "no".to_owned()),
            4 => Answer::HangUp,
            _ => Answer::Http(500, "text/plain", "sorry".to_owned()),
        }
    });
    let otp = OtpDaemon::with_sms(&provider, "per_phone = 3");
    assert_eq!(otp.send(PHONE), answer(200, ""));
    let code = last_code(&provider);
    // A refused message does not count for per_phone. One that may have been sent
    // does, or there would be no limit while a provider accepts messages and its
    // responses are lost.
    for _ in 0..5 {
        assert_eq!(otp.send(PHONE), answer(500, NOT_SENT));
    }
    assert_eq!(otp.send(PHONE), answer(429, LIMITED));
    assert_eq!(received_codes(&provider).len(), 6);
    let log = otp.daemon.log();
    assert!(log.contains("code not sent"), "{log}");
    assert_eq!(otp.verify(PHONE, &code), answer(200, ""));
}

#[test]
fn attempts_and_expiry_survive_a_restart() {
    let provider = sms_provider();
    let otp = OtpDaemon::with_sms(&provider, "lifetime = 10");
    assert_eq!(otp.send(PHONE).0, 200);
    let code = last_code(&provider);
    let wrong = wrong_code(&code);
    assert_eq!(otp.verify(PHONE, &wrong), answer(401, LEFT_2));
    let otp = otp.restart(Signal::SIGKILL);
    assert_eq!(otp.verify(PHONE, &wrong), answer(401, LEFT_1));
    otp.advance(Duration::from_secs(10));
    let otp = otp.restart(Signal::SIGTERM);
    assert_eq!(otp.post(PHONE, "{}"), answer(400, NO_CODE));
    assert_eq!(otp.verify(PHONE, &code), answer(401, EXPIRED));
    assert_eq!(otp.verify(PHONE, &code), unknown(PHONE));
}

#[test]
fn path_is_accepted_in_every_notation() {
    let provider = sms_provider();
    let otp = OtpDaemon::with_sms(&provider, "per_phone = 0");
    for path in [
        format!("/otp/{PHONE}/"),
        format!("/otp/{PHONE}"),
        format!("/OTP/{PHONE}"),
        format!("/Otp/%2B{PHONE}/"),
        format!("/otp/00{PHONE}"),
        format!("/otp/{PHONE}?x=1"),
    ] {
        assert_eq!(otp.request("GET", &path, &[], "").status, 200, "{path}");
        let body = format!("{{\"code\": \"{}\"}}", last_code(&provider));
        let response = otp.request("POST", &path, &[JSON], &body);
        assert_eq!(
            (response.status, response.text()),
            answer(200, ""),
            "{path}"
        );
    }
    // The phone is repeated as it was written, as plain text.
    let response = otp.request("POST", "/otp/+1%3Cb%3E555/", &[JSON], "{\"code\": \"1\"}");
    assert_eq!((response.status, response.text()), unknown("+1<b>555"));
    assert_eq!(
        response.headers["content-type"],
        "text/plain; charset=utf-8"
    );
    assert_eq!(response.headers["x-content-type-options"], "nosniff");
    for path in ["/", "/otp/", "/otp", "/otp/1/2/", "/metrics"] {
        assert_eq!(otp.request("GET", path, &[], "").status, 404, "{path}");
    }
    let bad = answer(400, "Not a phone number in international format.");
    for phone in ["abc", "555", "0155512345", "1555123456789012"] {
        assert_eq!(otp.send(phone), bad, "{phone}");
    }
    for method in ["PUT", "DELETE", "PATCH", "HEAD"] {
        let response = otp.request(method, &format!("/otp/{PHONE}/"), &[], "");
        assert_eq!(response.status, 405, "{method}");
        assert_eq!(response.headers["allow"], "GET, POST");
    }
    assert_eq!(received_codes(&provider).len(), 6, "nothing else was sent");
}

/// Invalid JSON is refused before the phone is looked up, as in the sample's
/// JavaScript server.
#[test]
fn body_is_json_with_any_content_type() {
    let provider = sms_provider();
    let otp = OtpDaemon::with_sms(&provider, "");
    for body in ["{", "code=123456", "\u{feff}{}", "{\"code\": \"1\"} x"] {
        assert_eq!(otp.post(PHONE, body), answer(400, NO_CODE), "{body}");
    }
    assert_eq!(otp.post(PHONE, "{}"), unknown(PHONE));
    otp.send(PHONE);
    let body = format!("{{\"code\": \"{}\", \"x\": [1]}}", last_code(&provider));
    let target = format!("/otp/{PHONE}/");
    let long = " ".repeat(17 * 1024);
    assert_eq!(otp.post(PHONE, &long).0, 413);
    let response = otp.request("POST", &target, &[http::FORM], &body);
    assert_eq!(response.status, 200);
}

#[test]
fn client_needs_permitted_address_and_token() {
    let provider = sms_provider();
    let token = "client_token = a-long-token\n";
    let otp = OtpDaemon::with_sms(&provider, token);
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
        let response = otp.request("GET", &target, &headers, "");
        assert_eq!(response.status, status, "{shown}");
        if status == 401 {
            assert_eq!(response.headers["www-authenticate"], "Bearer");
        }
    }
    assert_eq!(otp.verify(PHONE, "1").0, 401);
    let otp = otp.restart_with(token, "permit_addr = 192.0.2.1\n");
    let (status, text) = otp.send(PHONE);
    assert_eq!((status, text.trim()), (403, "Forbidden"));
    let line = otp.daemon.wait_for_log("connection refused");
    assert!(line.contains("permit_addr of [otp]"), "{line}");
    assert_eq!(received_codes(&provider).len(), 2);
}

/// A page in a browser of this machine must not have codes sent, and no program must
/// notice.
#[test]
fn request_of_a_web_page_or_for_another_host_is_refused() {
    let provider = sms_provider();
    let otp = OtpDaemon::with_sms(&provider, "per_phone = 0\notp_host = otp.example.com\n");
    let port = otp.address.port();
    let own = format!("http://127.0.0.1:{port}");
    for (name, value, remedy) in [
        ("Host", "evil.example", "otp_host of [otp]"),
        ("Host", "192.0.2.9", "otp_host of [otp]"),
        ("Origin", "http://evil.example", "otp_host of [otp]"),
        ("Origin", "null", "otp_host of [otp]"),
        ("Sec-Fetch-Site", "cross-site", "have your own server ask"),
        ("Sec-Fetch-Site", "same-site", "have your own server ask"),
    ] {
        let target = format!("/otp/{PHONE}/");
        let refused = otp.request("GET", &target, &[(name, value)], "");
        assert_eq!(refused.status, 403, "{name}: {value}");
        let log = otp.daemon.wait_for_log(value);
        assert!(
            log.contains("OTP request refused") && log.contains(remedy),
            "{log}"
        );
    }
    let foreign = [("Host", "evil.example"), JSON];
    let check = otp.request("POST", &format!("/otp/{PHONE}/"), &foreign, "{}");
    assert_eq!(check.status, 403);
    assert!(received_codes(&provider).is_empty());
    for (name, value) in [
        ("Host", "127.0.0.1"),
        ("Host", "localhost:8080"),
        ("Host", "otp.example.com"),
        ("Origin", own.as_str()),
        ("Origin", "https://otp.example.com"),
        ("Sec-Fetch-Site", "none"),
        ("Sec-Fetch-Site", "same-origin"),
        ("User-Agent", "curl"),
    ] {
        let response = otp.request("GET", &format!("/otp/{PHONE}/"), &[(name, value)], "");
        assert_eq!(response.status, 200, "{name}: {value}");
    }
    let old = format!("GET /otp/{PHONE}/ HTTP/1.0\r\n\r\n");
    assert_eq!(http::send(otp.address, old.as_bytes()).status, 200);
}

/// Each program of this machine has 2^24 addresses, and there are more clients.
#[test]
fn codes_of_this_machine_and_of_all_clients_are_limited() {
    let provider = sms_provider();
    let otp = OtpDaemon::with_sms(&provider, "per_client = 3\n");
    let target = |phone: u32| format!("/otp/1555123{phone:04}/");
    let from = |client: u8, phone: u32| {
        let raw = http::request_to(otp.address, "GET", &target(phone), &[], b"");
        http::send_from([127, 0, 0, client].into(), otp.address, &raw)
    };
    let statuses: Vec<_> = (1..=5)
        .map(|client| from(client, client.into()).status)
        .collect();
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    let otp = otp.restart_with("per_client = 3", "per_client = 0\nper_hour = 2");
    let send = |phone| otp.request("GET", &target(phone), &[], "");
    assert_eq!((send(11).status, send(12).status), (200, 200));
    let limited = send(13);
    assert_eq!(limited.status, 429);
    assert!(limited.headers["otp-status"].starts_with("LIMITED;seconds="));
    assert!(
        otp.daemon
            .wait_for_log("all clients have reached per_hour")
            .contains("client")
    );
    assert_eq!(received_codes(&provider).len(), 5);
}

/// A phone book's zero in parentheses makes no other phone.
#[test]
fn phone_with_trunk_zero_is_the_same_phone() {
    let provider = sms_provider();
    let otp = OtpDaemon::with_sms(&provider, "per_phone = 1\n");
    assert_eq!(otp.send("447911123456").0, 200);
    assert_eq!(otp.send("+44(0)7911123456").0, 429);
    let code = last_code(&provider);
    assert_eq!(otp.verify("+44%20(0)7911%20123456", &code), answer(200, ""));
    assert_eq!(received_codes(&provider).len(), 1);
}

/// Through a reverse proxy on this machine every client would seem to be this
/// machine.
#[test]
fn request_through_an_unknown_proxy_is_refused() {
    let provider = sms_provider();
    let otp = OtpDaemon::with_sms(&provider, "per_phone = 0\n");
    let target = format!("/otp/{PHONE}/");
    for header in [
        "X-Forwarded-For",
        "X-Real-IP",
        "Forwarded",
        "Via",
        "X-Forwarded-Host",
        "CF-Connecting-IP",
    ] {
        let response = otp.request("GET", &target, &[(header, "127.0.0.1")], "");
        assert_eq!(response.status, 403, "{header}");
    }
    let line = otp.daemon.wait_for_log("OTP request refused");
    assert!(line.contains("proxy_addr of [websmsd]"), "{line}");
    let known = "[websmsd]\nproxy_addr = 127.0.0.1\n[otp]";
    let otp = otp.restart_with("[otp]", known);
    for (client, status) in [("127.0.0.1", 200), ("203.0.113.9", 403), ("x", 403)] {
        let header = [("X-Forwarded-For", client)];
        let response = otp.request("GET", &target, &header, "");
        assert_eq!(response.status, status, "{client}");
    }
    assert_eq!(received_codes(&provider).len(), 1);
    // The proxy may pass on the name that the client has asked for.
    let public = [
        ("X-Forwarded-For", "127.0.0.1"),
        ("Host", "otp.example.com"),
    ];
    assert_eq!(otp.request("GET", &target, &public, "").status, 403);
    let otp = otp.restart_with("per_phone = 0", "per_phone = 0\notp_host = otp.example.com");
    assert_eq!(otp.request("GET", &target, &public, "").status, 200);
}

#[test]
fn codes_per_phone_and_client_are_limited() {
    let provider = sms_provider();
    let otp = OtpDaemon::with_sms(&provider, "per_phone = 2\nper_client = 5");
    let send = |phone: &str| {
        let response = otp.request("GET", &format!("/otp/{phone}/"), &[], "");
        let seconds = response.headers.get("retry-after");
        let seconds: Option<u64> = seconds.map(|seconds| seconds.parse().unwrap());
        (
            response.status,
            seconds.is_some_and(|seconds| (3500..=3600).contains(&seconds)),
        )
    };
    for _ in 0..2 {
        assert_eq!(send(PHONE), (200, false));
    }
    assert_eq!(send(PHONE), (429, true));
    assert_eq!(otp.send(PHONE), answer(429, LIMITED));
    // Another notation is the same phone.
    assert_eq!(send(&format!("%2B{PHONE}")), (429, true));
    let code = last_code(&provider);
    // Unsent codes do not count for the client, which has three left.
    for number in 0..3 {
        assert_eq!(send(&format!("1555123457{number}")), (200, false));
    }
    assert_eq!(send("15551234568"), (429, true));
    assert_eq!(received_codes(&provider).len(), 5);
    // The last code is valid all the same.
    assert_eq!(otp.verify(PHONE, &code), answer(200, ""));
    // A restart forgets the count of the client, not that of the phone, even if the
    // code was used.
    let otp = otp.restart(Signal::SIGKILL);
    assert_eq!(otp.send("15551234568").0, 200);
    assert_eq!(otp.send(PHONE), answer(429, LIMITED));
}

#[test]
fn files_and_log_hold_no_code_and_no_number() {
    let provider = sms_provider();
    let otp = OtpDaemon::with_sms(&provider, "code_length = 8");
    assert_eq!(otp.send(PHONE).0, 200);
    let code = last_code(&provider);
    assert_eq!(otp.verify(PHONE, &wrong_code(&code)).0, 401);
    let files: Vec<_> = std::fs::read_dir(otp.directory())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(files.len(), 1);
    let text = std::fs::read_to_string(&files[0]).unwrap();
    let name = files[0].file_name().unwrap().to_str().unwrap().to_owned();
    let mode = std::os::unix::fs::PermissionsExt::mode(&files[0].metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let (_, log) = otp.daemon.stop();
    for (place, text) in [("file", text.clone() + &name), ("log", log)] {
        assert!(!text.contains(&code), "{place}: {text}");
        assert!(!text.contains(PHONE), "{place}: {text}");
        assert!(!text.contains("secret-of-the-provider"), "{place}: {text}");
    }
}

/// A provider may repeat both in the message that `resp_reason` names.
#[test]
fn code_and_number_in_a_provider_message_are_not_logged() {
    let provider = Provider::deciding(|request| {
        let code = request.parameters()["Body"]
            .split(' ')
            .next()
            .map(str::to_owned);
        let message = format!("+{PHONE} does not take {}", code.unwrap());
        let body = serde_json::json!({ "message": message }).to_string();
        Answer::Http(400, "application/json", body)
    });
    let otp = OtpDaemon::with_sms(&provider, "");
    let otp = otp.restart_with("auth_user", "resp_reason = /message\nauth_user");
    assert_eq!(otp.send(PHONE), answer(500, NOT_SENT));
    let line = otp.daemon.wait_for_log("code not sent");
    assert!(
        line.contains("+*******4567 does not take (the code); "),
        "{line}"
    );
    let log = otp.daemon.log();
    assert!(
        !log.contains(PHONE) && !log.contains(&last_code(&provider)),
        "{log}"
    );
}

/// The hash is no SHA-256 of code, salt, phone and file name in any order, so that
/// codes cannot be tried against it.
#[test]
fn stored_hash_needs_the_key() {
    use sha2::{Digest as _, Sha256};

    let provider = sms_provider();
    let otp = OtpDaemon::with_sms(&provider, "code_length = 4");
    assert_eq!(otp.send(PHONE).0, 200);
    let code = last_code(&provider);
    let file = std::fs::read_dir(otp.directory())
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let text = std::fs::read_to_string(file.path()).unwrap();
    let state: serde_json::Value = serde_json::from_str(&text).unwrap();
    let kept = &state["code"]["kept"];
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
    // With another key the state is not found.
    let otp = otp.restart_with("secret-of-the-provider", "another-secret-of-it");
    assert_eq!(otp.verify(PHONE, &code), unknown(PHONE));
}

#[test]
fn expired_state_is_removed() {
    let provider = sms_provider();
    let otp = OtpDaemon::with_sms(&provider, "");
    let files = |otp: &OtpDaemon| std::fs::read_dir(otp.directory()).unwrap().count();
    for number in 0..3 {
        assert_eq!(otp.send(&format!("1555123456{number}")).0, 200);
    }
    otp.advance(Duration::from_secs(3600 + 299));
    assert_eq!(otp.send(PHONE).0, 200);
    let otp = otp.restart(Signal::SIGTERM);
    assert_eq!(otp.verify("15551234560", "1"), answer(401, EXPIRED));
    assert!(files(&otp) >= 3);
    otp.advance(Duration::from_secs(1));
    let otp = otp.restart(Signal::SIGTERM);
    wait_for("the last one", || (files(&otp) == 1).then_some(()));
    let code = last_code(&provider);
    assert_eq!(otp.verify(PHONE, &code), answer(200, ""));
}

#[test]
fn health_has_counters_of_outcomes() {
    let provider = sms_provider();
    let otp = OtpDaemon::with_sms(&provider, "per_phone = 1\n");
    let otp = otp.restart_with("[otp]", "[websmsd]\nhealth_listen = 127.0.0.1:0\n[otp]");
    let line = otp.daemon.wait_for_log("health endpoint listening");
    let health = line
        .rsplit_once("address=")
        .unwrap()
        .1
        .trim()
        .parse()
        .unwrap();
    otp.send(PHONE);
    otp.send(PHONE);
    otp.send("x");
    let code = last_code(&provider);
    otp.verify(PHONE, &wrong_code(&code));
    otp.verify(PHONE, &code);
    otp.verify(PHONE, &code);
    let body = http::send(health, &http::request("GET", "/", &[], b"")).text();
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    let expected = serde_json::json!({
        "live": 0, "sent": 1, "failed": 0, "limited": 1, "verified": 1, "wrong": 1, "locked": 0,
        "expired": 0, "refused": 2,
    });
    assert_eq!(body["otp"], expected);
}

/// However many clients connect, the daemon keeps file descriptors for other work.
#[test]
fn many_connections_leave_descriptors_for_others() {
    let provider = sms_provider();
    let otp = OtpDaemon::with_sms(&provider, "");
    let descriptors = format!("/proc/{}/fd", otp.daemon.pid());
    let open = || std::fs::read_dir(&descriptors).unwrap().count();
    let before = open();
    let connections: Vec<_> = (0..400).map(|_| http::connect(otp.address)).collect();
    wait_for("many connections", || (open() > before + 100).then_some(()));
    // The other listener is served meanwhile.
    for _ in 0..3 {
        assert_eq!(otp.daemon.send("+1", "+2", "x").status, 200);
        assert!(open() < before + 200, "{}", open());
    }
    drop(connections);
    wait_for("an answer", || (otp.send(PHONE).0 == 200).then_some(()));
}

/// The times to finish do not add up.
#[test]
fn webhook_and_otp_request_share_one_deadline() {
    use std::io::Write as _;

    let provider = Provider::answering(Answer::Silence);
    let otp = OtpDaemon::with_sms(&provider, "");
    let otp = otp.restart_with("auth_user", "timeout = 60\nauth_user");
    let mut message = http::connect(otp.daemon.address);
    let part = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nTo=";
    message.write_all(part).unwrap();
    let mut asked = http::connect(otp.address);
    let target = format!("/otp/{PHONE}/");
    let get = http::request_to(otp.address, "GET", &target, &[], b"");
    asked.write_all(&get).unwrap();
    provider.wait_for(1);
    let start = Instant::now();
    let (status, log) = otp.daemon.stop();
    assert!(status.success());
    assert_eq!(
        log.matches("request cut off by shutdown").count(),
        2,
        "{log}"
    );
    assert!(start.elapsed() < Duration::from_secs(9), "{log}");
}

#[test]
fn directory_in_use_is_refused() {
    let provider = sms_provider();
    let otp = OtpDaemon::with_sms(&provider, "");
    let config = std::fs::read_to_string(otp.config_path()).unwrap();
    let (config, _) = config.split_once("[astqueue]").unwrap();
    let other = Spool::new();
    let stderr = daemon::failed_start(&mut daemon::command(&other.configure(config)));
    assert!(
        stderr.contains(
            "another websmsd uses it (stop the other one, or name another directory with otpdir)"
        ),
        "{stderr}"
    );
}

#[test]
fn damaged_state_file_is_ignored() {
    let provider = sms_provider();
    let otp = OtpDaemon::with_sms(&provider, "");
    assert_eq!(otp.send(PHONE).0, 200);
    let file = std::fs::read_dir(otp.directory())
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    std::fs::write(file.path(), "{\"sends\":").unwrap();
    assert_eq!(otp.verify(PHONE, &last_code(&provider)), unknown(PHONE));
    otp.daemon.wait_for_log("damaged file put aside");
    assert_eq!(otp.send(PHONE).0, 200);
    assert_eq!(otp.verify(PHONE, &last_code(&provider)), answer(200, ""));
}

#[test]
fn unusable_directory_is_503_and_nothing_is_verified() {
    let provider = sms_provider();
    let otp = OtpDaemon::with_sms(&provider, "");
    assert_eq!(otp.send(PHONE).0, 200);
    let code = last_code(&provider);
    let directory = otp.directory();
    let renamed = directory.with_extension("renamed");
    std::fs::rename(&directory, &renamed).unwrap();
    std::fs::write(&directory, "not a directory").unwrap();
    assert_eq!(otp.verify(PHONE, &code).0, 503);
    assert_eq!(otp.send(PHONE).0, 503);
    std::fs::remove_file(&directory).unwrap();
    std::fs::rename(&renamed, &directory).unwrap();
    assert_eq!(
        received_codes(&provider).len(),
        1,
        "a code that cannot be counted is not sent"
    );
    assert_eq!(otp.verify(PHONE, &code), answer(200, ""));
}
