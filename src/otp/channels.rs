//! The channels that codes are sent by: WhatsApp, by a template at Meta, and SMS.
//! When one channel does not take a code, the next one is tried.
//!
//! A code is sent at once or not at all. It never goes through the outbox, so that
//! no file holds it.

use std::sync::Arc;

use parking_lot::RwLock;
use thiserror::Error;
use tracing::{info, warn};

use crate::config::{Config, SmsSettings, UnknownInterface};
use crate::document::template;
use crate::http::client::redact;
use crate::model::address::{Address, InvalidAddress};
use crate::model::id::Id;
use crate::model::message::Text;
use crate::model::outgoing::OutgoingMessage;
use crate::otp::code::Code;
use crate::otp::phone::Phone;
use crate::outbound::fallback::ProviderChain;
use crate::outbound::provider::{Provider, ProviderError};
use crate::outbound::verdict::{Outcome, Reason, Verdict};

#[derive(Debug)]
pub(crate) enum CodeChannel {
    /// By an interface of `[websms]`.
    Sms(Box<SmsChannel>),
    /// By a template at Meta, once it is approved.
    Whatsapp(WhatsappChannel),
}

#[derive(Debug)]
pub(crate) struct SmsChannel {
    providers: ProviderChain,
    from: Address,
    text: String,
    minutes: u64,
}

/// Holds no provider until the template is approved. Clones share the state.
#[derive(Debug, Clone, Default)]
pub(crate) struct WhatsappChannel(Arc<RwLock<Option<Arc<Provider>>>>);

/// A code that a provider has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SentCode {
    /// The position of the channel, from 0.
    pub channel: usize,
    /// The provider's message id, if there is one.
    pub provider_id: Option<String>,
}

/// No channel is known to have taken the code.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SendFailure {
    /// Whether one may have taken it all the same: there was no clear answer.
    pub maybe_sent: bool,
}

impl SmsChannel {
    /// Prepares the interface; makes no connection. `minutes` is how long a code is
    /// valid.
    ///
    /// # Errors
    /// When the interface does not exist or its provider cannot be used, or
    /// `sms_from` is not a number.
    pub(crate) fn new(
        config: &Config,
        sms: &SmsSettings,
        minutes: u64,
    ) -> Result<Self, ChannelError> {
        let outgoing = config.outgoing(sms.interface.as_str())?;
        Ok(Self {
            providers: ProviderChain::new(config, outgoing)?,
            from: Address::parse(&sms.from)?,
            text: sms.text.clone(),
            minutes,
        })
    }

    async fn send(&self, id: Id, to: Address, code: &Code) -> Verdict {
        let text = template::fill(&self.text, |word| match word {
            "code" => code.expose().to_owned(),
            _ => self.minutes.to_string(),
        });
        let message = OutgoingMessage {
            to,
            from: self.from.clone(),
            text: Text::new(&text),
        };
        self.providers.send(id, &message).await.verdict
    }
}

impl WhatsappChannel {
    /// Lets codes be sent, now that the template is approved.
    pub(crate) fn activate(&self, provider: Provider) {
        *self.0.write() = Some(Arc::new(provider));
    }

    async fn send(&self, id: Id, to: Address, code: &Code) -> Verdict {
        let provider = self.0.read().clone();
        let Some(provider) = provider else {
            let detail = "template not approved yet".to_owned();
            return Verdict::not_sent(Outcome::Failed, Reason::BadConfiguration, detail);
        };
        let message = OutgoingMessage {
            // The account has the sender's number.
            from: to.clone(),
            to,
            text: Text::new(code.expose()),
        };
        provider.send(id, &message).await
    }
}

impl CodeChannel {
    fn name(&self) -> &'static str {
        match self {
            Self::Sms(_) => "sms",
            Self::Whatsapp(_) => "whatsapp",
        }
    }
}

/// Sends a code by the first channel that takes it, beginning with the one at
/// `first`. The next channel is also tried when it is unknown whether one has
/// taken the code: the same code twice does no harm.
///
/// # Errors
/// When no channel is known to have taken it.
pub(crate) async fn send(
    channels: &[CodeChannel],
    first: usize,
    phone: &Phone,
    code: &Code,
) -> Result<SentCode, SendFailure> {
    let mut failure = SendFailure::default();
    let to = Address::parse(&format!("+{}", phone.digits())).map_err(|_| failure)?;
    for (position, code_channel) in channels.iter().enumerate().skip(first) {
        let (id, channel) = (Id::generate(None), code_channel.name());
        let verdict = match code_channel {
            CodeChannel::Sms(sms) => sms.send(id, to.clone(), code).await,
            CodeChannel::Whatsapp(whatsapp) => whatsapp.send(id, to.clone(), code).await,
        };
        let Some(reason) = verdict.reason else {
            info!(%id, %phone, channel, "code sent");
            return Ok(SentCode {
                channel: position,
                provider_id: verdict.provider_id,
            });
        };
        let (outcome, reason) = (verdict.outcome.as_str(), reason.text());
        let detail = redact_code(code, &verdict.detail);
        warn!(%id, %phone, channel, outcome, reason, detail, "code not sent");
        failure.maybe_sent |= verdict.outcome == Outcome::Unknown;
    }
    Err(failure)
}

/// A provider's words without the code, and without the start of the code where
/// the words were cut off.
fn redact_code(code: &Code, text: &str) -> String {
    const DIGITS_MIN: usize = 2;
    const REPLACEMENT: &str = "(the code)";
    let text = redact(text, code.expose(), REPLACEMENT);
    let (mut redacted, mut rest) = (String::new(), text.as_str());
    while let Some(start) = rest.find(|character: char| character.is_ascii_digit()) {
        let (before, digits) = rest.split_at(start);
        let end = digits.find(|character: char| !character.is_ascii_digit());
        let (digits, after) = digits.split_at(end.unwrap_or(digits.len()));
        let is_start = digits.len() >= DIGITS_MIN && code.expose().starts_with(digits);
        redacted.push_str(before);
        redacted.push_str(if is_start { REPLACEMENT } else { digits });
        rest = after;
    }
    redacted + rest
}

/// Why codes cannot be sent by SMS. The administrator must act.
#[derive(Debug, Error)]
pub(crate) enum ChannelError {
    #[error("use the number of sms_from")]
    From(#[from] InvalidAddress),
    #[error("use the interface of sms_index")]
    Interface(#[from] UnknownInterface),
    #[error(transparent)]
    Provider(#[from] ProviderError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_its_start_are_redacted() {
        let code = Code::random(6).unwrap();
        let digits = code.expose();
        for (text, expected) in [
            (format!("no: {digits} is"), "no: (the code) is"),
            (format!("x{digits}"), "x(the code)"),
            (
                format!("cut {}\"\u{2026}", &digits[..5]),
                "cut (the code)\"\u{2026}",
            ),
            (format!("cut {}", &digits[..2]), "cut (the code)"),
            ("07 of 0".to_owned(), "07 of 0"),
            ("nothing \u{e9}".to_owned(), "nothing \u{e9}"),
            (String::new(), ""),
        ] {
            assert_eq!(redact_code(&code, &text), expected);
        }
    }
}
