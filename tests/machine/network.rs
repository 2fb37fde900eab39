//! DNS failures, addresses that do not respond and cut cables, in network
//! namespaces.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

use crate::dns::{A, AAAA, NXDOMAIN, Reply, Resolver, SERVFAIL};
use crate::namespace::{Cable, DEAD, FAR, cover, isolated};
use crate::support::daemon::list;
use crate::support::http;
use crate::support::websms::variables;
use crate::support::{
    Answer, Daemon, Provider, Spool, Websms, program, section, size, wait_within,
};

const REMOTE: &str = "+12025550183";
const JOHN: &str = "+12025550160";

/// Never queried outside of the test.
const NAME: &str = "sms.example.com";

/// `connect_timeout` is 1 s and `timeout` much longer: a test that waits for
/// `timeout` fails.
const BOUND: Duration = Duration::from_millis(2500);

/// The dialplan variables that `websms` sets with a provider at `host`, and how long
/// it takes.
fn send(host: &str) -> (HashMap<String, String>, Duration) {
    let config = section(
        "websms",
        &[
            ("host", host),
            ("auth_method", "none"),
            ("connect_timeout", "1"),
            ("timeout", "8"),
        ],
    );
    let websms = Websms::configured(&config).under_agi();
    let start = Instant::now();
    let output = websms.run(&[REMOTE, JOHN, "x"]);
    let took = start.elapsed();
    (variables(&output.stdout), took)
}

fn assert_no_connection(host: &str) -> Duration {
    let (variables, took) = send(host);
    assert_eq!(variables["WEBSMS_STATUS"], "FAILED", "{host}");
    let error = &variables["WEBSMS_ERROR"];
    assert_eq!(error, "no connection to provider", "{host}");
    assert!(took < BOUND, "{host} took {took:?}");
    took
}

fn assert_sent(host: &str) -> Duration {
    let (variables, took) = send(host);
    let status = &variables["WEBSMS_STATUS"];
    assert_eq!(status, "SENT", "{host}: {variables:?}");
    assert!(took < BOUND, "{host} took {took:?}");
    took
}

fn address(address: &str, port: u16) -> SocketAddr {
    SocketAddr::new(address.parse().unwrap(), port)
}

fn addresses(addresses: &[&str]) -> Reply {
    let parsed = addresses.iter().map(|address| address.parse().unwrap());
    Reply::Addresses(parsed.collect::<Vec<IpAddr>>())
}

/// A provider at the far end of a cable.
fn provider_at(cable: &Cable, address: SocketAddr) -> Provider {
    cable.far(move || Provider::listening(address, |_| Answer::ok()))
}

#[test]
fn provider_that_ignores_syn_fails_within_the_limit() {
    isolated(|| {
        let _cable = Cable::lay();
        for dead in DEAD {
            let host = format!("http://{}", address(dead, 80));
            let took = assert_no_connection(&host);
            // The packet was lost, the connection was not refused.
            assert!(took >= Duration::from_secs(1), "{host} took {took:?}");
            println!("no answer to SYN of {dead}: {took:?}");
        }
    });
}

#[test]
fn unresolved_name_fails_within_the_limit() {
    for (what, reply, queried_both) in [
        ("no answer", Reply::Nothing, true),
        ("NXDOMAIN", NXDOMAIN, false),
        ("SERVFAIL", SERVFAIL, false),
        ("no address", addresses(&[]), true),
    ] {
        isolated(move || {
            let resolver = Resolver::deciding(move |_| reply.clone());
            let took = assert_no_connection(&format!("http://{NAME}"));
            let queried = resolver.queried();
            assert!(!queried.is_empty(), "{what}");
            if queried_both {
                assert!(
                    queried.contains(&A) && queried.contains(&AAAA),
                    "{what} {queried:?}"
                );
            }
            println!("{what}: {took:?}, queried {queried:?}");
        });
    }
}

#[test]
fn resolver_that_answers_one_type_only_is_enough() {
    for silent in [A, AAAA] {
        isolated(move || {
            // Some servers do not respond to a type without a record.
            let _resolver = Resolver::deciding(move |kind| match kind {
                kind if kind == silent => Reply::Nothing,
                _ => addresses(&["127.0.0.1", "::1"]),
            });
            let both = ["127.0.0.1", "::1"].map(|there| address(there, 80));
            let _providers = both.map(|there| Provider::listening(there, |_| Answer::ok()));
            let took = assert_sent(&format!("http://{NAME}"));
            println!("silent about {silent}: {took:?}");
        });
    }
}

#[test]
fn name_in_the_hosts_file_needs_no_resolver() {
    for there in ["127.0.0.1", "::1"] {
        isolated(move || {
            let resolver = Resolver::deciding(|_| Reply::Nothing);
            let mut hosts = NamedTempFile::new().unwrap();
            writeln!(hosts, "{there} gateway.lan {NAME}").unwrap();
            cover(Path::new("/etc/hosts"), hosts.path());
            let _provider = Provider::listening(address(there, 80), |_| Answer::ok());
            let took = assert_sent(&format!("http://{NAME}"));
            assert_eq!(resolver.queried(), [0; 0]);
            println!("{there} in the hosts file: {took:?}");
        });
    }
}

#[test]
fn missing_resolver_fails_within_the_limit() {
    isolated(|| {
        // Nothing listens on port 53 in this namespace.
        let took = assert_no_connection(&format!("http://{NAME}"));
        println!("no resolver: {took:?}");
    });
}

#[test]
fn provider_of_one_family_is_found() {
    for (there, reply) in [("::1", vec!["::1"]), ("127.0.0.1", vec!["127.0.0.1"])] {
        isolated(move || {
            let _resolver = Resolver::deciding(move |_| addresses(&reply));
            let provider = Provider::listening(address(there, 80), |_| Answer::ok());
            let took = assert_sent(&format!("http://{NAME}"));
            assert_eq!(provider.requests().len(), 1);
            println!("only {there}: {took:?}");
        });
    }
}

#[test]
fn dead_address_of_one_family_does_not_hide_the_live_one_of_the_other() {
    for (dead, live) in [(DEAD[1], FAR[0]), (DEAD[0], FAR[1])] {
        isolated(move || {
            let cable = Cable::lay();
            let _resolver = Resolver::deciding(move |_| addresses(&[dead, live]));
            let provider = provider_at(&cable, address(live, 80));
            let took = assert_sent(&format!("http://{NAME}"));
            assert_eq!(provider.requests().len(), 1);
            println!("dead {dead}, live {live}: {took:?}");
        });
    }
}

#[test]
fn unreachable_address_of_one_family_does_not_hide_the_live_one_of_the_other() {
    for (dead, live) in [("2001:db8:1::1", "127.0.0.1"), ("198.51.100.1", "::1")] {
        isolated(move || {
            // There is no route to the dead one, as where IPv6 is disabled.
            let _resolver = Resolver::deciding(move |_| addresses(&[dead, live]));
            let provider = Provider::listening(address(live, 80), |_| Answer::ok());
            let took = assert_sent(&format!("http://{NAME}"));
            assert_eq!(provider.requests().len(), 1);
            println!("unreachable {dead}, live {live}: {took:?}");
        });
    }
}

/// A spool, and a configuration that queues messages for the provider at `host`.
fn queueing(host: SocketAddr) -> (Spool, String) {
    let spool = Spool::new();
    let config = format!(
        "[websms]\noutboxdir = {}\ndelivery = queue\nhost = http://{host}\nauth_method = none\n\
         header_idempotency = Idempotency-Key\nconnect_timeout = 1\ntimeout = 2\n\
         retry_min = 1\nretry_max = 2\n{}",
        spool.path().join("outbox").display(),
        spool.section()
    );
    (spool, config)
}

/// Queues a message in one of 25 conversations. Returns its id, and how long
/// `websms` took.
fn queue(daemon: &Daemon, number: usize) -> (String, Duration) {
    let start = Instant::now();
    let output = Command::new(program())
        .env_clear()
        .env("WEBSMS_CONF", daemon.spool.path().join("websms.conf"))
        .env("AST_AGI_DIR", "x")
        .arg("websms")
        .args([
            &format!("+120255501{:02}", number % 25),
            JOHN,
            &number.to_string(),
        ])
        .output()
        .unwrap();
    let took = start.elapsed();
    let mut variables = variables(&output.stdout);
    assert_eq!(variables["WEBSMS_STATUS"], "QUEUED");
    (variables.remove("WEBSMS_ID").unwrap(), took)
}

#[test]
fn cut_cable_delays_messages_and_loses_none() {
    isolated(|| {
        let messages = size("WEBSMS_TEST_MESSAGES", 100);
        let cable = Cable::lay();
        let host = address(FAR[0], 80);
        let (came, coming) = mpsc::channel();
        let (go_on, going) = mpsc::channel::<()>();
        let going = Mutex::new(Some(going));
        let provider = cable.far(move || {
            Provider::listening(host, move |_| {
                // The cable is cut after the first request has been read, and its
                // response is lost.
                if let Some(going) = going.lock().unwrap().take() {
                    came.send(()).unwrap();
                    going.recv().unwrap();
                }
                Answer::ok()
            })
        });
        let (spool, config) = queueing(host);
        let daemon = Daemon::with(spool, &config);

        let mut queued = vec![queue(&daemon, 0)];
        coming.recv().unwrap();
        let cut = Instant::now();
        cable.cut();
        go_on.send(()).unwrap();
        queued.extend((1..messages).map(|number| queue(&daemon, number)));
        // Longer than two attempts and the pause between them.
        wait_within(Duration::from_secs(30), "a second failed attempt", || {
            let first = &queued[0].0;
            let log = daemon.log();
            let again = |line: &&str| line.contains("will retry") && line.contains(first);
            (log.lines().filter(again).count() >= 2).then_some(())
        });
        assert_eq!(provider.requests().len(), 1);
        let was_cut = cut.elapsed();
        cable.mend();
        let mended = Instant::now();

        let outbox = daemon.spool.path().join("outbox");
        let patience =
            Duration::from_secs(30) + Duration::from_millis(50) * messages.try_into().unwrap();
        wait_within(patience, "an empty outbox", || {
            let waiting = |state: &str| list(&outbox.join(state)).len();
            (waiting("") + waiting("sending") == 0).then_some(())
        });
        let delivered_in = mended.elapsed();
        assert!(list(&outbox.join("failed")).is_empty());

        // By id, all texts that arrived with it.
        let requests = provider.requests();
        let mut arrived: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for request in &requests {
            let id = request.headers["idempotency-key"].clone();
            let text = request.parameters().remove("Body").unwrap();
            arrived.entry(id).or_default().push(text);
        }
        assert_eq!(arrived.len(), messages);
        for (number, (id, _)) in queued.iter().enumerate() {
            let texts: HashSet<_> = arrived[id].iter().cloned().collect();
            assert_eq!(texts, HashSet::from([number.to_string()]), "{id}");
        }
        // The request before the cut was repeated.
        assert!(arrived[&queued[0].0].len() >= 2);

        let mut times: Vec<_> = queued.iter().map(|(_, took)| *took).collect();
        times.sort();
        let (median, nearly_all) = (times[messages / 2], times[(messages - 1) * 99 / 100]);
        let slowest = times[messages - 1];
        println!(
            "cable cut for {was_cut:?}: {messages} messages queued in {median:?} (median), \
             {nearly_all:?} (99 %), {slowest:?} (slowest); {} requests delivered all of them, the last \
             {delivered_in:?} after the cable was mended",
            requests.len()
        );
        assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    });
}

#[test]
fn picture_is_fetched_from_the_checked_address_only() {
    // A second lookup would return a neighbour's address. The first one returns a
    // neighbour's address in addition to the permitted one.
    isolated(|| {
        let queries = Mutex::new(0);
        let resolver = Resolver::deciding(move |kind| {
            let mut queries = queries.lock().unwrap();
            *queries += u32::from(kind == A);
            match (kind, *queries) {
                (AAAA, _) => addresses(&["::1", "fe80::1"]),
                (_, 1) => addresses(&["127.0.0.1", "127.0.0.2"]),
                _ => addresses(&["127.0.0.1"]),
            }
        });
        let gif = Answer::Http(200, "image/gif", "GIF89a".to_owned());
        let good = Provider::listening(address("127.0.0.2", 80), move |_| gif.clone());
        let neighbours = ["127.0.0.1", "::1"]
            .map(|neighbour| Provider::listening(address(neighbour, 80), |_| Answer::HangUp));
        let spool = Spool::new();
        let pictures = spool.path().join("media");
        std::fs::create_dir(&pictures).unwrap();
        let config = format!(
            "[websmsd]\nkey_media = MediaUrl0\nmedia = store\nmedia_dir = {}\n\
             media_url = https://sms.example.com/media\nmedia_permit_addr = 127.0.0.2\n{}",
            pictures.display(),
            spool.section()
        );
        let daemon = Daemon::with(spool, &config);
        let url = format!("http://{NAME}/a.gif");
        let message = [
            ("To", JOHN.as_bytes()),
            ("From", REMOTE.as_bytes()),
            ("Body", b""),
            ("MediaUrl0", url.as_bytes()),
        ];
        let posted = daemon.post("/", &[http::FORM], &http::form(&message));
        assert_eq!(posted.status, 200);
        wait_within(BOUND * 10, "a picture", || {
            (list(&pictures).len() == 1).then_some(())
        });
        assert_eq!(good.requests().len(), 1);
        for neighbour in neighbours {
            assert_eq!(neighbour.requests().len(), 0, "{}", neighbour.address);
        }
        assert_eq!(
            resolver.queried().iter().filter(|kind| **kind == A).count(),
            1
        );
    });
}
