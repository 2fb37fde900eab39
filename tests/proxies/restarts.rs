//! Messages while `websmsd` restarts behind each proxy: none is lost, doubled or cut,
//! if the provider repeats what fails.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::proxy::{KINDS, Kind, Proxy, free_address};
use crate::support::daemon::listening;
use crate::support::{Daemon, PATIENCE, Spool, messages, size, wait_for};
use crate::twilio::{self, Client};

const RESTARTS: usize = 4;

/// How long `websmsd` is away.
const OUTAGE: Duration = Duration::from_millis(200);

/// How long the provider waits before it repeats a request.
const PAUSE: Duration = Duration::from_millis(20);

#[test]
fn messages_arrive_once_and_whole_despite_restarts() {
    let count = size("WEBSMS_TEST_PROXIED", 20);
    for kind in &KINDS {
        let answers = restarts(kind, count);
        println!("{}: {answers:?}", kind.name);
    }
}

#[test]
fn request_waits_for_websmsd_if_the_proxy_can() {
    for kind in KINDS.iter().filter(|kind| kind.waits) {
        let (site, spool) = Site::new(kind);
        let (spool, _, _) = site.start(spool).end(Signal::SIGTERM);
        let response = thread::scope(|scope| {
            let request = twilio::request(0, "/twilio", "");
            let mut client = Client::new(site.proxy.address, false);
            let response = scope.spawn(move || client.send(&request));
            thread::sleep(OUTAGE);
            assert_complete(kind, &site.start(spool), 1);
            response.join().unwrap()
        });
        assert_eq!(response.status, 200, "{}", kind.name);
    }
}

/// A proxy, and `websmsd` that comes and goes.
struct Site {
    proxy: Proxy,
    websmsd: SocketAddr,
    config: PathBuf,
}

impl Site {
    /// Without `websmsd`; its spool.
    fn new(kind: &Kind) -> (Self, Spool) {
        let spool = Spool::new();
        let [websmsd, health] = [(); 2].map(|()| own_address());
        let config = spool.path().join("websms.conf");
        std::fs::write(&config, twilio::config(&spool, health, "")).unwrap();
        let site = Self {
            proxy: Proxy::start(kind, websmsd, health.port()),
            websmsd,
            config,
        };
        (site, spool)
    }

    /// Starts `websmsd`, always at the same address.
    fn start(&self, spool: Spool) -> Daemon {
        let command = listening(&self.config, &self.websmsd.to_string());
        Daemon::run(spool, command)
    }

    /// Ends `websmsd` by SIGTERM; starts it again after a while.
    fn restart(&self, daemon: Daemon) -> Daemon {
        let (spool, status, log) = daemon.end(Signal::SIGTERM);
        assert!(status.success(), "{log}");
        thread::sleep(OUTAGE);
        self.start(spool)
    }
}

/// Sends this many messages while `websmsd` restarts; returns how often each status was
/// the answer.
fn restarts(kind: &Kind, count: usize) -> BTreeMap<u16, usize> {
    let (site, spool) = Site::new(kind);
    let daemon = site.start(spool);
    let acknowledged = AtomicUsize::new(0);
    let (daemon, answers) = thread::scope(|scope| {
        let clients = [0, 1, 2, 3].map(|client| {
            let numbers = (client..count).step_by(4);
            let connection = Client::new(site.proxy.address, client % 2 == 0);
            scope.spawn(|| deliver_all(numbers, connection, &acknowledged))
        });
        let daemon = (1..=RESTARTS).fold(daemon, |daemon, restart| {
            wait_for("acknowledged messages", || {
                let share = count * restart / (RESTARTS + 1);
                (acknowledged.load(Ordering::Relaxed) >= share).then_some(())
            });
            site.restart(daemon)
        });
        (daemon, clients.map(|client| client.join().unwrap()))
    });
    assert_complete(kind, &daemon, count);
    tally(answers.iter().flatten())
}

fn tally<'a>(answers: impl Iterator<Item = &'a u16>) -> BTreeMap<u16, usize> {
    let mut tally = BTreeMap::new();
    for status in answers {
        *tally.entry(*status).or_default() += 1;
    }
    tally
}

/// An address for a listener that comes and goes. Connections that go out have other
/// addresses, so that none of them takes the port meanwhile.
fn own_address() -> SocketAddr {
    static USED: AtomicU8 = AtomicU8::new(1);
    let [_, _, _, process] = std::process::id().to_be_bytes();
    let last = USED.fetch_add(1, Ordering::Relaxed);
    free_address(Ipv4Addr::new(127, 83, process, last))
}

/// Sends messages one after another; returns the statuses of all attempts.
fn deliver_all(
    numbers: impl Iterator<Item = usize>,
    mut client: Client,
    acknowledged: &AtomicUsize,
) -> Vec<u16> {
    let mut answers = Vec::new();
    for number in numbers {
        answers.extend(deliver(number, &mut client));
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
    answers
}

/// Sends a message until it is accepted, as a provider does but sooner; returns the
/// statuses of all attempts.
fn deliver(number: usize, client: &mut Client) -> Vec<u16> {
    let request = twilio::request(number, "/twilio", "");
    let end = Instant::now() + PATIENCE;
    let mut answers = Vec::new();
    loop {
        let response = client.send(&request);
        answers.push(response.status);
        match response.status {
            200 => return answers,
            0 | 500.. => assert!(Instant::now() < end, "message {number}: {answers:?}"),
            _ => panic!("message {number}: {answers:?} {}", response.text()),
        }
        thread::sleep(PAUSE);
    }
}

fn assert_complete(kind: &Kind, daemon: &Daemon, count: usize) {
    daemon.spool.wait_for(count);
    let mut found = messages::assemble(&daemon.spool.drain()).unwrap();
    let mut expected: Vec<_> = (0..count).map(twilio::text).collect();
    found.sort();
    expected.sort();
    assert_eq!(found.len(), count, "{}", kind.name);
    assert_eq!(found, expected, "{}", kind.name);
}
