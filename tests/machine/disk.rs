//! Full, split and foreign disks.

use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::daemon::{self, list};
use crate::support::{Daemon, Spool, callfile, program, wait_for};

const TO: &str = "+12025550160";
const FROM: &str = "+15017122661";

/// A small file system in memory, until it is dropped.
struct Mount(PathBuf);

impl Mount {
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
    for name in ["staging", "outgoing"] {
        std::fs::create_dir(spool.path().join(name)).unwrap();
    }
    let config = spool.section();
    let daemon = Daemon::with(spool, &config);
    assert_eq!(daemon.send(TO, FROM, "before").status, 200);
    daemon.spool.wait_for(1);
    let filler = daemon.spool.path().join("filler");
    let full = Command::new("dd")
        .args(["if=/dev/zero", "bs=1k", "count=128"])
        .arg(format!("of={}", filler.display()))
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(!full.success(), "the disk is full");
    for _ in 0..3 {
        let response = daemon.send(TO, FROM, &"x".repeat(900));
        assert_eq!(response.status, 503);
        assert_eq!(response.headers["retry-after"], "30");
    }
    assert!(
        list(&daemon.spool.staging()).is_empty(),
        "nothing is left behind"
    );
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

#[test]
fn directories_on_two_file_systems_are_refused() {
    let spool = Spool::new();
    let _outgoing = Mount::new(&spool.outgoing(), "size=64k");
    let config = spool.path().join("websms.conf");
    std::fs::write(&config, spool.section()).unwrap();
    let output = daemon::command(&config).output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("they are on different file systems"), "{log}");
    assert!(log.contains("put both under one mount"), "{log}");
    let output = Command::new(program())
        .args(["check", "--config"])
        .arg(&config)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(78));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.contains("error: [astqueue] failed to move a call file"),
        "{said}"
    );
    assert!(list(&spool.staging()).is_empty());
}

#[test]
fn one_file_system_under_two_mounts_is_refused_too() {
    // Same device, but rename(2) does not cross mounts: what Docker volumes do.
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
    let config = spool.path().join("websms.conf");
    std::fs::write(&config, spool.section()).unwrap();
    let output = daemon::command(&config).output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("they are on different file systems"), "{log}");
}

#[test]
fn read_only_disk_is_told_before_the_first_message() {
    let spool = Spool::new();
    let staging = Mount::new(&spool.staging(), "size=64k");
    let remounted = Command::new("mount")
        .args(["-o", "remount,ro"])
        .arg(&staging.0)
        .status()
        .unwrap();
    assert!(remounted.success());
    let config = spool.path().join("websms.conf");
    std::fs::write(&config, spool.section()).unwrap();
    let output = daemon::command(&config).output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("Read-only file system"), "{log}");
}

/// A user and group that own nothing here.
const STRANGER: u32 = 54_321;

fn owned_by(spool: &Spool, user: u32) {
    for path in [spool.staging(), spool.outgoing()] {
        chown(path, Some(user), Some(user)).unwrap();
    }
}

#[test]
fn call_files_belong_to_the_owner_of_outgoing() {
    for (more, user) in [
        ("", STRANGER),
        ("fileowner = 54322:54322\nfilemode = 0640\n", 54_322),
    ] {
        let spool = Spool::new();
        owned_by(&spool, STRANGER);
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
fn who_cannot_make_files_for_asterisk_does_not_start() {
    // Asterisk's directories, and websmsd as another user who may write there.
    let spool = Spool::new();
    owned_by(&spool, STRANGER);
    let config = spool.path().join("websms.conf");
    std::fs::write(&config, spool.section()).unwrap();
    let open = Command::new("chmod")
        .args(["-R", "a+rwX"])
        .arg(spool.path())
        .status()
        .unwrap();
    assert!(open.success());
    let here = spool.path().join("asterisk-websms");
    std::fs::write(&here, std::fs::read(program()).unwrap()).unwrap();
    let executable = Command::new("chmod")
        .arg("a+rx")
        .arg(&here)
        .status()
        .unwrap();
    assert!(executable.success());
    let run = |user: &str, subcommand: &[&str]| {
        Command::new("setpriv")
            .args(["--reuid", user, "--regid", user, "--clear-groups"])
            .arg(&here)
            .args(subcommand)
            .arg("--config")
            .arg(&config)
            .output()
            .unwrap()
    };
    let output = run("54999", &["websmsd", "--listen", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(78));
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(
        log.contains("change the owner: EPERM") || log.contains("Operation not permitted"),
        "{log}"
    );
    assert!(log.contains("must belong to user 54321"), "{log}");
    assert!(log.contains("this runs as user 54999"), "{log}");
    let output = run("54321", &["check"]);
    assert!(output.status.success(), "{output:?}");
    wait_for("nothing left", || {
        list(&spool.staging()).is_empty().then_some(())
    });
}
