//! The cost of a turn, and the machine.

use std::fmt;
use std::fs;
use std::time::Duration;

/// A clock tick of `/proc/PID/stat`: `sysconf(_SC_CLK_TCK)` is 100 on Linux.
const TICK: Duration = Duration::from_millis(10);

/// The figures of a turn.
pub(crate) struct Figures {
    /// Messages per second.
    pub(crate) rate: f64,
    pub(crate) median: Duration,
    pub(crate) percentile_99: Duration,
    pub(crate) slowest: Duration,
    /// User and system time of the subject, per message.
    pub(crate) cpu: Duration,
    /// Resident memory at the end.
    pub(crate) resident: Resident,
}

/// Resident memory, in KiB.
pub(crate) struct Resident(u64);

impl Figures {
    /// From the latencies of a turn and the CPU time of the subject.
    pub(crate) fn new(
        mut latencies: Vec<Duration>,
        lasted: Duration,
        cpu: Duration,
        resident: Resident,
    ) -> Self {
        latencies.sort();
        let messages = latencies.len();
        assert!(messages > 0, "no message was stored");
        let at = |part: usize| latencies[(messages * part / 100).min(messages - 1)];
        Self {
            rate: messages as f64 / lasted.as_secs_f64(),
            median: at(50),
            percentile_99: at(99),
            slowest: at(100),
            cpu: cpu / u32::try_from(messages).unwrap(),
            resident,
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.0} | {:.2} ms | {:.2} ms | {} µs | {}",
            self.rate,
            milliseconds(self.median),
            milliseconds(self.percentile_99),
            self.cpu.as_micros(),
            self.resident
        )
    }
}

impl fmt::Display for Resident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} MiB", self.0 as f64 / 1024.0)
    }
}

pub(crate) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// User and system time of a process so far (proc(5), `stat`).
pub(crate) fn cpu(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name in parentheses may hold blanks.
    let (_, rest) = stat.rsplit_once(')').unwrap();
    let fields: Vec<_> = rest.split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<u32>().unwrap();
    TICK * (ticks(11) + ticks(12))
}

/// Resident memory of a process now.
pub(crate) fn resident(pid: u32) -> Resident {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let size = line.and_then(|line| line.trim().split(' ').next()).unwrap();
    Resident(size.parse().unwrap())
}

/// A line about the machine.
pub(crate) fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model = cpus.lines().find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split(':').nth(1));
    let count = cpus.matches("processor\t").count();
    let memory = read("/proc/meminfo");
    let memory: u64 = memory
        .split_whitespace()
        .nth(1)
        .and_then(|size| size.parse().ok())
        .unwrap_or(0);
    format!(
        "{count} x{}, {} GiB, Linux {}, {}",
        model.unwrap_or(" unknown processor"),
        memory / 1024 / 1024,
        read("/proc/sys/kernel/osrelease").trim(),
        file_system()
    )
}

/// The file system of the measured disk.
fn file_system() -> String {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let here = env!("CARGO_TARGET_TMPDIR");
    let fields = mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>());
    let deepest = fields
        .filter(|fields| here.starts_with(fields[1]))
        .max_by_key(|fields| fields[1].len());
    deepest.map_or_else(String::new, |fields| fields[2].to_owned())
}
