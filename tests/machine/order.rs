//! The order of system calls, by strace.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::daemon::Server;
use crate::support::http;
use crate::support::{Spool, program, wait_for};

const TO: &str = "+12025550160";
const FROM: &str = "+15017122661";

/// `websmsd` under strace, with these lines before `[astqueue]`. Returns the path
/// of the trace as well.
fn traced(spool: &Spool, more: &str) -> (Server, std::path::PathBuf) {
    let config = spool.configure(more);
    let trace = spool.path().join("trace");
    let mut command = Command::new("strace");
    command
        .args([
            // strace is the child of websmsd, and ends with it.
            "-D",
            "-f",
            "-y",
            "-s",
            "64",
            "-e",
            "trace=%desc,%file,%network",
            "-o",
        ])
        .arg(&trace)
        .arg(program())
        .args(["websmsd", "--listen", "127.0.0.1:0", "--config"])
        .arg(&config)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    (Server::run(command), trace)
}

#[test]
fn response_follows_sync_of_file_rename_and_sync_of_directory() {
    let spool = Spool::new();
    let (server, trace) = traced(&spool, "");
    for text in ["a", "b"] {
        assert_eq!(server.send(TO, FROM, text).status, 200);
    }
    spool.wait_for(2);
    let staging = spool.staging().display().to_string();
    let lines = trace_after(&trace, 2);
    let after = |start, what, is: &dyn Fn(&str) -> bool| after(&lines, start, what, is);
    // The start of a response counts.
    let response_after = |start: usize| {
        let found = lines[start..]
            .iter()
            .position(|line| line.contains("HTTP/1.1 200 OK"));
        start + found.unwrap()
    };
    let mut at = after(0, "start", &|line| line.contains("POST / HTTP"));
    for _ in 0..2 {
        let file = after(at, "sync of the file", &|line| {
            line.contains("fsync(") && line.contains(&format!("<{staging}/."))
        });
        let name = after(file, "rename", &|line| {
            line.contains("rename") && line.contains(".call\"") && line.contains(".tmp\"")
        });
        let directory = after(name, "sync of the directory", &|line| {
            line.contains("fsync(") && line.contains(&format!("<{staging}>"))
        });
        let answer = response_after(at);
        assert!(
            at < file && file < name && name < directory && directory < answer,
            "received {at}, file {file}, name {name}, directory {directory}, answer {answer}"
        );
        at = answer + 1;
    }
}

#[test]
fn picture_job_is_durable_before_its_message_is_named() {
    let spool = Spool::new();
    let pictures = spool.path().join("media");
    std::fs::create_dir(&pictures).unwrap();
    let config = format!(
        "[websmsd]\nkey_media = MediaUrl0\nmedia = store\nmedia_dir = {}\n\
         media_url = https://sms.example.com/media\n",
        pictures.display()
    );
    let (server, trace) = traced(&spool, &config);
    let message = [
        ("To", TO.as_bytes()),
        ("From", FROM.as_bytes()),
        ("Body", b""),
        ("MediaUrl0", b"http://127.0.0.1:1/a.gif"),
    ];
    let posted = server.post("/", &[http::FORM], &http::form(&message));
    assert_eq!(posted.status, 200);
    let lines = trace_after(&trace, 1);
    let jobs = pictures.join(".pending").display().to_string();
    let file = after(&lines, 0, "sync of the job", &|line| {
        line.contains("fsync(") && line.contains(&format!("<{jobs}/."))
    });
    let name = after(&lines, file, "rename of the job", &|line| {
        line.contains("rename") && line.contains(".json\"") && line.contains(".tmp\"")
    });
    let directory = after(&lines, name, "sync of the jobs", &|line| {
        line.contains("fsync(") && line.contains(&format!("<{jobs}>"))
    });
    let call = lines.iter().position(|line| line.contains(".call\""));
    assert!(call.is_some_and(|call| directory < call), "{lines:?}");
}

/// The trace after `count` responses. strace writes a call when it has returned,
/// which may be after the client has read the response.
fn trace_after(trace: &Path, count: usize) -> Vec<String> {
    wait_for("all responses in the trace", || {
        let trace = std::fs::read_to_string(trace).unwrap();
        let lines: Vec<_> = trace.lines().map(str::to_owned).collect();
        let responses = lines
            .iter()
            .filter(|line| line.contains("HTTP/1.1 200 OK"))
            .count();
        (responses == count).then_some(lines)
    })
}

/// The line on which the first call that matches has returned without error.
/// strace writes start and end on two lines when another thread interrupts it.
fn after(lines: &[String], start: usize, what: &str, is: &dyn Fn(&str) -> bool) -> usize {
    (start..lines.len())
        .filter(|at| is(&lines[*at]))
        .find_map(|at| {
            if !lines[at].contains("<unfinished ...>") {
                return (!lines[at].contains(" = -1 ")).then_some(at);
            }
            let thread = lines[at].split(' ').next().unwrap();
            let resumed = |line: &String| line.starts_with(thread) && line.contains(" resumed>");
            let end = at + 1 + lines[at + 1..].iter().position(resumed)?;
            (!lines[end].contains(" = -1 ")).then_some(end)
        })
        .unwrap_or_else(|| panic!("no {what} after line {start}"))
}
