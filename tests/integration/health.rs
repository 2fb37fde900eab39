//! The health endpoint of `websmsd`.

use std::net::SocketAddr;

use serde_json::Value;

use crate::support::daemon::{assert_port_in_use_prevents_start, list};
use crate::support::http::{request, send};
use crate::support::{Daemon, Spool, wait_for};

const TO: &str = "+12025550160";
const FROM: &str = "+15017122661";

const LISTEN: &str = "[websmsd]\nhealth_listen = 127.0.0.1:0\n";

fn monitored(more: &str) -> (Daemon, SocketAddr) {
    let spool = Spool::new();
    let config = format!("{LISTEN}{}{more}", spool.section());
    let daemon = Daemon::with(spool, &config);
    let address = daemon.logged_address("health endpoint listening");
    (daemon, address)
}

/// Requests the health; returns status and body.
fn health(address: SocketAddr) -> (u16, Value) {
    let response = send(address, &request("GET", "/", &[], b""));
    assert_eq!(response.headers["content-type"], "application/json");
    let json = serde_json::from_slice(&response.body).unwrap();
    (response.status, json)
}

fn wait_until_bad(address: SocketAddr, problem: &str) {
    wait_for(problem, || {
        let (status, json) = health(address);
        let problems = json["problems"].to_string();
        (status == 503 && json["status"] == "bad" && problems.contains(problem)).then_some(())
    });
}

#[test]
fn healthy_daemon_is_200_with_number_of_waiting_files() {
    let (daemon, address) = monitored("");
    let (status, json) = health(address);
    assert_eq!((status, &json["status"]), (200, &"ok".into()), "{json}");
    assert!(json["free_bytes"].as_u64().is_some_and(|free| free > 0));
    // One file of the conversation is with Asterisk, the others wait.
    for text in ["a", "b", "c"] {
        assert_eq!(daemon.send(TO, FROM, text).status, 200);
    }
    wait_for("two waiting files", || {
        let (status, json) = health(address);
        (status == 200 && json["waiting"] == 2).then_some(())
    });
    daemon.spool.wait_for(3);
    wait_for("no waiting file", || {
        (health(address).1["waiting"] == 0).then_some(())
    });
}

#[test]
fn missing_directory_is_503_until_it_is_back() {
    let (daemon, address) = monitored("");
    for directory in [daemon.spool.staging(), daemon.spool.outgoing()] {
        let aside = daemon.spool.path().join("aside");
        std::fs::rename(&directory, &aside).unwrap();
        wait_until_bad(address, &directory.display().to_string());
        std::fs::rename(&aside, &directory).unwrap();
        assert_eq!(health(address).0, 200);
    }
}

#[test]
fn max_waiting_files_are_503() {
    let (daemon, address) = monitored("max_waiting = 1\n");
    for text in ["a", "b"] {
        assert_eq!(daemon.send(TO, FROM, text).status, 200);
    }
    wait_until_bad(address, "max_waiting is 1");
}

#[test]
fn less_space_than_min_free_is_503() {
    let spool = Spool::new();
    let section = spool
        .section()
        .replace("min_free = 0", "min_free = 9000000000000000");
    let daemon = Daemon::with(spool, &format!("{LISTEN}{section}"));
    let address = daemon.logged_address("health endpoint listening");
    wait_until_bad(address, "less than min_free");
    assert_eq!(daemon.send(TO, FROM, "x").status, 503);
}

#[test]
fn name_in_use_in_outgoing_is_503_and_not_overwritten() {
    let (daemon, address) = monitored("");
    assert_eq!(daemon.send(TO, FROM, "first").status, 200);
    let first = wait_for("the first call file", || daemon.spool.call_files().pop());
    assert_eq!(daemon.send(TO, FROM, "second").status, 200);
    let waiting = wait_for("the second call file", || {
        list(&daemon.spool.staging()).pop()
    });
    let taken = daemon.spool.outgoing().join(waiting.file_name().unwrap());
    std::fs::write(&taken, "somebody else's").unwrap();
    std::fs::remove_file(&first).unwrap();
    daemon.wait_for_log("hand-over to Asterisk failed");
    wait_until_bad(address, "cannot be handed to Asterisk");
    assert_eq!(std::fs::read_to_string(&taken).unwrap(), "somebody else's");
    assert!(waiting.exists());
    std::fs::remove_file(&taken).unwrap();
    let second = daemon.spool.wait_for(1);
    assert!(second[0].contains("second"));
    assert_eq!(health(address).0, 200);
}

#[test]
fn port_in_use_prevents_the_start() {
    assert_port_in_use_prevents_start("health_listen");
}
