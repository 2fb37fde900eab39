//! `auth_method = digest`: a provider that asks first, and checks the answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use md5::{Digest as _, Md5};
use sha2::{Sha256, Sha512_256};

use crate::support::provider::Recorded;
use crate::support::websms::variables;
use crate::support::{Answer, Installation, Provider, Websms};

const REMOTE: &str = "+12025550183";
const JOHN: &str = "+12025550160";
const REALM: &str = "Web \"SMS\", Server";
const USER: &str = "api";
const SECRET: &str = "s3cret:word";

/// The provider's side, as RFC 7616 has it.
struct Server {
    algorithm: &'static str,
    /// Other parameters of its challenge.
    more: &'static str,
    /// Requests that one nonce is good for.
    uses: u32,
    /// Whether a nonce that is used up is called stale.
    says_stale: bool,
    nonces: u32,
    used: u32,
    accepted: Vec<String>,
}

impl Server {
    fn new(algorithm: &'static str, more: &'static str) -> Self {
        Self {
            algorithm,
            more,
            uses: 1000,
            says_stale: true,
            nonces: 0,
            used: 0,
            accepted: Vec::new(),
        }
    }

    fn answer(&mut self, request: &Recorded) -> Answer {
        let given = request.headers.get("authorization");
        let Some(given) = given.and_then(|given| given.strip_prefix("Digest ")) else {
            return self.challenge(false);
        };
        let given = parameters(given);
        if given["nonce"] != format!("nonce{}", self.nonces) || self.used >= self.uses {
            return self.challenge(self.says_stale);
        }
        if given["response"] != self.expected(&given, request) {
            return self.challenge(false);
        }
        self.used += 1;
        if self.more.contains("qop") {
            assert_eq!(given["nc"], format!("{:08x}", self.used));
            assert_eq!(given["qop"], "auth");
        }
        assert_eq!(given["uri"], request.path);
        assert_eq!(given["realm"], REALM);
        assert_eq!(given.contains_key("opaque"), self.more.contains("opaque"));
        self.accepted.push(request.parameters()["Body"].clone());
        Answer::ok()
    }

    fn challenge(&mut self, stale: bool) -> Answer {
        self.nonces += 1;
        self.used = 0;
        let realm = REALM.replace('"', "\\\"");
        let algorithm = match self.algorithm {
            "" => String::new(),
            name => format!(", algorithm={name}"),
        };
        let stale = if stale { ", stale=true" } else { "" };
        let answer = format!(
            "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\
             WWW-Authenticate: Basic realm=\"x\"\r\n\
             WWW-Authenticate: Digest realm=\"{realm}\", nonce=\"nonce{}\"{algorithm}{}{stale}\r\n\
             \r\n",
            self.nonces, self.more
        );
        Answer::Raw(answer.into_bytes())
    }

    fn expected(&self, given: &HashMap<String, String>, request: &Recorded) -> String {
        let name = self.algorithm.to_ascii_uppercase();
        let hash = |text: String| match name.trim_end_matches("-SESS") {
            "SHA-256" => hex::encode(Sha256::digest(text)),
            "SHA-512-256" => hex::encode(Sha512_256::digest(text)),
            _ => hex::encode(Md5::digest(text)),
        };
        let user = if self.more.contains("userhash") {
            assert_eq!(given["userhash"], "true");
            hash(format!("{USER}:{REALM}"))
        } else {
            USER.to_owned()
        };
        assert_eq!(given["username"], user);
        let mut a1 = hash(format!("{USER}:{REALM}:{SECRET}"));
        if name.ends_with("-SESS") {
            a1 = hash(format!("{a1}:{}:{}", given["nonce"], given["cnonce"]));
        }
        let a2 = hash(format!("{}:{}", request.method, given["uri"]));
        let nonce = &given["nonce"];
        if self.more.contains("qop") {
            let (count, cnonce) = (&given["nc"], &given["cnonce"]);
            hash(format!("{a1}:{nonce}:{count}:{cnonce}:auth:{a2}"))
        } else {
            hash(format!("{a1}:{nonce}:{a2}"))
        }
    }
}

/// The parameters of a header, by name.
fn parameters(mut text: &str) -> HashMap<String, String> {
    let mut found = HashMap::new();
    while let Some((name, rest)) = text.split_once('=') {
        let mut value = String::new();
        let mut characters = rest.char_indices();
        let mut quoted = false;
        let mut end = rest.len();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => quoted = !quoted,
                '\\' if quoted => value.push(characters.next().unwrap().1),
                ',' if !quoted => {
                    end = at + 1;
                    break;
                }
                _ => value.push(character),
            }
        }
        found.insert(name.trim().to_owned(), value);
        text = &rest[end..];
    }
    found
}

fn provider(server: Server) -> (Provider, Arc<Mutex<Server>>) {
    Provider::with_state(server, Server::answer)
}

/// An installation that queues messages for this provider.
fn install(provider: &Provider) -> Installation {
    Installation::new(|spool| {
        format!(
            "[websms]\noutboxdir = {}/outbox\ndelivery = queue\nhost = {}\npath = /send?a=b\n\
             auth_method = digest\nauth_user = {USER}\nauth_secret = {SECRET}\nretry_min = 1\n\
             concurrency = 1\n{}",
            spool.path().display(),
            provider.url(),
            spool.section()
        )
    })
}

#[test]
fn every_algorithm_is_answered_and_nothing_is_sent_twice() {
    for (algorithm, more) in [
        ("", ""),
        ("MD5", ", qop=\"auth\""),
        ("md5", ", qop=\"auth-int,auth\", opaque=\"o\""),
        ("MD5-sess", ", qop=auth"),
        ("SHA-256", ", qop=\"auth\", opaque=\"\""),
        ("SHA-256", ", qop=\"auth\", charset=UTF-8, userhash=true"),
        ("SHA-256-sess", ", qop=\"auth\""),
        ("SHA-512-256", ", qop=\"auth\""),
    ] {
        let (provider, server) = provider(Server::new(algorithm, more));
        let secret = [("auth_method", "digest"), ("auth_user", USER)];
        let url = provider.url();
        let mut keys = vec![("host", url.as_str()), ("path", "/send?a=b")];
        keys.extend(secret);
        keys.push(("auth_secret", SECRET));
        let websms = Websms::configured(&crate::support::section("websms", &keys));
        assert_eq!(websms.status(&[REMOTE, JOHN, "x"]), 0, "{algorithm} {more}");
        assert_eq!(provider.requests().len(), 2, "{algorithm} {more}");
        assert_eq!(server.lock().unwrap().accepted, ["x"]);
    }
}

#[test]
fn challenge_is_kept_until_it_is_stale() {
    for says_stale in [true, false] {
        let server = Server {
            uses: 3,
            says_stale,
            ..Server::new("SHA-256", ", qop=\"auth\"")
        };
        let (provider, server) = provider(server);
        let mut setup = install(&provider);
        let daemon = setup.start();
        let texts: Vec<_> = (0..7).map(|text| text.to_string()).collect();
        for text in &texts {
            setup.send(&[REMOTE, JOHN, text]);
        }
        setup.outbox().wait_until_empty();
        // One challenge for three messages.
        assert_eq!(provider.requests().len(), 7 + 3, "{says_stale}");
        assert_eq!(server.lock().unwrap().accepted, texts, "{says_stale}");
        let log = setup.stop(daemon);
        assert!(!log.contains(SECRET), "{log}");
    }
}

#[test]
fn wrong_secret_is_a_failure_of_credentials() {
    let (provider, server) = provider(Server::new("MD5", ", qop=\"auth\""));
    let keys = [
        ("auth_method", "digest"),
        ("auth_user", USER),
        ("auth_secret", "another"),
    ];
    let url = provider.url();
    let mut section = vec![("host", url.as_str())];
    section.extend(keys);
    let websms = Websms::configured(&crate::support::section("websms", &section)).under_agi();
    let variables = variables(&websms.run(&[REMOTE, JOHN, "x"]).stdout);
    assert_eq!(variables["WEBSMS_ERROR"], "credentials not accepted");
    assert_eq!(provider.requests().len(), 2);
    assert!(server.lock().unwrap().accepted.is_empty());
}

#[test]
fn other_method_than_the_provider_asks_for_is_named() {
    for (method, asked, hint) in [
        ("digest", "Basic realm=\"x\"", "but for \\\"Basic\\\""),
        (
            "basic",
            "Digest realm=\"x\", nonce=\"n\"",
            "set auth_method = digest",
        ),
    ] {
        let answer =
            format!("HTTP/1.1 401 X\r\nWWW-Authenticate: {asked}\r\nContent-Length: 0\r\n\r\n");
        let provider = Provider::answering(Answer::Raw(answer.into_bytes()));
        let websms = Websms::to(&provider, &[("auth_method", method)]);
        let output = websms.run(&[REMOTE, JOHN, "x"]);
        let log = String::from_utf8(output.stderr).unwrap();
        assert!(log.contains("credentials not accepted"), "{log}");
        assert!(log.contains(hint), "{log}");
        assert_eq!(provider.requests().len(), 1);
    }
}
