//! `[websms]`: the parameters of a request, and how they are written.

use serde_json::Value;

use crate::config::syntax::keys::websms as keys;
use crate::config::syntax::reader::Reader;
use crate::config::syntax::value;
use crate::document::path::JsonPointer;

/// The parameters of a request.
#[derive(Debug, Clone)]
pub struct Parameters {
    pub body_type: BodyType,
    /// Content-Type, if not that of the body type.
    pub content_type: Option<String>,
    /// For the destination number; `None` if `path` or `header` contains it.
    pub key_to: Option<String>,
    /// For the sender's number.
    pub key_from: Option<String>,
    /// For the text; in JSON it may be put in several places.
    pub key_body: Vec<String>,
    /// Sent with every message.
    pub fixed: Vec<(String, Value)>,
    /// Sent with a text that GSM-7 cannot hold, in place of others with the same
    /// name.
    pub ucs2: Vec<(String, Value)>,
}

/// How parameters are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyType {
    /// `application/x-www-form-urlencoded`.
    Form,
    /// JSON; the name of a parameter is that of a member, or a JSON Pointer.
    Json,
    /// `multipart/form-data`.
    Multipart,
    /// In the URL; there is no body.
    Query,
}

pub(super) const BODY_TYPES: [(&str, BodyType); 4] = [
    ("form", BodyType::Form),
    ("json", BodyType::Json),
    ("query", BodyType::Query),
    ("multipart", BodyType::Multipart),
];

/// Reads one interface; `None` after a mistake, which has been recorded. `fill` fills
/// in the words of the account.
pub(crate) fn read(
    reader: &mut Reader<'_>,
    fill: impl Fn(&str) -> Result<String, String>,
) -> Option<Parameters> {
    let body_type = reader.choose(&keys::BODY_TYPE, &BODY_TYPES);
    let content_type = reader.read(&keys::CONTENT_TYPE);
    let key_to = reader.read(&keys::KEY_TO);
    let key_from = reader.read(&keys::KEY_FROM);
    let body_type = body_type?;
    let key_body = reader.read_as(&keys::KEY_BODY, |raw| key_body(body_type, raw));
    let read_fixed = |raw: &str| fixed(body_type, &fill(raw)?);
    let fixed = reader.read_as(&keys::VAL_STATIC, read_fixed);
    let extra = reader.read_as(&keys::VAL_EXTRA, read_fixed);
    let ucs2 = reader.read_as(&keys::VAL_UCS2, read_fixed);
    let fixed = fixed
        .zip(extra)
        .map(|(fixed, extra)| [fixed, extra].concat());
    Some(Parameters {
        body_type,
        content_type: content_type?,
        key_to: key_to?,
        key_from: key_from?,
        key_body: key_body?,
        fixed: fixed?,
        ucs2: ucs2?,
    })
}

/// The parameters for the text: one, or in JSON several JSON Pointers.
fn key_body(body_type: BodyType, raw: &str) -> Result<Vec<String>, String> {
    if body_type == BodyType::Json && raw.starts_with('/') {
        return value::words(raw);
    }
    Ok(value::optional(raw)?.into_iter().collect())
}

/// Pairs of names and values. In JSON the value of `name:=true` is not text but
/// what it looks like.
pub(super) fn fixed(body_type: BodyType, raw: &str) -> Result<Vec<(String, Value)>, String> {
    let pair = |(key, value): (String, String)| {
        let Some(name) = key
            .strip_suffix(':')
            .filter(|_| body_type == BodyType::Json)
        else {
            return Ok((key, Value::String(value)));
        };
        let scalar = serde_json::from_str(&value)
            .ok()
            .filter(|value: &Value| !value.is_object() && !value.is_array());
        scalar
            .map(|scalar| (name.to_owned(), scalar))
            .ok_or_else(|| format!("expected true, false, null or a number after {name}:="))
    };
    value::pairs(raw)?.into_iter().map(pair).collect()
}

/// Where a parameter is put in JSON.
///
/// # Errors
/// When its name starts like a JSON Pointer and is not one.
pub(crate) fn pointer(name: &str) -> Result<JsonPointer, String> {
    if name.starts_with('/') {
        JsonPointer::parse(name)
    } else {
        Ok(JsonPointer::member(name))
    }
}
