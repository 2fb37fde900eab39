//! Callers who prove by keypad that they have a phone: call → dialplan → AGI →
//! `websmsd` → provider; the typed code takes the same path to `websmsd`.

use std::cell::Cell;
use std::net::SocketAddr;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::assert_no_command_ran;
use crate::pbx::{Changes, Pbx};
use crate::support::daemon::Server;
use crate::support::otp::{last_code, wrong_code};
use crate::support::sip::{Call, Phone};
use crate::support::{Answer, Provider, http, wait_for};

/// The number in the example `extensions_otp.conf`.
const OURS: &str = "+12025550169";

/// The number of the caller, unless a test sets another one.
const REMOTE: &str = "+15551234567";

/// The SIP status of a refused call.
const REFUSED: u16 = 403;

/// An Asterisk that asks callers for a code, and a phone that calls it.
struct Setup {
    provider: Provider,
    pbx: Pbx,
    phone: Phone,
    /// Calls whose outcome a test has read.
    ended: Cell<usize>,
    /// Codes typed so far.
    typed: Cell<usize>,
    server: Option<Server>,
}

/// The example for a trunk, with these keys of `[otp]` and these globals.
fn changes(fastagi: bool, otp: &str, globals: &str) -> Changes {
    let sms = "channel = sms\nsms_from = +12025550160\nsms_text = {code} for {minutes} min";
    Changes {
        fastagi,
        otp: Some(format!("{sms}\n{otp}")),
        extensions: format!("[globals](+)\n{globals}\n"),
        pjsip: vec![
            // An explicit media address, so that Asterisk does not look for one.
            (
                "context = default",
                "context = otp_example\nmedia_address = 127.0.0.1\nbind_rtp_to_media_address = yes",
            ),
            // The trunk may set any caller number.
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

impl Setup {
    fn start(provider: Provider, changes: &Changes) -> Self {
        let mut setup = Self::without_daemon(provider, changes);
        setup.server = Some(setup.pbx.start_websmsd());
        setup
    }

    fn without_daemon(provider: Provider, changes: &Changes) -> Self {
        let pbx = Pbx::changed(&provider, changes);
        let mut phone = pbx.unregistered("john");
        phone.number = Some(REMOTE.to_owned());
        Self {
            provider,
            pbx,
            phone,
            ended: Cell::new(0),
            typed: Cell::new(0),
            server: None,
        }
    }

    /// Calls the number of the example.
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

    /// Waits for the outcome of the next call.
    fn outcome(&self) -> String {
        let ended = self.ended.get();
        self.ended.set(ended + 1);
        wait_for("the outcome of a call", || {
            self.outcomes().get(ended).cloned()
        })
    }

    /// The outcomes of the calls so far, from Asterisk's log.
    fn outcomes(&self) -> Vec<String> {
        let log = self.pbx.log();
        let notices = log.lines().filter(|line| line.contains(" NOTICE["));
        let outcomes = notices.filter_map(|line| line.split_once("websms: caller "));
        outcomes.map(|(_, outcome)| outcome.to_owned()).collect()
    }

    /// Checks a code by HTTP; returns the status.
    fn verify(&self, code: &str) -> u16 {
        let address = SocketAddr::new(self.pbx.address.ip(), 3000);
        let body = format!("{{\"code\": \"{code}\"}}");
        let target = format!("/otp/{REMOTE}/");
        let raw = http::request_to(address, "POST", &target, &[http::JSON], body.as_bytes());
        http::send(address, &raw).status
    }
}

/// Warnings and errors in Asterisk's log, except for those about missing
/// indications.
fn warnings(pbx: &Pbx) -> Vec<String> {
    let is_warning = |line: &&str| line.contains(" WARNING[") || line.contains(" ERROR[");
    let log = pbx.log();
    log.lines()
        .filter(is_warning)
        .filter(|line| !line.contains(" indications.c: "))
        .map(str::to_owned)
        .collect()
}

fn assert_only_the_right_code_verifies(fastagi: bool) {
    let provider = Provider::answering(Answer::ok());
    let setup = Setup::start(provider, &changes(fastagi, "", ""));

    let mut call = setup.call();
    assert_eq!(call.status(), 200);
    let code = last_code(&setup.provider);
    let request = setup.provider.requests().pop().unwrap();
    assert_eq!(request.parameters()["To"], REMOTE);
    setup.type_in(&mut call, &code);
    assert_eq!(setup.outcome(), "verified");
    call.wait_for_end();
    assert!(call.heard(), "no prompt");

    // The old code, half of the new one, and the new one.
    let mut call = setup.call();
    let next = last_code(&setup.provider);
    setup.type_in(&mut call, &format!("{code}#"));
    setup.type_in(&mut call, &format!("{}*#", &next[..3]));
    setup.type_in(&mut call, &format!("{next}#"));
    assert_eq!(setup.outcome(), "verified");
    call.wait_for_end();

    let mut call = setup.call();
    let code = last_code(&setup.provider);
    for _ in 0..3 {
        setup.type_in(&mut call, &wrong_code(&code));
    }
    assert_eq!(setup.outcome(), "refused: LOCKED");
    call.wait_for_end();
    assert_eq!(setup.verify(&code), 404, "the code is locked");

    assert_eq!(setup.provider.requests().len(), 3);
    assert_eq!(setup.outcomes().len(), 3);
    assert_eq!(warnings(&setup.pbx), [""; 0]);
}

#[test]
fn only_the_right_code_verifies_the_caller() {
    assert_only_the_right_code_verifies(false);
}

#[test]
fn only_the_right_code_verifies_the_caller_by_fastagi() {
    assert_only_the_right_code_verifies(true);
}

/// Without installed sounds, and with codes of another length.
#[test]
fn caller_without_prompts_is_verified() {
    let provider = Provider::answering(Answer::ok());
    let changes = Changes {
        without_sounds: true,
        ..changes(false, "code_length = 15", "WEBSMS_OTP_DIGITS = 15")
    };
    let setup = Setup::start(provider, &changes);
    let mut call = setup.call();
    let code = last_code(&setup.provider);
    assert_eq!(code.len(), 15);
    // Without the sound, Read is executed once more.
    setup.typed.set(1);
    setup.type_in(&mut call, &wrong_code(&code));
    setup.typed.set(3);
    setup.type_in(&mut call, &code);
    assert_eq!(setup.outcome(), "verified");
    call.wait_for_end();
    assert!(!call.heard());
}

#[test]
fn caller_who_types_no_code_is_refused() {
    let provider = Provider::answering(Answer::ok());
    let setup = Setup::start(provider, &changes(false, "", "WEBSMS_OTP_TIMEOUT = 1"));
    let call = setup.call();
    assert_eq!(call.status(), 200);
    assert_eq!(setup.outcome(), "refused: TIMEOUT");
    call.wait_for_end();
    let code = last_code(&setup.provider);
    assert_eq!(setup.verify(&code), 200, "no attempt was made");
}

#[test]
fn half_a_code_before_a_hangup_is_not_checked() {
    let provider = Provider::answering(Answer::ok());
    let setup = Setup::start(provider, &changes(false, "max_attempts = 1", ""));
    let mut call = setup.call();
    let code = last_code(&setup.provider);
    setup.type_in(&mut call, &code[..3]);
    call.hang_up();
    wait_for("the end of the call", || {
        let channels = setup.pbx.console("core show channels count");
        channels.contains("0 active channels").then_some(())
    });
    assert_eq!(setup.executed("AGI"), 1, "only the code was sent");
    assert_eq!(setup.outcomes(), [""; 0]);
    assert_eq!(setup.verify(&code), 200);
}

#[test]
fn caller_is_refused_when_no_code_can_be_sent() {
    for fastagi in [false, true] {
        let body = "EXEC System touch /tmp/websms-was-here\nSET VARIABLE OTP_STATUS VERIFIED\n";
        let answer = Answer::Http(400, "text/plain", body.to_owned());
        let provider = Provider::answering(answer);
        let setup = Setup::start(provider, &changes(fastagi, "", ""));
        assert_eq!(setup.call().status(), REFUSED);
        assert_eq!(setup.outcome(), "refused: FAILED");
        assert_eq!(setup.provider.requests().len(), 1);
        assert_no_command_ran();
    }
}

#[test]
fn caller_over_the_limit_of_codes_is_refused() {
    let provider = Provider::answering(Answer::ok());
    let setup = Setup::start(provider, &changes(false, "per_phone = 1", ""));
    let mut call = setup.call();
    setup.type_in(&mut call, &last_code(&setup.provider));
    assert_eq!(setup.outcome(), "verified");
    assert_eq!(setup.call().status(), REFUSED);
    assert_eq!(setup.outcome(), "refused: LIMITED");
    assert_eq!(setup.provider.requests().len(), 1);
}

#[test]
fn caller_is_refused_without_daemon_or_program() {
    for fastagi in [false, true] {
        let provider = Provider::answering(Answer::ok());
        let setup = Setup::without_daemon(provider, &changes(fastagi, "", ""));
        assert_eq!(setup.call().status(), REFUSED);
        assert_eq!(setup.outcome(), "refused: FAILED");
        if !fastagi {
            std::fs::remove_file(setup.pbx.path().join("bin/websms-otp")).unwrap();
            assert_eq!(setup.call().status(), REFUSED);
            assert_eq!(setup.outcome(), "refused: FAILED");
        }
        assert!(setup.provider.requests().is_empty());
    }
}

#[test]
fn caller_is_refused_when_no_code_can_be_checked() {
    for fastagi in [false, true] {
        let provider = Provider::answering(Answer::ok());
        let mut setup = Setup::start(provider, &changes(fastagi, "", ""));
        let server = setup.server.take();
        let mut call = setup.call();
        drop(server);
        setup.type_in(&mut call, &last_code(&setup.provider));
        assert_eq!(setup.outcome(), "refused: FAILED");
        call.wait_for_end();
    }
}

/// Caller numbers with characters that must not reach the dialplan or a command.
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
    // Asterisk itself ends a number there.
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
fn caller_with_a_hostile_number_is_refused() {
    for fastagi in [false, true] {
        let provider = Provider::answering(Answer::ok());
        let mut setup = Setup::start(provider, &changes(fastagi, "", ""));
        for number in HOSTILE {
            let raw = utf8_percent_encode(number, NON_ALPHANUMERIC);
            setup.phone.number = Some(raw.to_string());
            assert_eq!(setup.call().status(), REFUSED, "{number}");
            assert_eq!(setup.outcome(), "refused: REJECTED", "{number}");
        }
        assert!(setup.provider.requests().is_empty());
        assert_no_command_ran();
    }
}
