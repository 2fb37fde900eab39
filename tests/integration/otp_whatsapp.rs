//! One-time passwords by `WhatsApp`: the approval of the template, the requests to
//! Meta, and SMS when `WhatsApp` does not accept or deliver a code.

use std::io::{BufRead as _, BufReader};

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::daemon::{command, failed_start};
use crate::support::graph::{Graph, NUMBER, TOKEN, info};
use crate::support::http::JSON;
use crate::support::otp::{OtpDaemon, PHONE, last_code, received_codes, sms_provider};
use crate::support::{Answer, Provider, Spool};

/// The secret of the app at Meta.
const SECRET: &str = "614fc2afde15eee07a26b2fe3eaee9b9";

/// Keys of `[otp]` for an account with this template.
fn keys(graph: &Graph, template: &str) -> (tempfile::NamedTempFile, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), info(template)).unwrap();
    let url = graph.url();
    let keys = format!("info_file = {}\napi_url = {url}\n", file.path().display());
    (file, keys)
}

/// A daemon that sends codes by an approved template, and by SMS if there is a
/// provider; it also receives Meta's webhooks.
fn start(graph: &Graph, sms: Option<&Provider>) -> (OtpDaemon, tempfile::NamedTempFile) {
    let template = graph.template("APPROVED");
    let (file, mut keys) = keys(graph, &template);
    let mut before = "[websmsd]\npreset = whatsapp\n".to_owned();
    before.push_str(&format!("auth_secret = {SECRET}\necho_secret = x\n"));
    if let Some(sms) = sms {
        before.push_str(&format!(
            "[websms]\nhost = {}\nauth_method = none\n",
            sms.url()
        ));
        let more = "channel = whatsapp,sms\nsms_from = +12025550160\nsms_text = {code} is it\n";
        keys.push_str(more);
    }
    (OtpDaemon::start(&before, &keys), file)
}

/// Waits until the daemon has seen the approval.
fn wait_for_approval(otp: &OtpDaemon) {
    otp.daemon.wait_for_log("codes can go by WhatsApp");
}

#[test]
fn verified_template_is_reported_at_start() {
    let graph = Graph::start();
    graph.with(|state| state.page_size = 2);
    for _ in 0..4 {
        graph.template("REJECTED");
    }
    let template = graph.template("APPROVED");
    let (_file, keys) = keys(&graph, &template);
    let spool = Spool::new();
    let config = format!(
        "[otp]\nlisten = 127.0.0.1:0\notpdir = {}\n{keys}",
        spool.path().join("otp").display()
    );
    let mut child = command(&spool.configure(&config)).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let lines: Vec<_> = lines.take(3).map(Result::unwrap).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(lines[0].starts_with("listening on 127.0.0.1:"), "{lines:?}");
    let verified = format!(
        "Verified OTP template 'otp_{template}' with ID {template} is approved and ready to send."
    );
    assert_eq!(lines[1], verified);
    let port = lines[2]
        .strip_prefix("Sample app listening on port ")
        .unwrap();
    assert!(port.parse::<u16>().unwrap() > 0);
    let paths: Vec<_> = graph
        .provider
        .requests()
        .into_iter()
        .map(|request| request.path)
        .collect();
    assert!(
        !paths.is_empty() && paths.iter().all(|path| !path.contains(TOKEN)),
        "{paths:?}"
    );
}

#[test]
fn code_is_sent_in_the_template_as_documented() {
    let graph = Graph::start();
    let (otp, _file) = start(&graph, None);
    wait_for_approval(&otp);
    assert_eq!(otp.send(&format!("%2B{PHONE}")).0, 200);
    let (to, code) = graph.wait_for_codes(1).remove(0);
    assert_eq!(to, PHONE);
    let requests = graph.provider.requests();
    let message = requests
        .iter()
        .find(|request| request.method == "POST")
        .unwrap();
    assert_eq!(message.path, format!("/v25.0/{NUMBER}/messages"));
    let body: Value = serde_json::from_str(&message.body).unwrap();
    let name = graph.with(|state| state.templates[0].name.clone());
    let expected = json!({
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": PHONE,
        "type": "template",
        "template": {
            "name": name,
            "language": {"code": "en_US", "policy": "deterministic"},
            "components": [
                {"type": "body", "parameters": [{"type": "text", "text": code}]},
                {
                    "type": "button", "sub_type": "url", "index": "0",
                    "parameters": [{"type": "text", "text": code}],
                },
            ],
        },
    });
    assert_eq!(body, expected);
    assert_eq!(otp.verify(PHONE, &code).0, 200);
    let log = otp.daemon.log();
    assert!(
        !log.contains(&code) && !log.contains(TOKEN) && !log.contains(PHONE),
        "{log}"
    );
}

#[test]
fn pending_template_is_checked_again() {
    let graph = Graph::start();
    let template = graph.template("PENDING");
    let (_file, keys) = keys(&graph, &template);
    let otp = OtpDaemon::start("", &keys);
    otp.daemon
        .wait_for_log("template not approved yet: see the WhatsApp Manager");
    assert_eq!(otp.send(PHONE).0, 500);
    otp.daemon
        .wait_for_log("detail=\"template not approved yet\"");
    // Meta is unavailable meanwhile.
    graph.fail(2, 503);
    otp.daemon.wait_for_log("template not verified yet");
    graph.recover();
    graph.with(|state| state.templates[0].status = "APPROVED".to_owned());
    wait_for_approval(&otp);
    assert_eq!(otp.send(PHONE).0, 200);
    assert_eq!(graph.codes().len(), 1);
}

#[test]
fn code_that_whatsapp_refuses_is_sent_by_sms() {
    let graph = Graph::start();
    let sms = sms_provider();
    let (otp, _file) = start(&graph, Some(&sms));
    wait_for_approval(&otp);
    for (number, (code, status)) in (1..).zip([
        (131_026, 400),
        (190, 401),
        (132_015, 400),
        (131_000, 500),
        (130_429, 429),
    ]) {
        graph.fail_messages(code, status);
        let phone = format!("1555123456{number}");
        assert_eq!(otp.send(&phone).0, 200, "{code}");
        assert_eq!(sms.requests().len(), number, "{code}");
        assert_eq!(otp.verify(&phone, &last_code(&sms)).0, 200);
    }
    assert!(otp.daemon.log().contains("not reachable by WhatsApp"));
    graph.recover();
    assert_eq!(otp.send(PHONE).0, 200);
    assert_eq!((sms.requests().len(), graph.codes().len()), (5, 1));
    // Neither channel accepts it.
    graph.fail_messages(131_026, 400);
    let answer = Provider::answering(Answer::Http(400, "text/plain", "no".to_owned()));
    let (otp, _file) = start(&graph, Some(&answer));
    wait_for_approval(&otp);
    assert_eq!(otp.send(PHONE).0, 500);
}

/// The first channel may have sent the code, and was perhaps charged for it; that
/// the second one refused it does not take that back.
#[test]
fn code_that_may_have_been_sent_counts_although_the_next_channel_refused_it() {
    let graph = Graph::start();
    let refuses = Answer::Http(400, "text/plain", "no".to_owned());
    let sms = Provider::answering(refuses);
    let (otp, _file) = start(&graph, Some(&sms));
    let otp = otp.restart_with("channel =", "per_phone = 2\nchannel =");
    wait_for_approval(&otp);
    // Both refuse it: it does not count.
    graph.fail_messages(131_026, 400);
    for _ in 0..3 {
        assert_eq!(otp.send(PHONE).0, 500);
    }
    // It is unknown whether Meta has sent it.
    graph.with(|state| state.override_messages = Some(Answer::HangUp));
    for _ in 0..2 {
        assert_eq!(otp.send(PHONE).0, 500);
    }
    assert_eq!(sms.requests().len(), 5);
    assert_eq!(otp.send(PHONE).0, 429);
    assert_eq!(sms.requests().len(), 5);
}

/// The webhook by which Meta reports the status of a message.
fn receipt(id: &str, status: &str, code: u32) -> String {
    let mut entry = json!({
        "id": id, "status": status, "timestamp": "1700000000", "recipient_id": PHONE,
    });
    if status == "failed" {
        entry["errors"] = json!([{"code": code, "title": "x", "error_data": {"details": "y"}}]);
    }
    let value = json!({
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "12025550160", "phone_number_id": NUMBER},
        "statuses": [entry],
    });
    let change = json!({"value": value, "field": "messages"});
    json!({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [change]}]})
        .to_string()
}

/// Posts a signed webhook.
fn post_webhook(otp: &OtpDaemon, body: &str) {
    let mut signature = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    signature.update(body.as_bytes());
    let signature = format!("sha256={}", hex::encode(signature.finalize().into_bytes()));
    let headers = [JSON, ("X-Hub-Signature-256", signature.as_str())];
    let answer = otp.daemon.post("/whatsapp", &headers, body.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Meta accepts messages that it cannot deliver, above all to a phone without
/// WhatsApp, and reports that later.
#[test]
fn code_that_whatsapp_does_not_deliver_is_sent_by_sms() {
    let graph = Graph::start();
    let sms = sms_provider();
    let (otp, _file) = start(&graph, Some(&sms));
    wait_for_approval(&otp);
    assert_eq!(otp.send(PHONE).0, 200);
    let (_, code) = graph.wait_for_codes(1).remove(0);
    post_webhook(&otp, &receipt("wamid.1", "sent", 0));
    post_webhook(&otp, &receipt("wamid.9", "failed", 131_026));
    assert!(sms.requests().is_empty());
    post_webhook(&otp, &receipt("wamid.1", "failed", 131_026));
    assert_eq!(sms.wait_for(1).len(), 1);
    assert_eq!(last_code(&sms), code, "the same code");
    // A repeated receipt sends it only once.
    post_webhook(&otp, &receipt("wamid.1", "failed", 131_026));
    assert_eq!(otp.verify(PHONE, &code).0, 200);
    // After delivery nothing more is sent.
    assert_eq!(otp.send(PHONE).0, 200);
    post_webhook(&otp, &receipt("wamid.2", "delivered", 0));
    post_webhook(&otp, &receipt("wamid.2", "failed", 131_026));
    assert_eq!(otp.send(PHONE).0, 200);
    post_webhook(&otp, &receipt("wamid.3", "failed", 131_026));
    assert_eq!(sms.wait_for(2).len(), 2);
}

/// It would cost an SMS, which arrives after the valid code.
#[test]
fn replaced_or_used_code_is_not_sent_by_sms() {
    let graph = Graph::start();
    let sms = sms_provider();
    let (otp, _file) = start(&graph, Some(&sms));
    wait_for_approval(&otp);
    for _ in 0..3 {
        assert_eq!(otp.send(PHONE).0, 200);
    }
    let codes = graph.wait_for_codes(3);
    post_webhook(&otp, &receipt("wamid.1", "failed", 131_026));
    assert_eq!(otp.verify(PHONE, &codes[2].1).0, 200);
    post_webhook(&otp, &receipt("wamid.3", "failed", 131_026));
    // Receipts are handled in order, so the earlier ones are done by now.
    assert_eq!(otp.send(PHONE).0, 200);
    let (_, last) = graph.wait_for_codes(4).remove(3);
    post_webhook(&otp, &receipt("wamid.4", "failed", 131_026));
    sms.wait_for(1);
    assert_eq!(received_codes(&sms), [last]);
}

#[test]
fn daemon_without_an_account_does_not_start() {
    let spool = Spool::new();
    let config = format!(
        "[otp]\nlisten = 127.0.0.1:0\notpdir = {0}/otp\ninfo_file = {0}/whatsapp-info.json\n",
        spool.path().display()
    );
    let path = spool.configure(&config);
    let stderr = failed_start(&mut command(&path));
    assert!(
        stderr.contains("one-time passwords cannot be sent"),
        "{stderr}"
    );
    assert!(
        stderr.contains("whatsapp-info.json") && stderr.contains("otp setup"),
        "{stderr}"
    );
    std::fs::write(spool.path().join("whatsapp-info.json"), "{}").unwrap();
    let output = command(&path).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("waba_id"), "{stderr}");
}
