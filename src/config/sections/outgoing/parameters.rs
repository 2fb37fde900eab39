//! `[websms]`: which parameter says what, and how parameters are written.

use serde_json::Value;

use crate::config::syntax::keys::websms as keys;
use crate::config::syntax::reader::Reader;
use crate::config::syntax::value;
use crate::document::path::JsonPointer;

/// The parameters of a request.
#[derive(Debug, Clone)]
pub struct Parameters {
    /// How they are written.
    pub body_type: BodyType,
    /// The Content-Type, if not that of the body type.
    pub content_type: Option<String>,
    /// The one that carries the destination number; `None` when `path` or
    /// `header` does.
    pub key_to: Option<String>,
    /// The one that carries the originating number.
    pub key_from: Option<String>,
    /// Those that carry the text; in JSON it may stand in several places.
    pub key_body: Vec<String>,
    /// Those that are always sent.
    pub fixed: Vec<(String, Value)>,
    /// Those that go with a text that GSM-7 cannot hold, in place of others of
    /// their names.
    pub ucs2: Vec<(String, Value)>,
}

/// How parameters are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyType {
    /// `application/x-www-form-urlencoded`.
    Form,
    /// JSON; a parameter's name is a member's, or a JSON Pointer.
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

/// Reads the parameters of one interface; `None` when there was a mistake, which
/// has been noted. `fill` puts in what is known of the account.
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

/// The parameters that carry the text: one, or in JSON several JSON Pointers.
fn key_body(body_type: BodyType, raw: &str) -> Result<Vec<String>, String> {
    if body_type == BodyType::Json && raw.starts_with('/') {
        return value::words(raw);
    }
    Ok(value::optional(raw)?.into_iter().collect())
}

/// Pairs of names and values. In JSON `name:=true` is no text but what it looks
/// like.
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
            .ok_or_else(|| {
                format!("{name}:= is followed by neither true, false, null nor a number")
            })
    };
    value::pairs(raw)?.into_iter().map(pair).collect()
}

/// Where a parameter of that name goes in JSON.
///
/// # Errors
/// When it starts like a JSON Pointer and is none.
pub(crate) fn pointer(name: &str) -> Result<JsonPointer, String> {
    if name.starts_with('/') {
        JsonPointer::parse(name)
    } else {
        Ok(JsonPointer::member(name))
    }
}
