//! What Meta said: status and body to what was asked for, or to the reason why
//! not.

use reqwest::Url;
use serde_json::Value;

use crate::config::Identifier;
use crate::exit::Exit;
use crate::http::client::json_api::{ApiError, ErrorClass};
use crate::otp::meta::error_codes;

/// As much of Meta's words as is shown; they can be three sentences.
const SHOWN: usize = 300;

/// The category of templates with codes.
pub(crate) const AUTHENTICATION: &str = "AUTHENTICATION";

/// What a template is when messages can be made of it.
const APPROVED: &str = "APPROVED";

/// What it is before Meta has looked at it.
const PENDING: &str = "PENDING";

const INCOMPLETE: ErrorClass = ErrorClass::new(
    Exit::Unknown,
    "the answer is not as Meta describes it",
    "see whether it was done, and api_url and api_version in [otp]",
);
const ODD: ErrorClass = ErrorClass::new(
    Exit::Failed,
    INCOMPLETE.summary,
    "see api_url and api_version in [otp]",
);
const NO_JSON: ErrorClass = ErrorClass::new(
    Exit::Configuration,
    "what answers is not Meta's API: the answer is not JSON",
    "see api_url in [otp]; Meta's is https://graph.facebook.com",
);
const NO_TEMPLATE: ErrorClass = ErrorClass::new(
    Exit::Configuration,
    "the account has no template of this id",
    "see waba_id and template_id; `asterisk-websms otp setup --new-template` makes another one",
);
const NO_END: ErrorClass = ErrorClass::new(
    Exit::Configuration,
    "the list does not end",
    "see api_url in [otp], and that it is Meta's API which is there",
);

/// What an answer holds.
///
/// # Errors
/// When it is not of success: by its status, by an `error`, or because it is no
/// JSON.
pub(crate) fn parse(status: u16, body: &[u8]) -> Result<Value, ApiError> {
    let good = (200..=299).contains(&status);
    let document: Option<Value> = serde_json::from_slice(body).ok();
    let Some(document) = document.filter(Value::is_object) else {
        let reason = if good {
            NO_JSON
        } else {
            error_codes::of_status(status)
        };
        let said = String::from_utf8_lossy(body);
        return Err(ApiError::new(reason, detail(status, "", &said)));
    };
    match document.get("error") {
        Some(error) => Err(refusal(status, error)),
        None if good => Ok(document),
        None => {
            let detail = detail(status, "", &document.to_string());
            Err(ApiError::new(error_codes::of_status(status), detail))
        }
    }
}

fn refusal(status: u16, error: &Value) -> ApiError {
    let number = |name: &str| error.get(name).and_then(Value::as_u64);
    let (code, subcode) = (number("code"), number("error_subcode"));
    let transient = error.get("is_transient") == Some(&Value::Bool(true));
    // The one that says most is not always there.
    let said = [
        error.pointer("/error_data/details"),
        error.get("error_user_msg"),
        error.get("message"),
        Some(error),
    ];
    let said = said.into_iter().flatten().filter_map(Value::as_str);
    let said = said.map(str::trim).find(|said| !said.is_empty());
    let named = [("code", code), ("subcode", subcode)]
        .into_iter()
        .filter_map(|(name, number)| number.map(|number| format!(", {name} {number}")));
    let mut named: String = named.collect();
    // Meta's support asks for it.
    if let Some(trace) = error.get("fbtrace_id").and_then(Value::as_str)
        && is_trace(trace)
    {
        named.push_str(", fbtrace_id ");
        named.push_str(trace);
    }
    let reason = error_codes::of(code, subcode, transient, status);
    ApiError::new(reason, detail(status, &named, said.unwrap_or_default()))
}

/// Nothing else is repeated as it is.
fn is_trace(trace: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    (1..=40).contains(&trace.len()) && trace.bytes().all(allowed)
}

fn detail(status: u16, named: &str, said: &str) -> String {
    let said = said.trim();
    let start: String = said.chars().take(SHOWN).collect();
    let more = if start.len() < said.len() { "…" } else { "" };
    if said.is_empty() {
        return format!("HTTP status {status}{named}");
    }
    format!("HTTP status {status}{named}: {start:?}{more}")
}

/// A list without what makes it one.
fn incomplete(what: &str) -> ApiError {
    ApiError::new(ODD, format!("it has no {what}"))
}

/// A template that none of those seen is.
pub(super) fn no_template(id: &Identifier, seen: usize) -> ApiError {
    let detail = format!("{id} is none of the {seen} that there are");
    ApiError::new(NO_TEMPLATE, detail)
}

/// A list of more pages than there can be.
pub(super) fn endless(pages: usize) -> ApiError {
    ApiError::new(NO_END, format!("more than {pages} pages"))
}

/// A number of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BusinessNumber {
    /// What Meta calls it.
    pub id: Identifier,
    /// The number as people write it.
    pub display: String,
    /// Who it is said to be.
    pub verified_name: String,
}

/// The numbers of a page.
///
/// # Errors
/// When it is none.
pub(crate) fn phone_numbers(data: &Value) -> Result<Vec<BusinessNumber>, ApiError> {
    let number = |row: &Value| {
        Ok(BusinessNumber {
            id: id(row).ok_or_else(|| incomplete("id of a number"))?,
            display: text(row, "display_phone_number"),
            verified_name: text(row, "verified_name"),
        })
    };
    let rows = rows(data).ok_or_else(|| incomplete("list of numbers"))?;
    rows.iter().map(number).collect()
}

/// A template of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    /// What Meta calls it.
    pub id: Identifier,
    /// What messages call it.
    pub name: String,
    /// In which language, `en_US`.
    pub language: String,
    /// `APPROVED`, or what it is instead.
    pub status: String,
    /// `AUTHENTICATION`, or what it is instead.
    pub category: String,
}

impl Template {
    /// Whether messages can be made of it.
    #[must_use]
    pub(crate) fn is_approved(&self) -> bool {
        self.status == APPROVED
    }

    /// Whether Meta has not made up its mind.
    #[must_use]
    pub(crate) fn is_pending(&self) -> bool {
        [PENDING, "IN_APPEAL"].contains(&self.status.as_str())
    }
}

/// The templates of a page.
///
/// # Errors
/// When it is none.
pub(crate) fn templates(data: &Value) -> Result<Vec<Template>, ApiError> {
    let template = |row: &Value| {
        Ok(Template {
            id: id(row).ok_or_else(|| incomplete("id of a template"))?,
            name: text(row, "name"),
            language: text(row, "language"),
            status: text(row, "status"),
            category: text(row, "category"),
        })
    };
    let rows = rows(data).ok_or_else(|| incomplete("list of templates"))?;
    rows.iter().map(template).collect()
}

/// A template that was not there before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CreatedTemplate {
    /// What Meta calls it.
    pub id: Identifier,
    /// `PENDING`, or what it is already.
    pub status: String,
}

/// A new template.
///
/// # Errors
/// When it has no id.
pub(crate) fn created(data: &Value) -> Result<CreatedTemplate, ApiError> {
    let status = text(data, "status");
    Ok(CreatedTemplate {
        id: id(data).ok_or_else(|| ApiError::new(INCOMPLETE, "it has no id".to_owned()))?,
        status: if status.is_empty() {
            PENDING.to_owned()
        } else {
            status
        },
    })
}

/// The cursor of the next page, if there is one.
///
/// # Errors
/// When there is another page and no cursor to it.
pub(crate) fn next(data: &Value) -> Result<Option<String>, ApiError> {
    let paging = data.get("paging");
    let next = paging.and_then(|paging| paging.get("next"));
    let Some(next) = next.and_then(Value::as_str) else {
        return Ok(None);
    };
    // Where the link leads does not count: the token goes nowhere else.
    let cursor = paging.and_then(|paging| paging.pointer("/cursors/after"));
    let cursor = cursor.and_then(Value::as_str).map(str::to_owned);
    let cursor = cursor.or_else(|| {
        let link = Url::parse(next).ok()?;
        let mut pairs = link.query_pairs();
        pairs.find_map(|(name, value)| (name == "after").then(|| value.into_owned()))
    });
    let cursor = cursor.filter(|cursor| !cursor.is_empty());
    cursor
        .map(Some)
        .ok_or_else(|| incomplete("cursor of the next page"))
}

fn rows(data: &Value) -> Option<&Vec<Value>> {
    data.get("data").and_then(Value::as_array)
}

fn id(row: &Value) -> Option<Identifier> {
    match row.get("id")? {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    }
}

/// What it says there in one line; nothing of it reaches the terminal as it is.
fn text(row: &Value, name: &str) -> String {
    let text = row.get(name).and_then(Value::as_str).unwrap_or_default();
    let printable = |character: char| {
        if character.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            character
        }
    };
    text.chars().map(printable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn judged(status: u16, body: &str) -> Result<Value, String> {
        parse(status, body.as_bytes()).map_err(|trouble| trouble.to_string())
    }

    #[test]
    fn success_is_an_object_without_an_error() {
        assert_eq!(judged(200, r#"{"data":[]}"#), Ok(json!({"data": []})));
        for body in ["", "<html>", "1", "[]", "{\"data\":["] {
            let said = judged(200, body).unwrap_err();
            assert!(said.contains("is not JSON"), "{body}: {said}");
        }
        for (status, start) in [
            (200, "the access token does not hold"),
            (500, "the access token does not hold"),
        ] {
            let said = judged(status, r#"{"error":{"code":190}}"#).unwrap_err();
            assert!(said.starts_with(start), "{said}");
        }
        let said = judged(302, r#"{"data":[]}"#).unwrap_err();
        assert!(said.starts_with("what answers sends elsewhere"), "{said}");
    }

    #[test]
    fn refusal_is_told_in_the_words_that_say_most() {
        for (body, expected) in [
            (
                json!({"error": {"message": "Invalid parameter", "type": "OAuthException", "code": 100,
                    "error_subcode": 2_388_024, "error_user_msg": "There is already English (US) content",
                    "fbtrace_id": "AXsg_Vn-2C"}}),
                "the account has a template of this name in this language already (HTTP status 400, \
                 code 100, subcode 2388024, fbtrace_id AXsg_Vn-2C: \"There is already English (US) \
                 content\"): ",
            ),
            (
                json!({"error": {"message": "(#131031) x", "code": 131_031,
                    "error_data": {"details": "locked"}, "error_user_msg": "other"}}),
                "Meta has restricted the account (HTTP status 400, code 131031: \"locked\"): ",
            ),
            (
                json!({"error": {"message": "new\n\u{1b}[31m", "code": 4242, "fbtrace_id": "a b"}}),
                "Meta refused (HTTP status 400, code 4242: \"new\\n\\u{1b}[31m\"): ",
            ),
            (
                json!({"error": "no"}),
                "Meta refused (HTTP status 400: \"no\"): ",
            ),
        ] {
            let said = judged(400, &body.to_string()).unwrap_err();
            assert!(said.starts_with(expected), "{said}");
        }
        let limit = parse(400, br#"{"error":{"code":80007}}"#).unwrap_err();
        assert!(limit.is_rate_limited());
    }

    #[test]
    fn next_page_is_a_cursor_and_never_a_place() {
        let link = "https://evil.example/v25.0/1/message_templates?access_token=EAAB&after=QV%3D";
        for (paging, expected) in [
            (json!({"cursors": {"after": "a"}, "next": link}), Some("a")),
            (json!({"next": link}), Some("QV=")),
            // The last page has cursors too.
            (json!({"cursors": {"after": "a"}}), None),
            (json!({}), None),
        ] {
            let data = json!({"data": [], "paging": paging});
            assert_eq!(next(&data).unwrap().as_deref(), expected);
        }
        assert_eq!(next(&json!({"data": []})), Ok(None));
        let lost = json!({"paging": {"next": "https://evil.example/"}});
        let said = next(&lost).unwrap_err().to_string();
        assert!(said.contains("no cursor of the next page"), "{said}");
    }

    #[test]
    fn lists_are_read_as_meta_shows_them() {
        let numbers = json!({"data": [
            {"id": "1906385232743451", "display_phone_number": "+1 631-555-5555",
             "verified_name": "Jasper's\u{1b} Market"},
            {"id": 7},
        ]});
        let numbers = phone_numbers(&numbers).unwrap();
        assert_eq!(numbers[0].display, "+1 631-555-5555");
        assert_eq!(numbers[0].verified_name, "Jasper's\u{fffd} Market");
        assert_eq!(numbers[1].id.as_str(), "7");
        let template = json!({"id": "9", "name": "n", "language": "en_US", "status": "APPROVED",
            "category": "AUTHENTICATION", "components": []});
        let templates = templates(&json!({"data": [template]})).unwrap();
        assert!(templates[0].is_approved() && !templates[0].is_pending());
        assert!(phone_numbers(&json!({"data": {}})).is_err());
        assert!(phone_numbers(&json!({"data": [{"id": "../x"}]})).is_err());
        for data in [
            json!({"id": "3", "status": "PENDING", "category": "AUTHENTICATION"}),
            json!({"id": 3}),
        ] {
            let CreatedTemplate { id, status } = created(&data).unwrap();
            assert_eq!((id.as_str(), status.as_str()), ("3", PENDING));
        }
        assert!(created(&json!({"success": true})).is_err());
    }
}
