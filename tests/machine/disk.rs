//! Full, separate and unmounted file systems, and owners of directories.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::daemon::{self, Server, list};
use crate::support::http::JSON;
use crate::support::messages::assemble;
use crate::support::{Answer, Daemon, Installation, Provider, Spool, callfile, program, wait_for};

const TO: &str = "+12025550160";
const FROM: &str = "+15017122661";

/// A mount that is unmounted when dropped.
struct Mount(PathBuf);

impl Mount {
    /// A file system in memory.
    fn new(path: &Path, options: &str) -> Self {
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(path)
            .status()
            .unwrap();
        assert!(status.success(), "mount needs root");
        Self(path.to_owned())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let status = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(status.is_ok_and(|status| status.success()));
    }
}

#[test]
fn full_disk_is_503_and_recovers() {
    let spool = Spool::new();
    let mount = Mount::new(spool.path(), "size=64k");
    spool.create_directories();
    let config = spool.section();
    let daemon = Daemon::with(spool, &config);
    assert_eq!(daemon.send(TO, FROM, "before").status, 200);
    daemon.spool.wait_for(1);
    let filler = daemon.spool.path().join("filler");
    let full = Command::new("dd")
        .args(["if=/dev/zero", "bs=1k", "count=128"])
        .arg(format!("of={}", filler.display()))
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(!full.success(), "the disk is full");
    for _ in 0..3 {
        let response = daemon.send(TO, FROM, &"x".repeat(900));
        assert_eq!(response.status, 503);
        assert_eq!(response.headers["retry-after"], "30");
    }
    assert!(list(&daemon.spool.staging()).is_empty(), "no file is left");
    daemon.wait_for_log("message not stored");
    std::fs::remove_file(&filler).unwrap();
    assert_eq!(daemon.send(TO, FROM, "after").status, 200);
    let files = daemon.spool.wait_for(2);
    let texts: Vec<_> = files
        .iter()
        .map(|file| callfile::message(file.as_bytes()).unwrap().2)
        .collect();
    assert_eq!(texts, [b"before".to_vec(), b"after".to_vec()]);
    drop(daemon);
    drop(mount);
}

/// Messages to phones wait at the provider; those of phones are sent meanwhile.
#[test]
fn daemon_starts_on_a_full_disk() {
    let provider = Provider::answering(Answer::ok());
    let mut installation = Installation::new(|spool| {
        format!(
            "[websms]\nhost = {}\nauth_user = id\nauth_passwd = secret\ndelivery = queue\n\
             outboxdir = {}\n{}",
            provider.url(),
            spool.path().join("outbox").display(),
            spool.section()
        )
    });
    let mount = Mount::new(installation.spool().path(), "size=128k");
    installation.spool().create_directories();
    installation.configure(installation.config().to_owned());
    // Directories are made, and a message waits.
    let daemon = installation.start();
    installation.stop(daemon);
    assert_eq!(
        installation.send(&[FROM, TO, "x"])["WEBSMS_STATUS"],
        "QUEUED"
    );
    let filler = installation.path("filler");
    let fill = || std::fs::write(&filler, vec![0; 256 << 10]).expect_err("the disk is full");
    fill();
    let daemon = installation.start();
    daemon.wait_for_log("disk full: messages to phones get 503");
    provider.wait_for(1);
    installation.outbox().wait_until_empty();
    // Its file has left some space.
    fill();
    assert_eq!(daemon.send(TO, FROM, "x").status, 503);
    std::fs::remove_file(&filler).unwrap();
    assert_eq!(daemon.send(TO, FROM, "after").status, 200);
    daemon.spool.wait_for(1);
    installation.stop(daemon);
    drop(installation);
    drop(mount);
}

#[test]
fn less_space_than_min_free_is_503_and_recovers() {
    let spool = Spool::new();
    let mount = Mount::new(spool.path(), "size=8m");
    spool.create_directories();
    let config = spool
        .section()
        .replace("min_free = 0", "min_free = 4194304");
    let daemon = Daemon::with(spool, &config);
    assert_eq!(daemon.send(TO, FROM, "before").status, 200);
    // There is space for a thousand messages, but less than min_free.
    let filler = daemon.spool.path().join("filler");
    std::fs::write(&filler, vec![0; 6 << 20]).unwrap();
    let response = daemon.send(TO, FROM, "x");
    assert_eq!(response.status, 503);
    assert_eq!(response.headers["retry-after"], "30");
    daemon.wait_for_log("less than min_free (4194304)");
    std::fs::remove_file(&filler).unwrap();
    assert_eq!(daemon.send(TO, FROM, "after").status, 200);
    let arrived = assemble(&daemon.spool.drain()).unwrap();
    let texts: Vec<_> = arrived.into_iter().map(|message| message.text).collect();
    assert_eq!(texts, ["before", "after"]);
    drop(daemon);
    drop(mount);
}

#[test]
fn call_files_of_an_unmounted_spool_wait_until_it_is_mounted_again() {
    let disk = tempfile::tempdir().unwrap();
    let _disk = Mount::new(disk.path(), "size=8m");
    let [staging, outgoing] = ["staging", "outgoing"].map(|name| disk.path().join(name));
    std::fs::create_dir(&staging).unwrap();
    std::fs::create_dir(&outgoing).unwrap();
    // The mount point has directories of the same names, which are empty.
    let spool = Spool::new();
    let mount_point = spool.path().to_owned();
    let mount_spool = || {
        run(
            "mount",
            &["--bind", &disk.path().display().to_string()],
            &mount_point,
        );
        Mount(mount_point.clone())
    };
    let mounted = mount_spool();
    let config = spool.section() + "max_outgoing = 1\n";
    let daemon = Daemon::with(spool, &config);
    for from in ["+1201", "+1202", "+1203"] {
        assert_eq!(daemon.send(TO, from, "x").status, 200);
    }
    let first = wait_for("the first with Asterisk", || list(&outgoing).pop());
    wait_for("two that wait", || {
        (list(&staging).len() == 2).then_some(())
    });
    drop(mounted);
    // A file in the mount point would be hidden once it is mounted again.
    assert_eq!(daemon.send(TO, FROM, "hidden").status, 503);
    daemon.wait_for_log("mount it again");
    // Asterisk finishes the first one on the disk, and it is another one's turn.
    std::fs::remove_file(first).unwrap();
    daemon.wait_for_log("hand-over to Asterisk failed");
    let mounted = mount_spool();
    daemon.wait_for_log("hand-over to Asterisk works again");
    assert_eq!(daemon.send(TO, FROM, "seen").status, 200);
    assert_eq!(daemon.spool.drain().len(), 3);
    assert!(!daemon.log().contains("vanished"), "{}", daemon.log());
    drop(daemon);
    drop(mounted);
}

/// Writes into a file until the disk is full.
fn fill(filler: &Path) {
    let full = Command::new("dd")
        .args(["if=/dev/zero", "bs=1k", "count=4096"])
        .arg(format!("of={}", filler.display()))
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(!full.success(), "the disk is full");
}

/// An installation with an outbox on a small disk of its own, and an interface at each
/// of these addresses.
fn install_on_small_disk(hosts: &[String], more: &str) -> (Installation, Mount) {
    let mut mount = None;
    let setup = Installation::new(|spool| {
        mount = Some(Mount::new(spool.path(), "size=512k"));
        spool.create_directories();
        let mut config = format!(
            "[websms]\noutboxdir = {}\ndelivery = queue\nauth_user = id\nauth_passwd = secret\n\
             path = /send/\n{more}\n",
            spool.path().join("outbox").display()
        );
        for (host, index) in hosts.iter().zip(["a", "b"]) {
            config.push_str(&format!("host [{index}] = {host}\n"));
        }
        config + &spool.section()
    });
    (setup, mount.unwrap())
}

/// The disk is full when the provider refuses a message: neither a notice nor a record
/// of the refusal can be stored.
#[test]
fn notice_on_a_full_disk_is_sent_once_there_is_space() {
    for restart in [false, true] {
        let filler = Arc::new(Mutex::new(PathBuf::new()));
        let at = Arc::clone(&filler);
        let provider = Provider::deciding(move |_| {
            fill(&at.lock().unwrap());
            Answer::Http(400, "text/plain", String::new())
        });
        let (mut setup, mount) = install_on_small_disk(&[provider.url()], "");
        let filler = {
            let mut path = filler.lock().unwrap();
            *path = setup.path("filler");
            path.clone()
        };
        let mut daemon = setup.start();
        setup.send(&[TO, FROM, "hello"]);
        daemon.wait_for_log("sender not notified, will retry");
        wait_for("a notice that waits", || {
            (setup.outbox().files("notices").len() == 1).then_some(())
        });
        assert!(setup.outbox().files("sending").is_empty());
        let expected = if restart {
            setup.kill(daemon);
            std::fs::remove_file(&filler).unwrap();
            daemon = setup.start();
            format!("Perhaps not delivered to {TO}: interrupted while it was sent")
        } else {
            std::fs::remove_file(&filler).unwrap();
            format!("Not delivered to {TO}: refused by provider")
        };
        let [notice] = daemon.spool.wait_for(1).try_into().unwrap();
        assert_eq!(callfile::text(&notice), expected);
        wait_for("the message in failed", || {
            let [notices, failed] = ["notices", "failed"].map(|state| setup.outbox().files(state));
            (notices.is_empty() && failed.len() == 1).then_some(())
        });
        setup.stop(daemon);
        let daemon = setup.start();
        assert_eq!(daemon.spool.drain().len(), 1);
        assert_eq!(provider.requests().len(), 1);
        drop(daemon);
        drop(mount);
    }
}

/// A provider's receipt cannot be recorded, and it repeats the receipt.
#[test]
fn receipt_that_cannot_be_recorded_is_followed_once() {
    for fallback in [true, false] {
        let accepting = || {
            let body = r#"{"id":"m-1"}"#.to_owned();
            Provider::answering(Answer::Http(200, "application/json", body))
        };
        let (first, second) = (accepting(), accepting());
        let code = if fallback { "7" } else { "8" };
        let more = "resp_id = /id\nfallback [a] = b\nfallback_on [a] = 7";
        let (mut setup, mount) = install_on_small_disk(&[first.url(), second.url()], more);
        let receipt = "\n[websmsd]\nreceipt_match = /state\nreceipt_id = /id\nreceipt_status = /state\n\
                       receipt_error = /code\nreceipt_failed = failed\n";
        setup.configure(setup.config().to_owned() + receipt);
        let daemon = setup.start();
        setup.send(&[TO, FROM, "hello", "a"]);
        wait_for("the message to be kept", || {
            setup.outbox().files("sent").pop()
        });
        let post = || {
            let body = format!(r#"{{"id":"m-1","state":"failed","code":"{code}"}}"#);
            daemon.post("/", &[JSON], body.as_bytes()).status
        };
        let sent = setup.path("outbox/sent");
        run("mount", &["--bind", &sent.display().to_string()], &sent);
        let read_only = Mount(sent.clone());
        run("mount", &["-o", "remount,bind,ro"], &sent);
        for _ in 0..5 {
            assert_eq!(post(), 503);
        }
        drop(read_only);
        assert!(daemon.spool.drain().is_empty());
        assert!(second.requests().is_empty());
        for _ in 0..3 {
            assert_eq!(post(), 200);
        }
        if fallback {
            second.wait_for(1);
        } else {
            daemon.spool.wait_for(1);
        }
        setup.outbox().wait_until_empty();
        let notices = daemon.spool.drain().len();
        let expected = if fallback { (1, 0) } else { (0, 1) };
        assert_eq!((second.requests().len(), notices), expected);
        assert_eq!(first.requests().len(), 1);
        drop(daemon);
        drop(mount);
    }
}

/// Posts from four clients while staging breaks and is repaired. Asserts that
/// exactly the acknowledged messages are stored.
fn break_under_load(
    spool: &Spool,
    command: impl Fn() -> Command,
    reason: &str,
    breaks: impl FnOnce(),
    repairs: impl FnOnce(),
) {
    let server = Server::run(command());
    let acknowledged = Mutex::new(BTreeSet::new());
    let refused = AtomicUsize::new(0);
    let posting = AtomicBool::new(true);
    let count = || acknowledged.lock().unwrap().len();
    let more_than = |least: usize| (count() > least).then_some(());
    thread::scope(|scope| {
        for client in 0..4 {
            let (acknowledged, refused) = (&acknowledged, &refused);
            let (server, posting) = (&server, &posting);
            scope.spawn(move || {
                for number in 0.. {
                    if !posting.load(Ordering::Relaxed) {
                        return;
                    }
                    let from = format!("+1{client}{number:06}");
                    // Two call files, of which none may be left alone.
                    let text = format!("{from} {}", "x".repeat(1500));
                    match server.send(TO, &from, &text).status {
                        200 => {
                            acknowledged.lock().unwrap().insert(text);
                        }
                        503 => {
                            refused.fetch_add(1, Ordering::Relaxed);
                        }
                        other => panic!("{other}"),
                    }
                }
            });
        }
        let _stop = Stop(&posting);
        wait_for("some messages", || more_than(20));
        breaks();
        wait_for("refusals", || {
            (refused.load(Ordering::Relaxed) > 20).then_some(())
        });
        let line = server.wait_for_log("message not stored");
        assert!(line.contains("ERROR") && line.contains(reason), "{line}");
        repairs();
        let before = count();
        wait_for("messages to be accepted again", || more_than(before + 20));
    });
    // Files that could not be removed when staging broke are removed or handed
    // over by the next start.
    let (status, log) = server.stop();
    assert!(status.success(), "{log}");
    let _server = Server::run(command());
    let arrived = assemble(&spool.drain()).unwrap();
    let texts: BTreeSet<_> = arrived.iter().map(|message| message.text.clone()).collect();
    assert_eq!(arrived.len(), texts.len(), "no message arrived twice");
    let acknowledged = acknowledged.into_inner().unwrap();
    assert!(texts.is_superset(&acknowledged));
    let more = texts.len() - acknowledged.len();
    let not_removed = log.matches("refused call file not removed").count();
    assert!(
        more <= not_removed,
        "{more} more, {not_removed} not removed"
    );
}

/// Stops the clients when dropped, also by a panic.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

fn run(program: &str, arguments: &[&str], path: &Path) {
    let status = Command::new(program).args(arguments).arg(path).status();
    assert!(status.unwrap().success(), "{program} {arguments:?}");
}

#[test]
fn read_only_disk_under_load_is_logged_and_recovers() {
    let spool = Spool::new();
    let config = spool.configure("");
    // A remount would be refused while a file is open for writing, so the directory
    // is mounted over itself, read-only.
    let aside = tempfile::tempdir().unwrap();
    let bind = |from: &Path, to: &Path| {
        let from = from.display().to_string();
        run("mount", &["--bind", &from], to);
        Mount(to.to_owned())
    };
    let read_only = bind(spool.path(), aside.path());
    run("mount", &["-o", "remount,bind,ro"], aside.path());
    let over = Mutex::new(None);
    let breaks = || *over.lock().unwrap() = Some(bind(aside.path(), spool.path()));
    let repairs = || drop(over.lock().unwrap().take());
    break_under_load(
        &spool,
        || daemon::command(&config),
        "Read-only file system",
        breaks,
        repairs,
    );
    drop(read_only);
}

#[test]
fn missing_staging_under_load_is_logged_and_recovers() {
    let spool = Spool::new();
    let config = spool.configure("");
    let aside = spool.path().join("aside");
    let breaks = || std::fs::rename(spool.staging(), &aside).unwrap();
    let repairs = || std::fs::rename(&aside, spool.staging()).unwrap();
    break_under_load(
        &spool,
        || daemon::command(&config),
        "No such file",
        breaks,
        repairs,
    );
}

#[test]
fn staging_of_other_owner_or_mode_under_load_is_logged_and_recovers() {
    let owner = |path: &Path, user| chown(path, Some(user), Some(user)).unwrap();
    let mode =
        |path: &Path, mode| std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    for of_another_owner in [true, false] {
        let spool = Spool::new();
        let config = spool.configure("");
        let binary = program_for_everyone(&spool);
        owned_by(&spool, UNPRIVILEGED);
        let command = || {
            let mut command = Command::new("setpriv");
            command
                .args(["--reuid", "54321", "--regid", "54321", "--clear-groups"])
                .arg(&binary)
                .args(["websmsd", "--listen", "127.0.0.1:0", "--config"])
                .arg(&config)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            command
        };
        let staging = spool.staging();
        mode(&staging, 0o750);
        let breaks = || {
            if of_another_owner {
                owner(&staging, 0);
            } else {
                mode(&staging, 0o500);
            }
        };
        let repairs = || {
            owner(&staging, UNPRIVILEGED);
            mode(&staging, 0o750);
        };
        break_under_load(&spool, command, "Permission denied", breaks, repairs);
    }
}

/// A copy of the program that every user may run.
pub(crate) fn program_for_everyone(spool: &Spool) -> PathBuf {
    let binary = spool.path().join("asterisk-websms");
    std::fs::write(&binary, std::fs::read(program()).unwrap()).unwrap();
    run("chmod", &["-R", "a+rwX"], spool.path());
    run("chmod", &["a+rx"], &binary);
    binary
}

#[test]
fn directories_on_two_file_systems_are_refused() {
    let spool = Spool::new();
    let _outgoing = Mount::new(&spool.outgoing(), "size=64k");
    let config = spool.configure("");
    let log = daemon::failed_start(&mut daemon::command(&config));
    assert!(log.contains("they are on different file systems"), "{log}");
    assert!(log.contains("put both under one mount"), "{log}");
    let output = Command::new(program())
        .args(["check", "--config"])
        .arg(&config)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(78));
    let problems = String::from_utf8(output.stdout).unwrap();
    assert!(
        problems.contains("error: [astqueue]: failed to move a call file"),
        "{problems}"
    );
    assert!(list(&spool.staging()).is_empty());
}

#[test]
fn one_file_system_under_two_mounts_is_refused() {
    // Same device, but rename(2) does not cross mounts, e.g. of Docker volumes.
    let spool = Spool::new();
    let aside = spool.path().join("aside");
    std::fs::create_dir(&aside).unwrap();
    let bound = Command::new("mount")
        .arg("--bind")
        .args([&aside, &spool.outgoing()])
        .status()
        .unwrap();
    assert!(bound.success());
    let _outgoing = Mount(spool.outgoing());
    let config = spool.configure("");
    let log = daemon::failed_start(&mut daemon::command(&config));
    assert!(log.contains("they are on different file systems"), "{log}");
}

#[test]
fn read_only_disk_prevents_the_start() {
    let spool = Spool::new();
    let staging = Mount::new(&spool.staging(), "size=64k");
    let remounted = Command::new("mount")
        .args(["-o", "remount,ro"])
        .arg(&staging.0)
        .status()
        .unwrap();
    assert!(remounted.success());
    let config = spool.configure("");
    let log = daemon::failed_start(&mut daemon::command(&config));
    assert!(log.contains("Read-only file system"), "{log}");
}

/// A user and group without files.
pub(crate) const UNPRIVILEGED: u32 = 54_321;

fn owned_by(spool: &Spool, user: u32) {
    for path in [spool.staging(), spool.outgoing()] {
        chown(path, Some(user), Some(user)).unwrap();
    }
}

#[test]
fn call_files_belong_to_the_owner_of_outgoing() {
    for (more, user) in [
        ("", UNPRIVILEGED),
        ("fileowner = 54322:54322\nfilemode = 0640\n", 54_322),
    ] {
        let spool = Spool::new();
        // Everybody in the group of Asterisk's user may write there.
        for path in [spool.path(), &spool.staging(), &spool.outgoing()] {
            chown(path, Some(UNPRIVILEGED), Some(user)).unwrap();
            std::fs::set_permissions(path, Permissions::from_mode(0o770)).unwrap();
        }
        let config = format!("{}{more}", spool.section());
        let daemon = Daemon::with(spool, &config);
        assert_eq!(daemon.send(TO, FROM, "x").status, 200);
        let file = wait_for("the call file", || daemon.spool.call_files().pop());
        let file = file.metadata().unwrap();
        assert_eq!((file.uid(), file.gid()), (user, user));
        let mode = if more.is_empty() { 0o600 } else { 0o640 };
        assert_eq!(file.mode() & 0o777, mode);
    }
}

#[test]
fn user_that_cannot_create_files_for_asterisk_cannot_start() {
    // websmsd as another user, who may write to Asterisk's directories.
    let spool = Spool::new();
    owned_by(&spool, UNPRIVILEGED);
    let config = spool.path().join("websms.conf");
    std::fs::write(&config, spool.section()).unwrap();
    let binary = program_for_everyone(&spool);
    let run_as = |user: &str, subcommand: &[&str]| {
        Command::new("setpriv")
            .args(["--reuid", user, "--regid", user, "--clear-groups"])
            .arg(&binary)
            .args(subcommand)
            .arg("--config")
            .arg(&config)
            .output()
            .unwrap()
    };
    let output = run_as("54999", &["websmsd", "--listen", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(78));
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(
        log.contains("change the owner: EPERM") || log.contains("Operation not permitted"),
        "{log}"
    );
    assert!(log.contains("must belong to user 54321"), "{log}");
    assert!(log.contains("this runs as user 54999"), "{log}");
    let output = run_as("54321", &["check"]);
    assert!(output.status.success(), "{output:?}");
    wait_for("no file left", || {
        list(&spool.staging()).is_empty().then_some(())
    });
}
