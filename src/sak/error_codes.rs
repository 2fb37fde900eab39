//! The gateway's error codes and statuses, each with a text and a remedy.

use std::time::Duration;

use crate::exit::Exit;
use crate::http::client::api_error::ErrorClass;

/// How long to wait after a rate limit when the gateway does not say; its limits
/// are per minute.
const MINUTE: Duration = Duration::from_secs(60);

const LOGIN_AGAIN: &str = "run `asterisk-websms whatsapp login EMAIL`";
const SEE_SESSIONS: &str = "`asterisk-websms whatsapp session list` lists the sessions";

const LIMITED: ErrorClass = ErrorClass::rate_limited(
    MINUTE,
    "too many requests to the gateway",
    "it counts the requests of all programs at this address",
);
const LOGINS_LIMITED: ErrorClass = ErrorClass::rate_limited(
    MINUTE,
    "too many logins at the gateway",
    "it allows few attempts a minute",
);
const AUTH_FAILED: ErrorClass = ErrorClass::new(
    Exit::Rejected,
    "the gateway does not accept this user or password",
    "check email and password, which are those of the gateway, not of WhatsApp",
);
const CREDENTIALS: ErrorClass = ErrorClass::new(
    Exit::Rejected,
    "the gateway does not accept the credentials",
    "check token, user_key and session_key in [whatsapp]",
);
/// Something is missing in a response.
pub(crate) const INCOMPLETE: ErrorClass = ErrorClass::new(
    Exit::Unknown,
    "the response is not as the gateway's API guide describes it",
    "check whether it was done, and the version of the gateway",
);
/// The gateway itself reports it.
pub(crate) const UNHEALTHY: ErrorClass =
    ErrorClass::new(Exit::Failed, "the gateway is not healthy", "see its log");
pub(crate) const NO_JSON: ErrorClass = ErrorClass::new(
    Exit::Configuration,
    "the server is not the gateway's API: the response is not JSON",
    "check url in [whatsapp], which ends with the API's prefix, usually /api/v1",
);

/// The codes of the API, sorted.
const CODES: [(&str, ErrorClass); 16] = [
    ("API_RATE_LIMIT", LIMITED),
    (
        "AUTHENTICATION_REQUIRED",
        ErrorClass::new(
            Exit::Rejected,
            "the gateway requires a token or a key",
            "set token or user_key in [whatsapp]; `asterisk-websms whatsapp login EMAIL` gets a \
             token",
        ),
    ),
    ("AUTH_FAILED", AUTH_FAILED),
    ("AUTH_RATE_LIMIT", LOGINS_LIMITED),
    (
        "INVALID_API_KEY",
        ErrorClass::new(
            Exit::Rejected,
            "the gateway does not know this key",
            "check user_key or session_key in [whatsapp]; a lost key is replaced with \
             `asterisk-websms whatsapp api-key create NAME`",
        ),
    ),
    (
        "INVALID_PHONE_NUMBER",
        ErrorClass::new(
            Exit::Rejected,
            "the gateway rejects this number",
            "write it in international form, 8 to 15 digits with the country code",
        ),
    ),
    (
        "INVALID_SESSION",
        ErrorClass::new(
            Exit::Rejected,
            "the session does not belong to this key's user",
            SEE_SESSIONS,
        ),
    ),
    (
        "INVALID_TOKEN",
        ErrorClass::new(
            Exit::Rejected,
            "the token is invalid or has expired, as it does after some days",
            LOGIN_AGAIN,
        ),
    ),
    (
        "NO_API_KEY",
        ErrorClass::new(
            Exit::Rejected,
            "the gateway requires a key",
            "set session_key or user_key in [whatsapp]",
        ),
    ),
    (
        "NO_TOKEN",
        ErrorClass::new(Exit::Rejected, "the gateway requires a token", LOGIN_AGAIN),
    ),
    ("RATE_LIMIT_EXCEEDED", LIMITED),
    (
        "SESSION_ID_REQUIRED",
        ErrorClass::new(
            Exit::Rejected,
            "with a user's key the gateway requires the session",
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
            "the user is deactivated at the gateway",
            "ask the gateway's administrator to activate the user",
        ),
    ),
    (
        "VALIDATION_ERROR",
        ErrorClass::new(
            Exit::Rejected,
            "the gateway rejects these values",
            "see its message",
        ),
    ),
];

/// Classifies an error by its code, else by the status of HTTP.
pub(crate) fn classify(code: Option<&str>, status: u16) -> ErrorClass {
    let known = CODES.iter().find(|(known, _)| Some(*known) == code);
    known.map_or_else(|| classify_status(status), |(_, class)| *class)
}

/// The same error in the response to a login, which has no credentials but the user
/// and the password.
pub(crate) fn of_login(class: ErrorClass) -> ErrorClass {
    if class == CREDENTIALS {
        AUTH_FAILED
    } else {
        class
    }
}

/// Classifies a response without a known code.
pub(crate) fn classify_status(status: u16) -> ErrorClass {
    match status {
        300..=399 => ErrorClass::new(
            Exit::Configuration,
            "the server redirects, and keys are not sent elsewhere",
            "set url in [whatsapp] to the new address; often that is https:// in place of http://",
        ),
        401 | 403 => CREDENTIALS,
        404 | 405 => ErrorClass::new(
            Exit::Configuration,
            "the gateway does not know this path",
            "check url in [whatsapp], which ends with the API's prefix, usually /api/v1",
        ),
        429 => LIMITED,
        503 => ErrorClass::new(
            Exit::Failed,
            "the gateway is busy or starting",
            "try again; see its log if it lasts",
        ),
        500.. => ErrorClass::new(
            Exit::Unknown,
            "an error occurred at the gateway",
            "see its log, and check whether it was done all the same",
        ),
        _ => ErrorClass::new(
            Exit::Rejected,
            "the gateway refused the request",
            "see its message",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_and_each_has_a_remedy() {
        assert!(CODES.is_sorted_by_key(|(code, _)| *code));
        for (code, class) in CODES {
            assert!(
                !class.remedy.is_empty() && class.exit != Exit::Success,
                "{code}"
            );
            assert_eq!(classify(Some(code), 200), class);
        }
    }
}
