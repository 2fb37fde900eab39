//! `websmsd`: the daemon.

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info};

use super::{load, log, log_level};
use crate::cli::Websmsd;
use crate::config::Config;
use crate::exit::Exit;
use crate::inbound::{self, Inbound};
use crate::logging;
use crate::spool::Spool;

/// Serves until it is told to stop.
#[must_use]
pub fn run(options: &Websmsd) -> Exit {
    logging::start("websmsd", false, log_level().as_deref());
    let Some((config, report)) = load(&options.configured) else {
        error!("not started: the configuration cannot be used");
        return Exit::Configuration;
    };
    log(&report);
    let (spool, threads) = match Spool::open(&config.queue) {
        Ok(opened) => opened,
        Err(error) => {
            error!(%error, "not started: the spool cannot be used");
            return Exit::Configuration;
        }
    };
    let address = options
        .listen
        .unwrap_or_else(|| SocketAddr::from((Ipv4Addr::UNSPECIFIED, options.port)));
    let served = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .and_then(|runtime| runtime.block_on(serve(address, config, spool)));
    // What was accepted is handed on before the process ends.
    threads.join();
    match served {
        Ok(()) => {
            info!("stopped");
            Exit::Success
        }
        Err(error) => {
            error!(%address, %error, "not started: cannot listen");
            Exit::Configuration
        }
    }
}

async fn serve(address: SocketAddr, config: Config, spool: Spool) -> io::Result<()> {
    let terminate = signal(SignalKind::terminate())?;
    let interrupt = signal(SignalKind::interrupt())?;
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    info!(%address, interfaces = config.incoming.len(), "listening");
    // For whoever asked for port 0; stdout may be closed.
    let _ = writeln!(io::stdout(), "listening on {address}");
    let inbound = Inbound::new(config.incoming, config.daemon, spool);
    inbound::run(listener, inbound, stop(terminate, interrupt)).await;
    Ok(())
}

async fn stop(mut terminate: Signal, mut interrupt: Signal) {
    let signal = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    };
    info!(signal, "stopping");
}
