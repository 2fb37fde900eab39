//! `websmsd`: the daemon.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::net::TcpListener;
use std::sync::Arc;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tracing::{error, info};

use crate::agi::fastagi;
use crate::cli::WebsmsdOptions;
use crate::command::{load, log, log_level};
use crate::config::{Config, ServerSettings};
use crate::exit::Exit;
use crate::health;
use crate::http::server;
use crate::http::server::client_address::TrustedProxies;
use crate::inbound::dedupe::Dedupe;
use crate::inbound::endpoint::Endpoint;
use crate::inbound::{MessageStore, ReceiptRecorder, WebhookHandler};
use crate::logging;
use crate::media::{self, PictureRecorder};
use crate::otp::service::OtpService;
use crate::otp::{self, OtpParts};
use crate::outbox::RunningOutbox;
use crate::spool::Spool;
use crate::spool::Threads;
use crate::spool::probe;
use crate::storage::durable::Directory;
use listeners::Listeners;
use otp_service::OtpListener;

mod listeners;
mod otp_service;

/// Serves until it is told to stop.
#[must_use]
pub fn run(options: &WebsmsdOptions) -> Exit {
    logging::start("websmsd", false, log_level().as_deref());
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
            error!(%error, "failed to serve");
            Exit::Internal
        }
    }
}

/// Everything that the daemon has to do with while it serves.
struct Daemon {
    config: Config,
    endpoints: Vec<Endpoint>,
    listeners: Listeners,
    spool: Spool,
    threads: Threads,
    dedupe: Dedupe,
    outbox: Option<RunningOutbox>,
    pictures: Option<PictureRecorder>,
    otp: Option<OtpParts>,
    runtime: Runtime,
}

/// Why the daemon did not start. The administrator must act.
struct StartFailure {
    problem: &'static str,
    detail: String,
}

/// An error that keeps the daemon from starting.
fn because<E: Display>(problem: &'static str) -> impl Fn(E) -> StartFailure {
    move |error| StartFailure {
        problem,
        detail: error.to_string(),
    }
}

impl Daemon {
    fn start(options: &WebsmsdOptions) -> Result<Self, StartFailure> {
        let (config, report) = load(&options.configured).ok_or_else(|| StartFailure {
            problem: "the configuration cannot be used",
            detail: String::new(),
        })?;
        log(&report);
        let endpoints = endpoints(&config)?;
        // The ports first: while another websmsd has them, nothing of its is
        // touched.
        let doors = Listeners::open(options, &config)?;
        let (spool, threads) =
            Spool::open(&config.spool).map_err(because("the spool cannot be used"))?;
        let dedupe = dedupe(&config).map_err(because("cannot remember message ids"))?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(because("no threads to be had"))?;
        let sending = RunningOutbox::start(&config, spool.clone(), runtime.handle().clone())
            .map_err(because("the outbox cannot be used"))?;
        let intake = media::start(&config, spool.clone(), runtime.handle())
            .map_err(because("pictures cannot be kept"))?;
        let otp = config.otp.as_ref().map(|otp| otp::open(&config, otp));
        let otp = otp.transpose();
        let otp = otp.map_err(|error| StartFailure {
            problem: "one-time passwords cannot be sent",
            detail: format!("[otp] failed to {error}"),
        })?;
        Ok(Self {
            config,
            endpoints,
            listeners: doors,
            spool,
            threads,
            dedupe,
            outbox: sending,
            pictures: intake,
            otp,
            runtime,
        })
    }

    fn serve(self) -> io::Result<()> {
        let Self {
            config,
            spool,
            outbox: sending,
            otp,
            runtime,
            ..
        } = self;
        let desk = otp.as_ref().map(|otp| Arc::clone(&otp.service));
        let calls = self.listeners.agi.map(|listener| {
            let handle = runtime.handle().clone();
            let server = fastagi::FastAgiServer::new(config.clone(), desk.clone(), handle);
            server.map(|server| server.start(listener))
        });
        let calls = calls.transpose().map_err(io::Error::other)?;
        let watched = self.listeners.health.map(|listener| HealthListener {
            listener,
            spool: spool.clone(),
            otp: desk.clone(),
        });
        let passwords = otp.zip(self.listeners.otp);
        let passwords =
            passwords.map(|(opened, listener)| OtpListener::new(opened, listener, &config.server));
        let record = recorder(sending.as_ref(), desk, runtime.handle());
        let routes = sending.as_ref().filter(|_| config.reply_auto);
        let routes = routes.map(RunningOutbox::reply_routes);
        let store = MessageStore::new(spool, self.dedupe, self.pictures, routes);
        let proxies = trusted_proxies(&config.server);
        let max_body = config.server.max_body;
        let receiver = WebhookHandler::new(self.endpoints, proxies, max_body, record, store);
        let served = runtime.block_on(async {
            let served = receive(self.listeners.webhooks, watched, passwords, receiver).await;
            // What is on its way runs on this thread, so it must not wait here.
            let _ = tokio::task::spawn_blocking(move || finish(calls, sending)).await;
            served
        });
        // Ends what still holds on to the spool.
        drop(runtime);
        // What was accepted is handed on before the process ends.
        self.threads.join();
        served
    }
}

/// Waits for calls and for requests to providers that are on their way, within
/// bounds.
fn finish(calls: Option<fastagi::RunningServer>, sending: Option<RunningOutbox>) {
    if let Some(calls) = calls {
        calls.finish();
    }
    if let Some(sending) = sending {
        sending.stop();
    }
}

/// Where receipts go: to the outbox, if there is one, and to the desk of one-time
/// passwords.
fn recorder(
    sending: Option<&RunningOutbox>,
    desk: Option<Arc<OtpService>>,
    runtime: &Handle,
) -> ReceiptRecorder {
    let receipts = sending.map(|sending| Arc::clone(&sending.receipts));
    let runtime = runtime.clone();
    Arc::new(move |receipt| {
        if let Some(desk) = &desk {
            desk.on_receipt(receipt, &runtime);
        }
        match &receipts {
            Some(receipts) => receipts.record(receipt),
            None => Ok(()),
        }
    })
}

/// Resolves the secrets of all interfaces: nothing is served without them.
fn endpoints(config: &Config) -> Result<Vec<Endpoint>, StartFailure> {
    let interfaces = config.incoming.iter().cloned();
    let endpoint = |settings: crate::config::IncomingInterface| {
        let interface = settings.interface.clone();
        Endpoint::new(settings).map_err(|error| StartFailure {
            problem: "a secret cannot be read",
            detail: format!("[websmsd] interface {interface}: failed to {error}"),
        })
    };
    interfaces.map(endpoint).collect()
}

fn trusted_proxies(settings: &ServerSettings) -> TrustedProxies {
    TrustedProxies {
        networks: settings.proxies.clone(),
        header: settings.proxy_header.clone(),
    }
}

/// What is known of messages that came before.
fn dedupe(config: &Config) -> Result<Dedupe, String> {
    let access = probe::access(&config.spool).map_err(|error| error.to_string())?;
    let directory = Directory::new(&config.spool.staging, access);
    Dedupe::open(directory).map_err(|error| error.to_string())
}

/// What whoever watches over the daemon is told about.
struct HealthListener {
    listener: TcpListener,
    spool: Spool,
    otp: Option<Arc<OtpService>>,
}

/// A line for whoever started the daemon by hand; stdout may be closed.
fn print(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Takes messages until a signal says to stop.
async fn receive(
    listener: TcpListener,
    watched: Option<HealthListener>,
    passwords: Option<OtpListener>,
    receiver: WebhookHandler,
) -> io::Result<()> {
    let terminate = signal(SignalKind::terminate())?;
    let interrupt = signal(SignalKind::interrupt())?;
    let address = listener.local_addr()?;
    let listener = asynchronous(listener)?;
    if let Some(HealthListener {
        listener,
        spool,
        otp: desk,
    }) = watched
    {
        let address = listener.local_addr()?;
        info!(%address, "telling how it is");
        tokio::spawn(health::run(asynchronous(listener)?, spool, desk));
    }
    let (stop_passwords, stopping) = watch::channel(());
    let passwords = passwords.map(|passwords| tokio::spawn(passwords.serve(stopping)));
    info!(%address, "listening");
    // For whoever asked for port 0.
    print(&format!("listening on {address}"));
    // Both at the same time: Docker waits ten seconds in all.
    let stopped = async {
        stop(terminate, interrupt).await;
        drop(stop_passwords);
    };
    server::run(listener, receiver, stopped).await;
    match passwords {
        Some(served) => served
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error))),
        None => Ok(()),
    }
}

fn asynchronous(listener: TcpListener) -> io::Result<tokio::net::TcpListener> {
    listener.set_nonblocking(true)?;
    tokio::net::TcpListener::from_std(listener)
}

async fn stop(mut terminate: Signal, mut interrupt: Signal) {
    let signal = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    };
    info!(signal, "stopping");
}
