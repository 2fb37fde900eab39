//! The cost of durable storage: `websmsd` compared with the ceilings of this machine.
//!
//! | subject | what it shows |
//! | --- | --- |
//! | disk | the file operations alone, with group commit: the ceiling of this disk |
//! | hyper | a server that reads the body and answers: the ceiling of HTTP here |
//! | websmsd | both, and its own work |
//! | php | PHP's built-in server, one `file_put_contents` and one `rename`, no fsync |
//!
//! Run with `cargo bench --bench store`. The subjects take turns, so that other load
//! on the machine affects all of them equally; the ratios within one run matter.
//! `WEBSMS_BENCH_SECONDS` is the length of a turn, `WEBSMS_BENCH_ROUNDS` the number of
//! turns of each subject, of which the median counts.

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

#[path = "../../support/mod.rs"]
mod support;

mod bare;
mod load;
mod subject;
mod usage;

use std::cell::Cell;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use load::{Load, Pace};
use subject::{Server, Waiting};
use usage::Figures;

const CONNECTIONS: [usize; 3] = [1, 8, 64];

/// The numbers of waiting files in the two runs that are compared.
const FEW: usize = 1_000;
const MANY: usize = 100_000;

/// Messages per second in a provider's busiest hour.
const STEADY: u32 = 500;

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    if arguments.get(1).is_some_and(|what| what == subject::HYPER) {
        return bare::serve();
    }
    let number = |name: &str, default| {
        let value = std::env::var(name).ok();
        value.map_or(default, |value| value.parse().expect(name))
    };
    let bench = Bench {
        turn: Duration::from_secs(number("WEBSMS_BENCH_SECONDS", 1)),
        rounds: number("WEBSMS_BENCH_ROUNDS", 1),
        scratch: Scratch::new(),
    };
    println!("{}", usage::machine());
    bench.compare_with_ceilings();
    bench.many_waiting();
    bench.steady();
}

struct Bench {
    turn: Duration,
    rounds: u64,
    scratch: Scratch,
}

/// A server or store that is measured.
#[derive(Clone, Copy, PartialEq)]
enum Subject {
    Disk,
    Hyper,
    Websmsd,
    Php,
}

impl Subject {
    fn name(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Hyper => "hyper",
            Self::Websmsd => "websmsd",
            Self::Php => "php",
        }
    }
}

impl Bench {
    fn compare_with_ceilings(&self) {
        let mut subjects = vec![Subject::Disk, Subject::Hyper, Subject::Websmsd];
        if subject::has_php() {
            subjects.push(Subject::Php);
        } else {
            println!("php: not installed (Debian package php-cli)");
        }
        println!(
            "\n| connections | | messages/s | median | 99 % | CPU per message | resident |\n\
             | ---: | --- | ---: | ---: | ---: | ---: | ---: |"
        );
        let mut ratios = Vec::new();
        for connections in CONNECTIONS {
            let figures = self.turns(&subjects, |subject| self.turn(*subject, connections));
            for (subject, figures) in subjects.iter().zip(&figures) {
                println!("| {connections} | {} | {figures} |", subject.name());
            }
            let rate = |subject| {
                let position = subjects.iter().position(|other| *other == subject);
                position.map(|position| figures[position].rate)
            };
            let (disk, hyper) = (rate(Subject::Disk).unwrap(), rate(Subject::Hyper).unwrap());
            let websmsd = rate(Subject::Websmsd).unwrap();
            let mut line = format!(
                "{connections}: websmsd to the lower ceiling {:.2}",
                websmsd / disk.min(hyper)
            );
            if let Some(php) = rate(Subject::Php) {
                line.push_str(&format!(", to php {:.2}", websmsd / php));
            }
            if connections == 1 {
                let median = |position: usize| figures[position].median.as_secs_f64();
                let latency = median(2) / median(0);
                line.push_str(&format!(
                    ", a lone message to bare file operations {latency:.2}"
                ));
            }
            ratios.push(line);
        }
        println!("\n{}", ratios.join("\n"));
    }

    fn turn(&self, subject: Subject, connections: usize) -> Figures {
        let folder = &self.scratch.folder();
        let load = Load::new(connections, self.turn);
        match subject {
            Subject::Disk => bare::store(folder, connections, self.turn),
            Subject::Hyper => load.on(&Server::hyper()),
            Subject::Websmsd => load.on(&Server::websmsd(folder, Waiting(0))),
            Subject::Php => load.closing().on(&Server::php(folder)),
        }
    }

    /// The cost of a message when few and when many others wait, and that of an idle
    /// daemon.
    fn many_waiting(&self) {
        println!("\n| waiting | messages/s | median | 99 % | CPU per message | resident |");
        println!("| ---: | ---: | ---: | ---: | ---: | ---: |");
        let server = Server::websmsd(&self.scratch.folder(), Waiting(0));
        println!("| 0, idle | | | | | {} |", usage::resident(server.pid()));
        drop(server);
        let waiting = [FEW, MANY];
        let load = Load::new(8, self.turn);
        let figures = self.turns(&waiting, |waiting| {
            load.on(&Server::websmsd(&self.scratch.folder(), Waiting(*waiting)))
        });
        for (waiting, figures) in waiting.iter().zip(&figures) {
            println!("| {waiting} | {figures} |");
        }
        println!(
            "\ncost of a message with {MANY} waiting to that with {FEW}: time {:.2}, CPU {:.2}",
            figures[0].rate / figures[1].rate,
            figures[1].cpu.as_secs_f64() / figures[0].cpu.as_secs_f64()
        );
    }

    /// The latency at a fixed rate, as a provider sees it.
    fn steady(&self) {
        let server = Server::websmsd(&self.scratch.folder(), Waiting(0));
        let pace = Pace::new(STEADY);
        let figures = Load::new(64, self.turn).paced(pace).on(&server);
        println!(
            "\nat {STEADY} messages/s: {:.0}/s, median {:.1} ms, 99 % {:.1} ms, slowest {:.1} ms",
            figures.rate,
            usage::milliseconds(figures.median),
            usage::milliseconds(figures.percentile_99),
            usage::milliseconds(figures.slowest)
        );
    }

    /// Runs all turns; returns the median of each subject, by rate.
    fn turns<S>(&self, subjects: &[S], turn: impl Fn(&S) -> Figures) -> Vec<Figures> {
        let mut all: Vec<Vec<Figures>> = subjects.iter().map(|_| Vec::new()).collect();
        for _ in 0..self.rounds {
            for (subject, figures) in subjects.iter().zip(&mut all) {
                figures.push(turn(subject));
            }
        }
        all.into_iter()
            .map(|mut figures| {
                figures.sort_by(|one, other| one.rate.total_cmp(&other.rate));
                figures.swap_remove(figures.len() / 2)
            })
            .collect()
    }
}

/// Directories for the turns, all kept until the end: on ext4 it is slow to create
/// files after others were removed within the last minutes, which would slow down the
/// next turn.
struct Scratch {
    directory: TempDir,
    count: Cell<usize>,
}

impl Scratch {
    /// On the disk of the project; the directory for temporary files may be in memory.
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap(),
            count: Cell::new(0),
        }
    }

    /// An empty directory, after all writes to the disk have ended.
    fn folder(&self) -> PathBuf {
        self.count.set(self.count.get() + 1);
        let folder = self.directory.path().join(self.count.get().to_string());
        std::fs::create_dir(&folder).unwrap();
        nix::unistd::syncfs(std::fs::File::open(&folder).unwrap()).unwrap();
        folder
    }
}
