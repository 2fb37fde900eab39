//! Single requests through each proxy.

use std::net::Ipv4Addr;

use crate::proxy::{KINDS, Kind, Proxy, free_address};
use crate::support::{Daemon, Spool};
use crate::twilio::{self, Client};

/// The address of the client.
const CLIENT: &str = "127.0.0.66";
const STRANGER: &str = "203.0.113.9";

/// A proxy with `websmsd` behind it.
struct Site {
    kind: &'static Kind,
    proxy: Proxy,
    daemon: Daemon,
}

impl Site {
    /// With these lines more in `[websmsd]`.
    fn start(kind: &'static Kind, more: &str) -> Self {
        let spool = Spool::new();
        let health = free_address(Ipv4Addr::LOCALHOST);
        let config = twilio::config(&spool, health, more);
        let daemon = Daemon::with(spool, &config);
        Self {
            kind,
            proxy: Proxy::start(kind, daemon.address, health.port()),
            daemon,
        }
    }

    #[track_caller]
    fn assert_answer(&self, raw: &[u8], status: u16) {
        let response = Client::from(CLIENT, self.proxy.address).send(raw);
        let name = self.kind.name;
        assert_eq!(response.status, status, "{name}: {}", response.text());
    }
}

#[test]
fn client_is_judged_by_its_own_address() {
    for kind in &KINDS {
        let site = Site::start(kind, &format!("permit_addr = {CLIENT}"));
        for spoofed in ["", STRANGER, "unknown"] {
            let header = format!("X-Forwarded-For: {spoofed}\r\n");
            site.assert_answer(&twilio::request(1, "/twilio", &header), 200);
        }
    }
}

#[test]
fn address_in_a_header_of_the_client_is_not_believed() {
    for kind in &KINDS {
        let site = Site::start(kind, &format!("permit_addr = {STRANGER}"));
        for header in [
            format!("X-Forwarded-For: {STRANGER}\r\n"),
            format!("X-Forwarded-For: {STRANGER}\r\nX-Forwarded-For: {STRANGER}\r\n"),
            format!("x-forwarded-for: {STRANGER}, 127.0.0.1\r\n"),
            format!("X_Forwarded_For: {STRANGER}\r\n"),
            format!("X-Forwarded-For: {STRANGER}\r\nConnection: X-Forwarded-For\r\n"),
        ] {
            site.assert_answer(&twilio::request(1, "/twilio", &header), 403);
        }
        assert!(site.daemon.spool.drain().is_empty(), "{}", kind.name);
    }
}

#[test]
fn signature_over_the_url_is_valid_behind_a_proxy() {
    for kind in &KINDS {
        let site = Site::start(kind, "");
        for target in [
            "/twilio",
            "/twilio?a=%2Fb%20c%7e&d=%c3%a9+1&e=&f",
            "/twilio?",
        ] {
            site.assert_answer(&twilio::request(1, target, ""), 200);
        }
    }
}

#[test]
fn refusal_of_a_large_body_is_readable() {
    for kind in &KINDS {
        let site = Site::start(kind, "");
        for (target, size, status) in [
            ("/twilio", 2_000_000, 413),
            ("/twilio", 262_145, 413),
            ("/elsewhere", 262_144, 404),
        ] {
            site.assert_answer(&twilio::unwanted(target, size), status);
        }
        let site = Site::start(kind, &format!("permit_addr = {STRANGER}"));
        site.assert_answer(&twilio::unwanted("/twilio", 262_144), 403);
    }
}

#[test]
fn body_as_large_as_max_body_passes_the_proxy() {
    for kind in &KINDS {
        let site = Site::start(kind, "");
        site.assert_answer(&twilio::unwanted("/twilio", 262_144), 403);
    }
}
