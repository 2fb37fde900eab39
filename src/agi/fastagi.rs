//! `websms` without a process for each message: `AGI(agi://127.0.0.1/websms,…)`,
//! and `websms-otp` in the same way.
//!
//! Asterisk connects, says what it would tell a program on stdin, with the
//! arguments among it, and executes what it is told (`res/res_agi.c`,
//! `launch_netscript`, `setup_env`). A line break in an argument forges lines
//! there, so FROM and BODY must come encoded, and lines that are not numbered
//! one after another are refused.
//!
//! A thread serves a connection: Asterisk makes one for each message, and hands
//! on one message at a time (`main/message.c`, `ast_msg_queue`).

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tracing::{error, info, warn};

use crate::agi::arguments;
use crate::agi::submit::{self, Submission, SubmitResult};
use crate::config::Config;
use crate::model::id::Id;
use crate::model::message::InterfaceName;
use crate::otp::agi::{self as otp_agi, OtpCommand};
use crate::otp::outcome::OtpOutcome;
use crate::otp::service::OtpService;
use crate::outbound::ProviderError;
use crate::outbound::fallback::ProviderChain;
use crate::outbound::verdict::Reason;

/// Connections at a time. Asterisk makes one after another; calls on other
/// channels may be a few more.
const CONNECTIONS_MAX: usize = 64;

/// For what Asterisk says: it is all there when it connects.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// As much as Asterisk can say: an argument has at most 8,192 bytes
/// (`main/pbx.c`, `EXT_DATA_SIZE`).
const ENVIRONMENT_MAX: u64 = 64 * 1024;

/// For calls under way when the daemon is told to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(4);

/// Serves calls of `websms`.
#[derive(Debug)]
pub(crate) struct FastAgiServer {
    config: Config,
    routes: HashMap<InterfaceName, ProviderChain>,
    /// Where one-time passwords are asked for, if they are.
    otp: Option<Arc<OtpService>>,
    runtime: Handle,
    active: Arc<AtomicUsize>,
}

/// A server that runs.
#[derive(Debug)]
pub(crate) struct RunningServer {
    active: Arc<AtomicUsize>,
}

impl RunningServer {
    /// Waits until the calls that are under way have been answered, within
    /// bounds.
    pub(crate) fn finish(self) {
        let end = Instant::now() + DRAIN_TIMEOUT;
        while self.active.load(Ordering::Acquire) > 0 && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A connection on which all is said in time, however small the pieces.
struct DeadlineReader<'a> {
    stream: &'a TcpStream,
    end: Instant,
}

impl<'a> DeadlineReader<'a> {
    /// From now on.
    fn new(stream: &'a TcpStream) -> Self {
        let end = Instant::now() + READ_TIMEOUT;
        Self { stream, end }
    }
}

impl io::Read for DeadlineReader<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        self.stream.read(bytes)
    }
}

/// One more that is active, until it is dropped.
struct ActiveConnection(Arc<AtomicUsize>);

impl Drop for ActiveConnection {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

impl FastAgiServer {
    /// A server whose requests run on `runtime`.
    ///
    /// # Errors
    /// When a provider cannot be used.
    pub(crate) fn new(
        config: Config,
        desk: Option<Arc<OtpService>>,
        runtime: Handle,
    ) -> Result<Self, ProviderError> {
        let route = |outgoing: &crate::config::OutgoingInterface| {
            let route = ProviderChain::new(&config, outgoing)?;
            Ok((outgoing.interface.clone(), route))
        };
        let routes = config.outgoing.iter().map(route);
        Ok(Self {
            routes: routes.collect::<Result<_, _>>()?,
            config,
            otp: desk,
            runtime,
            active: Arc::default(),
        })
    }

    /// Begins to serve. The threads end with the process.
    #[must_use]
    pub(crate) fn start(self, listener: TcpListener) -> RunningServer {
        if let Ok(address) = listener.local_addr() {
            info!(%address, "taking calls by FastAGI");
        }
        let running = RunningServer {
            active: Arc::clone(&self.active),
        };
        let server = Arc::new(self);
        std::thread::spawn(move || {
            loop {
                match listener.accept() {
                    Ok((stream, peer)) => server.admit(stream, peer),
                    Err(error) => {
                        error!(%error, "failed to accept a connection");
                        std::thread::sleep(Duration::from_millis(200));
                    }
                }
            }
        });
        running
    }

    fn admit(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        let before = self.active.fetch_add(1, Ordering::AcqRel);
        let active = ActiveConnection(Arc::clone(&self.active));
        if before >= CONNECTIONS_MAX {
            return error!(%peer, "FastAGI connection refused: too many at a time");
        }
        let server = Arc::clone(self);
        let thread = std::thread::Builder::new();
        let begun = thread.spawn(move || {
            if let Err(error) = server.serve(&stream) {
                warn!(%peer, %error, "FastAGI connection ended early");
            }
            drop(active);
        });
        if let Err(error) = begun {
            error!(%peer, %error, "failed to serve a FastAGI connection");
        }
    }

    fn serve(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_write_timeout(Some(READ_TIMEOUT))?;
        stream.set_nodelay(true)?;
        let mut said = BufReader::new(DeadlineReader::new(stream));
        let environment = environment(&mut said.by_ref().take(ENVIRONMENT_MAX))?;
        let commands = self.commands(&environment, stream.peer_addr()?);
        *said.get_mut() = DeadlineReader::new(stream);
        // One after another: Asterisk does not look for a command that came
        // together with the one before (`res/res_agi.c`, `run_agi`).
        let mut answers = said.take(ENVIRONMENT_MAX).lines();
        for command in commands.lines() {
            (&*stream).write_all(format!("{command}\n").as_bytes())?;
            answers.next().transpose()?;
        }
        Ok(())
    }

    /// What Asterisk shall do about what it says.
    fn commands(&self, environment: &[String], peer: SocketAddr) -> String {
        let id = Id::generate(None);
        let told = match arguments(environment) {
            Ok((Script::Otp, arguments)) => {
                return otp_agi::commands(self.one_time_password(&arguments, peer));
            }
            Ok((Script::Websms, arguments)) => self
                .call(&arguments, id)
                .unwrap_or_else(SubmitResult::rejected),
            Err(error) => {
                error!(%id, %error, "message not sent: not a call of websms");
                SubmitResult::rejected(Reason::BadArguments)
            }
        };
        arguments::commands(id, told.outcome, told.reason, told.segments)
    }

    fn one_time_password(&self, arguments: &[OsString], peer: SocketAddr) -> Option<OtpOutcome> {
        let Some(desk) = &self.otp else {
            error!("no one-time password: [otp] is not in websms.conf");
            return None;
        };
        match OtpCommand::parse(arguments) {
            Ok(OtpCommand::Send { phone }) => {
                Some(self.runtime.block_on(desk.send(peer.ip(), &phone)))
            }
            Ok(OtpCommand::Verify { phone, code }) => {
                Some(self.runtime.block_on(desk.verify(&phone, Some(code))))
            }
            Err(error) => {
                error!(%error, "no one-time password: wrong arguments");
                None
            }
        }
    }

    fn call(&self, arguments: &[OsString], id: Id) -> Result<SubmitResult, Reason> {
        let arguments = submit::read(arguments, id)?;
        let call = Submission::new(&self.config, arguments, id)?;
        Ok(call.execute(|call| {
            let route = self.routes.get(&call.outgoing.interface);
            let route = route.ok_or(Reason::UnknownIndex)?;
            Ok(self.runtime.block_on(call.send(route)))
        }))
    }
}

/// What Asterisk says up to the empty line, line by line.
fn environment(said: &mut impl BufRead) -> io::Result<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let mut line = Vec::new();
        said.read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line.is_empty() {
            return Ok(lines);
        }
        lines.push(String::from_utf8_lossy(&line).into_owned());
    }
}

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Script {
    /// `websms-otp`.
    Otp,
    /// `websms`.
    Websms,
}

/// What is called with which arguments, in what Asterisk says.
///
/// # Errors
/// When it is no call that there is, or could be a forged one.
fn arguments(environment: &[String]) -> Result<(Script, Vec<OsString>), RejectedCall> {
    let mut script = None;
    let mut arguments = Vec::new();
    for line in environment {
        let (name, value) = line.split_once(": ").ok_or(RejectedCall::Forged)?;
        if name == "agi_network_script" && script.is_none() {
            script = Some(value);
        } else if let Some(number) = name.strip_prefix("agi_arg_") {
            if number.parse() != Ok(arguments.len() + 1) {
                return Err(RejectedCall::Forged);
            }
            arguments.push(OsString::from(value));
        } else if !name.starts_with("agi_") || !arguments.is_empty() {
            return Err(RejectedCall::Forged);
        }
    }
    match (script, arguments.get(4)) {
        (Some("websms-otp"), _) => Ok((Script::Otp, arguments)),
        (Some("websms"), Some(encoding)) if !encoding.is_empty() => Ok((Script::Websms, arguments)),
        (Some("websms"), _) => Err(RejectedCall::Unencoded),
        (script, _) => Err(RejectedCall::Other(script.unwrap_or_default().to_owned())),
    }
}

/// A connection that does not call `websms` as it may be called here. The
/// dialplan must be mended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum RejectedCall {
    /// Lines that Asterisk does not write.
    Forged,
    /// Another script.
    Other(String),
    /// FROM and BODY as they are.
    Unencoded,
}

impl fmt::Display for RejectedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forged => f.write_str("an argument holds a line break, or this is not Asterisk"),
            Self::Other(script) => write!(
                f,
                "the script is {script:?} (expected agi://ADDRESS/websms or websms-otp)"
            ),
            Self::Unencoded => f.write_str(
                "by FastAGI, FROM and BODY must be encoded: pass base64 or base64-percent as \
                 the fifth argument",
            ),
        }
    }
}

impl std::error::Error for RejectedCall {}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(said: &str) -> Result<Vec<OsString>, RejectedCall> {
        let lines = environment(&mut said.as_bytes()).unwrap();
        arguments(&lines).map(|(_, arguments)| arguments)
    }

    const START: &str = "agi_network: yes\nagi_network_script: websms\n\
                         agi_request: agi://127.0.0.1/websms\nagi_callerid: \nagi_enhanced: 0.0\n\
                         agi_accountcode: \n";

    #[test]
    fn arguments_are_what_the_dialplan_gave() {
        let said = "agi_arg_1: +1\nagi_arg_2: Mg==\nagi_arg_3: YTogYg==\nagi_arg_4: \n\
                    agi_arg_5: base64\n\n";
        let arguments = read(&format!("{START}{said}")).unwrap();
        assert_eq!(arguments, ["+1", "Mg==", "YTogYg==", "", "base64"]);
    }

    #[test]
    fn what_could_be_forged_is_refused() {
        for (said, expected) in [
            // BODY is "x\nagi_arg_4: other\nagi_arg_5: base64".
            (
                "agi_arg_1: +1\nagi_arg_2: 2\nagi_arg_3: x\nagi_arg_4: other\nagi_arg_5: base64\n\
                 agi_arg_4: \n\n",
                RejectedCall::Forged,
            ),
            ("agi_arg_1: +1\nagi_arg_3: x\n\n", RejectedCall::Forged),
            ("agi_arg_1: +1\nhello\n\n", RejectedCall::Forged),
            (
                "agi_arg_1: +1\nagi_network_script: x\n\n",
                RejectedCall::Forged,
            ),
            ("evil: +1\n\n", RejectedCall::Forged),
            (
                "agi_arg_1: +1\nagi_arg_2: 2\nagi_arg_3: x\n\n",
                RejectedCall::Unencoded,
            ),
            (
                "agi_arg_1: 1\nagi_arg_2: 2\nagi_arg_3: x\nagi_arg_4: \nagi_arg_5: \n\n",
                RejectedCall::Unencoded,
            ),
        ] {
            assert_eq!(read(&format!("{START}{said}")), Err(expected), "{said}");
        }
        let other = "agi_network_script: other\n\n";
        assert_eq!(read(other), Err(RejectedCall::Other("other".to_owned())));
    }

    #[test]
    fn passwords_are_asked_for_by_another_name() {
        let said = "agi_network_script: websms-otp\nagi_arg_1: verify\nagi_arg_2: +1\n";
        let lines = environment(&mut format!("{said}agi_arg_3: 12\n\n").as_bytes()).unwrap();
        let (script, arguments_given) = arguments(&lines).unwrap();
        assert_eq!(script, Script::Otp);
        assert_eq!(arguments_given, ["verify", "+1", "12"]);
        // A number that holds a line break.
        let forged = format!("{said}agi_arg_3: 123456\nagi_arg_3: 12\n\n");
        assert_eq!(read(&forged), Err(RejectedCall::Forged));
    }

    #[test]
    fn what_breaks_off_is_an_error() {
        for said in ["", "agi_network: yes\n", "agi_network: yes"] {
            assert!(environment(&mut said.as_bytes()).is_err(), "{said}");
        }
    }
}
