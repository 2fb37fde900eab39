//! Messages per second that leave the outbox, by the latency of the provider and the
//! number of simultaneous requests.
//!
//! Run with `cargo bench --bench outbox`. `WEBSMS_BENCH_MESSAGES` is their number for
//! the fastest provider; the slower ones get fewer.

#![allow(
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::format_push_string,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints, and ends by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use support::outbox::Outbox;
use support::{Answer, Daemon, Provider, Spool, size};

fn main() {
    let messages = size("WEBSMS_BENCH_MESSAGES", 2000);
    println!("| provider answers in | requests at a time | messages/s | at best |");
    println!("| ---: | ---: | ---: | ---: |");
    for (latency, share) in [(0, 1), (20, 2), (200, 10)] {
        for concurrency in [8, 64] {
            let latency = Duration::from_millis(latency);
            let rate = rate(latency, concurrency, messages / share);
            let best = if latency.is_zero() {
                "–".to_owned()
            } else {
                format!("{:.0}", concurrency as f64 / latency.as_secs_f64())
            };
            println!(
                "| {} ms | {concurrency} | {rate:.0} | {best} |",
                latency.as_millis()
            );
        }
    }
}

/// Messages per second, from when the daemon starts until the outbox is empty.
fn rate(latency: Duration, concurrency: usize, messages: usize) -> f64 {
    let provider = Provider::deciding(move |_| {
        std::thread::sleep(latency);
        Answer::ok()
    });
    // The directory for temporary files may be in memory.
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let outbox = directory.path().join("outbox");
    fs::create_dir(&outbox).unwrap();
    fill(&outbox, messages);
    let spool = Spool::new();
    let config = format!(
        "[websms]\nhost = {}\nauth_method = none\ndelivery = queue\noutboxdir = {}\n\
         concurrency = {concurrency}\n{}",
        provider.url(),
        outbox.display(),
        spool.section()
    );
    let start = Instant::now();
    let _daemon = Daemon::with(spool, &config);
    Outbox::at(outbox).wait_until_empty();
    let rate = messages as f64 / start.elapsed().as_secs_f64();
    assert_eq!(provider.requests().len(), messages);
    rate
}

/// Writes messages as `websms` queues them, each in its own conversation, queued now.
fn fill(outbox: &Path, messages: usize) {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_micros();
    for number in 0..messages {
        let micros = now + number as u128;
        let name = format!("{micros:016}-00000000-{number:016x}.json");
        let record = format!(
            "{{\"interface\": \"\", \"to\": \"+1202{number:07}\", \"from\": \"+12025550160\", \
             \"text\": \"Your parcel arrives tomorrow between 9 and 11.\"}}\n"
        );
        fs::write(outbox.join(name), record).unwrap();
    }
}
