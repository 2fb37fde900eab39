//! `demo`: one message each way on loopback, shown step by step.
//!
//! Nothing is pretended: this starts `websms` and `websmsd` as Asterisk and
//! systemd would, with a configuration and a spool in a temporary folder. Only
//! the provider is a stand-in, and nobody takes the call file.

use std::fmt;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::exit::Exit;

/// How long any step may take.
const WAIT_TIMEOUT: Duration = Duration::from_secs(10);

const OURS: &str = "+12025550160";
const THEIRS: &str = "+12025550183";

/// Shows both ways; success when both were seen to work.
#[must_use]
pub fn run() -> Exit {
    match show() {
        Ok(()) => Exit::Success,
        Err(error) => {
            let _ = writeln!(io::stderr(), "the demo failed to {error}");
            Exit::Internal
        }
    }
}

fn show() -> Result<(), DemoError> {
    let folder = tempfile::tempdir().map_err(failed("make a temporary folder"))?;
    for name in ["staging", "outgoing"] {
        let path = folder.path().join(name);
        std::fs::create_dir(path).map_err(failed("make a spool"))?;
    }
    let provider = TcpListener::bind("127.0.0.1:0").map_err(failed("listen on loopback"))?;
    let config = configure(folder.path(), &provider).map_err(failed("write a configuration"))?;
    print(&format!(
        "asterisk-websms carries texts between Asterisk and an SMS provider.\n\
         This shows one each way on this machine, with a stand-in provider.\n\n\
         The configuration is:\n{}",
        indented(&config)
    ));
    outgoing(folder.path(), provider)?;
    incoming(folder.path())?;
    print(
        "What to do next:\n\n\
         1. Write your provider's account into /etc/asterisk/websms.conf; conf/REFERENCE.md\n\
         \x20  explains every key, conf/websms.conf is a start.\n\
         2. Run `asterisk-websms check`: it says what is missing and how to mend it.\n\
         3. Let Asterisk call `websms` and start `websmsd`; README.md has the ten lines for\n\
         \x20  that, dialplan/ the dialplan.\n",
    );
    Ok(())
}

fn configure(folder: &Path, provider: &TcpListener) -> io::Result<String> {
    let config = format!(
        "[websms]\n\
         host        = http://{}\n\
         path        = /sms/send/\n\
         auth_user   = demo\n\
         auth_passwd = secret\n\
         [websmsd]\n\
         permit_addr = 127.0.0.1\n\
         proxy_addr  = \"\"\n\
         [astqueue]\n\
         outgoingdir = {folder}/outgoing\n\
         stagingdir  = {folder}/staging\n\
         maxretries  = 4320\n\
         retrytime   = 60\n\
         archive     = yes\n\
         channel_context = dp_entry_channel_open\n\
         context     = dp_entry_trunk_texting\n",
        provider.local_addr()?,
        folder = folder.display()
    );
    std::fs::write(folder.join("websms.conf"), &config)?;
    Ok(config)
}

/// A phone's text to the provider.
fn outgoing(folder: &Path, provider: TcpListener) -> Result<(), DemoError> {
    let text = "Hello from a SIP phone! ☺";
    print(&format!(
        "--- From a phone to the provider\n\n\
         A phone sends a SIP MESSAGE to {THEIRS}. Asterisk runs, by AGI:\n\n    \
         websms {THEIRS} {OURS} \"{text}\"\n"
    ));
    let (asked, request) = mpsc::channel();
    std::thread::spawn(move || asked.send(answer_one(&provider)));
    let output = own_command("websms", folder)?
        .args([THEIRS, OURS, text])
        // What Asterisk gives its AGI programs; it makes websms report.
        .env("AST_AGI_DIR", folder)
        .stderr(Stdio::inherit())
        .output()
        .map_err(failed("run websms"))?;
    let request = request
        .recv_timeout(WAIT_TIMEOUT)
        .map_err(|_| DemoError("have the provider asked".to_owned()))?
        .map_err(failed("answer as the provider"))?;
    print(&format!(
        "The provider gets this HTTP request, signed in with the account's password:\n\n{}",
        indented(&request)
    ));
    print(&format!(
        "It answers 200, and websms ends with status {}. It tells the dialplan:\n\n{}",
        output.status.code().unwrap_or(-1),
        indented(&String::from_utf8_lossy(&output.stdout))
    ));
    if output.status.success() {
        Ok(())
    } else {
        Err(DemoError("send a message".to_owned()))
    }
}

/// The provider's text to a phone.
fn incoming(folder: &Path) -> Result<(), DemoError> {
    let mut daemon = DemoDaemon::start(folder)?;
    let body = "To=%2B12025550160&From=%2B12025550183&Body=Hello+from+the+world%21+%F0%9F%98%80";
    let request = format!(
        "POST / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        daemon.address,
        body.len()
    );
    print(&format!(
        "--- From the provider to a phone\n\n\
         websmsd listens on {}. The provider has a text for {OURS} and posts:\n\n{}",
        daemon.address,
        indented(&request)
    ));
    let answer = post(&daemon.address, &request).map_err(failed("post as the provider"))?;
    print(&format!(
        "The answer comes when the message is safe on the disk, not before:\n\n{}",
        indented(&answer)
    ));
    let call_file = wait_for_file(&folder.join("outgoing"))?;
    print(&format!(
        "websmsd moves this call file to where Asterisk takes it. Asterisk dials the Channel,\n\
         which answers when the phone is registered, and the dialplan at Context decodes the\n\
         text and sends it to the phone:\n\n{}",
        indented(&call_file)
    ));
    daemon.stop();
    if answer.starts_with("HTTP/1.1 200 ") {
        Ok(())
    } else {
        Err(DemoError("have a message accepted".to_owned()))
    }
}

/// This program as another subcommand, away from the environment of whoever
/// runs the demo.
fn own_command(subcommand: &str, folder: &Path) -> Result<Command, DemoError> {
    let program = std::env::current_exe().map_err(failed("find itself"))?;
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("WEBSMS_CONF", folder.join("websms.conf"))
        .env("WEBSMS_LOG", "error")
        .arg(subcommand)
        .stdin(Stdio::null());
    Ok(command)
}

/// A running `websmsd`.
struct DemoDaemon {
    child: Child,
    address: String,
}

impl DemoDaemon {
    fn start(folder: &Path) -> Result<Self, DemoError> {
        let mut child = own_command("websmsd", folder)?
            .args(["--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed("start websmsd"))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout)
                .read_line(&mut line)
                .map_err(failed("read what websmsd says"))?;
        }
        let address = line.trim().strip_prefix("listening on ").map(str::to_owned);
        let mut daemon = Self {
            child,
            address: String::new(),
        };
        match address {
            Some(address) => daemon.address = address,
            None => return Err(DemoError("start websmsd".to_owned())),
        }
        Ok(daemon)
    }

    fn stop(&mut self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // It may have ended already; then there is nothing to stop.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let _ = self.child.wait();
    }
}

impl Drop for DemoDaemon {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Takes one request, answers 200 and returns what was asked.
fn answer_one(provider: &TcpListener) -> io::Result<String> {
    let (stream, _) = provider.accept()?;
    stream.set_read_timeout(Some(WAIT_TIMEOUT))?;
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    let mut length = 0;
    while reader.read_line(&mut request)? > 0 && !request.ends_with("\r\n\r\n") {
        let line = request
            .lines()
            .last()
            .unwrap_or_default()
            .to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    reader.by_ref().take(length).read_to_string(&mut request)?;
    reader.get_mut().write_all(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n\
          {\"status\":\"success\"}",
    )?;
    Ok(request)
}

fn post(address: &str, request: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(WAIT_TIMEOUT))?;
    stream.write_all(request.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn wait_for_file(directory: &Path) -> Result<String, DemoError> {
    let end = Instant::now() + WAIT_TIMEOUT;
    while Instant::now() < end {
        let mut entries = std::fs::read_dir(directory).map_err(failed("look into the spool"))?;
        if let Some(entry) = entries.next() {
            let path = entry.map_err(failed("look into the spool"))?.path();
            return std::fs::read_to_string(path).map_err(failed("read the call file"));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Err(DemoError("find a call file in outgoing".to_owned()))
}

fn indented(text: &str) -> String {
    text.lines().flat_map(|line| ["    ", line, "\n"]).collect()
}

/// One paragraph; a closed stdout means that nobody watches any more.
fn print(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// What the demo failed to do.
#[derive(Debug)]
struct DemoError(String);

impl fmt::Display for DemoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn failed(step: &'static str) -> impl FnOnce(io::Error) -> DemoError {
    move |error| DemoError(format!("{step}: {error}"))
}
