//! Meta's codes, each in words and with a remedy.
//!
//! What a code means is in Meta's lists of error codes of the Graph API and of the
//! WhatsApp Cloud API; the subcodes of a template's name are in no list, but come
//! with words that say so. Whatever is not here goes by the status of HTTP, with
//! Meta's words.

use std::time::Duration;

use crate::exit::Exit;
use crate::http::client::json_api::ErrorClass;

/// How long Meta is left alone when it does not say how long.
const MINUTE: Duration = Duration::from_secs(60);

/// Code that is told apart by its subcode.
const PARAMETER: u64 = 100;

const LIMITED: ErrorClass = ErrorClass::rate_limited(
    MINUTE,
    "Meta was asked too often",
    "it counts the requests of an app and of an account, by the hour",
);
const TOKEN: ErrorClass = ErrorClass::new(
    Exit::Rejected,
    "the access token does not hold, or no longer",
    "make one for a system user in Meta's business settings, and hand it over with \
     `asterisk-websms otp setup --token file:/path`; one from the app's dashboard lasts for a day",
);
const PERMISSION: ErrorClass = ErrorClass::new(
    Exit::Rejected,
    "the access token may not do this",
    "in Meta's business settings add the system user to the WhatsApp account, to manage its \
     numbers and templates, and make a token with whatsapp_business_management and \
     whatsapp_business_messaging",
);
const BUSY: ErrorClass = ErrorClass::new(Exit::Failed, "Meta cannot do it now", "try again later");
const FAILED: ErrorClass = ErrorClass::new(
    Exit::Unknown,
    "something went wrong at Meta",
    "see whether it was done all the same, and try again later",
);
const BLOCKED: ErrorClass = ErrorClass::new(
    Exit::Rejected,
    "Meta has restricted the account",
    "the WhatsApp Manager and the Business Support Home say why, and take an appeal",
);
const NO_SUCH: ErrorClass = ErrorClass::new(
    Exit::Rejected,
    "there is nothing of this id that the access token may see",
    "see waba_id, which is the WhatsApp Business Account and neither app, business nor number, and \
     that the system user was added to it",
);
const VALUE: ErrorClass = ErrorClass::new(
    Exit::Rejected,
    "Meta does not take a value",
    "see what it says about it",
);
const TEMPLATE: ErrorClass = ErrorClass::new(
    Exit::Rejected,
    "Meta does not take the template",
    "see what it says about it, and the template in the WhatsApp Manager",
);
const TAKEN: ErrorClass = ErrorClass::new(
    Exit::Rejected,
    "the account has a template of this name in this language already",
    "name another one with --template; to use that one, write its id from the WhatsApp Manager \
     into template_id",
);
const BEING_DELETED: ErrorClass = ErrorClass::new(
    Exit::Rejected,
    "a template of this name in this language is still being deleted, which may take Meta 4 weeks",
    "name another one with --template",
);

/// Subcodes of [`PARAMETER`], which go before its own meaning.
const SUBCODES: [(u64, ErrorClass); 3] = [
    (33, NO_SUCH),
    (2_388_023, BEING_DELETED),
    (2_388_024, TAKEN),
];

/// The codes that mean something on their own.
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
const PAUSED: ErrorClass = ErrorClass::new(
    Exit::Rejected,
    "Meta has paused the template",
    "wait until it goes on, or make another one with `asterisk-websms otp setup --new-template`",
);
const DISABLED: ErrorClass = ErrorClass::new(
    Exit::Rejected,
    "Meta has switched the template off for good",
    "make another one with `asterisk-websms otp setup --new-template`",
);

/// What goes wrong, by Meta's code and its subcode, by whether Meta calls it
/// transient, and else by the status of HTTP.
#[must_use]
pub(crate) fn of(
    code: Option<u64>,
    subcode: Option<u64>,
    transient: bool,
    status: u16,
) -> ErrorClass {
    let find = |table: &[(u64, ErrorClass)], code: Option<u64>| {
        let found = table.iter().find(|(known, _)| Some(*known) == code);
        found.map(|(_, reason)| *reason)
    };
    let finer = match code {
        Some(PARAMETER) => find(&SUBCODES, subcode),
        Some(200..=299) => Some(PERMISSION),
        _ => None,
    };
    finer
        .or_else(|| find(&CODES, code))
        .or_else(|| transient.then_some(BUSY))
        .unwrap_or_else(|| of_status(status))
}

/// What goes wrong when nobody gives a code.
#[must_use]
pub(crate) fn of_status(status: u16) -> ErrorClass {
    match status {
        300..=399 => ErrorClass::new(
            Exit::Configuration,
            "what answers sends elsewhere, and the access token is not taken there",
            "see api_url in [otp]; Meta's is https://graph.facebook.com",
        ),
        401 => TOKEN,
        403 => PERMISSION,
        404 | 405 => ErrorClass::new(
            Exit::Configuration,
            "there is no such thing at Meta",
            "see api_url and api_version in [otp]; Meta's version may have ended",
        ),
        429 => LIMITED,
        503 => BUSY,
        500.. => FAILED,
        _ => ErrorClass::new(Exit::Rejected, "Meta refused", "see what it says about it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_and_each_has_a_remedy() {
        for table in [&CODES[..], &SUBCODES] {
            assert!(table.is_sorted_by_key(|(code, _)| *code));
            for (code, reason) in table {
                let said = !reason.remedy.is_empty() && !reason.summary.is_empty();
                assert!(said && reason.exit != Exit::Success, "{code}");
            }
        }
        for (code, reason) in CODES {
            assert_eq!(of(Some(code), None, false, 400), reason);
        }
    }

    #[test]
    fn what_passes_by_itself_is_told_from_what_does_not() {
        for (code, subcode, transient, status, reason) in [
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
            assert_eq!(of(code, subcode, transient, status), reason, "{code:?}");
        }
    }
}
