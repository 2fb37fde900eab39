//! Asterisk off, and killed again and again, while messages come in: none is
//! lost, none is torn, few are twice.
//!
//! `WEBSMS_TEST_MESSAGES` says how many messages, `WEBSMS_TEST_KILLS` how often
//! Asterisk is killed.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::dice::Dice;
use crate::how_many;
use crate::pbx::{Changes, Pbx, number};
use crate::process::Number;
use crate::support::daemon::{self, Server, list};
use crate::support::http::{self, Connection};
use crate::support::sip::Phone;
use crate::support::{Answer, Provider, wait_for, wait_within};

const JOHN: &str = "+12025550160";
const THEIRS: &str = "+15017122661";
const PHONES: usize = 50;
const CLIENTS: usize = 8;

/// How many messages clients are ahead of the phones.
const AHEAD: usize = 400;

/// When nothing has arrived for so long, nothing will soon.
const SILENCE: Duration = Duration::from_secs(3);

/// Longest that something can take which a crash has left unfinished: until an
/// attempt counts as ended by it, with the retry and wait times of these tests,
/// and until somebody looks.
const UNFINISHED: Duration = Duration::from_secs(63 + 10 + 30);

fn pbx(changes: &Changes) -> Pbx {
    Pbx::changed(&Provider::answering(Answer::ok()), changes)
}

fn run(pbx: &Pbx) -> Server {
    Server::run(daemon::command(&pbx.config()))
}

/// In the dialplan: what sends the text, and what comes before and after.
const SENDING: &str = " same => n,Gosub(websms_to_contacts,s,1(${WEBSMS_ENDPOINT}))\n \
                       same => n,GotoIf($[${WEBSMS_SENT} = 0]?failed)\n";

/// Kills Asterisk in an attempt that stands still at a place of the dialplan;
/// how often the text arrives at a phone that registers again.
fn killed_in_attempt(halt: &'static str, sent: usize) -> usize {
    const RETRY_TIME: u32 = 5;
    let mut pbx = pbx(&Changes {
        contexts_file: vec![(SENDING, halt)],
        retry_time: Some(RETRY_TIME),
        ..Changes::default()
    });
    let server = run(&pbx);
    let john = pbx.phone("john");
    assert_eq!(server.send(JOHN, THEIRS, "once").status, 200);
    let begun = || {
        let file = fs::read_to_string(list(&pbx.outgoing()).pop()?).ok()?;
        let is = file.contains("StartRetry: ") && john.count() == sent;
        is.then_some(())
    };
    wait_for("the middle of an attempt", begun);
    pbx.kill();
    let dialplan = pbx.path().join("etc/extensions_websms.conf");
    let mended = fs::read_to_string(&dialplan)
        .unwrap()
        .replace(halt, SENDING);
    fs::write(&dialplan, mended).unwrap();
    pbx.start_again();
    john.register();
    let registered = Instant::now();
    john.wait_for(sent + 1);
    let took = registered.elapsed();
    println!(
        "killed in an attempt: {} ms after the phone's return",
        took.as_millis()
    );
    // Asterisk counts whole seconds.
    let most = Duration::from_secs(u64::from(2 * RETRY_TIME) + 1);
    assert!(took <= most, "{took:?}");
    wait_for("an empty spool", || {
        list(&pbx.outgoing()).is_empty().then_some(())
    });
    assert!(john.inbox().iter().all(|got| got.text() == "once"));
    john.count()
}

#[test]
fn attempt_killed_before_it_has_sent_is_made_up_for() {
    let halt = " same => n,Wait(600)\n same => n,Hangup()\n same => n,NoOp(failed)\n";
    assert_eq!(killed_in_attempt(halt, 0), 1);
}

#[test]
fn attempt_killed_when_it_has_sent_is_repeated_once() {
    let halt = " same => n,Gosub(websms_to_contacts,s,1(${WEBSMS_ENDPOINT}))\n \
                same => n,Wait(600)\n same => n,GotoIf($[${WEBSMS_SENT} = 0]?failed)\n";
    assert_eq!(killed_in_attempt(halt, 1), 2);
}

#[test]
fn messages_that_came_while_asterisk_was_off_arrive_in_order() {
    let count = how_many("WEBSMS_TEST_MESSAGES", 1000);
    let (mut pbx, server) = with_phones(Number::Another);
    let phones = registered(&pbx);
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
    assert_eq!(count_twice(&phones, count), 0);
    assert!(after < before + 16 * 1024, "{before} KiB, {after} KiB");
}

/// In KiB.
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
    survives(Number::Another, how_many("WEBSMS_TEST_KILLS", 3));
}

/// As in a container. What was under way counts as being under way for ever,
/// until `websmsd` finds that it cannot be.
#[test]
fn asterisk_killed_and_back_under_its_number_loses_nothing() {
    survives(Number::Same, how_many("WEBSMS_TEST_KILLS", 3).div_ceil(10));
}

fn survives(process: Number, kills: usize) {
    let count = how_many("WEBSMS_TEST_MESSAGES", 1000);
    let (mut pbx, server) = with_phones(process);
    let phones = registered(&pbx);
    let mut dice = Dice::new();
    let mut under_way = 0;
    let start = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| post_all(&server, count, || arrived(&phones) + AHEAD));
        for kill in 0..kills {
            // Somewhere in its share of the messages.
            let share = count / (kills + 1);
            let moment = kill * share + dice.below(share.max(1));
            wait_for_arrivals(&phones, moment);
            wait_for("texts under way", || {
                (list(&pbx.outgoing()).len() > 2).then_some(())
            });
            pbx.kill();
            under_way += begun(&pbx);
            pbx.start_again();
            register(&phones);
        }
        wait_for_all(&phones, count);
    });
    let took = start.elapsed().as_secs_f64();
    wait_for_end(&pbx);
    let twice = count_twice(&phones, count);
    println!(
        "{count} messages to {PHONES} phones in {took:.1} s, Asterisk killed {kills} times \
         ({process:?} process number) with {under_way} under way: none lost, none torn, {twice} \
         arrived again"
    );
    assert!(twice <= under_way);
}

/// In how many call files Asterisk has begun an attempt.
fn begun(pbx: &Pbx) -> usize {
    let begun = |file: &PathBuf| fs::read_to_string(file).unwrap().contains("StartRetry: ");
    list(&pbx.outgoing())
        .iter()
        .filter(|file| begun(file))
        .count()
}

/// Waits until so many have arrived, or nothing does any more.
fn wait_for_arrivals(phones: &[Phone], count: usize) {
    let (mut last, mut since) = (0, Instant::now());
    while last < count && since.elapsed() < SILENCE {
        let now = arrived(phones);
        if now > last {
            (last, since) = (now, Instant::now());
        }
        thread::sleep(Duration::from_millis(2));
    }
}

fn with_phones(number: Number) -> (Pbx, Server) {
    let pbx = pbx(&Changes {
        phones: PHONES,
        number,
        queue: "waittime = 1",
        ..Changes::default()
    });
    let server = run(&pbx);
    (pbx, server)
}

fn registered(pbx: &Pbx) -> Vec<Phone> {
    (1..=PHONES)
        .map(|phone| pbx.phone(&format!("phone{phone}")))
        .collect()
}

fn register(phones: &[Phone]) {
    phones.iter().for_each(Phone::register);
}

/// Posts so many messages, from several clients, and never more than `most` says
/// at the time. Each must be answered by 200.
fn post_all(server: &Server, count: usize, most: impl Fn() -> usize + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (next, most) = (&next, &most);
            scope.spawn(move || {
                let mut connection = Connection::new(server.address);
                loop {
                    let message = next.fetch_add(1, Ordering::Relaxed);
                    if message >= count {
                        return;
                    }
                    wait_within(UNFINISHED, "room for another message", || {
                        (message < most()).then_some(())
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

/// The text of a message, which nothing else could be taken for.
fn text(message: usize) -> String {
    format!("{message}:{}", "Ж # ; 日😀".repeat(message % 30))
}

/// Waits for all that has been posted, whatever arrives twice.
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
        // As long as something arrives, it goes on.
        wait_within(UNFINISHED, "another message", || {
            (arrived(phones) > before).then_some(())
        });
    }
}

fn arrived(phones: &[Phone]) -> usize {
    phones.iter().map(Phone::count).sum()
}

/// How often each message has arrived at a phone, whole.
fn numbers(phone: &Phone) -> HashMap<usize, usize> {
    let mut numbers = HashMap::new();
    for got in phone.inbox() {
        let arrived = got.text();
        let number = arrived.split(':').next().unwrap().parse().unwrap();
        assert_eq!(arrived, text(number));
        *numbers.entry(number).or_default() += 1;
    }
    numbers
}

fn wait_for_end(pbx: &Pbx) {
    wait_within(UNFINISHED, "an empty spool", || {
        let empty = list(&pbx.outgoing()).is_empty();
        (empty && list(&pbx.path().join("spool/staging")).is_empty()).then_some(())
    });
}

/// Makes sure that every phone has got its messages, each conversation in order;
/// how many came again.
fn count_twice(phones: &[Phone], count: usize) -> usize {
    let mut twice = 0;
    for (position, phone) in phones.iter().enumerate() {
        let numbers = numbers(phone);
        for message in (0..count).filter(|message| message % PHONES == position) {
            assert!(numbers.contains_key(&message), "{message} was lost");
        }
        twice += phone.count() - numbers.len();
        let mut last = HashMap::new();
        for got in phone.inbox() {
            let number: usize = got.text().split(':').next().unwrap().parse().unwrap();
            let last = last.entry(got.from).or_insert(number);
            assert!(number >= *last, "{number} came after {last}");
            *last = number;
        }
    }
    twice
}
