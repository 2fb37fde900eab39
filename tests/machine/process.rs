//! `websms` and `websmsd` as processes: they leave no children, no open stdout and
//! no visible secrets; and the effects of signals.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::support::daemon::list;
use crate::support::{Answer, Daemon, Provider, Spool, program, wait_for};

const REMOTE: &str = "+12025550183";
const JOHN: &str = "+12025550160";

/// HTTP, forms and JSON each encode it differently.
const PASSWORD: &str = "pass wörd/\\\"+&=1";

/// A directory with a configuration and an outbox.
struct Setup {
    directory: TempDir,
}

impl Setup {
    fn new(provider: &Provider, delivery: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let outbox = directory.path().join("outbox");
        fs::create_dir(&outbox).unwrap();
        let config = format!(
            "[websms]\nhost = {}\ndelivery = {delivery}\noutboxdir = {}\n\
             auth_user = id\nauth_passwd = secret\n",
            provider.url(),
            outbox.display()
        );
        fs::write(directory.path().join("websms.conf"), config).unwrap();
        Self { directory }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// `websms` as Asterisk runs it, started by `wrapper` if that is not empty.
    fn command(&self, wrapper: &[&OsStr]) -> Command {
        let program = program();
        let mut words = wrapper.iter().copied().chain([program.as_os_str()]);
        let mut command = Command::new(words.next().unwrap());
        command
            .args(words)
            .args(["websms", REMOTE, JOHN, "hello"])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("WEBSMS_CONF", self.path().join("websms.conf"))
            .env("AST_AGI_DIR", "x")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        command
    }

    /// Runs `websms` under strace and returns the trace as well.
    fn traced(&self, arguments: &[&str]) -> (Output, String) {
        let trace = self.path().join("trace");
        let mut wrapper: Vec<&OsStr> = ["strace", "-f", "-o"].iter().map(OsStr::new).collect();
        wrapper.push(trace.as_os_str());
        wrapper.extend(arguments.iter().map(OsStr::new));
        let output = self.command(&wrapper).output().unwrap();
        (output, fs::read_to_string(&trace).unwrap())
    }

    /// Removes all messages from the outbox and returns their records.
    fn take(&self) -> Vec<String> {
        let outbox = self.path().join("outbox");
        let records = records(&outbox)
            .iter()
            .map(|path| fs::read_to_string(path).unwrap())
            .collect();
        let files = list(&outbox);
        for path in &files {
            fs::remove_file(path).unwrap();
        }
        records
    }
}

/// The messages in the outbox, without temporary files.
fn records(outbox: &Path) -> Vec<PathBuf> {
    let mut files = list(outbox);
    files.retain(|path| path.extension().is_some_and(|kind| kind == "json"));
    files
}

/// All output, or an error if another process still holds stdout open.
fn read_to_end(mut pipe: ChildStdout) -> io::Result<String> {
    fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    let mut stdout = String::new();
    pipe.read_to_string(&mut stdout).map(|_| stdout)
}

#[test]
fn stdout_is_closed_when_the_process_ends() {
    let provider = Provider::answering(Answer::ok());
    for (delivery, status) in [("direct", "SENT"), ("queue", "QUEUED")] {
        let setup = Setup::new(&provider, delivery);
        for _ in 0..10 {
            let mut child = setup.command(&[]).spawn().unwrap();
            let stdout = child.stdout.take().unwrap();
            assert!(child.wait().unwrap().success());
            let stdout = read_to_end(stdout).expect("stdout is closed");
            assert!(
                stdout.contains(&format!("WEBSMS_STATUS \"{status}\"")),
                "{stdout}"
            );
        }
    }
}

#[test]
fn message_starts_no_other_process() {
    let provider = Provider::answering(Answer::ok());
    for (delivery, status) in [("direct", "SENT"), ("queue", "QUEUED")] {
        let setup = Setup::new(&provider, delivery);
        let (output, trace) =
            setup.traced(&["-e", "trace=clone,clone3,fork,vfork,execve,execveat"]);
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert!(stdout.contains(status), "{stdout}");
        let started = |line: &&str| line.contains("execve");
        assert_eq!(trace.lines().filter(started).count(), 1, "{trace}");
        let made: Vec<_> = trace
            .lines()
            .filter(|line| line.contains("clone") || line.contains("fork("))
            .filter(|line| !line.contains("CLONE_THREAD") && !line.contains("resumed"))
            .collect();
        assert!(made.is_empty(), "{made:?}");
    }
}

#[test]
fn signal_at_any_step_loses_no_queued_message() {
    let provider = Provider::answering(Answer::ok());
    let setup = Setup::new(&provider, "queue");
    let mut outcomes = Vec::new();
    for signal in ["SIGHUP", "SIGTERM", "SIGPIPE"] {
        for call in ["openat", "write", "fsync", "renameat2", "close"] {
            // At each call, until there are no more of them.
            for when in 1.. {
                let inject = format!("inject={call}:signal={signal}:when={when}");
                let (output, trace) =
                    setup.traced(&["-e", &format!("trace={call},exit_group"), "-e", &inject]);
                let records = setup.take();
                let stdout = String::from_utf8(output.stdout).unwrap();
                let queued = stdout.contains("WEBSMS_STATUS \"QUEUED\"");
                let what = format!("{inject}: {stdout} {records:?}\n{trace}");
                if queued {
                    assert_eq!(output.status.code(), Some(0), "{what}");
                    assert_eq!(records.len(), 1, "{what}");
                    assert!(records[0].contains("hello"), "{what}");
                } else {
                    // Signals were not blocked yet, so nothing was stored yet.
                    assert!(output.status.signal().is_some(), "{what}");
                    assert!(stdout.is_empty() && records.is_empty(), "{what}");
                }
                let calls = trace
                    .lines()
                    .filter(|line| line.contains(&format!(" {call}(")))
                    .count();
                if queued && calls < when {
                    break;
                }
                outcomes.push((signal, call, queued));
            }
        }
    }
    for signal in ["SIGHUP", "SIGTERM", "SIGPIPE"] {
        let times = |call| {
            let of = outcomes
                .iter()
                .filter(|outcome| outcome.0 == signal && outcome.1 == call);
            let of: Vec<_> = of.collect();
            let queued = of.iter().filter(|outcome| outcome.2).count();
            (queued, of.len() - queued)
        };
        // Of file and directory. No step of storing was interrupted.
        assert_eq!(times("fsync"), (2, 0), "{signal}");
        for call in ["write", "renameat2"] {
            let (queued, killed) = times(call);
            assert!(queued > 0 && killed == 0, "{signal} {call}");
        }
        println!(
            "{signal}: {} signals, none lost a queued message",
            outcomes
                .iter()
                .filter(|outcome| outcome.0 == signal)
                .count()
        );
    }
}

#[test]
fn signal_that_cannot_be_blocked_is_not_reported_queued() {
    // This proves that injected signals arrive.
    let provider = Provider::answering(Answer::ok());
    let setup = Setup::new(&provider, "queue");
    let (output, trace) = setup.traced(&[
        "-e",
        "trace=fsync",
        "-e",
        "inject=fsync:signal=SIGKILL:when=1",
    ]);
    assert_eq!(
        output.status.signal(),
        Some(Signal::SIGKILL as i32),
        "{trace}"
    );
    assert!(output.stdout.is_empty());
    setup.take();
}

#[test]
fn message_is_queued_when_stdout_is_closed() {
    let provider = Provider::answering(Answer::ok());
    let setup = Setup::new(&provider, "queue");
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let status = setup.command(&[]).stdout(writer).status().unwrap();
    assert_eq!(status.code(), Some(0));
    assert_eq!(setup.take().len(), 1);
}

/// The encodings of the password that we, or a provider that echoes requests, may
/// use.
fn spellings() -> Vec<String> {
    let quoted = |text: &str| format!("{text:?}").trim_matches('"').to_owned();
    let form: String = form_urlencoded::byte_serialize(PASSWORD.as_bytes()).collect();
    vec![
        PASSWORD.to_owned(),
        // The start is secret as well.
        PASSWORD[..6].to_owned(),
        quoted(PASSWORD),
        quoted(&quoted(PASSWORD)),
        form,
        STANDARD.encode(PASSWORD),
        STANDARD.encode(format!("id:{PASSWORD}")),
    ]
}

/// Path and content of every file in a directory and below.
fn files(directory: &Path) -> Vec<(PathBuf, String)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            let content = fs::read(&path).unwrap();
            all.push((path, String::from_utf8_lossy(&content).into_owned()));
        }
    }
    all
}

#[test]
fn password_is_only_in_the_configuration() {
    // Some providers echo requests.
    let provider = Provider::deciding(|request| {
        let parameters = request.parameters();
        let password = parameters.get("pass").cloned().unwrap_or_default();
        let header = request.headers.get("authorization").cloned();
        let mut body = format!("{password} {} {}", request.body, header.unwrap_or_default());
        if request.path == "/late" {
            // The log has 200 characters, which would end inside the password.
            body = format!("{:x<194}{password}", "");
        }
        let head = format!("HTTP/1.1 503 X\r\nContent-Length: {}\r\n\r\n", body.len());
        Answer::Raw((head + &body).into_bytes())
    });
    for (path, auth) in [
        ("/", "auth_method = basic"),
        (
            "/",
            "auth_method = plain\nkey_user = user\nkey_secret = pass",
        ),
        (
            "/late",
            "auth_method = plain\nkey_user = user\nkey_secret = pass",
        ),
    ] {
        let spool = Spool::new();
        let config = format!(
            "[websms]\nhost = {}\npath = {path}\ndelivery = queue\noutboxdir = {}\n\
             {auth}\nauth_user = id\nauth_passwd = '{PASSWORD}'\nretry_min = 3600\n\
             retry_max = 3600\n{}",
            provider.url(),
            spool.path().join("outbox").display(),
            spool.section()
        );
        let file = spool.path().join("websms.conf");
        let before = provider.requests().len();
        let daemon = Daemon::with(spool, &config);
        let output = Command::new(program())
            .env_clear()
            .env("WEBSMS_CONF", &file)
            .args(["websms", REMOTE, JOHN, "hello"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let request = provider.wait_for(before + 1).pop().unwrap();
        let sent = format!("{:?} {}", request.headers, request.body);
        assert!(
            spellings().iter().any(|password| sent.contains(password)),
            "{sent}"
        );
        daemon.wait_for_log("message not sent, will retry");
        let outbox = daemon.spool.path().join("outbox");
        let records = wait_for("the message to wait again", || {
            let records = records(&outbox);
            (records.len() == 1).then_some(records)
        });

        let process = PathBuf::from(format!("/proc/{}", daemon.pid()));
        let mut seen = files(daemon.spool.path());
        seen.retain(|(path, _)| *path != file);
        for name in ["environ", "cmdline"] {
            let content = fs::read_to_string(process.join(name)).unwrap();
            assert!(!content.is_empty());
            seen.push((process.join(name), content));
        }
        seen.push(("log".into(), daemon.log()));
        seen.push(("websms".into(), format!("{output:?}")));
        assert!(
            seen.iter()
                .any(|(path, content)| *path == records[0] && content.contains("hello"))
        );
        for (path, content) in &seen {
            for password in spellings() {
                assert!(
                    !content.contains(&password),
                    "{auth}: {password} in {path:?}: {content}"
                );
            }
        }
    }
}
