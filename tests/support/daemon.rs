//! `websmsd` with a temporary spool.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::http::{self, Response};
use super::{program, wait_for};

/// Staging and outgoing in a temporary directory.
pub(crate) struct Spool {
    directory: TempDir,
    /// Names and contents of the call files taken so far.
    taken: Mutex<Vec<(OsString, String)>>,
}

impl Spool {
    pub(crate) fn new() -> Self {
        let spool = Self {
            directory: tempfile::tempdir().unwrap(),
            taken: Mutex::default(),
        };
        spool.create_directories();
        spool
    }

    /// Creates staging and outgoing, again if the directory is a new mount.
    pub(crate) fn create_directories(&self) {
        for directory in [self.staging(), self.outgoing()] {
            std::fs::create_dir(directory).unwrap();
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn staging(&self) -> PathBuf {
        self.path().join("staging")
    }

    pub(crate) fn outgoing(&self) -> PathBuf {
        self.path().join("outgoing")
    }

    /// `[astqueue]` for this spool, with the contexts of `tests/vectors`.
    pub(crate) fn section(&self) -> String {
        format!(
            "[astqueue]\noutgoingdir = {}\nstagingdir = {}\n\
             channel_context = dp_entry_channel_open\ncontext = dp_entry_trunk_texting\n\
             min_free = 0\n",
            self.outgoing().display(),
            self.staging().display()
        )
    }

    /// The call files in outgoing.
    pub(crate) fn call_files(&self) -> Vec<PathBuf> {
        list(&self.outgoing())
    }

    /// Reads and removes the call files in outgoing, as Asterisk does. Returns all
    /// call files taken so far, sorted by name.
    pub(crate) fn take(&self) -> Vec<(OsString, String)> {
        let mut taken = self.taken.lock().unwrap();
        for path in self.call_files() {
            let content = std::fs::read_to_string(&path).unwrap();
            std::fs::remove_file(&path).unwrap();
            taken.push((path.file_name().unwrap().to_owned(), content));
        }
        taken.sort();
        taken.clone()
    }

    /// Takes call files until at least `count` have been taken. Returns the
    /// contents of all, in the order in which they were accepted.
    pub(crate) fn wait_for(&self, count: usize) -> Vec<String> {
        let taken = wait_for(&format!("{count} call files"), || {
            let taken = self.take();
            (taken.len() >= count).then_some(taken)
        });
        taken.into_iter().map(|(_, content)| content).collect()
    }

    /// Takes call files until staging is empty. Returns all taken so far.
    pub(crate) fn drain(&self) -> Vec<(OsString, String)> {
        wait_for("an empty staging", || {
            self.take();
            list(&self.staging()).is_empty().then_some(())
        });
        self.take()
    }

    /// The call files taken so far, and those in outgoing and staging; without
    /// temporary files.
    pub(crate) fn all(&self) -> Vec<(OsString, String)> {
        let mut all = self.take();
        for path in list(&self.staging()) {
            if path
                .extension()
                .is_some_and(|extension| extension == "call")
            {
                let content = std::fs::read_to_string(&path).unwrap();
                all.push((path.file_name().unwrap().to_owned(), content));
            }
        }
        all
    }

    /// Writes a configuration with these lines before `[astqueue]`; returns its
    /// path.
    pub(crate) fn configure(&self, config: &str) -> PathBuf {
        let path = self.path().join("websms.conf");
        std::fs::write(&path, format!("{config}\n{}", self.section())).unwrap();
        path
    }

    /// Whether staging is empty and no call file was ever in outgoing.
    pub(crate) fn is_untouched(&self) -> bool {
        list(&self.staging()).is_empty() && self.take().is_empty()
    }
}

/// The files of a directory, sorted, without `dedupe`, which is always in staging.
pub(crate) fn list(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && path.file_name().is_none_or(|name| name != "dedupe"))
        .collect();
    paths.sort();
    paths
}

/// A running `websmsd` with its spool.
pub(crate) struct Daemon {
    pub(crate) spool: Spool,
    server: Server,
}

impl Deref for Daemon {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

/// A running `websmsd`, which is killed when dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    child: Child,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Daemon {
    /// With a new spool, and these lines before `[astqueue]`.
    pub(crate) fn start(config: &str) -> Self {
        let spool = Spool::new();
        let config = format!("{config}\n{}", spool.section());
        Self::with(spool, &config)
    }

    /// With this spool and this configuration.
    pub(crate) fn with(spool: Spool, config: &str) -> Self {
        let path = spool.path().join("websms.conf");
        std::fs::write(&path, config).unwrap();
        Self::run(spool, command(&path))
    }

    /// With this spool and this command, which must run `websmsd`.
    pub(crate) fn run(spool: Spool, command: Command) -> Self {
        let server = Server::run(command);
        Self { spool, server }
    }

    /// Ends it by SIGTERM; returns its exit status and its log.
    pub(crate) fn stop(self) -> (ExitStatus, String) {
        self.signal(Signal::SIGTERM);
        self.server.wait()
    }

    /// Ends it by a signal; returns its spool for the next daemon, its exit status
    /// and its log.
    pub(crate) fn end(self, signal: Signal) -> (Spool, ExitStatus, String) {
        self.signal(signal);
        let Self { spool, server } = self;
        let (status, log) = server.wait();
        (spool, status, log)
    }

    /// Waits for its end; returns its exit status and its log.
    pub(crate) fn wait(self) -> (ExitStatus, String) {
        self.server.wait()
    }
}

impl Server {
    /// With this command, which must run `websmsd`.
    pub(crate) fn run(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let reader = collect(child.stderr.take().unwrap(), Arc::clone(&log));
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line.trim().strip_prefix("listening on ").map(str::parse);
        let Some(Ok(address)) = address else {
            child.wait().unwrap();
            reader.join().unwrap();
            panic!("websmsd did not start: {}", log.lock().unwrap());
        };
        Self {
            address,
            child,
            log,
            reader: Some(reader),
        }
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().unwrap())
    }

    /// The log so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits for a line of the log that contains `part`; returns the line.
    pub(crate) fn wait_for_log(&self, part: &str) -> String {
        wait_for(&format!("{part:?} in the log"), || {
            let log = self.log();
            log.lines()
                .find(|line| line.contains(part))
                .map(str::to_owned)
        })
    }

    /// Waits for a line of the log that contains `part`; returns its `address=`.
    pub(crate) fn logged_address(&self, part: &str) -> SocketAddr {
        let line = self.wait_for_log(part);
        let (_, address) = line.rsplit_once("address=").unwrap();
        address.trim().parse().unwrap()
    }

    /// Sends the bytes of a request.
    pub(crate) fn request(&self, raw: &[u8]) -> Response {
        http::send(self.address, raw)
    }

    pub(crate) fn post(&self, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
        self.request(&http::request("POST", target, headers, body))
    }

    pub(crate) fn get(&self, target: &str) -> Response {
        self.request(&http::request("GET", target, &[], b""))
    }

    /// Posts a message in the default fields.
    pub(crate) fn send(&self, to: &str, from: &str, body: &str) -> Response {
        self.post("/", &[http::FORM], &http::message(to, from, body))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Ends it by SIGTERM; returns its exit status and its log.
    pub(crate) fn stop(self) -> (ExitStatus, String) {
        self.signal(Signal::SIGTERM);
        self.wait()
    }

    /// Waits for its end; returns its exit status and its log.
    pub(crate) fn wait(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        (status, self.log())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of websmsd\n{}---", self.log());
        }
    }
}

/// `websmsd` on a free loopback port.
pub(crate) fn command(config: &Path) -> Command {
    listening(config, "127.0.0.1:0")
}

/// `websmsd` at this address; port 0 is a free port.
pub(crate) fn listening(config: &Path, address: &str) -> Command {
    let mut command = Command::new(program());
    command
        .env_clear()
        .env("WEBSMS_LOG", "debug")
        .args(["websmsd", "--listen", address, "--config"])
        .arg(config)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs `websmsd` and asserts that it does not start (exit status 78); returns its log.
#[track_caller]
pub(crate) fn failed_start(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{log}");
    log
}

/// Asserts that `websmsd` does not start when the address of this key of `[websmsd]`
/// is in use.
pub(crate) fn assert_port_in_use_prevents_start(key: &str) {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap();
    let spool = Spool::new();
    let config = spool.configure(&format!("[websmsd]\n{key} = {address}"));
    let log = failed_start(&mut command(&config));
    assert!(log.contains(&format!("cannot listen at {key}")), "{log}");
}

fn collect(stderr: std::process::ChildStderr, log: Arc<Mutex<String>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        // Read as bytes, because the log may not be UTF-8.
        let mut stderr = BufReader::new(stderr);
        let mut line = Vec::new();
        while stderr
            .read_until(b'\n', &mut line)
            .is_ok_and(|length| length > 0)
        {
            log.lock()
                .unwrap()
                .push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    })
}
