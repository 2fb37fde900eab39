//! A real Asterisk 22 with the shipped dialplan, in its own directories.
//!
//! It runs by chroot in a directory that `tests/run` has prepared
//! (`WEBSMS_ASTERISK_ROOT`), in its own mount namespace, so that nothing is left
//! behind, and on its own loopback address, so that several can run in parallel.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::process::{Number, Process};
use crate::support::daemon::{self, Server, list};
use crate::support::outbox::Outbox;
use crate::support::sip::Phone;
use crate::support::{Answer, Provider, program, wait_for};

/// Modules that the shipped dialplan and phones need, and that every Asterisk has.
const MODULES: &[&str] = &[
    "app_exec",
    "app_stack",
    "app_verbose",
    "app_while",
    "chan_pjsip",
    "codec_ulaw",
    "func_base64",
    "func_callerid",
    "func_channel",
    "func_cut",
    "func_env",
    "func_global",
    "func_logic",
    "func_math",
    "func_pjsip_aor",
    "func_pjsip_contact",
    "func_pjsip_endpoint",
    "func_shell",
    "func_strings",
    "func_uri",
    "app_system",
    "pbx_config",
    "pbx_spool",
    "res_agi",
    "res_pjproject",
    "res_pjsip",
    "res_pjsip_authenticator_digest",
    "res_pjsip_endpoint_identifier_user",
    "res_pjsip_messaging",
    "res_pjsip_pubsub",
    "res_pjsip_registrar",
    "res_pjsip_session",
    "res_rtp_asterisk",
    "res_sorcery_astdb",
    "res_sorcery_config",
    "res_sorcery_memory",
    "res_speech",
    "res_timing_timerfd",
];

/// Modules that calls and `extensions_otp.conf` need in addition.
const MODULES_FOR_CALLS: &[&str] = &[
    "app_playback",
    "app_read",
    "codec_gsm",
    "format_gsm",
    "res_pjsip_caller_id",
    "res_pjsip_sdp_rtp",
];

/// Files whose absence Asterisk warns about.
const EMPTY: &[&str] = &[
    "acl",
    "ccss",
    "cdr",
    "cel",
    "features",
    "indications",
    "pjproject",
    "udptl",
];

/// A running Asterisk.
pub(crate) struct Pbx {
    // Dropped before the directory, which it uses until it ends.
    process: Process,
    directory: TempDir,
    root: PathBuf,
    pub(crate) address: SocketAddr,
}

/// Differences from the shipped configuration.
#[derive(Default)]
pub(crate) struct Changes {
    /// More lines of `[websms]`.
    pub(crate) websms: String,
    /// More lines of `extensions.conf`.
    pub(crate) extensions: String,
    /// How many more phones there are: `phone1` and so on, with [`number`]s.
    pub(crate) phones: usize,
    /// Replaced in `pjsip.conf`.
    pub(crate) pjsip: Vec<(&'static str, &'static str)>,
    /// Whether Asterisk reaches `websms` by `FastAGI`.
    pub(crate) fastagi: bool,
    /// More lines of `[otp]`, if there is one; with `extensions_otp.conf`.
    pub(crate) otp: Option<String>,
    /// Whether no sounds are installed.
    pub(crate) without_sounds: bool,
    /// Replaced in `extensions_websms.conf`.
    pub(crate) contexts_file: Vec<(&'static str, &'static str)>,
    /// Attempts after the first; by default so many that Asterisk never gives up.
    pub(crate) max_retries: Option<u32>,
    /// Seconds between attempts; 1 by default.
    pub(crate) retry_time: Option<u32>,
    /// More lines of `[astqueue]`.
    pub(crate) queue: &'static str,
    /// `channel_context` and `context` of `[astqueue]`; the older names by default.
    pub(crate) contexts: Option<(&'static str, &'static str)>,
    /// Its process number.
    pub(crate) number: Number,
}

impl Pbx {
    /// With the shipped configuration; sends to `provider`.
    pub(crate) fn start(provider: &Provider) -> Self {
        Self::changed(provider, &Changes::default())
    }

    pub(crate) fn changed(provider: &Provider, changes: &Changes) -> Self {
        let root = std::env::var_os("WEBSMS_ASTERISK_ROOT")
            .map(PathBuf::from)
            .expect("WEBSMS_ASTERISK_ROOT names a directory with Asterisk 22: use tests/run");
        let directory = tempfile::Builder::new()
            .prefix("websms-pbx-")
            .tempdir()
            .unwrap();
        let address = SocketAddr::from((own_address(), 5060));
        configure(directory.path(), address, provider, changes);
        let user = asterisk_user(&root);
        change_owner(directory.path(), user);
        let process = Process::start(&root, directory.path(), changes.number);
        let pbx = Self {
            process,
            directory,
            root,
            address,
        };
        pbx.wait_until_ready();
        let log = pbx.log();
        assert!(!log.contains("declined to load"), "{log}");
        pbx
    }

    /// With `websmsd`, and a provider that accepts everything.
    pub(crate) fn with_websmsd(changes: &Changes) -> (Self, Server) {
        let pbx = Self::changed(&Provider::answering(Answer::ok()), changes);
        let server = pbx.start_websmsd();
        (pbx, server)
    }

    pub(crate) fn start_websmsd(&self) -> Server {
        Server::run(daemon::command(&self.config()))
    }

    fn wait_until_ready(&self) {
        wait_for("Asterisk", || {
            self.console("core waitfullybooted")
                .contains("fully booted")
                .then_some(())
        });
    }

    /// Its process number, as it writes it into call files.
    pub(crate) fn pid(&self) -> i32 {
        self.process.own_pid()
    }

    /// Stops it by SIGSTOP.
    pub(crate) fn freeze(&self) {
        self.process.signal(Signal::SIGSTOP);
    }

    /// Continues it by SIGCONT.
    pub(crate) fn thaw(&self) {
        self.process.signal(Signal::SIGCONT);
    }

    /// Ends it by SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again after [`Self::kill`].
    pub(crate) fn start_again(&mut self) {
        self.process.start_again();
        self.wait_until_ready();
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn outgoing(&self) -> PathBuf {
        self.path().join("spool/outgoing")
    }

    /// Waits until no call file is left in outgoing.
    pub(crate) fn wait_for_empty_spool(&self) {
        wait_for("an empty spool", || {
            list(&self.outgoing()).is_empty().then_some(())
        });
    }

    pub(crate) fn outbox(&self) -> Outbox {
        Outbox::at(self.path().join("spool/websms"))
    }

    /// Replaces a part of `extensions_websms.conf`, which Asterisk reads at its next
    /// start or reload.
    pub(crate) fn edit_contexts(&self, from: &str, to: &str) {
        let path = self.path().join("etc/extensions_websms.conf");
        let contexts = fs::read_to_string(&path).unwrap();
        assert!(contexts.contains(from), "{from}");
        fs::write(&path, contexts.replace(from, to)).unwrap();
    }

    /// The configuration that `websms` and `websmsd` share.
    pub(crate) fn config(&self) -> PathBuf {
        self.path().join("etc/websms.conf")
    }

    /// Asterisk's log so far.
    pub(crate) fn log(&self) -> String {
        let log = fs::read(self.path().join("log/messages.log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    pub(crate) fn phone(&self, user: &str) -> Phone {
        Phone::registered(user, &format!("change-me-{user}"), self.address)
    }

    /// `phone1` and so on.
    pub(crate) fn phones(&self, count: usize) -> Vec<Phone> {
        let phone = |phone| self.phone(&format!("phone{phone}"));
        (1..=count).map(phone).collect()
    }

    /// A phone that is off.
    pub(crate) fn unregistered(&self, user: &str) -> Phone {
        Phone::new(user, &format!("change-me-{user}"), self.address)
    }

    /// Runs a command on Asterisk's console; returns its output.
    pub(crate) fn console(&self, line: &str) -> String {
        let script = "mkdir -p \"$1$2\" && mount --bind \"$2\" \"$1$2\" && \
                      exec chroot \"$1\" asterisk -C \"$2/etc/asterisk.conf\" -rx \"$3\"";
        let output = Command::new("unshare")
            .args(["-m", "--propagation", "private", "sh", "-c", script, "sh"])
            .arg(&self.root)
            .arg(self.path())
            .arg(line)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Pbx {
    fn drop(&mut self) {
        self.process.end();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let start = lines.len().saturating_sub(60);
            eprintln!(
                "--- end of Asterisk's log\n{}\n---",
                lines[start..].join("\n")
            );
        }
        let _ = fs::remove_dir(self.root.join(self.path().strip_prefix("/").unwrap()));
    }
}

/// The number of `phone1` and so on.
pub(crate) fn number(phone: usize) -> String {
    format!("+1202556{phone:04}")
}

/// A random loopback address, which other tests are unlikely to use.
fn own_address() -> IpAddr {
    let [a, b, c, _] = getrandom::u32().unwrap().to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(127, 1 + a % 250, b, 1 + c % 250))
}

fn configure(directory: &Path, address: SocketAddr, provider: &Provider, changes: &Changes) {
    for name in [
        "etc",
        "run",
        "log",
        "db",
        "agi-bin",
        "bin",
        "spool/outgoing",
        "spool/outgoing_done",
        "spool/staging",
    ] {
        fs::create_dir_all(directory.join(name)).unwrap();
    }
    let etc = directory.join("etc");
    let base = directory.display();
    let write = |name: &str, content: &str| fs::write(etc.join(name), content).unwrap();
    let mut share = PathBuf::from("/usr/share/asterisk");
    if changes.without_sounds {
        let documentation = share.join("documentation");
        share = directory.join("share");
        fs::create_dir(&share).unwrap();
        symlink(documentation, share.join("documentation")).unwrap();
    }
    let share = share.display();
    write(
        "asterisk.conf",
        &format!(
            "[directories]\nastetcdir => {base}/etc\nastspooldir => {base}/spool\n\
             astrundir => {base}/run\nastlogdir => {base}/log\nastdbdir => {base}/db\n\
             astmoddir => /usr/lib/x86_64-linux-gnu/asterisk/modules\n\
             astvarlibdir => /var/lib/asterisk\nastdatadir => {share}\n\
             astagidir => {base}/agi-bin\n[options]\nverbose = 5\n"
        ),
    );
    let for_calls = changes.otp.as_ref().map_or(&[][..], |_| MODULES_FOR_CALLS);
    let modules: String = MODULES
        .iter()
        .chain(for_calls)
        .flat_map(|name| ["load = ", name, ".so\n"])
        .collect();
    write(
        "modules.conf",
        &format!("[modules]\nautoload = no\n{modules}"),
    );
    write(
        "logger.conf",
        "[general]\n[logfiles]\nmessages.log => notice,warning,error,verbose\n",
    );
    for name in EMPTY {
        write(&format!("{name}.conf"), "");
    }
    dialplan(&etc, directory, address, changes);
    let (channel_context, context) = changes
        .contexts
        .unwrap_or(("dp_entry_channel_open", "dp_entry_trunk_texting"));
    let otp = changes.otp.as_ref().map_or_else(String::new, |otp| {
        format!(
            "[otp]\nlisten = {}:3000\notpdir = {base}/spool/otp\n{otp}\n",
            address.ip()
        )
    });
    write(
        "websms.conf",
        &format!(
            "[websms]\nhost = {}\npath = /sms/send/\nauth_user = id\nauth_passwd = secret\n\
             outboxdir = {base}/spool/websms\n{}\n\
             [websmsd]\nagi_listen = {}:4573\npermit_addr = 127.0.0.0/8\nproxy_addr = \"\"\n[astqueue]\n\
             outgoingdir = {base}/spool/outgoing\nstagingdir = {base}/spool/staging\n\
             channel_context = {channel_context}\ncontext = {context}\n\
             maxretries = {}\nretrytime = {}\narchive = yes\n{}\n{otp}",
            provider.url(),
            changes.websms,
            address.ip(),
            changes.max_retries.unwrap_or(1000),
            changes.retry_time.unwrap_or(1),
            changes.queue
        ),
    );
    let websms = directory.join("bin/websms");
    fs::write(&websms, fs::read(program()).unwrap()).unwrap();
    fs::set_permissions(&websms, fs::Permissions::from_mode(0o755)).unwrap();
    symlink("websms", directory.join("bin/websms-otp")).unwrap();
}

/// Writes the shipped dialplan and phones, with these paths and addresses.
fn dialplan(etc: &Path, directory: &Path, address: SocketAddr, changes: &Changes) {
    let shipped = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("dialplan");
    let read = |name: &str| fs::read_to_string(shipped.join(name)).unwrap();
    let replaced = |text: String, from: &str, to: &str| {
        assert!(text.contains(from), "{from:?} is not in the shipped files");
        text.replace(from, to)
    };
    let programs = if changes.fastagi {
        format!("agi://{}", address.ip())
    } else {
        directory.join("bin").display().to_string()
    };
    let mut extensions = read("extensions.conf");
    for program in [
        "WEBSMS = /usr/local/bin/websms",
        "WEBSMS_OTP = /usr/local/bin/websms-otp",
    ] {
        let local = program.replace("/usr/local/bin", &programs);
        extensions = replaced(extensions, program, &local);
    }
    if changes.otp.is_some() {
        let (off, on) = (";#include extensions_otp", "#include extensions_otp");
        extensions = replaced(extensions, off, on);
    }
    let extensions = format!("{extensions}\n{}", changes.extensions);
    let bind = format!("bind = {}", address.ip());
    let mut pjsip = replaced(read("pjsip.conf"), "bind = 0.0.0.0", &bind);
    for (from, to) in &changes.pjsip {
        pjsip = replaced(pjsip, from, to);
    }
    let mut extensions = extensions;
    for phone in 1..=changes.phones {
        let (name, number) = (format!("phone{phone}"), number(phone));
        pjsip.push_str(&format!(
            "[{name}](phone)\ncallerid = <{number}>\nauth = {name}\naors = {name}\n\
             [{name}]\ntype = auth\nauth_type = userpass\nusername = {name}\n\
             password = change-me-{name}\n[{name}]\ntype = aor\nmax_contacts = 3\n\
             remove_existing = yes\n"
        ));
        let hints = "[websms_phones]\n";
        let hint = format!("{hints}exten => {number},hint,PJSIP/{name}\n");
        extensions = extensions.replacen(hints, &hint, 1);
    }
    let mut contexts = read("extensions_websms.conf");
    for (from, to) in &changes.contexts_file {
        contexts = replaced(contexts, from, to);
    }
    fs::write(etc.join("extensions.conf"), extensions).unwrap();
    fs::write(etc.join("extensions_websms.conf"), contexts).unwrap();
    let otp = read("extensions_otp.conf");
    fs::write(etc.join("extensions_otp.conf"), otp).unwrap();
    fs::write(etc.join("pjsip.conf"), pjsip).unwrap();
}

/// The ids of the user and group that Asterisk runs as.
fn asterisk_user(root: &Path) -> (u32, u32) {
    let passwd = fs::read_to_string(root.join("etc/passwd")).unwrap();
    let line = passwd
        .lines()
        .find(|line| line.starts_with("asterisk:"))
        .unwrap();
    let fields: Vec<_> = line.split(':').collect();
    (fields[2].parse().unwrap(), fields[3].parse().unwrap())
}

fn change_owner(path: &Path, (user, group): (u32, u32)) {
    if path.is_symlink() {
        return;
    }
    chown(path, Some(user), Some(group)).expect("needs root");
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            change_owner(&entry.unwrap().path(), (user, group));
        }
    }
}
