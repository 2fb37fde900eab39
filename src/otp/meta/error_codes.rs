//! Meta's error codes, each with a text and a remedy.
//!
//! The codes are those of Meta's lists for the Graph API and the WhatsApp Cloud
//! API. The subcodes about a template's name are in no list, but their messages
//! explain them. An unknown code is classified by the status of HTTP, and Meta's
//! message is shown.

use std::time::Duration;

use crate::exit::Exit;
use crate::http::client::api_error::ErrorClass;

/// How long to wait after a rate limit when Meta does not say.
const MINUTE: Duration = Duration::from_secs(60);

/// The code whose meaning depends on its subcode.
const PARAMETER: u64 = 100;

const LIMITED: ErrorClass = ErrorClass::rate_limited(
    MINUTE,
    "too many requests to Meta",
    "Meta counts the requests of an app and of an account, by the hour",
);
const TOKEN: ErrorClass = ErrorClass::new(
    Exit::Rejected,
    "the access token is invalid or has expired",
    "create one for a system user in Meta's business settings, and pass it with \
     `asterisk-websms otp setup --token file:/path`; one from the app's dashboard expires after a \
     day",
);
const PERMISSION: ErrorClass = ErrorClass::new(
    Exit::Rejected,
    "the access token lacks a permission",
    "in Meta's business settings let the system user manage the numbers and templates of the \
     WhatsApp account, and create a token with whatsapp_business_management and \
     whatsapp_business_messaging",
);
const BUSY: ErrorClass = ErrorClass::new(
    Exit::Failed,
    "Meta is temporarily unavailable",
    "try again later",
);
const FAILED: ErrorClass = ErrorClass::new(
    Exit::Unknown,
    "an error occurred at Meta",
    "check whether it was done all the same, and try again later",
);
const BLOCKED: ErrorClass = ErrorClass::new(
    Exit::Rejected,
    "Meta has restricted the account",
    "the WhatsApp Manager and the Business Support Home give the reason, and accept appeals",
);
const NO_SUCH: ErrorClass = ErrorClass::new(
    Exit::Rejected,
    "the access token cannot see anything with this id",
    "check waba_id, which is the WhatsApp Business Account and not the app, business or number, and \
     that the system user was added to it",
);
const VALUE: ErrorClass =
    ErrorClass::new(Exit::Rejected, "Meta rejects a value", "see Meta's message");
const TEMPLATE: ErrorClass = ErrorClass::new(
    Exit::Rejected,
    "Meta rejects the template",
    "see Meta's message, and the template in the WhatsApp Manager",
);
const TAKEN: ErrorClass = ErrorClass::new(
    Exit::Rejected,
    "the account already has a template of this name in this language",
    "choose another name with --template; to use the existing one, set template_id to its id in \
     the WhatsApp Manager",
);
const BEING_DELETED: ErrorClass = ErrorClass::new(
    Exit::Rejected,
    "a template of this name in this language is still being deleted, which can take Meta 4 weeks",
    "choose another name with --template",
);
const PAUSED: ErrorClass = ErrorClass::new(
    Exit::Rejected,
    "Meta has paused the template",
    "wait until it is resumed, or create another one with `asterisk-websms otp setup \
     --new-template`",
);
const DISABLED: ErrorClass = ErrorClass::new(
    Exit::Rejected,
    "Meta has disabled the template",
    "create another one with `asterisk-websms otp setup --new-template`",
);

/// Subcodes of [`PARAMETER`], which are more exact than the code.
const SUBCODES: [(u64, ErrorClass); 3] = [
    (33, NO_SUCH),
    (2_388_023, BEING_DELETED),
    (2_388_024, TAKEN),
];

/// Codes whose meaning does not depend on a subcode.
const CODES: [(u64, ErrorClass); 27] = [
    (0, TOKEN),
    (1, FAILED),
    (2, BUSY),
    (3, PERMISSION),
    (4, LIMITED),
    (10, PERMISSION),
    (PARAMETER, VALUE),
    (190, TOKEN),
    (368, BLOCKED),
    (803, NO_SUCH),
    (80_007, LIMITED),
    (80_008, LIMITED),
    (130_429, LIMITED),
    (131_000, FAILED),
    (131_005, PERMISSION),
    (131_008, VALUE),
    (131_009, VALUE),
    (131_016, BUSY),
    (131_031, BLOCKED),
    (131_057, BUSY),
    (132_000, TEMPLATE),
    (132_001, TEMPLATE),
    (132_005, TEMPLATE),
    (132_007, TEMPLATE),
    (132_012, TEMPLATE),
    (132_015, PAUSED),
    (132_016, DISABLED),
];

/// Classifies an error by code and subcode; else by whether Meta calls it
/// transient; else by the status of HTTP.
pub(crate) fn classify(
    code: Option<u64>,
    subcode: Option<u64>,
    transient: bool,
    status: u16,
) -> ErrorClass {
    let find = |table: &[(u64, ErrorClass)], code: Option<u64>| {
        let found = table.iter().find(|(known, _)| Some(*known) == code);
        found.map(|(_, class)| *class)
    };
    let by_subcode = match code {
        Some(PARAMETER) => find(&SUBCODES, subcode),
        Some(200..=299) => Some(PERMISSION),
        _ => None,
    };
    by_subcode
        .or_else(|| find(&CODES, code))
        .or_else(|| transient.then_some(BUSY))
        .unwrap_or_else(|| classify_status(status))
}

/// Classifies a response without a code.
pub(crate) fn classify_status(status: u16) -> ErrorClass {
    match status {
        300..=399 => ErrorClass::new(
            Exit::Configuration,
            "the server redirects, and the access token is not sent elsewhere",
            "check api_url in [otp]; Meta's is https://graph.facebook.com",
        ),
        401 => TOKEN,
        403 => PERMISSION,
        404 | 405 => ErrorClass::new(
            Exit::Configuration,
            "Meta does not know this path",
            "check api_url and api_version in [otp]; Meta may have retired the version",
        ),
        429 => LIMITED,
        503 => BUSY,
        500.. => FAILED,
        _ => ErrorClass::new(
            Exit::Rejected,
            "Meta refused the request",
            "see Meta's message",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_and_each_has_a_remedy() {
        for table in [&CODES[..], &SUBCODES] {
            assert!(table.is_sorted_by_key(|(code, _)| *code));
            for (code, class) in table {
                let has_texts = !class.remedy.is_empty() && !class.summary.is_empty();
                assert!(has_texts && class.exit != Exit::Success, "{code}");
            }
        }
        for (code, class) in CODES {
            assert_eq!(classify(Some(code), None, false, 400), class);
        }
    }

    #[test]
    fn error_is_classified_by_subcode_code_transience_and_status() {
        for (code, subcode, transient, status, class) in [
            (Some(100), None, false, 400, VALUE),
            (Some(100), Some(33), false, 400, NO_SUCH),
            (Some(100), Some(2_388_024), false, 400, TAKEN),
            (Some(100), Some(2_388_023), false, 400, BEING_DELETED),
            (Some(100), Some(1), false, 400, VALUE),
            // A subcode of another code is not that of this one.
            (Some(190), Some(33), false, 401, TOKEN),
            (Some(200), None, false, 403, PERMISSION),
            (Some(299), None, false, 403, PERMISSION),
            (Some(80_008), None, false, 400, LIMITED),
            (Some(999_999), None, true, 400, BUSY),
            (Some(999_999), None, false, 503, BUSY),
            (Some(999_999), None, false, 500, FAILED),
            (None, None, false, 401, TOKEN),
            (None, None, false, 429, LIMITED),
        ] {
            let classified = classify(code, subcode, transient, status);
            assert_eq!(classified, class, "{code:?}");
        }
    }
}
