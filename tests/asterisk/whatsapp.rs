//! WhatsApp and SMS to the same people: an answer uses the interface of their last
//! message.

use serde_json::{Value, json};

use crate::assert_no_command_ran;
use crate::pbx::{Changes, Pbx};
use crate::support::daemon::Server;
use crate::support::http::{self, FORM, JSON};
use crate::support::provider::Recorded;
use crate::support::sip::Phone;
use crate::support::{Answer, Provider};

const JOHN: &str = "+12025550160";
const REMOTE: &str = "+15017122661";

/// The secret of the app at Meta.
const SECRET: &str = "app secret";

/// A PBX with an interface for SMS, which is the first one, and one for WhatsApp.
struct Setup {
    pbx: Pbx,
    server: Server,
    sms: Provider,
    whatsapp: Provider,
}

impl Setup {
    fn new() -> Self {
        let sms = Provider::answering(Answer::ok());
        let accepted = json!({"messaging_product": "whatsapp", "messages": [{"id": "wamid.out"}]});
        let whatsapp =
            Provider::answering(Answer::Http(200, "application/json", accepted.to_string()));
        let pbx = Pbx::changed(&sms, &changes(&whatsapp));
        let server = pbx.start_websmsd();
        Self {
            pbx,
            server,
            sms,
            whatsapp,
        }
    }

    /// Posts a message by WhatsApp.
    fn post(&self, from: &str, message: Value) {
        let mut message = message;
        message["from"] = json!(from.trim_start_matches('+'));
        let body = json!({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [{
            "field": "messages",
            "value": {
                "messaging_product": "whatsapp",
                "metadata": {
                    "display_phone_number": JOHN.trim_start_matches('+'),
                    "phone_number_id": "106540352242922",
                },
                "messages": [message],
            },
        }]}]});
        let body = body.to_string();
        let signature = http::sha256_signature(SECRET, &body);
        let headers = [JSON, ("X-Hub-Signature-256", signature.as_str())];
        let answer = self.server.post("/whatsapp", &headers, body.as_bytes());
        assert_eq!(answer.status, 200, "{body}");
    }

    fn post_text(&self, from: &str, id: &str, text: &str) {
        self.post(
            from,
            json!({"id": id, "type": "text", "text": {"body": text}}),
        );
    }

    fn post_sms(&self, text: &str) {
        let form = http::message(JOHN, REMOTE, text);
        assert_eq!(self.server.post("/sms", &[FORM], &form).status, 200);
    }

    /// Asserts that `count` messages were sent by WhatsApp, the last one with this text.
    fn assert_whatsapp(&self, count: usize, to: &str, text: &str) {
        let request = self.whatsapp.wait_for(count).pop().unwrap();
        assert_eq!(request.path, "/v25.0/106540352242922/messages");
        assert_eq!(request.headers["authorization"], "Bearer token");
        assert_eq!(request.headers["content-type"], "application/json");
        let body: Value = serde_json::from_str(&request.body).unwrap();
        let expected = json!({
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "type": "text",
            "to": to,
            "text": {"body": text},
        });
        assert_eq!(body, expected);
        assert_eq!(self.whatsapp.requests().len(), count);
    }

    /// As [`Self::assert_whatsapp`], by SMS.
    fn assert_sms(&self, count: usize, text: &str) {
        let parameters = self.sms.wait_for(count).pop().unwrap().parameters();
        let message = ["To", "From", "Body"].map(|name| parameters[name].as_str());
        assert_eq!(message, [REMOTE, JOHN, text]);
        assert_eq!(self.sms.requests().len(), count);
    }
}

fn changes(whatsapp: &Provider) -> Changes {
    Changes {
        websms: format!(
            "delivery = queue\nreply_index = auto\nretry_min = 1\nretry_max = 1\n\
             number_format [sms] = E123\n\
             host [whatsapp] = {}\n\
             path [whatsapp] = /v25.0/106540352242922/messages\n\
             auth_method [whatsapp] = bearer\nauth_passwd [whatsapp] = token\n\
             body_type [whatsapp] = json\nkey_to [whatsapp] = to\nkey_from [whatsapp] =\n\
             key_body [whatsapp] = /text/body\n\
             val_static [whatsapp] = messaging_product=whatsapp,recipient_type=individual,type=text\n\
             number_format [whatsapp] = jid-\nresp_id [whatsapp] = /messages/0/id\n\
             response_check [whatsapp] = /messages/0/id\n\
             [websmsd]\nrequest_uri [sms] = /sms\n\
             request_uri [whatsapp] = /whatsapp\n\
             key_to [whatsapp] = /entry/*/changes/*/value/metadata/display_phone_number\n\
             key_from [whatsapp] = /entry/*/changes/*/value/messages/*/from\n\
             key_body [whatsapp] = /entry/*/changes/*/value/messages/*\n\
             key_id [whatsapp] = /entry/*/changes/*/value/messages/*/id\n\
             decode [whatsapp] = whatsapp\nnumber_format [whatsapp] = jid\n\
             auth [whatsapp] = hmac\nauth_place [whatsapp] = header:X-Hub-Signature-256\n\
             auth_prefix [whatsapp] = sha256=\nauth_secret [whatsapp] = {SECRET}\n",
            whatsapp.url()
        ),
        extensions: "[globals](+)\nWEBSMS_INDEX_9 = whatsapp\nWEBSMS_INDEX_1 = sms\n\
                     WEBSMS_INDEX_2 = nowhere\n"
            .to_owned(),
        ..Changes::default()
    }
}

/// Asserts that the phone has `count` messages, the last of them this one.
fn assert_received(phone: &Phone, count: usize, from: &str, text: &str) {
    let got = phone.wait_for(count).pop().unwrap();
    assert_eq!((got.from.as_str(), got.text().as_str()), (from, text));
    assert_eq!(phone.count(), count);
}

fn texts(requests: &[Recorded]) -> Vec<String> {
    let text = |request: &Recorded| request.parameters()["Body"].clone();
    requests.iter().map(text).collect()
}

#[test]
fn answer_uses_the_interface_of_the_last_message() {
    let setup = Setup::new();
    let john = setup.pbx.phone("john");
    let hello = "Grüße 👩🏽‍🚀 :) [ok] ${EXTEN}";
    setup.post_text(REMOTE, "wamid.1", hello);
    assert_received(&john, 1, REMOTE, hello);
    assert_eq!(john.send(REMOTE, "Hi 😀 (:".as_bytes()), 202);
    setup.assert_whatsapp(1, "15017122661", "Hi 😀 (:");

    setup.post_sms("and now by SMS");
    assert_received(&john, 2, REMOTE, "and now by SMS");
    assert_eq!(john.send(REMOTE, b"by SMS as well"), 202);
    setup.assert_sms(1, "by SMS as well");

    // Meta posts the first message again, which is a duplicate.
    setup.post_text(REMOTE, "wamid.1", hello);
    assert_eq!(john.send(REMOTE, b"still by SMS"), 202);
    setup.assert_sms(2, "still by SMS");

    setup.post_text(REMOTE, "wamid.2", "and back");
    assert_received(&john, 3, REMOTE, "and back");
    assert_eq!(john.send(REMOTE, b"back as well"), 202);
    setup.assert_whatsapp(2, "15017122661", "back as well");
    // The first interface is the default.
    assert_eq!(john.send("+46700000001", b"who are you?"), 202);
    let requests = setup.sms.wait_for(3);
    assert_eq!(
        texts(&requests),
        ["by SMS as well", "still by SMS", "who are you?"]
    );

    setup.pbx.outbox().wait_until_empty();
    assert_eq!(
        (setup.whatsapp.requests().len(), setup.sms.requests().len()),
        (2, 3)
    );
    assert_eq!(john.count(), 3, "no notice for a sent message");
    assert_no_command_ran();
}

#[test]
fn message_of_every_kind_arrives_as_text() {
    let setup = Setup::new();
    let john = setup.pbx.phone("john");
    for (count, (message, expected)) in (1..).zip([
        (
            json!({"type": "image", "image": {
                "id": "1", "mime_type": "image/jpeg", "caption": "Taj Mahal 🕌"}}),
            "(picture)\nTaj Mahal 🕌",
        ),
        (
            json!({"type": "audio", "audio": {"id": "2", "voice": true}}),
            "(voice message)",
        ),
        (
            json!({"type": "location", "location": {
                "latitude": 37.442_215, "longitude": -122.161_659, "name": "Coffee :)"}}),
            "Coffee :)\nhttps://maps.google.com/?q=37.442215,-122.161659",
        ),
        (
            json!({"type": "reaction", "reaction": {"message_id": "x", "emoji": "👍"}}),
            "(reacted with 👍)",
        ),
        (
            json!({"type": "unsupported", "errors": [{"code": 131_051}]}),
            "(a message of a kind that WhatsApp does not hand on)",
        ),
    ]) {
        let mut message = message;
        message["id"] = json!(format!("wamid.{count}"));
        setup.post(REMOTE, message);
        assert_received(&john, count, REMOTE, expected);
    }
    assert_no_command_ran();
}

#[test]
fn digit_chooses_the_interface() {
    let setup = Setup::new();
    let john = setup.pbx.phone("john");
    assert_eq!(john.send(&format!("*9{REMOTE}"), "Hi ☺".as_bytes()), 202);
    setup.assert_whatsapp(1, "15017122661", "Hi ☺");
    assert_eq!(john.send("*915017122661", b"without plus"), 202);
    setup.assert_whatsapp(2, "15017122661", "without plus");
    setup.post_text(REMOTE, "wamid.1", "hello");
    assert_received(&john, 1, REMOTE, "hello");
    // Their last message came by WhatsApp.
    assert_eq!(john.send(&format!("*1{REMOTE}"), b"by SMS"), 202);
    setup.assert_sms(1, "by SMS");
    assert_eq!(john.send(REMOTE, b"by WhatsApp"), 202);
    setup.assert_whatsapp(3, "15017122661", "by WhatsApp");

    let notice = |reason: &str| format!("Not delivered to {REMOTE}: {reason}");
    for (count, (number, expected)) in (2..).zip([
        ("*8+15017122661", notice("there is no account *8")),
        ("*2+15017122661", notice("unknown index")),
        (
            "*9+15017122661,+19998887777,Hi",
            "Not delivered: this is not a number".to_owned(),
        ),
        (
            "*9+1501%24%7BSHELL(touch%20/tmp/websms-was-here)%7D",
            "Not delivered: this is not a number".to_owned(),
        ),
    ]) {
        assert_eq!(john.send(number, b"x"), 202, "{number}");
        let received = john.wait_for(count).pop().unwrap();
        assert_eq!(received.text(), expected, "{number}");
    }
    for number in ["*", "*9", "*9x", "**9+15017122661", "*9*+15017122661"] {
        assert_eq!(john.send(number, b"x"), 404, "{number}");
    }
    setup.pbx.outbox().wait_until_empty();
    assert_eq!(
        (setup.whatsapp.requests().len(), setup.sms.requests().len()),
        (3, 1)
    );
    assert_no_command_ran();
}

#[test]
fn sender_without_a_number_can_be_answered() {
    let setup = Setup::new();
    let john = setup.pbx.phone("john");
    setup.post_text("123456789012345@lid", "wamid.1", "guess who");
    assert_received(&john, 1, "lid123456789012345", "guess who");
    assert_eq!(john.send("lid123456789012345", b"who?"), 202);
    setup.assert_whatsapp(1, "123456789012345@lid", "who?");
    for (count, number) in (2..).zip(["lid1,+46700000001,x", "lid1%24%7BEXTEN%7D", "lid1+2"]) {
        assert_eq!(john.send(number, b"x"), 202, "{number}");
        let notice = john.wait_for(count).pop().unwrap().text();
        assert_eq!(notice, "Not delivered: this is not a number");
    }
    setup.pbx.outbox().wait_until_empty();
    assert_eq!(setup.whatsapp.requests().len(), 1);
    assert_eq!(setup.sms.requests().len(), 0);
    assert_no_command_ran();
}
