//! `otp setup`: from nothing to an account that codes go out by, through the real
//! binary, with a stand-in for Meta.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use asterisk_websms::exit::Exit;
use nix::pty::openpty;
use nix::sys::termios::{LocalFlags, tcgetattr};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::provider::{Authority, TlsProvider};
use crate::support::graph::{self, Graph, NUMBER, TOKEN, WABA};
use crate::support::{Answer, program, section};

const OTHER_NUMBER: &str = "106540352242923";

/// A folder with a configuration.
struct Place {
    directory: TempDir,
}

impl Place {
    fn with(config: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let place = Self { directory };
        std::fs::write(place.path("websms.conf"), config).unwrap();
        place
    }

    /// With a section `[otp]` that knows where Meta is, and these keys besides.
    fn at(graph: &Graph, more: &[(&str, &str)]) -> Self {
        let url = graph.url();
        let mut pairs = vec![("api_url", url.as_str())];
        pairs.extend_from_slice(more);
        Self::with(&section("otp", &pairs))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// The token in a file, as `--token` wants it.
    fn token(&self, token: &str) -> String {
        std::fs::write(self.path("token"), format!("{token}\n")).unwrap();
        format!("file:{}", self.path("token").display())
    }

    fn info(&self) -> Value {
        serde_json::from_str(&self.read("whatsapp-info.json")).unwrap()
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(program());
        command
            .env_clear()
            .env("WEBSMS_CONF", self.path("websms.conf"))
            .env("TOKEN", TOKEN)
            .current_dir(self.directory.path())
            .args(["otp", "setup"])
            .args(line.split_whitespace())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self, line: &str) -> Done {
        Done::of(self.command(line).output().unwrap())
    }

    /// With these lines on stdin.
    fn typed(&self, line: &str, lines: &str) -> Done {
        let mut child = self.command(line).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // It may end before it has read them.
        let _ = stdin.write_all(lines.as_bytes());
        drop(stdin);
        Done::of(child.wait_with_output().unwrap())
    }
}

/// What a run came to.
#[derive(Debug)]
struct Done {
    status: i32,
    said: String,
    noted: String,
}

impl Done {
    fn of(output: Output) -> Self {
        let done = Self {
            status: output.status.code().expect("no signal"),
            said: String::from_utf8(output.stdout).unwrap(),
            noted: String::from_utf8(output.stderr).unwrap(),
        };
        assert!(
            !done.said.contains("EAAJB") && !done.noted.contains("EAAJB"),
            "{done:?}"
        );
        done
    }

    #[track_caller]
    fn good(self, parts: &[&str]) {
        assert_eq!(self.status, 0, "{self:?}");
        for part in parts {
            assert!(self.said.contains(part), "{part:?} is not in {self:?}");
        }
    }

    #[track_caller]
    fn bad(self, exit: Exit, parts: &[&str]) {
        assert_eq!(self.status, i32::from(exit.status()), "{self:?}");
        for part in parts {
            assert!(self.noted.contains(part), "{part:?} is not in {self:?}");
        }
    }
}

#[test]
fn from_nothing_to_an_approved_template() {
    let graph = Graph::start();
    graph.with(|state| state.verdict = Some((1, "APPROVED")));
    let place = Place::at(&graph, &[("lifetime", "61")]);
    let done = place.typed("", &format!("{WABA}\n{TOKEN}\r\n"));
    let info = place.path("whatsapp-info.json");
    let line = format!(
        "add this line to [otp] in {}/websms.conf: info_file = {}",
        place.directory.path().display(),
        info.display()
    );
    let template = graph.with(|state| state.templates[0].clone());
    done.good(&[
        "codes come from +1 202-555-0160 \"Test Number\", id 106540352242922\n",
        &format!(
            "made template otp_both_copycode (en_US), id {}: PENDING\n",
            template.id
        ),
        &format!("the account is in {}\n", info.display()),
        &line,
        "template otp_both_copycode is approved",
    ]);
    let expected = json!({"waba_id": WABA, "access_token": TOKEN, "phone_number_id": NUMBER, "template_id": template.id});
    assert_eq!(place.info(), expected);
    assert!(
        place
            .read("whatsapp-info.json")
            .starts_with("{\n    \"waba_id\": \"1022")
    );
    assert_eq!(
        template.components,
        json!([
            {"type": "BODY", "add_security_recommendation": true},
            {"type": "FOOTER", "code_expiration_minutes": 2},
            {"type": "BUTTONS", "buttons": [
                {"type": "OTP", "otp_type": "COPY_CODE", "text": "Copy code"}]},
        ])
    );
    // The section was there and is the administrator's.
    assert!(!place.read("websms.conf").contains("info_file"));
    // With the line that was to be added, it is a configuration.
    let config = format!(
        "{}info_file = {}\n",
        place.read("websms.conf"),
        info.display()
    );
    std::fs::write(place.path("websms.conf"), config).unwrap();
    asterisk_websms::config::load(&place.path("websms.conf")).unwrap();
    for request in graph.provider.requests() {
        assert!(request.path.starts_with("/v25.0/"), "{}", request.path);
        assert!(!request.path.contains("EAAJB") && !request.body.contains("EAAJB"));
    }
}

#[test]
fn what_is_there_is_used_and_no_other_template_made() {
    let graph = Graph::start();
    let approved = graph.template("APPROVED");
    let place = Place::at(&graph, &[]);
    std::fs::write(place.path("whatsapp-info.json"), graph::info(&approved)).unwrap();
    let there = format!("there is template otp_{approved} (en_US), id {approved}: APPROVED\n");
    place
        .run("")
        .good(&[&there, "is approved: codes can be sent"]);
    // In the form of the sample, which is another one than the stand-in's.
    assert!(
        place
            .read("whatsapp-info.json")
            .contains("    \"template_id\"")
    );
    place
        .run("")
        .good(&[&there, "whatsapp-info.json already\n"]);
    let posted = |request: &crate::support::provider::Recorded| request.method == "POST";
    assert!(!graph.provider.requests().iter().any(posted));
    // The same with all of it in the configuration.
    let token = place.token(TOKEN);
    let account = [
        ("waba_id", WABA),
        ("access_token", &token),
        ("phone_number_id", NUMBER),
        ("template_id", &approved),
    ];
    let here = Place::at(&graph, &account);
    here.run("").good(&[&there]);
    assert!(!here.path("whatsapp-info.json").exists());
    // One that is asked for is made, and the line named that is to be changed.
    let done = here.run("--new-template --template another_1 --language de --wait 0");
    let made = graph.with(|state| state.templates[1].clone());
    assert_eq!(
        (made.name.as_str(), made.language.as_str()),
        ("another_1", "de")
    );
    assert!(done.noted.contains("[otp]"), "{done:?}");
    done.good(&[
        &format!("\ntemplate_id = {}\n", made.id),
        "is still PENDING",
    ]);
    assert!(!here.path("whatsapp-info.json").exists());
}

#[test]
fn options_go_before_what_is_known() {
    let graph = Graph::start();
    graph.numbers(&[
        [NUMBER, "+1 202-555-0160", "One"],
        [OTHER_NUMBER, "+1 202-555-0161", "Two"],
    ]);
    let place = Place::at(&graph, &[]);
    let old =
        r#"{"waba_id": 7, "access_token": "EAAJBold", "phone_number_id": 8, "template_id": 9}"#;
    std::fs::write(place.path("whatsapp-info.json"), old).unwrap();
    let line = format!(
        "--waba-id {WABA} --token env:TOKEN --phone-number-id {OTHER_NUMBER} --wait 0 \
         --one-tap com.example.app=K8a/AINcGX7"
    );
    // Neither number nor template are of this account.
    place
        .run(&line)
        .good(&["made template otp_both_onetap (en_US)"]);
    let info = place.info();
    assert_eq!(
        (&info["waba_id"], &info["access_token"]),
        (&json!(WABA), &json!(TOKEN))
    );
    assert_eq!(info["phone_number_id"], OTHER_NUMBER);
    let template = graph.with(|state| state.templates[0].clone());
    let button = &template.components[2]["buttons"][0];
    assert_eq!(
        button["supported_apps"][0]["package_name"],
        "com.example.app"
    );
    assert_eq!(info["template_id"], template.id.as_str());
    // Five minutes are the default.
    assert_eq!(template.components[1]["code_expiration_minutes"], 5);
}

#[test]
fn one_of_several_numbers_is_chosen() {
    let graph = Graph::start();
    graph.numbers(&[
        [NUMBER, "+1 202-555-0160", "One"],
        [OTHER_NUMBER, "+1 202-555-0161", "Two"],
    ]);
    // On pages of one.
    graph.with(|state| state.page = 1);
    let place = Place::at(&graph, &[("waba_id", WABA), ("access_token", "env:TOKEN")]);
    let done = place.typed("--wait 0", "2\n");
    for shown in [
        "  1  +1 202-555-0160 \"One\"",
        "  2  +1 202-555-0161 \"Two\"",
    ] {
        assert!(done.noted.contains(shown), "{done:?}");
    }
    done.good(&[
        "codes come from +1 202-555-0161",
        &format!("phone_number_id = {OTHER_NUMBER}"),
    ]);
    let before = graph.provider.requests().len();
    for (lines, problem) in [
        (
            "",
            "there is no number of the sender: type it, or give its id with --phone-number-id",
        ),
        ("3\n", "number of the sender: expected 1 to 2"),
        ("0\n", "expected 1 to 2"),
        ("x\n", "expected 1 to 2"),
    ] {
        place.typed("", lines).bad(Exit::Usage, &[problem]);
    }
    place.run("--phone-number-id 1").bad(
        Exit::Configuration,
        &[
            "phone_number_id is none of the account's numbers",
            "  2  +1 202-555-0161",
        ],
    );
    graph.numbers(&[]);
    place.run("").bad(
        Exit::Configuration,
        &["the account has no phone number: add one"],
    );
    let posted = graph.provider.requests().split_off(before);
    assert!(posted.iter().all(|request| request.method == "GET"));
}

/// Meta where it is known to be: a proxy behind which `graph` answers in its
/// name.
struct Meta {
    proxy: String,
}

impl Meta {
    /// Its authority stands in `ca.pem`.
    fn before(graph: &Graph, place: &Place) -> Self {
        let authority = Authority::new();
        let certified = authority.issue(|params| {
            let name = "graph.facebook.com".try_into().unwrap();
            params.subject_alt_names = vec![rcgen::SanType::DnsName(name)];
        });
        std::fs::write(place.path("ca.pem"), authority.pem()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = format!("http://{}", listener.local_addr().unwrap());
        let (acceptor, behind) = (certified.acceptor(), graph.provider.address);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(async move {
                listener.set_nonblocking(true).unwrap();
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                while let Ok((mut stream, _)) = listener.accept().await {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(stream.read_u8().await.unwrap());
                    }
                    assert!(head.starts_with(b"CONNECT graph.facebook.com:443 "));
                    let connected = b"HTTP/1.1 200 X\r\n\r\n";
                    stream.write_all(connected).await.unwrap();
                    let mut stream = acceptor.accept(stream).await.unwrap();
                    let mut meta = tokio::net::TcpStream::connect(behind).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut stream, &mut meta).await;
                }
            });
        });
        Self { proxy }
    }

    fn command(&self, place: &Place, line: &str) -> Command {
        let mut command = place.command(line);
        command
            .env("HTTPS_PROXY", &self.proxy)
            .env("SSL_CERT_FILE", place.path("ca.pem"));
        command
    }
}

#[test]
fn section_is_appended_to_a_file_that_stays_what_it_was() {
    let graph = Graph::start();
    graph.with(|state| state.verdict = Some((0, "APPROVED")));
    let before = b"; kept \xff\r\n[websmsd]\nrecvsms_path = /x";
    let place = Place::with("");
    let config = place.path("websms.conf");
    std::fs::write(&config, before).unwrap();
    std::fs::set_permissions(&config, PermissionsExt::from_mode(0o604)).unwrap();
    std::os::unix::fs::symlink("websms.conf", place.path("link.conf")).unwrap();
    let meta = Meta::before(&graph, &place);
    let run = |line: &str| {
        let mut command = meta.command(&place, line);
        command.env("WEBSMS_CONF", place.path("link.conf"));
        Done::of(command.output().unwrap())
    };
    let line = format!("--waba-id {WABA} --token env:TOKEN");
    run(&line).good(&[
        "link.conf has a section [otp] now, with info_file = ",
        "is approved",
    ]);
    let info = place.path("whatsapp-info.json");
    let section = format!("\n\n[otp]\ninfo_file = {}\n", info.display());
    let expected = [&before[..], section.as_bytes()].concat();
    assert_eq!(std::fs::read(&config).unwrap(), expected);
    assert_eq!(config.metadata().unwrap().mode() & 0o7777, 0o604);
    assert!(place.path("link.conf").is_symlink());
    let (loaded, _) = asterisk_websms::config::load(&config).unwrap();
    assert!(loaded.otp.is_some());
    // It is there now, and goes on as it is.
    run("").good(&["there is template otp_both_copycode", "already\n"]);
    assert_eq!(std::fs::read(&config).unwrap(), expected);
}

#[test]
fn section_that_cannot_be_appended_is_told() {
    let graph = Graph::start();
    graph.numbers(&[[NUMBER, "1", "One"], [OTHER_NUMBER, "2", "Two"]]);
    let place = Place::with("");
    let meta = Meta::before(&graph, &place);
    std::fs::create_dir(place.path("etc")).unwrap();
    std::fs::write(place.path("etc/websms.conf"), "").unwrap();
    let line = format!("--waba-id {WABA} --token env:TOKEN --wait 0 --info info.json");
    let mut command = meta.command(&place, &line);
    command.env("WEBSMS_CONF", "etc/websms.conf");
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    // It has been read, and is gone when the number is chosen.
    graph.provider.wait_for(1);
    std::fs::remove_dir_all(place.path("etc")).unwrap();
    child.stdin.take().unwrap().write_all(b"1\n").unwrap();
    let done = Done::of(child.wait_with_output().unwrap());
    assert!(done.said.contains("made template"), "{done:?}");
    let template = graph.with(|state| state.templates[0].id.clone());
    let info = format!("info_file = {}", place.path("info.json").display());
    done.bad(
        Exit::Configuration,
        &[
            "failed to read etc/websms.conf",
            "all else is done: write the lines [otp] and ",
            &info,
            &format!("the template is made, its id is {template}"),
        ],
    );
    let mode = place.path("info.json").metadata().unwrap().mode();
    assert_eq!(mode & 0o7777, 0o600);
}

#[test]
fn mistakes_of_the_command_line_are_named() {
    let graph = Graph::start();
    let place = Place::at(&graph, &[]);
    for (line, problem) in [
        ("--waba-id x", "not an id at Meta"),
        ("--phone-number-id ../1", "not an id at Meta"),
        ("--template Otp", "not the name of a template"),
        ("--language en-US", "not a language of templates"),
        ("--one-tap com.example.app", "expected PACKAGE=HASH"),
        ("--one-tap com.example.app=short", "which has 11 characters"),
        ("--one-tap app=K8a/AINcGX7", "is not an Android app"),
        ("--wait 3601", "3601 is not in 0..=3600"),
        ("--token file:", "names no file"),
        (
            "--token hunter2",
            "write the token into a file and give file:/path, or env:NAME",
        ),
    ] {
        let done = place.run(line);
        assert!(!done.noted.contains("hunter2"), "{done:?}");
        done.bad(Exit::Usage, &[problem]);
    }
    for (lines, problem) in [
        (
            "",
            "there is no id of the WhatsApp Business Account: type it, or give it with --waba-id",
        ),
        (
            "x\n",
            "id of the WhatsApp Business Account: not an id at Meta",
        ),
        (
            "1\n",
            "there is no access token: type it, or say where it is with --token",
        ),
        ("1\na b\n", "not an access token"),
        ("1\n\n", "there is no access token"),
    ] {
        place.typed("", lines).bad(Exit::Usage, &[problem]);
    }
    place
        .run(&format!("--waba-id {WABA} --token env:NOTHING"))
        .bad(
            Exit::Configuration,
            &["--token: failed to read the environment variable \"NOTHING\""],
        );
    let empty = place.token("");
    place.run(&format!("--waba-id {WABA} --token {empty}")).bad(
        Exit::Configuration,
        &["--token: failed to use the secret: it is empty"],
    );
    assert!(graph.provider.requests().is_empty());
}

#[test]
fn mistakes_of_files_are_named() {
    let graph = Graph::start();
    let place = Place::with("[otp]\napi_version = 25\nlifetime = 1\n[websmsd]\nlisten = x\n");
    place.run("").bad(
        Exit::Configuration,
        &[
            "api_version = \"25\": expected a version",
            "lifetime = \"1\"",
            "[websmsd] listen",
        ],
    );
    std::fs::remove_file(place.path("websms.conf")).unwrap();
    place.run("").bad(
        Exit::Configuration,
        &["configuration not loaded", "--config"],
    );
    let place = Place::at(&graph, &[]);
    for (info, problem) in [
        ("{", "it is not an object in JSON"),
        (
            "{\"waba_id\": \"x\", \"template_id\": []}",
            "waba_id is not an id at Meta",
        ),
        (
            "{\"access_token\": \"EAAJB x\"}",
            "access_token is not an access token",
        ),
    ] {
        std::fs::write(place.path("whatsapp-info.json"), info).unwrap();
        place.run("").bad(
            Exit::Configuration,
            &[problem, "whatsapp-info.json", "mend the file"],
        );
        assert_eq!(place.read("whatsapp-info.json"), info);
    }
    // A part of it is a part that need not be asked for.
    let part = json!({"waba_id": WABA, "access_token": TOKEN, "template_id": null}).to_string();
    std::fs::write(place.path("whatsapp-info.json"), part).unwrap();
    place.run("--wait 0").good(&["made template"]);
    // What cannot be written down is not made.
    let line = format!("--waba-id {WABA} --token env:TOKEN --info");
    std::fs::create_dir(place.path("folder")).unwrap();
    let before = graph.with(|state| state.templates.len());
    for (file, problem) in [
        (
            "/nonexistent/info.json",
            "failed to write /nonexistent/info.json: create a file",
        ),
        ("websms.conf/info.json", "Not a directory"),
        ("folder", "Is a directory"),
    ] {
        place
            .run(&format!("{line} {file}"))
            .bad(Exit::Configuration, &[problem]);
    }
    assert_eq!(graph.with(|state| state.templates.len()), before);
}

#[test]
fn file_is_readable_for_whom_the_configuration_is() {
    let graph = Graph::start();
    let place = Place::at(&graph, &[]);
    let config = place.path("websms.conf");
    let is_root = nix::unistd::Uid::effective().is_root();
    if is_root {
        std::os::unix::fs::chown(&config, Some(0), Some(7)).unwrap();
    }
    let line = format!("--waba-id {WABA} --token env:TOKEN --wait 0");
    place.run(&line).good(&[]);
    let info = place.path("whatsapp-info.json");
    let metadata = info.metadata().unwrap();
    assert_eq!(metadata.mode() & 0o7777, 0o640);
    assert_eq!(metadata.gid(), config.metadata().unwrap().gid());
    // One that is there keeps its owner, and nobody else may read it.
    std::fs::set_permissions(&info, PermissionsExt::from_mode(0o646)).unwrap();
    if is_root {
        std::os::unix::fs::chown(&info, Some(9), Some(8)).unwrap();
    }
    std::fs::write(
        &info,
        graph::info(&graph.with(|state| state.templates[0].id.clone())),
    )
    .unwrap();
    place.run("--wait 0").bad(Exit::Success, &[]);
    let metadata = info.metadata().unwrap();
    assert_eq!(metadata.mode() & 0o7777, 0o640);
    if is_root {
        assert_eq!((metadata.uid(), metadata.gid()), (9, 8));
    }
    assert_eq!(
        std::fs::read_dir(place.directory.path()).unwrap().count(),
        2
    );
}

#[test]
fn configuration_that_says_otherwise_is_not_changed_but_told() {
    let graph = Graph::start();
    let line = format!("--waba-id {WABA} --token env:TOKEN --wait 0 --info new.json");
    let elsewhere = Place::at(&graph, &[("info_file", "/nonexistent/old.json")]);
    let new = elsewhere.path("new.json");
    elsewhere.run(&line).good(&[
        "names /nonexistent/old.json: write this line in its place: info_file = ",
        &new.display().to_string(),
    ]);
    assert!(new.is_file());
    graph.with(|state| state.templates.clear());
    let half = Place::at(
        &graph,
        &[("waba_id", WABA), ("channel", "sms"), ("sms_from", "+1")],
    );
    half.run(&line).good(&[
        "write this line in place of waba_id into [otp]",
        "channel in [otp] does not name whatsapp",
    ]);
    graph.with(|state| state.templates.clear());
    let named = half.path("named.json");
    let given = Place::at(&graph, &[("info_file", &named.display().to_string())]);
    given
        .run(line.trim_end_matches(" --info new.json"))
        .good(&["named.json\n"]);
    assert!(named.is_file() && !given.path("whatsapp-info.json").exists());
}

#[test]
fn refusals_of_meta_are_told_in_words() {
    let graph = Graph::start();
    let place = Place::at(&graph, &[]);
    let line = format!("--waba-id {WABA} --token env:TOKEN --wait 0");
    for (code, status, exit, words) in [
        (190, 401, Exit::Rejected, "the access token does not hold"),
        (0, 400, Exit::Rejected, "the access token does not hold"),
        (10, 403, Exit::Rejected, "the access token may not do this"),
        (200, 403, Exit::Rejected, "the access token may not do this"),
        (4, 429, Exit::Failed, "try again in 60 seconds"),
        (80_007, 400, Exit::Failed, "Meta was asked too often"),
        (2, 500, Exit::Failed, "Meta cannot do it now"),
        (131_000, 500, Exit::Failed, "something went wrong at Meta"),
        (100, 400, Exit::Rejected, "Meta does not take a value"),
        (
            131_031,
            400,
            Exit::Rejected,
            "Meta has restricted the account",
        ),
        (
            4242,
            400,
            Exit::Rejected,
            "Meta refused (HTTP status 400, code 4242",
        ),
    ] {
        graph.fail(code, status);
        place.run(&line).bad(exit, &[words, "scripted"]);
    }
    graph.heal();
    let wrong = place.token("EAAJBwrong");
    place.run(&format!("--waba-id {WABA} --token {wrong}")).bad(
        Exit::Rejected,
        &[
            "code 190",
            "Invalid OAuth access token: Bearer (the secret)",
        ],
    );
    place.run("--waba-id 12 --token env:TOKEN").bad(
        Exit::Rejected,
        &[
            "subcode 33",
            "Object with ID '12' does not exist",
            "see waba_id",
        ],
    );
    assert!(!place.path("whatsapp-info.json").exists());
}

#[test]
fn name_that_is_taken_is_named() {
    let graph = Graph::start();
    let place = Place::at(&graph, &[]);
    let line = format!("--waba-id {WABA} --token env:TOKEN --wait 0");
    place.run(&line).good(&["made template"]);
    place.run("--new-template").bad(
        Exit::Rejected,
        &[
            "has a template of this name in this language already",
            "subcode 2388024",
            "--template",
        ],
    );
    graph.with(|state| state.deleting = vec!["gone".to_owned()]);
    place.run("--new-template --template gone").bad(
        Exit::Rejected,
        &["still being deleted", "Try again in 4 weeks", "--template"],
    );
    // Neither has changed what is there.
    let first = graph.with(|state| state.templates[0].id.clone());
    assert_eq!(place.info()["template_id"], first.as_str());
}

#[test]
fn template_is_waited_for_as_long_as_is_asked() {
    let graph = Graph::start();
    let place = Place::at(&graph, &[("waba_id", WABA), ("access_token", "env:TOKEN")]);
    place
        .run("--wait 1")
        .good(&["is still PENDING", "websmsd looks again by itself"]);
    let id = graph.with(|state| state.templates[0].id.clone());
    let place = Place::at(
        &graph,
        &[
            ("waba_id", WABA),
            ("access_token", "env:TOKEN"),
            ("phone_number_id", NUMBER),
            ("template_id", &id),
        ],
    );
    for (status, exit, words) in [
        (
            "REJECTED",
            Exit::Rejected,
            "is REJECTED, so no code can be sent by it",
        ),
        ("PAUSED", Exit::Rejected, "is PAUSED"),
        ("APPROVED", Exit::Success, ""),
    ] {
        graph.with(|state| {
            state.templates[0].status = "PENDING".to_owned();
            state.verdict = Some((1, status));
        });
        place.run("--wait 5").bad(exit, &[words]);
    }
    // In the midst of many, of which nobody follows the links.
    for _ in 0..60 {
        graph.template("APPROVED");
    }
    graph.with(|state| {
        state.templates.rotate_left(1);
        state.page = 7;
    });
    let before = graph.provider.requests().len();
    place.run("").good(&["is approved"]);
    assert_eq!(
        graph.provider.requests().len() - before,
        1 + 61_usize.div_ceil(7)
    );
    graph.with(|state| state.templates.truncate(60));
    place.run("").bad(
        Exit::Configuration,
        &[
            "has no template of this id",
            "none of the 60 that there are",
            "--new-template",
        ],
    );
}

#[test]
fn trouble_while_waiting_is_borne() {
    let graph = Graph::start();
    let place = Place::at(&graph, &[("waba_id", WABA), ("access_token", "env:TOKEN")]);
    let mut child = place.command("--wait 30").spawn().unwrap();
    crate::support::wait_for("the template", || {
        graph.with(|state| (!state.templates.is_empty()).then_some(()))
    });
    let seen = graph.provider.requests().len();
    graph.with(|state| state.instead = Some(Answer::HangUp));
    graph.provider.wait_for(seen + 1);
    graph.with(|state| {
        state.instead = None;
        state.verdict = Some((0, "APPROVED"));
    });
    assert!(child.wait().unwrap().success());
    let mut noted = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut noted)
        .unwrap();
    assert!(
        noted.contains("Meta broke off") && noted.contains("(asking on)"),
        "{noted}"
    );
}

#[test]
fn what_answers_and_is_not_meta_is_named() {
    let graph = Graph::start();
    let place = Place::at(&graph, &[("timeout", "2")]);
    let line = format!("--waba-id {WABA} --token env:TOKEN");
    let page = |status, body: &str| Answer::Http(status, "text/html", body.to_owned());
    for (answer, exit, words) in [
        (
            page(200, "<html>"),
            Exit::Configuration,
            "the answer is not JSON",
        ),
        (
            page(404, "gone"),
            Exit::Configuration,
            "there is no such thing at Meta",
        ),
        (page(302, ""), Exit::Configuration, "sends elsewhere"),
        (page(200, "{}"), Exit::Failed, "it has no list of numbers"),
        (Answer::Silence, Exit::Failed, "Meta did not answer in time"),
        (
            Answer::Endless(b"HTTP/1.1 200 X\r\nx: ".to_vec()),
            Exit::Failed,
            "Meta",
        ),
        (
            graph::error(200, 190, None, "a refusal in a success"),
            Exit::Rejected,
            "does not hold",
        ),
    ] {
        graph.with(|state| state.instead = Some(answer));
        place.run(&line).bad(exit, &[words]);
    }
    let nowhere = Place::with("[otp]\napi_url = http://127.0.0.1:1\n");
    nowhere
        .run(&line)
        .bad(Exit::Failed, &["there is no connection to Meta", "api_url"]);
    let (authority, stranger) = (Authority::new(), Authority::new());
    let url = TlsProvider::with(authority.issue(|_| {})).url("localhost");
    std::fs::write(place.path("ca.pem"), stranger.pem()).unwrap();
    let ca = place.path("ca.pem").display().to_string();
    let untrusted = Place::with(&section("otp", &[("api_url", &url), ("ca_file", &ca)]));
    untrusted
        .run(&line)
        .bad(Exit::Failed, &["cannot be trusted to be Meta", "ca_file"]);
    let broken = Place::at(&graph, &[("ca_file", "/nonexistent/ca.pem")]);
    let config = broken.read("websms.conf").replace("http://", "https://");
    std::fs::write(broken.path("websms.conf"), config).unwrap();
    broken
        .run(&line)
        .bad(Exit::Configuration, &["/nonexistent/ca.pem"]);
}

#[test]
fn token_is_typed_without_being_shown() {
    let graph = Graph::start();
    let place = Place::at(&graph, &[("waba_id", WABA)]);
    let terminal = openpty(None, None).unwrap();
    let stdin = terminal.slave.try_clone().unwrap();
    let mut command = place.command("--wait 0");
    let mut child = command.stdin(Stdio::from(stdin)).spawn().unwrap();
    let prompt = "Access token of a system user of that account: ";
    let mut asked = vec![0; prompt.len()];
    let mut stderr = child.stderr.take().unwrap();
    stderr.read_exact(&mut asked).unwrap();
    assert_eq!(asked, prompt.as_bytes());
    let mut keyboard = File::from(terminal.master);
    keyboard.write_all(format!("{TOKEN}\n").as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    let settings = tcgetattr(&terminal.slave).unwrap();
    assert!(
        settings
            .local_flags
            .contains(LocalFlags::ECHO | LocalFlags::ICANON)
    );
    File::from(terminal.slave).write_all(b"END").unwrap();
    let mut shown = Vec::new();
    while !shown.ends_with(b"END") {
        let mut byte = [0];
        keyboard.read_exact(&mut byte).unwrap();
        shown.extend(byte);
    }
    assert_eq!(shown, b"END");
    assert_eq!(place.info()["access_token"], TOKEN);
}
