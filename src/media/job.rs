//! A picture to be fetched, as it is stored in a file.

use std::io;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::http::safe_fetch::failure::FetchError;
use crate::media::filter;
use crate::model::interface::InterfaceName;
use crate::model::message::{Message, PhoneNumber, Picture, Sender, Text};
use crate::model::unix_time::seconds;
use crate::resilience::backoff::Backoff;

/// Digits of a name: 128 bits, which cannot be guessed.
const DIGITS: usize = 32;

/// Most characters of an extension.
const EXTENSION_MAX: usize = 16;

/// How long a picture is tried.
const RETRY_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

const BACKOFF: Backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(10 * 60));

/// The start of the text to a phone whose picture could not be fetched.
const NOTICE: &str = "A picture could not be fetched: ";

/// A file name that cannot be guessed: random hexadecimal digits, with or without
/// an extension.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct RandomName(String);

impl RandomName {
    /// A new name.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(crate) fn fresh(extension: Option<&str>) -> io::Result<Self> {
        let mut random = [0; DIGITS / 2];
        getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
        let digits = hex::encode(random);
        Ok(Self(match extension {
            Some(extension) => format!("{digits}.{extension}"),
            None => digits,
        }))
    }

    /// Parses a name; `None` for names that [`Self::fresh`] does not make.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (digits, extension) = match name.split_once('.') {
            Some((digits, extension)) => (digits, Some(extension)),
            None => (name, None),
        };
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let is_extension = |extension: &str| {
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            (1..=EXTENSION_MAX).contains(&extension.len()) && extension.bytes().all(plain)
        };
        let ours = digits.len() == DIGITS
            && digits.bytes().all(is_digit)
            && extension.is_none_or(is_extension);
        ours.then(|| Self(name.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn extension(&self) -> Option<&str> {
        self.0.split_once('.').map(|(_, extension)| extension)
    }

    /// The first 8 digits, for the log: an administrator can find the file by them,
    /// but a reader of the log cannot guess the link.
    pub(crate) fn start(&self) -> &str {
        self.0.get(..8).unwrap_or_default()
    }
}

impl TryFrom<String> for RandomName {
    type Error = InvalidName;

    fn try_from(name: String) -> Result<Self, InvalidName> {
        Self::parse(&name).ok_or(InvalidName)
    }
}

impl From<RandomName> for String {
    fn from(name: RandomName) -> Self {
        name.0
    }
}

/// A name in a job is not one of ours: the file was edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a name of a picture")]
pub(crate) struct InvalidName;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MediaJob {
    pub url: String,
    /// Whether `url` leads to a JSON document that holds the picture's URL.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lookup: bool,
    /// The name of the picture's file.
    pub name: RandomName,
    /// The interface that received the message.
    pub interface: InterfaceName,
    /// Our number.
    pub to: String,
    /// Their number or name.
    pub from: String,
    /// The provider's id of the message.
    #[serde(rename = "message", default, skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    /// When the message was received, in seconds since 1970.
    #[serde(rename = "since")]
    pub received: u64,
    #[serde(rename = "tries", default)]
    pub attempts: u32,
}

impl MediaJob {
    /// The jobs for the pictures of a message, with extensions out of `types`.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(crate) fn all(
        message: &Message,
        types: &[String],
        now: SystemTime,
    ) -> io::Result<Vec<Self>> {
        let job = |picture: &Picture| {
            let extension = filter::extension_of_url(&picture.url, types).or_else(|| {
                let content_type = picture.content_type.as_deref()?;
                filter::extension_of_type(content_type, types).map(str::to_owned)
            });
            Ok(Self {
                url: picture.url.clone(),
                lookup: picture.lookup,
                name: RandomName::fresh(extension.as_deref())?,
                interface: message.interface.clone(),
                to: message.to.to_string(),
                from: message.from.to_string(),
                provider_id: message.provider_id.clone(),
                received: seconds(now),
                attempts: 0,
            })
        };
        message.pictures.iter().map(job).collect()
    }

    /// Time until the next attempt, after one that failed; `None` when there is
    /// none.
    pub(crate) fn retry_after(&self, error: &FetchError, now: SystemTime) -> Option<Duration> {
        // When the clock was set back, the message counts as new.
        let age = Duration::from_secs(seconds(now).saturating_sub(self.received));
        match error {
            FetchError::Permanent(_) => None,
            FetchError::Temporary(_) => {
                BACKOFF.within(self.attempts, RETRY_LIFETIME.saturating_sub(age))
            }
        }
    }

    /// The message to the phone whose picture could not be fetched. `None` when the
    /// file was edited and holds no valid numbers.
    pub(crate) fn notice(&self) -> Option<Message> {
        Some(Message {
            to: PhoneNumber::parse(&self.to).ok()?,
            from: Sender::parse(&self.from).ok()?,
            text: Text::new(&format!("{NOTICE}{}", self.url)),
            interface: self.interface.clone(),
            provider_id: None,
            pictures: Vec::new(),
        })
    }

    /// The content of the job's file.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        // Serializing strings and numbers cannot fail.
        let mut json = serde_json::to_vec_pretty(self).unwrap_or_default();
        json.push(b'\n');
        json
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn only_random_names_are_parsed() {
        for extension in [None, Some("jpg"), Some("3gp")] {
            let name = RandomName::fresh(extension).unwrap();
            assert_eq!(name.extension(), extension);
            assert_eq!(RandomName::parse(name.as_str()), Some(name));
        }
        let name = RandomName::fresh(Some("jpg")).unwrap();
        assert_ne!(name, RandomName::fresh(Some("jpg")).unwrap());
        let digits = "0123456789abcdef0123456789abcdef";
        assert!(RandomName::parse(digits).is_some());
        for other in [
            "",
            "index.html",
            &digits[1..],
            &digits.to_uppercase(),
            &format!("{digits}0"),
            &format!("{digits}."),
            &format!("{digits}.JPG"),
            &format!("{digits}.jpg.html"),
            &format!("{digits}./x"),
            &format!("{digits}.a/../../b"),
            &format!("../{digits}"),
            &format!("{digits}.{}", "a".repeat(17)),
        ] {
            assert_eq!(RandomName::parse(other), None, "{other}");
        }
    }

    #[test]
    fn job_is_read_back_unless_its_name_is_forged() {
        let message = Message {
            to: PhoneNumber::parse("+12025550160").unwrap(),
            from: Sender::parse("+12025550183").unwrap(),
            text: Text::new("x"),
            interface: InterfaceName::parse("api-1").unwrap(),
            provider_id: Some("id".to_owned()),
            pictures: ["https://h/a.jpg", "https://h/b"]
                .map(|url| Picture {
                    url: url.to_owned(),
                    lookup: false,
                    content_type: None,
                })
                .to_vec(),
        };
        let now = UNIX_EPOCH + Duration::from_secs(1000);
        let jobs = MediaJob::all(&message, &["jpg".to_owned()], now).unwrap();
        let extensions: Vec<_> = jobs.iter().map(|job| job.name.extension()).collect();
        assert_eq!(extensions, [Some("jpg"), None]);
        let json = jobs[0].to_json();
        assert_eq!(serde_json::from_slice::<MediaJob>(&json).unwrap(), jobs[0]);
        let notice = jobs[0].notice().unwrap();
        assert_eq!(
            notice.text.as_str(),
            "A picture could not be fetched: https://h/a.jpg"
        );
        assert_eq!((notice.to, notice.from), (message.to, message.from));
        let forged = String::from_utf8(json).unwrap();
        let forged = forged.replace(jobs[0].name.as_str(), "../../x");
        assert!(serde_json::from_str::<MediaJob>(&forged).is_err());
    }

    #[test]
    fn waits_double_up_to_ten_minutes_and_end_after_a_day() {
        let day = RETRY_LIFETIME.as_secs();
        let temporary = FetchError::temporary("x");
        let job = |attempts| MediaJob {
            url: String::new(),
            lookup: false,
            name: RandomName::fresh(None).unwrap(),
            interface: InterfaceName::unnamed(),
            to: String::new(),
            from: String::new(),
            provider_id: None,
            received: 1000,
            attempts,
        };
        let at = |age| UNIX_EPOCH + Duration::from_secs(1000 + age);
        for (attempts, age, expected) in [
            (0, 0, Some(5)),
            (1, 0, Some(5)),
            (2, 5, Some(10)),
            (3, 15, Some(20)),
            (7, 315, Some(320)),
            (8, 635, Some(600)),
            (u32::MAX, 1000, Some(600)),
            (100, day - 7, Some(7)),
            (101, day, None),
            (1, day + 1000, None),
        ] {
            let wait = job(attempts).retry_after(&temporary, at(age));
            let expected = expected.map(Duration::from_secs);
            assert_eq!(wait, expected, "{attempts} {age}");
        }
        let clock_set_back = job(100).retry_after(&temporary, UNIX_EPOCH);
        assert_eq!(clock_set_back, Some(Duration::from_secs(600)));
        let permanent = FetchError::permanent("x");
        assert_eq!(job(1).retry_after(&permanent, at(0)), None);
    }

    #[test]
    fn file_of_a_job_keeps_its_format() {
        let json = r#"{"url": "https://h/a", "name": "0123456789abcdef0123456789abcdef",
            "interface": "", "to": "+1", "from": "+2", "message": "m", "since": 7, "tries": 3}"#;
        let job: MediaJob = serde_json::from_str(json).unwrap();
        assert!(job.interface.is_unnamed());
        assert_eq!((job.received, job.attempts), (7, 3));
        assert_eq!(job.provider_id.as_deref(), Some("m"));
        let written: serde_json::Value = serde_json::from_slice(&job.to_json()).unwrap();
        assert_eq!(
            written,
            serde_json::from_str::<serde_json::Value>(json).unwrap()
        );
    }
}
