//! Clients that post one message after another.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::subject::Server;
use crate::support::http::{self, Connection};
use crate::usage::{Figures, cpu, resident};

/// A number of connections that post messages for some time.
pub(crate) struct Load {
    connections: usize,
    lasts: Duration,
    keep_alive: bool,
    pace: Option<Pace>,
}

/// A rate that does not depend on responses.
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

    /// With a connection for each message, for a server without keep-alive.
    pub(crate) fn closing(self) -> Self {
        let keep_alive = false;
        Self { keep_alive, ..self }
    }

    pub(crate) fn paced(self, pace: Pace) -> Self {
        let pace = Some(pace);
        Self { pace, ..self }
    }

    /// Posts to a server; returns its figures. Every response must be 200.
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
            // A thousand conversations, as on a busy PBX.
            let to = format!("+1202555{:04}", (client * 97 + latencies.len()) % 1000);
            let text = "Your parcel arrives tomorrow between 9 and 11. Reply 1 to change.";
            let form = http::message(&to, "+15017122661", text);
            let mut due = Instant::now();
            if let Some(pace) = &self.pace {
                // The wait for a free client counts.
                due = pace.next(start);
                thread::sleep(due.saturating_duration_since(Instant::now()));
            } else if !self.keep_alive {
                connection = Connection::new(server.address);
            }
            assert_eq!(connection.post(&form), 200);
            latencies.push(due.elapsed());
        }
        latencies
    }
}
