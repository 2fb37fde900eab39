//! `websms` without a process for each message: `AGI(agi://127.0.0.1/websms,…)`,
//! and `websms-otp` in the same way.
//!
//! Asterisk connects, sends the [`environment`], and
//! executes the commands that it gets (`res/res_agi.c`, `launch_netscript`).

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, BufReader};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep_until, timeout};
use tracing::{error, warn};

use crate::agi::commands::commands;
use crate::agi::environment::{self, RejectedCall, Script};
use crate::agi::session::AgiSession;
use crate::agi::submit::{self, Submission, SubmitResult};
use crate::config::{Config, DeliveryMode, OutgoingInterface};
use crate::http::server::admission::Admission;
use crate::http::server::connection_table::{ConnectionLimits, ConnectionTable, Place};
use crate::http::server::listener::{self, Entrance};
use crate::http::server::log_limit::LogLimit;
use crate::logging::{chain, failed};
use crate::model::id::Id;
use crate::model::interface::InterfaceName;
use crate::otp::agi::{self as otp_agi, OtpCommand};
use crate::otp::outcome::OtpOutcome;
use crate::otp::service::OtpService;
use crate::outbound::fallback::ProviderChain;
use crate::outbound::provider::ProviderError;
use crate::outbound::verdict::{Outcome, Reason};
use crate::resilience::shutdown::Shutdown;

/// Asterisk makes one connection after another for messages (`main/message.c`,
/// `ast_msg_queue`); AGI on other channels may add a few. One that says nothing gives
/// its place to the next, so that who can connect cannot shut out Asterisk.
const LIMITS: ConnectionLimits = ConnectionLimits {
    max: 64,
    reserved: 0,
    per_address: 48,
    per_recent_address: 48,
    waiting: 32,
    refused: 16,
};

/// For what Asterisk sends, which is complete when it connects.
const ENVIRONMENT_TIMEOUT: Duration = Duration::from_secs(2);

/// As much as Asterisk can send: an argument has at most 8,192 bytes
/// (`main/pbx.c`, `EXT_DATA_SIZE`).
const ENVIRONMENT_MAX: u64 = 64 * 1024;

/// Before the shutdown's deadline, so that Asterisk can still be notified that its
/// message was interrupted.
const ANSWER_TIME: Duration = Duration::from_millis(250);

/// A script and its arguments, or why it is not called.
type ReceivedCall = Result<(Script, Vec<OsString>), RejectedCall>;

/// Serves AGI calls of `websms` and `websms-otp`.
#[derive(Debug)]
pub(crate) struct FastAgiServer {
    config: Arc<Config>,
    providers: HashMap<InterfaceName, ProviderChain>,
    /// Sends and checks one-time passwords, if `[otp]` is configured.
    otp: Option<Arc<OtpService>>,
    refused: LogLimit,
    ended: LogLimit,
    rejected: LogLimit,
}

impl FastAgiServer {
    /// Prepares connections to all providers; makes none.
    ///
    /// # Errors
    /// When a provider cannot be used.
    pub(crate) fn new(config: Config, otp: Option<Arc<OtpService>>) -> Result<Self, ProviderError> {
        let chain = |outgoing: &OutgoingInterface| {
            let chain = ProviderChain::new(&config, outgoing)?;
            Ok::<_, ProviderError>((outgoing.interface.clone(), chain))
        };
        let providers = config.outgoing.iter().map(chain);
        Ok(Self {
            providers: providers.collect::<Result<_, _>>()?,
            config: Arc::new(config),
            otp,
            refused: LogLimit::default(),
            ended: LogLimit::default(),
            rejected: LogLimit::default(),
        })
    }

    /// Serves until the shutdown starts, then finishes the AGI calls in progress.
    pub(crate) async fn run(self, listener: TcpListener, shutdown: Shutdown) {
        let entrance = Entrance {
            admission: Admission::open(),
            table: ConnectionTable::new(LIMITS),
            // Asterisk reads commands, none of which says this.
            farewell: |_| String::new(),
        };
        let server = Arc::new(self);
        let ending = shutdown.clone();
        let serve = move |stream, peer, place: Place| {
            let (server, shutdown) = (Arc::clone(&server), ending.clone());
            async move {
                if !server.permits(peer) {
                    return;
                }
                if let Err(error) = server.serve(stream, peer, &place, &shutdown).await
                    && let Some(suppressed) = server.ended.allow()
                {
                    let error = chain(&error);
                    warn!(%peer, %error, suppressed, "FastAGI connection ended early");
                }
            }
        };
        listener::accept(listener, entrance, shutdown, serve).await;
    }

    /// Whether the peer may be Asterisk; others are not answered.
    fn permits(&self, peer: SocketAddr) -> bool {
        let address = peer.ip().to_canonical();
        let networks = &self.config.server.agi_permitted;
        let permitted = networks.iter().any(|network| network.contains(&address));
        if !permitted && let Some(suppressed) = self.refused.allow() {
            let remedy = "add the address to agi_permit_addr of [websmsd] if it is Asterisk's";
            warn!(%peer, remedy, suppressed, "FastAGI connection refused");
        }
        permitted
    }

    async fn serve(
        &self,
        mut stream: TcpStream,
        peer: SocketAddr,
        place: &Place,
        shutdown: &Shutdown,
    ) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let opened = tokio::select! {
            opened = open(&mut stream) => opened?,
            () = place.evicted() => {
                return Err(io::Error::other("another connection needs its place"));
            }
        };
        place.begin();
        let (session, call) = opened;
        let commands = self.commands(call, peer, shutdown).await;
        session.execute(&commands).await
    }

    /// The commands that Asterisk gets.
    async fn commands(&self, call: ReceivedCall, peer: SocketAddr, shutdown: &Shutdown) -> String {
        let id = Id::generate(None);
        let result = match call {
            Ok((Script::Otp, arguments)) => {
                let outcome = tokio::select! {
                    outcome = self.one_time_password(&arguments, peer) => outcome,
                    () = interrupted(shutdown) => {
                        warn!("one-time password interrupted by shutdown");
                        None
                    }
                };
                return otp_agi::commands(outcome);
            }
            Ok((Script::Websms, arguments)) => tokio::select! {
                result = self.submit(arguments, id) => result,
                () = interrupted(shutdown) => {
                    error!(%id, "message interrupted by shutdown; it may have been sent");
                    SubmitResult {
                        outcome: Outcome::Unknown,
                        ..SubmitResult::rejected(Reason::Interrupted)
                    }
                }
            },
            Err(error) => {
                if let Some(suppressed) = self.rejected.allow() {
                    let error = chain(&error);
                    error!(%id, %error, suppressed, "message not sent: not an AGI call of websms");
                }
                SubmitResult::rejected(Reason::BadArguments)
            }
        };
        commands(id, result)
    }

    async fn one_time_password(
        &self,
        arguments: &[OsString],
        peer: SocketAddr,
    ) -> Option<OtpOutcome> {
        let Some(otp) = &self.otp else {
            error!("no one-time password: [otp] is not in websms.conf");
            return None;
        };
        match OtpCommand::parse(arguments) {
            Ok(OtpCommand::Send { phone }) => Some(otp.send(peer.ip(), &phone).await),
            Ok(OtpCommand::Verify { phone, code }) => Some(otp.verify(&phone, Some(code)).await),
            Err(error) => {
                error!(error = %failed(&error), "no one-time password: wrong arguments");
                None
            }
        }
    }

    async fn submit(&self, arguments: Vec<OsString>, id: Id) -> SubmitResult {
        let config = Arc::clone(&self.config);
        // The outbox and the reply routes are on the disk.
        let queued = move || queued_or_planned(&config, &arguments, id);
        let planned = tokio::task::spawn_blocking(queued).await;
        match planned.unwrap_or(Err(SubmitResult::rejected(Reason::Interrupted))) {
            Ok(submission) => match self.providers.get(&submission.interface) {
                Some(providers) => submission.send(providers).await,
                None => submission.unsent(Reason::UnknownIndex),
            },
            Err(result) => result,
        }
    }
}

/// Reads which script Asterisk calls, and with what arguments.
async fn open(
    stream: &mut TcpStream,
) -> io::Result<(
    AgiSession<BufReader<ReadHalf<'_>>, WriteHalf<'_>>,
    ReceivedCall,
)> {
    let (reader, writer) = stream.split();
    let mut reader = BufReader::new(reader);
    let mut bounded = (&mut reader).take(ENVIRONMENT_MAX);
    let environment = timeout(ENVIRONMENT_TIMEOUT, environment::read(&mut bounded)).await??;
    let mut session = AgiSession::new(reader, writer);
    let call = if session.is_environment_whole().await? {
        environment::arguments(&environment)
    } else {
        Err(RejectedCall::Forged)
    };
    Ok((session, call))
}

/// A message that is to be sent now; else the result of planning or queueing it.
fn queued_or_planned(
    config: &Config,
    arguments: &[OsString],
    id: Id,
) -> Result<Submission, SubmitResult> {
    let submission = submit::plan(config, submit::read(arguments, id)?, id)?;
    match submission.mode {
        DeliveryMode::Direct => Ok(submission),
        DeliveryMode::Queue => Err(submission.queue(&config.outbox)),
    }
}

/// Waits until the shutdown leaves just enough time to answer Asterisk.
async fn interrupted(shutdown: &Shutdown) {
    let deadline = shutdown.started().await;
    sleep_until(deadline.checked_sub(ANSWER_TIME).unwrap_or(deadline)).await;
}
