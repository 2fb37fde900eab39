//! Removes secrets from responses of providers. Pure.
//!
//! Some providers repeat what they got. It is redacted before an excerpt is
//! taken for the log, because half a secret cannot be recognised.

use crate::config::Auth;
use crate::http::client::redact;
use crate::logging::masked;
use crate::model::outgoing::OutgoingMessage;
use crate::outbound::verdict::Verdict;
use crate::outbound::{auth, response};
use crate::secret::Secret;

/// Removes the secret, the text and whole numbers from a provider's words.
pub(super) struct Redaction<'a> {
    pub auth: &'a Auth<Secret>,
    pub message: &'a OutgoingMessage,
}

impl Redaction<'_> {
    /// A verdict on a response, redacted; the detail for the log is made anew.
    pub(super) fn verdict(&self, verdict: Verdict, status: u16, body: &[u8]) -> Verdict {
        if verdict.reason.is_none() {
            return verdict;
        }
        let explanation = verdict.explanation.as_deref();
        let explanation = explanation.map(|text| self.without_secrets(text));
        let body = self.without_secrets(&String::from_utf8_lossy(body));
        let detail = response::detail(status, &self.without_numbers(&body));
        // The sender may read the number in the explanation, the log may not.
        let logged = explanation
            .as_deref()
            .map(|text| self.without_numbers(text) + "; ");
        Verdict {
            detail: logged.unwrap_or_default() + &detail,
            explanation,
            ..verdict
        }
    }

    fn without_secrets(&self, text: &str) -> String {
        let secrets = auth::transmitted_secrets(self.auth);
        let text = secrets.iter().fold(text.to_owned(), |text, secret| {
            redact(&text, secret, "(the secret)")
        });
        redact(&text, self.message.text.as_str(), "(the text)")
    }

    fn without_numbers(&self, text: &str) -> String {
        let OutgoingMessage { to, from, .. } = self.message;
        [to, from].into_iter().fold(text.to_owned(), |text, party| {
            // A provider may repeat a number without its plus.
            let party = party.as_str().trim_start_matches('+');
            redact(&text, party, &masked(party))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::address::Address;
    use crate::model::message::Text;
    use crate::outbound::verdict::{Outcome, Reason};

    #[test]
    fn log_gets_less_than_the_sender() {
        let auth = Auth::Bearer {
            secret: Secret::new("s3cret".to_owned()),
        };
        let message = OutgoingMessage {
            to: Address::parse("+12025550183").unwrap(),
            from: Address::parse("+12025550160").unwrap(),
            text: Text::new("Hello John"),
        };
        let redaction = Redaction {
            auth: &auth,
            message: &message,
        };
        let refused = Verdict {
            explanation: Some("12025550183 with s3cret".to_owned()),
            ..Verdict::not_sent(Outcome::Rejected, Reason::Refused, String::new())
        };
        let body = b"Hello John to 12025550183 with s3cret";
        let redacted = redaction.verdict(refused, 400, body);
        let explanation = redacted.explanation.as_deref();
        assert_eq!(explanation, Some("12025550183 with (the secret)"));
        assert_eq!(
            redacted.detail,
            "*******0183 with (the secret); \
             HTTP status 400: \"(the text) to *******0183 with (the secret)\""
        );
    }
}
