//! Many messages at once: `WEBSMS_TEST_MESSAGES`.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::how_many;
use crate::pbx::{Changes, Pbx, number};
use crate::support::daemon::{self, Server, list};
use crate::support::http::{self, Connection};
use crate::support::sip::{Phone, Received};
use crate::support::{Answer, Provider, wait_for};

const THEIRS: &str = "+15017122661";
const PHONES: usize = 50;
const CLIENTS: usize = 8;

/// Longest that Asterisk may take to answer a phone.
const SIP_PATIENCE: Duration = Duration::from_millis(500);

#[test]
fn burst_arrives_whole_and_in_order_and_asterisk_stays_awake() {
    let provider = Provider::answering(Answer::ok());
    let pbx = Pbx::changed(
        &provider,
        &Changes {
            phones: PHONES,
            ..Changes::default()
        },
    );
    let server = Server::run(daemon::command(&pbx.config()));
    let phones: Vec<_> = (1..=PHONES)
        .map(|phone| pbx.phone(&format!("phone{phone}")))
        .collect();
    let count = how_many("WEBSMS_TEST_MESSAGES", 1000);
    let (next, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    let start = Instant::now();
    let (slowest, most) = thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (server, next) = (&server, &next);
            scope.spawn(move || post_all(server, client, next, count));
        }
        let sip = scope.spawn(|| slowest_answer(&phones[0], &done));
        let spool = scope.spawn(|| most_at_a_time(&pbx, &done));
        let watching = Watching(&done);
        wait_for_all(&phones, count);
        drop(watching);
        (sip.join().unwrap(), spool.join().unwrap())
    });
    println!(
        "{count} messages to {PHONES} phones in {:.1} s; slowest answer to OPTIONS {} ms; \
         at most {most} call files in outgoing",
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
    assert!(slowest < SIP_PATIENCE, "{slowest:?}");
    assert!(most <= 40, "{most}");
    let log = pbx.log();
    let warned = log.lines().find(|line| line.contains("queue reached"));
    assert_eq!(warned, None);
    wait_for("an empty spool", || {
        list(&pbx.outgoing()).is_empty().then_some(())
    });
    assert!(list(&pbx.path().join("spool/staging")).is_empty());
}

/// Lets those who watch come to an end, even when the test fails meanwhile,
/// which waits for them.
struct Watching<'a>(&'a AtomicBool);

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// How many messages the phone at a position gets.
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
        let form = http::message(&to, THEIRS, &format!("{client}:{message}"));
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

fn most_at_a_time(pbx: &Pbx, done: &AtomicBool) -> usize {
    let mut most = 0;
    while !done.load(Ordering::Relaxed) {
        most = most.max(list(&pbx.outgoing()).len());
        thread::sleep(Duration::from_millis(1));
    }
    most
}

/// As long as something arrives, it goes on.
fn wait_for_all(phones: &[Phone], count: usize) {
    let mut arrived = 0;
    while arrived < count {
        arrived = wait_for("another message", || {
            let now = phones.iter().map(Phone::count).sum();
            (now > arrived).then_some(now)
        });
    }
}
