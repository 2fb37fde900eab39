//! Secrets in files that are replaced while `websmsd` runs.

use std::fs;
use std::path::Path;

use crate::support::http::FORM;
use crate::support::{Answer, Daemon, Installation, Provider, Spool, Websms, http};

const REMOTE: &str = "+12025550183";
const JOHN: &str = "+12025550160";

/// An installation that queues messages for this provider, with a token in the file
/// `token`.
fn install(provider: &Provider) -> Installation {
    let install = Installation::new(|spool| {
        let directory = spool.path().display();
        format!(
            "[websms]\noutboxdir = {directory}/outbox\ndelivery = queue\nhost = {}\n\
             auth_method = bearer\nauth_secret = file:{directory}/token\n{}",
            provider.url(),
            spool.section()
        )
    });
    fs::write(install.path("token"), "one\n").unwrap();
    install
}

/// Writes a file as tools do that care: a new one takes the place of the old one.
fn replace(path: &Path, content: &str) {
    let new = path.with_extension("new");
    fs::write(&new, content).unwrap();
    fs::rename(new, path).unwrap();
}

#[test]
fn renewed_token_is_sent_without_a_restart() {
    let provider = Provider::answering(Answer::ok());
    let mut setup = install(&provider);
    let token = setup.path("token");
    let daemon = setup.start();
    let send = |count: usize, expected: &str| {
        setup.send(&[REMOTE, JOHN, "x"]);
        let request = provider.wait_for(count).pop().unwrap();
        let authorization = &request.headers["authorization"];
        assert_eq!(authorization, &format!("Bearer {expected}"));
    };
    send(1, "one");
    fs::write(&token, "two\n").unwrap();
    send(2, "two");
    replace(&token, "three");
    send(3, "three");
    // No message is lost while the file is empty, missing or something else.
    fs::write(&token, "").unwrap();
    send(4, "three");
    fs::remove_file(&token).unwrap();
    send(5, "three");
    fs::create_dir(&token).unwrap();
    send(6, "three");
    fs::remove_dir(&token).unwrap();
    replace(&token, "four");
    send(7, "four");
    setup.outbox().wait_until_empty();
    let log = setup.stop(daemon);
    assert_eq!(log.matches("last secret kept").count(), 1, "{log}");
    assert!(log.contains("remedy="), "{log}");
    for token in ["two", "three", "four"] {
        assert!(!log.contains(token), "{log}");
    }
}

#[test]
fn token_that_is_renewed_during_a_request_is_sent_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let token = directory.path().join("token");
    fs::write(&token, "old").unwrap();
    let file = token.clone();
    let provider = Provider::deciding(move |request| {
        if request.headers["authorization"] == "Bearer new" {
            return Answer::ok();
        }
        replace(&file, "new");
        Answer::Http(401, "text/plain", String::new())
    });
    let secret = format!("file:{}", token.display());
    let keys = [("auth_method", "bearer"), ("auth_passwd", secret.as_str())];
    let url = provider.url();
    let mut section = vec![("host", url.as_str())];
    section.extend(keys);
    let websms = Websms::configured(&crate::support::section("websms", &section));
    assert_eq!(websms.status(&[REMOTE, JOHN, "x"]), 0);
    assert_eq!(provider.requests().len(), 2);
    // A refusal of the same secret is not asked for twice.
    let refusing = Provider::answering(Answer::Http(401, "text/plain", String::new()));
    let url = refusing.url();
    section[0] = ("host", url.as_str());
    let websms = Websms::configured(&crate::support::section("websms", &section));
    assert_eq!(websms.status(&[REMOTE, JOHN, "x"]), 76);
    assert_eq!(refusing.requests().len(), 1);
}

#[test]
fn webhooks_are_authenticated_with_the_renewed_secret() {
    let spool = Spool::new();
    let token = spool.path().join("token");
    fs::write(&token, "first-0123456789").unwrap();
    let config = format!(
        "[websmsd]\npermit_addr = 127.0.0.1\nproxy_addr = \"\"\nauth = token\n\
         auth_place = header:X-Token\nauth_secret = file:{}\n{}",
        token.display(),
        spool.section()
    );
    let daemon = Daemon::with(spool, &config);
    let status = |secret: &str| {
        let message = http::message(REMOTE, JOHN, "x");
        let headers = [FORM, ("X-Token", secret)];
        daemon.post("/", &headers, &message).status
    };
    assert_eq!(status("first-0123456789"), 200);
    assert_eq!(status("other-0123456789"), 403);
    replace(&token, "other-0123456789\n");
    assert_eq!(status("other-0123456789"), 200);
    assert_eq!(status("first-0123456789"), 403);
    for broken in [Some(""), None] {
        match broken {
            Some(content) => fs::write(&token, content).unwrap(),
            None => fs::remove_file(&token).unwrap(),
        }
        assert_eq!(status("other-0123456789"), 200, "{broken:?}");
        assert_eq!(status(""), 403, "{broken:?}");
    }
    let (_, log) = daemon.stop();
    assert_eq!(log.matches("last secret kept").count(), 1, "{log}");
    assert!(!log.contains("0123456789"), "{log}");
}
