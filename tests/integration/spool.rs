//! Call files in staging and outgoing: order, names in use, clock changes, limits.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::support::daemon::{self, Server, list};
use crate::support::messages::assemble;
use crate::support::{Daemon, Spool, wait_for};

const TO: &str = "+12025550160";
const FROM: &str = "+15017122661";
const HOUR: Duration = Duration::from_secs(3600);

fn texts(spool: &Spool) -> Vec<String> {
    let arrived = assemble(&spool.drain()).unwrap();
    arrived.into_iter().map(|message| message.text).collect()
}

/// The file that waits for another one of its conversation.
fn waiting_file(spool: &Spool) -> PathBuf {
    wait_for("one file with Asterisk and one that waits", || {
        let mut waiting = list(&spool.staging());
        (spool.call_files().len() == 1 && waiting.len() == 1).then(|| waiting.remove(0))
    })
}

fn set_time(path: &Path, time: SystemTime) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified(time).unwrap();
}

#[test]
fn hand_over_does_not_replace_another_file() {
    let daemon = Daemon::start("");
    for text in ["a", "b"] {
        assert_eq!(daemon.send(TO, FROM, text).status, 200);
    }
    let second = waiting_file(&daemon.spool);
    let other_file = daemon.spool.outgoing().join(second.file_name().unwrap());
    std::fs::write(&other_file, "not ours").unwrap();
    // It is the second one's turn now.
    let first = daemon.spool.call_files().remove(0);
    assert_ne!(first, other_file);
    std::fs::remove_file(first).unwrap();
    let line = daemon.wait_for_log("hand-over to Asterisk failed");
    assert!(
        line.contains("ERROR") && line.contains("File exists"),
        "{line}"
    );
    assert_eq!(std::fs::read_to_string(&other_file).unwrap(), "not ours");
    assert!(second.exists());
    std::fs::remove_file(&other_file).unwrap();
    assert_eq!(texts(&daemon.spool), ["b"]);
}

#[test]
fn file_with_future_time_is_handed_over_with_current_time() {
    // As if the clock was set back by an hour while the file waited.
    let spool = Spool::new();
    let config = spool.configure("");
    let first = Server::run(daemon::command(&config));
    for text in ["a", "b"] {
        assert_eq!(first.send(TO, FROM, text).status, 200);
    }
    let second = waiting_file(&spool);
    let name = second.file_name().unwrap().to_owned();
    set_time(&second, SystemTime::now() + HOUR);
    let handed_over = || {
        let path = spool.outgoing().join(&name);
        let metadata = wait_for("the second one", || path.metadata().ok());
        metadata.modified().unwrap()
    };
    std::fs::remove_file(spool.call_files().remove(0)).unwrap();
    assert!(handed_over() <= SystemTime::now(), "Asterisk would wait");
    // Also at start.
    drop(first);
    std::fs::rename(spool.outgoing().join(&name), &second).unwrap();
    set_time(&second, SystemTime::now() + HOUR);
    let _daemon = Server::run(daemon::command(&config));
    assert!(handed_over() <= SystemTime::now(), "Asterisk would wait");
}

#[test]
fn clock_change_neither_reorders_nor_delays_messages() {
    // By the current clock, one file was accepted an hour ago and one will be in an
    // hour.
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
    // Much earlier than in an hour, and in the order of acceptance.
    assert_eq!(texts(&spool), ["early", "late", "next"]);
}

#[test]
fn more_than_max_waiting_is_503_until_asterisk_takes_some() {
    let spool = Spool::new();
    let config = spool.section() + "max_waiting = 5\n";
    let daemon = Daemon::with(spool, &config);
    assert_eq!(daemon.send(TO, FROM, "0").status, 200);
    wait_for("one with Asterisk", || {
        (daemon.spool.call_files().len() == 1).then_some(())
    });
    let mut accepted = 1;
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
    assert_eq!(accepted, 6, "one is with Asterisk");
    assert_eq!(daemon.send(TO, FROM, "x").status, 503);
    let expected: Vec<_> = (0..accepted).map(|number| number.to_string()).collect();
    assert_eq!(texts(&daemon.spool), expected);
    wait_for("messages to be accepted again", || {
        (daemon.send(TO, FROM, "after").status == 200).then_some(())
    });
    assert_eq!(texts(&daemon.spool).last().unwrap(), "after");
}
