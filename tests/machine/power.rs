//! Simulated power loss.
//!
//! strace records the file operations of the daemon under load. A model of a file
//! system, which keeps only what was synced, tells what a disk may hold after a
//! power loss: of a file its content at its last fsync, of a directory all
//! operations before its last fsync and any of the later ones. A rename is one
//! operation, also between directories.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::strace::Tracer;
use crate::support::daemon::{self, Server};
use crate::support::http::{self, Connection, JSON};
use crate::support::messages::assemble;
use crate::support::{Spool, callfile, size};

const TO: &str = "+12025550160";

/// System calls that change files or send data.
const CALLS: &str = "trace=openat,creat,write,pwrite64,writev,sendto,sendmsg,recvfrom,read,\
                     ftruncate,truncate,fsync,fdatasync,sync_file_range,sync,syncfs,rename,\
                     renameat,renameat2,link,linkat,unlink,unlinkat,close,accept4";

/// A system call that has succeeded.
struct Call {
    name: String,
    arguments: String,
    result: i64,
    /// The lines of the trace on which it begins and ends.
    begin: usize,
    end: usize,
}

impl Call {
    /// Strings in the arguments, which strace writes as `"\x41\x42"`.
    fn strings(&self) -> Vec<Vec<u8>> {
        let quoted = self.arguments.split('"').skip(1).step_by(2);
        quoted
            .map(|text| {
                let digits = text.split("\\x").skip(1);
                digits
                    .map(|digits| u8::from_str_radix(digits, 16).unwrap())
                    .collect()
            })
            .collect()
    }

    fn paths(&self) -> Vec<PathBuf> {
        let text = |bytes| PathBuf::from(String::from_utf8(bytes).unwrap());
        self.strings().into_iter().map(text).collect()
    }

    fn descriptor(&self) -> i64 {
        let end = self.arguments.find([',', ')']).unwrap();
        self.arguments[..end].trim().parse().unwrap()
    }
}

/// The calls of all threads in the order of their effects. strace writes start and
/// end of a call on two lines when another thread interrupts it.
fn calls(trace: &str) -> Vec<Call> {
    let mut unfinished: HashMap<&str, (usize, &str)> = HashMap::new();
    let mut calls = Vec::new();
    for (end, line) in trace.lines().enumerate() {
        let (thread, rest) = line.split_once(' ').unwrap();
        let rest = rest.trim_start();
        if let Some(start) = rest.strip_suffix(" <unfinished ...>") {
            unfinished.insert(thread, (end, start));
            continue;
        }
        let (begin, whole) = match rest.strip_prefix("<... ") {
            // It started before strace was attached.
            Some(_) if !unfinished.contains_key(thread) => continue,
            Some(resumed) => {
                let (begin, start) = unfinished.remove(thread).unwrap();
                let (_, rest) = resumed.split_once(" resumed>").unwrap();
                (begin, format!("{start}{rest}"))
            }
            None => (end, rest.to_owned()),
        };
        let Some((name, rest)) = whole.split_once('(') else {
            continue;
        };
        let Some((arguments, result)) = rest.rsplit_once(" = ") else {
            continue;
        };
        let result = result.split(' ').next().unwrap().parse().unwrap_or(-1);
        if result >= 0 {
            calls.push(Call {
                name: name.to_owned(),
                arguments: arguments.to_owned(),
                result,
                begin,
                end,
            });
        }
    }
    // Another thread may get a descriptor before its close has returned.
    calls.sort_by_key(|call| match call.name.as_str() {
        "close" => call.begin,
        _ => call.end,
    });
    calls
}

/// An operation on a name in a directory.
#[derive(Debug, Clone)]
enum Operation {
    Create(PathBuf, usize),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

#[derive(Debug, Default, Clone)]
struct File {
    data: Vec<u8>,
    synced: Vec<u8>,
}

/// The recorded operations.
#[derive(Default)]
struct Recording {
    /// Operations, with the line on which each ended, and the synced content of
    /// every file at that time.
    operations: Vec<(usize, Operation, Vec<Vec<u8>>)>,
    files: Vec<File>,
    /// The lines on which each sync of staging began and ended.
    syncs: Vec<(usize, usize)>,
    /// The line on which each response began, and its request.
    responses: Vec<(usize, Vec<u8>)>,
}

impl Recording {
    fn new(trace: &str, staging: &Path) -> Self {
        let mut recording = Self::default();
        let mut open: HashMap<i64, usize> = HashMap::new();
        let mut directories = BTreeSet::new();
        let mut requests: HashMap<i64, Vec<u8>> = HashMap::new();
        let mut names: BTreeMap<PathBuf, usize> = BTreeMap::new();
        for call in calls(trace) {
            match call.name.as_str() {
                "openat" if call.arguments.contains("O_CREAT") => {
                    let path = call.paths().remove(0);
                    let file = recording.files.len();
                    recording.files.push(File::default());
                    open.insert(call.result, file);
                    names.insert(path.clone(), file);
                    recording.record(call.end, Operation::Create(path, file));
                }
                "openat" if call.paths()[0] == staging => {
                    directories.insert(call.result);
                }
                "close" => {
                    open.remove(&call.descriptor());
                    directories.remove(&call.descriptor());
                }
                "write" => {
                    if let Some(file) = open.get(&call.descriptor()) {
                        let data = call.strings().remove(0);
                        assert_eq!(i64::try_from(data.len()), Ok(call.result), "short");
                        recording.files[*file].data.extend(data);
                    }
                }
                "fsync" | "fdatasync" => {
                    let descriptor = call.descriptor();
                    if let Some(file) = open.get(&descriptor) {
                        let file = &mut recording.files[*file];
                        file.synced = file.data.clone();
                    } else if directories.contains(&descriptor) {
                        recording.syncs.push((call.begin, call.end));
                    }
                }
                "rename" | "renameat" | "renameat2" => {
                    let [from, to] = call.paths().try_into().unwrap();
                    let file = names.remove(&from).expect("a name that was given");
                    recording.assert_complete(file, &to);
                    names.insert(to.clone(), file);
                    recording.record(call.end, Operation::Rename(from, to));
                }
                "unlink" | "unlinkat" => {
                    let path = call.paths().remove(0);
                    names.remove(&path);
                    recording.record(call.end, Operation::Remove(path));
                }
                "recvfrom" | "read" => {
                    let data = call.strings().into_iter().next().unwrap_or_default();
                    requests.entry(call.descriptor()).or_default().extend(data);
                }
                "accept4" | "openat" => {}
                "writev" | "sendto" | "sendmsg" => {
                    let data = call.strings().concat();
                    if data.starts_with(b"HTTP/1.1 200 ") {
                        let request = requests.remove(&call.descriptor()).unwrap();
                        recording.responses.push((call.begin, request));
                    }
                }
                other => panic!("the model does not know {other}({})", call.arguments),
            }
        }
        recording
    }

    fn record(&mut self, line: usize, operation: Operation) {
        let synced = self.files.iter().map(|file| file.synced.clone()).collect();
        self.operations.push((line, operation, synced));
    }

    /// Asserts that a file is complete and synced when it gets the name of a call
    /// file: after a power loss it may be in outgoing at once.
    fn assert_complete(&self, file: usize, name: &Path) {
        let File { data, synced } = &self.files[file];
        assert!(data == synced, "{} was not synced", name.display());
        let problem = callfile::message(synced).err();
        assert_eq!(problem, None, "{} is torn", name.display());
    }

    /// The senders of the messages that were acknowledged before a line.
    fn acknowledged(&self, line: usize) -> BTreeSet<String> {
        let before = self.responses.iter().filter(|(begin, _)| *begin < line);
        before.flat_map(|(_, request)| senders(request)).collect()
    }

    /// The sender of the message in a file.
    fn sender(&self, file: usize) -> Option<String> {
        let message = callfile::message(&self.files[file].data).ok()?;
        Some(message.1)
    }

    /// How many operations are durable at a line: those that ended before the begin
    /// of a sync that has ended.
    fn kept(&self, line: usize) -> usize {
        let ended = self.syncs.iter().filter(|(_, end)| *end < line);
        let start = ended.map(|(begin, _)| *begin).max().unwrap_or(0);
        self.operations.partition_point(|(end, ..)| *end < start)
    }

    /// Whether a file survives as a complete call file at a line, whichever of the
    /// operations on it that are not durable yet are kept.
    fn survives(&self, file: usize, line: usize) -> bool {
        let kept = self.kept(line);
        let done = self.operations.iter().take_while(|(end, ..)| *end < line);
        let mut name: Option<&PathBuf> = None;
        let mut certain = None;
        let mut possible = BTreeSet::new();
        for (number, (_, operation, _)) in done.enumerate() {
            match operation {
                Operation::Create(path, created) if *created == file => name = Some(path),
                Operation::Rename(from, to) if name == Some(from) => name = Some(to),
                Operation::Remove(path) if name == Some(path) => name = None,
                _ => continue,
            }
            if number < kept {
                certain = name;
            } else {
                possible.insert(name);
            }
        }
        // It has one of these names; each must be that of a call file.
        possible.insert(certain);
        let is_call = |name: Option<&PathBuf>| {
            name.is_some_and(|name| name.extension().is_some_and(|word| word == "call"))
        };
        let File { data, synced } = &self.files[file];
        possible.iter().copied().all(is_call) && data == synced
    }

    /// The files in staging and outgoing when the first `count` operations are kept,
    /// with their content that was synced by then.
    fn disk(&self, count: usize) -> BTreeMap<&PathBuf, &[u8]> {
        let mut names = BTreeMap::new();
        for (_, operation, _) in &self.operations[..count] {
            match operation {
                Operation::Create(path, file) => {
                    names.insert(path, *file);
                }
                Operation::Rename(from, to) => {
                    let file = names.remove(from).unwrap();
                    names.insert(to, file);
                }
                Operation::Remove(path) => {
                    names.remove(path);
                }
            }
        }
        let Some((_, _, synced)) = self.operations[..count].last() else {
            return BTreeMap::new();
        };
        let content = |(name, file): (_, usize)| (name, synced[file].as_slice());
        names.into_iter().map(content).collect()
    }
}

/// The senders in a request: numbers of a form that nothing else in it has.
fn senders(request: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(request).replace("%2B", "+");
    let found = text.match_indices("+1900");
    let number = |(at, _)| text[at..at + 9].to_owned();
    let found: BTreeSet<_> = found.map(number).collect();
    found.into_iter().collect()
}

/// The sender and text of a message; every third needs three call files.
fn message(number: usize) -> (String, String) {
    let from = format!("+1900{number:04}");
    let length = if number.is_multiple_of(3) { 2500 } else { 10 };
    (from, "x".repeat(length))
}

fn run_recorded(spool: &Spool, requests: usize) -> Recording {
    let server = Server::run(daemon::command(&spool.configure("")));
    let trace = spool.path().join("trace");
    let arguments = ["-f", "-xx", "-s", "100000", "-e", CALLS];
    let tracer = Tracer::attach(server.pid(), &arguments, &trace);
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut connection = Connection::new(server.address);
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= requests {
                        return;
                    }
                    let (from, text) = message(number);
                    if !number.is_multiple_of(5) {
                        let form = http::message(TO, &from, &text);
                        assert_eq!(connection.post(&form), 200);
                        continue;
                    }
                    // Two messages in a request.
                    let (other_from, other) = message(number + requests);
                    let document = serde_json::json!([
                        {"To": TO, "From": from, "Body": text},
                        {"To": TO, "From": other_from, "Body": other},
                    ]);
                    let document = document.to_string();
                    let response = server.post("/", &[JSON], document.as_bytes());
                    assert_eq!(response.status, 200);
                }
            });
        }
    });
    spool.drain();
    drop(server);
    Recording::new(&tracer.detach(), &spool.staging())
}

#[test]
fn power_loss_at_any_moment_loses_no_acknowledged_message() {
    let requests = size("WEBSMS_TEST_REQUESTS", 40);
    let spool = Spool::new();
    let recording = run_recorded(&spool, requests);
    assert_eq!(
        recording.responses.len(),
        requests,
        "all responses were recorded"
    );
    // All files of acknowledged messages survive, at each response.
    let carried: Vec<_> = (0..recording.files.len())
        .filter_map(|file| Some((recording.sender(file)?, file)))
        .collect();
    for (line, _) in &recording.responses {
        let acknowledged = recording.acknowledged(line + 1);
        let mut files = 0;
        for (_, file) in carried
            .iter()
            .filter(|(from, _)| acknowledged.contains(from))
        {
            assert!(recording.survives(*file, *line), "file {file} at {line}");
            files += 1;
        }
        assert!(files >= acknowledged.len());
    }
    // The next start delivers them. Operations are kept in order here, as by file
    // systems with a journal.
    let cuts = recording.operations.len();
    let step = cuts.div_ceil(size("WEBSMS_TEST_CUTS", 60)).max(1);
    let mut starts = 0;
    for count in (0..=cuts).step_by(step) {
        let disk = recording.disk(count);
        // The disk can be in this state until a sync ends that covers the next
        // operation.
        let latest = recording
            .operations
            .get(count)
            .map_or(usize::MAX, |(next, ..)| {
                let covers = recording.syncs.iter().find(|(begin, _)| begin > next);
                covers.map_or(usize::MAX, |(_, end)| *end)
            });
        let acknowledged = recording.acknowledged(latest);
        assert_recovers(&spool, &disk, &acknowledged, requests);
        starts += 1;
    }
    println!(
        "{requests} requests, {} files, {cuts} operations, {} syncs, {starts} starts",
        carried.len(),
        recording.syncs.len()
    );
}

/// Starts the daemon on a disk in this state. Asserts that it delivers only complete
/// messages, and all acknowledged ones.
fn assert_recovers(
    recorded: &Spool,
    disk: &BTreeMap<&PathBuf, &[u8]>,
    acknowledged: &BTreeSet<String>,
    requests: usize,
) {
    let spool = Spool::new();
    for (path, content) in disk {
        let path = path.strip_prefix(recorded.path()).unwrap();
        std::fs::write(spool.path().join(path), content).unwrap();
    }
    let already = spool.call_files().len();
    let _server = Server::run(daemon::command(&spool.configure("")));
    let files = spool.drain();
    assert!(files.len() >= already);
    let arrived = assemble(&files).unwrap();
    let senders: BTreeSet<_> = arrived.iter().map(|message| message.from.clone()).collect();
    let lost: Vec<_> = acknowledged.difference(&senders).collect();
    assert!(lost.is_empty(), "lost {lost:?} of {disk:?}");
    for arrived in arrived {
        let number: usize = arrived.from[5..].parse().unwrap();
        assert!(number < 2 * requests);
        assert_eq!(arrived.text, message(number).1);
    }
}
