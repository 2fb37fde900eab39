//! The outbox: when its messages are delivered, what becomes of them, and which
//! notices their senders get.

use std::collections::HashMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::provider::unreadable_answers;
use crate::support::daemon::{command, failed_start};
use crate::support::provider::Recorded;
use crate::support::{
    Answer, Daemon, Installation, Provider, Spool, callfile, size, wait_for, wait_within,
};

const REMOTE: &str = "+12025550183";
const JOHN: &str = "+12025550160";

/// An installation with an interface at each of these addresses, named `a`, `b` and
/// so on. They queue messages and have these keys.
fn install(hosts: &[String], more: &str) -> Installation {
    Installation::new(|spool| {
        let mut config = format!(
            "[websms]\noutboxdir = {}\ndelivery = queue\nauth_user = id\nauth_passwd = secret\n\
             path = /send/\nretry_min = 1\nretry_max = 1\n{more}\n",
            spool.path().join("outbox").display()
        );
        for (host, index) in hosts.iter().zip(["a", "b", "c"]) {
            config.push_str(&format!("host [{index}] = {host}\n"));
        }
        config + &spool.section()
    })
}

fn text(request: &Recorded) -> String {
    request.parameters()["Body"].clone()
}

fn texts(requests: &[Recorded]) -> Vec<String> {
    requests.iter().map(text).collect()
}

fn busy(header: &str) -> Answer {
    let answer = format!("HTTP/1.1 503 X\r\n{header}Content-Length: 0\r\n\r\n");
    Answer::Raw(answer.into_bytes())
}

/// A provider that gives these answers first, then accepts everything.
fn recovering(answers: Vec<Answer>) -> Provider {
    let next = AtomicUsize::new(0);
    Provider::deciding(move |_| {
        let next = next.fetch_add(1, Ordering::Relaxed);
        answers.get(next).cloned().unwrap_or_else(Answer::ok)
    })
}

#[test]
fn queued_message_is_sent_once_when_the_daemon_runs() {
    let provider = Provider::answering(Answer::ok());
    let mut setup = install(&[provider.url()], "");
    let variables = setup.send(&[REMOTE, JOHN, "a \"b\"\r\n\u{1F600}"]);
    assert_eq!(variables["WEBSMS_STATUS"], "QUEUED");
    assert_eq!(variables["WEBSMS_ERROR"], "");
    assert_eq!(variables["WEBSMS_SEGMENTS"], "1");
    assert_eq!(setup.outbox().files("").len(), 1);
    assert!(provider.requests().is_empty());
    let daemon = setup.start();
    let request = provider.wait_for(1).remove(0);
    let parameters = request.parameters();
    assert_eq!(parameters["To"], REMOTE);
    assert_eq!(parameters["From"], JOHN);
    assert_eq!(parameters["Body"], "a \"b\"\r\n\u{1F600}");
    assert!(request.headers.contains_key("authorization"));
    setup.outbox().wait_until_empty();
    let line = daemon.wait_for_log("message sent");
    assert!(line.contains(&variables["WEBSMS_ID"]), "{line}");
    // And one more while it runs.
    setup.send(&[REMOTE, JOHN, "second"]);
    provider.wait_for(2);
    setup.outbox().wait_until_empty();
    setup.stop(daemon);
    assert_eq!(provider.requests().len(), 2);
    assert!(setup.outbox().files("failed").is_empty());
}

#[test]
fn conversations_are_parallel_and_each_in_order() {
    const CONVERSATIONS: usize = 6;
    let (in_flight, maximum) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, highest) = (Arc::clone(&in_flight), Arc::clone(&maximum));
    let provider = Provider::deciding(move |_| {
        highest.fetch_max(counted.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(30));
        counted.fetch_sub(1, Ordering::SeqCst);
        Answer::ok()
    });
    let mut setup = install(&[provider.url()], "concurrency = 3");
    let number_of = |number: usize| format!("+120255501{number:02}");
    for text in 0..4 {
        for number in 0..CONVERSATIONS {
            setup.send(&[&number_of(number), JOHN, &text.to_string()]);
        }
    }
    let _daemon = setup.start();
    let requests = provider.wait_for(4 * CONVERSATIONS);
    for number in 0..CONVERSATIONS {
        let of = requests
            .iter()
            .filter(|request| request.parameters()["To"] == number_of(number));
        let of: Vec<_> = of.map(text).collect();
        assert_eq!(of, ["0", "1", "2", "3"]);
    }
    assert_eq!(maximum.load(Ordering::SeqCst), 3);
    setup.outbox().wait_until_empty();
}

#[test]
fn rate_is_kept() {
    let provider = Provider::answering(Answer::ok());
    let mut setup = install(&[provider.url()], "rate = 10");
    for number in 0..6 {
        setup.send(&[&format!("+1202555010{number}"), JOHN, "x"]);
    }
    let start = Instant::now();
    let _daemon = setup.start();
    provider.wait_for(6);
    // The first one is sent at once, five more a tenth of a second apart.
    assert!(start.elapsed() >= Duration::from_millis(500));
}

#[test]
fn unreachable_provider_gets_messages_when_it_is_back() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let mut setup = install(&[format!("http://{address}")], "");
    let daemon = setup.start();
    for text in ["first", "second"] {
        setup.send(&[REMOTE, JOHN, text]);
    }
    daemon.wait_for_log("message not sent, will retry");
    let provider = Provider::listening(address, |_| Answer::ok());
    let requests = provider.wait_for(2);
    assert_eq!(texts(&requests), ["first", "second"]);
    setup.outbox().wait_until_empty();
    assert!(daemon.spool.call_files().is_empty());
}

#[test]
fn busy_provider_gets_no_request_before_retry_after() {
    let provider = recovering(vec![busy("Retry-After: 3\r\n")]);
    let mut setup = install(&[provider.url()], "");
    let _daemon = setup.start();
    let start = Instant::now();
    setup.send(&[REMOTE, JOHN, "x"]);
    provider.wait_for(2);
    assert!(start.elapsed() >= Duration::from_secs(3));
    setup.outbox().wait_until_empty();
}

#[test]
fn perhaps_sent_message_is_not_repeated_and_the_sender_notified() {
    for (answer, reason) in [
        (
            Answer::Http(500, "text/plain", "oops".to_owned()),
            "error at provider",
        ),
        (Answer::HangUp, "no answer from provider"),
    ] {
        let provider = Provider::answering(answer);
        let mut setup = install(&[provider.url()], "");
        let daemon = setup.start();
        let id = setup.send(&[REMOTE, JOHN, "hello"])["WEBSMS_ID"].clone();
        let files = daemon.spool.wait_for(1);
        let expected = format!("Perhaps not delivered to {REMOTE}: {reason}");
        assert_eq!(
            callfile::read(&files[0]),
            (JOHN.to_owned(), REMOTE.to_owned(), expected)
        );
        setup.outbox().wait_until_empty();
        assert_eq!(setup.outbox().files("failed").len(), 1);
        assert_eq!(provider.requests().len(), 1);
        let shown = setup.queue(&["show", &id]);
        for part in ["state     unsent", "UNKNOWN", reason, "\"hello\""] {
            assert!(shown.contains(part), "{shown}");
        }
    }
}

#[test]
fn success_that_cannot_be_read_is_perhaps_delivered() {
    for (case, answer) in unreadable_answers() {
        let provider = Provider::answering(Answer::Raw(answer));
        let mut setup = install(&[provider.url()], "response_check = status=success");
        let daemon = setup.start();
        setup.send(&[REMOTE, JOHN, "hello"]);
        let files = daemon.spool.wait_for(1);
        let notice = callfile::text(&files[0]);
        let expected = format!("Perhaps not delivered to {REMOTE}: ");
        assert!(notice.starts_with(&expected), "{case}: {notice}");
        setup.outbox().wait_until_empty();
        assert_eq!(provider.requests().len(), 1, "{case}");
    }
}

#[test]
fn perhaps_sent_message_is_repeated_where_that_is_safe() {
    for (key, read) in [
        ("key_idempotency = Ref", "Ref"),
        ("header_idempotency = Idempotency-Key", "idempotency-key"),
        ("retry_unknown = yes", ""),
    ] {
        let provider = recovering(vec![
            Answer::HangUp,
            Answer::Http(500, "text/plain", String::new()),
        ]);
        let mut setup = install(&[provider.url()], key);
        let daemon = setup.start();
        let id = setup.send(&[REMOTE, JOHN, "x"])["WEBSMS_ID"].clone();
        let requests = provider.wait_for(3);
        for request in &requests {
            let parameters = request.parameters();
            let given = parameters.get(read).or(request.headers.get(read));
            assert_eq!(given, (!read.is_empty()).then_some(&id));
        }
        setup.outbox().wait_until_empty();
        assert!(daemon.spool.call_files().is_empty());
    }
}

#[test]
fn notice_names_the_reason() {
    let refusing = |status| Provider::answering(Answer::Http(status, "text/plain", "no".into()));
    let nobody = "http://127.0.0.1:1".to_owned();
    for (host, more, reason) in [
        (refusing(400).url(), "", "refused by provider"),
        (refusing(401).url(), "", "credentials not accepted"),
        (refusing(302).url(), "", "provider has moved"),
        (
            nobody.clone(),
            "queue_lifetime = 1",
            "no connection to provider",
        ),
        (nobody, "max_attempts = 2", "no connection to provider"),
        (
            Provider::answering(busy("Retry-After: 99999\r\n")).url(),
            "",
            "provider is busy",
        ),
    ] {
        let mut setup = install(&[host], more);
        let daemon = setup.start();
        setup.send(&[REMOTE, JOHN, "hello"]);
        let files = daemon.spool.wait_for(1);
        let expected = format!("Not delivered to {REMOTE}: {reason}");
        assert_eq!(
            callfile::read(&files[0]),
            (JOHN.to_owned(), REMOTE.to_owned(), expected),
            "{more}"
        );
        setup.outbox().wait_until_empty();
        assert_eq!(setup.outbox().files("failed").len(), 1);
    }
}

#[test]
fn message_is_not_sent_after_its_lifetime() {
    let provider = Provider::answering(Answer::ok());
    let mut setup = install(&[provider.url()], "queue_lifetime = 1");
    setup.send(&[REMOTE, JOHN, "hello"]);
    let queued = Instant::now();
    wait_for("two seconds", || {
        (queued.elapsed() > Duration::from_secs(2)).then_some(())
    });
    let daemon = setup.start();
    let files = daemon.spool.wait_for(1);
    let expected = format!("Not delivered to {REMOTE}: not sent in time");
    assert_eq!(callfile::text(&files[0]), expected);
    assert!(provider.requests().is_empty());
}

/// Queues a message while no daemon runs, and changes its file as another clock would
/// have written it: the time in its name, in microseconds, and more in its record.
fn queue_by_another_clock(setup: &Installation, micros: Option<u64>, more: &str) {
    setup.send(&[REMOTE, JOHN, "hello"]);
    let file = setup.outbox().files("").remove(0);
    let record = std::fs::read_to_string(&file).unwrap();
    let name = file.file_name().unwrap().to_str().unwrap();
    let name = match micros {
        Some(micros) => format!("{micros:016}{}", name.split_at(16).1),
        None => name.to_owned(),
    };
    std::fs::remove_file(&file).unwrap();
    let record = record.replacen('{', &format!("{{{more}"), 1);
    std::fs::write(setup.path("outbox").join(name), record).unwrap();
}

/// 2036-01-01, in seconds.
const FAR_AHEAD: u64 = 2_082_758_400;

#[test]
fn message_waits_no_longer_than_was_decided_when_the_clock_was_ahead() {
    let provider = Provider::answering(Answer::ok());
    for (count, more) in [
        format!("\"not_before\": {FAR_AHEAD},"),
        format!("\"not_before\": {FAR_AHEAD}, \"wait\": 2,"),
        format!("\"not_before\": {},", u64::MAX),
    ]
    .iter()
    .enumerate()
    {
        let mut setup = install(&[provider.url()], "");
        queue_by_another_clock(&setup, Some(FAR_AHEAD * 1_000_000), more);
        let id = setup.queue(&["list"]);
        let id = id.lines().nth(1).unwrap().split(' ').next().unwrap();
        let shown = setup.queue(&["show", id]);
        let seconds = if more.contains("wait") { 2 } else { 1 };
        assert!(shown.contains(&format!("again in {seconds} s")), "{shown}");
        let _daemon = setup.start();
        provider.wait_for(count + 1);
        setup.outbox().wait_until_empty();
    }
}

#[test]
fn message_of_the_future_has_a_lifetime() {
    for micros in [FAR_AHEAD * 1_000_000, 9_999_999_999_999_999] {
        let nobody = "http://127.0.0.1:1".to_owned();
        let mut setup = install(&[nobody], "queue_lifetime = 2");
        queue_by_another_clock(&setup, Some(micros), "");
        let daemon = setup.start();
        let files = daemon.spool.wait_for(1);
        let expected = format!("Not delivered to {REMOTE}: no connection to provider");
        assert_eq!(callfile::text(&files[0]), expected);
        setup.outbox().wait_until_empty();
        let log = daemon.wait_for_log("will retry");
        assert!(log.contains("message not sent"), "{log}");
    }
}

#[test]
fn message_from_before_the_clock_was_set_is_sent() {
    let provider = Provider::answering(Answer::ok());
    let mut setup = install(&[provider.url()], "queue_lifetime = 60");
    // A minute after the start of a host without a battery.
    queue_by_another_clock(&setup, Some(60_000_000), "");
    let _daemon = setup.start();
    provider.wait_for(1);
    setup.outbox().wait_until_empty();
}

#[test]
fn notice_follows_its_template_and_may_be_off() {
    let provider = Provider::answering(Answer::Http(400, "text/plain", String::new()));
    let template = "notice_failed = \"{to} {from} {text} {reason}\"";
    let mut setup = install(&[provider.url()], template);
    let daemon = setup.start();
    setup.send(&[REMOTE, JOHN, "{to}${EXTEN}"]);
    let files = daemon.spool.wait_for(1);
    let expected = format!("{REMOTE} {JOHN} {{to}}${{EXTEN}} refused by provider");
    assert_eq!(callfile::text(&files[0]), expected);
    let mut silent = install(&[provider.url()], "notice_failed = \"\"");
    let daemon = silent.start();
    silent.send(&[REMOTE, JOHN, "hello"]);
    daemon.wait_for_log("sender not notified");
    silent.outbox().wait_until_empty();
    // A name has no phone.
    silent.send(&[REMOTE, "My Company", "hello"]);
    wait_for("both", || {
        (silent.outbox().files("failed").len() == 2).then_some(())
    });
    assert!(daemon.spool.call_files().is_empty());
}

/// A daemon whose spool takes no more: one call file is with Asterisk, another waits.
fn start_with_full_spool(setup: &mut Installation) -> Daemon {
    let daemon = setup.start();
    assert_eq!(daemon.send(JOHN, REMOTE, "with Asterisk").status, 200);
    // It counts as waiting until it has been handed over.
    wait_for("another one to be accepted", || {
        (daemon.send(JOHN, REMOTE, "waiting").status == 200).then_some(())
    });
    assert_eq!(daemon.send(JOHN, REMOTE, "too many").status, 503);
    daemon
}

#[test]
fn notice_that_the_spool_does_not_take_is_sent_later_and_once() {
    for restart in [false, true] {
        let provider = Provider::answering(Answer::Http(400, "text/plain", String::new()));
        let mut setup = install(&[provider.url()], "");
        setup.configure(setup.config().to_owned() + "max_outgoing = 1\nmax_waiting = 1\n");
        let mut daemon = start_with_full_spool(&mut setup);
        let id = setup.send(&[REMOTE, JOHN, "hello"])["WEBSMS_ID"].clone();
        daemon.wait_for_log("sender not notified, will retry");
        wait_for("a notice that waits", || {
            (setup.outbox().files("notices").len() == 1).then_some(())
        });
        let shown = setup.queue(&["show", &id]);
        for part in ["state     unsent", "sender not notified yet"] {
            assert!(shown.contains(part), "{shown}");
        }
        if restart {
            setup.kill(daemon);
            daemon = setup.start();
            daemon.wait_for_log("notices not sent, will retry");
        }
        // Asterisk takes them.
        let texts = daemon.spool.wait_for(3);
        let expected = format!("Not delivered to {REMOTE}: refused by provider");
        assert_eq!(callfile::text(&texts[2]), expected);
        wait_for("the message in failed", || {
            let [notices, failed] = ["notices", "failed"].map(|state| setup.outbox().files(state));
            (notices.is_empty() && failed.len() == 1).then_some(())
        });
        let log = setup.stop(daemon);
        assert_eq!(log.matches("sender notified").count(), 1, "{log}");
        let daemon = setup.start();
        assert_eq!(daemon.spool.drain().len(), 3);
        assert_eq!(provider.requests().len(), 1);
    }
}

#[test]
fn message_whose_notice_waits_can_be_retried_and_dropped() {
    let provider = recovering(vec![Answer::Http(400, "text/plain", String::new()); 2]);
    let mut setup = install(&[provider.url()], "");
    setup.configure(setup.config().to_owned() + "max_outgoing = 1\nmax_waiting = 1\n");
    let daemon = start_with_full_spool(&mut setup);
    let ids = ["first", "second"].map(|text| {
        let id = setup.send(&[REMOTE, JOHN, text])["WEBSMS_ID"].clone();
        wait_for("a notice that waits", || {
            let waiting = setup.outbox().files("notices");
            let mut names = waiting.iter().map(|path| path.display().to_string());
            names.any(|name| name.contains(&id)).then_some(())
        });
        id
    });
    setup.queue(&["drop", &ids[0]]);
    setup.queue(&["retry", &ids[1]]);
    let requests = provider.wait_for(3);
    assert_eq!(text(&requests[2]), "second");
    setup.outbox().wait_until_empty();
    for state in ["notices", "failed"] {
        assert!(setup.outbox().files(state).is_empty(), "{state}");
    }
    // Nothing is left to say.
    assert_eq!(daemon.spool.drain().len(), 2);
}

#[test]
fn notices_above_the_limit_become_one() {
    let provider = Provider::answering(Answer::Http(400, "text/plain", String::new()));
    let mut setup = install(&[provider.url()], "concurrency = 8");
    for number in 0..30 {
        setup.send(&[&format!("+120255501{number:02}"), JOHN, "hello"]);
    }
    let daemon = setup.start();
    wait_for("notices that wait", || {
        (setup.outbox().files("notices").len() == 10).then_some(())
    });
    assert_eq!(setup.outbox().files("failed").len(), 20);
    let single = daemon.spool.wait_for(20);
    assert!(single.iter().all(|file| {
        let text = callfile::text(file);
        text.starts_with("Not delivered to +120255501")
    }));
    let minutes = Duration::from_secs(120);
    let all = wait_within(minutes, "the notice for the others", || {
        let all = daemon.spool.take();
        (all.len() > 20).then_some(all)
    });
    let (to, _, text) = callfile::read(&all[20].1);
    assert_eq!(to, JOHN);
    let expected = "... and 10 more messages not delivered, or perhaps not";
    assert_eq!(text, expected);
    wait_for("all in failed", || {
        let [notices, failed] = ["notices", "failed"].map(|state| setup.outbox().files(state));
        (notices.is_empty() && failed.len() == 30).then_some(())
    });
    assert_eq!(daemon.spool.drain().len(), 21);
    assert_eq!(provider.requests().len(), 30);
}

#[test]
fn fallback_is_used_when_that_is_safe() {
    let second = Provider::answering(Answer::ok());
    for (first, expected) in [
        (busy(""), 1),
        (Answer::Http(429, "text/plain", String::new()), 1),
        (Answer::Http(400, "text/plain", String::new()), 0),
        (Answer::HangUp, 0),
    ] {
        let first = Provider::answering(first);
        let before = second.requests().len();
        let mut setup = install(&[first.url(), second.url()], "fallback [a] = b");
        let daemon = setup.start();
        setup.send(&[REMOTE, JOHN, "x", "a"]);
        wait_for("the first", || (first.requests().len() == 1).then_some(()));
        setup.outbox().wait_until_empty();
        assert_eq!(second.requests().len() - before, expected);
        assert_eq!(daemon.spool.take().len(), 1 - expected);
    }
}

#[test]
fn fallback_is_used_without_the_outbox_too() {
    let second = Provider::answering(Answer::ok());
    let nobody = "http://127.0.0.1:1".to_owned();
    let setup = install(
        &[nobody.clone(), nobody, second.url()],
        "delivery [a] = direct\nfallback [a] = b\nfallback [b] = c",
    );
    let variables = setup.send(&[REMOTE, JOHN, "x", "a"]);
    assert_eq!(variables["WEBSMS_STATUS"], "SENT");
    assert_eq!(second.requests().len(), 1);
}

/// The daemon is killed before the provider answers: it is unknown whether the message
/// was sent.
#[test]
fn message_in_flight_when_the_daemon_is_killed_is_unknown() {
    let provider = Provider::answering(Answer::Silence);
    for (more, sent_again) in [("", false), ("key_idempotency = Ref", true)] {
        let before = provider.requests().len();
        let mut setup = install(&[provider.url()], more);
        let daemon = setup.start();
        for text in ["first", "second"] {
            setup.send(&[REMOTE, JOHN, text]);
        }
        provider.wait_for(before + 1);
        setup.kill(daemon);
        let daemon = setup.start();
        daemon.wait_for_log("messages interrupted by last stop");
        let requests = provider.wait_for(before + 2);
        let expected = if sent_again { "first" } else { "second" };
        assert_eq!(text(&requests[before + 1]), expected);
        if !sent_again {
            let files = daemon.spool.wait_for(1);
            let reason = "interrupted while it was sent";
            let expected = format!("Perhaps not delivered to {REMOTE}: {reason}");
            assert_eq!(callfile::text(&files[0]), expected);
            assert_eq!(setup.outbox().files("failed").len(), 1);
        }
        drop(daemon);
    }
}

#[test]
fn stopping_daemon_waits_for_the_provider() {
    let provider = Provider::deciding(|_| {
        std::thread::sleep(Duration::from_millis(700));
        Answer::ok()
    });
    let mut setup = install(&[provider.url()], "");
    let daemon = setup.start();
    setup.send(&[REMOTE, JOHN, "x"]);
    provider.wait_for(1);
    let log = setup.stop(daemon);
    assert!(log.contains("message sent"), "{log}");
    assert!(setup.outbox().files("sending").is_empty());
}

#[test]
fn queue_command_lists_shows_retries_and_drops() {
    let provider = recovering(vec![
        Answer::Http(400, "text/plain", "bad number".into()),
        Answer::Http(400, "text/plain", "bad number".into()),
    ]);
    let mut setup = install(&[provider.url()], "");
    let waiting = setup.send(&[REMOTE, JOHN, "never"])["WEBSMS_ID"].clone();
    let listed = setup.queue(&["list"]);
    for part in [waiting.as_str(), "queued", REMOTE, JOHN, "1 in all"] {
        assert!(listed.contains(part), "{listed}");
    }
    setup.queue(&["drop", &waiting]);
    assert!(setup.queue(&["list"]).contains("0 in all"));
    let _daemon = setup.start();
    let first = setup.send(&[REMOTE, JOHN, "first"])["WEBSMS_ID"].clone();
    let second = setup.send(&[REMOTE, JOHN, "second"])["WEBSMS_ID"].clone();
    wait_for("both", || {
        (setup.outbox().files("failed").len() == 2).then_some(())
    });
    let shown = setup.queue(&["show", &first]);
    for part in [
        "REJECTED: refused by provider",
        "bad number",
        "\"first\"",
        "interface \"a\"\n",
    ] {
        assert!(shown.contains(part), "{shown}");
    }
    setup.queue(&["retry", &second]);
    let requests = provider.wait_for(3);
    assert_eq!(text(&requests[2]), "second");
    setup.queue(&["retry", "--all"]);
    let requests = provider.wait_for(4);
    assert_eq!(text(&requests[3]), "first");
    setup.outbox().wait_until_empty();
    assert!(setup.outbox().files("failed").is_empty());
}

/// It is due in an hour, and the administrator wants it now.
#[test]
fn retried_message_is_due_at_once() {
    let provider = recovering(vec![busy("Retry-After: 3600\r\n")]);
    let mut setup = install(&[provider.url()], "");
    let _daemon = setup.start();
    let id = setup.send(&[REMOTE, JOHN, "x"])["WEBSMS_ID"].clone();
    wait_for("an attempt", || {
        setup
            .queue(&["show", &id])
            .contains("again in")
            .then_some(())
    });
    setup.queue(&["retry", &id]);
    provider.wait_for(2);
    setup.outbox().wait_until_empty();
}

#[test]
fn message_of_a_removed_interface_is_reported_and_kept() {
    let provider = Provider::answering(Answer::ok());
    let mut setup = install(&[provider.url(), provider.url()], "");
    setup.send(&[REMOTE, JOHN, "x", "b"]);
    setup.replace("host [b]", ";host [b]");
    let daemon = setup.start();
    let files = daemon.spool.wait_for(1);
    assert!(callfile::text(&files[0]).ends_with(": unknown index"));
    // The notice comes first.
    wait_for("the message in failed", || {
        (setup.outbox().files("failed").len() == 1).then_some(())
    });
    assert!(provider.requests().is_empty());
}

/// Somebody has edited the file. Even with an unnamed interface the message must
/// not go out by it.
#[test]
fn message_with_an_invalid_interface_name_is_reported_and_kept() {
    let provider = Provider::answering(Answer::ok());
    for state in ["", "sending"] {
        let config = format!("host = {}", provider.url());
        let mut setup = install(&[], &config);
        setup.send(&[REMOTE, JOHN, "x"]);
        let file = setup.outbox().files("").remove(0);
        let record = std::fs::read_to_string(&file).unwrap();
        let invalid = "\"interface\": \"a\\nb\"";
        let record = record.replace("\"interface\": \"\"", invalid);
        std::fs::remove_file(&file).unwrap();
        let directory = setup.path("outbox").join(state);
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join(file.file_name().unwrap()), record).unwrap();
        let daemon = setup.start();
        let files = daemon.spool.wait_for(1);
        let reason = if state.is_empty() {
            ": unknown index"
        } else {
            ": interrupted while it was sent"
        };
        assert!(callfile::text(&files[0]).ends_with(reason), "{files:?}");
        daemon.wait_for_log("interface name in file invalid");
        let kept = wait_for("the message in failed", || {
            setup.outbox().files("failed").pop()
        });
        let kept = std::fs::read_to_string(kept).unwrap();
        assert!(kept.contains(invalid), "{kept}");
    }
    assert!(provider.requests().is_empty());
}

#[test]
fn invalid_file_is_moved_to_failed() {
    let provider = Provider::answering(Answer::ok());
    let mut setup = install(&[provider.url()], "");
    setup.send(&[REMOTE, JOHN, "x"]);
    let file = setup.outbox().files("").remove(0);
    std::fs::write(&file, "{\"to\": 1").unwrap();
    let daemon = setup.start();
    daemon.wait_for_log("invalid file moved to failed");
    wait_for("the file in failed", || {
        (setup.outbox().files("failed").len() == 1).then_some(())
    });
    assert!(provider.requests().is_empty());
}

#[test]
fn two_daemons_do_not_share_an_outbox() {
    let provider = Provider::answering(Answer::ok());
    let mut setup = install(&[provider.url()], "");
    let _daemon = setup.start();
    let other = Spool::new();
    let config = setup.config().split("[astqueue]").next().unwrap();
    let log = failed_start(&mut command(&other.configure(config)));
    assert!(log.contains("another websmsd uses it"), "{log}");
}

#[test]
fn message_fails_when_the_outbox_cannot_be_written() {
    let provider = Provider::answering(Answer::ok());
    let setup = install(&[provider.url()], "");
    std::fs::write(setup.path("outbox"), "a file").unwrap();
    let variables = setup.send(&[REMOTE, JOHN, "x"]);
    assert_eq!(variables["WEBSMS_STATUS"], "FAILED");
    assert_eq!(variables["WEBSMS_ERROR"], "outbox cannot take it");
}

/// A provider that is unreachable while messages are queued, and a daemon that is
/// killed again and again, before and after the provider is back.
#[test]
fn kills_lose_nothing_and_repeat_nothing() {
    let messages = size("WEBSMS_TEST_MESSAGES", 200);
    let kills = size("WEBSMS_TEST_KILLS", 6);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let mut setup = install(&[format!("http://{address}")], "concurrency = 20");
    let mut daemon = setup.start();
    for number in 0..messages {
        // Ten conversations.
        let (to, from) = (
            format!("+120255501{:02}", number % 10),
            format!("+120255502{:02}", number % 10),
        );
        let variables = setup.send(&[&to, &from, &number.to_string()]);
        assert_eq!(variables["WEBSMS_STATUS"], "QUEUED");
        if number % (messages / kills + 1) == 0 {
            setup.kill(daemon);
            daemon = setup.start();
        }
    }
    // The provider is back, and slow enough for a kill to meet requests.
    let provider = Provider::listening(address, |_| {
        std::thread::sleep(Duration::from_millis(5));
        Answer::ok()
    });
    for kill in 1..=kills {
        provider.wait_for(messages * kill / (kills + 1));
        setup.kill(daemon);
        daemon = setup.start();
    }
    setup.outbox().wait_until_empty();
    let mut sent = HashMap::new();
    for text in texts(&provider.requests()) {
        *sent.entry(text).or_insert(0) += 1;
    }
    let repeated = sent.values().filter(|times| **times > 1).count();
    assert_eq!(repeated, 0, "{sent:?}");
    // Every other message is known to be unknown, and has a notice.
    let unknown: Vec<_> = setup
        .outbox()
        .files("failed")
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    assert!(unknown.iter().all(|record| record.contains("UNKNOWN")));
    let notices = daemon.spool.wait_for(unknown.len());
    assert!(unknown.len() <= kills * 20, "{}", unknown.len());
    let lost = (0..messages).filter(|number| {
        let text = format!("\"text\": \"{number}\"");
        !sent.contains_key(&number.to_string())
            && !unknown.iter().any(|record| record.contains(&text))
    });
    assert_eq!(lost.count(), 0);
    println!(
        "{messages} messages, {} kills: {} sent once, {} unknown with {} notices",
        2 * kills,
        sent.len(),
        unknown.len(),
        notices.len()
    );
}
