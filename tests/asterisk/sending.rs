//! Messages that a phone sends: texts that must arrive unchanged, and the notices
//! for those that failed.

use crate::support::provider::Recorded;
use crate::support::sip::Phone;
use crate::support::{Answer, Provider};

/// A number outside the PBX.
pub(crate) const REMOTE: &str = "+46700000001";

/// A text as Asterisk hands it on: it removes line ends at the end of a MESSAGE
/// (`res_pjsip_messaging.c`, `rx_data_to_ast_msg`).
pub(crate) fn without_line_ends(text: &str) -> &str {
    text.trim_end_matches(['\r', '\n'])
}

/// Sends texts from John's phone and asserts that each reaches the provider
/// unchanged. Returns the requests.
pub(crate) fn assert_texts_arrive(
    john: &Phone,
    provider: &Provider,
    texts: &[&str],
) -> Vec<Recorded> {
    for (count, text) in (1..).zip(texts) {
        assert_eq!(john.send(REMOTE, text.as_bytes()), 202);
        let parameters = provider.wait_for(count).pop().unwrap().parameters();
        assert_eq!(parameters["Body"], without_line_ends(text));
        assert_eq!(parameters["To"], REMOTE);
        assert_eq!(parameters["From"], "+12025550160");
    }
    provider.requests()
}

/// A provider that fails as the text of each message asks for. Its responses try to
/// be AGI commands.
pub(crate) fn failing_provider() -> Provider {
    Provider::deciding(|request| {
        let body = "EXEC System touch /tmp/websms-was-here\nfailure\nHANGUP\n".to_owned();
        match request.parameters()["Body"].as_str() {
            "refused" => Answer::Http(400, "text/plain", body),
            "password" => Answer::Http(401, "text/plain", body),
            "busy" => Answer::Http(503, "text/plain", body),
            "error" => Answer::Http(500, "text/plain", body),
            _ => Answer::HangUp,
        }
    })
}

/// Sends the texts of [`failing_provider`], and one that is too long, and asserts
/// that the phone gets a notice for each.
pub(crate) fn assert_failures_are_reported(john: &Phone) {
    let long = "x".repeat(1024);
    for (count, (text, outcome, reason)) in (1..).zip([
        ("refused", "Not delivered", "refused by provider"),
        ("password", "Not delivered", "credentials not accepted"),
        ("busy", "Not delivered", "provider is busy"),
        ("error", "Perhaps not delivered", "error at provider"),
        (
            "hang up",
            "Perhaps not delivered",
            "no answer from provider",
        ),
        (&long, "Not delivered", "text empty or too long"),
    ]) {
        assert_eq!(john.send(REMOTE, text.as_bytes()), 202);
        let notice = john.wait_for(count).pop().unwrap();
        assert_eq!(notice.text(), format!("{outcome} to {REMOTE}: {reason}"));
        assert_eq!(notice.from, REMOTE, "the notice is in the conversation");
    }
}
