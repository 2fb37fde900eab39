//! Asterisk off, or killed again and again, while messages come in: none is lost,
//! none is truncated, few arrive twice.
//!
//! `WEBSMS_TEST_MESSAGES` is the number of messages, `WEBSMS_TEST_KILLS` how often
//! Asterisk is killed.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::dice::Dice;
use crate::pbx::{Changes, Pbx, number};
use crate::process::Number;
use crate::support::daemon::{Server, list};
use crate::support::http::{self, Connection};
use crate::support::sip::Phone;
use crate::support::{size, wait_for, wait_within};

const JOHN: &str = "+12025550160";
const REMOTE: &str = "+15017122661";
const PHONES: usize = 50;
const CLIENTS: usize = 8;

/// How many messages clients are ahead of the phones.
const AHEAD: usize = 400;

/// After this time without a message, none is expected to arrive soon.
const IDLE: Duration = Duration::from_secs(3);

/// How long a message may take whose attempt a crash interrupted: until the attempt
/// counts as interrupted, with the retry and wait times of these tests, and until
/// `websmsd` looks at it.
const INTERRUPTED_MAX: Duration = Duration::from_secs(63 + 10 + 30);

/// The lines of the dialplan that send the text.
const SENDING: &str = " same => n,Gosub(websms_to_contacts,s,1(${WEBSMS_ENDPOINT}))\n \
                       same => n,GotoIf($[${WEBSMS_SENT} = 0]?failed)\n";

/// Kills Asterisk during an attempt, in which the lines `halting` replace
/// [`SENDING`] and the phone gets the text `sent` times. Returns how often the text
/// arrives in the end at the phone, which registers again.
fn killed_in_attempt(halting: &'static str, sent: usize) -> usize {
    const RETRY_TIME: u32 = 5;
    let (mut pbx, server) = Pbx::with_websmsd(&Changes {
        contexts_file: vec![(SENDING, halting)],
        retry_time: Some(RETRY_TIME),
        ..Changes::default()
    });
    let john = pbx.phone("john");
    assert_eq!(server.send(JOHN, REMOTE, "once").status, 200);
    wait_for("the middle of an attempt", || {
        let file = fs::read_to_string(list(&pbx.outgoing()).pop()?).ok()?;
        (file.contains("StartRetry: ") && john.count() == sent).then_some(())
    });
    pbx.kill();
    pbx.edit_contexts(halting, SENDING);
    pbx.start_again();
    john.register();
    let registered = Instant::now();
    john.wait_for(sent + 1);
    let duration = registered.elapsed();
    println!(
        "killed in an attempt: {} ms after the phone's return",
        duration.as_millis()
    );
    // Asterisk counts whole seconds.
    let limit = Duration::from_secs(u64::from(2 * RETRY_TIME) + 1);
    assert!(duration <= limit, "{duration:?}");
    pbx.wait_for_empty_spool();
    assert!(john.inbox().iter().all(|got| got.text() == "once"));
    john.count()
}

#[test]
fn attempt_killed_before_sending_is_repeated() {
    let halting = " same => n,Wait(600)\n same => n,Hangup()\n same => n,NoOp(failed)\n";
    assert_eq!(killed_in_attempt(halting, 0), 1);
}

#[test]
fn attempt_killed_after_sending_is_repeated_once() {
    let halting = " same => n,Gosub(websms_to_contacts,s,1(${WEBSMS_ENDPOINT}))\n \
                same => n,Wait(600)\n same => n,GotoIf($[${WEBSMS_SENT} = 0]?failed)\n";
    assert_eq!(killed_in_attempt(halting, 1), 2);
}

#[test]
fn messages_received_while_asterisk_is_off_arrive_in_order() {
    let count = size("WEBSMS_TEST_MESSAGES", 1000);
    let (mut pbx, server) = with_phones(Number::Another);
    let phones = pbx.phones(PHONES);
    pbx.kill();
    let before = resident(&server);
    let start = Instant::now();
    post_all(&server, count, || count);
    let posted = start.elapsed();
    let after = resident(&server);
    assert_eq!(arrived(&phones), 0);
    let start = Instant::now();
    pbx.start_again();
    register(&phones);
    wait_for_all(&phones, count);
    println!(
        "{count} messages while Asterisk was off: answered in {:.1} s, delivered within {:.1} s \
         of its start; websmsd had {before} KiB before and {after} KiB after them",
        posted.as_secs_f64(),
        start.elapsed().as_secs_f64()
    );
    wait_for_end(&pbx);
    assert_eq!(count_repeated(&phones, count), 0);
    assert!(after < before + 16 * 1024, "{before} KiB, {after} KiB");
}

/// The resident memory of a server, in KiB.
fn resident(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.unwrap()
        .trim()
        .strip_suffix(" kB")
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn asterisk_killed_under_load_loses_nothing() {
    assert_kills_lose_nothing(Number::Another, size("WEBSMS_TEST_KILLS", 3));
}

/// As in a container. To Asterisk the interrupted attempts seem to go on for ever,
/// until `websmsd` detects that they cannot.
#[test]
fn asterisk_killed_and_restarted_with_its_process_number_loses_nothing() {
    assert_kills_lose_nothing(Number::Same, size("WEBSMS_TEST_KILLS", 3).div_ceil(10));
}

fn assert_kills_lose_nothing(process: Number, kills: usize) {
    let count = size("WEBSMS_TEST_MESSAGES", 1000);
    let (mut pbx, server) = with_phones(process);
    let phones = pbx.phones(PHONES);
    let mut dice = Dice::new();
    let mut in_flight = 0;
    let start = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| post_all(&server, count, || arrived(&phones) + AHEAD));
        for kill in 0..kills {
            // At a random point of its share of the messages.
            let share = count / (kills + 1);
            let moment = kill * share + dice.below(share.max(1));
            wait_for_arrivals(&phones, moment);
            wait_for("texts in flight", || {
                (list(&pbx.outgoing()).len() > 2).then_some(())
            });
            pbx.kill();
            in_flight += started_attempts(&pbx);
            pbx.start_again();
            register(&phones);
        }
        wait_for_all(&phones, count);
    });
    let duration = start.elapsed().as_secs_f64();
    wait_for_end(&pbx);
    let repeated = count_repeated(&phones, count);
    println!(
        "{count} messages to {PHONES} phones in {duration:.1} s, Asterisk killed {kills} times \
         ({process:?} process number) with {in_flight} in flight: none lost, none truncated, \
         {repeated} arrived again"
    );
    assert!(repeated <= in_flight);
}

/// The number of call files with an attempt that Asterisk has started.
fn started_attempts(pbx: &Pbx) -> usize {
    let is_started = |file: &PathBuf| fs::read_to_string(file).unwrap().contains("StartRetry: ");
    list(&pbx.outgoing())
        .iter()
        .filter(|file| is_started(file))
        .count()
}

/// Waits until `count` messages have arrived, or none has for [`IDLE`].
fn wait_for_arrivals(phones: &[Phone], count: usize) {
    let (mut last, mut since) = (0, Instant::now());
    while last < count && since.elapsed() < IDLE {
        let now = arrived(phones);
        if now > last {
            (last, since) = (now, Instant::now());
        }
        thread::sleep(Duration::from_millis(2));
    }
}

fn with_phones(number: Number) -> (Pbx, Server) {
    Pbx::with_websmsd(&Changes {
        phones: PHONES,
        number,
        queue: "waittime = 1",
        ..Changes::default()
    })
}

fn register(phones: &[Phone]) {
    phones.iter().for_each(Phone::register);
}

/// Posts `count` messages from several clients, and never more than `limit` returns
/// at the time. The response to each must be 200.
fn post_all(server: &Server, count: usize, limit: impl Fn() -> usize + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (next, limit) = (&next, &limit);
            scope.spawn(move || {
                let mut connection = Connection::new(server.address);
                loop {
                    let message = next.fetch_add(1, Ordering::Relaxed);
                    if message >= count {
                        return;
                    }
                    wait_within(INTERRUPTED_MAX, "phones that keep up", || {
                        (message < limit()).then_some(())
                    });
                    let to = number(message % PHONES + 1);
                    let from = format!("+1501712{client:04}");
                    let form = http::message(&to, &from, &text(message));
                    assert_eq!(connection.deliver(&form), 200);
                }
            });
        }
    });
}

/// The text of a message, which differs from all others.
fn text(message: usize) -> String {
    format!("{message}:{}", "Ж # ; 日😀".repeat(message % 30))
}

/// Waits until each posted message has arrived, perhaps more than once.
fn wait_for_all(phones: &[Phone], count: usize) {
    let has_all = |(position, phone): (usize, &Phone)| {
        let expected = (count + PHONES - 1 - position) / PHONES;
        phone.count() >= expected && numbers(phone).len() == expected
    };
    loop {
        let before = arrived(phones);
        if phones.iter().enumerate().all(has_all) {
            return;
        }
        // The wait goes on as long as messages arrive.
        wait_within(INTERRUPTED_MAX, "another message", || {
            (arrived(phones) > before).then_some(())
        });
    }
}

fn arrived(phones: &[Phone]) -> usize {
    phones.iter().map(Phone::count).sum()
}

/// How often each message has arrived at a phone; asserts that it is complete.
fn numbers(phone: &Phone) -> HashMap<usize, usize> {
    let mut numbers = HashMap::new();
    for received in phone.inbox() {
        let arrived = received.text();
        let number = arrived.split(':').next().unwrap().parse().unwrap();
        assert_eq!(arrived, text(number));
        *numbers.entry(number).or_default() += 1;
    }
    numbers
}

fn wait_for_end(pbx: &Pbx) {
    wait_within(INTERRUPTED_MAX, "an empty spool", || {
        let empty = list(&pbx.outgoing()).is_empty();
        (empty && list(&pbx.path().join("spool/staging")).is_empty()).then_some(())
    });
}

/// Asserts that every phone has its messages, each conversation in order. Returns how
/// many arrived again.
fn count_repeated(phones: &[Phone], count: usize) -> usize {
    let mut repeated = 0;
    for (position, phone) in phones.iter().enumerate() {
        let numbers = numbers(phone);
        for message in (0..count).filter(|message| message % PHONES == position) {
            assert!(numbers.contains_key(&message), "{message} is lost");
        }
        repeated += phone.count() - numbers.len();
        let mut last = HashMap::new();
        for received in phone.inbox() {
            let number: usize = received.text().split(':').next().unwrap().parse().unwrap();
            let last = last.entry(received.from).or_insert(number);
            assert!(number >= *last, "{number} came after {last}");
            *last = number;
        }
    }
    repeated
}
