//! Asterisk's user owns the spool and gains nothing by root's work in it.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::support::daemon::{self, Server};
use crate::support::{Spool, program, size, wait_for};

/// Asterisk's user, who has no entry in `/etc/passwd`.
const ASTERISK: u32 = 54_321;
/// In a file that root alone can read.
const SECRET: &str = "ab4f-the-secret-of-root";
/// An id of the year 2023: whatever has it has waited long enough.
const CALL_FILE: &str = "1700000000000000-0000000a-0001of0001-00000000000000aa.call";
const RETRIED: &str = "1700000000000000-0000000b-0001of0001-00000000000000bb.call";

/// A spool of Asterisk's user, in a directory of that user, and things of root's.
struct Host {
    spool: Spool,
    root: TempDir,
}

impl Host {
    fn new() -> Self {
        let host = Self {
            spool: Spool::new(),
            root: tempfile::tempdir().unwrap(),
        };
        let spool = &host.spool;
        for name in ["failed", "staging/retry"] {
            fs::create_dir(spool.path().join(name)).unwrap();
        }
        for name in ["", "staging", "outgoing", "failed", "staging/retry"] {
            let path = spool.path().join(name);
            chown(&path, Some(ASTERISK), Some(ASTERISK)).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        }
        fs::set_permissions(host.root.path(), Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(host.victim()).unwrap();
        fs::write(host.secret(), call_file(SECRET)).unwrap();
        // Asterisk is overdue with a call file of that time.
        let long_ago = SystemTime::now() - Duration::from_secs(86_400);
        let secret = File::options().write(true).open(host.secret()).unwrap();
        secret.set_modified(long_ago).unwrap();
        fs::set_permissions(host.secret(), Permissions::from_mode(0o600)).unwrap();
        host.configure("");
        host
    }

    /// With these lines at the end of `[astqueue]`.
    fn configure(&self, more: &str) {
        let config = format!(
            "[websms]\nhost = http://127.0.0.1:9\nauth_user = u\nauth_passwd = p\ndelivery = queue\n\
             outboxdir = {}\n{}faileddir = {}\n{more}",
            self.path("outbox").display(),
            self.spool.section(),
            self.path("failed").display()
        );
        fs::write(self.config(), config).unwrap();
        fs::set_permissions(self.config(), Permissions::from_mode(0o644)).unwrap();
    }

    fn config(&self) -> PathBuf {
        self.root.path().join("websms.conf")
    }

    /// A path in the spool.
    fn path(&self, name: &str) -> PathBuf {
        self.spool.path().join(name)
    }

    fn secret(&self) -> PathBuf {
        self.root.path().join("secret")
    }

    /// A directory of root's, on the file system of the spool.
    fn victim(&self) -> PathBuf {
        self.root.path().join("victim")
    }

    fn daemon(&self) -> Command {
        daemon::command(&self.config())
    }

    /// Runs a subcommand as root, for at most 20 s.
    fn run(&self, arguments: &[&str]) -> Output {
        Command::new("timeout")
            .arg("20")
            .arg(program())
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("WEBSMS_CONF", self.config())
            .output()
            .unwrap()
    }

    /// Puts a file there as Asterisk's user does.
    fn put(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        chown(path, Some(ASTERISK), Some(ASTERISK)).unwrap();
    }

    /// Exchanges two paths of the spool as Asterisk's user, without a pause.
    fn race(&self, one: &str, other: &str) -> Racer {
        let racer = self.root.path().join("racer");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/machine/racer.c");
        if !racer.exists() {
            let compiled = Command::new("cc")
                .args(["-O2", "-o"])
                .args([racer.as_path(), Path::new(source)])
                .status();
            assert!(compiled.unwrap().success());
        }
        let child = Command::new(racer)
            .args([self.path(one), self.path(other)])
            .uid(ASTERISK)
            .gid(ASTERISK)
            .spawn();
        Racer(child.unwrap())
    }

    /// Whether root's secret is in a file of the spool, and root's things are as they
    /// were.
    fn check(&self) {
        let output = Command::new("grep")
            .args(["-r", "-l", "-D", "skip", SECRET])
            .arg(self.spool.path())
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "");
        assert_eq!(fs::read_dir(self.victim()).unwrap().count(), 0);
        for path in [self.victim(), self.secret()] {
            assert_eq!(path.metadata().unwrap().uid(), 0, "{}", path.display());
        }
    }
}

/// Killed when dropped.
struct Racer(Child);

impl Drop for Racer {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn call_file(text: &str) -> String {
    format!(
        "Channel: Local/+12025550160@dp_entry_channel_open\nContext: dp_entry_trunk_texting\n\
         Extension: +12025550160\nPriority: 1\nSetvar: MESSAGE(body)={text}\n"
    )
}

/// A field of `/proc/PID/status`.
fn status(server: &Server, field: &str) -> Vec<String> {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let values = line.unwrap().trim_start_matches(':').split_whitespace();
    values.map(str::to_owned).collect()
}

#[test]
fn daemon_of_root_becomes_the_owner_of_outgoing_for_good() {
    let host = Host::new();
    let mut command = Command::new("setpriv");
    command
        .args(["--groups", "0,4,24", "--"])
        .arg(program())
        .args(["websmsd", "--listen", "127.0.0.1:0", "--config"])
        .arg(host.config())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let server = Server::run(command);
    for field in ["Uid", "Gid"] {
        assert_eq!(status(&server, field), vec![ASTERISK.to_string(); 4]);
    }
    assert!(status(&server, "Groups").is_empty());
    for field in ["CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(status(&server, field), ["0000000000000000"]);
    }
    // Who cannot be traced leaves no core dump either, and its files in /proc
    // belong to root.
    let environment = Path::new("/proc")
        .join(server.pid().to_string())
        .join("environ");
    assert_eq!(environment.metadata().unwrap().uid(), 0);
    assert_eq!(server.send("+12025550160", "+15017122661", "x").status, 200);
    let file = wait_for("the call file", || host.spool.call_files().pop());
    assert_eq!(file.metadata().unwrap().uid(), ASTERISK);
}

#[test]
fn port_that_needs_root_is_bound_before() {
    let host = Host::new();
    let [_, a, b, c] = std::process::id().to_be_bytes();
    let address = format!("127.{a}.{b}.{}:80", c.clamp(1, 254));
    let server = Server::run(daemon::listening(&host.config(), &address));
    assert_eq!(status(&server, "Uid"), vec![ASTERISK.to_string(); 4]);
    assert_eq!(server.send("+12025550160", "+15017122661", "x").status, 200);
}

#[test]
fn link_of_asterisk_shows_no_file_of_root() {
    let host = Host::new();
    let directories = ["outgoing", "failed", "staging", "staging/retry"];
    for (number, name) in directories.iter().enumerate() {
        let call_file = CALL_FILE.replace("aa.call", &format!("a{number}.call"));
        symlink(host.secret(), host.path(name).join(call_file)).unwrap();
    }
    let server = Server::run(host.daemon());
    assert_eq!(server.send("+12025550160", "+15017122661", "x").status, 200);
    wait_for("the call file", || {
        let files = host.spool.call_files();
        let new = |path: &&PathBuf| !path.ends_with(CALL_FILE) && !path.is_symlink();
        files.iter().find(new).map(|_| ())
    });
    host.run(&["queue", "retry", "--all"]);
    let listed = host.run(&["queue", "list"]);
    assert!(!String::from_utf8_lossy(&listed.stdout).contains(SECRET));
    server.signal(Signal::SIGTERM);
    server.wait();
    host.check();
}

#[test]
fn link_in_place_of_outgoing_is_refused_and_not_followed() {
    let host = Host::new();
    host.put(&format!("staging/{CALL_FILE}"), &call_file("x"));
    host.put(&format!("staging/retry/{RETRIED}"), &call_file("x"));
    host.put(&format!("failed/{CALL_FILE}"), &call_file("x"));
    fs::rename(host.path("outgoing"), host.path("aside")).unwrap();
    symlink(host.victim(), host.path("outgoing")).unwrap();
    for arguments in [
        &["websmsd", "--listen", "127.0.0.1:0"][..],
        &["check"],
        &["queue", "list"],
        &["queue", "retry", "--all"],
        &["websms", "+12025550160", "+15017122661", "x"],
    ] {
        let output = host.run(arguments);
        assert_eq!(output.status.code(), Some(78), "{arguments:?}: {output:?}");
        let lines = [output.stdout, output.stderr].concat();
        let lines = String::from_utf8(lines).unwrap();
        assert!(lines.contains("it is a symbolic link in"), "{lines}");
    }
    assert!(!host.path("outbox").exists());
    host.check();
}

/// The daemon has started, and then `outgoing` becomes a link.
#[test]
fn link_in_place_of_outgoing_gets_nothing_while_the_daemon_runs() {
    let host = Host::new();
    let server = Server::run(host.daemon());
    fs::rename(host.path("outgoing"), host.path("aside")).unwrap();
    symlink(host.victim(), host.path("outgoing")).unwrap();
    server.send("+12025550160", "+15017122661", "x");
    host.put(&format!("staging/retry/{RETRIED}"), &call_file("x"));
    server.wait_for_log("hand-over to Asterisk failed");
    host.check();
}

#[test]
fn root_refuses_a_spool_of_its_own_that_others_can_replace() {
    let host = Host::new();
    chown(host.path("outgoing"), Some(0), Some(0)).unwrap();
    let output = host.run(&["websmsd", "--listen", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(78));
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("others than root can write into"), "{log}");
    assert!(log.contains("chown asterisk:asterisk"), "{log}");
    // With a user named it is that one's.
    host.configure(&format!("fileowner = {ASTERISK}:{ASTERISK}\n"));
    fs::set_permissions(host.path("outgoing"), Permissions::from_mode(0o777)).unwrap();
    let server = Server::run(host.daemon());
    assert_eq!(status(&server, "Uid"), vec![ASTERISK.to_string(); 4]);
}

#[test]
fn configuration_that_asterisk_cannot_read_is_named() {
    let host = Host::new();
    fs::set_permissions(host.config(), Permissions::from_mode(0o600)).unwrap();
    let server = Server::run(host.daemon());
    let line = server.wait_for_log("configuration unreadable for Asterisk");
    assert!(line.contains("chown root:54321, chmod 0640"), "{line}");
    drop(server);
    let output = host.run(&["check"]);
    assert_eq!(output.status.code(), Some(78));
    let lines = String::from_utf8(output.stdout).unwrap();
    assert!(lines.contains("chown root:54321, chmod 0640"), "{lines}");
}

/// Tries in each race; the races were won within 50 tries when root followed
/// links.
fn tries() -> usize {
    size("WEBSMS_TEST_RACES", 50)
}

#[test]
fn race_for_a_file_shows_no_file_of_root() {
    let host = Host::new();
    let names = [format!("failed/{CALL_FILE}"), "swap".to_owned()];
    for _ in 0..tries() {
        host.put(&names[0], &call_file("x"));
        symlink(host.secret(), host.path("swap")).unwrap();
        let racer = host.race(&names[0], "swap");
        host.run(&["queue", "retry", "--all"]);
        drop(racer);
        host.check();
        let retried = format!("staging/retry/{CALL_FILE}");
        for name in names.iter().chain([&retried]) {
            let _ = fs::remove_file(host.path(name));
        }
    }
}

#[test]
fn race_for_outgoing_puts_no_file_into_a_directory_of_root() {
    let host = Host::new();
    symlink(host.victim(), host.path("swap")).unwrap();
    let _racer = host.race("outgoing", "swap");
    for _ in 0..tries() {
        host.put(&format!("failed/{CALL_FILE}"), &call_file("x"));
        host.put(&format!("staging/{CALL_FILE}"), &call_file("x"));
        host.put(&format!("staging/retry/{RETRIED}"), &call_file("x"));
        let mut daemon = host.daemon().spawn().unwrap();
        host.run(&["queue", "retry", "--all"]);
        daemon.kill().unwrap();
        daemon.wait().unwrap();
        host.check();
    }
}

#[test]
fn race_for_a_new_directory_gives_no_directory_of_root_away() {
    let host = Host::new();
    let (outbox, swap) = (host.path("outbox"), host.path("swap"));
    let _racer = host.race("outbox", "swap");
    for _ in 0..tries() {
        // The race goes on meanwhile, so either may be the directory.
        wait_for("the link", || {
            let rm = Command::new("rm")
                .arg("-rf")
                .args([&outbox, &swap])
                .output();
            rm.unwrap();
            symlink(host.victim(), &swap).ok()
        });
        host.run(&["websms", "+12025550160", "+15017122661", "x"]);
        host.check();
    }
}
