//! Load: many names, random crashes, and many waiting messages.
//!
//! Each test prints a line with its results. Sizes come from the environment
//! (`WEBSMS_TEST_MESSAGES`, `WEBSMS_TEST_KILLS`, `WEBSMS_TEST_PAUSE`,
//! `WEBSMS_TEST_WAITING`) and are small by default.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::daemon::{self, Server};
use crate::support::http::{self, Connection};
use crate::support::messages::part_of;
use crate::support::{PATIENCE, Spool, callfile, size};

const TO: &str = "+12025550160";

/// More conversations than call files that may be with Asterisk, so that the
/// feeder is not the bottleneck.
const SENDERS: usize = 997;

fn configure(spool: &Spool, max_outgoing: usize) -> PathBuf {
    let config = spool.path().join("websms.conf");
    let more = format!("max_outgoing = {max_outgoing}\nmax_waiting = 10000000\n");
    std::fs::write(&config, spool.section() + &more).unwrap();
    config
}

/// A daemon that logs only warnings and errors, at a loopback address of this
/// process: a late client must not reach the daemon of another test process.
fn command(config: &Path) -> Command {
    let [.., high, low] = std::process::id().to_be_bytes();
    let mut command = daemon::listening(config, &format!("127.{}.{low}.1:0", high | 0x80));
    command.env("WEBSMS_LOG", "warn");
    command
}

fn form(number: usize) -> Vec<u8> {
    let from = format!("+1{:06}", number % SENDERS);
    http::message(TO, &from, &text(number))
}

/// The text of a message; every tenth needs two call files.
fn text(number: usize) -> String {
    let length = if number.is_multiple_of(10) { 1500 } else { 0 };
    format!("{number} {}", "x".repeat(length))
}

/// Posts to the daemon at `address` until it accepts, like a provider. Returns how
/// often the post was repeated.
fn post(connection: &mut Option<Connection>, address: &Mutex<SocketAddr>, form: &[u8]) -> usize {
    let end = Instant::now() + PATIENCE;
    for repeated in 0.. {
        if connection.is_none() {
            let address = *address.lock().unwrap();
            *connection = Connection::open(address).ok();
        }
        match connection.as_mut().map(|connection| connection.post(form)) {
            Some(200) => return repeated,
            Some(503) => {}
            Some(0) => *connection = None,
            None => thread::sleep(Duration::from_millis(2)),
            Some(other) => panic!("answered {other}"),
        }
        assert!(Instant::now() < end, "not accepted for too long");
    }
    unreachable!("the loop returns");
}

/// Takes call files like Asterisk. Counts how often each message has arrived, and
/// keeps parts of incomplete messages.
#[derive(Default)]
struct Sink {
    arrived: HashMap<usize, usize>,
    parts: HashMap<String, BTreeMap<usize, String>>,
}

impl Sink {
    /// Takes all call files, and returns how many.
    fn take(&mut self, outgoing: &Path) -> usize {
        let mut files = 0;
        for entry in std::fs::read_dir(outgoing).unwrap() {
            let entry = entry.unwrap();
            let content = std::fs::read(entry.path()).unwrap();
            std::fs::remove_file(entry.path()).unwrap();
            let name = entry.file_name();
            let (id, part, parts) = part_of(&name).unwrap();
            let (to, _, text) = callfile::message(&content).unwrap();
            assert_eq!(to, TO);
            let text = String::from_utf8(text).unwrap();
            let found = self.parts.entry(id.to_owned()).or_default();
            found.insert(part, text);
            if found.len() == parts {
                let whole: String = self.parts.remove(id).unwrap().into_values().collect();
                let number = whole.split(' ').next().unwrap().parse().unwrap();
                assert_eq!(whole, self::text(number), "torn");
                *self.arrived.entry(number).or_default() += 1;
            }
            files += 1;
        }
        files
    }
}

/// Whether a directory holds a call file.
fn holds_calls(directory: &Path) -> bool {
    std::fs::read_dir(directory).unwrap().any(|entry| {
        let name = entry.unwrap().file_name();
        name.as_encoded_bytes().ends_with(b".call")
    })
}

#[test]
fn daemon_killed_at_random_moments_loses_no_message() {
    let kills = size("WEBSMS_TEST_KILLS", 5);
    let messages = size("WEBSMS_TEST_MESSAGES", 2000);
    // Milliseconds, at most, from one start to the next kill.
    let pause = size("WEBSMS_TEST_PAUSE", 2000).max(201);
    let spool = Spool::new();
    let config = configure(&spool, 400);
    let mut server = Server::run(command(&config));
    let address = Mutex::new(server.address);
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (killing, feeding) = (AtomicBool::new(true), AtomicBool::new(true));
    let started = Instant::now();
    let client = || {
        let (mut connection, mut repeated) = (None, 0);
        while killing.load(Ordering::Relaxed) || done.load(Ordering::Relaxed) < messages {
            let number = next.fetch_add(1, Ordering::Relaxed);
            repeated += post(&mut connection, &address, &form(number));
            done.fetch_add(1, Ordering::Relaxed);
        }
        repeated
    };
    let asterisk = || {
        let mut sink = Sink::default();
        let mut last = Instant::now();
        loop {
            // Checked first: later files are taken in the next round.
            let fed = !feeding.load(Ordering::Relaxed) && !holds_calls(&spool.staging());
            if sink.take(&spool.outgoing()) > 0 {
                last = Instant::now();
            } else if fed {
                return sink;
            } else {
                assert!(last.elapsed() < PATIENCE, "no call file for too long");
                thread::sleep(Duration::from_millis(1));
            }
        }
    };
    let (sink, repeated, recoveries) = thread::scope(|scope| {
        let sink = scope.spawn(asterisk);
        let clients: Vec<_> = (0..8).map(|_| scope.spawn(client)).collect();
        let mut recoveries = 0;
        for _ in 0..kills {
            let random = usize::try_from(getrandom::u32().unwrap()).unwrap();
            let moment = 200 + random % (pause - 200);
            // A random moment has no event to wait for.
            thread::sleep(Duration::from_millis(moment.try_into().unwrap()));
            recoveries += usize::from(server.log().contains("incomplete call files removed"));
            drop(server);
            server = Server::run(command(&config));
            *address.lock().unwrap() = server.address;
        }
        killing.store(false, Ordering::Relaxed);
        let repeated: usize = clients
            .into_iter()
            .map(|client| client.join().unwrap())
            .sum();
        feeding.store(false, Ordering::Relaxed);
        (sink.join().unwrap(), repeated, recoveries)
    });
    let acknowledged = next.load(Ordering::Relaxed);
    let arrived: usize = sink.arrived.values().sum();
    println!(
        "{kills} kills: {acknowledged} messages acknowledged, {} arrived, {} of them twice, \
         {repeated} posts repeated, {recoveries} recoveries, {} s",
        sink.arrived.len(),
        arrived - sink.arrived.len(),
        started.elapsed().as_secs()
    );
    let lost = (0..acknowledged).filter(|number| !sink.arrived.contains_key(number));
    assert_eq!(lost.collect::<Vec<_>>(), Vec::<usize>::new(), "lost");
    assert!(sink.parts.is_empty(), "half messages: {:?}", sink.parts);
}

#[test]
fn every_message_has_a_name_of_its_own() {
    const CLIENTS: usize = 64;
    let messages = size("WEBSMS_TEST_MESSAGES", 5000);
    let spool = Spool::new();
    let config = configure(&spool, 400);
    let server = Server::run(command(&config));
    let address = Mutex::new(server.address);
    let next = AtomicUsize::new(0);
    let posting = AtomicBool::new(true);
    let started = Instant::now();
    let client = || {
        let mut connection = None;
        let mut opened = Instant::now();
        let mut repeated = 0;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= messages {
                return repeated;
            }
            // Before the daemon closes the connection.
            if opened.elapsed() > Duration::from_secs(20) {
                (connection, opened) = (None, Instant::now());
            }
            let from = format!("+1{:06}", number % SENDERS);
            repeated += post(&mut connection, &address, &http::message(TO, &from, "x"));
        }
    };
    // Digests, because there may be a million names.
    let hasher = RandomState::new();
    let mut names = HashSet::new();
    let mut files = 0;
    let repeated: usize = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        let asterisk = scope.spawn(|| {
            let mut last = Instant::now();
            loop {
                let fed = !posting.load(Ordering::Relaxed) && !holds_calls(&spool.staging());
                let before = files;
                for entry in std::fs::read_dir(spool.outgoing()).unwrap() {
                    let entry = entry.unwrap();
                    std::fs::remove_file(entry.path()).unwrap();
                    names.insert(hasher.hash_one(entry.file_name()));
                    files += 1;
                }
                if files > before {
                    last = Instant::now();
                } else if fed {
                    return;
                } else {
                    assert!(last.elapsed() < PATIENCE, "no call file for too long");
                    thread::sleep(Duration::from_millis(1));
                }
            }
        });
        let repeated = clients
            .into_iter()
            .map(|client| client.join().unwrap())
            .sum();
        posting.store(false, Ordering::Relaxed);
        asterisk.join().unwrap();
        repeated
    });
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{messages} messages acknowledged to {CLIENTS} clients, {files} files, {} names, \
         {repeated} posts repeated, {seconds:.0} s, {} KiB resident",
        names.len(),
        resident(&server)
    );
    assert_eq!(repeated, 0, "no response was lost");
    assert_eq!((files, names.len()), (messages, messages));
}

/// Resident memory of the daemon in KiB.
fn resident(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.unwrap().parse().unwrap()
}

/// Messages per second that the daemon accepts from eight clients.
fn rate(server: &Server, messages: usize) -> f64 {
    let address = Mutex::new(server.address);
    let next = AtomicUsize::new(0);
    let started = Instant::now();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut connection = None;
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= messages {
                        return;
                    }
                    let from = format!("+1{:06}", number % SENDERS);
                    let form = http::message(TO, &from, "x");
                    assert_eq!(post(&mut connection, &address, &form), 0);
                }
            });
        }
    });
    #[expect(clippy::cast_precision_loss, reason = "a rate need not be exact")]
    let messages = messages as f64;
    messages / started.elapsed().as_secs_f64()
}

#[test]
fn waiting_messages_do_not_slow_down_acceptance() {
    const MESSAGES: usize = 1000;
    let waiting = size("WEBSMS_TEST_WAITING", 20_000);
    let spool = Spool::new();
    // One call file at a time, so that acceptance alone is measured.
    let config = configure(&spool, 1);
    let server = Server::run(command(&config));
    // Warm up.
    rate(&server, MESSAGES);
    let alone = rate(&server, MESSAGES);
    let small = resident(&server);
    let (status, log) = server.stop();
    assert!(status.success(), "{log}");
    let (_, content) = spool.take().pop().unwrap();
    for number in 0..waiting {
        let conversation = number % 5000;
        let name = format!("{number:016}-00000000-0001of0001-{conversation:016x}.call");
        std::fs::write(spool.staging().join(name), &content).unwrap();
    }
    let started = Instant::now();
    let server = Server::run(command(&config));
    let start = started.elapsed();
    let among_many = rate(&server, MESSAGES);
    println!(
        "{waiting} waiting: {among_many:.0} messages per second, {alone:.0} without ({:.2}), \
         started in {} ms, {} KiB resident, {small} KiB without",
        among_many / alone,
        start.as_millis(),
        resident(&server)
    );
    let (status, log) = server.stop();
    assert!(status.success(), "{log}");
    let calls = |directory: &Path| {
        let entries = std::fs::read_dir(directory).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name());
        names
            .filter(|name| name.as_encoded_bytes().ends_with(b".call"))
            .count()
    };
    let taken = spool.take().len();
    assert_eq!(calls(&spool.staging()) + taken, waiting + 3 * MESSAGES);
}
