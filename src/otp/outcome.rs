//! What whoever asks is told: the statuses and texts of the sample server, and
//! the words of the dialplan.
//!
//! The sample is Meta's `WhatsApp-OTP-Sample-App`; its four servers differ in
//! corners. Where they do, its JavaScript server, which is the one that all of
//! its clients work with, is followed, but for its crashes.

use hyper::StatusCode;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OtpOutcome {
    /// 200: a code is on its way.
    Sent,
    /// 500: no way took it.
    NotSent,
    /// 429: this phone or this client had too many, for so many seconds.
    Limited(u64),
    /// 400: that is no phone, so nothing was sent.
    InvalidPhone,
    /// 200: it was the right code, which does not count any more.
    Verified,
    /// 400: no code was given.
    NoCode,
    /// 401: it was the wrong one, and so many attempts are left.
    Wrong(u32),
    /// 401: too many were wrong.
    Locked,
    /// 401: its time is over.
    Expired,
    /// 404: no code was sent to this phone, or it was used.
    Unknown,
    /// 503: what is known of codes cannot be read or written.
    Unavailable,
}

const UNAVAILABLE: &str = "Service unavailable, please try again later.";
const EXPIRED: &str = "Code has expired, please request another.";
const LOCKED: &str = "Too many failed attempts, please request a new code.";
const NO_CODE: &str = "No code provided.";
const NOT_A_PHONE: &str = "Not a phone number in international format.";
const LIMITED: &str = "Too many requests, please try again later.";
const NOT_SENT: &str = "Error calling send message API. Check server logs.";
const WRONG: (&str, &str) = ("Incorrect code. ", " attempt(s) remaining.");

impl OtpOutcome {
    /// Its status.
    #[must_use]
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

    /// Its text, with the phone as whoever asked has written it.
    #[must_use]
    pub(crate) fn text(self, phone: &str) -> String {
        match self {
            Self::Sent | Self::Verified => String::new(),
            Self::NotSent => NOT_SENT.to_owned(),
            Self::Limited(_) => LIMITED.to_owned(),
            Self::InvalidPhone => NOT_A_PHONE.to_owned(),
            Self::NoCode => NO_CODE.to_owned(),
            Self::Wrong(left) => format!("{}{left}{}", WRONG.0, WRONG.1),
            Self::Locked => LOCKED.to_owned(),
            Self::Expired => EXPIRED.to_owned(),
            Self::Unavailable => UNAVAILABLE.to_owned(),
            Self::Unknown => format!("No active code for phone # {phone}"),
        }
    }

    /// The answer that status and text were made from, to a request for a code or,
    /// with `verifying`, to one with a code. `None` when it is another program's or
    /// a refusal at the door: many programs listen at port 3000 and have a page of
    /// status 200 for every path, which verifies nobody.
    #[must_use]
    pub(crate) fn read(verifying: bool, status: u16, text: &str) -> Option<Self> {
        let wrong = || {
            let left = text.strip_prefix(WRONG.0)?.strip_suffix(WRONG.1)?;
            left.parse().ok().map(Self::Wrong)
        };
        match (status, text) {
            (200, "") if verifying => Some(Self::Verified),
            (200, "") => Some(Self::Sent),
            (400, NO_CODE) => Some(Self::NoCode),
            (400, NOT_A_PHONE) => Some(Self::InvalidPhone),
            (401, EXPIRED) => Some(Self::Expired),
            (401, LOCKED) => Some(Self::Locked),
            (401, _) => wrong(),
            (404, _) if verifying && text.starts_with("No active code") => Some(Self::Unknown),
            (429, LIMITED) => Some(Self::Limited(0)),
            (500, NOT_SENT) => Some(Self::NotSent),
            (503, UNAVAILABLE) => Some(Self::Unavailable),
            _ => None,
        }
    }

    /// The word that the dialplan finds in `OTP_STATUS`.
    #[must_use]
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_is_read_again_from_status_and_text() {
        for (verifying, answer) in [
            (false, OtpOutcome::Sent),
            (false, OtpOutcome::NotSent),
            (false, OtpOutcome::Limited(0)),
            (false, OtpOutcome::InvalidPhone),
            (true, OtpOutcome::Verified),
            (true, OtpOutcome::NoCode),
            (true, OtpOutcome::Wrong(2)),
            (true, OtpOutcome::Locked),
            (true, OtpOutcome::Expired),
            (true, OtpOutcome::Unknown),
            (true, OtpOutcome::Unavailable),
        ] {
            let text = answer.text("+1 555");
            let status = answer.status().as_u16();
            assert_eq!(OtpOutcome::read(verifying, status, &text), Some(answer));
        }
        for (status, text) in [
            (401, "Unauthorized"),
            (403, "Forbidden"),
            (404, "Not found"),
            (200, "<html></html>"),
            (200, "{}"),
        ] {
            assert_eq!(OtpOutcome::read(true, status, text), None);
            assert_eq!(OtpOutcome::read(false, status, text), None);
        }
    }
}
