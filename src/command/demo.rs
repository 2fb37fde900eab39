//! `demo`: one message each way on loopback, shown step by step.
//!
//! It runs `websms` and `websmsd` as Asterisk and systemd would, with a
//! configuration and a spool in a temporary directory. Only the provider is a
//! stand-in, and no Asterisk reads the call file.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use thiserror::Error;

use crate::command::terminal::{hint, print};
use crate::exit::Exit;
use crate::logging;

const STEP_TIMEOUT: Duration = Duration::from_secs(10);

const OURS: &str = "+12025550160";
const THEIRS: &str = "+12025550183";

/// Shows both directions; success when both worked.
#[must_use]
pub fn run() -> Exit {
    match show() {
        Ok(()) => Exit::Success,
        Err(error) => {
            hint(&format!("the demo {}", logging::failed(&error)));
            Exit::Internal
        }
    }
}

fn show() -> Result<(), DemoError> {
    let directory = tempfile::tempdir().map_err(failed("create a temporary directory"))?;
    for name in ["staging", "outgoing"] {
        let path = directory.path().join(name);
        std::fs::create_dir(path).map_err(failed("create a spool"))?;
    }
    let provider = TcpListener::bind("127.0.0.1:0").map_err(failed("listen on loopback"))?;
    let config = configure(directory.path(), &provider).map_err(failed("write a configuration"))?;
    paragraph(&format!(
        "asterisk-websms carries texts between Asterisk and an SMS provider.\n\
         This shows one each way on this machine, with a stand-in provider.\n\n\
         The configuration is:\n{}",
        indented(&config)
    ));
    outgoing(directory.path(), provider)?;
    incoming(directory.path())?;
    paragraph(
        "What to do next:\n\n\
         1. Write your provider's account into /etc/asterisk/websms.conf; conf/REFERENCE.md\n\
         \x20  explains every key, conf/websms.conf is a start.\n\
         2. Run `asterisk-websms check`: it says what is missing and what to do about it.\n\
         3. Let Asterisk run `websms`, and start `websmsd`: docs/install.md has the steps,\n\
         \x20  dialplan/ the dialplan.\n",
    );
    Ok(())
}

fn configure(directory: &Path, provider: &TcpListener) -> io::Result<String> {
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
         outgoingdir = {directory}/outgoing\n\
         stagingdir  = {directory}/staging\n\
         maxretries  = 4320\n\
         retrytime   = 60\n\
         archive     = yes\n\
         channel_context = dp_entry_channel_open\n\
         context     = dp_entry_trunk_texting\n",
        provider.local_addr()?,
        directory = directory.display()
    );
    std::fs::write(directory.join("websms.conf"), &config)?;
    Ok(config)
}

/// From a phone to the provider.
fn outgoing(directory: &Path, provider: TcpListener) -> Result<(), DemoError> {
    let text = "Hello from a SIP phone! ☺";
    paragraph(&format!(
        "--- From a phone to the provider\n\n\
         A phone sends a SIP MESSAGE to {THEIRS}. Asterisk runs, by AGI:\n\n    \
         websms {THEIRS} {OURS} \"{text}\"\n"
    ));
    let (sender, request) = mpsc::channel();
    std::thread::spawn(move || sender.send(answer_one(&provider)));
    let output = own_command("websms", directory)?
        .args([THEIRS, OURS, text])
        // Asterisk sets this for AGI programs; it makes websms print AGI commands.
        .env("AST_AGI_DIR", directory)
        .stderr(Stdio::inherit())
        .output()
        .map_err(failed("run websms"))?;
    let request = request
        .recv_timeout(STEP_TIMEOUT)
        .map_err(|_| DemoError::Expected("see a request at the provider"))?
        .map_err(failed("answer as the provider"))?;
    paragraph(&format!(
        "The provider gets this HTTP request, signed in with the account's password:\n\n{}",
        indented(&request)
    ));
    paragraph(&format!(
        "It answers 200, and websms ends with status {}. It sets these variables of the dialplan:\n\n{}",
        output.status.code().unwrap_or(-1),
        indented(&String::from_utf8_lossy(&output.stdout))
    ));
    if output.status.success() {
        Ok(())
    } else {
        Err(DemoError::Expected("send a message"))
    }
}

/// From the provider to a phone.
fn incoming(directory: &Path) -> Result<(), DemoError> {
    let mut daemon = DemoDaemon::start(directory)?;
    let body = "To=%2B12025550160&From=%2B12025550183&Body=Hello+from+the+world%21+%F0%9F%98%80";
    let request = format!(
        "POST / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        daemon.address,
        body.len()
    );
    paragraph(&format!(
        "--- From the provider to a phone\n\n\
         websmsd listens on {}. The provider has a text for {OURS} and posts:\n\n{}",
        daemon.address,
        indented(&request)
    ));
    let answer = post(&daemon.address, &request).map_err(failed("post as the provider"))?;
    paragraph(&format!(
        "The answer comes once the message is stored durably:\n\n{}",
        indented(&answer)
    ));
    let call_file = wait_for_file(&directory.join("outgoing"))?;
    paragraph(&format!(
        "websmsd moves this call file to Asterisk's spool. Asterisk dials the Channel,\n\
         which answers when the phone is registered, and the dialplan at Context decodes the\n\
         text and sends it to the phone:\n\n{}",
        indented(&call_file)
    ));
    daemon.stop();
    if answer.starts_with("HTTP/1.1 200 ") {
        Ok(())
    } else {
        Err(DemoError::Expected("have the message accepted"))
    }
}

/// This program with another subcommand and an environment of its own.
fn own_command(subcommand: &str, directory: &Path) -> Result<Command, DemoError> {
    let program = std::env::current_exe().map_err(failed("find its own program"))?;
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("WEBSMS_CONF", directory.join("websms.conf"))
        .env("WEBSMS_LOG", "error")
        .arg(subcommand)
        .stdin(Stdio::null());
    Ok(command)
}

struct DemoDaemon {
    child: Child,
    address: String,
}

impl DemoDaemon {
    fn start(directory: &Path) -> Result<Self, DemoError> {
        let mut child = own_command("websmsd", directory)?
            .args(["--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed("start websmsd"))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout)
                .read_line(&mut line)
                .map_err(failed("read the output of websmsd"))?;
        }
        let address = line.trim().strip_prefix("listening on ").map(str::to_owned);
        let mut daemon = Self {
            child,
            address: String::new(),
        };
        match address {
            Some(address) => daemon.address = address,
            None => return Err(DemoError::Expected("start websmsd")),
        }
        Ok(daemon)
    }

    fn stop(&mut self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // An error means that it has ended already.
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

/// Takes one request, answers 200 and returns the request.
fn answer_one(provider: &TcpListener) -> io::Result<String> {
    let (stream, _) = provider.accept()?;
    stream.set_read_timeout(Some(STEP_TIMEOUT))?;
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
    stream.set_read_timeout(Some(STEP_TIMEOUT))?;
    stream.write_all(request.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn wait_for_file(directory: &Path) -> Result<String, DemoError> {
    let end = Instant::now() + STEP_TIMEOUT;
    while Instant::now() < end {
        let mut entries = std::fs::read_dir(directory).map_err(failed("read the spool"))?;
        if let Some(entry) = entries.next() {
            let path = entry.map_err(failed("read the spool"))?.path();
            return std::fs::read_to_string(path).map_err(failed("read the call file"));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Err(DemoError::Expected("find a call file in outgoing"))
}

fn indented(text: &str) -> String {
    text.lines().flat_map(|line| ["    ", line, "\n"]).collect()
}

/// Prints a text and an empty line.
fn paragraph(text: &str) {
    print(&format!("{text}\n"));
}

#[derive(Debug, Error)]
enum DemoError {
    #[error("{0}")]
    Expected(&'static str),
    #[error("{step}")]
    Io {
        step: &'static str,
        source: io::Error,
    },
}

fn failed(step: &'static str) -> impl FnOnce(io::Error) -> DemoError {
    move |source| DemoError::Io { step, source }
}
