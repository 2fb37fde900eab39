//! Clients that post one message after another.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::subject::Server;
use crate::support::http::{self, Connection};
use crate::usage::{Figures, cpu, resident};

/// So many connections for so long.
pub(crate) struct Load {
    connections: usize,
    lasts: Duration,
    keep_alive: bool,
    pace: Option<Pace>,
}

/// A rate that does not wait for answers.
pub(crate) struct Pace {
    every: Duration,
    next: AtomicU32,
}

impl Pace {
    pub(crate) fn new(per_second: u32) -> Self {
        let next = AtomicU32::new(0);
        let every = Duration::from_secs(1) / per_second;
        Self { every, next }
    }

    /// When the next message is due.
    fn next(&self, start: Instant) -> Instant {
        start + self.every * self.next.fetch_add(1, Ordering::Relaxed)
    }
}

impl Load {
    pub(crate) fn new(connections: usize, lasts: Duration) -> Self {
        Self {
            connections,
            lasts,
            keep_alive: true,
            pace: None,
        }
    }

    /// A connection for each message, for a server that knows nothing else.
    pub(crate) fn closing(self) -> Self {
        let keep_alive = false;
        Self { keep_alive, ..self }
    }

    pub(crate) fn paced(self, pace: Pace) -> Self {
        let pace = Some(pace);
        Self { pace, ..self }
    }

    /// What the server makes of it. Every answer must be 200.
    pub(crate) fn on(&self, server: &Server) -> Figures {
        let (start, before) = (Instant::now(), cpu(server.pid()));
        let latencies: Vec<_> = thread::scope(|scope| {
            let clients: Vec<_> = (0..self.connections)
                .map(|client| scope.spawn(move || self.client(client, server, start)))
                .collect();
            let latencies = clients.into_iter().map(|client| client.join().unwrap());
            latencies.flatten().collect()
        });
        let lasted = start.elapsed();
        let spent = cpu(server.pid()).checked_sub(before).unwrap();
        Figures::new(latencies, lasted, spent, resident(server.pid()))
    }

    fn client(&self, client: usize, server: &Server, start: Instant) -> Vec<Duration> {
        let mut connection = Connection::new(server.address);
        let mut latencies = Vec::new();
        while start.elapsed() < self.lasts {
            // As many conversations as a busy PBX has.
            let to = format!("+1202555{:04}", (client * 97 + latencies.len()) % 1000);
            let text = "Your parcel arrives tomorrow between 9 and 11. Reply 1 to change.";
            let form = http::message(&to, "+15017122661", text);
            let mut begun = Instant::now();
            if let Some(pace) = &self.pace {
                // A message that had to wait for a client has waited.
                begun = pace.next(start);
                thread::sleep(begun.saturating_duration_since(Instant::now()));
            } else if !self.keep_alive {
                connection = Connection::new(server.address);
            }
            assert_eq!(connection.post(&form), 200);
            latencies.push(begun.elapsed());
        }
        latencies
    }
}
