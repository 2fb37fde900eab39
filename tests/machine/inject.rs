//! A disk that says no, at every step of storing a message.
//!
//! The errors are injected into one thread of the real daemon: the one that
//! stores, or the one that hands over. Whatever fails and whenever, the answer
//! is 200 for what is stored whole, and nothing is stored of the rest.

use std::path::PathBuf;

use nix::unistd::Pid;

use crate::strace::{Tracer, thread_that};
use crate::support::daemon::{self, Server, list};
use crate::support::http::{FORM, JSON};
use crate::support::messages::{Message, whole};
use crate::support::{Spool, wait_for};

const TO: &str = "+12025550160";

/// A daemon whose disk can be made to fail.
struct Victim {
    spool: Spool,
    config: PathBuf,
    server: Server,
    /// The thread that stores.
    writer: Pid,
    sent: usize,
}

/// How long the texts of a request are; each line of a call file holds 1,000.
const SINGLE: &[usize] = &[10];
const SEVERAL: &[usize] = &[1500, 10, 2500];

/// The call files that the longer request makes.
const FILES: usize = 6;

impl Victim {
    fn new() -> Self {
        let spool = Spool::new();
        // Not our own, so that files have to be given away.
        std::os::unix::fs::chown(spool.outgoing(), Some(54_321), Some(54_321)).unwrap();
        let config = spool.configure("");
        let server = Server::run(daemon::command(&config));
        let writer = writer(&server, &spool);
        Self {
            spool,
            config,
            server,
            writer,
            sent: 0,
        }
    }

    /// Another daemon on the same spool.
    fn restart(self) -> Self {
        let Self {
            spool,
            config,
            server,
            sent,
            ..
        } = self;
        let (status, log) = server.stop();
        assert!(status.success(), "{log}");
        let server = Server::run(daemon::command(&config));
        let writer = writer(&server, &spool);
        Self {
            spool,
            config,
            server,
            writer,
            sent,
        }
    }

    /// Messages that have not been sent before, with texts of these lengths.
    fn messages(&mut self, lengths: &[usize]) -> Vec<Message> {
        let message = |length: &usize| {
            self.sent += 1;
            let from = format!("+1{:06}", self.sent);
            let text = format!("{from} {}", "x".repeat(*length));
            Message {
                to: TO.to_owned(),
                from,
                text,
            }
        };
        lengths.iter().map(message).collect()
    }

    /// Posts messages while calls fail as it is said; the status and what
    /// strace has seen.
    fn post(&self, messages: &[Message], inject: &[String]) -> (u16, String) {
        let calls: Vec<_> = inject
            .iter()
            .map(|inject| inject.split(':').next().unwrap())
            .collect();
        let calls = format!("trace={}", calls.join(","));
        let inject: Vec<_> = inject
            .iter()
            .map(|inject| format!("inject={inject}"))
            .collect();
        let mut arguments = vec!["-e", &calls];
        for inject in &inject {
            arguments.extend(["-e", inject]);
        }
        let trace = self.spool.path().join("trace");
        let tracer = Tracer::attach(self.writer, &arguments, &trace);
        let documents: Vec<_> = messages
            .iter()
            .map(|Message { to, from, text }| {
                serde_json::json!({"To": to, "From": from, "Body": text})
            })
            .collect();
        let body = serde_json::Value::from(documents).to_string();
        let status = self.server.post("/", &[JSON], body.as_bytes()).status;
        (status, tracer.detach())
    }

    /// Which of these messages have been stored; all that has been stored is
    /// whole.
    fn stored(&self, messages: &[Message]) -> usize {
        let arrived = whole(&self.spool.drain()).unwrap();
        let stored = |message: &&Message| {
            let times = arrived.iter().filter(|other| other == message).count();
            assert!(times <= 1, "{times} times {message:?}");
            times == 1
        };
        messages.iter().filter(stored).count()
    }

    fn assert_goes_on(&mut self) {
        let next = self.messages(SINGLE);
        let Message { to, from, text } = &next[0];
        let form = crate::support::http::message(to, from, text);
        assert_eq!(self.server.post("/", &[FORM], &form).status, 200);
        assert_eq!(self.stored(&next), 1);
    }
}

/// The thread that stores: the one that asks how much room there is.
fn writer(server: &Server, spool: &Spool) -> Pid {
    let staging = spool.staging().display().to_string();
    let thread = thread_that(server, "statfs", &staging, spool.path(), || {
        assert_eq!(server.send(TO, "+1999", "who stores?").status, 200);
    });
    spool.drain();
    thread
}

#[test]
fn error_at_any_step_is_503_or_the_message_is_stored() {
    let mut victim = Victim::new();
    let mut injected = 0;
    for (call, errors) in [
        (
            "openat",
            &["EIO", "ENOSPC", "EDQUOT", "EMFILE", "ENFILE", "EINTR"][..],
        ),
        ("write", &["EIO", "ENOSPC", "EDQUOT", "EINTR"]),
        ("statx", &["EIO"]),
        ("fchown", &["EIO", "EDQUOT"]),
        ("fchmod", &["EIO", "EROFS"]),
        ("fsync", &["EIO", "ENOSPC", "EDQUOT", "EINTR"]),
        ("renameat2", &["EIO", "ENOSPC", "EDQUOT", "EINTR"]),
        ("close", &["EIO", "ENOSPC", "EDQUOT", "EINTR"]),
        ("statfs", &["EIO"]),
    ] {
        for error in errors {
            for (lengths, files) in [(SINGLE, 1), (SEVERAL, FILES)] {
                // Each call of the request fails once; in the last round none.
                for when in 1.. {
                    // What the thread writes after its files wakes another one.
                    if call == "write" && when > files {
                        break;
                    }
                    let inject = format!("{call}:error={error}:when={when}");
                    let messages = victim.messages(lengths);
                    let (status, trace) = victim.post(&messages, &[inject]);
                    let failed = trace.contains("(INJECTED)");
                    let case = format!("{call} {when} {error} {lengths:?}\n{trace}");
                    let stored = if status == 200 { messages.len() } else { 0 };
                    assert!(matches!(status, 200 | 503), "{status} for {case}");
                    if status == 503 {
                        assert!(failed, "{case}");
                        let left = list(&victim.spool.staging());
                        assert!(left.is_empty(), "{left:?} left by {case}");
                    } else {
                        // What the kernel says at the end of a file, and a
                        // signal in between, do not matter.
                        let harmless = call == "close" || *error == "EINTR";
                        assert!(!failed || harmless, "200 in spite of {case}");
                    }
                    assert_eq!(victim.stored(&messages), stored, "{case}");
                    if !failed {
                        assert!(when > 1, "never called: {case}");
                        break;
                    }
                    injected += 1;
                }
                victim.assert_goes_on();
            }
        }
    }
    println!("errors injected: {injected}");
}

#[test]
fn message_that_cannot_be_taken_back_is_whole_or_swept() {
    let mut victim = Victim::new();
    let directory = format!("fsync:error=EIO:when={}", FILES + 1);
    let renames = (2..=FILES).map(|when| format!("renameat2:error=EIO:when={when}"));
    for failure in std::iter::once(directory).chain(renames) {
        // Each step of cleaning up fails once, and then all of them.
        for unlink in (1..=FILES)
            .map(|when| when.to_string())
            .chain(["1+".to_owned()])
        {
            let inject = [failure.clone(), format!("unlink:error=EIO:when={unlink}")];
            let messages = victim.messages(SEVERAL);
            let (status, trace) = victim.post(&messages, &inject);
            assert_eq!(status, 503, "{trace}");
            let left = list(&victim.spool.staging());
            assert!(!left.is_empty(), "nothing failed to be removed: {trace}");
            victim = victim.restart();
            // What is left is delivered whole, or not at all.
            victim.stored(&messages);
        }
    }
}

#[test]
fn hand_over_that_fails_is_told_and_tried_again() {
    let spool = Spool::new();
    let server = Server::run(daemon::command(&spool.configure("")));
    let outgoing = spool.outgoing().display().to_string();
    let feeder = thread_that(&server, "renameat2", &outgoing, spool.path(), || {
        assert_eq!(server.send(TO, "+1999", "who hands over?").status, 200);
        wait_for("the call file", || spool.call_files().pop());
    });
    spool.drain();
    for (number, inject) in [
        "renameat2:error=EIO",
        "renameat2:error=ENOSPC",
        "statx:error=EIO",
    ]
    .into_iter()
    .enumerate()
    {
        let trace = spool.path().join("trace");
        let call = inject.split(':').next().unwrap();
        let only = format!("trace={call}");
        let inject = format!("inject={inject}:when=1");
        let tracer = Tracer::attach(feeder, &["-e", &only, "-e", &inject], &trace);
        let from = format!("+1{number:06}");
        assert_eq!(server.send(TO, &from, "x").status, 200);
        wait_for("the failure to be told", || {
            let log = server.log();
            (log.matches("hand-over to Asterisk failed").count() == number + 1).then_some(())
        });
        assert_eq!(list(&spool.staging()).len(), 1, "{inject}");
        assert_eq!(whole(&spool.drain()).unwrap().len(), number + 2, "{inject}");
        wait_for("the end of it to be told", || {
            let log = server.log();
            (log.matches("hand-over to Asterisk works again").count() == number + 1).then_some(())
        });
        drop(tracer);
    }
}
