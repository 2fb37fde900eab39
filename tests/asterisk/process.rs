//! The process of Asterisk: starts, signals and ends it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::wait_for;

/// Which process number it has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Number {
    /// A different one at each start.
    #[default]
    Another,
    /// 1 at every start, as in a container.
    Same,
}

/// An Asterisk that runs or was killed.
pub(crate) struct Process {
    /// The directory with Asterisk 22.
    root: PathBuf,
    /// The parent of its own directories.
    directory: PathBuf,
    number: Number,
    child: Option<Child>,
}

impl Process {
    pub(crate) fn start(root: &Path, directory: &Path, number: Number) -> Self {
        let mut process = Self {
            root: root.to_owned(),
            directory: directory.to_owned(),
            number,
            child: None,
        };
        process.start_again();
        process
    }

    /// Starts it; it is ready some time later.
    pub(crate) fn start_again(&mut self) {
        assert!(self.child.is_none(), "Asterisk runs already");
        self.child = Some(launch(&self.root, &self.directory, self.number));
    }

    /// Its process number outside its namespace, if it runs.
    fn find(&self) -> Option<Pid> {
        let child = self.child.as_ref()?.id();
        let pid = match self.number {
            Number::Another => child,
            Number::Same => {
                let children = format!("/proc/{child}/task/{child}/children");
                fs::read_to_string(children).ok()?.trim().parse().ok()?
            }
        };
        Some(Pid::from_raw(pid.try_into().unwrap()))
    }

    fn pid(&self) -> Pid {
        wait_for("the process of Asterisk", || self.find())
    }

    /// Its process number inside its namespace.
    pub(crate) fn own_pid(&self) -> i32 {
        match self.number {
            Number::Another => self.pid().as_raw(),
            Number::Same => 1,
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Ends it by SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        if let Some(mut child) = self.child.take() {
            child.wait().unwrap();
        }
    }

    /// Kills it if it runs.
    pub(crate) fn end(&mut self) {
        // In its own namespace it would outlive its parent.
        if let Some(pid) = self.find() {
            let _ = kill(pid, Signal::SIGKILL);
        }
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

fn launch(root: &Path, directory: &Path, number: Number) -> Child {
    let script = "mount --bind /proc \"$1/proc\" && mount --bind /dev \"$1/dev\" && \
                  mkdir -p \"$1$2\" && mount --bind \"$2\" \"$1$2\" && \
                  exec chroot \"$1\" asterisk -C \"$2/etc/asterisk.conf\" \
                  -U asterisk -G asterisk -f";
    let log = fs::File::options()
        .create(true)
        .append(true)
        .open(directory.join("log/console"))
        .unwrap();
    let namespace: &[_] = match number {
        Number::Another => &[],
        Number::Same => &["--pid", "--fork", "--mount-proc"],
    };
    Command::new("unshare")
        .args(["-m", "--propagation", "private"])
        .args(namespace)
        .args(["sh", "-c", script, "sh"])
        .arg(root)
        .arg(directory)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("WEBSMS_CONF", directory.join("etc/websms.conf"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .expect("unshare, of util-linux")
}
