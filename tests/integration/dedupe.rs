//! Messages that a provider posts again are stored once; messages that are only
//! equal are stored each.

use std::thread;

use crate::support::daemon;
use crate::support::http::{self, FORM, JSON};
use crate::support::{Daemon, Spool};

const TO: &str = "+12025550160";
const FROM: &str = "+15017122661";

fn form(id: &str, body: &str) -> Vec<u8> {
    http::form(&[
        ("To", TO.as_bytes()),
        ("From", FROM.as_bytes()),
        ("Body", body.as_bytes()),
        ("MessageSid", id.as_bytes()),
    ])
}

const CONFIG: &str = "[websmsd]\nkey_id = MessageSid\nresp_ack = <Response></Response>\n";

#[test]
fn repeated_id_gets_the_same_response_and_is_stored_once() {
    let daemon = Daemon::start(CONFIG);
    thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                let response = daemon.post("/", &[FORM], &form("SM1", "once"));
                assert_eq!(response.status, 200);
                assert_eq!(response.text(), "<Response></Response>");
            });
        }
    });
    // When the last one has arrived, all before it have been written.
    assert_eq!(daemon.post("/", &[FORM], &form("SM2", "last")).status, 200);
    daemon.spool.wait_for(2);
    assert_eq!(daemon.spool.take().len(), 2);
    assert_eq!(
        daemon.log().matches("duplicate message ignored").count(),
        99
    );
}

#[test]
fn repeated_id_is_known_after_a_restart() {
    let spool = Spool::new();
    let path = spool.path().join("websms.conf");
    std::fs::write(&path, format!("{CONFIG}{}", spool.section())).unwrap();
    let first = daemon::Server::run(daemon::command(&path));
    for id in ["SM1", "SM2"] {
        assert_eq!(first.post("/", &[FORM], &form(id, "x")).status, 200);
    }
    // Killed, not stopped.
    drop(first);
    let daemon = Daemon::run(spool, daemon::command(&path));
    for id in ["SM1", "SM2", "SM3"] {
        assert_eq!(daemon.post("/", &[FORM], &form(id, "x")).status, 200);
    }
    daemon.spool.wait_for(3);
    assert_eq!(daemon.log().matches("duplicate message ignored").count(), 2);
}

#[test]
fn repeated_id_is_stored_once_across_crashes() {
    let spool = Spool::new();
    let path = spool.configure(CONFIG);
    let post_all = |server: &daemon::Server| {
        thread::scope(|scope| {
            for _ in 0..100 {
                scope.spawn(|| {
                    let response = server.post("/", &[FORM], &form("SM1", "once"));
                    assert_eq!(response.status, 200);
                });
            }
        });
    };
    for _ in 0..3 {
        let server = daemon::Server::run(daemon::command(&path));
        post_all(&server);
        // Killed, not stopped.
        drop(server);
    }
    assert_eq!(spool.all().len(), 1);
}

#[test]
fn equal_texts_without_equal_ids_are_two_messages() {
    let daemon = Daemon::start(CONFIG);
    for id in ["SM1", "SM2", "", ""] {
        assert_eq!(daemon.post("/", &[FORM], &form(id, "same")).status, 200);
    }
    for _ in 0..2 {
        assert_eq!(daemon.send(TO, FROM, "same").status, 200);
    }
    assert_eq!(daemon.spool.wait_for(6).len(), 6);
}

#[test]
fn equal_ids_of_two_interfaces_are_two_messages() {
    let daemon =
        Daemon::start("[websmsd]\nkey_id = MessageSid\nurl_path [a] = /a\nurl_path [b] = /b\n");
    for path in ["/a", "/b", "/a"] {
        assert_eq!(daemon.post(path, &[FORM], &form("SM1", "x")).status, 200);
    }
    assert_eq!(daemon.spool.wait_for(2).len(), 2);
}

#[test]
fn repeated_ids_within_a_request_are_stored_once() {
    let daemon = Daemon::start(CONFIG);
    let message = |id: u32| format!(r#"{{"To":"1","From":"2","Body":"{id}","MessageSid":{id}}}"#);
    let post = |ids: &[u32]| {
        let messages: Vec<_> = ids.iter().map(|id| message(*id)).collect();
        let document = format!("[{}]", messages.join(","));
        assert_eq!(daemon.post("/", &[JSON], document.as_bytes()).status, 200);
    };
    post(&[1, 2, 1]);
    post(&[2, 3]);
    assert_eq!(daemon.spool.wait_for(3).len(), 3);
    assert_eq!(daemon.log().matches("duplicate message ignored").count(), 2);
}

#[test]
fn id_of_a_message_that_was_not_stored_is_accepted_again() {
    let daemon = Daemon::start(CONFIG);
    let staging = daemon.spool.staging();
    let aside = daemon.spool.path().join("aside");
    std::fs::rename(&staging, &aside).unwrap();
    assert_eq!(daemon.post("/", &[FORM], &form("SM1", "x")).status, 503);
    std::fs::rename(&aside, &staging).unwrap();
    assert_eq!(daemon.post("/", &[FORM], &form("SM1", "x")).status, 200);
    assert_eq!(daemon.spool.wait_for(1).len(), 1);
}
