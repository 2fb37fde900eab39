//! Texts in every character set, body and coding that gateways use arrive as they were
//! written.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::support::http::{FORM, JSON};
use crate::support::{Daemon, callfile};

const KEYS: &str = "[websmsd]\nkey_to = to\nkey_from = from\nkey_body = text\n";

/// Headers and body.
type Request<'a> = (&'a [(&'a str, &'a str)], &'a [u8]);

/// The texts that arrive, one for each request, all of which are answered 200.
fn arriving(config: &str, target: &str, requests: &[Request<'_>]) -> Vec<String> {
    let daemon = Daemon::start(config);
    for (headers, body) in requests {
        let response = daemon.post(target, headers, body);
        assert_eq!(response.status, 200, "{headers:?} {body:?}");
    }
    let files = daemon.spool.wait_for(requests.len());
    files.iter().map(|file| callfile::text(file)).collect()
}

#[test]
fn text_is_read_by_the_character_set_that_the_request_names() {
    let latin = ("Content-Type", "application/json; charset=ISO-8859-1");
    let part = "--B\r\nContent-Disposition: form-data; name=to\r\n\r\n1\r\n\
                --B\r\nContent-Disposition: form-data; name=from\r\n\r\n2\r\n\
                --B\r\nContent-Disposition: form-data; name=text\r\n\
                Content-Type: text/plain; charset=koi8-r\r\n\r\n";
    let parts = [part.as_bytes(), b"\xf0\xd2\xc9", b"\r\n--B--\r\n"].concat();
    let texts = arriving(
        KEYS,
        "/",
        &[
            (&[FORM], b"to=1&from=2&text=tr%E8s&_charset_=ISO-8859-1"),
            (
                &[latin],
                b"{\"to\":\"1\",\"from\":\"2\",\"text\":\"tr\xe8s\"}",
            ),
            (
                &[("Content-Type", "multipart/form-data; boundary=B")],
                &parts,
            ),
        ],
    );
    assert_eq!(texts, ["très", "très", "При"]);
}

#[test]
fn field_names_the_character_set_of_the_text() {
    let config = format!("{KEYS}key_charset = charset\n");
    let texts = arriving(
        &config,
        "/",
        &[
            (&[FORM], b"to=1&from=2&text=tr%E8s&charset=ISO-8859-1"),
            (
                &[FORM],
                b"to=1&from=2&text=%00a%D8%3D%DE%00&charset=UTF-16BE",
            ),
        ],
    );
    assert_eq!(texts, ["très", "a😀"]);
    let hex = format!("{config}decode = hex\ncharset_values = 8=UTF-16BE, 0=GSM\n");
    let texts = arriving(
        &hex,
        "/",
        &[
            (&[FORM], b"to=1&from=2&text=0061D83DDE00&charset=8"),
            (&[FORM], b"to=1&from=2&text=636166051b65&charset=0"),
            (
                &[JSON],
                br#"{"to":"1","from":"2","text":"7472E873","charset":"latin1"}"#,
            ),
        ],
    );
    assert_eq!(texts, ["a😀", "café€", "très"]);
}

#[test]
fn jasmin_hands_over_every_coding() {
    let preset = "[websmsd]\npreset = jasmin\nauth_secret = 5f1d7a84c3e94b06a2d8\n";
    let texts = arriving(
        preset,
        "/jasmin/5f1d7a84c3e94b06a2d8",
        &[
            (
                &[FORM],
                b"id=1&from=2&to=1&coding=0&content=caf%05+a%00b+%1Be",
            ),
            (&[FORM], b"id=2&from=2&to=1&coding=1&content=a%40b"),
            (&[FORM], b"id=3&from=2&to=1&coding=3&content=caf%E9"),
            (
                &[FORM],
                b"id=4&from=2&to=1&coding=8&content=%26%3A%D8%3D%DE%00",
            ),
            (&[FORM], b"id=5&from=2&to=1&content=plain"),
        ],
    );
    assert_eq!(texts, ["café a@b €", "a@b", "café", "☺😀", "plain"]);
}

#[test]
fn bare_text_has_its_numbers_in_headers() {
    let config = "[websmsd]\nkey_to = header:X-Kannel-To\nkey_from = header:X-Kannel-From\n\
                  key_body = body\n";
    let numbers = [("X-Kannel-To", "1"), ("X-Kannel-From", "2")];
    let typed = |content_type| [("Content-Type", content_type), numbers[0], numbers[1]];
    let (plain, wide) = (typed("text/plain"), typed("text/plain; charset=UTF-16BE"));
    let texts = arriving(
        config,
        "/",
        &[(&plain, "hello ☺".as_bytes()), (&wide, b"\0a\x26\x3a")],
    );
    assert_eq!(texts, ["hello ☺", "a☺"]);
    // As the provider says of everything, and as the interface knows it.
    let configured = format!("{config}body_type = text\ncharset = windows-1251\n");
    let form = typed(FORM.1);
    let texts = arriving(&configured, "/", &[(&form, b"\xcf\xf0\xe8=&")]);
    assert_eq!(texts, ["При=&"]);
}

#[test]
fn json_is_read_whatever_its_type_is() {
    let message = r#"{"to":"1","from":"2","text":"x"}"#.as_bytes();
    let types: Vec<_> = [
        "text/plain",
        "text/json",
        "application/octet-stream",
        FORM.1,
    ]
    .into_iter()
    .map(|content_type| [("Content-Type", content_type)])
    .collect();
    let mut requests: Vec<_> = types.iter().map(|it| (&it[..], message)).collect();
    requests.push((&[], message));
    let marked = [b"\xEF\xBB\xBF", message].concat();
    requests.push((&[JSON], &marked));
    let broken = br#"{"to":"1","from":"2","text":"x","name":"half \ud83d","tab":"	"}"#;
    requests.push((&[JSON], broken));
    assert_eq!(arriving(KEYS, "/", &requests), ["x"; 7]);
}

#[test]
fn gzip_is_unpacked_and_other_codings_are_refused() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(b"to=1&from=2&text=x").unwrap();
    let packed = encoder.finish().unwrap();
    let gzip = ("Content-Encoding", "gzip");
    assert_eq!(arriving(KEYS, "/", &[(&[FORM, gzip], &packed)]), ["x"]);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![b'x'; 5_000_000]).unwrap();
    let bomb = encoder.finish().unwrap();
    let daemon = Daemon::start(KEYS);
    for (coding, body, status) in [
        ("gzip", &bomb[..], 413),
        ("gzip", b"to=1&from=2&text=x", 400),
        ("br", b"x", 415),
    ] {
        let response = daemon.post("/", &[FORM, ("Content-Encoding", coding)], body);
        assert_eq!(response.status, status, "{coding}");
    }
    let line = daemon.wait_for_log("its Content-Encoding is \"br\"");
    assert!(line.contains("expected gzip or none"), "{line}");
    let unknown = ("Content-Type", "application/json; charset=utf-99");
    assert_eq!(daemon.post("/", &[unknown], b"{}").status, 415);
    daemon.wait_for_log("utf-99");
    assert!(daemon.spool.all().is_empty());
}

#[test]
fn guessed_character_set_is_logged_once() {
    let daemon = Daemon::start(KEYS);
    for _ in 0..3 {
        let body = b"to=1&from=2&text=tr%E8s";
        assert_eq!(daemon.post("/", &[FORM], body).status, 200);
    }
    let files = daemon.spool.wait_for(3);
    assert!(files.iter().all(|file| callfile::text(file) == "très"));
    let line = daemon.wait_for_log("character set guessed");
    assert!(
        line.contains("WARN") && line.contains("set charset or key_charset"),
        "{line}"
    );
    assert_eq!(daemon.log().matches("character set guessed").count(), 1);
}
