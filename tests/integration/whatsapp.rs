//! `whatsapp`: every subcommand and every error, through the real binary, with a
//! stand-in gateway that checks credentials and limits.

use std::io::Read as _;
use std::net::TcpListener;
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command};

use asterisk_websms::exit::Exit;

use super::provider::{Authority, TlsProvider};
use crate::support::cli::{self, ConfigDirectory, Finished};
use crate::support::sak::{self, Class, EMAIL, PASSWORD, PHONE, QrResponse, Sak};
use crate::support::{Answer, Provider, section, wait_for};

/// Codes as WhatsApp makes them: a reference and four keys.
const CODES: [&str; 2] = [
    "2@hVwZ1kqPcJ8y0mRb7sQnF4xT9uGdLaEo3iWvXz6NpYtCjKqHfBmRrSsUuVvAaDdEe,\
     Zm9vYmFyYmF6cXV4MDEyMzQ1Njc4OWFiY2RlZmdoaWo=,QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU2Nzg=,\
     c2VjcmV0LWtleS1vZi10aGUtYWR2LWlkZW50aXR5LTAx,1",
    "2@another/reference+that-is-not-the-first-one==,Zm9v,YmFy,YmF6,1",
];

/// No error text may hold a part of a token or key.
const SECRETS: [&str; 6] = [
    "eyJ",
    "sk-created",
    "uk-created",
    "whsec",
    "x-api-key:",
    "Bearer",
];

/// A directory with a configuration for an account at a gateway.
struct Account(ConfigDirectory);

impl Deref for Account {
    type Target = ConfigDirectory;

    fn deref(&self) -> &ConfigDirectory {
        &self.0
    }
}

impl Account {
    fn at(url: &str, more: &[(&str, &str)]) -> Self {
        let mut pairs = vec![("url", url)];
        pairs.extend_from_slice(more);
        Self(ConfigDirectory::new(&section("whatsapp", &pairs)))
    }

    fn whatsapp(&self, line: &str) -> Command {
        let mut command = self.command(&["whatsapp"]);
        command.args(line.split(' '));
        command
    }

    fn run(&self, line: &str) -> Done {
        Done(cli::run(&mut self.whatsapp(line)))
    }

    fn login(&self, password: &str) -> Done {
        let mut command = self.whatsapp(&format!("login {EMAIL}"));
        Done(cli::run_with_input(&mut command, password))
    }
}

/// The result of a run.
#[derive(Debug)]
struct Done(Finished);

impl Deref for Done {
    type Target = Finished;

    fn deref(&self) -> &Finished {
        &self.0
    }
}

impl Done {
    #[track_caller]
    fn succeeds(self) -> String {
        self.0.succeeds()
    }

    /// It fails with this status and one line on stderr that has these parts.
    #[track_caller]
    fn fails(self, exit: Exit, parts: &[&str]) {
        self.0.fails(exit, parts);
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        for secret in SECRETS {
            assert!(!self.stderr.contains(secret), "{secret}: {self:?}");
        }
    }
}

#[test]
fn first_message_is_sent_after_login_session_and_pairing() {
    let sak = Sak::start();
    let account = Account::at(&sak.url(), &[]);
    let token = account.path("token");
    let source = format!("file:{}", token.display());
    let base = section("whatsapp", &[("url", &sak.url()), ("token", &source)]);
    account.configure(&base);
    let stdout = account.login(&format!("{PASSWORD}\n")).succeeds();
    assert!(
        !stdout.contains("eyJ") && stdout.contains("token"),
        "{stdout}"
    );
    let created = account.run("session create First --webhook https://pbx.example.com/sak");
    let lines = created.succeeds();
    let session = sak.with(|state| state.sessions[0].clone());
    let (_, secret) = session.webhook.clone().unwrap();
    for part in [&session.id, &session.key, &secret, "only this once"] {
        assert!(lines.contains(part), "{part:?} is not in {lines}");
    }
    sak.with(|state| state.qr_responses = vec![QrResponse::Code(CODES[0]), QrResponse::Connected]);
    let drawn = account.run("session qr").succeeds();
    assert_eq!(drawings(&drawn), [CODES[0]]);
    assert!(drawn.ends_with(&format!("The phone is connected: {PHONE}\n")));
    // The lines as they were printed, and an interface as the guide describes it.
    let provider = section(
        "websms",
        &[
            ("host", &sak.provider.url()),
            ("path", "/api/v1/messages/send"),
            ("body_type", "json"),
            ("key_to", "to"),
            ("key_from", "from"),
            ("key_body", "text"),
            ("auth_method", "header"),
            ("auth_header", "x-api-key: {secret}"),
            ("number_format", "omit+"),
            ("response_check", "/data/status=sent|queued"),
            ("resp_id", "/data/messageId"),
        ],
    );
    account.configure(&format!("{base}{lines}{provider}"));
    let message = ["websms", "+12025550160", "+12025550183", "Hello from SAK"];
    cli::run(&mut account.command(&message)).succeeds();
    let sent = [("12025550160".to_owned(), "Hello from SAK".to_owned())];
    assert_eq!(sak.with(|state| state.messages.clone()), sent);
    let history = account.run("history").succeeds();
    assert!(
        history.contains("12025550160") && history.ends_with("1 in all\n"),
        "{history}"
    );
}

#[test]
fn token_file_is_replaced_and_readable_by_its_owner_only() {
    let sak = Sak::start();
    let account = Account::at(&sak.url(), &[]);
    let (file, link) = (account.path("kept/token"), account.path("link"));
    std::fs::create_dir(account.path("kept")).unwrap();
    std::fs::write(&file, "old").unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let source = format!("file:{}", link.display());
    account.configure(&section(
        "whatsapp",
        &[("url", &sak.url()), ("token", &source)],
    ));
    account.login(&format!("{PASSWORD}\r\n")).succeeds();
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(link.is_symlink());
    let token = std::fs::read_to_string(&file).unwrap();
    let known = sak.with(|state| state.tokens.clone());
    assert_eq!([token.trim_end()], known.as_slice());
    assert_eq!(std::fs::read_dir(account.path("kept")).unwrap().count(), 1);
    let listed = account.run("session list").succeeds();
    assert_eq!(listed, "SESSION  NAME  STATUS  PHONE\n0 in all\n");
}

#[test]
fn token_without_a_file_is_printed_to_stdout() {
    let sak = Sak::start();
    for (more, hint) in [
        (vec![], "token = file:/path"),
        (vec![("token", "env:SAK_TOKEN")], "variable"),
        (vec![("token", "old")], "websms.conf"),
    ] {
        sak.with(|state| state.used.clear());
        let done = Account::at(&sak.url(), &more).login(PASSWORD);
        assert!(done.stderr.contains(hint), "{done:?}");
        let token = sak.with(|state| state.tokens.last().cloned().unwrap());
        assert_eq!(done.succeeds(), format!("{token}\n"));
    }
    let credential = Account::at(&sak.url(), &[("token", "file:name")]);
    credential
        .login(PASSWORD)
        .fails(Exit::Configuration, &["systemd's credentials"]);
    let unwritable = Account::at(&sak.url(), &[("token", "file:/nonexistent/token")]);
    unwritable
        .login(PASSWORD)
        .fails(Exit::Configuration, &["failed to write /nonexistent/token"]);
}

#[test]
fn password_is_never_shown() {
    let sak = Sak::start();
    let account = Account::at(&sak.url(), &[]);
    let wrong = "not it \"at\" all";
    // The gateway repeats it.
    account.login(wrong).fails(
        Exit::Rejected,
        &[
            "AUTH_FAILED: \"(the secret) is not the password of",
            "does not accept this user",
        ],
    );
    assert!(!account.login(wrong).stderr.contains("not it"));
    // Without a code as well it is not about the keys of the section.
    let refusing = Provider::answering(Answer::Http(401, "application/json", "{}".to_owned()));
    let done = Account::at(&refusing.url(), &[]).login(wrong);
    assert!(!done.stderr.contains("user_key"), "{done:?}");
    done.fails(Exit::Rejected, &["does not accept this user or password"]);
    for empty in ["", "\n"] {
        account
            .login(empty)
            .fails(Exit::Usage, &["there is no password"]);
    }
}

/// Logs in at a terminal; returns what the terminal shows of `typed`, and the
/// status.
fn login_at_terminal(account: &Account, typed: &str) -> (String, i32) {
    let mut command = account.whatsapp(&format!("login {EMAIL}"));
    let (shown, done) = cli::run_at_terminal(&mut command, "Password: ", typed);
    (shown, done.status)
}

#[test]
fn typed_password_is_not_echoed() {
    let sak = Sak::start();
    let account = Account::at(&sak.url(), &[]);
    let typed = format!("{PASSWORD}\n");
    assert_eq!(login_at_terminal(&account, &typed), (String::new(), 0));
    // Ctrl-C leaves the terminal as it was.
    let (shown, status) = login_at_terminal(&account, "half\x03");
    assert_eq!((shown.as_str(), status), ("", 64));
    assert_eq!(sak.with(|state| state.tokens.len()), 1);
}

#[test]
fn sessions_are_created_listed_shown_and_deleted() {
    let sak = Sak::start();
    let key = sak.user_key();
    let account = Account::at(&sak.url(), &[("user_key", &key)]);
    account.run("session status").fails(
        Exit::Configuration,
        &["there is no session: create one with `asterisk-websms whatsapp session create NAME`"],
    );
    let printed = account.run("session create One").succeeds();
    let one = sak.with(|state| state.sessions[0].clone());
    assert!(
        printed.contains(&one.key) && !printed.contains("[websmsd]"),
        "{printed}"
    );
    // Without an id it is the only session.
    let status = account.run("session status").succeeds();
    assert!(
        status.contains(&one.id) && status.contains("not connected"),
        "{status}"
    );
    let two = sak.session("Two");
    sak.with(|state| state.sessions[1].connected = true);
    let done = account.run("session status");
    assert_eq!(done.status, i32::from(Exit::Configuration.status()));
    for part in [&one.id, &two.id, "2 in all", "name it, or set session"] {
        assert!(done.stderr.contains(part), "{part:?} is not in {done:?}");
    }
    let status = account
        .run(&format!("session status {}", two.id))
        .succeeds();
    assert!(
        status.contains("status   connected") && status.contains(PHONE),
        "{status}"
    );
    let listed = account.run("session list").succeeds();
    let lines: Vec<_> = listed.lines().collect();
    assert!(
        lines[1].contains("One") && lines[1].ends_with("pending"),
        "{listed}"
    );
    assert!(
        lines[2].contains("Two") && lines[2].ends_with("connected"),
        "{listed}"
    );
    sak.session("Three");
    account.run("session create Four").fails(
        Exit::Rejected,
        &["SESSION_LIMIT_REACHED", "session delete ID"],
    );
    let deleted = account
        .run(&format!("session delete {}", one.id))
        .succeeds();
    assert_eq!(deleted, format!("deleted session {}\n", one.id));
    assert_eq!(sak.with(|state| state.sessions.len()), 2);
    account
        .run(&format!("session delete {}", one.id))
        .fails(Exit::Rejected, &["SESSION_NOT_FOUND", "session list"]);
    // Only a named session is deleted.
    assert_eq!(account.run("session delete").status, 64);
    assert_eq!(account.run("session status ../auth").status, 64);
}

#[test]
fn webhook_is_registered_and_tested() {
    let sak = Sak::start();
    let (token, session) = (sak.token(), sak.session("One"));
    let user_key = sak.user_key();
    let id = ("session", session.id.as_str());
    let token = Account::at(&sak.url(), &[("token", &token)]);
    let key = Account::at(&sak.url(), &[("session_key", &session.key)]);
    let user = Account::at(&sak.url(), &[("user_key", &user_key)]);
    let both = Account::at(&sak.url(), &[("session_key", &session.key), id]);
    key.run("webhook register https://h/x").fails(
        Exit::Configuration,
        &["this needs a token or the user's key"],
    );
    both.run("webhook register https://h/x")
        .fails(Exit::Configuration, &["needs a token, a key is not enough"]);
    let done = key.run("webhook test");
    assert_eq!(done.status, i32::from(Exit::Rejected.status()));
    assert!(done.stdout.ends_with("0 in all\n"), "{done:?}");
    // With the only session, and with the one that is named.
    let first = token.run("webhook register https://h/x").succeeds();
    let register = format!("webhook register {} https://h/y", session.id);
    let second = token.run(&register).succeeds();
    let (url, secret) = sak.with(|state| state.sessions[0].webhook.clone()).unwrap();
    assert_eq!(url, "https://h/y");
    let line = format!("[websmsd]\n; posted to: {url}\n");
    assert!(
        second.contains(&secret) && second.contains(&line),
        "{second}"
    );
    assert!(!first.contains(&secret), "{first}");
    for account in [&key, &both, &user] {
        let stdout = account.run("webhook test").succeeds();
        assert_eq!(
            stdout,
            "WEBHOOK      RESULT  ANSWER\nhttps://h/y  taken   200\n1 in all\n"
        );
    }
    let test = format!("webhook test {}", session.id);
    both.run(&test).succeeds();
    user.run(&test).succeeds();
    key.run(&test)
        .fails(Exit::Configuration, &["is not known to be of this session"]);
    sak.with(|state| state.webhooks_down = true);
    let done = key.run("webhook test");
    assert_eq!(done.status, i32::from(Exit::Rejected.status()));
    assert!(
        done.stdout.contains("not taken  connect ECONNREFUSED"),
        "{done:?}"
    );
    for url in ["h/x", "ftp://h", "x"] {
        assert_eq!(token.run(&format!("webhook register {url}")).status, 64);
    }
}

#[test]
fn api_keys_of_the_user_are_created_and_listed() {
    let sak = Sak::start();
    let token = sak.token();
    let account = Account::at(&sak.url(), &[("token", &token)]);
    let printed = account.run("api-key create backend").succeeds();
    let (_, key) = sak.with(|state| state.user_keys[0].clone());
    let line = format!("[whatsapp]\nuser_key    = \"{key}\"\n");
    assert!(
        printed.contains(&line) && printed.contains("only this once"),
        "{printed}"
    );
    let listed = account.run("api-key list").succeeds();
    assert!(
        listed.contains("backend") && !listed.contains(&key),
        "{listed}"
    );
    let account = Account::at(&sak.url(), &[("user_key", &key)]);
    account.run("session list").succeeds();
    account
        .run("api-key list")
        .fails(Exit::Configuration, &["whatsapp login EMAIL"]);
}

#[test]
fn history_is_paged_and_needs_a_key() {
    let sak = Sak::start();
    let (session, user_key) = (sak.session("One"), sak.user_key());
    sak.with(|state| {
        let to = |number| (format!("1202555{number:04}"), "x".to_owned());
        state.messages = (0..7).map(to).collect();
    });
    let account = Account::at(&sak.url(), &[("session_key", &session.key)]);
    let all = account.run("history").succeeds();
    assert!(
        all.starts_with("TIME ") && all.ends_with("7 in all\n"),
        "{all}"
    );
    let page = account.run("history --limit 2 --offset 5").succeeds();
    let lines: Vec<_> = page.lines().collect();
    assert_eq!(lines.len(), 4, "{page}");
    assert!(
        lines[1].contains("12025550005  text  sent    3EB6"),
        "{page}"
    );
    for limit in ["0", "1001", "x"] {
        assert_eq!(account.run(&format!("history --limit {limit}")).status, 64);
    }
    let user = Account::at(&sak.url(), &[("user_key", &user_key)]);
    let of_session = format!("history --session {}", session.id);
    assert_eq!(user.run("history").succeeds(), all);
    assert_eq!(user.run(&of_session).succeeds(), all);
    user.run("history --session other")
        .fails(Exit::Rejected, &["INVALID_SESSION"]);
    let token = sak.token();
    Account::at(&sak.url(), &[("token", &token)])
        .run("history")
        .fails(Exit::Configuration, &["set session_key in [whatsapp]"]);
    let other = Account::at(&sak.url(), &[("session_key", "sk-created-by-nobody")]);
    other.run("history").fails(
        Exit::Rejected,
        &["INVALID_API_KEY: \"(the secret) is no API key\""],
    );
}

#[test]
fn health_is_found_with_and_without_the_prefix() {
    let sak = Sak::start();
    assert_eq!(
        Account::at(&sak.url(), &[]).run("health").succeeds(),
        "the gateway is healthy\n"
    );
    let inside = Provider::deciding(|request| match request.path.as_str() {
        "/api/v1/health" => Answer::Http(200, "application/json", "{}".to_owned()),
        _ => Answer::Http(200, "text/html", "<html>welcome</html>".to_owned()),
    });
    let account = Account::at(&format!("{}/api/v1/", inside.url()), &[]);
    assert_eq!(account.run("health").succeeds(), "the gateway is up\n");
    let unhealthy = r#"{"status":"degraded"}"#.to_owned();
    let unhealthy = Provider::answering(Answer::Http(200, "application/json", unhealthy));
    Account::at(&unhealthy.url(), &[]).run("health").fails(
        Exit::Failed,
        &["the gateway is not healthy (it reports \"degraded\")"],
    );
}

#[test]
fn every_error_code_has_a_text_and_a_remedy() {
    use Exit::{Failed, Rejected};
    for (status, code, exit, parts) in [
        (
            401,
            "NO_TOKEN",
            Rejected,
            ["requires a token", "whatsapp login EMAIL"],
        ),
        (
            401,
            "INVALID_TOKEN",
            Rejected,
            ["has expired", "whatsapp login EMAIL"],
        ),
        (401, "AUTH_FAILED", Rejected, ["user or password", "email"]),
        (
            401,
            "NO_API_KEY",
            Rejected,
            ["requires a key", "set session_key"],
        ),
        (
            401,
            "AUTHENTICATION_REQUIRED",
            Rejected,
            ["requires a token or a key", "set token"],
        ),
        (
            403,
            "INVALID_API_KEY",
            Rejected,
            ["does not know this key", "api-key create"],
        ),
        (
            403,
            "USER_INACTIVE",
            Rejected,
            ["deactivated", "administrator"],
        ),
        (
            403,
            "INVALID_SESSION",
            Rejected,
            ["does not belong to this key's", "session list"],
        ),
        (
            403,
            "SESSION_LIMIT_REACHED",
            Rejected,
            ["plan allows", "session delete"],
        ),
        (
            400,
            "SESSION_ID_REQUIRED",
            Rejected,
            ["requires the session", "set session"],
        ),
        (
            400,
            "VALIDATION_ERROR",
            Rejected,
            ["rejects these values", "\"it says why\""],
        ),
        (
            400,
            "INVALID_PHONE_NUMBER",
            Rejected,
            ["this number", "country code"],
        ),
        (
            404,
            "SESSION_NOT_FOUND",
            Rejected,
            ["no such session", "session list"],
        ),
        (
            429,
            "RATE_LIMIT_EXCEEDED",
            Failed,
            ["too many requests", "try again in 60 seconds"],
        ),
        (
            429,
            "AUTH_RATE_LIMIT",
            Failed,
            ["too many logins", "try again in 60 seconds"],
        ),
        (
            429,
            "API_RATE_LIMIT",
            Failed,
            ["too many requests", "try again in 60 seconds"],
        ),
        (
            409,
            "SOME_NEW_CODE",
            Rejected,
            ["the gateway refused", "\"it says why\""],
        ),
    ] {
        // The code counts, also with a status of success.
        for status in [status, 200] {
            let gateway = Provider::answering(sak::error(status, code, "it says why"));
            let account = Account::at(&gateway.url(), &[("user_key", "k")]);
            let parts = [&[code], parts.as_slice()].concat();
            account.run("session list").fails(exit, &parts);
            assert_eq!(gateway.requests().len(), 1);
        }
    }
}

#[test]
fn invalid_credentials_are_refused() {
    let sak = Sak::start();
    let (key, token) = (sak.user_key(), sak.token());
    let old = Account::at(&sak.url(), &[("token", "eyJhbGciOiJIUzI1NiJ9.e30.old")]);
    old.run("session list").fails(
        Exit::Rejected,
        &["INVALID_TOKEN: \"jwt (the secret) expired\""],
    );
    let unknown = Account::at(&sak.url(), &[("user_key", "uk-created-by-nobody")]);
    unknown
        .run("session list")
        .fails(Exit::Rejected, &["INVALID_API_KEY"]);
    sak.with(|state| state.inactive = true);
    for pair in [("user_key", key.as_str()), ("token", token.as_str())] {
        Account::at(&sak.url(), &[pair])
            .run("session list")
            .fails(Exit::Rejected, &["USER_INACTIVE"]);
    }
}

#[test]
fn trace_log_holds_no_secret() {
    let sak = Sak::start();
    let (key, token) = (sak.user_key(), sak.token());
    let keys = [("user_key", key.as_str()), ("token", token.as_str())];
    let account = Account::at(&sak.url(), &keys);
    for (line, secret) in [
        ("session list", key.as_str()),
        ("api-key list", token.as_str()),
        ("session create One", "sk-created"),
        ("webhook register https://h/x", "whsec"),
    ] {
        let mut command = account.whatsapp(line);
        let done = cli::run(command.env("WEBSMS_LOG", "trace"));
        assert!(!done.stderr.contains(secret), "{done:?}");
        assert!(!done.stderr.contains("x-api-key"), "{done:?}");
        done.succeeds();
    }
}

#[test]
fn rate_limits_are_reported_with_their_wait() {
    let sak = Sak::start();
    let (key, session) = (sak.user_key(), sak.session("One"));
    let keys = [("user_key", key.as_str()), ("session_key", &session.key)];
    let account = Account::at(&sak.url(), &keys);
    for _ in 0..5 {
        account.login(PASSWORD).succeeds();
    }
    let wait = "try again in 60 seconds";
    account
        .login(PASSWORD)
        .fails(Exit::Failed, &["AUTH_RATE_LIMIT", wait]);
    sak.with(|state| {
        state.used.insert(Class::General, 99);
        state.used.insert(Class::Messaging, 999);
    });
    for (line, code) in [
        ("session list", "RATE_LIMIT_EXCEEDED"),
        ("history", "API_RATE_LIMIT"),
    ] {
        account.run(line).succeeds();
        account.run(line).fails(Exit::Failed, &[code, wait]);
    }
    let busy = b"HTTP/1.1 429 X\r\nRetry-After: 17\r\nContent-Length: 0\r\n\r\n".to_vec();
    let gateway = Provider::answering(Answer::Raw(busy));
    Account::at(&gateway.url(), &keys)
        .run("session list")
        .fails(
            Exit::Failed,
            &["HTTP status 429", "try again in 17 seconds"],
        );
}

#[test]
fn invalid_response_is_reported_in_one_line() {
    let page = |status, text: &str| Answer::Http(status, "text/html", text.to_owned());
    let redirect = b"HTTP/1.1 301 X\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n".to_vec();
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{".to_vec();
    for (answer, exit, part) in [
        (
            page(200, "<html>\nhi"),
            Exit::Configuration,
            "is not JSON: see url",
        ),
        (page(200, ""), Exit::Configuration, "is not JSON"),
        (
            page(404, "Cannot GET"),
            Exit::Configuration,
            "does not know this path",
        ),
        (
            page(401, "no"),
            Exit::Rejected,
            "does not accept the credentials",
        ),
        (
            page(502, "Bad Gateway"),
            Exit::Failed,
            "an error occurred at the gateway (HTTP status 502",
        ),
        (page(503, "later"), Exit::Failed, "busy"),
        (
            page(200, r#"{"success":true,"data":{}}"#),
            Exit::Unknown,
            "no list of sessions",
        ),
        (
            page(200, r#"{"success":false}"#),
            Exit::Rejected,
            "the gateway refused",
        ),
        (
            Answer::Raw(redirect),
            Exit::Configuration,
            "the server redirects",
        ),
        (
            Answer::Raw(cut),
            Exit::Failed,
            "the gateway closed the connection",
        ),
        (
            Answer::HangUp,
            Exit::Failed,
            "the gateway closed the connection",
        ),
        (Answer::Silence, Exit::Failed, "did not answer in time"),
        (
            Answer::Endless(vec![b' '; 65_536]),
            Exit::Failed,
            "the gateway closed the connection",
        ),
    ] {
        let gateway = Provider::answering(answer);
        let keys = [("user_key", "k"), ("timeout", "2")];
        let done = Account::at(&gateway.url(), &keys).run("session list");
        done.fails(exit, &[part.split(':').next().unwrap()]);
        assert_eq!(gateway.requests().len(), 1, "{part}");
    }
    let unused = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    Account::at(&format!("http://{unused}/api/v1"), &[("user_key", "k")])
        .run("session list")
        .fails(Exit::Failed, &["no connection to the gateway", "refused"]);
    // It is unknown whether a session was created.
    let silent = Provider::answering(Answer::HangUp);
    Account::at(&silent.url(), &[("user_key", "k")])
        .run("session create One")
        .fails(Exit::Unknown, &["the gateway closed the connection"]);
}

#[test]
fn endless_response_is_refused() {
    let start = b"HTTP/1.1 200 OK\r\n\r\n";
    let gateway = Provider::answering(Answer::Endless([&start[..], &vec![b' '; 65_536]].concat()));
    Account::at(&gateway.url(), &[("user_key", "k")])
        .run("session list")
        .fails(Exit::Failed, &["the response does not end"]);
}

#[test]
fn certificates_are_verified() {
    let authority = Authority::new();
    let gateway = TlsProvider::with(authority.issue(|_| {}));
    let url = gateway.url("localhost");
    let account = Account::at(&url, &[("user_key", "k")]);
    let ca_file = account.path("ca.pem");
    std::fs::write(&ca_file, authority.pem()).unwrap();
    let other = account.path("other.pem");
    std::fs::write(&other, Authority::new().pem()).unwrap();
    for (file, exit, part) in [
        // The connection is made; the response is empty.
        (&ca_file, Exit::Configuration, "is not JSON"),
        (&other, Exit::Failed, "the gateway cannot be trusted"),
        (&account.path("none.pem"), Exit::Configuration, "none.pem"),
    ] {
        let file = file.to_str().unwrap();
        let keys = [("url", url.as_str()), ("user_key", "k"), ("ca_file", file)];
        account.configure(&section("whatsapp", &keys));
        account.run("session list").fails(exit, &[part]);
    }
    let plain = Provider::answering(Answer::ok());
    let url = plain.url().replace("http:", "https:");
    let keys = [
        ("url", url.as_str()),
        ("user_key", "k"),
        ("ca_file", ca_file.to_str().unwrap()),
    ];
    account.configure(&section("whatsapp", &keys));
    account
        .run("session list")
        .fails(Exit::Failed, &["whether that is http or https"]);
}

#[test]
fn missing_credentials_are_named_before_a_request_is_sent() {
    let gateway = Provider::answering(Answer::ok());
    let account = Account::at(&gateway.url(), &[("token", "file:/nonexistent/token")]);
    for line in [
        "session list",
        "session create x",
        "session qr",
        "webhook register https://h",
    ] {
        account.run(line).fails(
            Exit::Configuration,
            &["needs a token", "whatsapp login EMAIL"],
        );
    }
    for line in ["history", "webhook test"] {
        account
            .run(line)
            .fails(Exit::Configuration, &["set session_key", "session create"]);
    }
    let unset = Account::at(&gateway.url(), &[("user_key", "env:NOT_SET")]);
    unset
        .run("session list")
        .fails(Exit::Configuration, &["[whatsapp] user_key", "\"NOT_SET\""]);
    let odd = Account::at(&gateway.url(), &[("user_key", "file:odd")]);
    std::fs::write(odd.path("odd"), "a\nb").unwrap();
    let file = format!("file:{}", odd.path("odd").display());
    odd.configure(&section(
        "whatsapp",
        &[("url", &gateway.url()), ("user_key", &file)],
    ));
    odd.run("session list")
        .fails(Exit::Configuration, &["the request cannot be written"]);
    odd.configure("");
    odd.run("health")
        .fails(Exit::Configuration, &["[whatsapp] url is not set"]);
    assert_eq!(gateway.requests().len(), 0);
}

#[test]
fn mistakes_of_the_section_are_reported() {
    for (lines, expected) in [
        (
            "token = x",
            "[whatsapp] url: is not set: expected a URL, e.g. http://192.0.2.1",
        ),
        ("url = h/api", "[whatsapp] url = \"h/api\""),
        (
            "url = http://h\nsession = a/b",
            "[whatsapp] session = \"a/b\": not the id",
        ),
        (
            "url = http://h\nuser_key = file:",
            "[whatsapp] user_key: names no file",
        ),
        (
            "url = http://h\ntimeout = 1",
            "expected seconds, from 2 to 120",
        ),
        ("url [a] = http://h", "takes no [index]"),
        ("url = http://h\ntokn = x", "(did you mean \"token\"?)"),
        (
            "url = http://192.0.2.1:5000/api/v1",
            "password and keys are sent unencrypted",
        ),
    ] {
        let account = Account::at("http://h", &[]);
        account.configure(&format!("[whatsapp]\n{lines}\n"));
        let report = cli::run(&mut account.command(&["check", "--file-only"])).stdout;
        assert!(report.contains(expected), "{report}");
    }
}

#[test]
fn check_reports_missing_keys() {
    let account = Account::at("http://127.0.0.1:1", &[("user_key", "env:NOT_SET")]);
    let report = cli::run(&mut account.command(&["check"])).stdout;
    assert!(
        report.contains("[whatsapp] user_key: failed to read"),
        "{report}"
    );
}

#[test]
fn changed_code_is_drawn_again() {
    let sak = Sak::start();
    let (key, session) = (sak.user_key(), sak.session("One"));
    let account = Account::at(&sak.url(), &[("user_key", &key), ("session", &session.id)]);
    sak.with(|state| {
        state.qr_responses = vec![
            QrResponse::NotReady,
            QrResponse::Code(CODES[0]),
            QrResponse::Code(CODES[0]),
            QrResponse::Code(CODES[1]),
            QrResponse::Connected,
        ];
    });
    let stdout = account.run("session qr").succeeds();
    assert_eq!(drawings(&stdout), CODES);
    assert_eq!(
        stdout.matches("The code has changed").count(),
        1,
        "{stdout}"
    );
    // A connected session has no code.
    let stdout = account.run("session qr").succeeds();
    assert_eq!(stdout, format!("The phone is connected: {PHONE}\n"));
}

#[test]
fn code_is_written_to_image_files() {
    let sak = Sak::start();
    let (key, session) = (sak.user_key(), sak.session("One"));
    let account = Account::at(&sak.url(), &[("user_key", &key)]);
    sak.with(|state| state.qr_responses = vec![QrResponse::Code(CODES[0])]);
    let line = format!("session qr {} --png code.png --svg code.svg", session.id);
    let mut child = account.whatsapp(&line).spawn().unwrap();
    let (png, svg) = (account.path("code.png"), account.path("code.svg"));
    wait_for("both images", || {
        (png.exists() && svg.exists()).then_some(())
    });
    assert_eq!(decode(&from_png(&std::fs::read(&png).unwrap())), CODES[0]);
    let drawn = std::fs::read_to_string(&svg).unwrap();
    assert_eq!(decode(&from_svg(&drawn)), CODES[0]);
    assert_eq!(png.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    // The file always holds a whole image, the old one or the new one.
    sak.with(|state| state.qr_responses = vec![QrResponse::Code(CODES[1])]);
    wait_for("the other code", || {
        let code = decode(&from_png(&std::fs::read(&png).unwrap()));
        assert!(CODES.contains(&code.as_str()));
        (code == CODES[1]).then_some(())
    });
    sak.with(|state| state.qr_responses = vec![QrResponse::Connected]);
    let stdout = wait(&mut child);
    assert_eq!(
        stdout
            .matches("The code is in code.png\nThe code is in code.svg\n")
            .count(),
        2
    );
    assert!(
        !stdout.contains('█') && stdout.contains("The code has changed"),
        "{stdout}"
    );
}

fn wait(child: &mut Child) -> String {
    let mut stdout = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut stdout)
        .unwrap();
    assert!(child.wait().unwrap().success(), "{stdout}");
    stdout
}

#[test]
fn image_file_that_cannot_be_written_is_named() {
    let sak = Sak::start();
    let (key, _) = (sak.user_key(), sak.session("One"));
    sak.with(|state| state.qr_responses = vec![QrResponse::Code(CODES[0])]);
    let account = Account::at(&sak.url(), &[("user_key", &key)]);
    for option in ["--png", "--svg"] {
        account
            .run(&format!("session qr {option} /nonexistent/x"))
            .fails(Exit::Configuration, &["failed to write /nonexistent/x"]);
    }
}

#[test]
fn wait_for_a_scan_is_limited() {
    let sak = Sak::start();
    let (key, _) = (sak.user_key(), sak.session("One"));
    let account = Account::at(&sak.url(), &[("user_key", &key)]);
    account.run("session qr --wait 1").fails(
        Exit::Failed,
        &["stopped after 1 s: there was no code to scan"],
    );
    sak.with(|state| state.qr_responses = vec![QrResponse::Code(CODES[0])]);
    account.run("session qr --wait 1").fails(
        Exit::Failed,
        &["stopped after 1 s: the code was not scanned"],
    );
    for wait in ["0", "3601"] {
        assert_eq!(account.run(&format!("session qr --wait {wait}")).status, 64);
    }
    // Too long for a QR code.
    let long: &'static str = Box::leak("x".repeat(3000).into_boxed_str());
    sak.with(|state| state.qr_responses = vec![QrResponse::Code(long)]);
    account
        .run("session qr")
        .fails(Exit::Unknown, &["does not fit into a QR code"]);
}

#[test]
fn rate_limits_and_temporary_errors_are_tolerated() {
    let raw = |status: u16, more: &str| {
        let head = format!("HTTP/1.1 {status} X\r\n{more}Content-Length: 0\r\n\r\n");
        QrResponse::Raw(head.into_bytes())
    };
    let sak = Sak::start();
    let (key, session) = (sak.user_key(), sak.session("One"));
    let account = Account::at(&sak.url(), &[("user_key", &key), ("session", &session.id)]);
    // Before the first success an error is final.
    sak.with(|state| state.qr_responses = vec![raw(502, ""), QrResponse::Connected]);
    account
        .run("session qr")
        .fails(Exit::Failed, &["an error occurred at the gateway"]);
    sak.with(|state| {
        state.qr_responses = vec![raw(429, "Retry-After: 1\r\n"), QrResponse::Connected];
    });
    let done = account.run("session qr");
    assert!(
        done.stderr
            .contains("too many requests to the gateway (HTTP status 429) (trying again)"),
        "{done:?}"
    );
    done.succeeds();
    sak.with(|state| {
        state.qr_responses = vec![
            QrResponse::NotReady,
            raw(502, ""),
            raw(502, ""),
            QrResponse::Connected,
        ];
    });
    let done = account.run("session qr");
    assert_eq!(done.stderr.matches("(trying again)").count(), 1, "{done:?}");
    done.succeeds();
    // A session that was deleted meanwhile is a permanent error.
    let deleted = r#"{"success":false,"error":{"code":"SESSION_NOT_FOUND","message":""}}"#;
    let length = deleted.len();
    let deleted =
        format!("HTTP/1.1 404 X\r\nContent-Length: {length}\r\n\r\n{deleted}").into_bytes();
    sak.with(|state| state.qr_responses = vec![QrResponse::NotReady, QrResponse::Raw(deleted)]);
    account
        .run("session qr")
        .fails(Exit::Rejected, &["SESSION_NOT_FOUND"]);
    // The default wait is longer than the time left.
    sak.with(|state| state.qr_responses = vec![raw(429, "")]);
    let done = account.run("session qr --wait 5");
    assert_eq!(done.status, i32::from(Exit::Failed.status()), "{done:?}");
    assert!(
        done.stderr
            .contains("stopped after 5 s: too many requests to the gateway")
    );
}

/// Modules, dark or light.
type Bitmap = Vec<Vec<bool>>;

/// Reads a QR code as a phone does.
fn decode(bitmap: &Bitmap) -> String {
    const SCALE: usize = 4;
    let (width, height) = (bitmap[0].len() * SCALE, bitmap.len() * SCALE);
    let luma = |x: usize, y: usize| if bitmap[y / SCALE][x / SCALE] { 0 } else { 255 };
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, luma);
    let grids = image.detect_grids();
    assert_eq!(grids.len(), 1);
    grids[0].decode().unwrap().1
}

/// The codes that are drawn in an output.
fn drawings(output: &str) -> Vec<String> {
    let lines: Vec<_> = output.lines().collect();
    let is_drawn = |line: &&str| line.starts_with('\x1b');
    lines
        .split(|line| !is_drawn(line))
        .filter(|rows| !rows.is_empty())
        .map(|rows| decode(&from_terminal(rows)))
        .collect()
}

/// The modules that a terminal shows, whatever its theme.
fn from_terminal(rows: &[&str]) -> Bitmap {
    let mut bitmap = Bitmap::new();
    for row in rows {
        let row = row.strip_prefix("\x1b[38;5;16;48;5;231m").unwrap();
        let row = row.strip_suffix("\x1b[0m").unwrap();
        bitmap.push(row.chars().map(|c| "▀█".contains(c)).collect());
        bitmap.push(row.chars().map(|c| "▄█".contains(c)).collect());
        assert!(row.chars().all(|c| " ▀▄█".contains(c)));
    }
    // Four light modules on each side.
    let side = bitmap[0].len();
    let dark = |at: usize| bitmap[at].contains(&true) || bitmap.iter().any(|row| row[at]);
    for at in (0..4).chain(side - 4..side) {
        assert!(!dark(at), "{at} of {side}");
    }
    assert!(dark(4) && dark(side - 5));
    bitmap
}

fn from_png(file: &[u8]) -> Bitmap {
    let mut reader = png::Decoder::new(std::io::Cursor::new(file))
        .read_info()
        .unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!(info.color_type, png::ColorType::Grayscale);
    let width = usize::try_from(info.width).unwrap();
    pixels
        .chunks(width)
        .map(|row| row.iter().map(|pixel| *pixel < 128).collect())
        .collect()
}

fn from_svg(file: &str) -> Bitmap {
    const SCALE: usize = 8;
    let side: usize = file
        .split_once("viewBox=\"0 0 ")
        .and_then(|(_, rest)| rest.split(' ').next())
        .unwrap()
        .parse()
        .unwrap();
    let mut bitmap = vec![vec![false; side / SCALE]; side / SCALE];
    let (_, path) = file.split_once("fill=\"#000\" d=\"").unwrap();
    let (path, _) = path.split_once('"').unwrap();
    // Each module is `Mx yh8v8HxVy`.
    for module in path.split('M').skip(1) {
        let (position, outline) = module.split_once("h8v8").unwrap();
        let (x, y) = position.split_once(' ').unwrap();
        assert_eq!(outline, format!("H{x}V{y}"));
        let module = |number: &str| number.parse::<usize>().unwrap() / SCALE;
        bitmap[module(y)][module(x)] = true;
    }
    bitmap
}
