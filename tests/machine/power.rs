//! Power loss, replayed.
//!
//! strace records what the daemon does to files under load. A model of a file
//! system that keeps only what was synced tells what a disk may hold when the
//! power goes: of a file what it held at its last fsync, of a directory what
//! was done before its last fsync and then as much of the rest as it likes. A
//! rename is one act, also from one directory to another.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::strace::Tracer;
use crate::support::daemon::{self, Server};
use crate::support::http::{self, Connection, JSON};
use crate::support::messages::whole;
use crate::support::{Spool, callfile, size};

const TO: &str = "+12025550160";

/// Calls that change files or tell somebody.
const CALLS: &str = "trace=openat,creat,write,pwrite64,writev,sendto,sendmsg,recvfrom,read,\
                     ftruncate,truncate,fsync,fdatasync,sync_file_range,sync,syncfs,rename,\
                     renameat,renameat2,link,linkat,unlink,unlinkat,close,accept4";

/// A call that has returned well.
struct Call {
    name: String,
    arguments: String,
    result: i64,
    /// The lines on which it begins and ends.
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

/// The calls of all threads in the order in which they took effect. Of a call that
/// another thread interrupted, strace writes start and end apart.
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
            // The start of it was before strace came.
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
    // A descriptor is free, and another thread's, before its close has returned.
    calls.sort_by_key(|call| match call.name.as_str() {
        "close" => call.begin,
        _ => call.end,
    });
    calls
}

/// What is done to names.
#[derive(Debug, Clone)]
enum Act {
    Create(PathBuf, usize),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

#[derive(Debug, Default, Clone)]
struct File {
    data: Vec<u8>,
    synced: Vec<u8>,
}

/// What happened, as far as it matters to a disk.
#[derive(Default)]
struct Recording {
    /// Acts, with the line on which each ended, and what each file held for
    /// good at that time.
    acts: Vec<(usize, Act, Vec<Vec<u8>>)>,
    files: Vec<File>,
    /// Lines on which a sync of staging began and ended.
    syncs: Vec<(usize, usize)>,
    /// Lines on which answers began, and what each had been asked.
    answers: Vec<(usize, Vec<u8>)>,
}

impl Recording {
    fn new(trace: &str, staging: &Path) -> Self {
        let mut recording = Self::default();
        let mut open: HashMap<i64, usize> = HashMap::new();
        let mut directories = BTreeSet::new();
        let mut asked: HashMap<i64, Vec<u8>> = HashMap::new();
        let mut names: BTreeMap<PathBuf, usize> = BTreeMap::new();
        for call in calls(trace) {
            match call.name.as_str() {
                "openat" if call.arguments.contains("O_CREAT") => {
                    let path = call.paths().remove(0);
                    let file = recording.files.len();
                    recording.files.push(File::default());
                    open.insert(call.result, file);
                    names.insert(path.clone(), file);
                    recording.act(call.end, Act::Create(path, file));
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
                    recording.assert_whole(file, &to);
                    names.insert(to.clone(), file);
                    recording.act(call.end, Act::Rename(from, to));
                }
                "unlink" | "unlinkat" => {
                    let path = call.paths().remove(0);
                    names.remove(&path);
                    recording.act(call.end, Act::Remove(path));
                }
                "recvfrom" | "read" => {
                    let said = call.strings().into_iter().next().unwrap_or_default();
                    asked.entry(call.descriptor()).or_default().extend(said);
                }
                "accept4" | "openat" => {}
                "writev" | "sendto" | "sendmsg" => {
                    let said = call.strings().concat();
                    if said.starts_with(b"HTTP/1.1 200 ") {
                        let asked = asked.remove(&call.descriptor()).unwrap();
                        recording.answers.push((call.begin, asked));
                    }
                }
                other => panic!("the model does not know {other}({})", call.arguments),
            }
        }
        recording
    }

    fn act(&mut self, line: usize, act: Act) {
        let synced = self.files.iter().map(|file| file.synced.clone()).collect();
        self.acts.push((line, act, synced));
    }

    /// What gets the name of a call file holds all that it will ever hold, for
    /// good: it may be in outgoing at once after the power is back.
    fn assert_whole(&self, file: usize, name: &Path) {
        let File { data, synced } = &self.files[file];
        assert!(data == synced, "{} was not synced", name.display());
        let problem = callfile::message(synced).err();
        assert_eq!(problem, None, "{} is torn", name.display());
    }

    /// The messages that had been acknowledged before a line, by sender.
    fn acknowledged(&self, line: usize) -> BTreeSet<String> {
        let before = self.answers.iter().filter(|(begin, _)| *begin < line);
        before.flat_map(|(_, asked)| senders(asked)).collect()
    }

    /// The sender whose message a file carries.
    fn sender(&self, file: usize) -> Option<String> {
        let message = callfile::message(&self.files[file].data).ok()?;
        Some(message.1)
    }

    /// How many acts every disk has kept at a line: those that ended before a
    /// sync began which has ended.
    fn kept(&self, line: usize) -> usize {
        let ended = self.syncs.iter().filter(|(_, end)| *end < line);
        let begun = ended.map(|(begin, _)| *begin).max().unwrap_or(0);
        self.acts.partition_point(|(end, ..)| *end < begun)
    }

    /// Whether a file is complete in staging or outgoing at a line, whichever
    /// of the acts on it that need not have been kept have been.
    fn survives(&self, file: usize, line: usize) -> bool {
        let kept = self.kept(line);
        let done = self.acts.iter().take_while(|(end, ..)| *end < line);
        let mut name: Option<&PathBuf> = None;
        let mut certain = None;
        let mut possible = BTreeSet::new();
        for (number, (_, act, _)) in done.enumerate() {
            match act {
                Act::Create(path, created) if *created == file => name = Some(path),
                Act::Rename(from, to) if name == Some(from) => name = Some(to),
                Act::Remove(path) if name == Some(path) => name = None,
                _ => continue,
            }
            if number < kept {
                certain = name;
            } else {
                possible.insert(name);
            }
        }
        // One of these it is; each must be the name of a call file.
        possible.insert(certain);
        let is_call = |name: Option<&PathBuf>| {
            name.is_some_and(|name| name.extension().is_some_and(|word| word == "call"))
        };
        let File { data, synced } = &self.files[file];
        possible.iter().copied().all(is_call) && data == synced
    }

    /// What is in staging and outgoing when the first acts have been kept, and
    /// nothing of a file that was not synced by then.
    fn disk(&self, acts: usize) -> BTreeMap<&PathBuf, &[u8]> {
        let mut names = BTreeMap::new();
        for (_, act, _) in &self.acts[..acts] {
            match act {
                Act::Create(path, file) => {
                    names.insert(path, *file);
                }
                Act::Rename(from, to) => {
                    let file = names.remove(from).unwrap();
                    names.insert(to, file);
                }
                Act::Remove(path) => {
                    names.remove(path);
                }
            }
        }
        let Some((_, _, synced)) = self.acts[..acts].last() else {
            return BTreeMap::new();
        };
        let content = |(name, file): (_, usize)| (name, synced[file].as_slice());
        names.into_iter().map(content).collect()
    }
}

/// The senders that a request names: numbers of a form that nothing else has.
fn senders(asked: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(asked).replace("%2B", "+");
    let found = text.match_indices("+1900");
    let number = |(at, _)| text[at..at + 9].to_owned();
    let found: BTreeSet<_> = found.map(number).collect();
    found.into_iter().collect()
}

/// A sender, and the text that comes from it: every third makes three call
/// files.
fn message(number: usize) -> (String, String) {
    let from = format!("+1900{number:04}");
    let length = if number.is_multiple_of(3) { 2500 } else { 10 };
    (from, "x".repeat(length))
}

fn record(spool: &Spool, requests: usize) -> Recording {
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
fn power_loss_at_any_moment_loses_nothing_that_was_acknowledged() {
    let requests = size("WEBSMS_TEST_REQUESTS", 40);
    let spool = Spool::new();
    let recording = record(&spool, requests);
    assert_eq!(recording.answers.len(), requests, "all have been recorded");
    // At each answer, and at the end: all files of what was acknowledged.
    let carried: Vec<_> = (0..recording.files.len())
        .filter_map(|file| Some((recording.sender(file)?, file)))
        .collect();
    for (line, _) in &recording.answers {
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
    // What the next start makes of it. Acts are kept in order here, as file
    // systems with a journal do.
    let cuts = recording.acts.len();
    let step = cuts.div_ceil(size("WEBSMS_TEST_CUTS", 60)).max(1);
    let mut starts = 0;
    for acts in (0..=cuts).step_by(step) {
        let disk = recording.disk(acts);
        // The latest that the disk can be like this: before a sync ends that
        // has the next act in it.
        let latest = recording.acts.get(acts).map_or(usize::MAX, |(next, ..)| {
            let covers = recording.syncs.iter().find(|(begin, _)| begin > next);
            covers.map_or(usize::MAX, |(_, end)| *end)
        });
        let acknowledged = recording.acknowledged(latest);
        assert_recovers(&spool, &disk, &acknowledged, requests);
        starts += 1;
    }
    println!(
        "{requests} requests, {} files, {cuts} acts, {} syncs, {starts} starts",
        carried.len(),
        recording.syncs.len()
    );
}

/// Starts the daemon on such a disk: what it delivers is whole, and all that
/// was acknowledged is among it.
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
    let arrived = whole(&files).unwrap();
    let senders: BTreeSet<_> = arrived.iter().map(|message| message.from.clone()).collect();
    let lost: Vec<_> = acknowledged.difference(&senders).collect();
    assert!(lost.is_empty(), "lost {lost:?} of {disk:?}");
    for arrived in arrived {
        let number: usize = arrived.from[5..].parse().unwrap();
        assert!(number < 2 * requests);
        assert_eq!(arrived.text, message(number).1);
    }
}
