//! How a code gets to a phone: by a template of Meta's, by SMS, or by one when the
//! other does not take it.
//!
//! A code is sent at once or not at all, and never put into the outbox: nothing
//! that is stored shall hold it.

use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;
use tracing::{info, warn};

use crate::config::{Config, SmsSettings};
use crate::document::template;
use crate::http::client::redact;
use crate::logging::chain;
use crate::model::address::{Address, InvalidAddress};
use crate::model::id::Id;
use crate::model::message::Text;
use crate::model::outgoing::OutgoingMessage;
use crate::otp::code::Code;
use crate::otp::phone::Phone;
use crate::outbound::fallback::ProviderChain;
use crate::outbound::provider::{Provider, ProviderError};
use crate::outbound::verdict::{Outcome, Reason, Verdict};

/// A way by which codes go.
#[derive(Debug)]
pub(crate) enum CodeChannel {
    /// By an interface of `[websms]`.
    Sms(Box<SmsChannel>),
    /// By a template of Meta's, once it is known that it can be.
    Whatsapp(WhatsappChannel),
}

/// By SMS.
#[derive(Debug)]
pub(crate) struct SmsChannel {
    providers: ProviderChain,
    from: Address,
    text: String,
    minutes: u64,
}

/// A template that codes go in, or not yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct WhatsappChannel(Arc<RwLock<Option<Arc<Provider>>>>);

/// A code that went out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SentCode {
    /// The way that it went by, from 0.
    pub channel: usize,
    /// What the provider calls it, if it says so.
    pub provider_id: Option<String>,
}

/// A code that no way is known to have taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SendFailure {
    /// Whether one may have taken it all the same: nobody knows.
    pub maybe_sent: bool,
}

impl SmsChannel {
    /// The way by an interface; makes no connection. A code counts for so many
    /// minutes.
    ///
    /// # Errors
    /// When the provider cannot be used.
    pub(crate) fn new(
        config: &Config,
        sms: &SmsSettings,
        minutes: u64,
    ) -> Result<Self, ChannelError> {
        let outgoing = config.outgoing(sms.interface.as_str());
        let outgoing = outgoing.map_err(|error| ChannelError::Interface(error.to_string()))?;
        Ok(Self {
            providers: ProviderChain::new(config, outgoing).map_err(ChannelError::Provider)?,
            from: Address::parse(&sms.from).map_err(ChannelError::From)?,
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
    /// From now on codes can go out in it.
    pub(crate) fn activate(&self, provider: Provider) {
        *self.0.write() = Some(Arc::new(provider));
    }

    async fn send(&self, id: Id, to: Address, code: &Code) -> Verdict {
        let place = self.0.read().clone();
        let Some(provider) = place else {
            let detail = "the template has not been found to be approved yet".to_owned();
            return Verdict::not_sent(Outcome::Failed, Reason::BadConfiguration, detail);
        };
        let message = OutgoingMessage {
            // The account says who sends.
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

/// Sends a code by the first way that takes it, from `first` on. A way that may
/// have taken it is followed by the next one: to have the same code twice does no
/// harm.
///
/// # Errors
/// When none is known to have taken it.
pub(crate) async fn send(
    ways: &[CodeChannel],
    first: usize,
    phone: &Phone,
    code: &Code,
) -> Result<SentCode, SendFailure> {
    let mut failure = SendFailure::default();
    let to = Address::parse(&format!("+{}", phone.digits())).map_err(|_| failure)?;
    for (position, way) in ways.iter().enumerate().skip(first) {
        let (id, by) = (Id::generate(None), way.name());
        let verdict = match way {
            CodeChannel::Sms(sms) => sms.send(id, to.clone(), code).await,
            CodeChannel::Whatsapp(template) => template.send(id, to.clone(), code).await,
        };
        let Some(reason) = verdict.reason else {
            info!(%id, %phone, by, "code sent");
            return Ok(SentCode {
                channel: position,
                provider_id: verdict.provider_id,
            });
        };
        let (outcome, reason) = (verdict.outcome.as_str(), reason.text());
        let detail = redact_code(code, &verdict.detail);
        warn!(%id, %phone, by, outcome, reason, detail, "code not sent");
        failure.maybe_sent |= verdict.outcome == Outcome::Unknown;
    }
    Err(failure)
}

/// What a provider said, without the code, and without the start of it where what
/// it said was cut off.
fn redact_code(code: &Code, said: &str) -> String {
    const LEAST: usize = 2;
    const INSTEAD: &str = "(the code)";
    let said = redact(said, code.expose(), INSTEAD);
    let (mut without, mut rest) = (String::new(), said.as_str());
    while let Some(start) = rest.find(|character: char| character.is_ascii_digit()) {
        let (before, digits) = rest.split_at(start);
        let end = digits.find(|character: char| !character.is_ascii_digit());
        let (digits, after) = digits.split_at(end.unwrap_or(digits.len()));
        let is_start = digits.len() >= LEAST && code.expose().starts_with(digits);
        without.push_str(before);
        without.push_str(if is_start { INSTEAD } else { digits });
        rest = after;
    }
    without + rest
}

/// A way that cannot be used. The administrator must act.
#[derive(Debug)]
pub(crate) enum ChannelError {
    /// `sms_from` is no number.
    From(InvalidAddress),
    /// There is no such interface, in words.
    Interface(String),
    /// Its provider cannot be used.
    Provider(ProviderError),
}

impl fmt::Display for ChannelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::From(error) => write!(f, "use sms_from: it {error}"),
            Self::Interface(error) => write!(f, "use sms_index: {error}"),
            Self::Provider(error) => f.write_str(&chain(error)),
        }
    }
}

impl std::error::Error for ChannelError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_code_nor_the_start_of_one_is_left() {
        let code = Code::random(6).unwrap();
        let digits = code.expose();
        for (said, expected) in [
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
            assert_eq!(redact_code(&code, &said), expected);
        }
    }
}
