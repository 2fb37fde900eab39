//! Thousands of connections from addresses that nothing comes from, while a provider
//! posts: it is answered, and the daemon stays small.
//!
//! `WEBSMS_TEST_STRANGERS` is the number of connections of each kind,
//! `WEBSMS_TEST_SECONDS` how long it takes.

use std::io::BufReader;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Builder;
use tokio::time::{sleep, timeout};

use crate::namespace::{ip, isolated};
use crate::support::daemon::{self, Daemon, Server};
use crate::support::http::{self, FORM};
use crate::support::{Spool, allow_descriptors, size, wait_for};

const TO: &str = "+12025550160";

const PROVIDER: Ipv4Addr = Ipv4Addr::new(10, 9, 9, 9);

/// All of it is this machine in the test's namespace, but not loopback to the daemon.
const NETWORK: &str = "10.0.0.0/8";

/// How long the provider may wait; now and then longer, because other tests use the
/// machine at the same time. No provider has less patience than the latter.
const ANSWER_MAX: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(5);

/// Between requests and between connections of a stranger.
const PAUSE: Duration = Duration::from_millis(2500);

/// One attack at a time, so that it has the machine's power.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// What the daemon may have resident, in KiB.
const RESIDENT_MAX: u64 = 64 * 1024;

/// A client that connects again as soon as it is cut off.
#[derive(Debug, Clone, Copy)]
enum Stranger {
    /// Asks every few seconds, on the same connection as long as it can.
    Asking,
    /// Says nothing.
    Silent,
    /// Does not send the end of a message.
    Slow,
}

/// Strangers at work, until it is dropped.
struct Attack {
    over: Arc<AtomicBool>,
    connected: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Attack {
    /// Connects `count` of each kind from `addresses` addresses.
    fn start(target: SocketAddr, kinds: &[Stranger], count: usize, addresses: usize) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let connected = Arc::new(AtomicUsize::new(0));
        let strangers: Vec<_> = kinds
            .iter()
            .flat_map(|kind| (0..count).map(move |number| (*kind, address(number % addresses))))
            .collect();
        let (ended, counted) = (Arc::clone(&over), Arc::clone(&connected));
        let thread = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let gap = PAUSE / u32::try_from(strangers.len()).unwrap();
                for (number, (kind, from)) in (0..).zip(strangers) {
                    let counted = Arc::clone(&counted);
                    tokio::spawn(async move {
                        // Strangers are not in step.
                        sleep(gap * number).await;
                        stranger(kind, from, target, counted).await;
                    });
                }
                while !ended.load(Ordering::Relaxed) {
                    sleep(Duration::from_millis(50)).await;
                }
            });
        });
        let attack = Self {
            over,
            connected,
            thread: Some(thread),
        };
        let all = kinds.len() * count;
        wait_for("all strangers", || {
            (attack.connected() >= all).then_some(())
        });
        attack
    }

    /// Connections so far.
    fn connected(&self) -> usize {
        self.connected.load(Ordering::Relaxed)
    }
}

impl Drop for Attack {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn address(number: usize) -> Ipv4Addr {
    let [.., high, low] = u32::try_from(number).unwrap().to_be_bytes();
    Ipv4Addr::new(10, 1, high, low)
}

async fn stranger(kind: Stranger, from: Ipv4Addr, target: SocketAddr, connected: Arc<AtomicUsize>) {
    loop {
        if let Ok(mut stream) = connect(from, target).await {
            connected.fetch_add(1, Ordering::Relaxed);
            match kind {
                Stranger::Asking => while ask(&mut stream).await {},
                Stranger::Silent => read_all(&mut stream).await,
                Stranger::Slow => {
                    let request =
                        http::request("POST", "/", &[FORM], &http::message(TO, "+1", "x"));
                    let _ = stream.write_all(&request[..request.len() - 1]).await;
                    read_all(&mut stream).await;
                }
            }
        }
        sleep(PAUSE).await;
    }
}

async fn connect(from: Ipv4Addr, target: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    socket.connect(target).await
}

/// Whether the connection lasts after one more request.
async fn ask(stream: &mut TcpStream) -> bool {
    if stream
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .is_err()
    {
        return false;
    }
    // As long as it pauses between requests.
    timeout(PAUSE, read_all(stream)).await.is_err()
}

/// Reads until the connection is closed.
async fn read_all(stream: &mut TcpStream) {
    while matches!(stream.read(&mut [0; 512]).await, Ok(1..)) {}
}

/// Posts as the provider for a while. Returns how long it waited for each answer.
fn post_for(target: SocketAddr, duration: Duration) -> Vec<Duration> {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let end = Instant::now() + duration;
    let mut waits = Vec::new();
    while Instant::now() < end {
        let form = http::message(TO, &format!("+1{:06}", waits.len()), "x");
        let request = http::request("POST", "/", &[FORM], &form);
        let started = Instant::now();
        let response = runtime.block_on(async {
            let mut stream = connect(PROVIDER, target).await.expect("connect");
            stream.write_all(&request).await.expect("send");
            let mut response = Vec::new();
            stream.read_to_end(&mut response).await.expect("receive");
            response
        });
        waits.push(started.elapsed());
        let response = http::read_response(&mut BufReader::new(&*response));
        assert_eq!(response.status, 200, "post {}", waits.len());
        // A provider posts now and then.
        thread::sleep(Duration::from_millis(50));
    }
    waits
}

/// The most that the daemon had resident, in KiB.
fn peak(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.unwrap().parse().unwrap()
}

/// Lets strangers of these kinds from so many addresses attack a daemon with this
/// configuration, while the provider posts, which may have posted before.
fn attack(config: &'static str, kinds: &'static [Stranger], addresses: usize, posted_before: bool) {
    let _alone = ONE_AT_A_TIME.lock();
    isolated(move || {
        ip(&format!("route add local {NETWORK} dev lo"));
        let count = size("WEBSMS_TEST_STRANGERS", 1500);
        let seconds = size("WEBSMS_TEST_SECONDS", 10);
        allow_descriptors(u64::try_from(4 * count + 1024).unwrap());
        let spool = Spool::new();
        let config = spool.configure(config);
        let mut command = daemon::listening(&config, "10.0.0.1:0");
        command.env("WEBSMS_LOG", "info");
        let daemon = Daemon::run(spool, command);
        if posted_before {
            post_for(daemon.address, Duration::from_millis(1));
        }
        let strangers = Attack::start(daemon.address, kinds, count, addresses);
        let duration = Duration::from_secs(u64::try_from(seconds).unwrap());
        let waits = post_for(daemon.address, duration);
        let connected = strangers.connected();
        drop(strangers);
        let peak = peak(&daemon);
        let log = daemon.log();
        let refused = log.lines().filter(|line| line.contains("refused")).count();
        let (posts, slowest) = (waits.len(), waits.iter().max().unwrap());
        let late = waits.iter().filter(|wait| **wait > ANSWER_MAX).count();
        println!(
            "{posts} posts, {late} of them late, the slowest {slowest:?}, among {connected} \
             connections {kinds:?} from {addresses} addresses; {peak} KiB, {refused} lines"
        );
        assert!(posts > seconds, "{posts}");
        assert!(late * 10 <= posts, "{late} of {posts}");
        assert!(*slowest < PATIENCE, "{slowest:?}");
        assert!(peak < RESIDENT_MAX, "{peak}");
        assert!(refused <= 40 * (2 + seconds / 10), "{refused}");
        let (status, log) = daemon.stop();
        assert!(status.success(), "{log}");
    });
}

const PERMITTED: &str = "[websmsd]\npermit_addr = 10.9.9.9/32\nproxy_addr = \"\"\n";

const OPEN: &str = "[websmsd]\nproxy_addr = \"\"\nrequest_uri = /\n";

#[test]
fn strangers_do_not_shut_out_a_permitted_provider() {
    attack(
        PERMITTED,
        &[Stranger::Silent, Stranger::Asking],
        3000,
        false,
    );
}

#[test]
fn silent_strangers_do_not_shut_out_a_provider_where_everybody_may_post() {
    attack(OPEN, &[Stranger::Silent], 8, false);
}

/// From more addresses than could have a share each.
#[test]
fn many_strangers_do_not_shut_out_a_provider_where_everybody_may_post() {
    attack(OPEN, &[Stranger::Silent, Stranger::Asking], 1500, false);
}

/// Whoever wants something keeps a place for longer; some are reserved.
#[test]
fn slow_strangers_do_not_shut_out_a_provider_that_has_posted_before() {
    attack(OPEN, &[Stranger::Slow], 1500, true);
}
