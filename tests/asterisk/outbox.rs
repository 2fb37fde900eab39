//! Phone → Asterisk → AGI → outbox → `websmsd` → provider, and the notices for
//! senders.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::pbx::{Changes, Pbx};
use crate::sending::{REMOTE, assert_failures_are_reported, assert_texts_arrive, failing_provider};
use crate::support::daemon::Server;
use crate::support::{Answer, Provider};
use crate::{ODD_TEXTS, assert_no_command_ran};

/// Phones that send at the same time.
const PHONES: usize = 50;

/// How long a request to a provider that does not answer lasts.
const PROVIDER_TIMEOUT: Duration = Duration::from_secs(60);

fn queue(more: &str) -> Changes {
    Changes {
        websms: format!("delivery = queue\nretry_min = 1\nretry_max = 1\n{more}\n"),
        ..Changes::default()
    }
}

fn start(provider: &Provider, changes: &Changes) -> (Pbx, Server) {
    let pbx = Pbx::changed(provider, changes);
    let server = pbx.start_websmsd();
    (pbx, server)
}

fn odd_texts_reach_the_provider(changes: &Changes) {
    let provider = Provider::answering(Answer::ok());
    let (pbx, _server) = start(&provider, changes);
    let john = pbx.phone("john");
    assert_texts_arrive(&john, &provider, ODD_TEXTS);
    pbx.outbox().wait_until_empty();
    assert_eq!(john.inbox(), [], "no notice for a sent message");
    assert_no_command_ran();
}

#[test]
fn odd_texts_reach_the_provider_through_the_outbox() {
    odd_texts_reach_the_provider(&queue(""));
}

#[test]
fn odd_texts_reach_the_provider_by_fastagi() {
    odd_texts_reach_the_provider(&Changes {
        fastagi: true,
        ..queue("")
    });
    odd_texts_reach_the_provider(&Changes {
        fastagi: true,
        ..Changes::default()
    });
}

#[test]
fn failures_are_reported_to_the_sender() {
    let (pbx, _server) = start(&failing_provider(), &queue("queue_lifetime = 2"));
    assert_failures_are_reported(&pbx.phone("john"));
    assert_no_command_ran();
}

#[test]
fn unreachable_provider_is_reported_to_the_sender() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let unreachable = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let provider = Provider::answering(Answer::ok());
    let changes = queue(&format!(
        "queue_lifetime = 1\nhost [unreachable] = {unreachable}"
    ));
    let (pbx, _server) = start(&provider, &changes);
    let john = pbx.phone("john");
    john.send(REMOTE, b"x");
    let notice = john.wait_for(1).pop().unwrap();
    let expected = "Not delivered to +46700000001: no connection to provider";
    assert_eq!(notice.text(), expected);
}

/// Changes of the dialplan that log the duration of each AGI call of `websms`.
const AGI: &str = "same => n,AGI(${WEBSMS},";
const TIMED_AGI: &str = "same => n,Set(START=${STRFTIME(,,%s%3q)})\n \
                         same => n,AGI(${WEBSMS},";
const AFTER_AGI: &str = "same => n,GotoIf($[\"${WEBSMS_STATUS}\" = \"SENT\"]?done)";
const LOGGED_DURATION: &str = "same => n,Log(NOTICE,websms took ${MATH(${STRFTIME(,,%s%3q)}-${START},int)} ms)\n \
                               same => n,GotoIf($[\"${WEBSMS_STATUS}\" = \"SENT\"]?done)";

fn slow_provider_delays_no_phone(fastagi: bool) {
    // It never answers.
    let provider = Provider::answering(Answer::Silence);
    let changes = Changes {
        phones: PHONES,
        contexts_file: vec![(AGI, TIMED_AGI), (AFTER_AGI, LOGGED_DURATION)],
        fastagi,
        ..queue(&format!(
            "timeout = {}\nconcurrency = 100",
            PROVIDER_TIMEOUT.as_secs()
        ))
    };
    let (pbx, _server) = start(&provider, &changes);
    let phones = pbx.phones(PHONES);
    let (john, jane) = (pbx.phone("john"), pbx.phone("jane"));
    let start = Instant::now();
    std::thread::scope(|scope| {
        for phone in &phones {
            scope.spawn(|| assert_eq!(phone.send(REMOTE, b"x"), 202));
        }
    });
    // A message between phones arrives after all of them.
    john.send("+12025550161", b"are you there?");
    assert_eq!(jane.wait_for(1)[0].text(), "are you there?");
    let duration = start.elapsed();
    provider.wait_for(PHONES);
    let log = pbx.log();
    let mut durations: Vec<u64> = log
        .lines()
        .filter(|line| line.contains(" NOTICE["))
        .filter_map(|line| line.split_once("websms took ")?.1.split(' ').next())
        .map(|duration| duration.parse().unwrap())
        .collect();
    durations.sort_unstable();
    assert_eq!(durations.len(), PHONES);
    println!(
        "{PHONES} messages left Asterisk within {} ms although the provider does not answer; an \
         AGI call of websms took {} ms, the slowest {} ms",
        duration.as_millis(),
        durations[PHONES / 2],
        durations[PHONES - 1]
    );
    // Nothing has waited for a request.
    assert!(duration < PROVIDER_TIMEOUT / 2, "{duration:?}");
}

#[test]
fn slow_provider_delays_neither_senders_nor_other_messages() {
    slow_provider_delays_no_phone(false);
}

#[test]
fn slow_provider_delays_neither_senders_nor_other_messages_by_fastagi() {
    slow_provider_delays_no_phone(true);
}
