//! Answers of providers of every form, and the notice that the sender's phone gets.

use crate::support::{Answer, Installation, Provider, Spool, callfile};

const REMOTE: &str = "+12025550183";
const JOHN: &str = "+12025550160";

/// A configuration that sends to a provider by the outbox.
fn config(spool: &Spool, provider: &Provider, lines: &str) -> String {
    format!(
        "[websms]\noutboxdir = {}\nhost = {}\nauth_method = none\ndelivery = queue\n\
         retry_min = 1\nretry_max = 1\n{lines}\n{}",
        spool.path().join("outbox").display(),
        provider.url(),
        spool.section()
    )
}

/// The notice of an answer to a message that is sent by these lines.
fn notice(lines: &str, answer: Answer) -> String {
    let provider = Provider::answering(answer);
    let mut installation = Installation::new(|spool| config(spool, &provider, lines));
    let daemon = installation.start();
    let variables = installation.send(&[REMOTE, JOHN, "hello"]);
    assert_eq!(variables["WEBSMS_STATUS"], "QUEUED", "{lines}");
    let files = daemon.spool.wait_for(1);
    let (to, from, text) = callfile::read(&files[0]);
    assert_eq!((to.as_str(), from.as_str()), (JOHN, REMOTE));
    assert_eq!(provider.requests().len(), 1, "{lines}");
    text
}

fn plain(status: u16, body: &str) -> Answer {
    Answer::Http(status, "text/plain", body.to_owned())
}

#[test]
fn notice_explains_an_answer_in_plain_text() {
    let lines = "response_check = /^ID:/\nresp_id = /^ID: (\\S+)/\nresp_error = /^ERR: (\\d+)/\n\
                 resp_reason = /^ERR: \\d+, (.*)/\nreason = 114: this network cannot be reached";
    for (body, words) in [
        (
            "ERR: 114, Cannot route message",
            "this network cannot be reached",
        ),
        (
            "ERR: 105, Invalid destination address",
            "Invalid destination address",
        ),
        ("ERR", "not accepted by provider"),
    ] {
        let expected = format!("Not delivered to {REMOTE}: {words}");
        assert_eq!(notice(lines, plain(200, body)), expected, "{body}");
    }
}

#[test]
fn status_that_means_later_is_tried_again() {
    for listed in ["402", "http_status=402"] {
        let (provider, _) = Provider::with_state(0, |tries, _| {
            *tries += 1;
            if *tries < 3 {
                plain(402, "")
            } else {
                plain(200, "OK")
            }
        });
        // The account writes to one number alone, which has no parameter.
        let lines = format!(
            "path = /sendmsg\nmethod = GET\nbody_type = query\nkey_to =\nkey_from =\n\
             key_body = msg\nto_match = /^\\{REMOTE}$/\nretry_on = {listed}"
        );
        let mut installation = Installation::new(|spool| config(spool, &provider, &lines));
        let daemon = installation.start();
        installation.send(&[REMOTE, JOHN, "hello"]);
        let requests = provider.wait_for(3);
        assert_eq!(requests[2].path, "/sendmsg?msg=hello", "{listed}");
        installation.outbox().wait_until_empty();
        assert_eq!(daemon.spool.take(), [], "no notice");
    }
}

#[test]
fn status_chooses_the_fallback() {
    let refusing = Provider::answering(plain(404, "<html>no such plan</html>"));
    let other = Provider::answering(Answer::ok());
    let lines = format!(
        "host [b] = {}\nfallback [a] = b\nfallback_on [a] = http_status=404\nhost [a] = {}",
        other.url(),
        refusing.url()
    );
    let mut installation = Installation::new(|spool| config(spool, &refusing, &lines));
    let daemon = installation.start();
    installation.send(&[REMOTE, JOHN, "hello", "a"]);
    let request = other.wait_for(1).remove(0);
    assert_eq!(request.parameters()["Body"], "hello");
    assert_eq!(refusing.requests().len(), 1);
    installation.outbox().wait_until_empty();
    assert_eq!(daemon.spool.take(), [], "no notice");
}

#[test]
fn accepted_text_is_not_reported_as_refused() {
    let accepted = r#"{"status":"success","id":7}"#;
    for body in [
        format!("\u{feff}{accepted}"),
        accepted.replace('7', "7,\"name\":\"half \\ud83d\""),
        accepted.replace('7', "7,\"text\":\"a\tb\""),
        format!("{accepted}{{\"status\":\"error\"}}"),
    ] {
        let provider = Provider::answering(Answer::Http(200, "application/json", body.clone()));
        let lines = "response_check = status=success\nresp_id = /id";
        let mut installation = Installation::new(|spool| config(spool, &provider, lines));
        let daemon = installation.start();
        installation.send(&[REMOTE, JOHN, "hello"]);
        installation.outbox().wait_until_empty();
        assert_eq!(installation.outbox().files("sent").len(), 1, "{body}");
        assert_eq!(daemon.spool.take(), [], "{body}");
    }
}

#[test]
fn unreadable_success_is_perhaps_delivered() {
    for body in [
        "<html><body>Accepted</body></html>",
        "{\"status\":\"succ",
        "OK",
    ] {
        let text = notice("response_check = status=success", plain(200, body));
        let expected =
            format!("Perhaps not delivered to {REMOTE}: unreadable answer from provider");
        assert_eq!(text, expected, "{body}");
    }
}
