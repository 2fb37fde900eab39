//! Body of a request to fields, by its Content-Type.

use http_body_util::{BodyDataStream, Full};
use hyper::body::Bytes;
use multer::Multipart;
use serde_json::{Map, Value};

use crate::document::lenient_json;
use crate::model::media_type::essence;

const FORM: &str = "application/x-www-form-urlencoded";

/// The decoded content of a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    /// Fields of an urlencoded form, in the order of the body.
    Form(Vec<(String, String)>),
    /// A JSON document.
    Json(Value),
    /// Fields of a multipart form, in the order of the body.
    Parts(Vec<(String, String)>),
    /// Parameters of the query.
    Query(Vec<(String, String)>),
}

impl Content {
    /// One JSON document, whatever it was: the fields of a form are the members
    /// of an object.
    pub(crate) fn into_value(self) -> Value {
        match self {
            Self::Form(fields) | Self::Parts(fields) | Self::Query(fields) => object(fields),
            Self::Json(value) => value,
        }
    }
}

/// Reads a body. Bytes that are not UTF-8 become U+FFFD.
///
/// # Errors
/// When the type is not supported, or the body is not of that type.
pub(crate) async fn decode(content_type: &str, body: &Bytes) -> Result<Content, DecodeError> {
    if is_json(content_type) {
        return json(body).map(Content::Json);
    }
    match essence(content_type).as_str() {
        FORM => Ok(Content::Form(form(body))),
        "multipart/form-data" => {
            let fields = multipart(content_type, body.clone()).await?;
            Ok(Content::Parts(fields))
        }
        other => Err(DecodeError::Type(other.chars().take(60).collect())),
    }
}

fn json(body: &[u8]) -> Result<Value, DecodeError> {
    lenient_json::parse(body).map_err(|error| DecodeError::Malformed(format!("not JSON: {error}")))
}

/// Whether a Content-Type is that of an urlencoded form.
pub(crate) fn is_form(content_type: &str) -> bool {
    essence(content_type) == FORM
}

/// Whether a Content-Type is that of JSON: `application/json`, or anything that
/// ends with `+json` (RFC 6839).
pub(crate) fn is_json(content_type: &str) -> bool {
    let essence = essence(content_type);
    essence == "application/json" || essence.ends_with("+json")
}

/// The object that fields make. Of a name that is given twice the last one
/// counts, as in PHP.
fn object(fields: Vec<(String, String)>) -> Value {
    fields
        .into_iter()
        .map(|(name, value)| (name, Value::String(value)))
        .collect::<Map<_, _>>()
        .into()
}

/// Names and values of an urlencoded form.
fn form(encoded: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(encoded).into_owned().collect()
}

/// Names and values of a query. Where nothing is separated by `&` it may be by
/// `;`, which some write.
pub(crate) fn query(encoded: &str) -> Vec<(String, String)> {
    if encoded.contains('&') {
        form(encoded.as_bytes())
    } else {
        form(encoded.replace(';', "&").as_bytes())
    }
}

async fn multipart(content_type: &str, body: Bytes) -> Result<Vec<(String, String)>, DecodeError> {
    let malformed = |error: multer::Error| DecodeError::Malformed(format!("not a form: {error}"));
    let boundary = multer::parse_boundary(content_type).map_err(malformed)?;
    let stream = BodyDataStream::new(Full::<Bytes>::from(body));
    let mut multipart = Multipart::new(stream, boundary);
    let mut fields = Vec::new();
    while let Some(field) = multipart.next_field().await.map_err(malformed)? {
        let name = field.name().unwrap_or_default().to_owned();
        let value = field.bytes().await.map_err(malformed)?;
        fields.push((name, String::from_utf8_lossy(&value).into_owned()));
    }
    Ok(fields)
}

/// A body that cannot be read. The provider must send what the interface
/// describes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeError {
    /// It does not have the format of its Content-Type.
    #[error("decode the body: it is {0}")]
    Malformed(String),
    /// This Content-Type is not supported.
    #[error(
        "decode the body: the Content-Type is {0:?} (expected a form, multipart/form-data or JSON)"
    )]
    Type(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(content_type: &str, body: &[u8]) -> Result<Value, DecodeError> {
        let body = Bytes::copy_from_slice(body);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let content = runtime.block_on(decode(content_type, &body));
        content.map(Content::into_value)
    }

    fn form_of(pairs: &[(&str, &str)]) -> Value {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        object(pairs.iter().map(owned).collect())
    }

    #[test]
    fn urlencoded_form_is_read_as_browsers_write_it() {
        for (body, expected) in [
            (
                &b"To=%2B1202&Body=a+b%21"[..],
                &[("To", "+1202"), ("Body", "a b!")][..],
            ),
            (b"a=1&b=2&a=3", &[("a", "3"), ("b", "2")]),
            (b"a&b=&=c", &[("a", ""), ("b", ""), ("", "c")]),
            (b"a=%zz%4", &[("a", "%zz%4")]),
            (b"a=%ff%00b", &[("a", "\u{fffd}\0b")]),
            (b"", &[]),
        ] {
            let decoded = decoded("application/x-www-form-urlencoded; charset=UTF-8", body);
            assert_eq!(decoded.unwrap(), form_of(expected));
        }
    }

    #[test]
    fn multipart_form_is_read_with_and_without_quotes() {
        let body = "--B\r\nContent-Disposition: form-data; name=\"To\"\r\n\r\n+1202\r\n\
                    --B\r\nContent-Disposition: form-data; name=Body\r\n\
                    Content-Type: text/plain\r\n\r\nx ☺\r\ny\r\n--B--\r\n";
        let expected = form_of(&[("To", "+1202"), ("Body", "x ☺\r\ny")]);
        for content_type in [
            "multipart/form-data; boundary=B",
            "Multipart/Form-Data;boundary=\"B\"",
        ] {
            assert_eq!(decoded(content_type, body.as_bytes()).unwrap(), expected);
        }
        for broken in ["--B\r\nContent-", "--C\r\n\r\n\r\n--C--", ""] {
            let result = decoded("multipart/form-data; boundary=B", broken.as_bytes());
            assert!(
                matches!(result, Err(DecodeError::Malformed(_))),
                "{broken:?}"
            );
        }
        let result = decoded("multipart/form-data", b"--B--");
        assert!(matches!(result, Err(DecodeError::Malformed(_))));
    }

    #[test]
    fn json_is_read_under_each_of_its_names() {
        for content_type in [
            "application/json",
            "application/json; charset=utf-8",
            "application/vnd.api+json",
        ] {
            let value = decoded(content_type, br#"{"a":"\u263a"}"#).unwrap();
            assert_eq!(value["a"], "☺");
        }
        let deep = "[".repeat(100_000);
        for broken in ["", "{", "{'a':1}", deep.as_str()] {
            let result = decoded("application/json", broken.as_bytes());
            assert!(matches!(result, Err(DecodeError::Malformed(_))));
        }
    }

    #[test]
    fn query_is_separated_by_either_sign() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let both = [pair("a", "1;2"), pair("b", "3")];
        assert_eq!(query("a=1;2&b=3"), both);
        assert_eq!(query("a=1%3B2;b=3"), both);
        assert_eq!(query(""), []);
    }

    #[test]
    fn other_types_are_not_guessed_at() {
        for content_type in ["text/plain", "application/xml", "", "x"] {
            let result = decoded(content_type, b"To=1&From=2&Body=3");
            assert!(
                matches!(result, Err(DecodeError::Type(_))),
                "{content_type}"
            );
        }
    }
}
