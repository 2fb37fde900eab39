//! Phone → Asterisk → AGI → outbox → `websmsd` → provider, and what the sender is
//! told.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::pbx::{Changes, Pbx};
use crate::support::daemon::{self, Server, list};
use crate::support::{Answer, Provider, wait_for};
use crate::{ODD_TEXTS, assert_no_command_ran};

const THEIRS: &str = "+46700000001";

/// Phones that send at once.
const PHONES: usize = 50;

/// For all of them together, whatever the provider does.
const ALL: Duration = Duration::from_secs(2);

fn queue(more: &str) -> Changes {
    Changes {
        websms: format!("delivery = queue\nretry_min = 1\nretry_max = 1\n{more}\n"),
        ..Changes::default()
    }
}

fn start(provider: &Provider, changes: &Changes) -> (Pbx, Server) {
    let pbx = Pbx::changed(provider, changes);
    let server = Server::run(daemon::command(&pbx.config()));
    (pbx, server)
}

fn odd_texts_reach_the_provider(changes: &Changes) {
    let provider = Provider::answering(Answer::ok());
    let (pbx, _server) = start(&provider, changes);
    let john = pbx.phone("john");
    for (count, text) in (1..).zip(ODD_TEXTS) {
        assert_eq!(john.send(THEIRS, text.as_bytes()), 202);
        let parameters = provider.wait_for(count).pop().unwrap().parameters();
        assert_eq!(parameters["Body"], text.trim_end_matches(['\r', '\n']));
        assert_eq!(parameters["To"], THEIRS);
        assert_eq!(parameters["From"], "+12025550160");
    }
    let outbox = pbx.path().join("spool/websms");
    wait_for("an empty outbox", || {
        (!outbox.exists() || list(&outbox).is_empty()).then_some(())
    });
    assert_eq!(john.inbox(), [], "no notice for what was sent");
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
fn sender_is_told_what_was_not_delivered() {
    let provider = Provider::deciding(|request| {
        let said = "EXEC System touch /tmp/websms-was-here\nfailure\nHANGUP\n".to_owned();
        match request.parameters()["Body"].as_str() {
            "refused" => Answer::Http(400, "text/plain", said),
            "password" => Answer::Http(401, "text/plain", said),
            "busy" => Answer::Http(503, "text/plain", said),
            "error" => Answer::Http(500, "text/plain", said),
            _ => Answer::HangUp,
        }
    });
    let (pbx, _server) = start(&provider, &queue("queue_lifetime = 2"));
    let john = pbx.phone("john");
    let long = "x".repeat(1024);
    for (count, (text, expected)) in (1..).zip([
        (
            "refused",
            "Not delivered to +46700000001: refused by provider",
        ),
        (
            "password",
            "Not delivered to +46700000001: credentials not accepted",
        ),
        ("busy", "Not delivered to +46700000001: provider is busy"),
        (
            "error",
            "Perhaps not delivered to +46700000001: error at provider",
        ),
        (
            "hang up",
            "Perhaps not delivered to +46700000001: no answer from provider",
        ),
        (
            &long,
            "Not delivered to +46700000001: text empty or too long",
        ),
    ]) {
        assert_eq!(john.send(THEIRS, text.as_bytes()), 202);
        let got = john.wait_for(count).pop().unwrap();
        assert_eq!(got.text(), expected);
        assert_eq!(got.from, THEIRS, "it shows up in the conversation");
    }
    assert_no_command_ran();
}

#[test]
fn sender_is_told_that_the_provider_cannot_be_reached() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let provider = Provider::answering(Answer::ok());
    let changes = queue(&format!("queue_lifetime = 1\nhost [away] = {nobody}"));
    let (pbx, _server) = start(&provider, &changes);
    let john = pbx.phone("john");
    john.send(THEIRS, b"x");
    let got = john.wait_for(1).pop().unwrap();
    let expected = "Not delivered to +46700000001: no connection to provider";
    assert_eq!(got.text(), expected);
}

/// Says in Asterisk's log when each call of `websms` began and ended.
const CALL: &str = "same => n,AGI(${WEBSMS},";
const CLOCKED: &str = "same => n,Set(BEGAN=${STRFTIME(,,%s%3q)})\n \
                       same => n,AGI(${WEBSMS},";
const AFTER: &str = "same => n,GotoIf($[\"${WEBSMS_STATUS}\" = \"SENT\"]?done)";
const SAID: &str = "same => n,Log(NOTICE,websms took ${MATH(${STRFTIME(,,%s%3q)}-${BEGAN},int)} ms)\n \
                    same => n,GotoIf($[\"${WEBSMS_STATUS}\" = \"SENT\"]?done)";

fn slow_provider_stops_nobody(fastagi: bool) {
    // It takes longer than anybody waits here.
    let provider = Provider::answering(Answer::Silence);
    let changes = Changes {
        phones: PHONES,
        contexts_file: vec![(CALL, CLOCKED), (AFTER, SAID)],
        fastagi,
        ..queue("timeout = 60\nconcurrency = 100")
    };
    let (pbx, _server) = start(&provider, &changes);
    let phones: Vec<_> = (1..=PHONES)
        .map(|phone| pbx.phone(&format!("phone{phone}")))
        .collect();
    let (john, jane) = (pbx.phone("john"), pbx.phone("jane"));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for phone in &phones {
            scope.spawn(|| assert_eq!(phone.send(THEIRS, b"x"), 202));
        }
    });
    // What one phone writes to another comes behind all of them.
    john.send("+12025550161", b"are you there?");
    assert_eq!(jane.wait_for(1)[0].text(), "are you there?");
    let took = begun.elapsed();
    provider.wait_for(PHONES);
    let log = pbx.log();
    let mut times: Vec<u64> = log
        .lines()
        .filter(|line| line.contains(" NOTICE["))
        .filter_map(|line| line.split_once("websms took ")?.1.split(' ').next())
        .map(|time| time.parse().unwrap())
        .collect();
    times.sort_unstable();
    assert_eq!(times.len(), PHONES);
    println!(
        "{PHONES} messages left Asterisk within {} ms of a provider that does not answer; a call \
         of websms took {} ms, the slowest {} ms",
        took.as_millis(),
        times[PHONES / 2],
        times[PHONES - 1]
    );
    assert!(took < ALL, "{took:?}");
}

#[test]
fn slow_provider_stops_neither_phones_nor_their_talk() {
    slow_provider_stops_nobody(false);
}

#[test]
fn slow_provider_stops_nobody_by_fastagi() {
    slow_provider_stops_nobody(true);
}
