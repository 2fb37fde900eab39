//! Phone → Asterisk → AGI → `websms` → provider.

use crate::pbx::{Changes, Pbx};
use crate::support::{Answer, Provider, section, wait_for};
use crate::{ODD_TEXTS, assert_no_command_ran};

const THEIRS: &str = "+46700000001";

/// What a SIP MESSAGE keeps of its body: Asterisk removes line ends at the end
/// (`res_pjsip_messaging.c`, `rx_data_to_ast_msg`).
fn kept(text: &str) -> &str {
    text.trim_end_matches(['\r', '\n'])
}

#[test]
fn odd_texts_reach_the_provider_exactly() {
    let provider = Provider::answering(Answer::ok());
    let pbx = Pbx::start(&provider);
    let john = pbx.phone("john");
    let long = ["x".repeat(1023), "日".repeat(341), "😀".repeat(255)];
    let texts: Vec<&str> = ODD_TEXTS
        .iter()
        .copied()
        .chain(long.iter().map(String::as_str))
        .collect();
    for (count, text) in (1..).zip(&texts) {
        assert_eq!(john.send(THEIRS, text.as_bytes()), 202);
        let request = provider.wait_for(count).pop().unwrap();
        let parameters = request.parameters();
        assert_eq!(parameters["Body"], kept(text));
        assert_eq!(parameters["To"], THEIRS);
        assert_eq!(parameters["From"], "+12025550160");
        assert_eq!(request.headers["authorization"], "Basic aWQ6c2VjcmV0");
    }
    assert_eq!(provider.requests().len(), texts.len());
    assert_eq!(john.inbox(), [], "no notice for what was sent");
    assert_no_command_ran();
}

#[test]
fn each_phone_has_its_number_and_account() {
    let first = Provider::answering(Answer::ok());
    let second = Provider::answering(Answer::ok());
    let more = section(
        "websms",
        &[
            ("val_static [api-1]", "account=1"),
            ("host [api-2]", &second.url()),
        ],
    );
    let changes = Changes {
        websms: more.replace("[websms]\n", ""),
        pjsip: vec![(
            "callerid = \"Jane\" <+12025550161>",
            "callerid = \"Jane\" <+12025550161>\n@websms_index = api-2",
        )],
        ..Changes::default()
    };
    let pbx = Pbx::changed(&first, &changes);
    let (john, jane) = (pbx.phone("john"), pbx.phone("jane"));
    john.send(THEIRS, b"from john");
    jane.send(THEIRS, b"from jane");
    for (provider, from, body) in [
        // The empty index of john's endpoint is the first of the file.
        (&first, "+12025550160", "from john"),
        (&second, "+12025550161", "from jane"),
    ] {
        let parameters = provider.wait_for(1)[0].parameters();
        assert_eq!(
            (parameters["From"].as_str(), parameters["Body"].as_str()),
            (from, body)
        );
    }
}

#[test]
fn sender_is_told_what_became_of_a_message_that_was_not_sent() {
    let provider = Provider::deciding(|request| {
        let said = "EXEC System touch /tmp/websms-was-here\nfailure\nHANGUP\n".to_owned();
        match request.parameters()["Body"].as_str() {
            "refused" => Answer::Http(400, "text/plain", said),
            "password" => Answer::Http(401, "text/plain", said),
            "busy" => Answer::Http(503, "text/plain", said),
            "error" => Answer::Http(500, "text/plain", said),
            _ => Answer::HangUp,
        }
    });
    let pbx = Pbx::start(&provider);
    let john = pbx.phone("john");
    for (count, (text, notice)) in (1..).zip([
        (
            "refused",
            "Not delivered to +46700000001: refused by provider",
        ),
        (
            "password",
            "Not delivered to +46700000001: credentials not accepted",
        ),
        ("busy", "Not delivered to +46700000001: provider is busy"),
        (
            "error",
            "Perhaps not delivered to +46700000001: error at provider",
        ),
        (
            "hang up",
            "Perhaps not delivered to +46700000001: no answer from provider",
        ),
        (
            &"x".repeat(1024),
            "Not delivered to +46700000001: text empty or too long",
        ),
    ]) {
        assert_eq!(john.send(THEIRS, text.as_bytes()), 202);
        let got = john.wait_for(count).pop().unwrap();
        assert_eq!(got.text(), notice);
        assert_eq!(got.from, THEIRS, "the notice shows up in the conversation");
    }
    assert_eq!(provider.requests().len(), 5, "an emptied text is not sent");
    assert_no_command_ran();
}

#[test]
fn program_that_cannot_run_is_told_as_well() {
    let provider = Provider::answering(Answer::ok());
    let pbx = Pbx::start(&provider);
    let john = pbx.phone("john");
    std::fs::remove_file(pbx.path().join("bin/websms")).unwrap();
    john.send(THEIRS, b"x");
    let notice = john.wait_for(1).pop().unwrap().text();
    assert_eq!(
        notice,
        "Not delivered to +46700000001: websms could not be run"
    );
}

#[test]
fn own_numbers_are_reached_without_the_provider() {
    let provider = Provider::answering(Answer::ok());
    let pbx = Pbx::start(&provider);
    let john = pbx.phone("john");
    let jane = pbx.unregistered("jane");
    john.send("+12025550161", b"are you there?");
    let notice = john.wait_for(1).pop().unwrap().text();
    assert_eq!(notice, "Not delivered to +12025550161: the phone is off");
    jane.register();
    for (count, text) in (1..).zip(ODD_TEXTS) {
        john.send("+12025550161", text.as_bytes());
        let got = jane.wait_for(count).pop().unwrap();
        assert_eq!(
            (got.from.as_str(), got.text().as_str()),
            ("+12025550160", kept(text))
        );
    }
    assert!(provider.requests().is_empty());
    assert_no_command_ran();
}

#[test]
fn number_that_is_more_than_a_number_is_not_sent_to() {
    let provider = Provider::answering(Answer::ok());
    let pbx = Pbx::start(&provider);
    let john = pbx.phone("john");
    for (count, number) in (1..).zip([
        "+46700000001,+19998887777,Hi%20(",
        "+46700000001,x",
        "+46700000001)%20:1",
        "+46700000001%22%20=%20%221",
        "+4670&1",
        "+4670%24%7BSHELL(touch%20/tmp/websms-was-here)%7D",
    ]) {
        assert_eq!(john.send(number, b"x"), 202, "{number}");
        let notice = john.wait_for(count).pop().unwrap().text();
        assert_eq!(notice, "Not delivered: this is not a number");
    }
    assert!(provider.requests().is_empty());
    assert_no_command_ran();
}

#[test]
fn sender_is_the_callerid_or_else_the_phone() {
    for (callerid, from) in [
        ("callerid = \"John\" <+12025550160>", "+12025550160"),
        ("callerid = <+12025550160>", "+12025550160"),
        ("callerid = +12025550160", "+12025550160"),
        ("callerid = \"Bob :) (x\" <12025550160>", "12025550160"),
        ("callerid = \"John\"", "john"),
        ("", "john"),
    ] {
        let provider = Provider::answering(Answer::ok());
        let changes = Changes {
            pjsip: vec![("callerid = \"John\" <+12025550160>", callerid)],
            ..Changes::default()
        };
        let pbx = Pbx::changed(&provider, &changes);
        let mut john = pbx.phone("john");
        john.display = "\"Bob :) [: (\"";
        john.send(THEIRS, b"x");
        let parameters = provider.wait_for(1)[0].parameters();
        assert_eq!(parameters["From"], from, "{callerid}");
    }
}

/// The form that dialplans of the reference have, with `QUOTE()`.
#[test]
fn call_of_the_reference_keeps_working() {
    let provider = Provider::answering(Answer::ok());
    let changes = Changes {
        extensions: "[reference]\n\
                     exten => _[+0-9].,1,AGI(${WEBSMS},${EXTEN},${MESSAGE(from)},\
                     ${QUOTE(${MESSAGE(body)})},${WEBSMS_INDEX})\n \
                     same => n,Log(NOTICE,AGI status is ${AGISTATUS})\n"
            .to_owned(),
        pjsip: vec![(
            "message_context = dp_entry_text_inout",
            "message_context = reference",
        )],
        ..Changes::default()
    };
    let pbx = Pbx::changed(&provider, &changes);
    let mut john = pbx.phone("john");
    // Brackets in a name shift its arguments; that is why ours encodes them.
    john.display = "\"John\"";
    let texts = ["Hello!", "a \"q\" , b", "hi ☺", "100% ;#", "two\nlines"];
    for (count, text) in (1..).zip(texts) {
        john.send(THEIRS, text.as_bytes());
        let parameters = provider.wait_for(count).pop().unwrap().parameters();
        assert_eq!(parameters["Body"], text);
        assert_eq!(parameters["From"], "john");
    }
    wait_for("five words of success", || {
        let told =
            |line: &&str| line.contains(" NOTICE[") && line.contains("AGI status is SUCCESS");
        let count = pbx.log().lines().filter(told).count();
        (count == texts.len()).then_some(())
    });
}
