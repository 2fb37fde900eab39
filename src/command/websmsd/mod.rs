//! `websmsd`: the daemon. Wires the modules, serves until a signal, and stops all
//! servers within one deadline.

use std::error::Error;
use std::io::{self, Write as _};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tracing::{error, info, warn};

use super::{become_owner, load, log, log_level};
use crate::agi::fastagi::FastAgiServer;
use crate::cli::WebsmsdOptions;
use crate::config::{self, Config, HttpSettings};
use crate::exit::Exit;
use crate::health::HealthHandler;
use crate::http::server;
use crate::http::server::client_address::TrustedProxies;
use crate::inbound::dedupe::Dedupe;
use crate::inbound::endpoint::Endpoint;
use crate::inbound::observer::MessageObserver;
use crate::inbound::{MessageStore, WebhookHandler};
use crate::logging::{self, chain, failed};
use crate::media;
use crate::otp::OtpParts;
use crate::outbox::RunningOutbox;
use crate::resilience::shutdown::{self, Shutdown, ShutdownTrigger};
use crate::spool::{Spool, SpoolThreads, probe};
use crate::storage::durable::Directory;
use listeners::{Listeners, raise_descriptor_limit};
use observer::Senders;
use otp_service::OtpListener;
use signals::Signals;

mod listeners;
mod observer;
mod otp_service;
mod signals;

/// Beyond the deadline, for the threads of the spool to hand on what was accepted.
const SPOOL_TIME: Duration = Duration::from_millis(300);

/// Serves until a signal stops it.
#[must_use]
pub fn run(options: &WebsmsdOptions) -> Exit {
    logging::start("websmsd", false, log_level().as_deref());
    info!(version = env!("CARGO_PKG_VERSION"), "starting");
    let daemon = match Daemon::start(options) {
        Ok(daemon) => daemon,
        Err(StartFailure { problem, detail }) => {
            error!(problem, detail, "not started");
            return Exit::Configuration;
        }
    };
    match daemon.serve() {
        Ok(()) => {
            info!("stopped");
            Exit::Success
        }
        Err(error) => {
            error!(error = %chain(&error), "serving failed");
            Exit::Internal
        }
    }
}

/// Everything that the daemon has opened before it serves.
struct Daemon {
    config: Config,
    listeners: Listeners,
    webhooks: WebhookHandler,
    fastagi: Option<FastAgiServer>,
    spool: Spool,
    threads: SpoolThreads,
    outbox: Option<RunningOutbox>,
    otp: Option<OtpParts>,
    trigger: ShutdownTrigger,
    shutdown: Shutdown,
    runtime: Runtime,
}

/// Why the daemon did not start. The administrator must act.
struct StartFailure {
    problem: &'static str,
    detail: String,
}

/// An error that keeps the daemon from starting.
fn because<E: Error>(problem: &'static str) -> impl Fn(E) -> StartFailure {
    move |error| StartFailure {
        problem,
        detail: failed(&error),
    }
}

impl Daemon {
    fn start(options: &WebsmsdOptions) -> Result<Self, StartFailure> {
        let (config, report) = load(&options.configured).ok_or_else(|| StartFailure {
            problem: "the configuration cannot be used",
            detail: String::new(),
        })?;
        log(&report);
        raise_descriptor_limit();
        // The ports first: some need root, and while another websmsd has them, its
        // files must not be touched.
        let listeners = Listeners::open(options, &config)?;
        give_up_root(options, &config)?;
        let endpoints = endpoints(&config)?;
        let (spool, threads) =
            Spool::open(&config.spool).map_err(because("the spool cannot be used"))?;
        let dedupe = dedupe(&config)?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| StartFailure {
                problem: "cannot start the runtime",
                detail: chain(&error),
            })?;
        let handle = runtime.handle();
        let (trigger, shutdown) = shutdown::channel();
        let outbox = RunningOutbox::start(&config, spool.clone(), handle.clone(), shutdown.clone())
            .map_err(because("the outbox cannot be used"))?;
        let pictures = media::start(&config, spool.clone(), handle)
            .map_err(because("pictures cannot be stored"))?;
        let otp = open_otp(&config)?;
        let service = otp.as_ref().map(|otp| Arc::clone(&otp.service));
        let fastagi = listeners.agi.is_some().then(|| {
            FastAgiServer::new(config.clone(), service.clone())
                .map_err(because("a provider cannot be used"))
        });
        let reply_routes = outbox.as_ref().and_then(|it| it.reply_routes.clone());
        let reply_routes = reply_routes.map(|it| it as Arc<dyn MessageObserver>);
        let senders = Senders::new(outbox.as_ref(), service, handle.clone());
        let webhooks = WebhookHandler::new(
            endpoints,
            trusted_proxies(&config.server.http),
            config.server.http.max_body,
            Arc::new(senders),
            MessageStore::new(spool.clone(), dedupe, pictures, reply_routes),
        );
        Ok(Self {
            webhooks,
            fastagi: fastagi.transpose()?,
            config,
            listeners,
            spool,
            threads,
            outbox,
            otp,
            trigger,
            shutdown,
            runtime,
        })
    }

    fn serve(self) -> io::Result<()> {
        let Self {
            runtime,
            threads,
            shutdown,
            trigger,
            ..
        } = self;
        let timeout = self.config.server.shutdown_timeout;
        let servers = Servers {
            config: self.config,
            listeners: self.listeners,
            webhooks: self.webhooks,
            fastagi: self.fastagi,
            spool: self.spool,
            outbox: self.outbox,
            otp: self.otp,
        };
        let served = runtime.block_on(async {
            let signals = Signals::new()?;
            tokio::select! {
                served = servers.serve(shutdown.clone()) => served,
                () = signals.handle(trigger, timeout) => Ok(()),
            }
        });
        // Drops what still holds on to the spool, so that its threads end.
        runtime.shutdown_timeout(SPOOL_TIME);
        join(threads);
        served
    }
}

/// The servers, and what they need.
struct Servers {
    config: Config,
    listeners: Listeners,
    webhooks: WebhookHandler,
    fastagi: Option<FastAgiServer>,
    spool: Spool,
    outbox: Option<RunningOutbox>,
    otp: Option<OtpParts>,
}

impl Servers {
    /// Serves until the shutdown starts and all servers have finished.
    async fn serve(self, shutdown: Shutdown) -> io::Result<()> {
        let Self {
            config,
            listeners,
            webhooks,
            fastagi,
            spool,
            outbox,
            otp,
        } = self;
        let service = otp.as_ref().map(|otp| Arc::clone(&otp.service));
        let health = async {
            if let Some(listener) = listeners.health {
                let listener = listening(listener, "health endpoint listening")?;
                let handler = HealthHandler::new(spool, service);
                server::run(listener, handler, shutdown.clone()).await;
            }
            Ok(())
        };
        let agi = async {
            if let Some((server, listener)) = fastagi.zip(listeners.agi) {
                let listener = listening(listener, "FastAGI listening")?;
                server.run(listener, shutdown.clone()).await;
            }
            Ok(())
        };
        let otp = async {
            if let Some((parts, listener)) = otp.zip(listeners.otp) {
                let otp = OtpListener::new(parts, listener, &config.server.http);
                otp.serve(shutdown.clone()).await?;
            }
            Ok(())
        };
        let webhooks = async {
            let address = listeners.webhooks.local_addr()?;
            let listener = listening(listeners.webhooks, "listening")?;
            // Port 0 lets the system choose the port.
            print(&format!("listening on {address}"));
            server::run(listener, webhooks, shutdown.clone()).await;
            Ok(())
        };
        let outbox = async {
            if let Some(outbox) = outbox {
                // Its requests run on this thread, so it must not wait here.
                let joined = tokio::task::spawn_blocking(move || outbox.join());
                joined.await.map_err(io::Error::other)?;
            }
            Ok(())
        };
        let served = tokio::try_join!(health, agi, otp, webhooks, outbox);
        served.map(|_: ((), (), (), (), ())| ())
    }
}

/// Becomes the owner of the spool, and logs what that user cannot read and others can.
fn give_up_root(options: &WebsmsdOptions, config: &Config) -> Result<(), StartFailure> {
    let configured = &options.configured;
    let unreadable = become_owner(configured, config);
    if let Some(unreadable) = unreadable.map_err(because("root must not use the spool"))? {
        warn!(error = %failed(&unreadable), "configuration unreadable for Asterisk");
    }
    let secrets = config::stored_secrets(&config.secrets, &configured.config);
    log(&secrets);
    Ok(())
}

/// Resolves the secrets of all interfaces: nothing is served without them.
fn endpoints(config: &Config) -> Result<Vec<Endpoint>, StartFailure> {
    let interfaces = config.incoming.iter().cloned();
    let endpoint = |settings: config::IncomingInterface| {
        let interface = settings.interface.clone();
        Endpoint::new(settings).map_err(|error| StartFailure {
            problem: "a secret cannot be read",
            detail: format!("[websmsd] interface {interface}: {}", failed(&error)),
        })
    };
    interfaces.map(endpoint).collect()
}

fn open_otp(config: &Config) -> Result<Option<OtpParts>, StartFailure> {
    let parts = config
        .otp
        .as_ref()
        .map(|otp| crate::otp::open(config, otp))
        .transpose();
    parts.map_err(|error| StartFailure {
        problem: "one-time passwords cannot be sent",
        detail: format!("[otp] {}", failed(&error)),
    })
}

fn dedupe(config: &Config) -> Result<Dedupe, StartFailure> {
    let problem = "message ids cannot be stored";
    let access = probe::access(&config.spool).map_err(because(problem))?;
    let directory = Directory::new(&config.spool.staging, access);
    Dedupe::open(directory).map_err(|error| StartFailure {
        problem,
        detail: chain(&error),
    })
}

fn trusted_proxies(settings: &HttpSettings) -> TrustedProxies {
    TrustedProxies {
        networks: settings.proxies.clone(),
        header: settings.proxy_header.clone(),
    }
}

/// Hands a socket to the runtime and logs its address.
fn listening(listener: std::net::TcpListener, message: &'static str) -> io::Result<TcpListener> {
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    info!(%address, "{message}");
    TcpListener::from_std(listener)
}

/// Waits until what was accepted has been handed on, within bounds: a disk that
/// hangs must not hold up the end.
fn join(threads: SpoolThreads) {
    let (ended, end) = mpsc::channel();
    let started = Instant::now();
    std::thread::spawn(move || {
        threads.join();
        // The receiver is gone when the time is over.
        let _ = ended.send(());
    });
    if end.recv_timeout(SPOOL_TIME).is_err() {
        let waited = started.elapsed();
        warn!(
            ?waited,
            "spool cut off by shutdown; staging is fed at the next start"
        );
    }
}

/// Prints a line for an administrator who starts the daemon by hand; stdout may be
/// closed.
fn print(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}
