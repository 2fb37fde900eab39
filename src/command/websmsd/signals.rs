//! Signals to the daemon: SIGTERM and SIGINT shut it down, a second one ends it at
//! once, SIGHUP does nothing.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use crate::resilience::shutdown::ShutdownTrigger;

/// The signals that the daemon listens to.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Takes the signals over from the kernel's defaults.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Starts the shutdown at the first signal and returns at the second.
    pub(super) async fn handle(mut self, trigger: ShutdownTrigger, timeout: Duration) {
        let signal = self.next().await;
        let seconds = timeout.as_secs();
        info!(signal, shutdown_timeout = seconds, "stopping");
        trigger.start(timeout);
        let signal = self.next().await;
        warn!(signal, "ending at once");
    }

    /// The next signal to end.
    async fn next(&mut self) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.hangup.recv() => {
                    warn!("SIGHUP ignored: restart websmsd to read a changed configuration");
                }
            }
        }
    }
}
