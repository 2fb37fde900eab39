//! A message in the outbox, as its file holds it: JSON that an administrator
//! can read.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::config::RetrySettings;
use crate::model::address::{Address, InvalidAddress};
use crate::model::id::Id;
use crate::model::interface::InterfaceName;
use crate::model::message::{Conversation, Text};
use crate::model::outgoing::OutgoingMessage;
use crate::model::unix_time;
use crate::outbound::verdict::Verdict;
use crate::outbox::name::OutboxName;

/// A message, and its attempts so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub interface: RecordedInterface,
    /// Their number.
    pub to: String,
    /// Our number or name.
    pub from: String,
    pub text: String,
    #[serde(default)]
    pub attempts: u32,
    /// No attempt before this second since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<u64>,
    /// The seconds until `not_before` when that was decided: it is never longer,
    /// whatever the clock shows by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LastAttempt>,
    /// The notice that the sender is still to get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<DueNotice>,
}

/// A notice for the sender of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DueNotice {
    pub kind: NoticeKind,
    /// Why, in words for the sender.
    pub reason: String,
}

/// What a notice says. Each kind has its template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum NoticeKind {
    /// Not sent.
    Failed,
    /// Sent, and not delivered.
    Undelivered,
    /// Perhaps sent.
    Unknown,
}

/// The interface that sends a message: in the file its name, empty for the
/// unnamed one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum RecordedInterface {
    Named(InterfaceName),
    /// Somebody has edited the file, and this is not the name of an interface. It
    /// stays in the file as it is.
    Invalid(String),
}

impl RecordedInterface {
    /// The name, unless it is invalid.
    pub(crate) fn name(&self) -> Option<&InterfaceName> {
        match self {
            Self::Named(name) => Some(name),
            Self::Invalid(_) => None,
        }
    }

    /// The same, by value.
    pub(crate) fn into_name(self) -> Option<InterfaceName> {
        match self {
            Self::Named(name) => Some(name),
            Self::Invalid(_) => None,
        }
    }

    /// The text in the file.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Named(name) => name.as_str(),
            Self::Invalid(text) => text,
        }
    }
}

/// The result of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LastAttempt {
    /// `FAILED`, `REJECTED` or `UNKNOWN`.
    pub outcome: String,
    /// Why, in the words of `WEBSMS_ERROR`.
    pub reason: String,
    /// Details, such as the response of the provider.
    pub detail: String,
}

impl Record {
    /// A message that has not been tried.
    pub(crate) fn new(interface: &InterfaceName, message: &OutgoingMessage) -> Self {
        Self {
            interface: RecordedInterface::Named(interface.clone()),
            to: message.to.as_str().to_owned(),
            from: message.from.as_str().to_owned(),
            text: message.text.as_str().to_owned(),
            attempts: 0,
            not_before: None,
            wait: None,
            last: None,
            notice: None,
        }
    }

    /// The name of the message's file.
    pub(crate) fn name(&self, id: Id) -> OutboxName {
        let interface = self.interface.as_str();
        OutboxName::new(id, Conversation::between(&self.to, &self.from, interface))
    }

    /// The message itself.
    ///
    /// # Errors
    /// When somebody has edited the file, and an address in it is invalid.
    pub(crate) fn message(&self) -> Result<OutgoingMessage, InvalidAddress> {
        Ok(OutgoingMessage {
            to: Address::parse(&self.to)?,
            from: Address::parse(&self.from)?,
            text: Text::new(&self.text),
        })
    }

    /// The record after an attempt, with the wait until the next one, if there
    /// is to be one.
    pub(crate) fn after_attempt(
        mut self,
        verdict: &Verdict,
        wait: Option<Duration>,
        now: SystemTime,
    ) -> Self {
        self.attempts = self.attempts.saturating_add(1);
        self.wait = wait.map(|wait| wait.as_secs());
        self.not_before = self
            .wait
            .map(|wait| unix_time::seconds(now).saturating_add(wait));
        self.last = verdict.reason.map(|reason| LastAttempt {
            outcome: verdict.outcome.as_str().to_owned(),
            reason: reason.text().to_owned(),
            detail: verdict.detail.clone(),
        });
        self
    }

    /// The record for another interface.
    pub(crate) fn with_interface(mut self, interface: &InterfaceName) -> Self {
        self.interface = RecordedInterface::Named(interface.clone());
        self
    }

    /// The record as if there had been no attempt.
    pub(crate) fn reset(mut self) -> Self {
        self.attempts = 0;
        self.not_before = None;
        self.wait = None;
        self.notice = None;
        self
    }

    /// The record whose sender is to be notified.
    pub(crate) fn with_notice(mut self, kind: NoticeKind, reason: &str) -> Self {
        let reason = reason.to_owned();
        self.notice = Some(DueNotice { kind, reason });
        self
    }

    /// The record whose sender is notified.
    pub(crate) fn notified(mut self) -> Self {
        self.notice = None;
        self
    }

    /// How long to wait until the next attempt may be made. A time far in the future
    /// was written while the clock was ahead: the wait is never longer than it was
    /// when it began, or than `retry_max` when the file does not say.
    pub(crate) fn remaining_wait(&self, now: SystemTime, retry: &RetrySettings) -> Duration {
        let due = unix_time::time(self.not_before.unwrap_or(0));
        let wait = self.wait.map(Duration::from_secs);
        let longest = wait.map_or(retry.max, |wait| wait.min(retry.lifetime));
        due.duration_since(now).unwrap_or_default().min(longest)
    }

    /// The content of the message's file.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        // Strings and numbers can always be written.
        let mut json = serde_json::to_vec_pretty(self).unwrap_or_default();
        json.push(b'\n');
        json
    }

    /// Reads what [`Self::to_json`] wrote.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub(crate) fn from_json(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::config::DeliverySettings;
    use crate::outbound::verdict::{Outcome, Reason};

    fn record() -> Record {
        Record::new(
            &InterfaceName::parse("api-1").unwrap(),
            &OutgoingMessage {
                to: Address::parse("+12025550183").unwrap(),
                from: Address::parse("sip:+12025550160@h").unwrap(),
                text: Text::new("a \"b\"\r\n\u{1F600}\u{7f}"),
            },
        )
    }

    fn retry() -> RetrySettings {
        DeliverySettings::default().retry
    }

    #[test]
    fn time_in_the_future_is_waited_for_no_longer_than_was_decided() {
        let now = unix_time::time(1_795_304_460);
        let retry = retry();
        for (not_before, wait, expected) in [
            (None, None, 0),
            (Some(1_795_304_400), Some(600), 0),
            (Some(1_795_304_470), Some(600), 10),
            (Some(1_795_304_470), None, 10),
            (Some(2_082_758_400), Some(600), 600),
            (Some(2_082_758_400), None, 300),
            (Some(u64::MAX), None, 300),
            (Some(u64::MAX), Some(u64::MAX), 14_400),
        ] {
            let record = Record {
                not_before,
                wait,
                ..record()
            };
            let wait = record.remaining_wait(now, &retry);
            assert_eq!(wait, Duration::from_secs(expected), "{record:?}");
        }
    }

    #[test]
    fn record_is_read_back() {
        let untried = record();
        assert_eq!(Record::from_json(&untried.to_json()).unwrap(), untried);
        let verdict = Verdict::not_sent(Outcome::Failed, Reason::Busy, "HTTP 503".to_owned());
        let now = UNIX_EPOCH + Duration::from_secs(1000);
        let tried = untried.after_attempt(&verdict, Some(Duration::from_secs(5)), now);
        assert_eq!(Record::from_json(&tried.to_json()).unwrap(), tried);
        assert_eq!((tried.attempts, tried.not_before), (1, Some(1005)));
        let remaining = |record: &Record, now| record.remaining_wait(now, &retry());
        assert_eq!(remaining(&tried, now), Duration::from_secs(5));
        let later = now + Duration::from_secs(9);
        assert_eq!(remaining(&tried, later), Duration::ZERO);
        assert_eq!(
            tried.message().unwrap().text,
            record().message().unwrap().text
        );
        assert_eq!(remaining(&tried.reset(), now), Duration::ZERO);
    }

    #[test]
    fn interface_is_read_as_it_was_written() {
        let read = |interface: &str| {
            let json = format!(r#"{{"interface":{interface},"to":"+1","from":"+2","text":"x"}}"#);
            Record::from_json(json.as_bytes()).unwrap()
        };
        let name = |record: &Record| record.interface.name().cloned();
        assert_eq!(name(&read(r#""""#)), Some(InterfaceName::unnamed()));
        assert_eq!(
            name(&read(r#""api-1""#)),
            InterfaceName::parse("api-1").ok()
        );
        let long = format!("\"{}\"", "x".repeat(65));
        for invalid in [r#""a\nb""#, r#""ä""#, &long] {
            let record = read(invalid);
            assert_eq!(name(&record), None, "{invalid}");
            let json = String::from_utf8(record.to_json()).unwrap();
            assert!(
                json.contains(&format!("\"interface\": {invalid}")),
                "{json}"
            );
        }
    }

    #[test]
    fn invalid_record_is_an_error() {
        for json in ["", "{}", "[]", "{\"to\":\"+1\"}", "{\"to\":1}"] {
            assert!(Record::from_json(json.as_bytes()).is_err(), "{json}");
        }
    }
}
