//! The duration of one message from exec to exit, compared with the start of a
//! process and of PHP's interpreter; and the size of the binary.
//!
//! Run with `cargo bench --bench start`. The commands take turns, so that other load
//! on the machine affects all of them equally; medians of one run are compared.

#![allow(
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

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::{Answer, Provider, Websms, program};

const ROUNDS: usize = 200;

/// The size limit of the stripped binary, in bytes.
const SIZE_MAX: u64 = 8 * 1024 * 1024;

/// A name, and the function that makes the command.
struct Measured<'a>(&'static str, Box<dyn Fn() -> Command + 'a>);

fn main() {
    let size = program().metadata().unwrap().len();
    println!("binary: {} KiB", size / 1024);
    assert!(size <= SIZE_MAX, "larger than {SIZE_MAX} bytes");
    let provider = Provider::answering(Answer::ok());
    let websms = Websms::to(&provider, &[]);
    let send = || websms.command(&["+12025550183", "+12025550160", "Hello"]);
    // The directory for temporary files may be in memory.
    let disk = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let outbox = disk.path().join("outbox").display().to_string();
    let queued = Websms::to(&provider, &[("delivery", "queue"), ("outboxdir", &outbox)]);
    let queue = || queued.command(&["+12025550183", "+12025550160", "Hello"]);
    let mut commands: Vec<Measured<'_>> = vec![
        Measured("/bin/true", Box::new(|| Command::new("/bin/true"))),
        Measured("websms, direct, plain HTTP", Box::new(send)),
        Measured("websms, queue, synced", Box::new(queue)),
    ];
    if Command::new("php").arg("-v").output().is_ok() {
        commands.push(Measured("php -r ''", Box::new(php)));
    } else {
        println!("php: not installed (Debian package php-cli)");
    }
    let times = measure(&commands);
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    for (Measured(name, _), times) in commands.iter().zip(&times) {
        println!(
            "{name}: {:.2} ms, 99 % within {:.2} ms",
            milliseconds(times[ROUNDS / 2]),
            milliseconds(times[ROUNDS * 99 / 100])
        );
    }
    let medians: Vec<_> = times.iter().map(|times| times[ROUNDS / 2]).collect();
    let ratio = |of: usize, to: usize| medians[of].as_secs_f64() / medians[to].as_secs_f64();
    println!("websms, direct, to /bin/true: {:.2}", ratio(1, 0));
    println!(
        "websms, queue, to /bin/true: {:.2} (wanted: at most 3)",
        ratio(2, 0)
    );
    if medians.len() > 3 {
        println!(
            "websms, direct, to php -r '': {:.2} (wanted: at most 0.25)",
            ratio(1, 3)
        );
    }
    assert_eq!(provider.requests().len(), ROUNDS, "each message was sent");
}

fn php() -> Command {
    let mut command = Command::new("php");
    command.args(["-r", ""]);
    command
}

/// The times of each command, sorted; the commands take turns.
fn measure(commands: &[Measured<'_>]) -> Vec<Vec<Duration>> {
    let mut times = vec![Vec::new(); commands.len()];
    for _ in 0..ROUNDS {
        for (Measured(name, command), times) in commands.iter().zip(&mut times) {
            let mut command = command();
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            let start = Instant::now();
            let status = command.status().unwrap();
            times.push(start.elapsed());
            assert!(status.success(), "{name}");
        }
    }
    for times in &mut times {
        times.sort();
    }
    times
}
