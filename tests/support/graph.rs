//! A stand-in for Meta's Graph API, as far as one-time passwords need it: the
//! numbers and templates of an account, and messages in a template. Written from
//! Meta's documentation, it refuses what Meta refuses, with Meta's errors.
//!
//! It has one account, [`WABA`], with one token, [`TOKEN`].

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::provider::Recorded;
use super::{Answer, Provider, wait_for};

/// The `WhatsApp` Business Account.
pub(crate) const WABA: &str = "102290129340398";

/// The access token of the account.
pub(crate) const TOKEN: &str = "EAAJB0123456789abcdefghijklmnopqrstuvwxyz";

/// The default phone number id of the account.
pub(crate) const NUMBER: &str = "106540352242922";

/// A template of the account.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) language: String,
    pub(crate) status: String,
    pub(crate) category: String,
    /// As in the request that created it; else null.
    pub(crate) components: Value,
}

pub(crate) struct State {
    /// Id, number and name of each.
    pub(crate) numbers: Vec<[String; 3]>,
    pub(crate) templates: Vec<Template>,
    /// After this number of requests for the list, pending templates get this status.
    pub(crate) decision: Option<(usize, &'static str)>,
    /// Names of templates that are being deleted.
    pub(crate) deleting: Vec<String>,
    /// Entries of a page, if that is less than the request's limit.
    pub(crate) page_size: usize,
    /// The answer to every request, if set.
    pub(crate) override_all: Option<Answer>,
    /// The answer to every message, if set.
    pub(crate) override_messages: Option<Answer>,
    /// Receiver and code of each message.
    codes: Vec<(String, String)>,
    created: usize,
}

/// The content of `whatsapp-info.json` for an account with this template.
pub(crate) fn info(template: &str) -> String {
    let info = json!({
        "waba_id": WABA, "access_token": TOKEN, "phone_number_id": NUMBER,
        "template_id": template,
    });
    info.to_string()
}

/// The API; it listens until the test ends.
pub(crate) struct Graph {
    pub(crate) provider: Provider,
    state: Arc<Mutex<State>>,
}

impl Graph {
    /// Starts with one number and no template.
    pub(crate) fn start() -> Self {
        let number = [NUMBER, "+1 202-555-0160", "Test Number"];
        let state = State {
            numbers: vec![number.map(str::to_owned)],
            templates: Vec::new(),
            decision: None,
            deleting: Vec::new(),
            page_size: 25,
            override_all: None,
            override_messages: None,
            codes: Vec::new(),
            created: 0,
        };
        let (provider, state) =
            Provider::with_state(state, |state, request| match state.answer(request) {
                Ok(answer) | Err(answer) => answer,
            });
        Self { provider, state }
    }

    /// The value of `api_url`.
    pub(crate) fn url(&self) -> String {
        self.provider.url()
    }

    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap())
    }

    /// Adds a template with this status and the name `otp_ID`; returns its id.
    pub(crate) fn template(&self, status: &str) -> String {
        self.with(|state| {
            let id = state.next_id();
            state.templates.push(Template {
                id: id.clone(),
                name: format!("otp_{id}"),
                language: "en_US".to_owned(),
                status: status.to_owned(),
                category: "AUTHENTICATION".to_owned(),
                components: Value::Null,
            });
            id
        })
    }

    /// Sets the numbers: id, number and name of each.
    pub(crate) fn numbers(&self, numbers: &[[&str; 3]]) {
        let numbers = numbers.iter().map(|number| number.map(str::to_owned));
        self.with(|state| state.numbers = numbers.collect());
    }

    /// Answers every request with this error, until [`Self::recover`].
    pub(crate) fn fail(&self, code: u32, status: u16) {
        let answer = error(status, code, None, "scripted");
        self.with(|state| state.override_all = Some(answer));
    }

    /// Answers every message with this error, until [`Self::recover`].
    pub(crate) fn fail_messages(&self, code: u32, status: u16) {
        let answer = error(status, code, None, "scripted");
        self.with(|state| state.override_messages = Some(answer));
    }

    /// Ends the errors.
    pub(crate) fn recover(&self) {
        self.with(|state| {
            state.override_all = None;
            state.override_messages = None;
        });
    }

    /// Receivers and codes of all messages.
    pub(crate) fn codes(&self) -> Vec<(String, String)> {
        self.with(|state| state.codes.clone())
    }

    /// Waits for `count` codes; returns all of them.
    pub(crate) fn wait_for_codes(&self, count: usize) -> Vec<(String, String)> {
        wait_for(&format!("{count} codes"), || {
            let codes = self.codes();
            (codes.len() >= count).then_some(codes)
        })
    }
}

/// A response, or a refusal.
type Reply = Result<Answer, Answer>;

fn http(status: u16, body: &Value) -> Answer {
    Answer::Http(status, "application/json", body.to_string())
}

/// An error of Meta with this message.
pub(crate) fn error(status: u16, code: u32, subcode: Option<u32>, message: &str) -> Answer {
    let mut error = json!({
        "message": format!("(#{code}) {message}"),
        "type": "OAuthException",
        "code": code,
        "fbtrace_id": "AXsgnV2Cm3ZMGF3dF_cfYIn",
    });
    if let Some(subcode) = subcode {
        error["error_subcode"] = subcode.into();
    }
    http(status, &json!({"error": error}))
}

/// The error for a template; its reason is in another member.
fn template_error(subcode: u32, reason: &str) -> Answer {
    http(
        400,
        &json!({"error": {
            "message": "Invalid parameter", "type": "OAuthException", "code": 100,
            "error_subcode": subcode, "is_transient": false, "error_user_msg": reason,
            "fbtrace_id": "AXsgnV2Cm3ZMGF3dF_cfYIn",
        }}),
    )
}

fn not_found(id: &str) -> Answer {
    let message = format!(
        "Unsupported request. Object with ID '{id}' does not exist, cannot be loaded due to missing \
         permissions, or does not support this operation"
    );
    error(400, 100, Some(33), &message)
}

impl State {
    fn answer(&mut self, request: &Recorded) -> Reply {
        if let Some(answer) = &self.override_all {
            return Ok(answer.clone());
        }
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let parts: Vec<_> = path.trim_start_matches('/').split('/').collect();
        let [version, id, edge] = parts[..] else {
            return Err(error(400, 2500, None, "Unknown path components"));
        };
        assert!(version.starts_with('v') && version.contains('.'), "{path}");
        assert!(!request.path.contains("access_token"), "{}", request.path);
        let given = request.headers.get("authorization").map(String::as_str);
        if given != Some(&format!("Bearer {TOKEN}")) {
            // Meta does not repeat the token; if it did, it must not get into a log.
            let message = format!("Invalid OAuth access token: {}", given.unwrap_or("none"));
            return Err(error(401, 190, None, &message));
        }
        match (request.method.as_str(), edge) {
            ("GET", "phone_numbers") if id == WABA => {
                let rows = self.numbers.iter().map(|[id, number, name]| {
                    json!({"id": id, "display_phone_number": number, "verified_name": name,
                        "quality_rating": "GREEN"})
                });
                let rows: Vec<_> = rows.collect();
                Ok(self.page(path, query, &rows))
            }
            ("GET", "message_templates") if id == WABA => {
                self.decide();
                let rows: Vec<_> = self.templates.iter().map(Template::row).collect();
                Ok(self.page(path, query, &rows))
            }
            ("POST", "message_templates") if id == WABA => self.create(&body(request)?),
            ("POST", "messages") if self.numbers.iter().any(|[known, ..]| known == id) => {
                self.message(&body(request)?)
            }
            _ => Err(not_found(id)),
        }
    }

    /// A page of a list. Its link to the next page has the token, as Meta's has, and
    /// another host: it must not be followed.
    fn page(&self, path: &str, query: &str, rows: &[Value]) -> Answer {
        let get = |name: &str| {
            let mut pairs = form_urlencoded::parse(query.as_bytes());
            let found = pairs.find(|(other, _)| other == name);
            found.map(|(_, value)| value.into_owned())
        };
        let limit = get("limit").map_or(25, |limit| limit.parse().unwrap());
        let start = get("after").map_or(0, |after| {
            let start = after.strip_prefix("after+").expect("one of our cursors");
            start.strip_suffix("==").unwrap().parse().unwrap()
        });
        let end = (start + self.page_size.min(limit)).min(rows.len());
        let mut paging = json!({"cursors": {
            "before": format!("after+{start}=="), "after": format!("after+{end}=="),
        }});
        if end < rows.len() {
            let link = format!(
                "https://graph.facebook.invalid{path}?access_token={TOKEN}&limit={limit}\
                 &after=after%2B{end}%3D%3D"
            );
            paging["next"] = link.into();
        }
        http(200, &json!({"data": rows[start..end], "paging": paging}))
    }

    /// Counts a request for the list of templates.
    fn decide(&mut self) {
        let Some((requests, status)) = &mut self.decision else {
            return;
        };
        if *requests > 0 {
            *requests -= 1;
            return;
        }
        for template in &mut self.templates {
            if template.status == "PENDING" {
                (*status).clone_into(&mut template.status);
            }
        }
    }

    fn next_id(&mut self) -> String {
        self.created += 1;
        format!("{}", 594_425_479_261_596_u64 + self.created as u64)
    }

    fn create(&mut self, body: &Value) -> Reply {
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let (name, language) = (text("name"), text("language"));
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if name.is_empty() || !name.chars().all(allowed) || language.is_empty() {
            return Err(error(400, 100, None, "Param name or language"));
        }
        check_template(body)?;
        let same = |template: &Template| template.name == name && template.language == language;
        if self.deleting.contains(&name) {
            return Err(template_error(
                2_388_023,
                "New English (US) content can't be added while the existing English (US) content is \
                 being deleted. Try again in 4 weeks or consider creating a new message template.",
            ));
        }
        if self.templates.iter().any(same) {
            return Err(template_error(
                2_388_024,
                "There is already English (US) content for this template. You can create a new \
                 template and try again.",
            ));
        }
        let id = self.next_id();
        self.templates.push(Template {
            id: id.clone(),
            name,
            language,
            status: "PENDING".to_owned(),
            category: text("category"),
            components: body["components"].clone(),
        });
        let created = json!({"id": id, "status": "PENDING", "category": text("category")});
        Ok(http(200, &created))
    }

    fn message(&mut self, body: &Value) -> Reply {
        if let Some(answer) = &self.override_messages {
            return Ok(answer.clone());
        }
        let bad = |what: &str| error(400, 100, None, &format!("Invalid parameter: {what}"));
        let to = body["to"].as_str().ok_or_else(|| bad("to"))?;
        if body["messaging_product"] != "whatsapp" || body["type"] != "template" {
            return Err(bad("messaging_product or type"));
        }
        let template = &body["template"];
        let (name, language) = (&template["name"], &template["language"]["code"]);
        let same = |known: &&Template| *name == known.name && *language == known.language;
        let Some(known) = self.templates.iter().find(same) else {
            return Err(error(404, 132_001, None, "Template name does not exist"));
        };
        match known.status.as_str() {
            "APPROVED" => {}
            "PAUSED" => return Err(error(400, 132_015, None, "Template is Paused")),
            "DISABLED" => return Err(error(400, 132_016, None, "Template is Disabled")),
            _ => return Err(error(404, 132_001, None, "Template name does not exist")),
        }
        let code = code(&template["components"])
            .ok_or_else(|| error(400, 132_000, None, "Number of parameters does not match"))?;
        let digits: String = to.chars().filter(char::is_ascii_digit).collect();
        self.codes.push((to.to_owned(), code));
        let number = self.codes.len();
        Ok(http(
            200,
            &json!({
                "messaging_product": "whatsapp",
                "contacts": [{"input": to, "wa_id": digits}],
                "messages": [{"id": format!("wamid.{number}"), "message_status": "accepted"}],
            }),
        ))
    }
}

impl Template {
    fn row(&self) -> Value {
        json!({
            "id": self.id, "name": self.name, "language": self.language, "status": self.status,
            "category": self.category, "parameter_format": "POSITIONAL", "components": [],
            "rejected_reason": if self.status == "REJECTED" { "INVALID_FORMAT" } else { "NONE" },
        })
    }
}

fn body(request: &Recorded) -> Result<Value, Answer> {
    let json = request.headers.get("content-type").map(String::as_str) == Some("application/json");
    let body = serde_json::from_str(&request.body).ok().filter(|_| json);
    body.ok_or_else(|| error(400, 100, None, "The body is not JSON"))
}

/// Checks an authentication template as Meta does.
fn check_template(body: &Value) -> Result<(), Answer> {
    let bad = |what: &str| error(400, 100, None, &format!("Invalid parameter: {what}"));
    if body["category"] != "AUTHENTICATION" {
        return Err(bad("category"));
    }
    let components = body["components"]
        .as_array()
        .ok_or_else(|| bad("components"))?;
    let kinds: Vec<_> = components
        .iter()
        .map(|part| part["type"].as_str())
        .collect();
    if kinds != ["BODY", "FOOTER", "BUTTONS"].map(Some) {
        return Err(bad("components"));
    }
    if !components[0]["add_security_recommendation"].is_boolean() {
        return Err(bad("add_security_recommendation"));
    }
    let minutes = components[1]["code_expiration_minutes"].as_u64();
    if !minutes.is_some_and(|minutes| (1..=90).contains(&minutes)) {
        return Err(bad("code_expiration_minutes"));
    }
    let button = &components[2]["buttons"][0];
    let app = &button["supported_apps"][0];
    let text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    let is_valid = match button["otp_type"].as_str() {
        Some("COPY_CODE") => app.is_null() && button["autofill_text"].is_null(),
        Some("ONE_TAP") => {
            let hash = app["signature_hash"]
                .as_str()
                .is_some_and(|hash| hash.len() == 11);
            text(&app["package_name"]) && hash && text(&button["autofill_text"])
        }
        _ => false,
    };
    if button["type"] == "OTP" && is_valid && text(&button["text"]) {
        return Ok(());
    }
    Err(bad("buttons"))
}

/// The code of a message, which must be in its text and in its button.
fn code(components: &Value) -> Option<String> {
    let [body, button] = components.as_array()?.as_slice() else {
        return None;
    };
    let kinds = [
        &body["type"],
        &button["type"],
        &button["sub_type"],
        &button["index"],
    ];
    let code = |part: &Value| match part["parameters"].as_array()?.as_slice() {
        [only] if only["type"] == "text" => only["text"].as_str().map(str::to_owned),
        _ => None,
    };
    let (shown, copied) = (code(body)?, code(button)?);
    let same = shown == copied && (1..=15).contains(&shown.len());
    (kinds == [&json!("body"), &json!("button"), &json!("url"), &json!("0")] && same)
        .then_some(shown)
}
