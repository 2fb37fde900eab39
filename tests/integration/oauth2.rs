//! `auth_method = oauth2`: tokens that a server issues, and what happens when it does
//! not.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::support::provider::Recorded;
use crate::support::websms::variables;
use crate::support::{Answer, Installation, Provider, Websms, section, wait_for};

const REMOTE: &str = "+12025550183";
const JOHN: &str = "+12025550160";
const SECRET: &str = "s3cret&word";

/// The provider and the server that issues tokens for it, in one.
struct Server {
    /// Tokens that have been issued; the last one is accepted.
    issued: usize,
    expires_in: u32,
    /// What is answered instead of a token.
    failure: Option<Answer>,
    accepted: Vec<String>,
}

impl Server {
    fn answer(&mut self, request: &Recorded) -> Answer {
        if request.path == "/token?x=y" {
            return self.failure.clone().unwrap_or_else(|| self.issue());
        }
        let expected = format!("Bearer token{}", self.issued);
        if request.headers.get("authorization") != Some(&expected) {
            return Answer::Http(401, "text/plain", "expired".to_owned());
        }
        self.accepted.push(request.parameters()["Body"].clone());
        Answer::ok()
    }

    fn issue(&mut self) -> Answer {
        self.issued += 1;
        let (issued, expires_in) = (self.issued, self.expires_in);
        let body = format!(
            "{{\"access_token\":\"token{issued}\",\"token_type\":\"Bearer\",\
             \"expires_in\":{expires_in}}}"
        );
        Answer::Http(200, "application/json", body)
    }
}

fn provider() -> (Provider, Arc<Mutex<Server>>) {
    let server = Server {
        issued: 0,
        expires_in: 3600,
        failure: None,
        accepted: Vec::new(),
    };
    Provider::with_state(server, Server::answer)
}

/// `[websms]` for this provider, with these lines more.
fn keys(provider: &Provider, more: &str) -> String {
    let url = provider.url();
    format!(
        "[websms]\nhost = {url}\npath = /send\nauth_method = oauth2\nauth_user = the id\n\
         auth_secret = {SECRET}\ntoken_url = {url}/token?x=y\nretry_min = 1\nretry_max = 1\n{more}\n"
    )
}

fn install(provider: &Provider, more: &str) -> Installation {
    Installation::new(|spool| {
        let directory = spool.path().display();
        let queued = format!("outboxdir = {directory}/outbox\ndelivery = queue\n{more}");
        keys(provider, &queued) + &spool.section()
    })
}

/// Requests for tokens.
fn token_requests(provider: &Provider) -> Vec<Recorded> {
    let mut requests = provider.requests();
    requests.retain(|request| request.path.starts_with("/token"));
    requests
}

#[test]
fn each_websms_gets_a_token_with_the_credentials() {
    let (provider, server) = provider();
    let more = "token_scope = sms.send other\nval_token = audience=https://api";
    let websms = Websms::configured(&keys(&provider, more));
    assert_eq!(websms.status(&[REMOTE, JOHN, "one"]), 0);
    let request = token_requests(&provider).remove(0);
    assert_eq!(request.method, "POST");
    // printf 'the+id:s3cret%%26word' | base64
    let basic = "Basic dGhlK2lkOnMzY3JldCUyNndvcmQ=";
    assert_eq!(request.headers["authorization"], basic);
    let expected = [
        ("grant_type", "client_credentials"),
        ("scope", "sms.send other"),
        ("audience", "https://api"),
    ];
    let mut expected: HashMap<_, _> = owned(&expected);
    assert_eq!(request.parameters(), expected);
    // The other place for them.
    let websms = Websms::configured(&keys(&provider, &format!("{more}\ntoken_auth = post")));
    assert_eq!(websms.status(&[REMOTE, JOHN, "two"]), 0);
    let request = token_requests(&provider).remove(1);
    assert!(!request.headers.contains_key("authorization"));
    expected.extend(owned(&[("client_id", "the id"), ("client_secret", SECRET)]));
    assert_eq!(request.parameters(), expected);
    assert_eq!(server.lock().unwrap().accepted, ["one", "two"]);
}

fn owned(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

#[test]
fn messages_share_a_token_until_it_is_refused() {
    let (provider, server) = provider();
    let mut setup = install(&provider, "concurrency = 8");
    for number in 0..8 {
        setup.send(&[&format!("+1202555018{number}"), JOHN, "x"]);
    }
    let daemon = setup.start();
    setup.outbox().wait_until_empty();
    assert_eq!(token_requests(&provider).len(), 1);
    assert_eq!(server.lock().unwrap().accepted.len(), 8);
    // It is withdrawn: messages that are refused get another one, and one alone.
    server.lock().unwrap().issued += 1;
    for number in 0..8 {
        setup.send(&[&format!("+1202555018{number}"), JOHN, "y"]);
    }
    wait_for("the messages", || {
        (server.lock().unwrap().accepted.len() == 16).then_some(())
    });
    setup.outbox().wait_until_empty();
    assert_eq!(token_requests(&provider).len(), 2);
    let log = setup.stop(daemon);
    assert!(!log.contains(SECRET) && !log.contains("token1"), "{log}");
}

#[test]
fn token_that_expires_is_renewed_before() {
    let (provider, server) = provider();
    server.lock().unwrap().expires_in = 0;
    let mut setup = install(&provider, "");
    let _daemon = setup.start();
    for text in ["one", "two"] {
        setup.send(&[REMOTE, JOHN, text]);
    }
    setup.outbox().wait_until_empty();
    assert_eq!(server.lock().unwrap().accepted, ["one", "two"]);
    assert_eq!(token_requests(&provider).len(), 2);
    // No message was refused for it.
    assert_eq!(provider.requests().len(), 4);
}

#[test]
fn message_waits_in_the_outbox_while_no_token_is_issued() {
    let (provider, server) = provider();
    let busy = Answer::Http(500, "text/html", format!("<html>{SECRET}"));
    server.lock().unwrap().failure = Some(busy);
    let mut setup = install(&provider, "");
    let daemon = setup.start();
    setup.send(&[REMOTE, JOHN, "x"]);
    let line = daemon.wait_for_log("message not sent, will retry");
    assert!(line.contains("error at provider"), "{line}");
    assert!(line.contains("no token from token_url"), "{line}");
    server.lock().unwrap().failure = Some(Answer::HangUp);
    daemon.wait_for_log("no answer from provider");
    server.lock().unwrap().failure = None;
    setup.outbox().wait_until_empty();
    assert_eq!(server.lock().unwrap().accepted, ["x"]);
    let log = setup.stop(daemon);
    assert!(!log.contains(SECRET), "{log}");
}

#[test]
fn refused_client_is_a_failure_of_credentials() {
    let (provider, server) = provider();
    for (status, body) in [(401, ""), (400, r#"{"error":"invalid_client"}"#)] {
        let answer = Answer::Http(status, "application/json", body.to_owned());
        server.lock().unwrap().failure = Some(answer);
        let before = provider.requests().len();
        let websms = Websms::configured(&keys(&provider, "")).under_agi();
        let variables = variables_of(&websms);
        assert_eq!(variables["WEBSMS_STATUS"], "REJECTED");
        assert_eq!(variables["WEBSMS_ERROR"], "credentials not accepted");
        assert_eq!(provider.requests().len(), before + 1);
    }
    // The provider refuses every token: two are tried.
    let refusing = Provider::deciding(|request| {
        if request.path.starts_with("/token") {
            let body = r#"{"access_token":"t"}"#.to_owned();
            return Answer::Http(200, "application/json", body);
        }
        Answer::Http(401, "text/plain", String::new())
    });
    let websms = Websms::configured(&keys(&refusing, "")).under_agi();
    let variables = variables_of(&websms);
    assert_eq!(variables["WEBSMS_ERROR"], "credentials not accepted");
    let sent = refusing.requests().len() - token_requests(&refusing).len();
    assert!(sent <= 2, "{sent}");
}

fn variables_of(websms: &Websms) -> HashMap<String, String> {
    variables(&websms.run(&[REMOTE, JOHN, "x"]).stdout)
}

#[test]
fn missing_token_url_is_named() {
    let pairs = [
        ("host", "https://api.example.com"),
        ("auth_method", "oauth2"),
        ("auth_user", "id"),
        ("auth_secret", "secret"),
    ];
    for (url, problem) in [
        ("", r#"token_url = "": is not set"#),
        ("login.example.com", "expected a URL, e.g. https://login"),
        ("https://u:p@login.example.com/", "expected a URL"),
    ] {
        let mut pairs = pairs.to_vec();
        pairs.push(("token_url", url));
        let websms = Websms::configured(&section("websms", &pairs));
        let output = websms.run(&[REMOTE, JOHN, "x"]);
        assert_eq!(output.status.code(), Some(78));
        let log = String::from_utf8(output.stderr).unwrap();
        assert!(log.contains(problem), "{log}");
    }
}
