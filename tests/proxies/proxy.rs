//! Runs a reverse proxy in the foreground, in a temporary directory.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::page;
use crate::support::wait_for;

/// How to run a proxy. In the texts, `ADDRESS`, `HOST` and `PORT` are where it listens,
/// `DIRECTORY` is its directory and `SNIPPET` what `docs/proxies.md` has.
pub(crate) struct Kind {
    /// The heading in `docs/proxies.md`.
    pub(crate) name: &'static str,
    command: &'static str,
    /// What the snippet listens at, and what replaces it.
    listen: (&'static str, &'static str),
    /// What the distribution's configuration has around the snippet.
    around: &'static str,
    /// Whether a request waits until `websmsd` is there again. Caddy 2.11 does it, too,
    /// 2.6 does not.
    pub(crate) waits: bool,
    /// If the snippet has a health check: its interval, and what the proxy logs when
    /// the health is bad and when it is good again.
    pub(crate) health: Option<(&'static str, [&'static str; 2])>,
}

pub(crate) const KINDS: [Kind; 5] = [
    Kind {
        name: "nginx",
        command: "nginx -p DIRECTORY -e DIRECTORY/log -c DIRECTORY/config",
        listen: ("listen 80;", "listen ADDRESS;"),
        around: "daemon off;\nuser root;\npid pid;\nevents {}\nhttp {\naccess_log off;\n\
                 client_body_temp_path body;\nproxy_temp_path proxy;\nfastcgi_temp_path fastcgi;\n\
                 uwsgi_temp_path uwsgi;\nscgi_temp_path scgi;\nSNIPPET}\n",
        waits: false,
        health: None,
    },
    Kind {
        name: "Caddy",
        command: "caddy run --adapter caddyfile --config DIRECTORY/config",
        listen: (
            "sms.example.com {",
            "http://sms.example.com:PORT {\nbind HOST",
        ),
        around: "{\nadmin off\n}\nSNIPPET",
        waits: false,
        health: None,
    },
    Kind {
        name: "HAProxy",
        command: "haproxy -db -f DIRECTORY/config",
        listen: ("bind :80", "bind ADDRESS"),
        around: "global\n    maxconn 1000\n\nSNIPPET",
        waits: true,
        health: Some(("inter 10s", ["websmsd is DOWN", "websmsd is UP"])),
    },
    Kind {
        name: "Apache",
        command: "apache2 -DFOREGROUND -d DIRECTORY -f DIRECTORY/config",
        listen: ("*:80", "ADDRESS"),
        around: "DefaultRuntimeDir DIRECTORY\nPidFile pid\nErrorLog DIRECTORY/log\nListen ADDRESS\n\
                 User www-data\nGroup www-data\nServerName localhost\n\
                 LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so\n\
                 LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so\n\
                 LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so\n\
                 LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so\nSNIPPET",
        waits: false,
        health: None,
    },
    Kind {
        name: "lighttpd",
        command: "lighttpd -D -f DIRECTORY/config",
        listen: ("", ""),
        around: "server.document-root = \"DIRECTORY\"\nserver.errorlog = \"DIRECTORY/log\"\n\
                 server.bind = \"HOST\"\nserver.port = PORT\nSNIPPET",
        waits: false,
        health: None,
    },
];

/// A running proxy. It is ended when dropped.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    child: Child,
    directory: TempDir,
}

impl Proxy {
    /// In front of `websmsd` at this address, whose health is told at another port.
    pub(crate) fn start(kind: &Kind, websmsd: SocketAddr, health: u16) -> Self {
        let snippet = page::relocate(page::snippet(kind.name), websmsd, health);
        Self::with(kind, &snippet)
    }

    /// With this snippet. A port that was free may be taken before the proxy has it.
    pub(crate) fn with(kind: &Kind, snippet: &str) -> Self {
        (0..5)
            .find_map(|_| Self::try_start(kind, snippet))
            .unwrap_or_else(|| panic!("{} does not start with:\n{snippet}", kind.name))
    }

    fn try_start(kind: &Kind, snippet: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let address = free_address(Ipv4Addr::LOCALHOST);
        let fill = |text: &str| fill(text, address, directory.path());
        assert!(snippet.contains(kind.listen.0), "{snippet}");
        let snippet = match kind.listen {
            ("", _) => snippet.to_owned(),
            (from, to) => snippet.replacen(from, &fill(to), 1),
        };
        let config = fill(kind.around).replace("SNIPPET", &snippet);
        std::fs::write(directory.path().join("config"), config).unwrap();
        let child = spawn(&fill(kind.command), directory.path());
        let mut proxy = Self {
            address,
            child,
            directory,
        };
        proxy.listens().then_some(proxy)
    }

    /// Waits until it listens; false if it has ended.
    fn listens(&mut self) -> bool {
        wait_for("the proxy", || {
            if let Some(status) = self.child.try_wait().unwrap() {
                eprintln!("{status}: {}", self.log());
                return Some(false);
            }
            TcpStream::connect(self.address).is_ok().then_some(true)
        })
    }

    /// What it has logged or printed.
    pub(crate) fn log(&self) -> String {
        let read = |name| std::fs::read(self.directory.path().join(name)).unwrap_or_default();
        let log = [read("output"), read("log")].concat();
        String::from_utf8_lossy(&log).into_owned()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap());
        let _ = kill(pid, Signal::SIGTERM);
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of the proxy\n{}---", self.log());
        }
    }
}

/// An address that nobody listens at.
pub(crate) fn free_address(ip: Ipv4Addr) -> SocketAddr {
    TcpListener::bind((ip, 0)).unwrap().local_addr().unwrap()
}

fn fill(text: &str, address: SocketAddr, directory: &Path) -> String {
    text.replace("ADDRESS", &address.to_string())
        .replace("HOST", &address.ip().to_string())
        .replace("PORT", &address.port().to_string())
        .replace("DIRECTORY", directory.to_str().unwrap())
}

/// Runs it so that it ends when the test does, however that ends.
fn spawn(command: &str, directory: &Path) -> Child {
    let output = std::fs::File::create(directory.join("output")).unwrap();
    let path = std::env::var("PATH").unwrap() + ":/usr/sbin";
    Command::new("setpriv")
        .args(["--pdeathsig", "TERM"])
        .args(command.split(' '))
        .env_clear()
        .env("PATH", path)
        .env("HOME", directory)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .spawn()
        .unwrap()
}
