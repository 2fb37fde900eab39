//! Requests to the gateway's API: method, path, body, and the credential.

use serde_json::{Value, json};
use thiserror::Error;

use crate::config::SessionId;
use crate::http::client::json_api::{ApiMethod, ApiRequest};
use crate::secret::Secret;

/// The only webhook event that is used: a message from a phone.
const RECEIVED: &str = "message.received";

/// The header for API keys.
const API_KEY: &str = "x-api-key";

#[derive(Debug, Clone, Copy)]
pub(crate) enum SakRequest<'a> {
    Health {
        /// Whether the API's prefix is left out of the path.
        at_host_root: bool,
    },
    /// Lists messages that the gateway has recorded.
    History {
        /// `None` is the session of the key.
        session: Option<&'a SessionId>,
        limit: u32,
        offset: u32,
    },
    /// Creates an API key of the user.
    KeyCreate {
        name: &'a str,
    },
    /// Lists the user's keys without their values.
    KeyList,
    /// Gets a token.
    Login {
        email: &'a str,
        password: &'a Secret,
    },
    /// Gets the code that a phone scans.
    Qr {
        session: &'a SessionId,
    },
    SessionCreate {
        name: &'a str,
        /// The URL that messages are posted to.
        webhook: Option<&'a str>,
    },
    SessionDelete {
        session: &'a SessionId,
    },
    SessionList,
    /// Whether the phone of a session is connected.
    SessionStatus {
        session: &'a SessionId,
    },
    /// Sets the URL that messages are posted to.
    WebhookRegister {
        session: &'a SessionId,
        url: &'a str,
    },
    /// Posts a test message to the webhook.
    WebhookTest {
        /// `None` is the session of the key.
        session: Option<&'a SessionId>,
    },
}

/// The configured credentials.
#[derive(Debug, Clone, Default)]
pub(crate) struct Credentials {
    /// A JWT.
    pub token: Option<Secret>,
    /// The API key of the user.
    pub user_key: Option<Secret>,
    /// The API key of `session`.
    pub session_key: Option<Secret>,
    /// The session when no other one is named.
    pub session: Option<SessionId>,
}

impl Credentials {
    /// The values that must not be shown.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        [&self.token, &self.user_key, &self.session_key]
            .into_iter()
            .flatten()
    }
}

/// A credential that a request needs and the configuration does not have. The
/// texts are whole sentences for the administrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum MissingCredential {
    /// A key for messages of a session.
    #[error(
        "this needs the key of the session: set session_key in [whatsapp], which `whatsapp session \
         create` shows once; or user_key, which `whatsapp api-key create` creates"
    )]
    MessageKey,
    /// The session that a user key is to be used for.
    #[error(
        "this needs a session: name it, or set session in [whatsapp]; `whatsapp session list` \
         lists the sessions"
    )]
    Session,
    /// The key of the named session, which is not the configured one.
    #[error(
        "session_key in [whatsapp] is not known to be of this session: set session to the one that \
         the key belongs to, or user_key, which is valid for all sessions and which `whatsapp \
         api-key create` creates"
    )]
    SessionKey,
    #[error(
        "this needs a token, a key is not enough: set token = file:/path in [whatsapp] and run \
         `whatsapp login EMAIL`, which writes the token to that file"
    )]
    Token,
    #[error(
        "this needs a token or the user's key: set token = file:/path in [whatsapp] and run \
         `whatsapp login EMAIL`, which writes the token to that file; or set user_key, which \
         `whatsapp api-key create` creates"
    )]
    TokenOrUserKey,
}

/// Builds the HTTP request.
///
/// # Errors
/// When a credential is missing.
pub(crate) fn build(
    request: &SakRequest<'_>,
    credentials: &Credentials,
) -> Result<ApiRequest, MissingCredential> {
    let (method, path, body) = content(request);
    Ok(ApiRequest {
        method,
        path,
        at_host_root: matches!(request, SakRequest::Health { at_host_root: true }),
        body,
        headers: headers(request, credentials)?,
    })
}

/// Whether a request about messages needs a session: a user key is valid for all
/// sessions.
pub(crate) fn needs_session(credentials: &Credentials, named: Option<&SessionId>) -> bool {
    for_messages(credentials, named) == Err(MissingCredential::Session)
}

fn content(request: &SakRequest<'_>) -> (ApiMethod, String, Option<Value>) {
    use ApiMethod::{Delete, Get, Post};
    let (method, path, body) = match *request {
        SakRequest::Health { .. } => (Get, "/health".to_owned(), None),
        SakRequest::History { limit, offset, .. } => {
            let path = format!("/messages/history?limit={limit}&offset={offset}");
            return (Get, path, None);
        }
        SakRequest::KeyCreate { name } => {
            (Post, "/auth/api-keys".into(), Some(json!({"name": name})))
        }
        SakRequest::KeyList => (Get, "/auth/api-keys".to_owned(), None),
        SakRequest::Login { email, password } => {
            let body = json!({"email": email, "password": password.expose()});
            (Post, "/auth/login".to_owned(), Some(body))
        }
        SakRequest::Qr { session } => (Get, format!("/sessions/{session}/qr"), None),
        SakRequest::SessionCreate { name, webhook } => {
            let mut body = json!({"name": name});
            if let (Some(url), Some(body)) = (webhook, body.as_object_mut()) {
                let webhook = json!({"url": url, "events": [RECEIVED]});
                body.insert("webhook".to_owned(), webhook);
            }
            (Post, "/sessions".to_owned(), Some(body))
        }
        SakRequest::SessionDelete { session } => (Delete, format!("/sessions/{session}"), None),
        SakRequest::SessionList => (Get, "/sessions".to_owned(), None),
        SakRequest::SessionStatus { session } => (Get, format!("/sessions/{session}/status"), None),
        SakRequest::WebhookRegister { session, url } => {
            let body = json!({"sessionId": session.as_str(), "url": url, "events": [RECEIVED]});
            (Post, "/webhooks".to_owned(), Some(body))
        }
        SakRequest::WebhookTest { .. } => {
            let body = json!({"event": RECEIVED, "message": "Test of asterisk-websms"});
            (Post, "/webhooks/test".to_owned(), Some(body))
        }
    };
    (method, path, body)
}

fn headers(
    request: &SakRequest<'_>,
    credentials: &Credentials,
) -> Result<Vec<(&'static str, Secret)>, MissingCredential> {
    match *request {
        SakRequest::Health { .. } | SakRequest::Login { .. } => Ok(Vec::new()),
        SakRequest::KeyCreate { .. } | SakRequest::KeyList | SakRequest::WebhookRegister { .. } => {
            let token = credentials.token.as_ref().ok_or(MissingCredential::Token)?;
            Ok(vec![bearer(token)])
        }
        SakRequest::Qr { .. }
        | SakRequest::SessionCreate { .. }
        | SakRequest::SessionDelete { .. }
        | SakRequest::SessionList
        | SakRequest::SessionStatus { .. } => for_sessions(credentials),
        SakRequest::History { session, .. } | SakRequest::WebhookTest { session } => {
            for_messages(credentials, session)
        }
    }
}

fn bearer(token: &Secret) -> (&'static str, Secret) {
    let value = format!("Bearer {}", token.expose());
    ("authorization", Secret::new(value))
}

/// Prefers the user key, because a token expires after some days.
fn for_sessions(
    credentials: &Credentials,
) -> Result<Vec<(&'static str, Secret)>, MissingCredential> {
    let key = credentials.user_key.clone().map(|key| (API_KEY, key));
    key.or_else(|| credentials.token.as_ref().map(bearer))
        .map(|header| vec![header])
        .ok_or(MissingCredential::TokenOrUserKey)
}

/// Prefers the session key, which implies the session; else the user key with a
/// session header.
fn for_messages(
    credentials: &Credentials,
    named: Option<&SessionId>,
) -> Result<Vec<(&'static str, Secret)>, MissingCredential> {
    let is_of_key = named.is_none() || named == credentials.session.as_ref();
    if let Some(key) = credentials.session_key.as_ref().filter(|_| is_of_key) {
        return Ok(vec![(API_KEY, key.clone())]);
    }
    let Some(key) = &credentials.user_key else {
        return Err(match credentials.session_key {
            None => MissingCredential::MessageKey,
            Some(_) => MissingCredential::SessionKey,
        });
    };
    let session = named.or(credentials.session.as_ref());
    let session = session.ok_or(MissingCredential::Session)?;
    let session = Secret::new(session.as_str().to_owned());
    Ok(vec![(API_KEY, key.clone()), ("x-session-id", session)])
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEALTH: SakRequest<'_> = SakRequest::Health {
        at_host_root: false,
    };

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    /// Header names and values.
    fn shown(
        headers: Result<Vec<(&'static str, Secret)>, MissingCredential>,
    ) -> Result<String, MissingCredential> {
        let line = |(name, value): (&str, Secret)| format!("{name}={}", value.expose());
        let lines: Vec<_> = headers?.into_iter().map(line).collect();
        Ok(lines.join(" "))
    }

    fn credentials(which: &str) -> Credentials {
        let has = |letter, text| which.contains(letter).then(|| secret(text));
        Credentials {
            token: has('t', "T"),
            user_key: has('u', "U"),
            session_key: has('k', "K"),
            session: which.contains('s').then(|| "S".parse().unwrap()),
        }
    }

    #[test]
    fn request_has_the_credential_that_it_needs() {
        let (s, other): (SessionId, SessionId) = ("S".parse().unwrap(), "O".parse().unwrap());
        let login = SakRequest::Login {
            email: "e",
            password: &Secret::default(),
        };
        let register = SakRequest::WebhookRegister {
            session: &s,
            url: "u",
        };
        let test = |session| SakRequest::WebhookTest { session };
        let token = Ok("authorization=Bearer T");
        for (request, available, expected) in [
            (login, "tuks", Ok("")),
            (HEALTH, "tuks", Ok("")),
            (register, "tuks", token),
            (register, "uks", Err(MissingCredential::Token)),
            (SakRequest::KeyList, "t", token),
            (
                SakRequest::KeyCreate { name: "n" },
                "u",
                Err(MissingCredential::Token),
            ),
            (SakRequest::SessionList, "t", token),
            (SakRequest::SessionList, "tu", Ok("x-api-key=U")),
            (
                SakRequest::SessionList,
                "ks",
                Err(MissingCredential::TokenOrUserKey),
            ),
            (test(None), "tuk", Ok("x-api-key=K")),
            (test(None), "tus", Ok("x-api-key=U x-session-id=S")),
            (test(None), "tu", Err(MissingCredential::Session)),
            (test(None), "ts", Err(MissingCredential::MessageKey)),
            (test(Some(&s)), "uks", Ok("x-api-key=K")),
            (test(Some(&s)), "k", Err(MissingCredential::SessionKey)),
            (test(Some(&other)), "ks", Err(MissingCredential::SessionKey)),
            (test(Some(&other)), "uks", Ok("x-api-key=U x-session-id=O")),
        ] {
            let built = build(&request, &credentials(available)).map(|built| built.headers);
            let expected = expected.map(str::to_owned);
            assert_eq!(shown(built), expected, "{request:?} with {available}");
        }
    }

    #[track_caller]
    fn assert_built(request: SakRequest<'_>, method: ApiMethod, path: &str, body: Option<Value>) {
        let built = build(&request, &credentials("tuks")).unwrap();
        let built = (built.method, built.path.as_str(), built.body);
        assert_eq!(built, (method, path, body));
    }

    #[test]
    fn get_and_delete_name_the_session_in_the_path() {
        let session: SessionId = "S".parse().unwrap();
        let session = &session;
        let history = SakRequest::History {
            session: None,
            limit: 50,
            offset: 0,
        };
        for (request, path) in [
            (HEALTH, "/health"),
            (SakRequest::KeyList, "/auth/api-keys"),
            (SakRequest::SessionList, "/sessions"),
            (SakRequest::SessionStatus { session }, "/sessions/S/status"),
            (SakRequest::Qr { session }, "/sessions/S/qr"),
            (history, "/messages/history?limit=50&offset=0"),
        ] {
            assert_built(request, ApiMethod::Get, path, None);
        }
        let delete = SakRequest::SessionDelete { session };
        assert_built(delete, ApiMethod::Delete, "/sessions/S", None);
    }

    #[test]
    fn post_has_the_values_in_the_body() {
        let session: SessionId = "S".parse().unwrap();
        let (session, password) = (&session, &secret("p"));
        let (email, name, url) = ("e", "n", "https://h");
        let events = json!(["message.received"]);
        let create = |webhook| SakRequest::SessionCreate { name, webhook };
        let test = "Test of asterisk-websms";
        for (request, path, body) in [
            (
                SakRequest::Login { email, password },
                "/auth/login",
                json!({"email": "e", "password": "p"}),
            ),
            (
                SakRequest::KeyCreate { name },
                "/auth/api-keys",
                json!({"name": "n"}),
            ),
            (create(None), "/sessions", json!({"name": "n"})),
            (
                create(Some(url)),
                "/sessions",
                json!({"name": "n", "webhook": {"url": url, "events": events}}),
            ),
            (
                SakRequest::WebhookRegister { session, url },
                "/webhooks",
                json!({"sessionId": "S", "url": url, "events": events}),
            ),
            (
                SakRequest::WebhookTest { session: None },
                "/webhooks/test",
                json!({"event": "message.received", "message": test}),
            ),
        ] {
            assert_built(request, ApiMethod::Post, path, Some(body));
        }
    }
}
