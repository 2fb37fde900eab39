//! What `websmsd` says of itself to whoever watches over it.

use std::net::{SocketAddr, TcpListener};

use serde_json::Value;

use crate::support::daemon::{command, list};
use crate::support::http::{request, say};
use crate::support::{Daemon, Spool, wait_for};

const TO: &str = "+12025550160";
const FROM: &str = "+15017122661";

const SOMEWHERE: &str = "[websmsd]\nhealth_listen = 127.0.0.1:0\n";

fn watched(more: &str) -> (Daemon, SocketAddr) {
    let spool = Spool::new();
    let config = format!("{SOMEWHERE}{}{more}", spool.section());
    let daemon = Daemon::with(spool, &config);
    let line = daemon.wait_for_log("health endpoint listening");
    let (_, address) = line.rsplit_once("address=").unwrap();
    let address = address.trim().parse().unwrap();
    (daemon, address)
}

/// Status and JSON.
fn health(address: SocketAddr) -> (u16, Value) {
    let response = say(address, &request("GET", "/", &[], b""));
    assert_eq!(response.headers["content-type"], "application/json");
    let json = serde_json::from_slice(&response.body).unwrap();
    (response.status, json)
}

fn wait_until_bad(address: SocketAddr, problem: &str) {
    wait_for(problem, || {
        let (status, json) = health(address);
        let said = json["problems"].to_string();
        (status == 503 && json["status"] == "bad" && said.contains(problem)).then_some(())
    });
}

#[test]
fn daemon_that_is_well_says_so_and_how_much_waits() {
    let (daemon, address) = watched("");
    let (status, json) = health(address);
    assert_eq!((status, &json["status"]), (200, &"ok".into()), "{json}");
    assert!(json["free_bytes"].as_u64().is_some_and(|free| free > 0));
    // One of a conversation is with Asterisk, the others wait.
    for text in ["a", "b", "c"] {
        assert_eq!(daemon.send(TO, FROM, text).status, 200);
    }
    wait_for("two that wait", || {
        let (status, json) = health(address);
        (status == 200 && json["waiting"] == 2).then_some(())
    });
    daemon.spool.wait_for(3);
    wait_for("none that waits", || {
        (health(address).1["waiting"] == 0).then_some(())
    });
}

#[test]
fn spool_that_breaks_makes_it_unwell_until_it_is_mended() {
    let (daemon, address) = watched("");
    for directory in [daemon.spool.staging(), daemon.spool.outgoing()] {
        let aside = daemon.spool.path().join("aside");
        std::fs::rename(&directory, &aside).unwrap();
        wait_until_bad(address, &directory.display().to_string());
        std::fs::rename(&aside, &directory).unwrap();
        assert_eq!(health(address).0, 200);
    }
}

#[test]
fn too_many_that_wait_make_it_unwell() {
    let (daemon, address) = watched("max_waiting = 1\n");
    for text in ["a", "b"] {
        assert_eq!(daemon.send(TO, FROM, text).status, 200);
    }
    wait_until_bad(address, "max_waiting is 1");
}

#[test]
fn too_little_room_makes_it_unwell() {
    let spool = Spool::new();
    let section = spool
        .section()
        .replace("min_free = 0", "min_free = 9000000000000000");
    let daemon = Daemon::with(spool, &format!("{SOMEWHERE}{section}"));
    let line = daemon.wait_for_log("health endpoint listening");
    let (_, address) = line.rsplit_once("address=").unwrap();
    wait_until_bad(address.trim().parse().unwrap(), "less than min_free");
    assert_eq!(daemon.send(TO, FROM, "x").status, 503);
}

#[test]
fn name_in_outgoing_that_is_taken_is_not_overwritten_and_told() {
    let (daemon, address) = watched("");
    assert_eq!(daemon.send(TO, FROM, "first").status, 200);
    let first = wait_for("the first", || daemon.spool.call_files().pop());
    assert_eq!(daemon.send(TO, FROM, "second").status, 200);
    let waiting = wait_for("the second", || list(&daemon.spool.staging()).pop());
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
fn port_of_health_that_is_taken_is_a_clear_end() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap();
    let spool = Spool::new();
    let config = spool.path().join("websms.conf");
    let text = format!("[websmsd]\nhealth_listen = {address}\n{}", spool.section());
    std::fs::write(&config, text).unwrap();
    let output = command(&config).output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("cannot listen at health_listen"), "{log}");
}
