//! `kill -9` at a chosen moment, and what the next start recovers.
//!
//! strace delays one system call of the writer's thread, and the daemon is killed
//! there.

use std::path::Path;
use std::thread;

use nix::sys::signal::Signal;

use crate::strace::{Tracer, thread_that};
use crate::support::daemon::{self, Server, list};
use crate::support::http::JSON;
use crate::support::messages::assemble;
use crate::support::{Spool, wait_for};

const TO: &str = "+12025550160";

/// Longer than a test may take: the thread is killed while it waits.
const DELAY: &str = "delay_enter=300000000";

/// The texts of a request with three messages and six call files.
const LENGTHS: [usize; 3] = [1500, 10, 2500];

fn is_call(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "call")
}

/// Kills a daemon at the `when`th `call` for a request, when `named` files of the
/// request have their final name and `unnamed` do not, and starts another one.
/// Returns the lengths of the recovered messages, and the log.
fn recovered(call: &str, when: usize, named: usize, unnamed: usize) -> (Vec<usize>, String) {
    let spool = Spool::new();
    let config = spool.configure("");
    let server = Server::run(daemon::command(&config));
    let staging = spool.staging();
    let holds = staging.display().to_string();
    let writer = thread_that(&server, "statfs", &holds, spool.path(), || {
        assert_eq!(server.send(TO, "+1999", "before").status, 200);
    });
    spool.drain();
    // Both are accepted: one is with Asterisk, the other waits.
    for text in ["first", "second"] {
        assert_eq!(server.send(TO, "+1998", text).status, 200);
    }
    wait_for("the first call file", || spool.call_files().pop());
    let inject = format!("inject={call}:{DELAY}:when={when}");
    let only = format!("trace={call}");
    let trace = spool.path().join("trace");
    let tracer = Tracer::attach(writer, &["-e", &only, "-e", &inject], &trace);
    let messages = LENGTHS.map(|length| {
        let from = format!("+1{length:06}");
        serde_json::json!({"To": TO, "From": from, "Body": "x".repeat(length)})
    });
    let body = serde_json::Value::from(messages.to_vec()).to_string();
    thread::scope(|scope| {
        let answer = scope.spawn(|| server.post("/", &[JSON], body.as_bytes()).status);
        wait_for("the files", || {
            let files = list(&staging);
            // Without the call file that waits.
            let calls = files.iter().filter(|path| is_call(path)).count() - 1;
            (calls == named && files.len() - 1 == named + unnamed).then_some(())
        });
        wait_for("the call", || {
            let seen = std::fs::read_to_string(&trace).unwrap();
            (seen.matches(&format!("{call}(")).count() >= when).then_some(())
        });
        server.signal(Signal::SIGKILL);
        // The delayed thread ends only now.
        drop(tracer);
        assert_eq!(answer.join().unwrap(), 0, "nothing was acknowledged");
    });
    server.wait();
    let server = Server::run(daemon::command(&config));
    let arrived = assemble(&spool.drain()).unwrap();
    let texts: Vec<_> = arrived.into_iter().map(|message| message.text).collect();
    assert_eq!(&texts[..3], ["before", "first", "second"]);
    // The daemon works.
    assert_eq!(server.send(TO, "+1998", "after").status, 200);
    spool.drain();
    let (status, log) = server.stop();
    assert!(status.success());
    let lengths = texts[3..].iter().map(String::len).collect();
    (lengths, log)
}

#[test]
fn crash_before_all_files_are_written_removes_them() {
    for (call, when, written) in [("write", 1, 1), ("fsync", 4, 4), ("renameat2", 1, 6)] {
        let (lengths, log) = recovered(call, when, 0, written);
        assert!(lengths.is_empty(), "{call}: {lengths:?}");
        let removed = format!("incomplete call files removed files={written}");
        assert!(log.contains(&removed), "{removed} is not in {log}");
    }
}

#[test]
fn crash_between_renames_keeps_only_complete_messages() {
    // Files are named in order: 2 of the first message, 1, and 3 of the third.
    for (named, lengths, incomplete) in [
        (1, &[][..], 6),
        (2, &LENGTHS[..1], 4),
        (3, &LENGTHS[..2], 3),
        (5, &LENGTHS[..2], 3),
    ] {
        let (arrived, log) = recovered("renameat2", named + 1, named, FILES - named);
        assert_eq!(arrived, lengths, "{named} named");
        let removed = format!("incomplete call files removed files={incomplete}");
        assert!(log.contains(&removed), "{removed} is not in {log}");
    }
}

/// The call files of the request.
const FILES: usize = 6;

#[test]
fn crash_before_the_directory_is_synced_delivers_all_messages() {
    let (lengths, log) = recovered("fsync", FILES + 1, FILES, 0);
    assert_eq!(lengths, LENGTHS);
    assert!(log.contains("call files found in staging files=7"), "{log}");
    assert!(!log.contains("incomplete call files"), "{log}");
}
