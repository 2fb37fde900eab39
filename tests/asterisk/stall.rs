//! Call files that a frozen Asterisk leaves, that it misses, or whose attempts never
//! end: which ones `websmsd` presents again, and when.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::pbx::{Changes, Pbx, number};
use crate::support::daemon::list;
use crate::support::sip::{Phone, Received};
use crate::support::{Answer, Provider, size, wait_for, wait_within};

const JOHN: &str = "+12025550160";
const JANE: &str = "+12025550161";
const REMOTE: &str = "+15017122661";
const PHONES: usize = 50;

/// The log message about call files that Asterisk has left.
const PRESENTED: &str = "call files presented again";

/// How long it takes until then: 30 s without a change, 10 s between two looks, and a
/// reserve.
const PRESENTED_MAX: Duration = Duration::from_secs(50);

/// Waits for a condition, which may need call files to be presented again.
fn wait_long(what: &str, is_met: impl Fn() -> bool) {
    wait_within(PRESENTED_MAX, what, || is_met().then_some(()));
}

/// Only texts in flight when Asterisk was frozen may arrive twice, because it may have
/// forgotten that it sent them. Every phone gets its texts in order.
#[test]
fn frozen_asterisk_delivers_everything_in_order_later() {
    let count = size("WEBSMS_TEST_MESSAGES", 1000);
    let (pbx, server) = Pbx::with_websmsd(&Changes {
        phones: PHONES,
        ..Changes::default()
    });
    let phones = pbx.phones(PHONES);
    let arrived = || phones.iter().map(Phone::count).sum::<usize>();
    // The first messages go to fewer phones than the number of call files that may be
    // in outgoing, so that others can follow while Asterisk is frozen.
    let before_freeze = count / 4;
    let phone_of = |message: usize| {
        let phones = if message < before_freeze {
            PHONES / 2
        } else {
            PHONES
        };
        message % phones
    };
    let send = |message: usize| {
        let to = number(phone_of(message) + 1);
        assert_eq!(server.send(&to, REMOTE, &message.to_string()).status, 200);
    };
    for message in 0..before_freeze {
        send(message);
    }
    wait_for("the first text", || (arrived() > 0).then_some(()));
    pbx.freeze();
    let in_flight = list(&pbx.outgoing()).len();
    for message in before_freeze..count {
        send(message);
    }
    wait_long("files presented again", || server.log().contains(PRESENTED));
    assert!(list(&pbx.outgoing()).len() >= PHONES.min(40));
    pbx.thaw();
    let mut before = 0;
    while arrived() < count {
        wait_long("another text", || arrived() > before);
        before = arrived();
    }
    wait_long("an empty spool", || list(&pbx.outgoing()).is_empty());
    let mut repeated = 0;
    for (position, phone) in phones.iter().enumerate() {
        let expected: Vec<_> = (0..count)
            .filter(|message| phone_of(*message) == position)
            .collect();
        let mut numbers: Vec<usize> = phone
            .inbox()
            .iter()
            .map(|received| received.text().parse().unwrap())
            .collect();
        assert!(numbers.is_sorted(), "phone {position}: {numbers:?}");
        repeated += numbers.len();
        numbers.dedup();
        repeated -= numbers.len();
        assert_eq!(numbers, expected, "phone {position}");
    }
    println!("{count} messages, Asterisk frozen: {in_flight} in flight, {repeated} arrived again");
    assert!(repeated <= in_flight, "{repeated}");
}

/// The kernel drops events when the queue of a watcher is full. Asterisk does not
/// read the directory then (`pbx/pbx_spool.c`, `scan_thread`), so it never sees the
/// files of the dropped events.
#[test]
fn call_files_that_asterisk_missed_are_presented_again() {
    let (pbx, server) = Pbx::with_websmsd(&Changes::default());
    let (john, jane) = (pbx.phone("john"), pbx.phone("jane"));
    assert_eq!(server.send(JOHN, REMOTE, "seen").status, 200);
    assert_eq!(john.wait_for(1)[0].text(), "seen");
    pbx.freeze();
    overflow_watchers(&pbx.outgoing());
    for text in ["one", "two"] {
        assert_eq!(server.send(JOHN, REMOTE, text).status, 200);
    }
    assert_eq!(server.send(JANE, REMOTE, "three").status, 200);
    wait_for("the first of each conversation", || {
        (list(&pbx.outgoing()).len() == 2).then_some(())
    });
    pbx.thaw();
    wait_for("Asterisk to read its events", || {
        pbx.log().contains("Unexpected event").then_some(())
    });
    wait_long("the texts", || john.count() == 3 && jane.count() == 1);
    assert!(server.log().contains(PRESENTED));
    let texts: Vec<_> = john.inbox().iter().map(Received::text).collect();
    assert_eq!(texts, ["seen", "one", "two"]);
    assert_eq!(jane.inbox()[0].text(), "three");
    pbx.wait_for_empty_spool();
    assert_eq!((john.count(), jane.count()), (3, 1));
}

/// Fills the event queues of all processes that watch a directory.
fn overflow_watchers(directory: &Path) {
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let noise = directory.join(".noise");
    // Opening and closing are two events.
    for _ in 0..limit.trim().parse().unwrap() {
        fs::File::create(&noise).unwrap();
    }
    fs::remove_file(&noise).unwrap();
}

/// An attempt that was started by a process with Asterisk's own number seems to go on
/// for ever (`pbx/pbx_spool.c`, `scan_service`), even after a crash in a container.
#[test]
fn attempt_that_never_ends_is_started_again() {
    let pbx = Pbx::start(&Provider::answering(Answer::ok()));
    let [stale, recent] = started_attempts(&pbx, [(JOHN, 600), (JANE, 10)]);
    let (john, jane) = (pbx.phone("john"), pbx.phone("jane"));
    let delayed =
        |file: &Path| fs::read_to_string(file).is_ok_and(|file| file.contains("DelayedRetry"));
    wait_for("Asterisk to postpone both", || {
        (delayed(&stale) && delayed(&recent)).then_some(())
    });
    assert_eq!((john.count(), jane.count()), (0, 0));
    let server = pbx.start_websmsd();
    let line = server.wait_for_log(PRESENTED);
    assert!(line.contains("WARN") && line.contains("files=1"), "{line}");
    assert_eq!(john.wait_for(1)[0].text(), "x");
    wait_for("the end of the attempt", || (!stale.exists()).then_some(()));
    // The other attempt may still go on.
    assert!(recent.exists());
    assert_eq!((john.count(), jane.count()), (1, 0));
}

/// Puts a call file for each number into outgoing, whose attempt this Asterisk seems
/// to have started the given number of seconds ago.
fn started_attempts<const COUNT: usize>(
    pbx: &Pbx,
    attempts: [(&str, u64); COUNT],
) -> [PathBuf; COUNT] {
    pbx.freeze();
    let server = pbx.start_websmsd();
    let files = attempts.map(|(to, seconds)| {
        assert_eq!(server.send(to, REMOTE, "x").status, 200);
        let file = wait_for("the call file", || list(&pbx.outgoing()).pop());
        let aside = pbx.path().join("spool").join(file.file_name().unwrap());
        fs::rename(&file, &aside).unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let time = now.as_secs() - seconds;
        let mut open = fs::File::options().append(true).open(&aside).unwrap();
        writeln!(open, "\nStartRetry: {} 0 ({time})", pbx.pid()).unwrap();
        (aside, file)
    });
    drop(server);
    for (aside, file) in &files {
        fs::rename(aside, file).unwrap();
    }
    pbx.thaw();
    files.map(|(_, file)| file)
}
