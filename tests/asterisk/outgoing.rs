//! Phone → Asterisk → AGI → `websms` → provider.

use crate::pbx::{Changes, Pbx};
use crate::sending::{
    REMOTE, assert_failures_are_reported, assert_texts_arrive, failing_provider, without_line_ends,
};
use crate::support::{Answer, Provider, section, wait_for};
use crate::{ODD_TEXTS, assert_no_command_ran};

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
    let requests = assert_texts_arrive(&john, &provider, &texts);
    assert_eq!(requests.len(), texts.len());
    for request in requests {
        assert_eq!(request.headers["authorization"], "Basic aWQ6c2VjcmV0");
    }
    assert_eq!(john.inbox(), [], "no notice for a sent message");
    assert_no_command_ran();
}

#[test]
fn each_phone_has_its_number_and_interface() {
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
    john.send(REMOTE, b"from john");
    jane.send(REMOTE, b"from jane");
    for (provider, from, body) in [
        // John's endpoint has no index, so the first interface is used.
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
fn failures_are_reported_to_the_sender() {
    let provider = failing_provider();
    let pbx = Pbx::start(&provider);
    assert_failures_are_reported(&pbx.phone("john"));
    assert_eq!(provider.requests().len(), 5, "an emptied text is not sent");
    assert_no_command_ran();
}

#[test]
fn missing_program_is_reported_to_the_sender() {
    let provider = Provider::answering(Answer::ok());
    let pbx = Pbx::start(&provider);
    let john = pbx.phone("john");
    std::fs::remove_file(pbx.path().join("bin/websms")).unwrap();
    john.send(REMOTE, b"x");
    let notice = john.wait_for(1).pop().unwrap().text();
    assert_eq!(
        notice,
        "Not delivered to +46700000001: websms could not be run"
    );
}

#[test]
fn message_between_phones_does_not_use_the_provider() {
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
            ("+12025550160", without_line_ends(text))
        );
    }
    assert!(provider.requests().is_empty());
    assert_no_command_ran();
}

#[test]
fn number_with_other_characters_is_rejected() {
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
fn sender_is_the_caller_id_or_the_name_of_the_phone() {
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
        john.send(REMOTE, b"x");
        let parameters = provider.wait_for(1)[0].parameters();
        assert_eq!(parameters["From"], from, "{callerid}");
    }
}

/// The AGI call in dialplans for the PHP WebSMS, with `QUOTE()`.
#[test]
fn agi_call_of_the_php_websms_works() {
    let provider = Provider::answering(Answer::ok());
    let changes = Changes {
        extensions: "[php_websms]\n\
                     exten => _[+0-9].,1,AGI(${WEBSMS},${EXTEN},${MESSAGE(from)},\
                     ${QUOTE(${MESSAGE(body)})},${WEBSMS_INDEX})\n \
                     same => n,Log(NOTICE,AGI status is ${AGISTATUS})\n"
            .to_owned(),
        pjsip: vec![(
            "message_context = dp_entry_text_inout",
            "message_context = php_websms",
        )],
        ..Changes::default()
    };
    let pbx = Pbx::changed(&provider, &changes);
    let mut john = pbx.phone("john");
    // This form cannot have brackets in a name: they shift the arguments. The
    // shipped dialplan encodes them.
    john.display = "\"John\"";
    let texts = ["Hello!", "a \"q\" , b", "hi ☺", "100% ;#", "two\nlines"];
    for (count, text) in (1..).zip(texts) {
        john.send(REMOTE, text.as_bytes());
        let parameters = provider.wait_for(count).pop().unwrap().parameters();
        assert_eq!(parameters["Body"], text);
        assert_eq!(parameters["From"], "john");
    }
    wait_for("each AGI call to succeed", || {
        let is_success =
            |line: &&str| line.contains(" NOTICE[") && line.contains("AGI status is SUCCESS");
        let count = pbx.log().lines().filter(is_success).count();
        (count == texts.len()).then_some(())
    });
}
