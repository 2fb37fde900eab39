//! `websmsd`: the daemon.

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info};

use super::{load, log, log_level};
use crate::cli::Websmsd;
use crate::config::Config;
use crate::durable::Directory;
use crate::exit::Exit;
use crate::health;
use crate::inbound::dedupe::Dedupe;
use crate::inbound::{self, Receiver};
use crate::logging;
use crate::spool::{Spool, probe};

/// Serves until it is told to stop.
#[must_use]
pub fn run(options: &Websmsd) -> Exit {
    logging::start("websmsd", false, log_level().as_deref());
    let Some((config, report)) = load(&options.configured) else {
        error!("not started: the configuration cannot be used");
        return Exit::Configuration;
    };
    log(&report);
    let address = options
        .listen
        .unwrap_or_else(|| SocketAddr::from((Ipv4Addr::UNSPECIFIED, options.port)));
    // The port first: while another websmsd has it, nothing of its is touched.
    let listener = match TcpListener::bind(address) {
        Ok(listener) => listener,
        Err(error) => {
            error!(%address, %error, "not started: cannot listen");
            return Exit::Configuration;
        }
    };
    let health = match config.daemon.health.map(TcpListener::bind).transpose() {
        Ok(health) => health,
        Err(error) => {
            error!(address = ?config.daemon.health, %error, "not started: cannot listen at health_listen");
            return Exit::Configuration;
        }
    };
    let (spool, threads) = match Spool::open(&config.queue) {
        Ok(opened) => opened,
        Err(error) => {
            error!(%error, "not started: the spool cannot be used");
            return Exit::Configuration;
        }
    };
    let dedupe = match dedupe(&config) {
        Ok(dedupe) => dedupe,
        Err(problem) => {
            error!(problem, "not started: cannot remember message ids");
            return Exit::Configuration;
        }
    };
    let served = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .and_then(|runtime| runtime.block_on(serve(listener, health, config, spool, dedupe)));
    // What was accepted is handed on before the process ends.
    threads.join();
    match served {
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

/// What is known of messages that came before.
fn dedupe(config: &Config) -> Result<Dedupe, String> {
    let access = probe::access(&config.queue).map_err(|error| error.to_string())?;
    let directory = Directory::new(&config.queue.staging, access);
    Dedupe::open(directory).map_err(|error| error.to_string())
}

async fn serve(
    listener: TcpListener,
    health: Option<TcpListener>,
    config: Config,
    spool: Spool,
    dedupe: Dedupe,
) -> io::Result<()> {
    let terminate = signal(SignalKind::terminate())?;
    let interrupt = signal(SignalKind::interrupt())?;
    let address = listener.local_addr()?;
    let listener = asynchronous(listener)?;
    info!(%address, interfaces = config.incoming.len(), "listening");
    // For whoever asked for port 0; stdout may be closed.
    let _ = writeln!(io::stdout(), "listening on {address}");
    if let Some(health) = health {
        let address = health.local_addr()?;
        info!(%address, "telling how it is");
        tokio::spawn(health::run(asynchronous(health)?, spool.clone()));
    }
    let receiver = Receiver::new(config.incoming, config.daemon, spool, dedupe);
    inbound::run(listener, receiver, stop(terminate, interrupt)).await;
    Ok(())
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
