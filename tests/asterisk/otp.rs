//! Callers who prove by keypad that they have a phone: call → dialplan → AGI →
//! `websmsd` → provider, and what is typed the same way back.

use std::cell::Cell;
use std::net::SocketAddr;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::assert_no_command_ran;
use crate::pbx::{Changes, Pbx};
use crate::support::daemon::{self, Server};
use crate::support::otp::{last_code, wrong_code};
use crate::support::sip::{Call, Phone};
use crate::support::{Answer, Provider, http, wait_for};

/// The number of the example.
const OURS: &str = "+12025550169";

/// The number that calls come from, if nothing else is said.
const THEIRS: &str = "+15551234567";

/// What the call is answered with when it is not taken.
const REFUSED: u16 = 403;

/// An Asterisk that asks, and whoever calls it.
struct Scene {
    provider: Provider,
    pbx: Pbx,
    phone: Phone,
    /// Calls of which it is known what became of them.
    known: Cell<usize>,
    /// How often a code was typed.
    typed: Cell<usize>,
    server: Option<Server>,
}

/// The example, called by a trunk, with these keys of `[otp]` and these globals.
fn changes(fastagi: bool, otp: &str, globals: &str) -> Changes {
    let sms = "channel = sms\nsms_from = +12025550160\nsms_text = {code} for {minutes} min";
    Changes {
        fastagi,
        otp: Some(format!("{sms}\n{otp}")),
        extensions: format!("[globals](+)\n{globals}\n"),
        pjsip: vec![
            // Its address for sound is said, so that it is not looked for.
            (
                "context = default",
                "context = otp_example\nmedia_address = 127.0.0.1\nbind_rtp_to_media_address = yes",
            ),
            // Whoever has its password may say any number.
            (
                "callerid = \"John\" <+12025550160>",
                "identify_by = auth_username",
            ),
            (
                "[transport-udp]",
                "[global]\ntype = global\nendpoint_identifier_order = auth_username,username\n\
                 [transport-udp]",
            ),
        ],
        ..Changes::default()
    }
}

impl Scene {
    /// With the daemon.
    fn start(provider: Provider, changes: &Changes) -> Self {
        let mut scene = Self::without_daemon(provider, changes);
        scene.server = Some(Server::run(daemon::command(&scene.pbx.config())));
        scene
    }

    fn without_daemon(provider: Provider, changes: &Changes) -> Self {
        let pbx = Pbx::changed(&provider, changes);
        let mut phone = pbx.unregistered("john");
        phone.number = Some(THEIRS.to_owned());
        Self {
            provider,
            pbx,
            phone,
            known: Cell::new(0),
            typed: Cell::new(0),
            server: None,
        }
    }

    /// Calls the example.
    fn call(&self) -> Call<'_> {
        self.phone.call(OURS)
    }

    /// Types a code when Asterisk asks for it.
    fn type_in(&self, call: &mut Call<'_>, keys: &str) {
        let times = self.typed.get() + 1;
        self.typed.set(times);
        wait_for("Asterisk to ask for the code", || {
            (self.executed("Read") >= times).then_some(())
        });
        call.press(keys);
    }

    /// How often the dialplan has executed an application.
    fn executed(&self, application: &str) -> usize {
        let log = self.pbx.log();
        log.matches(&format!("] {application}(\"PJSIP/")).count()
    }

    /// Which branch the next call takes, and why.
    fn end(&self) -> String {
        let known = self.known.get();
        self.known.set(known + 1);
        wait_for("a branch", || self.ends().get(known).cloned())
    }

    /// Which branches have been taken, by Asterisk's log.
    fn ends(&self) -> Vec<String> {
        let log = self.pbx.log();
        let said = log.lines().filter(|line| line.contains(" NOTICE["));
        let said = said.filter_map(|line| line.split_once("websms: caller "));
        said.map(|(_, end)| end.to_owned()).collect()
    }

    /// Whether it is the code, by HTTP.
    fn verify(&self, code: &str) -> u16 {
        let address = SocketAddr::new(self.pbx.address.ip(), 3000);
        let body = format!("{{\"code\": \"{code}\"}}");
        let target = format!("/otp/{THEIRS}/");
        let raw = http::request("POST", &target, &[http::JSON], body.as_bytes());
        http::send(address, &raw).status
    }
}

/// What Asterisk complained about, but for the countries that it does not know
/// here.
fn complaints(pbx: &Pbx) -> Vec<String> {
    let complains = |line: &&str| line.contains(" WARNING[") || line.contains(" ERROR[");
    let log = pbx.log();
    log.lines()
        .filter(complains)
        .filter(|line| !line.contains(" indications.c: "))
        .map(str::to_owned)
        .collect()
}

fn codes_are_typed(fastagi: bool) {
    let provider = Provider::answering(Answer::ok());
    let scene = Scene::start(provider, &changes(fastagi, "", ""));

    let mut call = scene.call();
    assert_eq!(call.status(), 200);
    let code = last_code(&scene.provider);
    let request = scene.provider.requests().pop().unwrap();
    assert_eq!(request.parameters()["To"], THEIRS);
    scene.type_in(&mut call, &code);
    assert_eq!(scene.end(), "verified");
    call.wait_for_end();
    assert!(call.heard(), "no prompt");

    // A code counts once; the next one is wrong twice and then right.
    let mut call = scene.call();
    let next = last_code(&scene.provider);
    scene.type_in(&mut call, &format!("{code}#"));
    scene.type_in(&mut call, &format!("{}*#", &next[..3]));
    scene.type_in(&mut call, &format!("{next}#"));
    assert_eq!(scene.end(), "verified");
    call.wait_for_end();

    let mut call = scene.call();
    let code = last_code(&scene.provider);
    for _ in 0..3 {
        scene.type_in(&mut call, &wrong_code(&code));
    }
    assert_eq!(scene.end(), "refused: LOCKED");
    call.wait_for_end();
    assert_eq!(scene.verify(&code), 404, "it does not count any more");

    assert_eq!(scene.provider.requests().len(), 3);
    assert_eq!(scene.ends().len(), 3);
    assert_eq!(complaints(&scene.pbx), [""; 0]);
}

#[test]
fn right_code_lets_in_and_no_other() {
    codes_are_typed(false);
}

#[test]
fn right_code_lets_in_and_no_other_by_fastagi() {
    codes_are_typed(true);
}

/// As it is where no sounds are installed, and with codes of another length.
#[test]
fn caller_is_asked_without_sounds() {
    let provider = Provider::answering(Answer::ok());
    let changes = Changes {
        without_sounds: true,
        ..changes(false, "code_length = 15", "WEBSMS_OTP_DIGITS = 15")
    };
    let scene = Scene::start(provider, &changes);
    let mut call = scene.call();
    let code = last_code(&scene.provider);
    assert_eq!(code.len(), 15);
    // Read is executed once more when it has not found the sound.
    scene.typed.set(1);
    scene.type_in(&mut call, &wrong_code(&code));
    scene.typed.set(3);
    scene.type_in(&mut call, &code);
    assert_eq!(scene.end(), "verified");
    call.wait_for_end();
    assert!(!call.heard());
}

#[test]
fn code_that_is_not_typed_lets_nobody_in() {
    let provider = Provider::answering(Answer::ok());
    let scene = Scene::start(provider, &changes(false, "", "WEBSMS_OTP_TIMEOUT = 1"));
    let call = scene.call();
    assert_eq!(call.status(), 200);
    assert_eq!(scene.end(), "refused: TIMEOUT");
    call.wait_for_end();
    let code = last_code(&scene.provider);
    assert_eq!(scene.verify(&code), 200, "nothing was tried");
}

#[test]
fn half_a_code_of_who_hangs_up_is_not_tried() {
    let provider = Provider::answering(Answer::ok());
    let scene = Scene::start(provider, &changes(false, "max_attempts = 1", ""));
    let mut call = scene.call();
    let code = last_code(&scene.provider);
    scene.type_in(&mut call, &code[..3]);
    call.hang_up();
    wait_for("the end of the call", || {
        let channels = scene.pbx.console("core show channels count");
        channels.contains("0 active channels").then_some(())
    });
    assert_eq!(scene.executed("AGI"), 1, "it was sent");
    assert_eq!(scene.ends(), [""; 0]);
    assert_eq!(scene.verify(&code), 200);
}

#[test]
fn code_that_cannot_be_sent_lets_nobody_in() {
    for fastagi in [false, true] {
        let said = "EXEC System touch /tmp/websms-was-here\nSET VARIABLE OTP_STATUS VERIFIED\n";
        let answer = Answer::Http(400, "text/plain", said.to_owned());
        let provider = Provider::answering(answer);
        let scene = Scene::start(provider, &changes(fastagi, "", ""));
        assert_eq!(scene.call().status(), REFUSED);
        assert_eq!(scene.end(), "refused: FAILED");
        assert_eq!(scene.provider.requests().len(), 1);
        assert_no_command_ran();
    }
}

#[test]
fn codes_for_a_phone_come_to_an_end() {
    let provider = Provider::answering(Answer::ok());
    let scene = Scene::start(provider, &changes(false, "per_phone = 1", ""));
    let mut call = scene.call();
    scene.type_in(&mut call, &last_code(&scene.provider));
    assert_eq!(scene.end(), "verified");
    assert_eq!(scene.call().status(), REFUSED);
    assert_eq!(scene.end(), "refused: LIMITED");
    assert_eq!(scene.provider.requests().len(), 1);
}

#[test]
fn call_goes_on_when_the_daemon_or_the_program_is_not_there() {
    for fastagi in [false, true] {
        let provider = Provider::answering(Answer::ok());
        let scene = Scene::without_daemon(provider, &changes(fastagi, "", ""));
        assert_eq!(scene.call().status(), REFUSED);
        assert_eq!(scene.end(), "refused: FAILED");
        if !fastagi {
            std::fs::remove_file(scene.pbx.path().join("bin/websms-otp")).unwrap();
            assert_eq!(scene.call().status(), REFUSED);
            assert_eq!(scene.end(), "refused: FAILED");
        }
        assert!(scene.provider.requests().is_empty());
    }
}

#[test]
fn code_that_cannot_be_checked_lets_nobody_in() {
    for fastagi in [false, true] {
        let provider = Provider::answering(Answer::ok());
        let mut scene = Scene::start(provider, &changes(fastagi, "", ""));
        let server = scene.server.take();
        let mut call = scene.call();
        drop(server);
        scene.type_in(&mut call, &last_code(&scene.provider));
        assert_eq!(scene.end(), "refused: FAILED");
        call.wait_for_end();
    }
}

/// Numbers that would be more than a number, were they not looked at.
const HOSTILE: &[&str] = &[
    "1|2,3",
    "+15551234567,+15557654321",
    "+15551234567,",
    ",+15551234567",
    "+15551234567)",
    "+15551234567):1",
    "+15551234567(",
    "+15551234567\"",
    "\"+15551234567\"",
    "+1555\\1234567",
    // Asterisk itself takes a number to end there.
    "1;5551234567",
    "+15551234567&+15557654321",
    "+15551234567]?verified",
    "\" = \"\" | \"1\" = \"1",
    "${SHELL(touch /tmp/websms-was-here)}",
    "$[SHELL(touch$IFS/tmp/websms-was-here)]",
    "SHELL(touch$IFS/tmp/websms-was-here)",
    "1)&System(touch /tmp/websms-was-here",
    "+15551234567\r\nagi_arg_3: x\n\nEXEC System touch /tmp/websms-was-here\n",
    "+15551234567\n",
    "\n",
    "+15551234567 ",
    "--config=/x",
    "-h",
    "--",
    "anonymous",
    "555123",
    "+",
    "+١٥٥٥١٢٣٤٥٦٧",
];

#[test]
fn number_that_is_more_than_a_number_gets_no_code() {
    for fastagi in [false, true] {
        let provider = Provider::answering(Answer::ok());
        let mut scene = Scene::start(provider, &changes(fastagi, "", ""));
        for number in HOSTILE {
            let raw = utf8_percent_encode(number, NON_ALPHANUMERIC);
            scene.phone.number = Some(raw.to_string());
            assert_eq!(scene.call().status(), REFUSED, "{number}");
            assert_eq!(scene.end(), "refused: REJECTED", "{number}");
        }
        assert!(scene.provider.requests().is_empty());
        assert_no_command_ran();
    }
}
