//! One accept loop for every protocol: connection limit, errors that never end
//! it, and a shutdown within its deadline.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout_at};
use tracing::{error, info, warn};

use crate::logging::chain;
use crate::resilience::shutdown::Shutdown;

/// The pause after a failed accept: descriptors or memory are used up, and it
/// takes a while until some are free.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);

/// Beyond the shutdown's deadline, for tasks that end at it themselves and say what
/// they have cut off.
const ABORT_DELAY: Duration = Duration::from_millis(100);

/// Accepts at most `max_connections` at a time, each served by a task of its own,
/// until the shutdown starts; further ones wait in the kernel's queue and take no
/// memory. Then waits for the tasks, which know the deadline, and aborts those that
/// do not keep it.
pub(crate) async fn accept<S>(
    listener: TcpListener,
    max_connections: usize,
    shutdown: Shutdown,
    serve: impl Fn(TcpStream, SocketAddr) -> S,
) where
    S: Future<Output = ()> + Send + 'static,
{
    let permits = Arc::new(Semaphore::new(max_connections));
    let mut connections = JoinSet::new();
    let started = shutdown.started();
    tokio::pin!(started);
    let deadline = loop {
        while connections.try_join_next().is_some() {}
        let accepted = async {
            let permit = Arc::clone(&permits).acquire_owned().await;
            (listener.accept().await, permit)
        };
        let (accepted, permit) = tokio::select! {
            accepted = accepted => accepted,
            deadline = &mut started => break deadline,
        };
        match accepted {
            Ok((stream, peer)) => {
                let serving = serve(stream, peer);
                connections.spawn(async move {
                    serving.await;
                    drop(permit);
                });
            }
            Err(error) => {
                error!(error = %chain(&error), "failed to accept a connection");
                sleep(ACCEPT_RETRY).await;
            }
        }
    };
    drop(listener);
    let open = connections.len();
    let finished = timeout_at(deadline + ABORT_DELAY, async {
        while connections.join_next().await.is_some() {}
    });
    if finished.await.is_ok() {
        info!(connections = open, "connections finished");
    } else {
        let connections = connections.len();
        warn!(connections, "connections aborted by shutdown");
    }
}
