//! A webhook request, read once, so that signature, match and extraction all use the
//! same values.

use hyper::Method;
use hyper::body::Bytes;
use hyper::header::CONTENT_TYPE;
use hyper::http::request::Parts;
use serde_json::Value;

use crate::inbound::decode::{self, Content, DecodeError};

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
}

impl WebhookRequest {
    /// Reads head and body of a request. `token` stood in its path.
    pub(crate) async fn read(head: &Parts, body: Bytes, token: Option<&str>) -> Self {
        let (path, query) = (head.uri.path(), head.uri.query());
        Self::decode(
            head.method.clone(),
            (path, query),
            headers(head),
            body,
            token,
        )
        .await
    }

    /// Decodes a request by its method and Content-Type.
    pub(crate) async fn decode(
        method: Method,
        (path, query): (&str, Option<&str>),
        headers: Vec<(String, String)>,
        body: Bytes,
        token: Option<&str>,
    ) -> Self {
        let parameters = decode::query(query.unwrap_or_default());
        let content = if method == Method::GET {
            Ok(Content::Query(parameters.clone()))
        } else {
            let content_type = once(&headers, CONTENT_TYPE.as_str());
            decode::decode(content_type.unwrap_or_default(), &body).await
        };
        Self {
            method,
            path: path.to_owned(),
            query: query.map(str::to_owned),
            headers,
            body,
            token: token.map(str::to_owned),
            parameters,
            content,
        }
    }

    pub(crate) fn is_get(&self) -> bool {
        self.method == Method::GET
    }

    pub(crate) fn is_form(&self) -> bool {
        decode::is_form(self.content_type())
    }

    pub(crate) fn is_json(&self) -> bool {
        decode::is_json(self.content_type())
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
            Content::Json(_) | Content::Parts(_) => None,
        }
    }

    /// A header that is given once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        once(&self.headers, name)
    }

    fn content_type(&self) -> &str {
        self.header(CONTENT_TYPE.as_str()).unwrap_or_default()
    }
}

/// The value of a name that is given once; with two it is unclear which one counts.
pub(crate) fn once<'a>(pairs: &'a [(String, String)], wanted: &str) -> Option<&'a str> {
    let mut values = pairs.iter().filter(|(name, _)| name == wanted);
    match (values.next(), values.next()) {
        (Some((_, value)), None) => Some(value),
        _ => None,
    }
}

/// Headers, by name in lower case; bytes that are not UTF-8 are replaced.
fn headers(head: &Parts) -> Vec<(String, String)> {
    head.headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect()
}
