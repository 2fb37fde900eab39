//! strace, as a witness and as a saboteur.

use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::daemon::Server;

/// strace at work on a process that runs already.
pub(crate) struct Tracer {
    child: Child,
    trace: PathBuf,
}

impl Tracer {
    /// Follows a process or one thread of it, from when this returns. What is
    /// seen goes to `trace`.
    pub(crate) fn attach(whom: Pid, arguments: &[&str], trace: &Path) -> Self {
        let mut child = Command::new("strace")
            .args(arguments)
            .arg("-o")
            .arg(trace)
            .arg("-p")
            .arg(whom.to_string())
            .stderr(Stdio::piped())
            .spawn()
            .expect("strace");
        let mut line = String::new();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        said.read_line(&mut line).unwrap();
        assert!(line.contains("attached"), "{line}");
        // It names each new thread, and dies when nobody listens.
        std::thread::spawn(move || io::copy(&mut said, &mut io::sink()));
        Self {
            child,
            trace: trace.to_owned(),
        }
    }

    /// Lets the process go; what was seen.
    pub(crate) fn detach(mut self) -> String {
        self.end();
        std::fs::read_to_string(&self.trace).unwrap()
    }

    fn end(&mut self) {
        if self.child.try_wait().unwrap().is_none() {
            let pid = Pid::from_raw(self.child.id().try_into().unwrap());
            // Not SIGKILL: a thread would stay as strace has left it.
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

/// The thread that makes such a call, with this in it, while `act` lasts.
pub(crate) fn thread_that(
    server: &Server,
    call: &str,
    holds: &str,
    folder: &Path,
    act: impl FnOnce(),
) -> Pid {
    let trace = folder.join("trace");
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
