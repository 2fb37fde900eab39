//! The command `queue` while a daemon runs.

use std::io::Write as _;
use std::process::{Command, Output};

use crate::support::daemon::list;
use crate::support::{Daemon, Spool, callfile, program, wait_for};

const TO: &str = "+12025550160";
const FROM: &str = "+15017122661";

fn queue(daemon: &Daemon, arguments: &[&str]) -> Output {
    Command::new(program())
        .arg("queue")
        .arg("--config")
        .arg(daemon.spool.path().join("websms.conf"))
        .args(arguments)
        .output()
        .unwrap()
}

fn stdout(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Waits for the ids of `count` accepted messages, in the order of acceptance.
fn ids(daemon: &Daemon, count: usize) -> Vec<String> {
    let id = |line: &str| {
        let (_, rest) = line.split_once(" id=").unwrap();
        rest.split(' ').next().unwrap().to_owned()
    };
    wait_for("all ids in the log", || {
        let log = daemon.log();
        let accepted = log.lines().filter(|line| line.contains("message accepted"));
        let ids: Vec<_> = accepted.map(id).collect();
        (ids.len() == count).then_some(ids)
    })
}

#[test]
fn messages_are_listed_with_state_and_shown_with_text() {
    let daemon = Daemon::start("");
    assert!(stdout(queue(&daemon, &["list"])).ends_with("0 in all\n"));
    for text in ["first ☺", "second"] {
        assert_eq!(daemon.send(TO, FROM, text).status, 200);
    }
    // One file of a conversation at a time: the second waits for the first.
    wait_for("the first call file", || daemon.spool.call_files().pop());
    let ids = ids(&daemon, 2);
    let listed = stdout(queue(&daemon, &["list"]));
    let lines: Vec<_> = listed.lines().collect();
    assert_eq!(lines.len(), 4, "{listed}");
    for (line, id, state) in [
        (lines[1], &ids[1], "staging"),
        (lines[2], &ids[0], "outgoing"),
    ] {
        for part in [id.as_str(), state, "1/1", TO, FROM] {
            assert!(line.contains(part), "{part:?} is not in {line:?}");
        }
    }
    let shown = stdout(queue(&daemon, &["show", &ids[0]]));
    for part in [
        "text      \"first ☺\"",
        "progress  not tried yet",
        "Channel: Local/+12025550160@",
    ] {
        assert!(shown.contains(part), "{part:?} is not in\n{shown}");
    }
}

#[test]
fn dropped_messages_do_not_block_later_ones() {
    let daemon = Daemon::start("");
    for text in ["a", "b", "c"] {
        assert_eq!(daemon.send(TO, FROM, text).status, 200);
    }
    wait_for("the first call file", || daemon.spool.call_files().pop());
    let ids = ids(&daemon, 3);
    // One waits, and one is with Asterisk.
    stdout(queue(&daemon, &["drop", &ids[1]]));
    stdout(queue(&daemon, &["drop", &ids[0]]));
    let files = daemon.spool.wait_for(1);
    assert_eq!(callfile::message(files[0].as_bytes()).unwrap().2, b"c");
    daemon.wait_for_log("call file vanished from staging");
    assert!(daemon.spool.is_untouched() || daemon.spool.take().len() == 1);
}

#[test]
fn failed_messages_are_retried() {
    let daemon = Daemon::start("");
    for (text, to) in [("a", "+1201"), ("b", "+1202")] {
        assert_eq!(daemon.send(to, FROM, text).status, 200);
    }
    let failed = daemon.spool.path().join("failed");
    wait_for("both", || {
        (daemon.spool.call_files().len() == 2).then_some(())
    });
    for path in daemon.spool.call_files() {
        let content = std::fs::read_to_string(&path).unwrap();
        let given_up = format!(
            "{content}\nStartRetry: 7 1 (1795304460)\n\nEndRetry: 7 1 (1795304461)\n\
             Status: Expired\n"
        );
        std::fs::write(failed.join(path.file_name().unwrap()), given_up).unwrap();
        std::fs::remove_file(path).unwrap();
    }
    let ids = ids(&daemon, 2);
    let listed = stdout(queue(&daemon, &["list"]));
    assert_eq!(listed.matches("failed").count(), 2, "{listed}");
    assert!(stdout(queue(&daemon, &["show", &ids[0]])).contains("progress  given up"));
    stdout(queue(&daemon, &["retry", &ids[1]]));
    let files = daemon.spool.wait_for(1);
    assert_eq!(callfile::message(files[0].as_bytes()).unwrap().2, b"b");
    stdout(queue(&daemon, &["retry", "--all"]));
    daemon.spool.wait_for(2);
    assert!(list(&failed).is_empty());
    assert!(list(&daemon.spool.staging().join("retry")).is_empty());
}

#[test]
fn message_that_waits_with_asterisk_is_due_at_once_after_retry() {
    let daemon = Daemon::start("");
    assert_eq!(daemon.send(TO, FROM, "a").status, 200);
    let path = wait_for("the call file", || daemon.spool.call_files().pop());
    let content = std::fs::read_to_string(&path).unwrap();
    // Asterisk appends this after a failed attempt.
    let noted = format!("{content}\nStartRetry: 7 1 (1)\n\nEndRetry: 7 1 (2)\n");
    std::fs::write(&path, noted).unwrap();
    let id = ids(&daemon, 1).remove(0);
    let listed = stdout(queue(&daemon, &["list"]));
    assert!(
        listed.lines().nth(1).unwrap().contains("      1  "),
        "{listed}"
    );
    stdout(queue(&daemon, &["retry", &id]));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
}

#[test]
fn unknown_message_is_an_error() {
    let daemon = Daemon::start("");
    for act in ["show", "retry", "drop"] {
        let output = queue(&daemon, &[act, "1795304460000001-000000ab"]);
        assert_eq!(output.status.code(), Some(69));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(
            stderr.contains("there is no message 1795304460000001-000000ab"),
            "{stderr}"
        );
    }
    for wrong in [&["show", "x"][..], &["retry"], &["drop", "../x"]] {
        assert_eq!(queue(&daemon, wrong).status.code(), Some(64));
    }
}

/// Asterisk moves a file first and appends the result afterwards
/// (`pbx/pbx_spool.c`, `remove_from_queue`).
#[test]
fn message_given_up_is_kept_when_the_result_is_noted_late() {
    let spool = Spool::new();
    let done = spool.path().join("outgoing_done");
    std::fs::create_dir(&done).unwrap();
    let config = format!("{}archive = yes\n", spool.section());
    let daemon = Daemon::with(spool, &config);
    for text in ["a", "b"] {
        assert_eq!(daemon.send(TO, FROM, text).status, 200);
    }
    let first = wait_for("the first call file", || daemon.spool.call_files().pop());
    let moved = done.join(first.file_name().unwrap());
    std::fs::rename(&first, &moved).unwrap();
    // The daemon has noticed that the first one left.
    wait_for("the second one", || daemon.spool.call_files().pop());
    let mut file = std::fs::File::options().append(true).open(&moved).unwrap();
    writeln!(file, "Status: Expired").unwrap();
    daemon.wait_for_log("message not delivered");
    let kept = list(&daemon.spool.path().join("failed"));
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].file_name(), first.file_name());
    assert!(!moved.exists());
}

/// Asterisk was killed before it appended the result, an hour ago.
#[test]
fn message_without_result_is_kept() {
    let spool = Spool::new();
    let done = spool.path().join("outgoing_done");
    std::fs::create_dir(&done).unwrap();
    let config = format!("{}archive = yes\n", spool.section());
    let name =
        |number: u32| format!("179530446000000{number}-000000ab-0001of0001-00000000000000ab.call");
    let hours_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(7200);
    for (number, noted, modified) in [
        (1, "StartRetry: 7 1 (1795304460)\n", hours_ago),
        (
            2,
            "StartRetry: 7 1 (1795304460)\nStatus: Completed\n",
            hours_ago,
        ),
        (
            3,
            "StartRetry: 7 1 (1795304460)\n",
            std::time::SystemTime::now(),
        ),
    ] {
        let path = done.join(name(number));
        std::fs::write(&path, format!("Channel: Local/1@x\n\n{noted}")).unwrap();
        let file = std::fs::File::options().append(true).open(&path).unwrap();
        file.set_modified(modified).unwrap();
    }
    let daemon = Daemon::with(spool, &config);
    daemon.wait_for_log("Asterisk noted no result");
    let kept = list(&daemon.spool.path().join("failed"));
    assert_eq!(kept, [daemon.spool.path().join("failed").join(name(1))]);
    let left = list(&done);
    assert_eq!(left, [done.join(name(2)), done.join(name(3))]);
}

/// What a phone or a provider has written must not control the administrator's
/// terminal.
#[test]
fn output_has_no_control_characters() {
    const CONTROLS: &str = "\u{1b}]0;x\u{7}\u{9b}31m\u{202e}\u{2066}\u{200f}\u{61c}";
    let is_control = |character: &char| {
        character.is_control() && *character != '\n'
            || "\u{202e}\u{2066}\u{200f}\u{61c}".contains(*character)
    };
    let daemon = Daemon::start("");
    // So long that it stands in the call file as it is, where that is possible.
    let text = format!("{}{CONTROLS}", "☺".repeat(200));
    assert_eq!(daemon.send(TO, FROM, &text).status, 200);
    wait_for("the call file", || daemon.spool.call_files().pop());
    let id = ids(&daemon, 1).remove(0);
    let shown = stdout(queue(&daemon, &["show", &id]));
    assert_eq!(shown.chars().find(is_control), None, "{shown:?}");
    let body = shown.lines().find(|line| line.contains("MESSAGE(body)"));
    let body = body.unwrap_or_default();
    assert!(
        body.contains("\\u{9b}31m\\u{202e}\\u{2066}\\u{200f}"),
        "{body}"
    );
    // A file that somebody has edited.
    let other = "1795304460000000-0000000a-0001of0001-00000000000000aa.call";
    let path = daemon.spool.call_files().pop().unwrap();
    let content = std::fs::read_to_string(&path).unwrap();
    let content = content.replace(FROM, &format!("{FROM}\u{9b}\u{202e}"));
    let failed = daemon.spool.path().join("failed");
    std::fs::write(failed.join(other), content).unwrap();
    let listed = stdout(queue(&daemon, &["list"]));
    assert_eq!(listed.chars().find(is_control), None, "{listed:?}");
}
