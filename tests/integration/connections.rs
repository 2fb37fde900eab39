//! How many lines a stranger can write to the log.

use std::time::Instant;

use crate::support::daemon::Server;
use crate::support::{Daemon, Spool, wait_for};

const TO: &str = "+12025550160";
const FROM: &str = "+15017122661";

/// Lines of the same kind that a refusal may write, of one moment and the next.
const LINES_MAX: usize = 20;

fn lines(log: &str, message: &str) -> usize {
    log.lines().filter(|line| line.contains(message)).count()
}

/// Posts this many, all of which are refused.
fn flood(daemon: &Server, count: usize, status: u16) {
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..count / 8 {
                    assert_eq!(daemon.send(TO, FROM, "x").status, status);
                }
            });
        }
    });
}

#[test]
fn messages_that_cannot_be_stored_are_logged_within_bounds() {
    let spool = Spool::new();
    let config = format!("{}max_waiting = 1\n", spool.section());
    let daemon = Daemon::with(spool, &config);
    wait_for("max_waiting", || {
        (daemon.send(TO, FROM, "x").status == 503).then_some(())
    });
    let started = Instant::now();
    flood(&daemon, 5000, 503);
    // Another kind of refusal is logged all the same.
    assert_eq!(daemon.get("/").status, 405);
    daemon.wait_for_log("status=405");
    let log = daemon.log();
    let stored = lines(&log, "message not stored");
    let periods = 1 + usize::try_from(started.elapsed().as_secs()).unwrap() / 10;
    assert!((1..=periods * LINES_MAX).contains(&stored), "{stored}");
    assert!(log.lines().count() < 200, "{log}");
}
