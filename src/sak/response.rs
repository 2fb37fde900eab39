//! What the gateway said: status and body to what was asked for, or to the
//! reason why not, with a remedy.
//!
//! The guide of the API does not show every answer. What it leaves open is looked
//! for under the few names that it goes by; what is not found is said.

use serde_json::Value;

use crate::config::SessionId;
use crate::http::client::json_api::ApiError;
use crate::sak::error_codes;
use crate::secret::Secret;

/// What an answer holds: its `data`, or all of it when it has none.
///
/// # Errors
/// When it is not of success: by its status, by `success`, or because it is no
/// JSON.
pub(crate) fn parse(status: u16, body: &[u8]) -> Result<Value, ApiError> {
    let good = (200..=299).contains(&status);
    let Some(mut document) = document(body) else {
        let reason = if good {
            error_codes::NO_JSON
        } else {
            error_codes::of_status(status)
        };
        return Err(ApiError::new(reason, detail(status, None, &text_of(body))));
    };
    let refused = document.get("success") == Some(&Value::Bool(false));
    if !good || refused {
        return Err(refusal(status, &document));
    }
    let data = document.get_mut("data").map(Value::take);
    Ok(data.unwrap_or(document))
}

/// Objects are JSON; a number or a word is what anything might say.
fn document(body: &[u8]) -> Option<Value> {
    let document: Option<Value> = serde_json::from_slice(body).ok();
    document.filter(Value::is_object)
}

fn refusal(status: u16, document: &Value) -> ApiError {
    let error = document.get("error").unwrap_or(document);
    let code = error.get("code").and_then(Value::as_str);
    let code = code.filter(|code| is_code(code));
    let said = [error.get("message"), document.get("message"), Some(error)]
        .into_iter()
        .flatten()
        .find_map(Value::as_str)
        .unwrap_or_default();
    ApiError::new(error_codes::of(code, status), detail(status, code, said))
}

/// Nothing else is repeated as it is.
fn is_code(code: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=40).contains(&code.len()) && code.bytes().all(allowed)
}

fn detail(status: u16, code: Option<&str>, said: &str) -> String {
    const SHOWN: usize = 160;
    let code = code.map_or_else(String::new, |code| format!(" {code}"));
    let said = said.trim();
    let start: String = said.chars().take(SHOWN).collect();
    let more = if start.len() < said.len() { "…" } else { "" };
    if said.is_empty() {
        return format!("HTTP status {status}{code}");
    }
    format!("HTTP status {status}{code}: {start:?}{more}")
}

/// An answer without what was asked for.
fn incomplete(what: &str) -> ApiError {
    ApiError::new(error_codes::INCOMPLETE, format!("it has no {what}"))
}

fn text_of(body: &[u8]) -> String {
    String::from_utf8_lossy(body).into_owned()
}

/// How the gateway says that it is.
///
/// # Errors
/// When that is not well.
pub(crate) fn health(data: &Value) -> Result<String, ApiError> {
    let status = text(data, &["status"]).unwrap_or_else(|| "there".to_owned());
    if ["healthy", "ok", "up", "there"].contains(&status.to_lowercase().as_str()) {
        return Ok(status);
    }
    Err(ApiError::new(
        error_codes::UNWELL,
        format!("it says {status:?}"),
    ))
}

/// The token of a login.
///
/// # Errors
/// When there is none.
pub(crate) fn token(data: &Value) -> Result<Secret, ApiError> {
    let names = ["token", "accessToken", "access_token", "jwt"];
    text(data, &names)
        .map(Secret::new)
        .ok_or_else(|| incomplete("token"))
}

/// A new key of the user.
///
/// # Errors
/// When there is none.
pub(crate) fn api_key(data: &Value) -> Result<Secret, ApiError> {
    // The key may be beside what describes it, or in the midst of it.
    let inner = data.get("apiKey").filter(|inner| inner.is_object());
    let names = ["apiKey", "api_key", "key", "rawKey"];
    text(inner.unwrap_or(data), &names)
        .map(Secret::new)
        .ok_or_else(|| incomplete("API key"))
}

/// A session, as lists and answers show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    /// What the gateway calls it.
    pub id: SessionId,
    /// What its user calls it.
    pub name: String,
    /// `connected`, or what it is instead.
    pub status: String,
    /// The number of the phone.
    pub phone: String,
    /// When it was last connected.
    pub last: String,
}

/// The sessions of a list.
///
/// # Errors
/// When it is none.
pub(crate) fn sessions(data: &Value) -> Result<Vec<Session>, ApiError> {
    let rows = rows(data, "sessions").ok_or_else(|| incomplete("list of sessions"))?;
    rows.iter().map(session).collect()
}

/// One session.
///
/// # Errors
/// When it has no id that is one.
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
        last: text(data, &["lastConnectedAt", "last_connected_at"]).unwrap_or_default(),
    })
}

/// A new session, with what nobody shows again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CreatedSession {
    /// The session.
    pub session: Session,
    /// Its key.
    pub key: Secret,
    /// Its webhook, if it got one.
    pub webhook: Option<Webhook>,
}

/// A webhook, with what nobody shows again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Webhook {
    /// Where messages are posted to.
    pub url: String,
    /// What they are signed with.
    pub secret: Secret,
}

/// A new session.
///
/// # Errors
/// When it has no id or key.
pub(crate) fn created(data: &Value) -> Result<CreatedSession, ApiError> {
    let key = text(data, &["apiKey", "api_key"]).map(Secret::new);
    let hook = data.get("webhook");
    Ok(CreatedSession {
        session: session(data)?,
        key: key.ok_or_else(|| incomplete("key of the session"))?,
        // The key shall not be lost with a webhook that is none.
        webhook: hook.and_then(|hook| webhook(hook).ok()),
    })
}

/// A new webhook.
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

/// How far a session is on its way to be connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PairingProgress {
    /// The phone scans this.
    Code(String),
    /// The phone has done so.
    Connected,
    /// There is no code yet.
    NotReady,
}

/// How far a session is.
///
/// # Errors
/// When the answer says neither.
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

/// What became of a test of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WebhookDelivery {
    /// Where to.
    pub url: String,
    /// Whether it was taken, if that is said.
    pub taken: Option<bool>,
    /// What answered, or what went wrong.
    pub said: String,
}

/// What became of the test of all webhooks.
///
/// # Errors
/// When that is not said.
pub(crate) fn deliveries(data: &Value) -> Result<Vec<WebhookDelivery>, ApiError> {
    let rows = rows(data, "results").ok_or_else(|| incomplete("list of results"))?;
    let delivery = |row: &Value| WebhookDelivery {
        url: text(row, &["url", "webhookId", "webhook_id"]).unwrap_or_default(),
        taken: ["success", "ok", "delivered"]
            .into_iter()
            .find_map(|name| row.get(name).and_then(Value::as_bool)),
        said: text(row, &["error", "statusCode", "status"]).unwrap_or_default(),
    };
    Ok(rows.iter().map(delivery).collect())
}

/// The user's keys: name, id, since when, last used.
///
/// # Errors
/// When it is no list.
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

/// Recorded messages: when, to whom, of which type, what became of it, its id.
///
/// # Errors
/// When it is no list.
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

/// A list, which may be all that there is or a member of it.
fn rows<'a>(data: &'a Value, name: &str) -> Option<&'a Vec<Value>> {
    data.as_array()
        .or_else(|| data.get(name).and_then(Value::as_array))
}

/// The first of these members that holds something, in one line.
fn text(data: &Value, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| {
        let text = match data.get(name)? {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        (!text.is_empty()).then(|| printable(&text))
    })
}

/// No answer reaches the terminal or another line.
fn printable(text: &str) -> String {
    let replaced = |character: char| {
        if character.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            character
        }
    };
    text.chars().map(replaced).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use serde_json::json;

    fn judged(status: u16, body: &str) -> Result<Value, String> {
        parse(status, body.as_bytes()).map_err(|trouble| trouble.to_string())
    }

    #[test]
    fn success_is_what_says_so_and_has_a_good_status() {
        let good = r#"{"success":true,"data":{"a":1}}"#;
        assert_eq!(judged(200, good), Ok(json!({"a": 1})));
        assert_eq!(judged(201, r#"{"token":"t"}"#), Ok(json!({"token": "t"})));
        assert!(judged(500, good).is_err());
        assert!(judged(302, good).is_err());
        assert!(judged(200, r#"{"success":false}"#).is_err());
        for nonsense in ["", "<html>", "1", "\"ok\"", "[]", "{\"success\":true"] {
            let said = judged(200, nonsense).unwrap_err();
            assert!(said.contains("is not JSON"), "{nonsense}: {said}");
        }
    }

    #[test]
    fn refusal_is_named_by_its_code_else_by_its_status() {
        for (status, body, start) in [
            (
                401,
                r#"{"success":false,"error":{"code":"INVALID_TOKEN","message":"jwt expired"}}"#,
                "the token does not hold, or no longer: it lasts for some days (HTTP status 401 \
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
                "the gateway refused (HTTP status 400: \"no such thing\"): ",
            ),
            (
                418,
                r#"{"success":false,"error":{"code":"TEA\n","message":"a\nb\u001b[31m"}}"#,
                "the gateway refused (HTTP status 418: \"a\\nb\\u{1b}[31m\"): ",
            ),
            (
                403,
                r#"{"error":{"code":"NEW_ONE","message":"x"}}"#,
                "the gateway does not accept who we are (HTTP status 403 NEW_ONE: \"x\"): ",
            ),
            (
                502,
                "<html>",
                "the gateway failed (HTTP status 502: \"<html>\"): ",
            ),
            (
                404,
                "Not Found",
                "there is no such thing at the gateway (HTTP ",
            ),
            (
                301,
                "",
                "the gateway sends elsewhere, and keys are not taken there (HTTP ",
            ),
        ] {
            let said = judged(status, body).unwrap_err();
            assert!(said.starts_with(start), "{said}");
        }
    }

    #[test]
    fn limit_says_how_long_to_wait() {
        let body = br#"{"success":false,"error":{"code":"AUTH_RATE_LIMIT","message":"x"}}"#;
        let trouble = parse(429, body).unwrap_err();
        assert!(trouble.is_rate_limited());
        assert!(trouble.to_string().contains("try again in 60 seconds; "));
        let told = ApiError {
            retry_after: Some(Duration::from_secs(7)),
            ..parse(429, b"slow down").unwrap_err()
        };
        assert!(told.to_string().contains("try again in 7 seconds; "));
    }

    #[test]
    fn progress_is_a_code_a_phone_or_nothing_yet() {
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
    fn lists_are_found_bare_or_named() {
        let row = json!({"session_id": "s", "name": "n\u{1b}", "connected": true});
        for data in [json!([row]), json!({"sessions": [row]})] {
            let listed = sessions(&data).unwrap();
            let Session {
                id, name, status, ..
            } = &listed[0];
            assert_eq!((id.as_str(), name.as_str()), ("s", "n\u{fffd}"));
            assert_eq!(status, "connected");
        }
        assert!(sessions(&json!({"sessions": [{"id": "../x"}]})).is_err());
        assert!(sessions(&json!({})).is_err());
    }
}
