//! Why a gateway did not do what it was asked for: its codes and statuses, in
//! words for the administrator, with a remedy.

use std::time::Duration;

use crate::exit::Exit;
use crate::http::client::json_api::ErrorClass;

/// How long a gateway is left alone that does not say how long; its limits are
/// for a minute.
const MINUTE: Duration = Duration::from_secs(60);

const LOGIN_AGAIN: &str = "run `asterisk-websms whatsapp login EMAIL`";
const SEE_SESSIONS: &str = "`asterisk-websms whatsapp session list` shows those that there are";

const LIMITED: ErrorClass = ErrorClass::rate_limited(
    MINUTE,
    "the gateway was asked too often",
    "it counts the requests of all programs at this address",
);
const LOGINS_LIMITED: ErrorClass = ErrorClass::rate_limited(
    MINUTE,
    "the gateway was asked to log in too often",
    "it allows few attempts a minute",
);
/// It lacks what was asked for.
pub(crate) const INCOMPLETE: ErrorClass = ErrorClass::new(
    Exit::Unknown,
    "the gateway's answer is not as the guide of the API has it",
    "see whether it was done, and whether the gateway is of another version",
);
/// It says so itself.
pub(crate) const UNWELL: ErrorClass =
    ErrorClass::new(Exit::Failed, "the gateway is not well", "see its log");
/// Something else answers there.
pub(crate) const NO_JSON: ErrorClass = ErrorClass::new(
    Exit::Configuration,
    "what answers is not the gateway's API: the answer is not JSON",
    "see url in [whatsapp], which ends with the API's prefix, usually /api/v1",
);

/// The codes of the API.
const CODES: [(&str, ErrorClass); 16] = [
    ("API_RATE_LIMIT", LIMITED),
    (
        "AUTHENTICATION_REQUIRED",
        ErrorClass::new(
            Exit::Rejected,
            "the gateway wants a token or a key with this",
            "set token or user_key in [whatsapp]; `asterisk-websms whatsapp login EMAIL` gets the \
             token",
        ),
    ),
    (
        "AUTH_FAILED",
        ErrorClass::new(
            Exit::Rejected,
            "the gateway does not know this user or password",
            "see email and password, which are those of the gateway, not of WhatsApp",
        ),
    ),
    ("AUTH_RATE_LIMIT", LOGINS_LIMITED),
    (
        "INVALID_API_KEY",
        ErrorClass::new(
            Exit::Rejected,
            "the gateway does not know this key",
            "see user_key or session_key in [whatsapp]; a key that is lost is made anew with \
             `asterisk-websms whatsapp api-key create NAME`",
        ),
    ),
    (
        "INVALID_PHONE_NUMBER",
        ErrorClass::new(
            Exit::Rejected,
            "the gateway does not take this number",
            "write it in international form, 8 to 15 digits with the country code",
        ),
    ),
    (
        "INVALID_SESSION",
        ErrorClass::new(
            Exit::Rejected,
            "the session is not one of this key's user",
            SEE_SESSIONS,
        ),
    ),
    (
        "INVALID_TOKEN",
        ErrorClass::new(
            Exit::Rejected,
            "the token does not hold, or no longer: it lasts for some days",
            LOGIN_AGAIN,
        ),
    ),
    (
        "NO_API_KEY",
        ErrorClass::new(
            Exit::Rejected,
            "the gateway wants a key with this",
            "set session_key or user_key in [whatsapp]",
        ),
    ),
    (
        "NO_TOKEN",
        ErrorClass::new(
            Exit::Rejected,
            "the gateway wants a token with this",
            LOGIN_AGAIN,
        ),
    ),
    ("RATE_LIMIT_EXCEEDED", LIMITED),
    (
        "SESSION_ID_REQUIRED",
        ErrorClass::new(
            Exit::Rejected,
            "the gateway wants to know the session when it gets a user's key",
            "set session in [whatsapp], or session_key in place of user_key",
        ),
    ),
    (
        "SESSION_LIMIT_REACHED",
        ErrorClass::new(
            Exit::Rejected,
            "the user has as many sessions as the plan allows",
            "delete one with `asterisk-websms whatsapp session delete ID`, or have the gateway's \
             administrator change the plan",
        ),
    ),
    (
        "SESSION_NOT_FOUND",
        ErrorClass::new(
            Exit::Rejected,
            "the gateway has no such session",
            SEE_SESSIONS,
        ),
    ),
    (
        "USER_INACTIVE",
        ErrorClass::new(
            Exit::Rejected,
            "the user is switched off at the gateway",
            "ask the gateway's administrator to switch it on",
        ),
    ),
    (
        "VALIDATION_ERROR",
        ErrorClass::new(
            Exit::Rejected,
            "the gateway does not take these values",
            "see what it says about them",
        ),
    ),
];

/// The reason for a code of the API, and for a status that comes without one
/// that is known.
#[must_use]
pub(crate) fn of(code: Option<&str>, status: u16) -> ErrorClass {
    let known = CODES.iter().find(|(known, _)| Some(*known) == code);
    known.map_or_else(|| of_status(status), |(_, reason)| *reason)
}

/// The reason for a status that comes without a code.
#[must_use]
pub(crate) fn of_status(status: u16) -> ErrorClass {
    match status {
        300..=399 => ErrorClass::new(
            Exit::Configuration,
            "the gateway sends elsewhere, and keys are not taken there",
            "write where it is now into url in [whatsapp]; often that is https:// in place of \
             http://",
        ),
        401 | 403 => ErrorClass::new(
            Exit::Rejected,
            "the gateway does not accept who we are",
            "see token, user_key and session_key in [whatsapp]",
        ),
        404 | 405 => ErrorClass::new(
            Exit::Configuration,
            "there is no such thing at the gateway",
            "see url in [whatsapp], which ends with the API's prefix, usually /api/v1",
        ),
        429 => LIMITED,
        503 => ErrorClass::new(
            Exit::Failed,
            "the gateway is busy or being started",
            "try again; see its log if it lasts",
        ),
        500.. => ErrorClass::new(
            Exit::Unknown,
            "the gateway failed",
            "see its log, and whether it was done all the same",
        ),
        _ => ErrorClass::new(
            Exit::Rejected,
            "the gateway refused",
            "see what it says about it",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_and_each_has_a_remedy() {
        assert!(CODES.is_sorted_by_key(|(code, _)| *code));
        for (code, reason) in CODES {
            assert!(
                !reason.remedy.is_empty() && reason.exit != Exit::Success,
                "{code}"
            );
            assert_eq!(of(Some(code), 200), reason);
        }
    }
}
