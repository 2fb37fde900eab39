//! A stand-in for a gateway with the SAK WhatsApp API, written from the API guide:
//! users, sessions, keys and webhooks, with permissions and rate limits.
//!
//! It has one user. Responses that the guide shows are as it shows them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{Answer, Provider, provider::Recorded};

pub(crate) const EMAIL: &str = "ops@example.com";
pub(crate) const PASSWORD: &str = "correct horse \"battery\" staple";
pub(crate) const PHONE: &str = "918484830021";

/// Requests of each class that are allowed in a minute.
const LIMITS: [(Class, usize); 3] = [
    (Class::Auth, 5),
    (Class::General, 100),
    (Class::Messaging, 1000),
];

/// Sessions that the user may have.
const SESSIONS_MAX: usize = 3;

/// The rate limit that a request counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Class {
    Auth,
    General,
    Messaging,
}

/// The response to one request for the QR code of a session.
#[derive(Debug, Clone)]
pub(crate) enum QrResponse {
    NotReady,
    Code(&'static str),
    Connected,
    /// Any other response, byte for byte.
    Raw(Vec<u8>),
}

#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) connected: bool,
    pub(crate) webhook: Option<(String, String)>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) sessions: Vec<Session>,
    /// Names and keys.
    pub(crate) user_keys: Vec<(String, String)>,
    pub(crate) tokens: Vec<String>,
    pub(crate) inactive: bool,
    /// The responses to requests for a QR code; the last one is repeated.
    pub(crate) qr_responses: Vec<QrResponse>,
    /// Receiver and text of each message.
    pub(crate) messages: Vec<(String, String)>,
    /// Kind, receiver, caption and content of each file.
    pub(crate) files: Vec<[String; 4]>,
    /// `data.status` of the response to a message; `sent` when empty.
    pub(crate) delivery_status: &'static str,
    /// Requests so far, by class.
    pub(crate) used: HashMap<Class, usize>,
    /// Whether webhooks do not accept a test.
    pub(crate) webhooks_down: bool,
    created: usize,
}

pub(crate) struct Sak {
    pub(crate) provider: Provider,
    state: Arc<Mutex<State>>,
}

impl Sak {
    pub(crate) fn start() -> Self {
        let (provider, state) =
            Provider::with_state(State::default(), |state, request| {
                match state.answer(request) {
                    Ok(answer) | Err(answer) => answer,
                }
            });
        Self { provider, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}/api/v1", self.provider.url())
    }

    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap())
    }

    /// A token, as a login gets it.
    pub(crate) fn token(&self) -> String {
        self.with(State::log_in)
    }

    pub(crate) fn user_key(&self) -> String {
        self.with(|state| state.create_user_key("existing"))
    }

    pub(crate) fn session(&self, name: &str) -> Session {
        self.with(|state| state.create_session(name, None))
    }
}

/// A response, or a refusal.
type Reply = Result<Answer, Answer>;

fn http(status: u16, body: &Value) -> Answer {
    Answer::Http(status, "application/json", body.to_string())
}

fn success(status: u16, data: &Value) -> Answer {
    http(status, &json!({"success": true, "data": data}))
}

fn not_found() -> Answer {
    Answer::Http(404, "text/html", "<html>Cannot GET</html>".to_owned())
}

pub(crate) fn error(status: u16, code: &str, message: &str) -> Answer {
    let error = json!({"code": code, "message": message});
    http(status, &json!({"success": false, "error": error}))
}

impl State {
    fn answer(&mut self, request: &Recorded) -> Reply {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        if (request.method.as_str(), path) == ("GET", "/health") {
            return Ok(http(200, &json!({"status": "healthy", "uptime": 1.5})));
        }
        let path = path.strip_prefix("/api/v1").ok_or_else(not_found)?;
        self.count(path)?;
        let body: Value = serde_json::from_str(&request.body).unwrap_or(Value::Null);
        let mut parts = path.trim_start_matches('/').split('/');
        let collection = parts.next();
        let parts: Vec<_> = std::iter::once(request.method.as_str())
            .chain(parts)
            .collect();
        match collection {
            Some("auth") => self.handle_user(request, &parts, &body),
            Some("sessions") => self.handle_sessions(request, &parts, &body),
            Some("webhooks") => self.handle_webhooks(request, &parts, &body),
            Some("messages") => self.handle_messages(request, &parts, &body, query),
            _ => Err(not_found()),
        }
    }

    fn handle_user(&mut self, request: &Recorded, parts: &[&str], body: &Value) -> Reply {
        match parts {
            ["POST", "login"] => self.login(body),
            ["POST", "api-keys"] => {
                self.require_token(request)?;
                let name = text(body, "name")?;
                let key = self.create_user_key(&name);
                let data = json!({"id": "key-1", "name": name, "apiKey": key});
                Ok(success(201, &data))
            }
            ["GET", "api-keys"] => {
                self.require_token(request)?;
                let row = |(name, _): &(String, String)| json!({"id": "key-1", "name": name, "created_at": "2025-12-20T10:00:00Z"});
                let rows: Vec<_> = self.user_keys.iter().map(row).collect();
                Ok(success(200, &json!(rows)))
            }
            _ => Err(not_found()),
        }
    }

    fn handle_sessions(&mut self, request: &Recorded, parts: &[&str], body: &Value) -> Reply {
        self.require_token_or_user_key(request)?;
        match parts {
            ["POST"] => self.post_session(body),
            ["GET"] => {
                let rows: Vec<_> = self.sessions.iter().map(Session::row).collect();
                Ok(success(200, &json!(rows)))
            }
            ["GET", id, "status"] => {
                let at = self.find(id)?;
                Ok(success(200, &self.sessions[at].status()))
            }
            ["GET", id, "qr"] => {
                let at = self.find(id)?;
                Ok(self.qr(at))
            }
            ["DELETE", id] => {
                let at = self.find(id)?;
                self.sessions.remove(at);
                Ok(success(200, &json!({"message": "Session deleted"})))
            }
            _ => Err(not_found()),
        }
    }

    fn handle_webhooks(&mut self, request: &Recorded, parts: &[&str], body: &Value) -> Reply {
        match parts {
            ["POST"] => {
                self.require_token(request)?;
                let at = self.find(&text(body, "sessionId")?)?;
                let url = text(body, "url")?;
                let secret = self.create_secret("whsec");
                self.sessions[at].webhook = Some((url.clone(), secret.clone()));
                let events = &body["events"];
                let data =
                    json!({"webhookId": "w-1", "url": url, "secret": secret, "events": events});
                Ok(success(201, &data))
            }
            ["POST", "test"] => {
                let at = self.session_of_key(request)?;
                self.test(at, body)
            }
            _ => Err(not_found()),
        }
    }

    fn handle_messages(
        &mut self,
        request: &Recorded,
        parts: &[&str],
        body: &Value,
        query: &str,
    ) -> Reply {
        self.session_of_key(request)?;
        match parts {
            ["POST", "send"] => {
                let message = (number(&text(body, "to")?)?, text(body, "text")?);
                self.messages.push(message);
                Ok(self.accepted())
            }
            [
                "POST",
                kind @ ("send-image" | "send-document" | "send-video"),
            ] => {
                let kind = kind.trim_start_matches("send-");
                let form = fields(request);
                let get = |name: &str| form.get(name).cloned();
                let missing = |name| error(400, "VALIDATION_ERROR", &format!("no {name}"));
                let to = number(&get("to").ok_or_else(|| missing("to"))?)?;
                let file = get(kind).ok_or_else(|| missing("file"))?;
                let caption = get("caption").unwrap_or_default();
                self.files.push([kind.to_owned(), to, caption, file]);
                Ok(self.accepted())
            }
            ["GET", "history"] => Ok(success(200, &self.history(query))),
            _ => Err(not_found()),
        }
    }

    /// The response to a message: 200, whatever its delivery status.
    fn accepted(&self) -> Answer {
        let status = match self.delivery_status {
            "" => "sent",
            status => status,
        };
        success(200, &json!({"messageId": "3EB0", "status": status}))
    }

    fn count(&mut self, path: &str) -> Result<(), Answer> {
        let (class, code) = if path.starts_with("/auth/login") {
            (Class::Auth, "AUTH_RATE_LIMIT")
        } else if path.starts_with("/messages") {
            (Class::Messaging, "API_RATE_LIMIT")
        } else {
            (Class::General, "RATE_LIMIT_EXCEEDED")
        };
        let limit = LIMITS.iter().find(|(of, _)| *of == class).unwrap().1;
        let used = self.used.entry(class).or_default();
        *used += 1;
        if *used > limit {
            return Err(error(429, code, "Too many requests"));
        }
        Ok(())
    }

    /// A unique id or secret.
    fn create_secret(&mut self, kind: &str) -> String {
        self.created += 1;
        format!("{kind}-created-{}", self.created)
    }

    fn log_in(&mut self) -> String {
        let token = format!("eyJhbGciOiJIUzI1NiJ9.{}.sig", self.create_secret("jwt"));
        self.tokens.push(token.clone());
        token
    }

    fn create_user_key(&mut self, name: &str) -> String {
        let key = self.create_secret("uk");
        self.user_keys.push((name.to_owned(), key.clone()));
        key
    }

    fn create_session(&mut self, name: &str, webhook: Option<String>) -> Session {
        let number = self.created;
        let session = Session {
            id: format!("3f0a5f0e-7a39-4f5c-9d8f-{number:012}"),
            key: self.create_secret("sk"),
            name: name.to_owned(),
            connected: false,
            webhook: webhook.map(|url| (url, self.create_secret("whsec"))),
        };
        self.sessions.push(session.clone());
        session
    }

    fn login(&mut self, body: &Value) -> Reply {
        let (email, password) = (text(body, "email")?, text(body, "password")?);
        if (email.as_str(), password.as_str()) != (EMAIL, PASSWORD) {
            let message = format!("{password} is not the password of {email}");
            return Err(error(401, "AUTH_FAILED", &message));
        }
        let token = self.log_in();
        let data = json!({"token": token, "user": {"email": email}});
        Ok(success(200, &data))
    }

    /// The request needs a token.
    fn require_token(&self, request: &Recorded) -> Result<(), Answer> {
        let given = request.headers.get("authorization");
        let token = given.and_then(|given| given.strip_prefix("Bearer "));
        let token = token.ok_or_else(|| error(401, "NO_TOKEN", "No token provided"))?;
        if !self.tokens.iter().any(|known| known == token) {
            let message = format!("jwt {token} expired");
            return Err(error(401, "INVALID_TOKEN", &message));
        }
        self.require_active()
    }

    fn require_active(&self) -> Result<(), Answer> {
        if self.inactive {
            return Err(error(403, "USER_INACTIVE", "User is inactive"));
        }
        Ok(())
    }

    /// The request needs a token or a user's key.
    fn require_token_or_user_key(&self, request: &Recorded) -> Result<(), Answer> {
        let Some(key) = request.headers.get("x-api-key") else {
            if request.headers.contains_key("authorization") {
                return self.require_token(request);
            }
            return Err(error(401, "AUTHENTICATION_REQUIRED", "Log in"));
        };
        if !self.user_keys.iter().any(|(_, known)| known == key) {
            return Err(error(403, "INVALID_API_KEY", "Invalid API key"));
        }
        self.require_active()
    }

    /// The session of a session key, or of a user's key and a header.
    fn session_of_key(&self, request: &Recorded) -> Result<usize, Answer> {
        let key = request.headers.get("x-api-key");
        let key = key.ok_or_else(|| error(401, "NO_API_KEY", "API key required"))?;
        let of_key = |session: &Session| session.key == *key;
        if let Some(at) = self.sessions.iter().position(of_key) {
            return Ok(at);
        }
        if !self.user_keys.iter().any(|(_, known)| known == key) {
            let message = format!("{key} is no API key");
            return Err(error(403, "INVALID_API_KEY", &message));
        }
        let id = request.headers.get("x-session-id");
        let id = id.ok_or_else(|| error(400, "SESSION_ID_REQUIRED", "sessionId required"))?;
        let of_id = |session: &Session| session.id == *id;
        let found = self.sessions.iter().position(of_id);
        found.ok_or_else(|| error(403, "INVALID_SESSION", "Not your session"))
    }

    fn find(&self, id: &str) -> Result<usize, Answer> {
        let found = self.sessions.iter().position(|session| session.id == id);
        found.ok_or_else(|| error(404, "SESSION_NOT_FOUND", "Session not found"))
    }

    fn post_session(&mut self, body: &Value) -> Reply {
        let name = text(body, "name")?;
        if self.sessions.len() >= SESSIONS_MAX {
            return Err(error(403, "SESSION_LIMIT_REACHED", "Upgrade your plan"));
        }
        let url = body["webhook"]["url"].as_str().map(str::to_owned);
        let session = self.create_session(&name, url);
        let mut data = json!({
            "sessionId": session.id,
            "apiKey": session.key,
            "name": name,
            "status": "pending",
            "message": "Scan QR code to connect",
        });
        if let Some((url, secret)) = session.webhook {
            let events = &body["webhook"]["events"];
            data["webhook"] = json!({"id": "w-1", "url": url, "events": events, "secret": secret});
        }
        Ok(success(201, &data))
    }

    fn qr(&mut self, at: usize) -> Answer {
        let response = if self.qr_responses.len() > 1 {
            self.qr_responses.remove(0)
        } else {
            let only = self.qr_responses.first().cloned();
            only.unwrap_or(QrResponse::NotReady)
        };
        let (code, connected) = match response {
            QrResponse::NotReady => (None, false),
            QrResponse::Code(code) => (Some(code), false),
            QrResponse::Connected => (None, true),
            QrResponse::Raw(bytes) => return Answer::Raw(bytes),
        };
        self.sessions[at].connected = connected;
        let message = "QR not ready yet, retry shortly";
        success(
            200,
            &json!({"qrCode": code, "connected": connected, "message": message}),
        )
    }

    fn test(&self, at: usize, body: &Value) -> Reply {
        let session = &self.sessions[at];
        let result = |(url, _): &(String, String)| {
            if self.webhooks_down {
                json!({"url": url, "success": false, "error": "connect ECONNREFUSED"})
            } else {
                json!({"url": url, "success": true, "status": 200})
            }
        };
        let results: Vec<_> = session.webhook.iter().map(result).collect();
        let data = json!({
            "sessionId": session.id,
            "event": text(body, "event")?,
            "attempted": results.len(),
            "results": results,
        });
        Ok(success(200, &data))
    }

    fn history(&self, query: &str) -> Value {
        let query: HashMap<_, _> = form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        let number = |name: &str| query[name].parse::<usize>().unwrap();
        let rows: Vec<_> = self
            .messages
            .iter()
            .zip(1..)
            .map(|((to, _), number)| {
                json!({
                    "message_id": format!("3EB{number}"),
                    "to_number": to,
                    "message_type": "text",
                    "status": "sent",
                    "created_at": "2025-12-20T10:00:00Z",
                })
            })
            .skip(number("offset"))
            .take(number("limit"))
            .collect();
        json!({"messages": rows})
    }
}

impl Session {
    fn row(&self) -> Value {
        let status = if self.connected {
            "connected"
        } else {
            "pending"
        };
        json!({"id": self.id, "name": self.name, "status": status, "phone_number": null})
    }

    fn status(&self) -> Value {
        json!({
            "sessionId": self.id,
            "name": self.name,
            "connected": self.connected,
            "phoneNumber": self.connected.then_some(PHONE),
            "lastConnectedAt": self.connected.then_some("2025-12-20T10:00:00Z"),
        })
    }
}

fn text(body: &Value, name: &str) -> Result<String, Answer> {
    let text = body[name].as_str().filter(|text| !text.is_empty());
    let missing = || error(400, "VALIDATION_ERROR", &format!("{name} is required"));
    text.map(str::to_owned).ok_or_else(missing)
}

/// A number as the gateway dials it (section 6 of the guide).
fn number(to: &str) -> Result<String, Answer> {
    let digits: String = to.chars().filter(char::is_ascii_digit).collect();
    let digits = if digits.len() == 10 && !digits.starts_with("91") {
        format!("91{digits}")
    } else {
        digits
    };
    if !(8..=15).contains(&digits.len()) {
        return Err(error(400, "INVALID_PHONE_NUMBER", "Invalid phone number"));
    }
    Ok(digits)
}

/// The fields of a multipart form; files with their content.
fn fields(request: &Recorded) -> HashMap<String, String> {
    let content_type = request
        .headers
        .get("content-type")
        .cloned()
        .unwrap_or_default();
    let boundary = content_type.split_once("boundary=").map_or("", |(_, b)| b);
    let mut fields = HashMap::new();
    for part in request.body.split(&format!("--{boundary}\r\n")).skip(1) {
        let (head, content) = part.split_once("\r\n\r\n").unwrap();
        let name = head.split("name=\"").nth(1).unwrap();
        let name = name.split('"').next().unwrap().to_owned();
        let end = content
            .find(&format!("\r\n--{boundary}"))
            .unwrap_or(content.len());
        let content = content[..end].trim_end_matches("\r\n");
        fields.insert(name, content.to_owned());
    }
    fields
}
