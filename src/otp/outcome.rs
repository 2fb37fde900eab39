//! The outcome of a request, and how it is answered: status and body of HTTP,
//! the header `OTP-Status`, and the words of the dialplan.
//!
//! Statuses and bodies are those of Meta's `WhatsApp-OTP-Sample-App`. Its four
//! servers differ in details; this follows the JavaScript server, which all of
//! the sample's clients work with, except for its crashes.
//!
//! The header `OTP-Status` says the same to programs: one word, which two of
//! them follow with a number.
//!
//! | `OTP-Status` | status | answer to | outcome |
//! | --- | --- | --- | --- |
//! | `SENT` | 200 | GET | a code is on its way |
//! | `FAILED` | 500 | GET | no channel took the code |
//! | `LIMITED;seconds=30` | 429 | GET | too many codes; one more is allowed after so many seconds |
//! | `REJECTED` | 400 | GET | not a phone number in international form |
//! | `VERIFIED` | 200 | POST | the code was right; it cannot be used again |
//! | `NO_CODE` | 400 | POST | the request has no code, or is not JSON |
//! | `WRONG;left=2` | 401 | POST | the code was wrong; so many attempts are left |
//! | `LOCKED` | 401 | POST | the code was wrong too often and is no longer valid |
//! | `EXPIRED` | 401 | POST | the code is no longer valid |
//! | `NONE` | 404 | POST | no code was sent to this phone, or it was used |
//! | `UNAVAILABLE` | 503 | both | codes cannot be read or stored |
//!
//! A request that is refused before that (401 and 403 of somebody who may not
//! ask, 404 of another path, 405, 408, 413) has no `OTP-Status`.

use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};

/// The header that carries the outcome.
pub(crate) const OTP_STATUS: HeaderName = HeaderName::from_static("otp-status");

/// The outcome of a request for a code, or to check one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OtpOutcome {
    /// 200: a code is on its way.
    Sent,
    /// 500: no channel took the code.
    NotSent,
    /// 429: too many codes for this phone or this client; one more is allowed
    /// after so many seconds.
    Limited(u64),
    /// 400: not a phone number, so nothing was sent.
    InvalidPhone,
    /// 200: the code was right; it cannot be used again.
    Verified,
    /// 400: the request has no code.
    NoCode,
    /// 401: the code was wrong; so many attempts are left.
    Wrong(u32),
    /// 401: the code was wrong too often.
    Locked,
    /// 401: the lifetime of the code is over.
    Expired,
    /// 404: no code was sent to this phone, or it was used.
    Unknown,
    /// 503: the state of the phone cannot be read or stored.
    Unavailable,
}

impl OtpOutcome {
    /// The HTTP status of the response.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Sent | Self::Verified => StatusCode::OK,
            Self::NotSent => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Limited(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::InvalidPhone | Self::NoCode => StatusCode::BAD_REQUEST,
            Self::Wrong(_) | Self::Locked | Self::Expired => StatusCode::UNAUTHORIZED,
            Self::Unknown => StatusCode::NOT_FOUND,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The body, with the phone as the client wrote it.
    pub(crate) fn text(self, phone: &str) -> String {
        let text = match self {
            Self::Sent | Self::Verified => "",
            Self::NotSent => "Error calling send message API. Check server logs.",
            Self::Limited(_) => "Too many requests, please try again later.",
            Self::InvalidPhone => "Not a phone number in international format.",
            Self::NoCode => "No code provided.",
            Self::Wrong(left) => return format!("Incorrect code. {left} attempt(s) remaining."),
            Self::Locked => "Too many failed attempts, please request a new code.",
            Self::Expired => "Code has expired, please request another.",
            Self::Unavailable => "Service unavailable, please try again later.",
            Self::Unknown => return format!("No active code for phone # {phone}"),
        };
        text.to_owned()
    }

    /// The value of the header [`OTP_STATUS`].
    #[expect(clippy::expect_used, reason = "it is visible ASCII")]
    pub(crate) fn to_header(self) -> HeaderValue {
        let word = self.header_word();
        let value = match self {
            Self::Limited(seconds) => format!("{word};seconds={seconds}"),
            Self::Wrong(left) => format!("{word};left={left}"),
            _ => word.to_owned(),
        };
        HeaderValue::try_from(value).expect("a word and a number")
    }

    /// Reads the value of the header [`OTP_STATUS`].
    pub(crate) fn from_header(value: &str) -> Option<Self> {
        let Some((word, parameter)) = value.split_once(';') else {
            let mut outcomes = Self::WITHOUT_NUMBER.into_iter();
            return outcomes.find(|outcome| outcome.header_word() == value);
        };
        match (word, parameter.split_once('=')?) {
            ("LIMITED", ("seconds", seconds)) => seconds.parse().ok().map(Self::Limited),
            ("WRONG", ("left", left)) => left.parse().ok().map(Self::Wrong),
            _ => None,
        }
    }

    /// Every outcome that has no number.
    const WITHOUT_NUMBER: [Self; 9] = [
        Self::Sent,
        Self::NotSent,
        Self::InvalidPhone,
        Self::Verified,
        Self::NoCode,
        Self::Locked,
        Self::Expired,
        Self::Unknown,
        Self::Unavailable,
    ];

    fn header_word(self) -> &'static str {
        match self {
            Self::NoCode => "NO_CODE",
            Self::Unavailable => "UNAVAILABLE",
            other => other.word(),
        }
    }

    /// The word that the dialplan finds in `OTP_STATUS`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Sent => "SENT",
            Self::NotSent | Self::Unavailable => "FAILED",
            Self::Limited(_) => "LIMITED",
            Self::InvalidPhone => "REJECTED",
            Self::Verified => "VERIFIED",
            Self::NoCode | Self::Wrong(_) => "WRONG",
            Self::Locked => "LOCKED",
            Self::Expired => "EXPIRED",
            Self::Unknown => "NONE",
        }
    }

    /// Whether this can be the outcome of a request for a code.
    pub(crate) fn answers_send(self) -> bool {
        matches!(
            self,
            Self::Sent | Self::NotSent | Self::Limited(_) | Self::InvalidPhone | Self::Unavailable
        )
    }

    /// Whether this can be the outcome of a request to check a code.
    pub(crate) fn answers_verify(self) -> bool {
        !self.answers_send() || self == Self::Unavailable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [(OtpOutcome, &str); 11] = [
        (OtpOutcome::Sent, "SENT"),
        (OtpOutcome::NotSent, "FAILED"),
        (OtpOutcome::Limited(30), "LIMITED;seconds=30"),
        (OtpOutcome::InvalidPhone, "REJECTED"),
        (OtpOutcome::Verified, "VERIFIED"),
        (OtpOutcome::NoCode, "NO_CODE"),
        (OtpOutcome::Wrong(2), "WRONG;left=2"),
        (OtpOutcome::Locked, "LOCKED"),
        (OtpOutcome::Expired, "EXPIRED"),
        (OtpOutcome::Unknown, "NONE"),
        (OtpOutcome::Unavailable, "UNAVAILABLE"),
    ];

    #[test]
    fn header_is_read_as_it_was_written() {
        for (outcome, header) in ALL {
            assert_eq!(outcome.to_header(), header);
            assert_eq!(OtpOutcome::from_header(header), Some(outcome), "{header}");
        }
    }

    #[test]
    fn header_in_another_form_is_not_an_outcome() {
        for header in [
            "",
            "verified",
            "VERIFIED ",
            "VERIFIED;",
            "VERIFIED;left=1",
            "SENT;seconds=1",
            "WRONG",
            "WRONG;left=",
            "WRONG;left=x",
            "WRONG;seconds=1",
            "LIMITED",
            "LIMITED;seconds=-1",
            "LIMITED;left=1",
            "OK",
        ] {
            assert_eq!(OtpOutcome::from_header(header), None, "{header}");
        }
    }

    #[test]
    fn outcome_answers_the_request_that_it_can_come_from() {
        for (outcome, _) in ALL {
            let sends = outcome.answers_send();
            assert!(sends || outcome.answers_verify(), "{outcome:?}");
            let both = sends && outcome.answers_verify();
            assert_eq!(both, outcome == OtpOutcome::Unavailable, "{outcome:?}");
        }
        assert!(!OtpOutcome::Verified.answers_send());
        assert!(!OtpOutcome::Sent.answers_verify());
    }
}
