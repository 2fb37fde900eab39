//! Signals every part of the daemon when to stop, and until when to finish.
//!
//! All parts share one deadline, because their times to finish would add up
//! otherwise.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// Starts the shutdown; held by the handler of signals.
#[derive(Debug)]
pub(crate) struct ShutdownTrigger(watch::Sender<Option<Instant>>);

/// Follows the shutdown; a clone for each part of the daemon.
#[derive(Debug, Clone)]
pub(crate) struct Shutdown(watch::Receiver<Option<Instant>>);

/// A shutdown that has not started, and the trigger that starts it.
pub(crate) fn channel() -> (ShutdownTrigger, Shutdown) {
    let (sender, receiver) = watch::channel(None);
    (ShutdownTrigger(sender), Shutdown(receiver))
}

impl ShutdownTrigger {
    /// Makes all parts stop and finish within `timeout`.
    pub(crate) fn start(&self, timeout: Duration) {
        self.0.send_replace(Some(Instant::now() + timeout));
    }
}

impl Shutdown {
    /// Waits until the shutdown starts. The result is its deadline; it is over at
    /// once when the trigger was dropped.
    pub(crate) async fn started(&self) -> Instant {
        let mut receiver = self.0.clone();
        match receiver.wait_for(Option::is_some).await {
            Ok(deadline) => deadline.unwrap_or_else(Instant::now),
            Err(_) => Instant::now(),
        }
    }

    /// Whether the shutdown has started.
    pub(crate) fn has_started(&self) -> bool {
        self.0.borrow().is_some()
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Builder;
    use tokio::time::timeout;

    use super::*;

    fn run<T>(future: impl Future<Output = T>) -> T {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(future)
    }

    #[test]
    fn every_clone_gets_the_same_deadline() {
        run(async {
            let (trigger, first) = channel();
            let second = first.clone();
            let not_yet = timeout(Duration::from_millis(1), first.started()).await;
            assert!(not_yet.is_err());
            trigger.start(Duration::from_secs(8));
            let deadline = first.started().await;
            assert_eq!(second.started().await, deadline);
            assert!(deadline > Instant::now() + Duration::from_secs(7));
        });
    }

    #[test]
    fn dropped_trigger_is_a_shutdown() {
        run(async {
            let (trigger, shutdown) = channel();
            drop(trigger);
            assert!(shutdown.started().await <= Instant::now());
        });
    }
}
