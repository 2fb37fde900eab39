//! A network namespace for a test, and a cable to a second one.

use std::panic::resume_unwind;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{self, Sender};
use std::thread;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Pid, gettid};

/// Addresses of our end of the cable, and of the provider's end.
pub(crate) const NEAR: [&str; 2] = ["192.0.2.1", "2001:db8::1"];
pub(crate) const FAR: [&str; 2] = ["192.0.2.2", "2001:db8::2"];

/// Unused addresses beyond the cable: packets to them are lost.
pub(crate) const DEAD: [&str; 2] = ["192.0.2.3", "2001:db8::3"];

/// MAC addresses of both ends, and an unused one.
const NEAR_CARD: &str = "02:00:00:00:00:01";
const FAR_CARD: &str = "02:00:00:00:00:02";
const NO_CARD: &str = "02:00:00:00:00:03";

/// Runs a test in network and mount namespaces of its own. They have no names, so
/// they end with the last thread and process of the test.
pub(crate) fn isolated(test: impl FnOnce() + Send + 'static) {
    let done = thread::spawn(move || {
        // Threads and processes that this thread starts inherit them.
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).expect("namespaces, as root");
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
        ip("link set lo up");
        test();
    });
    if let Err(panic) = done.join() {
        resume_unwind(panic);
    }
}

/// Replaces a file by another one, inside of [`isolated`].
pub(crate) fn cover(file: &Path, with: &Path) {
    let bind = MsFlags::MS_BIND;
    mount(Some(with), file, None::<&str>, bind, None::<&str>).unwrap();
}

/// Runs `ip` in the network namespace of the calling thread.
pub(crate) fn ip(arguments: &str) {
    let output = Command::new("ip")
        .args(arguments.split(' '))
        .output()
        .expect("iproute2");
    assert!(output.status.success(), "ip {arguments}: {output:?}");
}

type Task = Box<dyn FnOnce() + Send>;

/// A cable to a second network, for a provider.
pub(crate) struct Cable {
    far: Sender<Task>,
}

impl Cable {
    /// Connects the namespace of [`isolated`] to a new one.
    pub(crate) fn lay() -> Self {
        let (far, tasks) = mpsc::channel::<Task>();
        thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            ip("link set lo up");
            for task in tasks {
                task();
            }
        });
        let cable = Self { far };
        let there: Pid = cable.far(gettid);
        ip(&format!(
            "link add near address {NEAR_CARD} type veth \
             peer name far address {FAR_CARD} netns {there}"
        ));
        connect("near", NEAR);
        cable.far(|| {
            connect("far", FAR);
            neighbour("far", NEAR[1], NEAR_CARD);
        });
        // IPv6 sends no neighbour solicitation in the first second.
        neighbour("near", FAR[1], FAR_CARD);
        for dead in DEAD {
            neighbour("near", dead, NO_CARD);
        }
        cable
    }

    /// Runs `act` in the second network.
    pub(crate) fn far<T: Send + 'static>(&self, act: impl FnOnce() -> T + Send + 'static) -> T {
        let (done, result) = mpsc::channel();
        let task = move || done.send(act()).unwrap();
        self.far.send(Box::new(task)).unwrap();
        result.recv().expect("it did not panic")
    }

    /// From now on, packets in both directions are lost.
    pub(crate) fn cut(&self) {
        self.far(|| ip("link set far down"));
    }

    pub(crate) fn mend(&self) {
        self.far(|| ip("link set far up"));
    }
}

fn connect(interface: &str, addresses: [&str; 2]) {
    for (address, length) in addresses.iter().zip([24, 64]) {
        let how = if length == 64 { " nodad" } else { "" };
        ip(&format!("addr add {address}/{length} dev {interface}{how}"));
    }
    ip(&format!("link set {interface} up"));
}

/// Adds a static neighbour entry for an address.
fn neighbour(interface: &str, address: &str, card: &str) {
    ip(&format!(
        "neigh add {address} lladdr {card} nud permanent dev {interface}"
    ));
}
