//! `websmsd`: requests and responses, the spool, and how it starts and stops.

use std::io::{BufReader, Write as _};
use std::net::Shutdown;

use nix::sys::signal::Signal;

use crate::support::daemon::{self, list};
use crate::support::http::{self, FORM, JSON, request};
use crate::support::{Daemon, Spool, callfile, wait_for};

const TO: &str = "+12025550160";
const FROM: &str = "+15017122661";

/// The texts of the messages in these call files.
fn texts(files: &[String]) -> Vec<String> {
    files.iter().map(|file| callfile::text(file)).collect()
}

#[test]
fn only_stored_messages_and_challenges_get_status_200() {
    let daemon = Daemon::start(
        "[websmsd]\nrequest_uri = /hook/1\nkey_echo = zd_echo\nmax_body = 2000\n\
         permit_addr = 127.0.0.1\nproxy_addr = \"\"\n",
    );
    let message = http::message(TO, FROM, "x");
    let large = http::message(TO, FROM, &"x".repeat(2000));
    let post = |target: &str, headers: &[(&str, &str)], body: &[u8]| {
        request("POST", target, headers, body)
    };
    for (name, raw, status) in [
        ("stored", post("/hook/1", &[FORM], &message), 200),
        (
            "query is not part of the path",
            post("/hook/1?a=b", &[FORM], &message),
            200,
        ),
        (
            "absolute form",
            post("http://x/hook/1", &[FORM], &message),
            200,
        ),
        ("echo", request("GET", "/hook/1?zd_echo=1", &[], b""), 200),
        ("wrong path", post("/hook/2", &[FORM], &message), 404),
        ("slash", post("/hook/1/", &[FORM], &message), 404),
        ("encoded slash", post("/hook%2f1", &[FORM], &message), 404),
        ("double slash", post("//hook/1", &[FORM], &message), 404),
        ("dots", post("/x/../hook/1", &[FORM], &message), 404),
        ("root", post("/", &[FORM], &message), 404),
        ("asterisk form", request("OPTIONS", "*", &[], b""), 404),
        (
            "echo at a wrong path",
            request("GET", "/?zd_echo=1", &[], b""),
            404,
        ),
        ("get", request("GET", "/hook/1", &[], b""), 405),
        (
            "get with a message",
            request("GET", "/hook/1?To=1&From=2&Body=x", &[], b""),
            405,
        ),
        ("head", request("HEAD", "/hook/1", &[], b""), 200),
        ("options", request("OPTIONS", "/hook/1", &[], b""), 204),
        ("head elsewhere", request("HEAD", "/hook/2", &[], b""), 404),
        ("put", request("PUT", "/hook/1", &[FORM], &message), 405),
        ("delete", request("DELETE", "/hook/1", &[], b""), 405),
        ("no type", post("/hook/1", &[], b"hello"), 415),
        ("no type, a form", post("/hook/1", &[], b"To=1"), 400),
        (
            "text",
            post("/hook/1", &[("Content-Type", "text/plain")], &message),
            400,
        ),
        (
            "xml",
            post("/hook/1", &[("Content-Type", "text/xml")], b"<To/>"),
            415,
        ),
        ("large", post("/hook/1", &[FORM], &large), 413),
        ("empty", post("/hook/1", &[FORM], b""), 400),
        ("no text", post("/hook/1", &[FORM], b"To=1&From=2"), 200),
        ("no sender", post("/hook/1", &[FORM], b"To=1&Body=x"), 200),
        ("neither", post("/hook/1", &[FORM], b"To=1"), 400),
        ("broken JSON", post("/hook/1", &[JSON], b"{"), 400),
        ("JSON without keys", post("/hook/1", &[JSON], b"{}"), 400),
        ("no HTTP", b"garbage\r\n\r\n".to_vec(), 400),
        (
            "length and chunks",
            b"POST /hook/1 HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx".to_vec(),
            400,
        ),
    ] {
        let response = daemon.request(&raw);
        assert_eq!(response.status, status, "{name}: {}", response.text());
    }
    daemon.spool.wait_for(5);
    assert_eq!(daemon.spool.take().len(), 5);
    assert!(list(&daemon.spool.staging()).is_empty());
}

/// Who could not post a message gets what he got before.
#[test]
fn probe_is_answered_where_a_message_could_be_posted() {
    let daemon = Daemon::start(
        "[websmsd]\nproxy_addr = 127.0.0.1\nproxy_header = X-Forwarded-For\npermit_addr = 192.0.2.1\n\
         request_uri [open] = /open\nmethod [open] = POST,PUT\n\
         request_uri [path] = /path/{token}\nauth [path] = token\nauth_place [path] = path\n\
         auth_secret [path] = good\n\
         request_uri [query] = /query\nauth [query] = token\nauth_place [query] = query:k\n\
         auth_secret [query] = good\n\
         request_uri [basic] = /basic\nauth [basic] = basic\nauth_user [basic] = u\n\
         auth_secret [basic] = p\n\
         request_uri [hmac] = /hmac\nauth [hmac] = hmac\nauth_place [hmac] = header:X\n\
         auth_secret [hmac] = good\n",
    );
    let probe = |method: &str, target: &str, client: &str, header: (&str, &str)| {
        let raw = request(method, target, &[("X-Forwarded-For", client), header], b"");
        daemon.request(&raw)
    };
    let none = ("X-None", "1");
    let basic = ("Authorization", "Basic dTpw");
    for (target, header, admitted) in [
        ("/open", none, true),
        ("/path/good", none, true),
        ("/path/bad", none, false),
        ("/query?k=good", none, true),
        ("/query?k=bad", none, false),
        ("/query", none, false),
        ("/basic", basic, true),
        ("/basic", ("Authorization", "Basic dTpx"), false),
        ("/basic", none, false),
        ("/hmac", none, true),
    ] {
        for (method, status) in [("HEAD", 200), ("OPTIONS", 204)] {
            let expected = if admitted { status } else { 405 };
            let answer = probe(method, target, "192.0.2.1", header);
            assert_eq!(answer.status, expected, "{method} {target}");
            assert_eq!(probe(method, target, "192.0.2.2", header).status, 403);
        }
    }
    assert_eq!(probe("HEAD", "/other", "192.0.2.1", none).status, 404);
    let answer = probe(
        "OPTIONS",
        "/open",
        "192.0.2.1",
        ("WebHook-Request-Origin", "x.example"),
    );
    assert_eq!(answer.headers["allow"], "POST, PUT, HEAD, OPTIONS");
    assert_eq!(answer.headers["webhook-allowed-origin"], "*");
    assert!(daemon.spool.is_untouched());
}

#[test]
fn endless_body_gets_status_413() {
    let daemon = Daemon::start("[websmsd]\nmax_body = 4096\n");
    let mut stream = http::connect(daemon.address);
    stream
        .write_all(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n")
        .unwrap();
    stream
        .write_all(b"Content-Type: application/x-www-form-urlencoded\r\n\r\n")
        .unwrap();
    let chunk = format!("400\r\n{}\r\n", "x".repeat(1024));
    for _ in 0..1000 {
        if stream.write_all(chunk.as_bytes()).is_err() {
            break;
        }
    }
    // The response may be lost with the connection.
    let response = http::read_response(&mut BufReader::new(stream));
    assert!(matches!(response.status, 413 | 0), "{response:?}");
    daemon.wait_for_log("status=413");
    assert!(daemon.spool.is_untouched());
}

#[test]
fn reason_of_a_refusal_is_logged_and_not_sent() {
    let daemon = Daemon::start("[websmsd]\nrequest_uri = /hook\n");
    for (raw, status, text, reason) in [
        (
            request("POST", "/hook", &[FORM], b"To=h&From=2&Body=x"),
            400,
            "Bad Request\n",
            "field \"To\": \"h\" is not a phone number",
        ),
        (
            request("POST", "/hook", &[FORM], b"From=2&Body=x"),
            400,
            "Bad Request\n",
            "field \"To\" is missing",
        ),
        (
            request("POST", "/other", &[FORM], b""),
            404,
            "Not Found\n",
            "path \"/other\" is not in request_uri",
        ),
        (
            request("POST", "/hook", &[("Content-Type", "text/x")], b"x"),
            415,
            "Unsupported Media Type\n",
            "the Content-Type is \"text/x\"",
        ),
        (
            request("GET", "/hook", &[], b""),
            405,
            "Method Not Allowed\n",
            "the method is not allowed (expected POST)",
        ),
    ] {
        let response = daemon.request(&raw);
        assert_eq!((response.status, response.text().as_str()), (status, text));
        assert_eq!(
            response.headers["content-type"],
            "text/plain; charset=utf-8"
        );
        let line = daemon.wait_for_log(reason);
        assert!(
            line.contains("WARN") && line.contains("peer=127.0.0.1"),
            "{line}"
        );
    }
    let response = daemon.get("/hook");
    assert_eq!(response.headers["allow"], "POST");
}

#[test]
fn control_characters_are_not_logged() {
    let daemon = Daemon::start("[websmsd]\nkey_echo = e\n");
    let bytes: Vec<u8> = (0..=255).collect();
    let form = http::form(&[("To", &bytes), ("From", &bytes), ("Body", &bytes)]);
    daemon.post("/", &[FORM], &form);
    daemon.post("/\u{1b}[31m", &[FORM], &form);
    daemon.post("/", &[("Content-Type", "a\u{1b}[31mb\u{9b}")], &form);
    daemon.post(
        "/",
        &[("Content-Type", "multipart/form-data; boundary=\u{7f}")],
        &bytes,
    );
    daemon.post("/", &[JSON], &bytes);
    daemon.post("/", &[FORM, ("X-Forwarded-For", "\u{1b}]0;x\u{7}")], &form);
    daemon.get("/?e=%1b%5b31m");
    let (status, log) = daemon.stop();
    assert!(status.success());
    assert!(log.lines().count() > 8, "{log}");
    for line in log.lines() {
        assert!(line.starts_with("20"), "no timestamp: {line:?}");
        let control = |c: char| c.is_control() || c == '\u{2028}' || c == '\u{2029}';
        assert!(!line.contains(control), "{line:?}");
    }
    assert!(!log.contains('\r'), "{log:?}");
}

#[test]
fn challenge_is_echoed_as_plain_text() {
    let daemon = Daemon::start("[websmsd]\nkey_echo = zd_echo\n");
    let response = daemon.get("/?a=b&zd_echo=abc%20123&c=d");
    assert_eq!(
        (response.status, response.text().as_str()),
        (200, "abc 123")
    );
    assert_eq!(
        response.headers["content-type"],
        "text/plain; charset=utf-8"
    );
    assert_eq!(response.headers["x-content-type-options"], "nosniff");
    let long = format!("/?zd_echo={}", "a".repeat(257));
    for refused in [
        "/?zd_echo=%3Cscript%3Ealert(1)%3C/script%3E",
        "/?zd_echo=a%0d%0ab",
        &long,
    ] {
        let response = daemon.get(refused);
        assert_eq!(
            (response.status, response.text().as_str()),
            (400, "Bad Request\n")
        );
    }
    // Without key_echo's parameter a GET is refused; a POST is a message, also with it.
    assert_eq!(daemon.get("/?other=1").status, 405);
    let form = http::message(TO, FROM, "x");
    assert_eq!(daemon.post("/?zd_echo=1", &[FORM], &form).text(), "");
    daemon.spool.wait_for(1);
}

#[test]
fn acknowledgement_has_the_content_type_of_its_text() {
    let daemon = Daemon::start(
        "[websmsd]\nrequest_uri [x] = /x\nreport_success [x] = \"<Response></Response>\"\n\
         request_uri [j] = /j\nresp_ack [j] = '{\"ok\":true}'\n\
         request_uri [t] = /t\nresp_ack [t] = ACK/Jasmin\n",
    );
    let form = http::message(TO, FROM, "x");
    for (path, text, content_type) in [
        (
            "/x",
            "<Response></Response>",
            "application/xml; charset=utf-8",
        ),
        ("/j", "{\"ok\":true}", "application/json"),
        ("/t", "ACK/Jasmin", "text/plain; charset=utf-8"),
    ] {
        let response = daemon.post(path, &[FORM], &form);
        assert_eq!((response.status, response.text().as_str()), (200, text));
        assert_eq!(response.headers["content-type"], content_type);
    }
}

#[test]
fn form_multipart_and_json_become_messages() {
    let daemon = Daemon::start("");
    let multipart = "--B\r\nContent-Disposition: form-data; name=\"To\"\r\n\r\n+12025550160\r\n\
                     --B\r\nContent-Disposition: form-data; name=\"From\"\r\n\r\n+1501\r\n\
                     --B\r\nContent-Disposition: form-data; name=\"Body\"\r\n\r\nm ☺\r\n--B--\r\n";
    let boundary = ("Content-Type", "multipart/form-data; boundary=B");
    let json_api = ("Content-Type", "application/vnd.api+json");
    let bodies: [(_, &[u8], _); 9] = [
        (FORM, b"To=1&From=2&Body=a&To=3", &["a"][..]),
        (boundary, multipart.as_bytes(), &["m ☺"]),
        (
            JSON,
            br#"{"To":"+1","From":"+2","Body":"j \u263a"}"#,
            &["j ☺"],
        ),
        (
            JSON,
            br#"{"data":{"From":2,"x":[{"To":12025550160}]},"Body":null}"#,
            &[""],
        ),
        (
            json_api,
            br#"{"data":{"attributes":{"To":"1","From":"2","Body":"n"}}}"#,
            &["n"],
        ),
        (
            JSON,
            br#"[{"To":"1","From":"2","Body":"p"},{"To":"1","From":"2","Body":"q"}]"#,
            &["p", "q"],
        ),
        (
            FORM,
            b"result=%7B%22To%22%3A1%2C%22From%22%3A2%2C%22Body%22%3A%22z%22%7D",
            &["z"],
        ),
        (FORM, b"To=1&From=2&Body=%FF%00b", &["ÿ\u{fffd}b"]),
        (
            JSON,
            br#"{"To":"1","From":"2","Body":"a\u0000b"}"#,
            &["a\u{fffd}b"],
        ),
    ];
    let mut sent = Vec::new();
    for (content_type, body, expected) in bodies {
        let response = daemon.post("/", &[content_type], body);
        assert_eq!(response.status, 200, "{:?}", String::from_utf8_lossy(body));
        sent.extend_from_slice(expected);
    }
    assert_eq!(texts(&daemon.spool.wait_for(sent.len())), sent);
}

#[test]
fn every_message_of_a_request_is_stored() {
    let daemon = Daemon::start("");
    let message = |body: &str| format!(r#"{{"To":"1","From":"2","Body":"{body}"}}"#);
    let (a, b) = (message("a"), message("b"));
    for document in [
        format!("[{a},{b}]"),
        format!(r#"{{"results":[{a},{b}],"messageCount":2}}"#),
        format!(r#"{{"From":"9","x":{{"y":[[{a}],{{"z":{b}}}]}}}}"#),
    ] {
        assert_eq!(
            daemon.post("/", &[JSON], document.as_bytes()).status,
            200,
            "{document}"
        );
        let form = http::form(&[("result", document.as_bytes())]);
        assert_eq!(daemon.post("/", &[FORM], &form).status, 200, "{document}");
    }
    assert_eq!(texts(&daemon.spool.wait_for(12)), ["a", "b"].repeat(6));
}

#[test]
fn bad_messages_of_a_request_do_not_lose_the_others() {
    let daemon = Daemon::start("");
    let body = br#"[{"To":"h","From":"2","Body":"p"},{"To":"1","From":"2","Body":"q"},
                    {"To":"1","From":"X"},{"Body":"r"}]"#;
    assert_eq!(daemon.post("/", &[JSON], body).status, 200);
    assert_eq!(texts(&daemon.spool.wait_for(1)), ["q"]);
    daemon.wait_for_log("\"h\" is not a phone number");
    assert_eq!(
        daemon
            .post("/", &[JSON], br#"[{"To":"h","From":"2","Body":"p"}]"#)
            .status,
        400
    );
    assert_eq!(daemon.spool.take().len(), 1);
}

#[test]
fn too_many_messages_and_too_long_texts_get_status_413() {
    let daemon = Daemon::start("");
    let many = vec![r#"{"To":"1","From":"2","Body":""}"#; 1001].join(",");
    let response = daemon.post("/", &[JSON], format!("[{many}]").as_bytes());
    assert_eq!(response.status, 413);
    daemon.wait_for_log("the request holds 1001");
    let long = http::message(TO, FROM, &"x".repeat(65_537));
    assert_eq!(daemon.post("/", &[FORM], &long).status, 413);
    daemon.wait_for_log("65537 bytes");
    assert!(daemon.spool.is_untouched());
    let longest = http::message(TO, FROM, &"x".repeat(65_536));
    assert_eq!(daemon.post("/", &[FORM], &longest).status, 200);
    let text = texts(&daemon.spool.wait_for(66)).concat();
    assert_eq!(text, "x".repeat(65_536));
}

#[test]
fn forwarded_client_address_is_compared_with_permit_addr() {
    let daemon = Daemon::start(
        "[websmsd]\nproxy_addr = 127.0.0.0/8\npermit_addr [a] = 192.0.2.0/24, 2001:db8::/32\n\
         request_uri [a] = /a\npermit_addr [b] = 198.51.100.7\nrequest_uri [b] = /b\n",
    );
    let form = http::message(TO, FROM, "x");
    let header = "X-Forwarded-For";
    for (path, lines, status) in [
        ("/a", &["192.0.2.9"][..], 200),
        ("/a", &["203.0.113.1, 192.0.2.9"], 200),
        ("/a", &["192.0.2.9, 127.0.0.2"], 200),
        ("/a", &["203.0.113.1", "192.0.2.9"], 200),
        ("/a", &["2001:db8::1"], 200),
        ("/a", &["::ffff:192.0.2.9"], 200),
        ("/b", &["198.51.100.7:4711"], 200),
        ("/a", &["192.0.2.9, 203.0.113.1"], 403),
        ("/a", &["192.0.2.9", "203.0.113.1"], 403),
        ("/a", &["198.51.100.7"], 403),
        ("/b", &["192.0.2.9"], 403),
        ("/b", &["198.51.100.8"], 403),
        ("/a", &["unknown"], 403),
        ("/a", &[""], 403),
        ("/a", &[], 403),
        ("/c", &["192.0.2.9"], 404),
        ("/c", &["203.0.113.1"], 403),
    ] {
        let mut headers: Vec<_> = lines.iter().map(|line| (header, *line)).collect();
        headers.push(FORM);
        assert_eq!(
            daemon.post(path, &headers, &form).status,
            status,
            "{path} {lines:?}"
        );
    }
    daemon.spool.wait_for(7);
    assert_eq!(daemon.spool.take().len(), 7);
}

#[test]
fn forwarded_header_of_an_untrusted_peer_is_ignored() {
    for proxies in ["\"\"", "10.0.0.0/8"] {
        let config = format!("[websmsd]\nproxy_addr = {proxies}\npermit_addr = 192.0.2.9\n");
        let daemon = Daemon::start(&config);
        let form = http::message(TO, FROM, "x");
        let spoofed = daemon.post("/", &[FORM, ("X-Forwarded-For", "192.0.2.9")], &form);
        assert_eq!(spoofed.status, 403);
        assert!(daemon.spool.is_untouched());
    }
}

#[test]
fn daemon_listens_on_ipv6() {
    let spool = Spool::new();
    let path = spool.path().join("websms.conf");
    let config = format!("[websmsd]\npermit_addr = ::1\n{}", spool.section());
    std::fs::write(&path, config).unwrap();
    let daemon = Daemon::run(spool, daemon::listening(&path, "[::1]:0"));
    assert!(daemon.address.is_ipv6());
    assert_eq!(daemon.send(TO, FROM, "x").status, 200);
    daemon.spool.wait_for(1);
}

#[test]
fn port_is_read_from_the_environment() {
    let spool = Spool::new();
    let path = spool.path().join("websms.conf");
    std::fs::write(&path, spool.section()).unwrap();
    let mut command = std::process::Command::new(crate::support::program());
    command
        .env("WEBSMS_CONF", &path)
        .env("WEBSMSD_PORT", "0")
        .arg("websmsd")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let daemon = Daemon::run(spool, command);
    assert_eq!(daemon.address.ip().to_string(), "0.0.0.0");
    assert_ne!(daemon.address.port(), 0);
}

#[test]
fn several_requests_share_a_connection() {
    let daemon = Daemon::start("");
    let stream = http::connect(daemon.address);
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    for text in ["a", "b", "c"] {
        let body = http::message(TO, FROM, text);
        let raw = request("POST", "/", &[FORM], &body);
        let raw = String::from_utf8(raw)
            .unwrap()
            .replace("Connection: close\r\n", "");
        writer.write_all(raw.as_bytes()).unwrap();
        assert_eq!(http::read_response(&mut reader).status, 200);
    }
    assert_eq!(texts(&daemon.spool.wait_for(3)), ["a", "b", "c"]);
}

#[test]
fn message_of_a_client_that_disconnects_is_stored() {
    let daemon = Daemon::start("");
    let raw = request("POST", "/", &[FORM], &http::message(TO, FROM, "x"));
    // A half-closed connection still gets the response.
    let mut stream = http::connect(daemon.address);
    stream.write_all(&raw).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(http::read_response(&mut BufReader::new(stream)).status, 200);
    // After a full close the message is stored as well.
    let mut stream = http::connect(daemon.address);
    stream.write_all(&raw).unwrap();
    drop(stream);
    daemon.spool.wait_for(2);
}

#[test]
fn missing_staging_is_503_and_recovers() {
    let daemon = Daemon::start("");
    let staging = daemon.spool.staging();
    let aside = daemon.spool.path().join("aside");
    std::fs::rename(&staging, &aside).unwrap();
    let response = daemon.send(TO, FROM, "x");
    assert_eq!(response.status, 503);
    assert_eq!(response.text(), "Service Unavailable\n");
    assert_eq!(response.headers["retry-after"], "30");
    let line = daemon.wait_for_log("message not stored");
    assert!(
        line.contains("ERROR") && line.contains("No such file"),
        "{line}"
    );
    std::fs::rename(&aside, &staging).unwrap();
    assert_eq!(daemon.send(TO, FROM, "y").status, 200);
    assert_eq!(texts(&daemon.spool.wait_for(1)), ["y"]);
}

#[test]
fn messages_wait_in_staging_while_outgoing_is_missing() {
    let daemon = Daemon::start("");
    let outgoing = daemon.spool.outgoing();
    let aside = daemon.spool.path().join("aside");
    std::fs::rename(&outgoing, &aside).unwrap();
    for text in ["a", "b"] {
        assert_eq!(daemon.send(TO, FROM, text).status, 200);
    }
    daemon.wait_for_log("hand-over to Asterisk failed");
    assert_eq!(list(&daemon.spool.staging()).len(), 2);
    std::fs::rename(&aside, &outgoing).unwrap();
    assert_eq!(texts(&daemon.spool.wait_for(2)), ["a", "b"]);
}

/// Asterisk watches the directory that existed when it started, not the name.
#[test]
fn replaced_outgoing_is_logged_once() {
    const REPLACED: &str = "was replaced by another directory";
    let daemon = Daemon::start("");
    let outgoing = daemon.spool.outgoing();
    let aside = daemon.spool.path().join("aside");
    assert_eq!(daemon.send(TO, FROM, "a").status, 200);
    daemon.spool.wait_for(1);
    // Renamed and renamed back it is the same directory.
    std::fs::rename(&outgoing, &aside).unwrap();
    assert_eq!(daemon.send(TO, FROM, "b").status, 200);
    daemon.wait_for_log("hand-over to Asterisk failed");
    std::fs::rename(&aside, &outgoing).unwrap();
    daemon.spool.wait_for(2);
    assert!(!daemon.log().contains(REPLACED), "{}", daemon.log());
    std::fs::rename(&outgoing, &aside).unwrap();
    std::fs::create_dir(&outgoing).unwrap();
    let line = daemon.wait_for_log(REPLACED);
    assert!(line.contains("ERROR"), "{line}");
    assert!(line.contains(&outgoing.display().to_string()), "{line}");
    assert!(line.contains("restart Asterisk, then websmsd"), "{line}");
    // Messages are still handed over, for an Asterisk that has been restarted.
    assert_eq!(daemon.send(TO, "+15017122662", "c").status, 200);
    assert_eq!(daemon.spool.wait_for(3).len(), 3);
    assert_eq!(daemon.log().matches(REPLACED).count(), 1);
}

#[test]
fn call_files_in_staging_are_handed_over_at_start() {
    let spool = Spool::new();
    let staging = spool.staging();
    for (name, content) in [
        (
            "1795304460000002-000000ab-0001of0001-0000000000000001.call",
            "third",
        ),
        (
            "1795304460000001-000000ff-0001of0002-0000000000000001.call",
            "first",
        ),
        (
            "1795304460000001-000000ff-0002of0002-0000000000000001.call",
            "second",
        ),
        // Its first part was handed over already.
        (
            "1795304460000003-00000000-0002of0002-0000000000000001.call",
            "fourth",
        ),
        // Never accepted: the last part is missing.
        (
            "1795304460000004-00000000-0001of0003-0000000000000001.call",
            "torn",
        ),
        (
            "1795304460000004-00000000-0002of0003-0000000000000001.call",
            "torn",
        ),
        (".torn.tmp", "half"),
        ("not-ours.txt", ""),
    ] {
        std::fs::write(staging.join(name), content).unwrap();
    }
    let config = spool.section();
    let daemon = Daemon::with(spool, &config);
    assert_eq!(
        daemon.spool.wait_for(4),
        ["first", "second", "third", "fourth"]
    );
    assert_eq!(list(&staging), [staging.join("not-ours.txt")]);
    daemon.wait_for_log("incomplete call files removed files=3");
}

#[test]
fn second_daemon_on_the_same_spool_does_not_start() {
    let first = Daemon::start("");
    let writing = first.spool.staging().join(".being-written.tmp");
    std::fs::write(&writing, "").unwrap();
    let config = first.spool.path().join("websms.conf");
    let log = daemon::failed_start(&mut daemon::command(&config));
    assert!(
        log.contains("another websmsd uses it (stop the other one"),
        "{log}"
    );
    let address = first.address.to_string();
    let log = daemon::failed_start(&mut daemon::listening(&config, &address));
    assert!(log.contains("cannot listen"), "{log}");
    assert!(writing.exists());
}

#[test]
fn staging_missing_for_a_while_loses_no_message() {
    let daemon = Daemon::start("");
    let (staging, outgoing) = (daemon.spool.staging(), daemon.spool.outgoing());
    let aside = |name: &str| daemon.spool.path().join(name);
    std::fs::rename(&outgoing, aside("outgoing-aside")).unwrap();
    assert_eq!(daemon.send(TO, FROM, "a").status, 200);
    daemon.wait_for_log("hand-over to Asterisk failed");
    std::fs::rename(&staging, aside("staging-aside")).unwrap();
    std::fs::rename(aside("outgoing-aside"), &outgoing).unwrap();
    // The feeder retries meanwhile, and must not forget files that it does not find.
    std::thread::sleep(std::time::Duration::from_millis(2500));
    std::fs::rename(aside("staging-aside"), &staging).unwrap();
    assert_eq!(texts(&daemon.spool.wait_for(1)), ["a"]);
}

#[test]
fn daemon_stops_on_sigterm_and_sigint() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let daemon = Daemon::start("");
        assert_eq!(daemon.send(TO, FROM, "x").status, 200);
        daemon.signal(signal);
        daemon.wait_for_log("stopping");
        let outgoing = daemon.spool.outgoing();
        let count = wait_for("the daemon to stop", || {
            let ended = daemon.log().contains("stopped");
            ended.then(|| list(&outgoing).len())
        });
        assert_eq!(count, 1);
    }
}

#[test]
fn request_in_progress_is_finished_before_the_daemon_stops() {
    let daemon = Daemon::start("");
    let raw = request("POST", "/", &[FORM], &http::message(TO, FROM, "x"));
    let (start, end) = raw.split_at(raw.len() - 1);
    let mut stream = http::connect(daemon.address);
    stream.write_all(start).unwrap();
    // After a response on another connection, the first one has been accepted.
    assert_eq!(daemon.send(TO, FROM, "other").status, 200);
    daemon.signal(Signal::SIGTERM);
    daemon.wait_for_log("stopping");
    stream.write_all(end).unwrap();
    assert_eq!(http::read_response(&mut BufReader::new(stream)).status, 200);
    daemon.wait_for_log("stopped");
    // A call file that was not handed over waits in staging for the next start.
    let waiting = list(&daemon.spool.staging()).len();
    assert_eq!(daemon.spool.take().len() + waiting, 2);
    let (status, _) = daemon.wait();
    assert!(status.success());
}

/// The refusal of an address must not show a token, however short.
#[test]
fn token_in_the_path_is_not_logged() {
    for (keys, status) in [
        ("permit_addr = 192.0.2.1", 403),
        ("permit_addr = 198.51.100.7", 404),
    ] {
        let config = format!(
            "[websmsd]\nauth = token\nauth_place = path\nauth_secret = hunter2\n\
             request_uri = /hook/{{token}}/in\nproxy_addr = 127.0.0.1\n{keys}\n"
        );
        let client = ("X-Forwarded-For", "198.51.100.7");
        let daemon = Daemon::start(&config);
        for path in [
            "/hook/hunter2/in",
            "/hook/in/hunter2",
            "/hok/hunter2/in",
            "/hunter2",
        ] {
            let response = daemon.post(path, &[FORM, client], b"To=1&From=2&Body=x");
            let is_it = status == 404 && path == "/hook/hunter2/in";
            assert_eq!(response.status, if is_it { 200 } else { status }, "{path}");
        }
        assert!(daemon.wait_for_log("request refused").contains("/…"));
        assert!(!daemon.log().contains("hunter2"), "{}", daemon.log());
    }
}
