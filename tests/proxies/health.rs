//! Health checks: the endpoint that the page names, and the proxies that ask it.

use std::net::{Ipv4Addr, SocketAddr};

use crate::page;
use crate::proxy::{KINDS, Kind, Proxy};
use crate::support::http::{self, request};
use crate::support::{Answer, Daemon, Provider, Spool, wait_for};
use crate::twilio::{self, Client};

#[test]
fn health_endpoint_of_the_page_answers() {
    let spool = Spool::new();
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let config = twilio::config(&spool, anywhere, "");
    let daemon = Daemon::with(spool, &config);
    let health = daemon.logged_address("health endpoint listening");
    let response = http::send(health, &request("GET", "/", &[], b""));
    assert_eq!(response.status, 200, "{}", response.text());
}

#[test]
fn bad_health_is_shown_and_requests_are_passed_on() {
    for kind in KINDS.iter().filter(|kind| kind.health.is_some()) {
        follow_health(kind);
    }
}

/// Lets the health endpoint say bad and good, and waits until the proxy shows it.
fn follow_health(kind: &Kind) {
    let (_, shown) = kind.health.unwrap();
    let websmsd = Provider::answering(Answer::ok());
    let (health, status) = Provider::with_state(503, |status: &mut u16, _| {
        Answer::Http(*status, "application/json", "{}".to_owned())
    });
    let snippet = hurried(kind, websmsd.address, health.address.port());
    let proxy = Proxy::with(kind, &snippet);
    for (answer, shown) in [503, 200].into_iter().zip(shown) {
        *status.lock().unwrap() = answer;
        wait_for(shown, || proxy.log().contains(shown).then_some(()));
        let request = twilio::request(1, "/twilio", "");
        let response = Client::new(proxy.address, false).send(&request);
        assert_eq!(response.status, 200, "{}: {shown}", kind.name);
    }
    for check in health.requests() {
        let line = format!("{} {}", check.method, check.path);
        assert_eq!(line, "GET /", "{}", kind.name);
    }
}

/// The snippet with an interval that a test can wait for.
fn hurried(kind: &Kind, websmsd: SocketAddr, health: u16) -> String {
    let (interval, _) = kind.health.unwrap();
    let snippet = page::relocate(page::snippet(kind.name), websmsd, health);
    assert!(snippet.contains(interval), "{}", kind.name);
    snippet.replace(interval, "inter 100ms rise 1 fall 1")
}
