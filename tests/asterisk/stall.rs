//! Asterisk that stands still, misses files or does not come to an end with
//! them: what `websmsd` presents again, and when.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::how_many;
use crate::pbx::{Changes, Pbx, number};
use crate::support::daemon::{self, Server, list};
use crate::support::sip::{Phone, Received};
use crate::support::{Answer, Provider, wait_for, wait_within};

const JOHN: &str = "+12025550160";
const JANE: &str = "+12025550161";
const THEIRS: &str = "+15017122661";
const PHONES: usize = 50;

/// What `websmsd` says of call files that Asterisk has left lying.
const PRESENTED: &str = "call files presented again";

/// Longest until that: 30 s untouched, 10 s between two looks, and some more.
const LEFT_LYING: Duration = Duration::from_secs(50);

fn pbx(changes: &Changes) -> Pbx {
    Pbx::changed(&Provider::answering(Answer::ok()), changes)
}

fn run(pbx: &Pbx) -> Server {
    Server::run(daemon::command(&pbx.config()))
}

/// Waits until something is the case, however long Asterisk has stood still.
fn wait_long(what: &str, is: impl Fn() -> bool) {
    wait_within(LEFT_LYING, what, || is().then_some(()));
}

/// Nothing is twice, but for what was under way when Asterisk came to stand:
/// of that it may not know any more that it was sent. Every phone has got its
/// texts in order.
#[test]
fn asterisk_that_stood_still_delivers_everything_in_order() {
    let count = how_many("WEBSMS_TEST_MESSAGES", 1000);
    let pbx = pbx(&Changes {
        phones: PHONES,
        ..Changes::default()
    });
    let server = run(&pbx);
    let phones: Vec<_> = (1..=PHONES)
        .map(|phone| pbx.phone(&format!("phone{phone}")))
        .collect();
    let arrived = || phones.iter().map(Phone::count).sum::<usize>();
    // As long as Asterisk is awake, fewer phones get something than it takes
    // call files at a time, so that there is room for some that it misses.
    let awake = count / 4;
    let phone_of = |message: usize| message % if message < awake { PHONES / 2 } else { PHONES };
    let send = |message: usize| {
        let to = number(phone_of(message) + 1);
        assert_eq!(server.send(&to, THEIRS, &message.to_string()).status, 200);
    };
    for message in 0..awake {
        send(message);
    }
    wait_for("the first text", || (arrived() > 0).then_some(()));
    pbx.freeze();
    let under_way = list(&pbx.outgoing()).len();
    for message in awake..count {
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
    let mut twice = 0;
    for (position, phone) in phones.iter().enumerate() {
        let expected: Vec<_> = (0..count)
            .filter(|message| phone_of(*message) == position)
            .collect();
        let mut got: Vec<usize> = phone
            .inbox()
            .iter()
            .map(|got| got.text().parse().unwrap())
            .collect();
        assert!(got.is_sorted(), "phone {position}: {got:?}");
        twice += got.len();
        got.dedup();
        twice -= got.len();
        assert_eq!(got, expected, "phone {position}");
    }
    println!("{count} messages, Asterisk frozen: {under_way} under way, {twice} twice");
    assert!(twice <= under_way, "{twice}");
}

/// The kernel keeps so many events for Asterisk and throws away the rest;
/// Asterisk then does not look into the directory (`pbx/pbx_spool.c`,
/// `scan_thread`), so it never sees the files that came meanwhile.
#[test]
fn files_that_asterisk_has_missed_are_presented_again() {
    let pbx = pbx(&Changes::default());
    let server = run(&pbx);
    let (john, jane) = (pbx.phone("john"), pbx.phone("jane"));
    assert_eq!(server.send(JOHN, THEIRS, "seen").status, 200);
    assert_eq!(john.wait_for(1)[0].text(), "seen");
    pbx.freeze();
    overflow(&pbx.outgoing());
    for text in ["one", "two"] {
        assert_eq!(server.send(JOHN, THEIRS, text).status, 200);
    }
    assert_eq!(server.send(JANE, THEIRS, "three").status, 200);
    wait_for("the first of each conversation", || {
        (list(&pbx.outgoing()).len() == 2).then_some(())
    });
    pbx.thaw();
    wait_for("Asterisk to have looked through its events", || {
        pbx.log().contains("Unexpected event").then_some(())
    });
    assert_eq!((john.count(), jane.count()), (1, 0));
    wait_long("the texts", || john.count() == 3 && jane.count() == 1);
    assert!(server.log().contains(PRESENTED));
    let texts: Vec<_> = john.inbox().iter().map(Received::text).collect();
    assert_eq!(texts, ["seen", "one", "two"]);
    assert_eq!(jane.inbox()[0].text(), "three");
    wait_for("an empty spool", || {
        list(&pbx.outgoing()).is_empty().then_some(())
    });
    assert_eq!((john.count(), jane.count()), (3, 1));
}

/// Fills the queues of all who watch a directory and do not read.
fn overflow(directory: &Path) {
    let most = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let noise = directory.join(".noise");
    // Each is opened and closed, which are two events.
    for _ in 0..most.trim().parse().unwrap() {
        fs::File::create(&noise).unwrap();
    }
    fs::remove_file(&noise).unwrap();
}

/// A file whose attempt was begun by a process of Asterisk's own number counts
/// as one that it is still busy with, for ever (`pbx/pbx_spool.c`,
/// `scan_service`); after a crash in a container it is not.
#[test]
fn attempt_that_never_ends_is_begun_anew() {
    let pbx = pbx(&Changes::default());
    let [stale, busy] = begun(&pbx, [(JOHN, 600), (JANE, 10)]);
    let (john, jane) = (pbx.phone("john"), pbx.phone("jane"));
    let delayed =
        |file: &Path| fs::read_to_string(file).is_ok_and(|file| file.contains("DelayedRetry"));
    wait_for("Asterisk to put both off", || {
        (delayed(&stale) && delayed(&busy)).then_some(())
    });
    assert_eq!((john.count(), jane.count()), (0, 0));
    let server = run(&pbx);
    let line = server.wait_for_log(PRESENTED);
    assert!(line.contains("WARN") && line.contains("files=1"), "{line}");
    assert_eq!(john.wait_for(1)[0].text(), "x");
    wait_for("the end of it", || (!stale.exists()).then_some(()));
    // The other one may still be at it.
    assert!(busy.exists());
    assert_eq!((john.count(), jane.count()), (1, 0));
}

/// Puts call files into outgoing, for a number each, whose attempts this
/// Asterisk seems to have begun so many seconds ago.
fn begun<const COUNT: usize>(pbx: &Pbx, attempts: [(&str, u64); COUNT]) -> [PathBuf; COUNT] {
    pbx.freeze();
    let server = run(pbx);
    let files = attempts.map(|(to, seconds)| {
        assert_eq!(server.send(to, THEIRS, "x").status, 200);
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
