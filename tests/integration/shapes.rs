//! Requests that are no message: other events are passed over, other shapes are
//! refused and reported, and a request that holds nothing is answered.

use crate::support::Daemon;
use crate::support::http::JSON;

const MATCHED: &str = "[websmsd]\nkey_to = /data/to\nkey_from = /data/from\nkey_body = /data/text\n\
                       match = /type=sms\nignore = /test=true\n";

fn status(daemon: &Daemon, body: &str) -> u16 {
    daemon.post("/", &[JSON], body.as_bytes()).status
}

#[test]
fn other_event_is_passed_over_and_other_shape_is_refused() {
    let daemon = Daemon::start(MATCHED);
    for (body, expected) in [
        (r#"{"type":"call","data":{"to":"1"}}"#, 200),
        (r#"{"test":true,"hello":"world"}"#, 200),
        ("{}", 200),
        (
            r#"{"type":"sms","data":{"to":"1","from":"2","text":"x"}}"#,
            200,
        ),
        (
            r#"{"Type":"sms","Data":{"To":"1","Text":"private words"},"private words":1}"#,
            400,
        ),
    ] {
        assert_eq!(status(&daemon, body), expected, "{body}");
    }
    let line = daemon.wait_for_log("another shape");
    for part in [
        " WARN request refused",
        "status=400",
        r#"reason=failed to find "/type", which match names"#,
        r#"members="Type, Data, Data/To, Data/Text""#,
        "remedy=",
        "key_body",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    daemon.spool.wait_for(1);
    let (_, log) = daemon.stop();
    assert!(!log.contains("private"), "{log}");
}

#[test]
fn refusal_of_another_shape_reveals_nothing_and_is_logged_a_few_times() {
    let daemon = Daemon::start(MATCHED);
    for _ in 0..50 {
        let answer = daemon.post("/", &[JSON], br#"{"Type":"sms"}"#);
        assert_eq!(
            (answer.status, answer.text()),
            (400, "Bad Request\n".to_owned())
        );
    }
    let (_, log) = daemon.stop();
    let logged = log.matches("another shape").count();
    assert!((1..50).contains(&logged), "{logged}");
}

#[test]
fn other_shape_beside_a_message_is_passed_over() {
    let daemon = Daemon::start(
        "[websmsd]\nkey_to = /*/to\nkey_from = /*/from\nkey_body = /*/text\nmatch = /*/type=sms\n",
    );
    let both = r#"[{"type":"sms","to":"1","from":"2","text":"x"},{"kind":"other"}]"#;
    assert_eq!(status(&daemon, both), 200);
    assert_eq!(status(&daemon, r#"[{"kind":"other"}]"#), 400);
    assert_eq!(status(&daemon, "[]"), 200);
    daemon.spool.wait_for(1);
}

#[test]
fn empty_list_is_answered() {
    let daemon = Daemon::start(
        "[websmsd]\nkey_to = /results/*/to\nkey_from = /results/*/from\nkey_body = /results/*/text\n",
    );
    assert_eq!(status(&daemon, r#"{"results":[],"count":0}"#), 200);
    assert_eq!(status(&daemon, r#"{"result":[],"count":0}"#), 400);
    daemon.wait_for_log("request without messages");
    assert!(daemon.spool.is_untouched());
}
