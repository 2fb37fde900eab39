//! `otp setup`: prepares an account at Meta that codes are sent by, through the real
//! binary, with a stand-in for Meta.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::ops::Deref;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::process::{Command, Stdio};

use asterisk_websms::exit::Exit;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::provider::{Authority, TlsProvider, serve};
use crate::support::cli::{self, ConfigDirectory, Finished};
use crate::support::graph::{self, Graph, NUMBER, TOKEN, WABA};
use crate::support::{Answer, section};

const OTHER_NUMBER: &str = "106540352242923";

/// A directory with a configuration for `otp setup`.
struct Setup(ConfigDirectory);

impl Deref for Setup {
    type Target = ConfigDirectory;

    fn deref(&self) -> &ConfigDirectory {
        &self.0
    }
}

impl Setup {
    fn with(config: &str) -> Self {
        Self(ConfigDirectory::new(config))
    }

    /// With a section `[otp]` that has the URL of the stand-in and these keys.
    fn at(graph: &Graph, more: &[(&str, &str)]) -> Self {
        let url = graph.url();
        let mut pairs = vec![("api_url", url.as_str())];
        pairs.extend_from_slice(more);
        Self::with(&section("otp", &pairs))
    }

    /// Writes a token to a file; returns the value for `--token`.
    fn token(&self, token: &str) -> String {
        std::fs::write(self.path("token"), format!("{token}\n")).unwrap();
        format!("file:{}", self.path("token").display())
    }

    fn info(&self) -> Value {
        serde_json::from_str(&self.read("whatsapp-info.json")).unwrap()
    }

    fn otp_setup(&self, line: &str) -> Command {
        let mut command = self.command(&["otp", "setup"]);
        command.env("TOKEN", TOKEN).args(line.split_whitespace());
        command
    }

    fn run(&self, line: &str) -> Finished {
        without_token(cli::run(&mut self.otp_setup(line)))
    }

    /// Runs with these lines on stdin.
    fn run_with_input(&self, line: &str, lines: &str) -> Finished {
        without_token(cli::run_with_input(&mut self.otp_setup(line), lines))
    }
}

/// Asserts that the output does not show the token.
fn without_token(done: Finished) -> Finished {
    assert!(
        !done.stdout.contains("EAAJB") && !done.stderr.contains("EAAJB"),
        "{done:?}"
    );
    done
}

#[test]
fn setup_from_nothing_ends_with_an_approved_template() {
    let graph = Graph::start();
    graph.with(|state| state.decision = Some((1, "APPROVED")));
    let setup = Setup::at(&graph, &[("lifetime", "61")]);
    let done = setup.run_with_input("", &format!("{WABA}\n{TOKEN}\r\n"));
    let info = setup.path("whatsapp-info.json");
    let line = format!(
        "add this line to [otp] in {}/websms.conf: info_file = {}",
        setup.directory().display(),
        info.display()
    );
    let template = graph.with(|state| state.templates[0].clone());
    done.prints(&[
        "codes are sent from +1 202-555-0160 \"Test Number\", id 106540352242922\n",
        &format!(
            "created template otp_both_copycode (en_US), id {}: PENDING\n",
            template.id
        ),
        &format!("the account was written to {}\n", info.display()),
        &line,
        "template otp_both_copycode is approved",
    ]);
    let expected = json!({"waba_id": WABA, "access_token": TOKEN, "phone_number_id": NUMBER, "template_id": template.id});
    assert_eq!(setup.info(), expected);
    assert!(
        setup
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
    // The section exists and is not changed.
    assert!(!setup.read("websms.conf").contains("info_file"));
    // With the printed line the configuration is valid.
    let config = format!(
        "{}info_file = {}\n",
        setup.read("websms.conf"),
        info.display()
    );
    std::fs::write(setup.path("websms.conf"), config).unwrap();
    asterisk_websms::config::load(&setup.path("websms.conf")).unwrap();
    for request in graph.provider.requests() {
        assert!(request.path.starts_with("/v25.0/"), "{}", request.path);
        assert!(!request.path.contains("EAAJB") && !request.body.contains("EAAJB"));
    }
}

#[test]
fn existing_account_and_template_are_used() {
    let graph = Graph::start();
    let approved = graph.template("APPROVED");
    let setup = Setup::at(&graph, &[]);
    std::fs::write(setup.path("whatsapp-info.json"), graph::info(&approved)).unwrap();
    let found = format!("found template otp_{approved} (en_US), id {approved}: APPROVED\n");
    setup
        .run("")
        .prints(&[&found, "is approved: start websmsd again"]);
    // The file is rewritten in the form of the sample.
    assert!(
        setup
            .read("whatsapp-info.json")
            .contains("    \"template_id\"")
    );
    setup
        .run("")
        .prints(&[&found, "whatsapp-info.json already\n"]);
    let posted = |request: &crate::support::provider::Recorded| request.method == "POST";
    assert!(!graph.provider.requests().iter().any(posted));
    // The same with the whole account in the configuration.
    let token = setup.token(TOKEN);
    let account = [
        ("waba_id", WABA),
        ("access_token", &token),
        ("phone_number_id", NUMBER),
        ("template_id", &approved),
    ];
    let complete = Setup::at(&graph, &account);
    complete.run("").prints(&[&found]);
    assert!(!complete.path("whatsapp-info.json").exists());
    // A new template is created on request, and the line to change is printed.
    let done = complete.run("--new-template --template another_1 --language de --wait 0");
    let created = graph.with(|state| state.templates[1].clone());
    assert_eq!(
        (created.name.as_str(), created.language.as_str()),
        ("another_1", "de")
    );
    assert!(done.stderr.contains("[otp]"), "{done:?}");
    done.prints(&[
        &format!("\ntemplate_id = {}\n", created.id),
        "is still PENDING",
    ]);
    assert!(!complete.path("whatsapp-info.json").exists());
}

#[test]
fn options_override_configuration_and_file() {
    let graph = Graph::start();
    graph.numbers(&[
        [NUMBER, "+1 202-555-0160", "One"],
        [OTHER_NUMBER, "+1 202-555-0161", "Two"],
    ]);
    let setup = Setup::at(&graph, &[]);
    let old =
        r#"{"waba_id": 7, "access_token": "EAAJBold", "phone_number_id": 8, "template_id": 9}"#;
    std::fs::write(setup.path("whatsapp-info.json"), old).unwrap();
    let line = format!(
        "--waba-id {WABA} --token env:TOKEN --phone-number-id {OTHER_NUMBER} --wait 0 \
         --one-tap com.example.app=K8a/AINcGX7"
    );
    // Number and template belong to another account.
    setup
        .run(&line)
        .prints(&["created template otp_both_onetap (en_US)"]);
    let info = setup.info();
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
fn number_is_chosen_from_several() {
    let graph = Graph::start();
    graph.numbers(&[
        [NUMBER, "+1 202-555-0160", "One"],
        [OTHER_NUMBER, "+1 202-555-0161", "Two"],
    ]);
    // On pages of one.
    graph.with(|state| state.page_size = 1);
    let setup = Setup::at(&graph, &[("waba_id", WABA), ("access_token", "env:TOKEN")]);
    let done = setup.run_with_input("--wait 0", "2\n");
    for shown in [
        "  1  +1 202-555-0160 \"One\"",
        "  2  +1 202-555-0161 \"Two\"",
    ] {
        assert!(done.stderr.contains(shown), "{done:?}");
    }
    done.prints(&[
        "codes are sent from +1 202-555-0161",
        &format!("phone_number_id = {OTHER_NUMBER}"),
    ]);
    let meant = [OTHER_NUMBER, "+1 202-555-0161", "12025550161"];
    for (place, typed) in meant.into_iter().enumerate() {
        let setup = Setup::at(&graph, &[("waba_id", WABA), ("access_token", "env:TOKEN")]);
        let line = format!("--wait 0 --template t{place}");
        let done = setup.run_with_input(&line, &format!("{typed}\n"));
        done.prints(&["codes are sent from +1 202-555-0161"]);
    }
    let before = graph.provider.requests().len();
    for (lines, problem) in [
        (
            "",
            "there is no number of the sender: type it, or give its id with --phone-number-id",
        ),
        (
            "3\n",
            "number of the sender: expected 1 to 2, an id or a number of the list",
        ),
        ("0\n", "expected 1 to 2"),
        ("x\n", "expected 1 to 2"),
    ] {
        setup
            .run_with_input("", lines)
            .fails(Exit::Usage, &[problem]);
    }
    setup.run("--phone-number-id 1").fails(
        Exit::Configuration,
        &[
            "phone_number_id is not among the account's numbers",
            "  2  +1 202-555-0161",
        ],
    );
    graph.numbers(&[]);
    setup.run("").fails(
        Exit::Configuration,
        &["the account has no phone number: add one"],
    );
    let posted = graph.provider.requests().split_off(before);
    assert!(posted.iter().all(|request| request.method == "GET"));
}

/// A proxy by which `graph` answers as graph.facebook.com.
struct MetaProxy {
    proxy: String,
}

impl MetaProxy {
    /// Writes its certificate authority to `ca.pem`.
    fn start(graph: &Graph, setup: &Setup) -> Self {
        let authority = Authority::new();
        let certified = authority.issue(|params| {
            let name = "graph.facebook.com".try_into().unwrap();
            params.subject_alt_names = vec![rcgen::SanType::DnsName(name)];
        });
        std::fs::write(setup.path("ca.pem"), authority.pem()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = format!("http://{}", listener.local_addr().unwrap());
        let (acceptor, target) = (certified.acceptor(), graph.provider.address);
        serve(listener, async move |mut stream| {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            assert!(head.starts_with(b"CONNECT graph.facebook.com:443 "));
            let connected = b"HTTP/1.1 200 X\r\n\r\n";
            stream.write_all(connected).await.unwrap();
            let mut stream = acceptor.accept(stream).await.unwrap();
            let mut meta = tokio::net::TcpStream::connect(target).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut meta).await;
        });
        Self { proxy }
    }

    fn command(&self, setup: &Setup, line: &str) -> Command {
        let mut command = setup.otp_setup(line);
        command
            .env("HTTPS_PROXY", &self.proxy)
            .env("SSL_CERT_FILE", setup.path("ca.pem"));
        command
    }
}

#[test]
fn section_is_appended_and_the_file_otherwise_unchanged() {
    let graph = Graph::start();
    graph.with(|state| state.decision = Some((0, "APPROVED")));
    let before = b"; kept \xff\r\n[websmsd]\nrecvsms_path = /x";
    let setup = Setup::with("");
    let config = setup.path("websms.conf");
    std::fs::write(&config, before).unwrap();
    std::fs::set_permissions(&config, PermissionsExt::from_mode(0o604)).unwrap();
    std::os::unix::fs::symlink("websms.conf", setup.path("link.conf")).unwrap();
    let meta = MetaProxy::start(&graph, &setup);
    let run = |line: &str| {
        let mut command = meta.command(&setup, line);
        command.env("WEBSMS_CONF", setup.path("link.conf"));
        without_token(cli::run(&mut command))
    };
    let line = format!("--waba-id {WABA} --token env:TOKEN");
    run(&line).prints(&["link.conf, with info_file = ", "is approved"]);
    let info = setup.path("whatsapp-info.json");
    let section = format!("\n\n[otp]\ninfo_file = {}\n", info.display());
    let expected = [&before[..], section.as_bytes()].concat();
    assert_eq!(std::fs::read(&config).unwrap(), expected);
    assert_eq!(config.metadata().unwrap().mode() & 0o7777, 0o604);
    assert!(setup.path("link.conf").is_symlink());
    let (loaded, _) = asterisk_websms::config::load(&config).unwrap();
    assert!(loaded.otp.is_some());
    // A second run changes nothing.
    run("").prints(&["found template otp_both_copycode", "already\n"]);
    assert_eq!(std::fs::read(&config).unwrap(), expected);
}

#[test]
fn section_that_cannot_be_appended_is_reported() {
    let graph = Graph::start();
    graph.numbers(&[[NUMBER, "1", "One"], [OTHER_NUMBER, "2", "Two"]]);
    let setup = Setup::with("");
    let meta = MetaProxy::start(&graph, &setup);
    std::fs::create_dir(setup.path("etc")).unwrap();
    std::fs::write(setup.path("etc/websms.conf"), "").unwrap();
    let line = format!("--waba-id {WABA} --token env:TOKEN --wait 0 --info info.json");
    let mut command = meta.command(&setup, &line);
    command.env("WEBSMS_CONF", "etc/websms.conf");
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    // The configuration has been read; it is removed before the number is chosen.
    graph.provider.wait_for(1);
    std::fs::remove_dir_all(setup.path("etc")).unwrap();
    child.stdin.take().unwrap().write_all(b"1\n").unwrap();
    let done = without_token(Finished::of(child.wait_with_output().unwrap()));
    assert!(done.stdout.contains("created template"), "{done:?}");
    let template = graph.with(|state| state.templates[0].id.clone());
    let info = format!("info_file = {}", setup.path("info.json").display());
    done.fails(
        Exit::Configuration,
        &[
            "failed to read etc/websms.conf",
            "everything else is done: add the lines [otp] and ",
            &info,
            &format!("the template was created, its id is {template}"),
        ],
    );
    let mode = setup.path("info.json").metadata().unwrap().mode();
    assert_eq!(mode & 0o7777, 0o600);
}

#[test]
fn mistakes_of_the_command_line_are_reported() {
    let graph = Graph::start();
    let setup = Setup::at(&graph, &[]);
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
        let done = setup.run(line);
        assert!(!done.stderr.contains("hunter2"), "{done:?}");
        done.fails(Exit::Usage, &[problem]);
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
            "there is no access token: type it, or name its source with --token",
        ),
        ("1\na b\n", "not an access token"),
        ("1\n\n", "there is no access token"),
    ] {
        setup
            .run_with_input("", lines)
            .fails(Exit::Usage, &[problem]);
    }
    setup
        .run(&format!("--waba-id {WABA} --token env:NOTHING"))
        .fails(
            Exit::Configuration,
            &["--token: failed to read the environment variable \"NOTHING\""],
        );
    let empty = setup.token("");
    setup
        .run(&format!("--waba-id {WABA} --token {empty}"))
        .fails(
            Exit::Configuration,
            &["--token: failed to use the secret: it is empty"],
        );
    assert!(graph.provider.requests().is_empty());
}

#[test]
fn mistakes_of_files_are_reported() {
    let graph = Graph::start();
    let setup = Setup::with("[otp]\napi_version = 25\nlifetime = 1\n[websmsd]\nlisten = x\n");
    setup.run("").fails(
        Exit::Configuration,
        &[
            "api_version = \"25\": expected a version",
            "lifetime = \"1\"",
            "[websmsd] listen",
        ],
    );
    std::fs::remove_file(setup.path("websms.conf")).unwrap();
    setup.run("").fails(
        Exit::Configuration,
        &["configuration not loaded", "--config"],
    );
    let setup = Setup::at(&graph, &[]);
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
        std::fs::write(setup.path("whatsapp-info.json"), info).unwrap();
        setup.run("").fails(
            Exit::Configuration,
            &[problem, "whatsapp-info.json", "correct the file"],
        );
        assert_eq!(setup.read("whatsapp-info.json"), info);
    }
    // Values of an incomplete file need not be asked for.
    let part = json!({"waba_id": WABA, "access_token": TOKEN, "template_id": null}).to_string();
    std::fs::write(setup.path("whatsapp-info.json"), part).unwrap();
    setup.run("--wait 0").prints(&["created template"]);
    // Without a writable file no template is created.
    let line = format!("--waba-id {WABA} --token env:TOKEN --info");
    std::fs::create_dir(setup.path("folder")).unwrap();
    let before = graph.with(|state| state.templates.len());
    for (file, problem) in [
        (
            "/nonexistent/info.json",
            "failed to write /nonexistent/info.json: create a file",
        ),
        ("websms.conf/info.json", "Not a directory"),
        ("folder", "Is a directory"),
    ] {
        setup
            .run(&format!("{line} {file}"))
            .fails(Exit::Configuration, &[problem]);
    }
    assert_eq!(graph.with(|state| state.templates.len()), before);
}

#[test]
fn account_file_has_the_group_of_the_configuration() {
    let graph = Graph::start();
    let setup = Setup::at(&graph, &[]);
    let config = setup.path("websms.conf");
    let is_root = nix::unistd::Uid::effective().is_root();
    if is_root {
        std::os::unix::fs::chown(&config, Some(0), Some(7)).unwrap();
    }
    let line = format!("--waba-id {WABA} --token env:TOKEN --wait 0");
    setup.run(&line).prints(&[]);
    let info = setup.path("whatsapp-info.json");
    let metadata = info.metadata().unwrap();
    assert_eq!(metadata.mode() & 0o7777, 0o640);
    assert_eq!(metadata.gid(), config.metadata().unwrap().gid());
    // An existing file keeps its owner, and others may not read it.
    std::fs::set_permissions(&info, PermissionsExt::from_mode(0o646)).unwrap();
    if is_root {
        std::os::unix::fs::chown(&info, Some(9), Some(8)).unwrap();
    }
    std::fs::write(
        &info,
        graph::info(&graph.with(|state| state.templates[0].id.clone())),
    )
    .unwrap();
    setup.run("--wait 0").fails(Exit::Success, &[]);
    let metadata = info.metadata().unwrap();
    assert_eq!(metadata.mode() & 0o7777, 0o640);
    if is_root {
        assert_eq!((metadata.uid(), metadata.gid()), (9, 8));
    }
    assert_eq!(std::fs::read_dir(setup.directory()).unwrap().count(), 2);
}

#[test]
fn conflicting_configuration_is_reported_and_not_changed() {
    let graph = Graph::start();
    let line = format!("--waba-id {WABA} --token env:TOKEN --wait 0 --info new.json");
    let elsewhere = Setup::at(&graph, &[("info_file", "/nonexistent/old.json")]);
    let new = elsewhere.path("new.json");
    elsewhere.run(&line).prints(&[
        "names /nonexistent/old.json: replace that line with: info_file = ",
        &new.display().to_string(),
    ]);
    assert!(new.is_file());
    graph.with(|state| state.templates.clear());
    let half = Setup::at(
        &graph,
        &[("waba_id", WABA), ("channel", "sms"), ("sms_from", "+1")],
    );
    half.run(&line).prints(&[
        "replace waba_id with this line: info_file = ",
        "channel in [otp] does not name whatsapp",
    ]);
    graph.with(|state| state.templates.clear());
    let named = half.path("named.json");
    let given = Setup::at(&graph, &[("info_file", &named.display().to_string())]);
    given
        .run(line.trim_end_matches(" --info new.json"))
        .prints(&["named.json\n"]);
    assert!(named.is_file() && !given.path("whatsapp-info.json").exists());
}

#[test]
fn errors_of_meta_are_explained() {
    let graph = Graph::start();
    let setup = Setup::at(&graph, &[]);
    let line = format!("--waba-id {WABA} --token env:TOKEN --wait 0");
    for (code, status, exit, words) in [
        (190, 401, Exit::Rejected, "the access token is invalid"),
        (0, 400, Exit::Rejected, "the access token is invalid"),
        (
            10,
            403,
            Exit::Rejected,
            "the access token lacks a permission",
        ),
        (
            200,
            403,
            Exit::Rejected,
            "the access token lacks a permission",
        ),
        (4, 429, Exit::Failed, "try again in 60 seconds"),
        (80_007, 400, Exit::Failed, "too many requests to Meta"),
        (2, 500, Exit::Failed, "Meta is temporarily unavailable"),
        (131_000, 500, Exit::Failed, "an error occurred at Meta"),
        (100, 400, Exit::Rejected, "Meta rejects a value"),
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
            "Meta refused the request (HTTP status 400, code 4242",
        ),
    ] {
        graph.fail(code, status);
        setup.run(&line).fails(exit, &[words, "scripted"]);
    }
    graph.recover();
    let wrong = setup.token("EAAJBwrong");
    setup
        .run(&format!("--waba-id {WABA} --token {wrong}"))
        .fails(
            Exit::Rejected,
            &[
                "code 190",
                "Invalid OAuth access token: Bearer (the secret)",
            ],
        );
    setup.run("--waba-id 12 --token env:TOKEN").fails(
        Exit::Rejected,
        &[
            "subcode 33",
            "Object with ID '12' does not exist",
            "check waba_id",
        ],
    );
    assert!(!setup.path("whatsapp-info.json").exists());
}

#[test]
fn taken_template_name_is_reported() {
    let graph = Graph::start();
    let setup = Setup::at(&graph, &[]);
    let line = format!("--waba-id {WABA} --token env:TOKEN --wait 0");
    setup.run(&line).prints(&["created template"]);
    setup.run("--new-template").fails(
        Exit::Rejected,
        &[
            "already has a template of this name in this language",
            "subcode 2388024",
            "--template",
        ],
    );
    graph.with(|state| state.deleting = vec!["gone".to_owned()]);
    setup.run("--new-template --template gone").fails(
        Exit::Rejected,
        &["still being deleted", "Try again in 4 weeks", "--template"],
    );
    // The account is unchanged.
    let first = graph.with(|state| state.templates[0].id.clone());
    assert_eq!(setup.info()["template_id"], first.as_str());
}

#[test]
fn wait_for_approval_is_limited() {
    let graph = Graph::start();
    let setup = Setup::at(&graph, &[("waba_id", WABA), ("access_token", "env:TOKEN")]);
    setup
        .run("--wait 1")
        .prints(&["is still PENDING", "websmsd checks it by itself"]);
    let id = graph.with(|state| state.templates[0].id.clone());
    let setup = Setup::at(
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
            "is REJECTED, so it cannot send codes: Meta's reason is INVALID_FORMAT; \
             `asterisk-websms otp setup --new-template",
        ),
        (
            "PAUSED",
            Exit::Rejected,
            "is PAUSED, so it cannot send codes now: Meta pauses a template that people report, \
             and resumes it by itself",
        ),
        (
            "DISABLED",
            Exit::Rejected,
            "is DISABLED, so it cannot send codes: the WhatsApp Manager has the reason",
        ),
        ("APPROVED", Exit::Success, ""),
    ] {
        graph.with(|state| {
            state.templates[0].status = "PENDING".to_owned();
            state.decision = Some((1, status));
        });
        setup.run("--wait 5").fails(exit, &[words]);
    }
    // The template is found on a later page; links are not followed.
    for _ in 0..60 {
        graph.template("APPROVED");
    }
    graph.with(|state| {
        state.templates.rotate_left(1);
        state.page_size = 7;
    });
    let before = graph.provider.requests().len();
    setup.run("").prints(&["is approved"]);
    assert_eq!(
        graph.provider.requests().len() - before,
        1 + 61_usize.div_ceil(7)
    );
    graph.with(|state| state.templates.truncate(60));
    setup.run("").fails(
        Exit::Configuration,
        &[
            "has no template with this id",
            "not among its 60 templates",
            "--new-template",
        ],
    );
}

#[test]
fn temporary_error_while_waiting_is_tolerated() {
    let graph = Graph::start();
    let setup = Setup::at(&graph, &[("waba_id", WABA), ("access_token", "env:TOKEN")]);
    let mut child = setup.otp_setup("--wait 30").spawn().unwrap();
    crate::support::wait_for("the template", || {
        graph.with(|state| (!state.templates.is_empty()).then_some(()))
    });
    let seen = graph.provider.requests().len();
    graph.with(|state| state.override_all = Some(Answer::HangUp));
    graph.provider.wait_for(seen + 1);
    graph.with(|state| {
        state.override_all = None;
        state.decision = Some((0, "APPROVED"));
    });
    assert!(child.wait().unwrap().success());
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert!(
        stderr.contains("Meta closed the connection") && stderr.contains("(trying again)"),
        "{stderr}"
    );
}

#[test]
fn server_that_is_not_meta_is_reported() {
    let graph = Graph::start();
    let setup = Setup::at(&graph, &[("timeout", "2")]);
    let line = format!("--waba-id {WABA} --token env:TOKEN");
    let page = |status, body: &str| Answer::Http(status, "text/html", body.to_owned());
    for (answer, exit, words) in [
        (
            page(200, "<html>"),
            Exit::Configuration,
            "the response is not JSON",
        ),
        (
            page(404, "gone"),
            Exit::Configuration,
            "Meta does not know this path",
        ),
        (page(302, ""), Exit::Configuration, "the server redirects"),
        (page(200, "{}"), Exit::Failed, "no list of numbers"),
        (Answer::Silence, Exit::Failed, "Meta did not answer in time"),
        (
            Answer::Endless(b"HTTP/1.1 200 X\r\nx: ".to_vec()),
            Exit::Failed,
            "Meta",
        ),
        (
            graph::error(200, 190, None, "a refusal in a success"),
            Exit::Rejected,
            "the access token is invalid",
        ),
    ] {
        graph.with(|state| state.override_all = Some(answer));
        setup.run(&line).fails(exit, &[words]);
    }
    let unreachable = Setup::with("[otp]\napi_url = http://127.0.0.1:1\n");
    unreachable
        .run(&line)
        .fails(Exit::Failed, &["no connection to Meta", "api_url"]);
    let (authority, other) = (Authority::new(), Authority::new());
    let url = TlsProvider::with(authority.issue(|_| {})).url("localhost");
    std::fs::write(setup.path("ca.pem"), other.pem()).unwrap();
    let ca = setup.path("ca.pem").display().to_string();
    let untrusted = Setup::with(&section("otp", &[("api_url", &url), ("ca_file", &ca)]));
    untrusted
        .run(&line)
        .fails(Exit::Failed, &["cannot be trusted to be Meta", "ca_file"]);
    let broken = Setup::at(&graph, &[("ca_file", "/nonexistent/ca.pem")]);
    let config = broken.read("websms.conf").replace("http://", "https://");
    std::fs::write(broken.path("websms.conf"), config).unwrap();
    broken
        .run(&line)
        .fails(Exit::Configuration, &["/nonexistent/ca.pem"]);
}

#[test]
fn typed_token_is_not_echoed() {
    let graph = Graph::start();
    let setup = Setup::at(&graph, &[("waba_id", WABA)]);
    let prompt = "Access token of a system user of that account: ";
    let mut command = setup.otp_setup("--wait 0");
    let (shown, done) = cli::run_at_terminal(&mut command, prompt, &format!("{TOKEN}\n"));
    without_token(done).succeeds();
    assert_eq!(shown, "");
    assert_eq!(setup.info()["access_token"], TOKEN);
}
