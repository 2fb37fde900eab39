//! Call files on their way: who waits, who is in the way, and what the clock
//! says.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::support::daemon::{self, Server, list};
use crate::support::messages::whole;
use crate::support::{Daemon, Spool, wait_for};

const TO: &str = "+12025550160";
const FROM: &str = "+15017122661";
const HOUR: Duration = Duration::from_secs(3600);

fn texts(spool: &Spool) -> Vec<String> {
    let arrived = whole(&spool.drain()).unwrap();
    arrived.into_iter().map(|message| message.text).collect()
}

/// The one that waits behind another one of its conversation.
fn waiting(spool: &Spool) -> PathBuf {
    wait_for("the first one with Asterisk, the second waiting", || {
        let mut waiting = list(&spool.staging());
        (spool.call_files().len() == 1 && waiting.len() == 1).then(|| waiting.remove(0))
    })
}

fn set_time(path: &Path, time: SystemTime) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified(time).unwrap();
}

#[test]
fn file_of_the_same_name_is_not_replaced_by_the_hand_over() {
    let daemon = Daemon::start("");
    for text in ["a", "b"] {
        assert_eq!(daemon.send(TO, FROM, text).status, 200);
    }
    let second = waiting(&daemon.spool);
    let in_the_way = daemon.spool.outgoing().join(second.file_name().unwrap());
    std::fs::write(&in_the_way, "not ours").unwrap();
    // Its turn comes; the other file stays out of the sink's way.
    let first = daemon.spool.call_files().remove(0);
    assert_ne!(first, in_the_way);
    std::fs::remove_file(first).unwrap();
    let line = daemon.wait_for_log("hand-over to Asterisk failed");
    assert!(
        line.contains("ERROR") && line.contains("File exists"),
        "{line}"
    );
    assert_eq!(std::fs::read_to_string(&in_the_way).unwrap(), "not ours");
    assert!(second.exists());
    std::fs::remove_file(&in_the_way).unwrap();
    assert_eq!(texts(&daemon.spool), ["b"]);
}

#[test]
fn file_of_the_future_is_handed_over_as_one_of_now() {
    // As if the clock had been set back by an hour while it waited.
    let spool = Spool::new();
    let config = spool.configure("");
    let first = Server::run(daemon::command(&config));
    for text in ["a", "b"] {
        assert_eq!(first.send(TO, FROM, text).status, 200);
    }
    let second = waiting(&spool);
    let name = second.file_name().unwrap().to_owned();
    set_time(&second, SystemTime::now() + HOUR);
    let handed_over = || {
        let path = spool.outgoing().join(&name);
        let metadata = wait_for("the second one", || path.metadata().ok());
        metadata.modified().unwrap()
    };
    std::fs::remove_file(spool.call_files().remove(0)).unwrap();
    assert!(handed_over() <= SystemTime::now(), "Asterisk would wait");
    // The same at a start.
    drop(first);
    std::fs::rename(spool.outgoing().join(&name), &second).unwrap();
    set_time(&second, SystemTime::now() + HOUR);
    let _daemon = Server::run(daemon::command(&config));
    assert!(handed_over() <= SystemTime::now(), "Asterisk would wait");
}

#[test]
fn clock_that_was_set_changes_no_order_and_delays_nothing() {
    // Names of files tell when they were accepted: one in an hour, as the clock
    // says by now, and one an hour ago.
    let spool = Spool::new();
    let config = spool.configure("");
    let first = Server::run(daemon::command(&config));
    assert_eq!(first.send(TO, FROM, "x").status, 200);
    let path = wait_for("the call file", || spool.call_files().pop());
    drop(first);
    let content = std::fs::read_to_string(&path).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    std::fs::remove_file(&path).unwrap();
    let (micros, rest) = name.split_once('-').unwrap();
    let micros: u128 = micros.parse().unwrap();
    let step = HOUR.as_micros();
    for (accepted, text, time) in [
        (micros - step, "early", SystemTime::now() - HOUR),
        (micros + step, "late", SystemTime::now() + HOUR),
    ] {
        let path = spool.staging().join(format!("{accepted:016}-{rest}"));
        let content = content.replace("MESSAGE(body)=x", &format!("MESSAGE(body)={text}"));
        std::fs::write(&path, content).unwrap();
        set_time(&path, time);
    }
    let daemon = Server::run(daemon::command(&config));
    assert_eq!(daemon.send(TO, FROM, "next").status, 200);
    // Far sooner than in an hour, and as they were accepted.
    assert_eq!(texts(&spool), ["early", "late", "next"]);
}

#[test]
fn more_than_may_wait_is_503_until_asterisk_takes_some() {
    let spool = Spool::new();
    let config = spool.section() + "max_waiting = 5\n";
    let daemon = Daemon::with(spool, &config);
    let mut accepted = 0;
    let refused = wait_for("a refusal", || {
        let response = daemon.send(TO, FROM, &accepted.to_string());
        if response.status == 200 {
            accepted += 1;
            return None;
        }
        Some(response)
    });
    assert_eq!(refused.status, 503);
    assert_eq!(refused.headers["retry-after"], "30");
    daemon.wait_for_log("5 call files wait already, which is max_waiting");
    // One is with Asterisk. Those that came before the feeder had counted may
    // be one or two more.
    assert!((6..10).contains(&accepted), "{accepted}");
    assert_eq!(daemon.send(TO, FROM, "x").status, 503);
    let expected: Vec<_> = (0..accepted).map(|number| number.to_string()).collect();
    assert_eq!(texts(&daemon.spool), expected);
    wait_for("messages to be accepted again", || {
        (daemon.send(TO, FROM, "after").status == 200).then_some(())
    });
    assert_eq!(texts(&daemon.spool).last().unwrap(), "after");
}
