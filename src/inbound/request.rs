//! A webhook request, read once, so that signature, match and extraction all use the
//! same values.

use hyper::Method;
use hyper::body::Bytes;
use hyper::http::request::Parts;
use serde_json::Value;

use crate::config::BodyFormat;
use crate::inbound::decode::{self, Content, DecodeError};
use crate::inbound::endpoint::Endpoint;
use crate::inbound::pairs::once;
use crate::model::character_set;

/// A request as it was received, and its content.
#[derive(Debug, Clone)]
pub(crate) struct WebhookRequest {
    pub method: Method,
    /// As received, still percent-encoded.
    pub path: String,
    /// The part after the `?`, as received.
    pub query: Option<String>,
    /// Names in lower case and values.
    pub headers: Vec<(String, String)>,
    /// As received: most signatures are over these bytes.
    pub body: Bytes,
    /// The part of the path in the place of the token.
    pub token: Option<String>,
    /// The query, decoded.
    pub parameters: Vec<(String, String)>,
    /// The fields of messages: the query of a GET, else the body. An error
    /// counts only when the request is authentic.
    pub content: Result<Content, DecodeError>,
    /// Whether a text has a character set that nobody has declared.
    pub guessed: bool,
    /// Whether the interface, not the request, says what the body is.
    pub typed: bool,
}

impl WebhookRequest {
    /// Reads head and body of a request to an endpoint.
    pub(crate) async fn read(head: &Parts, body: Bytes, endpoint: &Endpoint) -> Self {
        let (path, query) = (head.uri.path(), head.uri.query());
        let method = head.method.clone();
        Self::decode(method, (path, query), headers(head), body, endpoint).await
    }

    /// Decodes a request by its method and Content-Type, and as the interface says.
    pub(crate) async fn decode(
        method: Method,
        (path, query): (&str, Option<&str>),
        headers: Vec<(String, String)>,
        body: Bytes,
        endpoint: &Endpoint,
    ) -> Self {
        let settings = &endpoint.settings.body;
        let encoded = query.unwrap_or_default();
        let decoded = if method == Method::GET {
            decode::decode_query(&headers, encoded, settings)
        } else {
            let auth = endpoint.settings.auth.as_ref();
            let signed = auth.is_some_and(|it| it.scheme.signs());
            decode::decode(&headers, &body, settings, signed).await
        };
        let guessed = decoded.as_ref().is_ok_and(|decoded| decoded.guessed);
        Self {
            method,
            path: path.to_owned(),
            query: query.map(str::to_owned),
            headers,
            body,
            token: endpoint.token(path).map(str::to_owned),
            parameters: decode::query(encoded),
            content: decoded.map(|decoded| decoded.content),
            guessed,
            typed: settings.format != BodyFormat::Auto,
        }
    }

    pub(crate) fn is_get(&self) -> bool {
        self.method == Method::GET
    }

    pub(crate) fn is_form(&self) -> bool {
        matches!(self.content, Ok(Content::Form(_)))
    }

    /// The fields of an urlencoded form; none when the body is something else.
    pub(crate) fn form(&self) -> &[(String, String)] {
        match &self.content {
            Ok(Content::Form(fields)) => fields,
            _ => &[],
        }
    }

    /// The top-level names and values of the content: parameters of a GET, fields of
    /// an urlencoded form, members of a JSON object. `None` when it is something else.
    pub(crate) fn members(&self) -> Option<Vec<(String, Value)>> {
        match self.content.as_ref().ok()? {
            Content::Form(fields) | Content::Query(fields) => {
                let texts = fields.iter().cloned();
                Some(texts.map(|(name, text)| (name, text.into())).collect())
            }
            Content::Json(Value::Object(members)) => Some(members.clone().into_iter().collect()),
            Content::Json(_) | Content::Parts(_) | Content::Text(_) => None,
        }
    }

    /// A header that is given once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        once(&self.headers, name)
    }
}

/// Headers, by name in lower case.
fn headers(head: &Parts) -> Vec<(String, String)> {
    head.headers
        .iter()
        .map(|(name, value)| {
            let value = character_set::decode(value.as_bytes(), None).text;
            (name.as_str().to_owned(), value)
        })
        .collect()
}
