//! Pictures of messages: fetched after the response, only from allowed hosts, and
//! with a notice to the phone when they are not available.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, SystemTime};

use crate::provider::{Authority, TlsProvider};
use crate::support::daemon::list;
use crate::support::http::{self, FORM};
use crate::support::provider::Recorded;
use crate::support::{Answer, Daemon, Installation, Provider, callfile, program, wait_for};

const REMOTE: &str = "+12025550183";
const JOHN: &str = "+12025550160";

/// The digits of a random name.
const DIGITS: &str = "0123456789abcdef0123456789abcdef";

/// Permits the stand-in server.
const LOOPBACK: &str = "media_permit_addr = 127.0.0.1";

/// An installation with a directory for pictures.
struct Setup {
    pictures: PathBuf,
    installation: Installation,
}

impl Setup {
    /// With these lines in `[websmsd]` or sections after it.
    fn new(more: &str) -> Self {
        let installation = Installation::new(|spool| {
            format!(
                "[websmsd]\nkey_media = MediaUrl#\nkey_id = Id\nmedia = store\nmedia_dir = {}\n\
                 media_url = https://sms.example.com/media\n{more}\n{}",
                spool.path().join("media").display(),
                spool.section()
            )
        });
        let pictures = installation.path("media");
        fs::create_dir(&pictures).unwrap();
        Self {
            pictures,
            installation,
        }
    }

    /// Writes an old job, as an earlier run may have left it.
    fn leave_job(&self, url: &str) -> PathBuf {
        let pending = self.pictures.join(".pending");
        fs::create_dir(&pending).unwrap();
        let job = format!(
            "{{\"url\": \"{url}\", \"name\": \"{DIGITS}.gif\", \"interface\": \"\", \
             \"to\": \"{JOHN}\", \"from\": \"{REMOTE}\", \"since\": 1, \"tries\": 200}}"
        );
        let path = pending.join(format!("{DIGITS}.json"));
        fs::write(&path, job).unwrap();
        path
    }

    /// The files that a web server would serve.
    fn kept(&self) -> Vec<PathBuf> {
        list(&self.pictures)
    }

    fn wait_for_kept(&self, count: usize) -> Vec<PathBuf> {
        wait_for(&format!("{count} pictures"), || {
            let kept = self.kept();
            (kept.len() >= count).then_some(kept)
        })
    }

    /// The files of pictures to be fetched.
    fn jobs(&self) -> Vec<PathBuf> {
        list(&self.pictures.join(".pending"))
    }

    fn wait_until_idle(&self) {
        wait_for("no picture to be fetched", || {
            self.jobs().is_empty().then_some(())
        });
    }
}

/// Posts a message with pictures, and returns the status.
fn send(daemon: &Daemon, id: &str, text: &str, pictures: &[&str]) -> u16 {
    let names: Vec<_> = (0..pictures.len())
        .map(|n| format!("MediaUrl{n}"))
        .collect();
    let mut pairs: Vec<(&str, &[u8])> = vec![
        ("To", JOHN.as_bytes()),
        ("From", REMOTE.as_bytes()),
        ("Body", text.as_bytes()),
    ];
    if !id.is_empty() {
        pairs.push(("Id", id.as_bytes()));
    }
    for (name, url) in names.iter().zip(pictures) {
        pairs.push((name, url.as_bytes()));
    }
    daemon.post("/", &[FORM], &http::form(&pairs)).status
}

/// The texts of the first messages, which must be from them to John.
fn texts(daemon: &Daemon, count: usize) -> Vec<String> {
    let files = daemon.spool.wait_for(count);
    let text = |file: &String| {
        let (to, from, text) = callfile::message(file.as_bytes()).unwrap();
        assert_eq!((to.as_str(), from.as_str()), (JOHN, REMOTE));
        String::from_utf8(text).unwrap()
    };
    files.iter().map(text).collect()
}

/// Asserts that the phone got a link to a picture, and a notice that it could not be
/// fetched.
fn assert_notified(daemon: &Daemon, setup: &Setup, url: &str) {
    let texts = texts(daemon, 2);
    assert!(
        texts[0].starts_with("https://sms.example.com/media/"),
        "{texts:?}"
    );
    assert_eq!(texts[1], format!("A picture could not be fetched: {url}"));
    setup.wait_until_idle();
    assert_eq!(setup.kept(), [] as [&Path; 0]);
}

/// A response with a binary body.
fn picture(content_type: &str, body: &[u8]) -> Answer {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    Answer::Raw([head.as_bytes(), body].concat())
}

fn redirect(to: &str) -> Answer {
    Answer::Raw(
        format!(
            "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\
             Connection: close\r\n\r\n"
        )
        .into_bytes(),
    )
}

fn jpeg(bytes: usize) -> Vec<u8> {
    let start = [0xff, 0xd8, 0xff, 0xe0];
    start
        .into_iter()
        .chain((0..=255).cycle())
        .take(bytes)
        .collect()
}

/// The name in the link after the text.
fn name_in(text: &str) -> &str {
    let (_, link) = text.rsplit_once('\n').unwrap_or(("", text));
    link.strip_prefix("https://sms.example.com/media/").unwrap()
}

fn is_name(name: &str) -> bool {
    name.len() == 32 && name.bytes().all(|byte| b"0123456789abcdef".contains(&byte))
}

#[test]
fn picture_is_stored_unchanged_under_the_linked_name() {
    let body = jpeg(700_001);
    let server = Provider::answering(picture("image/jpeg", &body));
    let mut setup = Setup::new(LOOPBACK);
    let daemon = setup.installation.start();
    let url = format!("{}/very/private.JPG?token=hush", server.url());
    assert_eq!(send(&daemon, "id-1", "Look", &[&url]), 200);
    let text = texts(&daemon, 1).remove(0);
    let name = name_in(&text).to_owned();
    assert!(
        text.starts_with("Look\n") && is_name(name.strip_suffix(".jpg").unwrap()),
        "{text}"
    );
    let kept = setup.wait_for_kept(1);
    assert_eq!(kept, [setup.pictures.join(&name)]);
    assert_eq!(fs::read(&kept[0]).unwrap(), body);
    let (file, directory) = (
        kept[0].metadata().unwrap(),
        setup.pictures.metadata().unwrap(),
    );
    assert_eq!(file.mode() & 0o777, 0o644);
    assert_eq!((file.uid(), file.gid()), (directory.uid(), directory.gid()));
    setup.wait_until_idle();
    let log = setup.installation.stop(daemon);
    for private in ["hush", "private.JPG", name.as_str(), JOHN, REMOTE] {
        assert!(!log.contains(private), "{private} in {log}");
    }
    assert_eq!(server.requests().len(), 1);
    assert!(!server.requests()[0].headers.contains_key("authorization"));
}

#[test]
fn picture_of_url_without_extension_is_stored_without_one() {
    let server = Provider::answering(picture("image/png; x=y", b"\x89PNG"));
    let mut setup = Setup::new(LOOPBACK);
    let daemon = setup.installation.start();
    let urls = ["/Media/ME1", "/page.html"].map(|path| format!("{}{path}", server.url()));
    assert_eq!(send(&daemon, "", "", &[&urls[0], &urls[1]]), 200);
    let text = texts(&daemon, 1).remove(0);
    let mut names: Vec<_> = text
        .lines()
        .map(|line| setup.pictures.join(name_in(line)))
        .collect();
    assert!(
        names.iter().all(|name| name.extension().is_none()),
        "{text}"
    );
    names.sort();
    assert_eq!(setup.wait_for_kept(2), names);
}

#[test]
fn credentials_go_to_the_trusted_host_and_not_along_a_redirect() {
    let other = Provider::answering(picture("image/gif", b"GIF89a"));
    let target = format!("{}/stored?signature=x", other.url());
    let server = Provider::deciding(move |request| match request.path.as_str() {
        "/account/pictures/1" => redirect("2"),
        "/account/pictures/2" => redirect(&target),
        path => panic!("{path}"),
    });
    for (method, expected) in [
        ("auth_user = me\nauth_passwd = secret", "Basic bWU6c2VjcmV0"),
        (
            "auth_method = bearer\nauth_passwd = secret",
            "Bearer secret",
        ),
        (
            "auth_method = header\nauth_header = Authorization: App {secret}\nauth_passwd = secret",
            "App secret",
        ),
    ] {
        let mut setup = Setup::new(&format!(
            "{LOOPBACK}\nmedia_hosts = example.com,127.0.0.1\n[websms]\nhost = {}\n{method}\n",
            server.url()
        ));
        let daemon = setup.installation.start();
        let (before, others_before) = (server.requests().len(), other.requests().len());
        let url = format!("{}/account/pictures/1", server.url());
        assert_eq!(send(&daemon, "", "", &[&url]), 200);
        let kept = setup.wait_for_kept(1);
        assert_eq!(fs::read(&kept[0]).unwrap(), b"GIF89a");
        let requests = server.requests().split_off(before);
        let credentials = |request: &Recorded| request.headers.get("authorization").cloned();
        let received: Vec<_> = requests.iter().map(credentials).collect();
        assert_eq!(
            received,
            [Some(expected.to_owned()), Some(expected.to_owned())]
        );
        let requests = other.requests().split_off(others_before);
        assert_eq!(requests.iter().map(credentials).collect::<Vec<_>>(), [None]);
        assert_eq!(requests[0].path, "/stored?signature=x");
        assert!(!requests[0].headers.contains_key("referer"));
    }
}

#[test]
fn attacker_cannot_choose_what_is_fetched_with_credentials() {
    // Redirects from the attacker to the trusted host, and then within it.
    let trusted = Provider::deciding(|request| match request.path.as_str() {
        "/one" => redirect("/two"),
        _ => picture("image/gif", b"GIF89a"),
    });
    let host = format!("http://localhost:{}", trusted.address.port());
    let target = format!("{host}/one");
    let attacker = Provider::deciding(move |_| redirect(&target));
    let mut setup = Setup::new(&format!(
        "{LOOPBACK}\nmedia_hosts = localhost\n[websms]\nhost = {host}\nauth_user = me\n\
         auth_passwd = secret\n"
    ));
    let daemon = setup.installation.start();
    let url = format!("{}/a.gif", attacker.url());
    assert_eq!(send(&daemon, "", "", &[&url]), 200);
    setup.wait_for_kept(1);
    let requests = trusted.requests();
    let paths: Vec<_> = requests.iter().map(|request| &request.path).collect();
    assert_eq!(paths, ["/one", "/two"]);
    for request in requests.iter().chain(&attacker.requests()) {
        assert!(
            !request.headers.contains_key("authorization"),
            "{request:?}"
        );
    }
}

#[test]
fn credentials_go_to_no_other_host() {
    let server = Provider::answering(picture("image/gif", b"GIF89a"));
    let mut setup = Setup::new(&format!(
        "{LOOPBACK}\nmedia_hosts = example.com\n[websms]\nhost = {}\nauth_user = me\n\
         auth_passwd = secret\n",
        server.url()
    ));
    let daemon = setup.installation.start();
    assert_eq!(
        send(&daemon, "", "", &[&format!("{}/a.gif", server.url())]),
        200
    );
    setup.wait_for_kept(1);
    assert!(!server.requests()[0].headers.contains_key("authorization"));
}

#[test]
fn host_name_of_a_permitted_address_gets_credentials() {
    let server = Provider::answering(picture("image/gif", b"GIF89a"));
    let host = format!("http://localhost:{}", server.address.port());
    let mut setup = Setup::new(&format!(
        "{LOOPBACK}\nmedia_hosts = localhost\n[websms]\nhost = {host}\nauth_user = me\n\
         auth_passwd = secret\n"
    ));
    let daemon = setup.installation.start();
    assert_eq!(send(&daemon, "", "", &[&format!("{host}/a.gif")]), 200);
    setup.wait_for_kept(1);
    let request = server.requests().remove(0);
    assert_eq!(request.headers["authorization"], "Basic bWU6c2VjcmV0");
    assert_eq!(
        request.headers["host"],
        host.strip_prefix("http://").unwrap()
    );
}

#[test]
fn picture_is_fetched_by_https_with_the_ca_of_the_interface() {
    const ANSWER: &[u8] =
        b"HTTP/1.1 200 OK\r\nContent-Type: image/gif\r\nContent-Length: 6\r\n\r\nGIF89a";
    let authority = Authority::new();
    let trusted = TlsProvider::answering(authority.issue(|_| {}), ANSWER);
    let attacker = TlsProvider::answering(Authority::new().issue(|_| {}), ANSWER);
    let ca_file = tempfile::NamedTempFile::new().unwrap();
    fs::write(ca_file.path(), authority.pem()).unwrap();
    let mut setup = Setup::new(&format!(
        "{LOOPBACK}\nmedia_hosts = localhost\n[websms]\nhost = https://localhost\n\
         auth_user = me\nauth_passwd = secret\nca_file = {}\n",
        ca_file.path().display()
    ));
    let daemon = setup.installation.start();
    let url = |provider: &TlsProvider| format!("{}/a.gif", provider.url("localhost"));
    assert_eq!(send(&daemon, "", "", &[&url(&attacker)]), 200);
    daemon.wait_for_log("picture not fetched yet");
    assert_eq!(attacker.read(), "");
    assert_eq!(send(&daemon, "", "", &[&url(&trusted)]), 200);
    setup.wait_for_kept(1);
    let read = trusted.read();
    assert!(read.contains("authorization: Basic bWU6c2VjcmV0"), "{read}");
}

#[test]
fn private_address_is_not_connected_to_and_phone_is_notified() {
    let server = Provider::answering(picture("image/gif", b"GIF89a"));
    let port = server.address.port();
    for host in [
        "127.0.0.1",
        "localhost",
        "127.1",
        "[::ffff:127.0.0.1]",
        "0x7f000001",
    ] {
        let mut setup = Setup::new("");
        let daemon = setup.installation.start();
        let url = format!("http://{host}:{port}/a.gif?x=y");
        assert_eq!(send(&daemon, "", "", &[&url]), 200);
        assert_notified(&daemon, &setup, &url);
        daemon.wait_for_log("which is not public and not in media_permit_addr");
    }
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn redirect_to_a_private_address_is_not_followed() {
    let elsewhere = Provider::listening(([127, 0, 0, 2], 0).into(), |_| picture("image/gif", b"x"));
    let target = format!("{}/secret", elsewhere.url());
    let server = Provider::deciding(move |_| redirect(&target));
    let mut setup = Setup::new(LOOPBACK);
    let daemon = setup.installation.start();
    let url = format!("{}/a.gif", server.url());
    assert_eq!(send(&daemon, "", "", &[&url]), 200);
    assert_notified(&daemon, &setup, &url);
    assert_eq!(
        (server.requests().len(), elsewhere.requests().len()),
        (1, 0)
    );
}

#[test]
fn sixth_redirect_is_not_followed() {
    let server = Provider::answering(redirect("/again"));
    let mut setup = Setup::new(LOOPBACK);
    let daemon = setup.installation.start();
    let url = format!("{}/a.gif", server.url());
    assert_eq!(send(&daemon, "", "", &[&url]), 200);
    assert_notified(&daemon, &setup, &url);
    assert_eq!(server.requests().len(), 6);
}

#[test]
fn disallowed_responses_are_not_stored() {
    let endless = b"HTTP/1.1 200 OK\r\nContent-Type: image/gif\r\n\
                    Transfer-Encoding: chunked\r\n\r\n";
    let chunk = [b"2000\r\n", "x".repeat(0x2000).as_bytes(), b"\r\n"].concat();
    let chunks = [&endless[..], &chunk.repeat(20), b"0\r\n\r\n"].concat();
    let encoded = b"HTTP/1.1 200 OK\r\nContent-Type: image/gif\r\nContent-Encoding: gzip\r\n\
                    Content-Length: 1\r\n\r\nx";
    for (what, answer) in [
        (
            "too large by Content-Length",
            picture("image/gif", &jpeg(100_001)),
        ),
        ("too large without Content-Length", Answer::Raw(chunks)),
        (
            "of a disallowed type",
            picture("application/x-msdownload", b"MZ"),
        ),
        ("HTML", picture("text/html", b"hello")),
        ("SVG", picture("image/svg+xml", b"<svg/>")),
        (
            "HTML declared as GIF",
            picture("image/gif", b"\r\n <html><script>"),
        ),
        (
            "generic type without extension",
            picture("application/octet-stream; x", b"<?php"),
        ),
        ("encoded content", Answer::Raw(encoded.to_vec())),
        ("404", Answer::Http(404, "image/gif", "GIF89a".to_owned())),
        ("401", Answer::Http(401, "image/gif", "GIF89a".to_owned())),
        (
            "redirect without Location",
            Answer::Http(302, "image/gif", "GIF89a".to_owned()),
        ),
        ("redirect to a file", redirect("file:///etc/passwd")),
    ] {
        let server = Provider::answering(answer);
        let mut setup = Setup::new(&format!("{LOOPBACK}\nmedia_max = 100000"));
        let daemon = setup.installation.start();
        let url = format!("{}/a.gif", server.url());
        assert_eq!(send(&daemon, "", "", &[&url]), 200, "{what}");
        assert_notified(&daemon, &setup, &url);
        assert_eq!(server.requests().len(), 1, "{what}");
    }
}

#[test]
fn picture_of_the_maximum_size_is_stored() {
    let server = Provider::answering(picture("image/gif", &jpeg(100_000)));
    let mut setup = Setup::new(&format!("{LOOPBACK}\nmedia_max = 100000"));
    let daemon = setup.installation.start();
    assert_eq!(
        send(&daemon, "", "", &[&format!("{}/a.gif", server.url())]),
        200
    );
    assert_eq!(setup.wait_for_kept(1)[0].metadata().unwrap().len(), 100_000);
}

#[test]
fn truncated_picture_is_not_stored_and_fetched_after_a_restart() {
    let is_back = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&is_back);
    let body = jpeg(50_000);
    let whole = body.clone();
    let server = Provider::deciding(move |_| {
        let Answer::Raw(mut answer) = picture("image/jpeg", &whole) else {
            return Answer::HangUp;
        };
        if !asked.load(Ordering::SeqCst) {
            answer.truncate(answer.len() - 1);
        }
        Answer::Raw(answer)
    });
    let mut setup = Setup::new(LOOPBACK);
    let daemon = setup.installation.start();
    assert_eq!(
        send(&daemon, "id", "", &[&format!("{}/a.jpg", server.url())]),
        200
    );
    daemon.wait_for_log("picture not fetched yet");
    setup.installation.stop(daemon);
    assert_eq!((setup.kept().len(), setup.jobs().len()), (0, 1));
    let job = fs::read_to_string(&setup.jobs()[0]).unwrap();
    assert!(job.contains("\"tries\": 1"), "{job}");
    assert_eq!(setup.jobs()[0].metadata().unwrap().mode() & 0o777, 0o600);
    is_back.store(true, Ordering::SeqCst);
    let daemon = setup.installation.start();
    let name = name_in(&texts(&daemon, 1)[0]).to_owned();
    assert_eq!(setup.wait_for_kept(1), [setup.pictures.join(name)]);
    assert_eq!(fs::read(&setup.kept()[0]).unwrap(), body);
    setup.wait_until_idle();
}

#[test]
fn picture_is_requested_again_after_503() {
    let count = AtomicUsize::new(0);
    let server = Provider::deciding(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => Answer::Http(503, "text/plain", "later".to_owned()),
        _ => picture("image/gif", b"GIF89a"),
    });
    let mut setup = Setup::new(LOOPBACK);
    let daemon = setup.installation.start();
    assert_eq!(
        send(&daemon, "", "", &[&format!("{}/a.gif", server.url())]),
        200
    );
    setup.wait_for_kept(1);
    assert_eq!(texts(&daemon, 1).len(), 1);
}

#[test]
fn picture_is_given_up_after_a_day() {
    let server = Provider::answering(Answer::HangUp);
    let mut setup = Setup::new(LOOPBACK);
    let url = format!("{}/a.gif", server.url());
    let job = setup.leave_job(&url);
    // A malformed job is put aside and blocks no other.
    let broken = format!("f{}.json", &DIGITS[1..]);
    fs::write(job.with_file_name(&broken), "{").unwrap();
    let daemon = setup.installation.start();
    assert_eq!(
        texts(&daemon, 1),
        [format!("A picture could not be fetched: {url}")]
    );
    setup.wait_until_idle();
    let aside = job.with_file_name("quarantine").join(broken);
    assert_eq!(fs::read_to_string(aside).unwrap(), "{");
}

#[test]
fn remains_of_a_crash_are_removed() {
    let server = Provider::answering(picture("image/gif", b"GIF89a"));
    let mut setup = Setup::new(LOOPBACK);
    // A stored picture whose job is left, and an incomplete file.
    let job = setup.leave_job(&format!("{}/a.gif", server.url()));
    let kept = setup.pictures.join(format!("{DIGITS}.gif"));
    fs::write(&kept, "GIF89a").unwrap();
    fs::write(job.with_file_name(".abcdef.tmp"), "GIF").unwrap();
    let daemon = setup.installation.start();
    daemon.wait_for_log("fetching pictures of an earlier run");
    setup.wait_until_idle();
    assert_eq!(setup.kept(), [kept]);
    assert_eq!(server.requests().len(), 0);
    assert!(setup.installation.stop(daemon).contains("stopped"));
    assert!(setup.installation.spool().is_untouched());
}

#[test]
fn message_is_acknowledged_while_its_picture_is_not_answered() {
    let server = Provider::answering(Answer::Silence);
    let mut setup = Setup::new(LOOPBACK);
    let daemon = setup.installation.start();
    let url = format!("{}/a.gif", server.url());
    let urls: Vec<_> = (0..7).map(|n| format!("{url}?{n}")).collect();
    let urls: Vec<_> = urls.iter().map(String::as_str).collect();
    assert_eq!(send(&daemon, "id", "Look", &urls), 200);
    assert_eq!(texts(&daemon, 1)[0].lines().count(), 8);
    // Neither other messages nor the shutdown wait for it.
    server.wait_for(4);
    assert_eq!(send(&daemon, "", "next", &[]), 200);
    assert_eq!(texts(&daemon, 2)[1], "next");
    let start = std::time::Instant::now();
    setup.installation.stop(daemon);
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!((setup.jobs().len(), setup.kept().len()), (7, 0));
}

#[test]
fn four_pictures_are_fetched_at_the_same_time() {
    let (active, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let (four, seen) = (Barrier::new(4), Arc::clone(&most));
    let server = Provider::deciding(move |_| {
        seen.fetch_max(active.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        four.wait();
        active.fetch_sub(1, Ordering::SeqCst);
        four.wait();
        picture("image/gif", b"GIF89a")
    });
    let mut setup = Setup::new(LOOPBACK);
    let daemon = setup.installation.start();
    let urls: Vec<_> = (0..12)
        .map(|n| format!("{}/{n}.gif", server.url()))
        .collect();
    let urls: Vec<_> = urls.iter().map(String::as_str).collect();
    assert_eq!(send(&daemon, "", "", &urls), 200);
    setup.wait_for_kept(12);
    assert_eq!(most.load(Ordering::SeqCst), 4);
}

#[test]
fn duplicate_message_fetches_no_picture_again() {
    let server = Provider::answering(picture("image/gif", b"GIF89a"));
    let mut setup = Setup::new(LOOPBACK);
    let daemon = setup.installation.start();
    let url = format!("{}/a.gif", server.url());
    for _ in 0..2 {
        assert_eq!(send(&daemon, "id-1", "Look", &[&url]), 200);
    }
    setup.wait_for_kept(1);
    assert_eq!(send(&daemon, "id-1", "Look", &[&url]), 200);
    // The picture of a later message is fetched last.
    assert_eq!(send(&daemon, "id-2", "next", &[&url]), 200);
    setup.wait_for_kept(2);
    setup.wait_until_idle();
    assert_eq!(texts(&daemon, 2).len(), 2);
    assert_eq!((server.requests().len(), setup.kept().len()), (2, 2));
}

#[test]
fn message_is_not_stored_when_its_pictures_cannot_be_recorded() {
    let server = Provider::answering(picture("image/gif", b"GIF89a"));
    let mut setup = Setup::new(LOOPBACK);
    let daemon = setup.installation.start();
    let pending = setup.pictures.join(".pending");
    fs::rename(&pending, setup.pictures.join("aside")).unwrap();
    let url = format!("{}/a.gif", server.url());
    assert_eq!(send(&daemon, "id", "Look", &[&url]), 503);
    daemon.wait_for_log("record its pictures in media_dir");
    // Messages without pictures are stored.
    assert_eq!(send(&daemon, "", "other", &[]), 200);
    assert_eq!(texts(&daemon, 1), ["other"]);
    fs::rename(setup.pictures.join("aside"), pending).unwrap();
    assert_eq!(send(&daemon, "id", "Look", &[&url]), 200);
    setup.wait_for_kept(1);
    assert_eq!(texts(&daemon, 2).len(), 2);
}

#[test]
fn picture_is_not_fetched_when_its_message_cannot_be_stored() {
    let server = Provider::answering(picture("image/gif", b"GIF89a"));
    let mut setup = Setup::new(LOOPBACK);
    let too_much = format!("min_free = {}", u64::MAX);
    setup.installation.replace("min_free = 0", &too_much);
    let daemon = setup.installation.start();
    let url = format!("{}/a.gif", server.url());
    assert_eq!(send(&daemon, "id", "Look", &[&url]), 503);
    assert_eq!((setup.jobs().len(), server.requests().len()), (0, 0));
    setup.installation.stop(daemon);
    assert!(setup.installation.spool().is_untouched());
}

#[test]
fn only_our_old_pictures_are_removed() {
    let mut setup = Setup::new("media_lifetime = 3600");
    let (old, bare) = (format!("{DIGITS}.jpg"), DIGITS.to_owned());
    let fresh = format!("f{}.png", &DIGITS[1..]);
    let foreign = [
        "index.html".to_owned(),
        "photo.jpg".to_owned(),
        format!("{DIGITS}.a.b"),
    ];
    let age = SystemTime::now() - Duration::from_secs(3700);
    for name in [&old, &bare, &fresh].into_iter().chain(&foreign) {
        let file = File::create(setup.pictures.join(name)).unwrap();
        if *name != fresh {
            file.set_modified(age).unwrap();
        }
    }
    let daemon = setup.installation.start();
    daemon.wait_for_log("old pictures removed");
    let mut expected: Vec<_> = foreign
        .iter()
        .map(|name| setup.pictures.join(name))
        .collect();
    expected.push(setup.pictures.join(fresh));
    expected.sort();
    assert_eq!(setup.kept(), expected);
}

#[test]
fn check_tests_the_directory_for_pictures() {
    let setup = Setup::new("");
    let config = setup.installation.path("websms.conf");
    let check = || {
        let mut command = Command::new(program());
        let output = command
            .arg("check")
            .arg("--config")
            .arg(&config)
            .output()
            .unwrap();
        (
            output.status.success(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let (ok, stdout) = check();
    assert!(
        ok && stdout.contains("ok: pictures can be kept"),
        "{stdout}"
    );
    assert_eq!(setup.kept(), [] as [&Path; 0]);
    fs::remove_dir_all(&setup.pictures).unwrap();
    let (ok, stdout) = check();
    assert!(
        !ok && stdout.contains("media_dir: failed to use"),
        "{stdout}"
    );
    assert!(stdout.contains("install -d -o asterisk"), "{stdout}");
}
