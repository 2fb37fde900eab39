//! Reads responses of the gateway's API.
//!
//! The API guide does not show every response. Members that it does not show are
//! looked for under a few likely names.

use serde_json::Value;

use crate::config::SessionId;
use crate::document::lenient_json;
use crate::http::client::api_error::ApiError;
use crate::logging::excerpt;
use crate::sak::error_codes;
use crate::secret::Secret;

/// Characters of the gateway's message that are shown.
const MESSAGE_MAX: usize = 160;

/// Reads the `data` of a successful response, or the whole body without it.
///
/// # Errors
/// When the status is not of success, `success` is false, or the body is not a JSON
/// object.
pub(crate) fn parse(status: u16, body: &[u8]) -> Result<Value, ApiError> {
    let is_success = (200..=299).contains(&status);
    let Some(mut document) = document(body) else {
        let class = if is_success {
            error_codes::NO_JSON
        } else {
            error_codes::classify_status(status)
        };
        return Err(ApiError::new(class, detail(status, None, &text_of(body))));
    };
    let refused = document.get("success") == Some(&Value::Bool(false));
    if !is_success || refused {
        return Err(refusal(status, &document));
    }
    let data = document.get_mut("data").map(Value::take);
    Ok(data.unwrap_or(document))
}

/// Only objects count: a number or a word may come from any server.
fn document(body: &[u8]) -> Option<Value> {
    let document = lenient_json::parse(body).ok();
    document.filter(Value::is_object)
}

fn refusal(status: u16, document: &Value) -> ApiError {
    let error = document.get("error").unwrap_or(document);
    let code = error.get("code").and_then(Value::as_str);
    let code = code.filter(|code| is_code(code));
    let message = [error.get("message"), document.get("message"), Some(error)]
        .into_iter()
        .flatten()
        .find_map(Value::as_str)
        .unwrap_or_default();
    let class = error_codes::classify(code, status);
    ApiError::new(class, detail(status, code, message))
}

/// Anything else is left out, because codes are shown unescaped.
fn is_code(code: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=40).contains(&code.len()) && code.bytes().all(allowed)
}

fn detail(status: u16, code: Option<&str>, message: &str) -> String {
    let code = code.map_or_else(String::new, |code| format!(" {code}"));
    let message = excerpt(message, MESSAGE_MAX);
    if message.is_empty() {
        return format!("HTTP status {status}{code}");
    }
    format!("HTTP status {status}{code}: {message:?}")
}

/// A response without something that it must have.
fn incomplete(what: &str) -> ApiError {
    ApiError::new(error_codes::INCOMPLETE, format!("no {what}"))
}

fn text_of(body: &[u8]) -> String {
    String::from_utf8_lossy(body).into_owned()
}

/// The status that the gateway reports.
///
/// # Errors
/// When it is not healthy.
pub(crate) fn health(data: &Value) -> Result<String, ApiError> {
    let status = text(data, &["status"]).unwrap_or_else(|| "up".to_owned());
    if ["healthy", "ok", "up"].contains(&status.to_lowercase().as_str()) {
        return Ok(status);
    }
    Err(ApiError::new(
        error_codes::UNHEALTHY,
        format!("it reports {status:?}"),
    ))
}

/// The token of a login.
///
/// # Errors
/// When it is missing.
pub(crate) fn token(data: &Value) -> Result<Secret, ApiError> {
    let names = ["token", "accessToken", "access_token", "jwt"];
    text(data, &names)
        .map(Secret::new)
        .ok_or_else(|| incomplete("token"))
}

/// A new API key of the user.
///
/// # Errors
/// When it is missing.
pub(crate) fn api_key(data: &Value) -> Result<Secret, ApiError> {
    // The key may be a member of the response or of the object that describes it.
    let inner = data.get("apiKey").filter(|inner| inner.is_object());
    let names = ["apiKey", "api_key", "key", "rawKey"];
    text(inner.unwrap_or(data), &names)
        .map(Secret::new)
        .ok_or_else(|| incomplete("API key"))
}

/// A session; members that the gateway leaves out are empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    pub id: SessionId,
    pub name: String,
    /// For example `connected`.
    pub status: String,
    /// The number of the phone.
    pub phone: String,
    /// A time, as the gateway writes it.
    pub last_connected: String,
}

/// Reads a list of sessions.
///
/// # Errors
/// When it is not a list, or one has no valid id.
pub(crate) fn sessions(data: &Value) -> Result<Vec<Session>, ApiError> {
    let rows = rows(data, "sessions").ok_or_else(|| incomplete("list of sessions"))?;
    rows.iter().map(session).collect()
}

/// Reads one session.
///
/// # Errors
/// When it has no valid id.
pub(crate) fn session(data: &Value) -> Result<Session, ApiError> {
    let id = text(data, &["sessionId", "session_id", "id"]).and_then(|id| id.parse().ok());
    let connected = data.get("connected").and_then(Value::as_bool);
    let status = text(data, &["status"]).or_else(|| {
        let word = |connected| {
            if connected {
                "connected"
            } else {
                "not connected"
            }
        };
        connected.map(word).map(str::to_owned)
    });
    Ok(Session {
        id: id.ok_or_else(|| incomplete("id of a session"))?,
        name: text(data, &["name"]).unwrap_or_default(),
        status: status.unwrap_or_default(),
        phone: text(data, &["phoneNumber", "phone_number"]).unwrap_or_default(),
        last_connected: text(data, &["lastConnectedAt", "last_connected_at"]).unwrap_or_default(),
    })
}

/// A new session, with secrets that are shown only once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CreatedSession {
    pub session: Session,
    pub key: Secret,
    pub webhook: Option<Webhook>,
}

/// A new webhook, with a secret that is shown only once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Webhook {
    /// Messages are posted to it.
    pub url: String,
    /// The key of the signatures.
    pub secret: Secret,
}

/// Reads a new session.
///
/// # Errors
/// When it has no valid id or no key.
pub(crate) fn created(data: &Value) -> Result<CreatedSession, ApiError> {
    let key = text(data, &["apiKey", "api_key"]).map(Secret::new);
    let hook = data.get("webhook");
    Ok(CreatedSession {
        session: session(data)?,
        key: key.ok_or_else(|| incomplete("key of the session"))?,
        // An unreadable webhook must not hide the key.
        webhook: hook.and_then(|hook| webhook(hook).ok()),
    })
}

/// Reads a new webhook.
///
/// # Errors
/// When it has no secret.
pub(crate) fn webhook(data: &Value) -> Result<Webhook, ApiError> {
    let secret = text(data, &["secret"]).map(Secret::new);
    Ok(Webhook {
        url: text(data, &["url"]).unwrap_or_default(),
        secret: secret.ok_or_else(|| incomplete("secret of the webhook"))?,
    })
}

/// How far a session has been paired with a phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PairingProgress {
    /// The text of the QR code that the phone must scan.
    Code(String),
    Connected,
    /// There is no code yet.
    NotReady,
}

/// Reads how far a session has been paired.
///
/// # Errors
/// When the response does not say.
pub(crate) fn progress(data: &Value) -> Result<PairingProgress, ApiError> {
    let connected = data.get("connected").and_then(Value::as_bool);
    if connected == Some(true) {
        return Ok(PairingProgress::Connected);
    }
    match data.get("qrCode") {
        Some(Value::String(code)) if !code.is_empty() => Ok(PairingProgress::Code(code.clone())),
        Some(_) => Ok(PairingProgress::NotReady),
        None if connected.is_some() => Ok(PairingProgress::NotReady),
        None => Err(incomplete("qrCode")),
    }
}

/// The result of a test at one webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WebhookDelivery {
    pub url: String,
    /// `None` when the gateway does not say.
    pub accepted: Option<bool>,
    /// The status or error, as the gateway writes it.
    pub detail: String,
}

/// Reads the results of a webhook test.
///
/// # Errors
/// When it is not a list.
pub(crate) fn deliveries(data: &Value) -> Result<Vec<WebhookDelivery>, ApiError> {
    let rows = rows(data, "results").ok_or_else(|| incomplete("list of results"))?;
    let delivery = |row: &Value| WebhookDelivery {
        url: text(row, &["url", "webhookId", "webhook_id"]).unwrap_or_default(),
        accepted: ["success", "ok", "delivered"]
            .into_iter()
            .find_map(|name| row.get(name).and_then(Value::as_bool)),
        detail: text(row, &["error", "statusCode", "status"]).unwrap_or_default(),
    };
    Ok(rows.iter().map(delivery).collect())
}

/// The rows of the user's keys: name, id, times of creation and of last use.
///
/// # Errors
/// When it is not a list.
pub(crate) fn api_keys(data: &Value) -> Result<Vec<Vec<String>>, ApiError> {
    const COLUMNS: [&[&str]; 4] = [
        &["name"],
        &["id", "keyId", "key_id"],
        &["createdAt", "created_at"],
        &["lastUsedAt", "last_used_at"],
    ];
    let rows = rows(data, "apiKeys").or_else(|| rows(data, "keys"));
    table(rows, "list of keys", &COLUMNS)
}

/// The rows of recorded messages: time, receiver, type, status, id.
///
/// # Errors
/// When it is not a list.
pub(crate) fn history(data: &Value) -> Result<Vec<Vec<String>>, ApiError> {
    const COLUMNS: [&[&str]; 5] = [
        &["created_at", "createdAt", "timestamp"],
        &["to_number", "toNumber", "to"],
        &["message_type", "messageType", "type"],
        &["status"],
        &["message_id", "messageId", "id"],
    ];
    let rows = rows(data, "messages").or_else(|| rows(data, "history"));
    table(rows, "list of messages", &COLUMNS)
}

fn table(
    rows: Option<&Vec<Value>>,
    what: &str,
    columns: &[&[&str]],
) -> Result<Vec<Vec<String>>, ApiError> {
    let cell = |row: &Value, names: &[&str]| text(row, names).unwrap_or_default();
    let line = |row: &Value| columns.iter().map(|names| cell(row, names)).collect();
    let rows = rows.ok_or_else(|| incomplete(what))?;
    Ok(rows.iter().map(line).collect())
}

/// A list, which may be the response itself or a member of it.
fn rows<'a>(data: &'a Value, name: &str) -> Option<&'a Vec<Value>> {
    data.as_array()
        .or_else(|| data.get(name).and_then(Value::as_array))
}

/// The first of these members that is not empty, in one line; control characters
/// do not reach the terminal.
fn text(data: &Value, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| {
        let text = match data.get(name)? {
            Value::String(text) => excerpt(text, usize::MAX),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        (!text.is_empty()).then_some(text)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use serde_json::json;

    fn parsed(status: u16, body: &str) -> Result<Value, String> {
        parse(status, body.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn success_needs_a_good_status_and_no_refusal() {
        let good = r#"{"success":true,"data":{"a":1}}"#;
        assert_eq!(parsed(200, good), Ok(json!({"a": 1})));
        assert_eq!(parsed(201, r#"{"token":"t"}"#), Ok(json!({"token": "t"})));
        assert!(parsed(500, good).is_err());
        assert!(parsed(302, good).is_err());
        assert!(parsed(200, r#"{"success":false}"#).is_err());
        let marked = "\u{feff}{\"data\":{\"name\":\"half \\ud83d\"}}";
        let half = json!({"name": "half \u{fffd}"});
        assert_eq!(parsed(200, marked), Ok(half));
        for nonsense in ["", "<html>", "1", "\"ok\"", "[]", "{\"success\":true"] {
            let text = parsed(200, nonsense).unwrap_err();
            assert!(text.contains("is not JSON"), "{nonsense}: {text}");
        }
    }

    #[test]
    fn refusal_is_classified_by_code_else_by_status() {
        for (status, body, start) in [
            (
                401,
                r#"{"success":false,"error":{"code":"INVALID_TOKEN","message":"jwt expired"}}"#,
                "the token is invalid or has expired, as it does after some days (HTTP status 401 \
                 INVALID_TOKEN: \"jwt expired\"): run `asterisk-websms whatsapp login EMAIL`",
            ),
            (
                200,
                r#"{"success":false,"error":{"code":"SESSION_NOT_FOUND","message":""}}"#,
                "the gateway has no such session (HTTP status 200 SESSION_NOT_FOUND): ",
            ),
            (
                400,
                r#"{"success":false,"error":"no such thing"}"#,
                "the gateway refused the request (HTTP status 400: \"no such thing\"): ",
            ),
            (
                418,
                r#"{"success":false,"error":{"code":"TEA\n","message":"a\nb\u001b[31m"}}"#,
                "the gateway refused the request (HTTP status 418: \"a b [31m\"): ",
            ),
            (
                403,
                r#"{"error":{"code":"NEW_ONE","message":"x"}}"#,
                "the gateway does not accept the credentials (HTTP status 403 NEW_ONE: \"x\"): ",
            ),
            (
                502,
                "<html>",
                "an error occurred at the gateway (HTTP status 502: \"<html>\"): ",
            ),
            (
                404,
                "Not Found",
                "the gateway does not know this path (HTTP ",
            ),
            (
                301,
                "",
                "the server redirects, and keys are not sent elsewhere (HTTP ",
            ),
        ] {
            let text = parsed(status, body).unwrap_err();
            assert!(text.starts_with(start), "{text}");
        }
    }

    #[test]
    fn rate_limit_says_how_long_to_wait() {
        let body = br#"{"success":false,"error":{"code":"AUTH_RATE_LIMIT","message":"x"}}"#;
        let error = parse(429, body).unwrap_err();
        assert!(error.is_rate_limited());
        assert!(error.to_string().contains("try again in 60 seconds; "));
        let error = ApiError {
            retry_after: Some(Duration::from_secs(7)),
            ..parse(429, b"slow down").unwrap_err()
        };
        assert!(error.to_string().contains("try again in 7 seconds; "));
    }

    #[test]
    fn progress_is_a_code_connected_or_not_ready() {
        for (data, expected) in [
            (
                json!({"qrCode": "2@x", "connected": false}),
                PairingProgress::Code("2@x".into()),
            ),
            (
                json!({"qrCode": null, "connected": false}),
                PairingProgress::NotReady,
            ),
            (
                json!({"qrCode": "2@x", "connected": true}),
                PairingProgress::Connected,
            ),
            (json!({"connected": false}), PairingProgress::NotReady),
        ] {
            assert_eq!(progress(&data), Ok(expected));
        }
        assert!(progress(&json!({})).is_err());
    }

    #[test]
    fn list_is_found_as_response_or_member() {
        let row = json!({"session_id": "s", "name": "n\u{1b}n", "connected": true});
        for data in [json!([row]), json!({"sessions": [row]})] {
            let sessions = sessions(&data).unwrap();
            let Session {
                id, name, status, ..
            } = &sessions[0];
            assert_eq!((id.as_str(), name.as_str()), ("s", "n n"));
            assert_eq!(status, "connected");
        }
        assert!(sessions(&json!({"sessions": [{"id": "../x"}]})).is_err());
        assert!(sessions(&json!({})).is_err());
    }
}
