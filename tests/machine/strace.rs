//! Runs strace, to record system calls or to inject errors.

use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::daemon::Server;

/// An strace that is attached to a running process.
pub(crate) struct Tracer {
    child: Child,
    trace: PathBuf,
}

impl Tracer {
    /// Attaches strace to a process or one of its threads and writes to `trace`. It
    /// is attached when this returns.
    pub(crate) fn attach(target: Pid, arguments: &[&str], trace: &Path) -> Self {
        let mut child = Command::new("strace")
            .args(arguments)
            .arg("-o")
            .arg(trace)
            .arg("-p")
            .arg(target.to_string())
            .stderr(Stdio::piped())
            .spawn()
            .expect("strace");
        let mut line = String::new();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        stderr.read_line(&mut line).unwrap();
        assert!(line.contains("attached"), "{line}");
        // It reports each new thread, and ends when stderr is closed.
        std::thread::spawn(move || io::copy(&mut stderr, &mut io::sink()));
        Self {
            child,
            trace: trace.to_owned(),
        }
    }

    /// Detaches and returns the trace.
    pub(crate) fn detach(mut self) -> String {
        self.end();
        std::fs::read_to_string(&self.trace).unwrap()
    }

    fn end(&mut self) {
        if self.child.try_wait().unwrap().is_none() {
            let pid = Pid::from_raw(self.child.id().try_into().unwrap());
            // After SIGKILL the thread would stay stopped.
            let _ = kill(pid, Signal::SIGINT);
            self.child.wait().unwrap();
        }
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        self.end();
    }
}

/// The thread that makes a call whose arguments contain `holds` during `act`.
pub(crate) fn thread_that(
    server: &Server,
    call: &str,
    holds: &str,
    directory: &Path,
    act: impl FnOnce(),
) -> Pid {
    let trace = directory.join("trace");
    let only = format!("trace={call}");
    let tracer = Tracer::attach(server.pid(), &["-f", "-s", "512", "-e", &only], &trace);
    act();
    let seen = tracer.detach();
    let line = seen
        .lines()
        .find(|line| line.contains(&format!("{call}(")) && line.contains(holds))
        .unwrap_or_else(|| panic!("no {call} of {holds} in {seen}"));
    let thread = line.split(' ').next().unwrap();
    Pid::from_raw(thread.parse().unwrap())
}
