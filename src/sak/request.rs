//! A chore to a request: method, path, body, and the credential that it goes
//! under.

use std::fmt;

use serde_json::{Value, json};

use crate::config::SessionId;
use crate::http::client::json_api::{ApiMethod, ApiRequest};
use crate::secret::Secret;

/// What a phone writes to us; the one event that gateways post.
const RECEIVED: &str = "message.received";

/// Header of the API keys.
const API_KEY: &str = "x-api-key";

/// Something to ask of the gateway.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SakRequest<'a> {
    /// Whether it is there; outside the API's prefix, or inside.
    Health {
        /// Inside it.
        inside: bool,
    },
    /// The messages that it has recorded.
    History {
        /// Whose; `None` is that of the key.
        session: Option<&'a SessionId>,
        /// How many at most.
        limit: u32,
        /// How many to pass over.
        offset: u32,
    },
    /// A new key of the user.
    KeyCreate {
        /// What it is called.
        name: &'a str,
    },
    /// The user's keys, without what they are.
    KeyList,
    /// A token for the user.
    Login {
        /// Who.
        email: &'a str,
        /// With which password.
        password: &'a Secret,
    },
    /// The code that a phone scans.
    Qr {
        /// For which session.
        session: &'a SessionId,
    },
    /// A new session.
    SessionCreate {
        /// What it is called.
        name: &'a str,
        /// Where its messages are posted to.
        webhook: Option<&'a str>,
    },
    /// The end of a session.
    SessionDelete {
        /// Which.
        session: &'a SessionId,
    },
    /// All sessions.
    SessionList,
    /// Whether a session's phone is connected.
    SessionStatus {
        /// Which.
        session: &'a SessionId,
    },
    /// Where messages are posted to from now on.
    WebhookRegister {
        /// Those of which session.
        session: &'a SessionId,
        /// Where to.
        url: &'a str,
    },
    /// A message that nobody wrote, to the webhook.
    WebhookTest {
        /// That of which session; `None` is that of the key.
        session: Option<&'a SessionId>,
    },
}

/// What the configuration says of who we are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Credentials {
    /// The JWT.
    pub token: Option<Secret>,
    /// API key of the user.
    pub user_key: Option<Secret>,
    /// API key of `session`.
    pub session_key: Option<Secret>,
    /// The session that is meant when none is named.
    pub session: Option<SessionId>,
}

impl Credentials {
    /// What nobody shall read.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        [&self.token, &self.user_key, &self.session_key]
            .into_iter()
            .flatten()
    }
}

/// A credential that the chore needs and the configuration does not have. The
/// administrator must get it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MissingCredential {
    /// A key for messages of a session.
    MessageKey,
    /// The session that a user key is to be used for.
    Session,
    /// The key of the session that is named, which is not the configured one.
    SessionKey,
    /// A token.
    Token,
    /// A token or a user key.
    TokenOrUserKey,
}

/// Makes the request for a chore.
///
/// # Errors
/// When it needs a credential that is not there.
pub(crate) fn build(
    chore: &SakRequest<'_>,
    credentials: &Credentials,
) -> Result<ApiRequest, MissingCredential> {
    let (method, path, body) = content(chore);
    Ok(ApiRequest {
        method,
        path,
        at_host_root: matches!(chore, SakRequest::Health { inside: false }),
        body,
        headers: headers(chore, credentials)?,
    })
}

/// Whether a chore of messages needs to know the session: a user key is good for
/// all of them.
#[must_use]
pub(crate) fn needs_session(credentials: &Credentials, named: Option<&SessionId>) -> bool {
    for_messages(credentials, named) == Err(MissingCredential::Session)
}

fn content(chore: &SakRequest<'_>) -> (ApiMethod, String, Option<Value>) {
    use ApiMethod::{Delete, Get, Post};
    let (method, path, body) = match *chore {
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
    chore: &SakRequest<'_>,
    credentials: &Credentials,
) -> Result<Vec<(&'static str, Secret)>, MissingCredential> {
    match *chore {
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

/// The user key before the token, which is good for some days only.
fn for_sessions(
    credentials: &Credentials,
) -> Result<Vec<(&'static str, Secret)>, MissingCredential> {
    let key = credentials.user_key.clone().map(|key| (API_KEY, key));
    key.or_else(|| credentials.token.as_ref().map(bearer))
        .map(|header| vec![header])
        .ok_or(MissingCredential::TokenOrUserKey)
}

/// The key of the session, which says which one it is; else that of the user,
/// with the session beside it.
fn for_messages(
    credentials: &Credentials,
    named: Option<&SessionId>,
) -> Result<Vec<(&'static str, Secret)>, MissingCredential> {
    let of_key = named.is_none() || named == credentials.session.as_ref();
    if let Some(key) = credentials.session_key.as_ref().filter(|_| of_key) {
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

impl fmt::Display for MissingCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MessageKey => {
                "this needs the key of the session: set session_key in [whatsapp], which `whatsapp \
                 session create` shows once; or user_key, which `whatsapp api-key create` makes"
            }
            Self::Session => {
                "this needs a session: name it, or set session in [whatsapp]; `whatsapp session \
                 list` shows them"
            }
            Self::SessionKey => {
                "session_key in [whatsapp] is not known to be of this session: set session to the \
                 one that it is of, or user_key, which is good for all and which `whatsapp \
                 api-key create` makes"
            }
            Self::Token => {
                "this needs a token, keys are not enough: set token = file:/path in [whatsapp] \
                 and run `whatsapp login EMAIL`, which writes it there"
            }
            Self::TokenOrUserKey => {
                "this needs a token or the user's key: set token = file:/path in [whatsapp] and \
                 run `whatsapp login EMAIL`, which writes it there; or set user_key, which \
                 `whatsapp api-key create` makes"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn chore_goes_under_the_credential_that_it_needs() {
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
        for (chore, have, expected) in [
            (login, "tuks", Ok("")),
            (SakRequest::Health { inside: false }, "tuks", Ok("")),
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
            let built = build(&chore, &credentials(have)).map(|request| request.headers);
            let expected = expected.map(str::to_owned);
            assert_eq!(shown(built), expected, "{chore:?} with {have}");
        }
    }

    #[track_caller]
    fn assert_request(chore: SakRequest<'_>, method: ApiMethod, path: &str, body: Option<Value>) {
        let request = build(&chore, &credentials("tuks")).unwrap();
        let built = (request.method, request.path.as_str(), request.body);
        assert_eq!(built, (method, path, body));
    }

    #[test]
    fn what_is_looked_at_is_named_in_the_path() {
        let session: SessionId = "S".parse().unwrap();
        let session = &session;
        let history = SakRequest::History {
            session: None,
            limit: 50,
            offset: 0,
        };
        for (chore, path) in [
            (SakRequest::Health { inside: true }, "/health"),
            (SakRequest::KeyList, "/auth/api-keys"),
            (SakRequest::SessionList, "/sessions"),
            (SakRequest::SessionStatus { session }, "/sessions/S/status"),
            (SakRequest::Qr { session }, "/sessions/S/qr"),
            (history, "/messages/history?limit=50&offset=0"),
        ] {
            assert_request(chore, ApiMethod::Get, path, None);
        }
        let delete = SakRequest::SessionDelete { session };
        assert_request(delete, ApiMethod::Delete, "/sessions/S", None);
    }

    #[test]
    fn what_is_made_is_told_in_the_body() {
        let session: SessionId = "S".parse().unwrap();
        let (session, password) = (&session, &secret("p"));
        let (email, name, url) = ("e", "n", "https://h");
        let events = json!(["message.received"]);
        let create = |webhook| SakRequest::SessionCreate { name, webhook };
        let test = "Test of asterisk-websms";
        for (chore, path, body) in [
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
            assert_request(chore, ApiMethod::Post, path, Some(body));
        }
    }
}
