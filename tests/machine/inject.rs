//! Disk errors at every step of storing a message.
//!
//! strace injects the errors into one thread of the real daemon: the writer or the
//! feeder. Whichever call fails, the response is 200 for a message that is stored
//! completely, and nothing is stored of the others.

use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::unistd::Pid;

use crate::disk::{UNPRIVILEGED, program_for_everyone};
use crate::strace::{Tracer, thread_that};
use crate::support::daemon::{self, Server, list};
use crate::support::http::{FORM, JSON};
use crate::support::messages::{Message, assemble};
use crate::support::{Spool, wait_for};

const TO: &str = "+12025550160";

/// A group of [`UNPRIVILEGED`] besides its own.
const OTHER_GROUP: u32 = 54_322;

/// A daemon whose system calls can be made to fail.
struct Victim {
    spool: Spool,
    config: PathBuf,
    server: Server,
    /// The writer's thread.
    writer: Pid,
    /// Messages that were sent.
    sent: usize,
}

/// Lengths of the texts of a request. A call file holds 1,000 bytes.
const SINGLE: &[usize] = &[10];
const SEVERAL: &[usize] = &[1500, 10, 2500];

/// The call files of the longer request.
const FILES: usize = 6;

impl Victim {
    fn new() -> Self {
        let spool = Spool::new();
        let config = spool.configure("");
        program_for_everyone(&spool);
        // Another group, so that the group of call files has to be changed.
        for path in [spool.outgoing(), spool.staging()] {
            chown(path, Some(UNPRIVILEGED), Some(OTHER_GROUP)).unwrap();
        }
        Self::run(spool, config, 0)
    }

    fn run(spool: Spool, config: PathBuf, sent: usize) -> Self {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", "54321", "--regid", "54321", "--groups", "54322"])
            .arg(spool.path().join("asterisk-websms"))
            .args(["websmsd", "--listen", "127.0.0.1:0", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let server = Server::run(command);
        let writer = writer(&server, &spool);
        Self {
            spool,
            config,
            server,
            writer,
            sent,
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
        Self::run(spool, config, sent)
    }

    /// New messages with texts of these lengths.
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

    /// Posts messages while calls fail; returns the status and the trace.
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

    /// How many of these messages were stored. Asserts that all stored messages are
    /// complete.
    fn stored(&self, messages: &[Message]) -> usize {
        let arrived = assemble(&self.spool.drain()).unwrap();
        let stored = |message: &&Message| {
            let times = arrived.iter().filter(|other| other == message).count();
            assert!(times <= 1, "{times} times {message:?}");
            times == 1
        };
        messages.iter().filter(stored).count()
    }

    fn assert_works(&mut self) {
        let next = self.messages(SINGLE);
        let Message { to, from, text } = &next[0];
        let form = crate::support::http::message(to, from, text);
        assert_eq!(self.server.post("/", &[FORM], &form).status, 200);
        assert_eq!(self.stored(&next), 1);
    }
}

/// The writer's thread: the one that reads the free space.
fn writer(server: &Server, spool: &Spool) -> Pid {
    let staging = spool.staging().display().to_string();
    let thread = thread_that(server, "statfs", &staging, spool.path(), || {
        assert_eq!(server.send(TO, "+1999", "find the writer").status, 200);
    });
    spool.drain();
    thread
}

#[test]
fn error_at_any_step_is_503_unless_the_message_is_stored() {
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
                // Each call fails once; in the last round none.
                for when in 1.. {
                    // The writes after those to files wake another thread.
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
                        // Errors of close and interruptions do not matter.
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
                victim.assert_works();
            }
        }
    }
    println!("errors injected: {injected}");
}

#[test]
fn message_that_cannot_be_removed_is_complete_or_removed_at_start() {
    let mut victim = Victim::new();
    let directory = format!("fsync:error=EIO:when={}", FILES + 1);
    let renames = (2..=FILES).map(|when| format!("renameat2:error=EIO:when={when}"));
    for failure in std::iter::once(directory).chain(renames) {
        // Each removal fails once, and then all of them.
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
            // The rest is delivered as complete messages, or not at all.
            victim.stored(&messages);
        }
    }
}

#[test]
fn failed_hand_over_is_logged_and_repeated() {
    let spool = Spool::new();
    let server = Server::run(daemon::command(&spool.configure("")));
    let outgoing = spool.outgoing().display().to_string();
    let feeder = thread_that(&server, "renameat2", &outgoing, spool.path(), || {
        assert_eq!(server.send(TO, "+1999", "find the feeder").status, 200);
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
        wait_for("the failure in the log", || {
            let log = server.log();
            (log.matches("hand-over to Asterisk failed").count() == number + 1).then_some(())
        });
        assert_eq!(list(&spool.staging()).len(), 1, "{inject}");
        assert_eq!(
            assemble(&spool.drain()).unwrap().len(),
            number + 2,
            "{inject}"
        );
        wait_for("its end in the log", || {
            let log = server.log();
            (log.matches("hand-over to Asterisk works again").count() == number + 1).then_some(())
        });
        drop(tracer);
    }
}
