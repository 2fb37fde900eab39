//! Many messages at once; `WEBSMS_TEST_MESSAGES` is their number.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::pbx::{Changes, Pbx, number};
use crate::support::daemon::{Server, list};
use crate::support::http::{self, Connection};
use crate::support::sip::{Phone, Received};
use crate::support::{size, wait_for};

const REMOTE: &str = "+15017122661";
const PHONES: usize = 50;
const CLIENTS: usize = 8;

/// How long Asterisk may take to answer a phone.
const SIP_ANSWER_MAX: Duration = Duration::from_millis(500);

#[test]
fn burst_arrives_in_order_and_asterisk_stays_responsive() {
    let (pbx, server) = Pbx::with_websmsd(&Changes {
        phones: PHONES,
        ..Changes::default()
    });
    let phones = pbx.phones(PHONES);
    let count = size("WEBSMS_TEST_MESSAGES", 1000);
    let (next, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    let start = Instant::now();
    let (slowest, most_files) = thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (server, next) = (&server, &next);
            scope.spawn(move || post_all(server, client, next, count));
        }
        let sip = scope.spawn(|| slowest_answer(&phones[0], &done));
        let spool = scope.spawn(|| most_call_files(&pbx, &done));
        let watching = Watching(&done);
        wait_for_all(&phones, count);
        drop(watching);
        (sip.join().unwrap(), spool.join().unwrap())
    });
    println!(
        "{count} messages to {PHONES} phones in {:.1} s; slowest answer to OPTIONS {} ms; \
         at most {most_files} call files in outgoing",
        start.elapsed().as_secs_f64(),
        slowest.as_millis()
    );
    for (position, phone) in phones.iter().enumerate() {
        let got: Vec<_> = phone.inbox().iter().map(Received::text).collect();
        // Each client posts its share in order, so the shares are in order.
        assert_eq!(got.len(), expected(count, position), "phone {position}");
        for client in 0..CLIENTS {
            let numbers = got
                .iter()
                .filter_map(|text| text.strip_prefix(&format!("{client}:")));
            let numbers: Vec<usize> = numbers.map(|number| number.parse().unwrap()).collect();
            assert!(numbers.is_sorted(), "phone {position}: {numbers:?}");
        }
    }
    assert!(slowest < SIP_ANSWER_MAX, "{slowest:?}");
    assert!(most_files <= 40, "{most_files}");
    let log = pbx.log();
    let warned = log.lines().find(|line| line.contains("queue reached"));
    assert_eq!(warned, None);
    pbx.wait_for_empty_spool();
    assert!(list(&pbx.path().join("spool/staging")).is_empty());
}

/// Ends the watching threads when dropped, even if the test fails: the scope waits
/// for them.
struct Watching<'a>(&'a AtomicBool);

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The number of messages that the phone at a position gets.
fn expected(count: usize, position: usize) -> usize {
    (count + PHONES - 1 - position) / PHONES
}

fn post_all(server: &Server, client: usize, next: &AtomicUsize, count: usize) {
    let mut connection = Connection::new(server.address);
    loop {
        let message = next.fetch_add(1, Ordering::Relaxed);
        if message >= count {
            return;
        }
        let to = number(message % PHONES + 1);
        let form = http::message(&to, REMOTE, &format!("{client}:{message}"));
        assert_eq!(connection.deliver(&form), 200);
    }
}

fn slowest_answer(phone: &Phone, done: &AtomicBool) -> Duration {
    let mut slowest = Duration::ZERO;
    while !done.load(Ordering::Relaxed) {
        slowest = slowest.max(phone.options());
        thread::sleep(Duration::from_millis(100));
    }
    slowest
}

fn most_call_files(pbx: &Pbx, done: &AtomicBool) -> usize {
    let mut most = 0;
    while !done.load(Ordering::Relaxed) {
        most = most.max(list(&pbx.outgoing()).len());
        thread::sleep(Duration::from_millis(1));
    }
    most
}

/// Waits as long as messages arrive.
fn wait_for_all(phones: &[Phone], count: usize) {
    let mut arrived = 0;
    while arrived < count {
        arrived = wait_for("another message", || {
            let now = phones.iter().map(Phone::count).sum();
            (now > arrived).then_some(now)
        });
    }
}
