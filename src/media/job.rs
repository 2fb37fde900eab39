//! A picture that is to be fetched, as its file holds it, and what it will be
//! called.

use std::fmt;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::media::filter;
use crate::model::interface::InterfaceName;
use crate::model::message::{Message, PhoneNumber, Picture, Sender, Text};

/// Digits of a name: 128 bits, which nobody guesses.
const DIGITS: usize = 32;

/// Longest extension of a name.
const EXTENSION_MAX: usize = 16;

/// What begins the text that a phone gets for a picture that cannot be had.
const NOTICE: &str = "A picture could not be fetched: ";

/// A name that nobody guesses: random hexadecimal digits, perhaps with an
/// extension.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RandomName(String);

impl RandomName {
    /// A new one.
    ///
    /// # Errors
    /// When the system has no randomness: a name that can be guessed is worse
    /// than none.
    pub fn fresh(extension: Option<&str>) -> io::Result<Self> {
        let mut random = [0; DIGITS / 2];
        getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
        let digits = hex::encode(random);
        Ok(Self(match extension {
            Some(extension) => format!("{digits}.{extension}"),
            None => digits,
        }))
    }

    /// Reads a name that could be one of ours.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
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

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its extension.
    #[must_use]
    pub fn extension(&self) -> Option<&str> {
        self.0.split_once('.').map(|(_, extension)| extension)
    }

    /// Its start, by which an administrator can find it; whoever reads the log
    /// cannot.
    #[must_use]
    pub fn start(&self) -> &str {
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

/// A name that we did not give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidName;

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a name of a picture")
    }
}

impl std::error::Error for InvalidName {}

/// A picture that is to be fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MediaJob {
    /// Where it is.
    pub url: String,
    /// Whether the URL is of a document that says where it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lookup: bool,
    /// What it will be called.
    pub name: RandomName,
    /// The account that its message came in on; empty is the one of a file
    /// without indexes.
    pub interface: String,
    /// Our number.
    pub to: String,
    /// Their number or name.
    pub from: String,
    /// What the provider calls the message, if it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The second since 1970 in which the message came.
    pub since: u64,
    /// How often it has been tried.
    #[serde(default)]
    pub tries: u32,
}

impl MediaJob {
    /// The jobs for the pictures of a message.
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
                interface: message.interface.as_str().to_owned(),
                to: message.to.to_string(),
                from: message.from.to_string(),
                message: message.provider_id.clone(),
                since: seconds(now),
                tries: 0,
            })
        };
        message.pictures.iter().map(job).collect()
    }

    /// How long ago its message came. A clock that was set back makes it new.
    #[must_use]
    pub(crate) fn age(&self, now: SystemTime) -> Duration {
        Duration::from_secs(seconds(now).saturating_sub(self.since))
    }

    /// What the phone is told when the picture cannot be had. `None` when the file
    /// names nobody.
    #[must_use]
    pub(crate) fn notice(&self) -> Option<Message> {
        Some(Message {
            to: PhoneNumber::parse(&self.to).ok()?,
            from: Sender::parse(&self.from).ok()?,
            text: Text::new(&format!("{NOTICE}{}", self.url)),
            interface: InterfaceName::parse(&self.interface)
                .unwrap_or_else(|_| InterfaceName::unnamed()),
            provider_id: None,
            pictures: Vec::new(),
        })
    }

    /// As its file holds it.
    #[must_use]
    pub(crate) fn to_json(&self) -> Vec<u8> {
        // Strings and numbers can always be written.
        let mut json = serde_json::to_vec_pretty(self).unwrap_or_default();
        json.push(b'\n');
        json
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_is_read_back_and_nothing_else_is() {
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
    fn job_is_read_back_and_leads_nowhere_else() {
        let message = Message {
            to: PhoneNumber::parse("+12025550160").unwrap(),
            from: Sender::parse("+12025550183").unwrap(),
            text: Text::new("x"),
            interface: InterfaceName::unnamed(),
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
        assert_eq!(jobs[0].age(now + Duration::from_secs(7)).as_secs(), 7);
        assert_eq!(jobs[0].age(UNIX_EPOCH), Duration::ZERO);
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
}
