//! Reads responses of Meta's Graph API.

use reqwest::Url;
use serde_json::Value;

use crate::config::Identifier;
use crate::document::lenient_json;
use crate::exit::Exit;
use crate::http::client::api_error::{ApiError, ErrorClass};
use crate::logging::excerpt;
use crate::otp::meta::error_codes;

/// Characters of Meta's message that are shown; it can be three sentences.
const MESSAGE_MAX: usize = 300;

/// The category of templates for codes.
pub(crate) const AUTHENTICATION: &str = "AUTHENTICATION";

/// The status of a template that can be used.
const APPROVED: &str = "APPROVED";

/// The status of a template that Meta has not reviewed.
const PENDING: &str = "PENDING";

/// The status of a template that people reported.
const PAUSED: &str = "PAUSED";

const INCOMPLETE: ErrorClass = ErrorClass::new(
    Exit::Unknown,
    "the response is not as Meta documents it",
    "check whether it was done, and api_url and api_version in [otp]",
);
/// The same for a request that changes nothing.
const INCOMPLETE_LIST: ErrorClass = ErrorClass::new(
    Exit::Failed,
    INCOMPLETE.summary,
    "check api_url and api_version in [otp]",
);
const NO_JSON: ErrorClass = ErrorClass::new(
    Exit::Configuration,
    "the server is not Meta's API: the response is not JSON",
    "check api_url in [otp]; Meta's is https://graph.facebook.com",
);
const NO_TEMPLATE: ErrorClass = ErrorClass::new(
    Exit::Configuration,
    "the account has no template with this id",
    "check waba_id and template_id; `asterisk-websms otp setup --new-template` creates another one",
);
const ENDLESS: ErrorClass = ErrorClass::new(
    Exit::Configuration,
    "the list does not end",
    "check api_url in [otp]: the server may not be Meta's API",
);

/// Reads the JSON object of a successful response.
///
/// # Errors
/// When the status is not of success, the body has an `error`, or it is not a JSON
/// object.
pub(crate) fn parse(status: u16, body: &[u8]) -> Result<Value, ApiError> {
    let is_success = (200..=299).contains(&status);
    let document = lenient_json::parse(body).ok();
    let Some(document) = document.filter(Value::is_object) else {
        let class = if is_success {
            NO_JSON
        } else {
            error_codes::classify_status(status)
        };
        let text = String::from_utf8_lossy(body);
        return Err(ApiError::new(class, detail(status, "", &text)));
    };
    match document.get("error") {
        Some(error) => Err(refusal(status, error)),
        None if is_success => Ok(document),
        None => {
            let detail = detail(status, "", &document.to_string());
            Err(ApiError::new(error_codes::classify_status(status), detail))
        }
    }
}

fn refusal(status: u16, error: &Value) -> ApiError {
    let number = |name: &str| error.get(name).and_then(Value::as_u64);
    let (code, subcode) = (number("code"), number("error_subcode"));
    let transient = error.get("is_transient") == Some(&Value::Bool(true));
    // From the most to the least helpful; none is always there.
    let texts = [
        error.pointer("/error_data/details"),
        error.get("error_user_msg"),
        error.get("message"),
        Some(error),
    ];
    let texts = texts.into_iter().flatten().filter_map(Value::as_str);
    let message = texts.map(str::trim).find(|text| !text.is_empty());
    let numbers = [("code", code), ("subcode", subcode)]
        .into_iter()
        .filter_map(|(name, number)| number.map(|number| format!(", {name} {number}")));
    let mut names: String = numbers.collect();
    // Meta's support asks for it.
    if let Some(trace) = error.get("fbtrace_id").and_then(Value::as_str)
        && is_trace(trace)
    {
        names.push_str(", fbtrace_id ");
        names.push_str(trace);
    }
    let class = error_codes::classify(code, subcode, transient, status);
    let detail = detail(status, &names, message.unwrap_or_default());
    ApiError::new(class, detail)
}

/// Any other trace id is left out, because ids are shown unescaped.
fn is_trace(trace: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    (1..=40).contains(&trace.len()) && trace.bytes().all(allowed)
}

fn detail(status: u16, names: &str, message: &str) -> String {
    let message = excerpt(message, MESSAGE_MAX);
    if message.is_empty() {
        return format!("HTTP status {status}{names}");
    }
    format!("HTTP status {status}{names}: {message:?}")
}

/// A list without something that Meta documents.
fn incomplete(what: &str) -> ApiError {
    ApiError::new(INCOMPLETE_LIST, format!("no {what}"))
}

/// The template is not among all `count` templates of the account.
pub(super) fn no_template(id: &Identifier, count: usize) -> ApiError {
    let detail = format!("{id} is not among its {count} templates");
    ApiError::new(NO_TEMPLATE, detail)
}

/// A list has more pages than possible.
pub(super) fn endless(pages: usize) -> ApiError {
    ApiError::new(ENDLESS, format!("more than {pages} pages"))
}

/// A phone number of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BusinessNumber {
    pub id: Identifier,
    /// The number as people write it.
    pub display: String,
    /// The name that Meta shows to receivers.
    pub verified_name: String,
}

/// The phone numbers on a page.
///
/// # Errors
/// When it is not a list of numbers with ids.
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

/// A message template of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    pub id: Identifier,
    /// The name by which messages refer to it.
    pub name: String,
    /// For example `en_US`.
    pub language: String,
    /// For example `APPROVED`.
    pub status: String,
    /// For example `AUTHENTICATION`.
    pub category: String,
    /// Why it was rejected, for example `INVALID_FORMAT`; else empty or `NONE`.
    pub rejected_reason: String,
}

impl Template {
    /// Whether messages can be sent in it.
    pub(crate) fn is_approved(&self) -> bool {
        self.status == APPROVED
    }

    /// Why no message can be sent in it now, and what to do. Meta resumes a paused
    /// template by itself, after three or six hours (its guide on template pausing).
    pub(crate) fn why_unusable(&self) -> String {
        let Self { name, status, .. } = self;
        if status == PAUSED {
            return format!(
                "template {name} is {status}, so it cannot send codes now: Meta pauses a template \
                 that people report, and resumes it by itself after some hours; websmsd looks \
                 again until then"
            );
        }
        let reason = match self.rejected_reason.as_str() {
            "" | "NONE" => "the WhatsApp Manager has the reason".to_owned(),
            reason => format!("Meta's reason is {reason}"),
        };
        format!(
            "template {name} is {status}, so it cannot send codes: {reason}; `asterisk-websms otp \
             setup --new-template --template NAME` creates another one"
        )
    }

    /// Whether Meta has not decided yet.
    pub(crate) fn is_pending(&self) -> bool {
        [PENDING, "IN_APPEAL"].contains(&self.status.as_str())
    }
}

/// The templates on a page.
///
/// # Errors
/// When it is not a list of templates with ids.
pub(crate) fn templates(data: &Value) -> Result<Vec<Template>, ApiError> {
    let template = |row: &Value| {
        Ok(Template {
            id: id(row).ok_or_else(|| incomplete("id of a template"))?,
            name: text(row, "name"),
            language: text(row, "language"),
            status: text(row, "status"),
            category: text(row, "category"),
            rejected_reason: text(row, "rejected_reason"),
        })
    };
    let rows = rows(data).ok_or_else(|| incomplete("list of templates"))?;
    rows.iter().map(template).collect()
}

/// A template that was just created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CreatedTemplate {
    pub id: Identifier,
    /// `PENDING` unless Meta has decided already.
    pub status: String,
}

/// The template that was created.
///
/// # Errors
/// When it has no id.
pub(crate) fn created(data: &Value) -> Result<CreatedTemplate, ApiError> {
    let status = text(data, "status");
    Ok(CreatedTemplate {
        id: id(data).ok_or_else(|| ApiError::new(INCOMPLETE, "no id".to_owned()))?,
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
    // The link itself is not followed: the token must not be sent elsewhere.
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

/// A member in one line; control characters do not reach the terminal.
fn text(row: &Value, name: &str) -> String {
    let text = row.get(name).and_then(Value::as_str).unwrap_or_default();
    excerpt(text, usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parsed(status: u16, body: &str) -> Result<Value, String> {
        parse(status, body.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn success_is_an_object_without_an_error() {
        assert_eq!(parsed(200, r#"{"data":[]}"#), Ok(json!({"data": []})));
        let named = "{\"data\":[\"half \\ud83d\",\"a\tb\"]}";
        assert_eq!(
            parsed(200, named),
            Ok(json!({"data": ["half \u{fffd}", "a\tb"]}))
        );
        for body in ["", "<html>", "1", "[]", "{\"data\":["] {
            let text = parsed(200, body).unwrap_err();
            assert!(text.contains("is not JSON"), "{body}: {text}");
        }
        for (status, start) in [
            (200, "the access token is invalid"),
            (500, "the access token is invalid"),
        ] {
            let text = parsed(status, r#"{"error":{"code":190}}"#).unwrap_err();
            assert!(text.starts_with(start), "{text}");
        }
        let text = parsed(302, r#"{"data":[]}"#).unwrap_err();
        assert!(text.starts_with("the server redirects"), "{text}");
    }

    #[test]
    fn refusal_is_shown_with_the_most_helpful_message() {
        for (body, expected) in [
            (
                json!({"error": {"message": "Invalid parameter", "type": "OAuthException", "code": 100,
                    "error_subcode": 2_388_024, "error_user_msg": "There is already English (US) content",
                    "fbtrace_id": "AXsg_Vn-2C"}}),
                "the account already has a template of this name in this language (HTTP status 400, \
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
                "Meta refused the request (HTTP status 400, code 4242: \"new  [31m\"): ",
            ),
            (
                json!({"error": "no"}),
                "Meta refused the request (HTTP status 400: \"no\"): ",
            ),
        ] {
            let text = parsed(400, &body.to_string()).unwrap_err();
            assert!(text.starts_with(expected), "{text}");
        }
        let limit = parse(400, br#"{"error":{"code":80007}}"#).unwrap_err();
        assert!(limit.is_rate_limited());
    }

    #[test]
    fn next_page_is_a_cursor_and_never_a_link() {
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
        let text = next(&lost).unwrap_err().to_string();
        assert!(text.contains("(no cursor of the next page)"), "{text}");
    }

    #[test]
    fn lists_are_read_as_meta_documents_them() {
        let numbers = json!({"data": [
            {"id": "1906385232743451", "display_phone_number": "+1 631-555-5555",
             "verified_name": "Jasper's\u{1b} Market"},
            {"id": 7},
        ]});
        let numbers = phone_numbers(&numbers).unwrap();
        assert_eq!(numbers[0].display, "+1 631-555-5555");
        assert_eq!(numbers[0].verified_name, "Jasper's  Market");
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
