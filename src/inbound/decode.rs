//! Body of a request to fields, by its Content-Type and character set.

use http_body_util::{BodyDataStream, Full};
use hyper::body::Bytes;
use hyper::header::CONTENT_TYPE;
use multer::Multipart;
use percent_encoding::percent_decode;
use serde_json::{Map, Value};

use crate::config::{BodyFormat, BodySettings, WHOLE_BODY};
use crate::document::lenient_json;
use crate::document::path::FieldPath;
use crate::inbound::pairs::once;
use crate::model::character_set::{self, CharacterSet};
use crate::model::media_type::{essence, parameter};

const FORM: &str = "application/x-www-form-urlencoded";

/// The field of a form that names its character set (HTML, 4.10.22.5).
const CHARSET_FIELD: &str = "_charset_";

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
    /// A body that is one text.
    Text(String),
}

impl Content {
    /// One JSON document, whatever it was: the fields of a form are the members
    /// of an object.
    pub(crate) fn into_value(self) -> Value {
        match self {
            Self::Form(fields) | Self::Parts(fields) | Self::Query(fields) => object(fields),
            Self::Json(value) => value,
            Self::Text(text) => object(vec![(WHOLE_BODY.to_owned(), text)]),
        }
    }
}

/// Content, and whether a character set was guessed for it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Decoded {
    pub content: Content,
    pub guessed: bool,
}

/// Reads a body. `headers` are those of the request, by name in lower case. When the
/// body is signed, they are not, and must not give it another meaning.
///
/// # Errors
/// When the type or character set is not supported, or the body is not of that type.
pub(crate) async fn decode(
    headers: &[(String, String)],
    body: &Bytes,
    settings: &BodySettings,
    signed: bool,
) -> Result<Decoded, DecodeError> {
    let content_type = once(headers, CONTENT_TYPE.as_str()).unwrap_or_default();
    let mut texts = Texts {
        headers: if signed { &[] } else { headers },
        settings,
        declared: None,
        signed,
        guessed: false,
    };
    if let Some(name) = parameter(content_type, "charset") {
        texts.declared = texts.unsigned(name)?;
    }
    let content = match format(settings, content_type, body, signed)? {
        BodyFormat::Form => Content::Form(texts.fields(form(body))?),
        BodyFormat::Multipart => {
            let parts = multipart(content_type, body.clone()).await?;
            Content::Parts(texts.fields(parts)?)
        }
        BodyFormat::Text => Content::Text(texts.message(body)),
        BodyFormat::Auto | BodyFormat::Json => Content::Json(texts.json(body)?),
    };
    Ok(Decoded {
        content,
        guessed: texts.guessed,
    })
}

/// Reads the query of a GET.
///
/// # Errors
/// When its character set is not supported.
pub(crate) fn decode_query(
    headers: &[(String, String)],
    query: &str,
    settings: &BodySettings,
) -> Result<Decoded, DecodeError> {
    let mut texts = Texts {
        headers,
        settings,
        declared: None,
        signed: false,
        guessed: false,
    };
    let fields = texts.fields(query_fields(query))?;
    Ok(Decoded {
        content: Content::Query(fields),
        guessed: texts.guessed,
    })
}

/// What a body is: never [`BodyFormat::Auto`].
fn format(
    settings: &BodySettings,
    content_type: &str,
    body: &[u8],
    signed: bool,
) -> Result<BodyFormat, DecodeError> {
    if settings.format != BodyFormat::Auto {
        return Ok(settings.format);
    }
    if is_json(content_type) {
        return Ok(BodyFormat::Json);
    }
    // The type of a signed body is not signed, and must not be unclear.
    let guesses = !signed;
    let is_whole_body = settings.text_fields.iter().any(|it| it == WHOLE_BODY);
    match essence(content_type).as_str() {
        // Some say this of everything, and no field of a form is a JSON document.
        FORM if guesses && holds_json(body) => Ok(BodyFormat::Json),
        FORM => Ok(BodyFormat::Form),
        "multipart/form-data" => Ok(BodyFormat::Multipart),
        "" | "application/octet-stream" if guesses && looks_like_json(body) => Ok(BodyFormat::Json),
        // A text may start as a list: "[My bank] Your code is 123456".
        "text/plain" if guesses && !is_whole_body && holds_json(body) => Ok(BodyFormat::Json),
        "text/plain" => Ok(BodyFormat::Text),
        "" | "application/octet-stream" if guesses && looks_like_form(body) => Ok(BodyFormat::Form),
        other => Err(DecodeError::Type(other.chars().take(60).collect())),
    }
}

fn holds_json(body: &[u8]) -> bool {
    looks_like_json(body) && lenient_json::parse(body).is_ok()
}

/// Whether a body starts as an object or a list, behind a byte order mark or blanks.
fn looks_like_json(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    matches!(body.trim_ascii_start().first(), Some(b'{' | b'['))
}

/// Whether a body has fields, and nothing that a form must encode.
fn looks_like_form(body: &[u8]) -> bool {
    let is_encoded = |byte: &u8| byte.is_ascii_graphic() && !b"<>\"{}".contains(byte);
    body.contains(&b'=') && body.iter().all(is_encoded)
}

/// Whether a Content-Type is that of JSON: `application/json`, `text/json`, or anything
/// that ends with `+json` (RFC 6839).
fn is_json(content_type: &str) -> bool {
    let essence = essence(content_type);
    matches!(essence.as_str(), "application/json" | "text/json") || essence.ends_with("+json")
}

/// Name and bytes of a field, and what a part says of its character set.
struct RawField {
    name: Vec<u8>,
    value: Vec<u8>,
    charset: Option<String>,
}

/// Bytes to texts, by what the request and the configuration say.
struct Texts<'a> {
    headers: &'a [(String, String)],
    settings: &'a BodySettings,
    /// Of the whole body, as the request says.
    declared: Option<CharacterSet>,
    /// Whether the body is signed.
    signed: bool,
    guessed: bool,
}

impl Texts<'_> {
    fn fields(&mut self, raw: Vec<RawField>) -> Result<Vec<(String, String)>, DecodeError> {
        let field = |wanted: &str| {
            let found = raw.iter().rfind(|field| field.name == wanted.as_bytes())?;
            Some(String::from_utf8_lossy(&found.value).into_owned())
        };
        let named = field(CHARSET_FIELD).filter(|name| !name.is_empty());
        let named = named.map(|name| self.unsigned(&name)).transpose()?;
        let configured = self.settings.character_set;
        let declared = named.flatten().or(self.declared).or(configured);
        // A form and its numbers are ASCII, whatever the text is.
        let of_form = [declared, configured]
            .into_iter()
            .flatten()
            .find(|set| set.is_ascii_compatible());
        let of_text = self.of_text(field);
        let mut fields = Vec::with_capacity(raw.len());
        for RawField {
            name,
            value,
            charset,
        } in raw
        {
            let name = self.decoded(&name, of_form);
            let of_part = charset.map(|name| self.unsigned(&name)).transpose()?;
            let of_part = of_part.flatten();
            let is_text = self.settings.text_fields.contains(&name);
            let of_field = if is_text {
                of_text.or(of_part).or(declared)
            } else {
                of_part.or(of_form)
            };
            let value = self.decoded(&value, of_field);
            fields.push((name, value));
        }
        Ok(fields)
    }

    /// A body that is the text of a message.
    fn message(&mut self, body: &[u8]) -> String {
        let of_text = self.of_text(|_| None);
        let declared = of_text.or(self.declared).or(self.settings.character_set);
        let text = self.decoded(body, declared);
        // A byte order mark belongs to the file, not to the text.
        match text.strip_prefix('\u{feff}') {
            Some(rest) => rest.to_owned(),
            None => text,
        }
    }

    fn json(&mut self, body: &[u8]) -> Result<Value, DecodeError> {
        let configured = self.settings.character_set;
        let configured = configured.filter(|set| set.is_ascii_compatible());
        let declared = self.declared.or_else(|| wide(body)).or(configured);
        let text = self.decoded(body, declared);
        lenient_json::parse(text.as_bytes())
            .map_err(|error| DecodeError::Malformed(format!("not JSON: {error}")))
    }

    /// What the request says of the character set of its message's text.
    fn of_text(&self, field: impl Fn(&str) -> Option<String>) -> Option<CharacterSet> {
        let value = |path: &FieldPath| match path {
            FieldPath::Header(name) => once(self.headers, name).map(str::to_owned),
            FieldPath::Name(name) => field(name),
            FieldPath::Pointer(pointer) => field(pointer.only_member()?),
            FieldPath::Constant(constant) => Some(constant.clone()),
        };
        let values = self.settings.character_set_paths.iter().filter_map(value);
        meant(self.settings, values)
    }

    /// A character set that the request names where nothing is signed. Beside a signed
    /// body it counts when it leaves the structure of the body as it was signed.
    fn unsigned(&self, name: &str) -> Result<Option<CharacterSet>, DecodeError> {
        let set = named(name)?;
        Ok((!self.signed || set.keeps_ascii()).then_some(set))
    }

    fn decoded(&mut self, bytes: &[u8], declared: Option<CharacterSet>) -> String {
        let decoded = character_set::decode(bytes, declared);
        self.guessed |= decoded.guessed;
        decoded.text
    }
}

/// The character set that the first of these values means that is not empty; `None`
/// also when there is no such set: a strange text is better than none.
pub(crate) fn meant(
    settings: &BodySettings,
    mut values: impl Iterator<Item = String>,
) -> Option<CharacterSet> {
    let value = values.find(|value| !value.trim().is_empty())?;
    let mut known = settings.character_set_values.iter();
    match known.find(|(known, _)| known == value.trim()) {
        Some((_, set)) => Some(*set),
        None => CharacterSet::named(&value),
    }
}

fn named(name: &str) -> Result<CharacterSet, DecodeError> {
    CharacterSet::named(name)
        .ok_or_else(|| DecodeError::CharacterSet(name.chars().take(60).collect()))
}

/// The character set of JSON that is not UTF-8, as RFC 4627, section 3, tells it: of the
/// first two characters of any document, each has a byte that is zero.
fn wide(body: &[u8]) -> Option<CharacterSet> {
    match body {
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => Some(CharacterSet::Utf16),
        [0, second, ..] if *second != 0 => Some(CharacterSet::Utf16),
        [first, 0, third, ..] if *first != 0 && *third != 0 => CharacterSet::named("utf-16le"),
        _ => None,
    }
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
fn form(encoded: &[u8]) -> Vec<RawField> {
    let pairs = encoded.split(|byte| *byte == b'&');
    let pairs = pairs.filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let mut sides = pair.splitn(2, |byte| *byte == b'=').map(unescaped);
            RawField {
                name: sides.next().unwrap_or_default(),
                value: sides.next().unwrap_or_default(),
                charset: None,
            }
        })
        .collect()
}

fn unescaped(encoded: &[u8]) -> Vec<u8> {
    let blanks = |byte: &u8| if *byte == b'+' { b' ' } else { *byte };
    let encoded: Vec<_> = encoded.iter().map(blanks).collect();
    percent_decode(&encoded).collect()
}

/// Names and values of a query.
pub(crate) fn query(encoded: &str) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| character_set::decode(bytes, None).text;
    let fields = query_fields(encoded).into_iter();
    fields
        .map(|field| (text(&field.name), text(&field.value)))
        .collect()
}

/// Where nothing is separated by `&` it may be by `;`, which some write.
fn query_fields(encoded: &str) -> Vec<RawField> {
    if encoded.contains('&') {
        form(encoded.as_bytes())
    } else {
        form(encoded.replace(';', "&").as_bytes())
    }
}

async fn multipart(content_type: &str, body: Bytes) -> Result<Vec<RawField>, DecodeError> {
    let malformed = |error: multer::Error| DecodeError::Malformed(format!("not a form: {error}"));
    let boundary = multer::parse_boundary(content_type).map_err(malformed)?;
    let stream = BodyDataStream::new(Full::<Bytes>::from(body));
    let mut multipart = Multipart::new(stream, boundary);
    let mut fields = Vec::new();
    while let Some(field) = multipart.next_field().await.map_err(malformed)? {
        let name = field.name().unwrap_or_default().as_bytes().to_vec();
        let content_type = field.content_type().map(ToString::to_string);
        let charset = content_type
            .as_deref()
            .and_then(|of| parameter(of, "charset"));
        let charset = charset.map(str::to_owned);
        let value = field.bytes().await.map_err(malformed)?.to_vec();
        fields.push(RawField {
            name,
            value,
            charset,
        });
    }
    Ok(fields)
}

/// A body that cannot be read. The provider must send what the interface
/// describes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeError {
    /// There is no such character set.
    #[error("decode the body: its character set is {0:?}, which is unknown")]
    CharacterSet(String),
    /// It does not have the format of its Content-Type.
    #[error("decode the body: it is {0}")]
    Malformed(String),
    /// This Content-Type is not supported.
    #[error(
        "decode the body: the Content-Type is {0:?} (expected a form, multipart/form-data or JSON; \
         or set body_type)"
    )]
    Type(String),
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn decoded(content_type: &str, body: &[u8]) -> Result<Value, DecodeError> {
        decoded_by(&BodySettings::default(), content_type, body).map(|(value, _)| value)
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.build().unwrap().block_on(future)
    }

    /// The document, and whether a character set was guessed.
    fn decoded_by(
        settings: &BodySettings,
        content_type: &str,
        body: &[u8],
    ) -> Result<(Value, bool), DecodeError> {
        let body = Bytes::copy_from_slice(body);
        let headers = [
            ("content-type".to_owned(), content_type.to_owned()),
            ("x-coding".to_owned(), "8".to_owned()),
        ];
        let decoded = run(decode(&headers, &body, settings, false))?;
        Ok((decoded.content.into_value(), decoded.guessed))
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
            (b"a=%ff%00b", &[("a", "\u{ff}\0b")]),
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

    /// Names, bytes and text.
    const SETS: [(&str, &[u8], &str); 10] = [
        ("utf-8", b"tr\xc3\xa8s", "très"),
        ("ISO-8859-1", b"tr\xe8s", "très"),
        ("windows-1252", b"\x80", "€"),
        ("iso-8859-15", b"\xa4", "€"),
        ("windows-1251", b"\xcf\xf0\xe8", "При"),
        ("koi8-r", b"\xf0\xd2\xc9", "При"),
        ("Shift_JIS", b"\x82\xb1\x82\xf1", "こん"),
        ("big5", b"\xa7\x41", "你"),
        ("euc-kr", b"\xbe\xc8", "안"),
        ("iso-8859-8", b"\xf9\xec\xe5\xed", "שלום"),
    ];

    fn escaped(bytes: &[u8]) -> String {
        let mut text = String::new();
        for byte in bytes {
            let _ = write!(text, "%{byte:02X}");
        }
        text
    }

    fn part(content_type: &str, value: &[u8]) -> Vec<u8> {
        let head =
            format!("--B\r\nContent-Disposition: form-data; name=\"a\"\r\n{content_type}\r\n");
        [head.as_bytes(), value, b"\r\n--B--\r\n"].concat()
    }

    #[test]
    fn declared_character_set_counts_in_each_kind_of_body() {
        const MULTIPART: &str = "multipart/form-data; boundary=B";
        for (name, bytes, text) in SETS {
            let typed = |kind: &str| format!("{kind}; charset={name}");
            let configured = BodySettings {
                character_set: CharacterSet::named(name),
                ..BodySettings::default()
            };
            let default = BodySettings::default();
            let form = format!("a={}", escaped(bytes)).into_bytes();
            let marked = format!("a={}&_charset_={name}", escaped(bytes)).into_bytes();
            let json = [b"{\"a\":\"", bytes, b"\"}"].concat();
            let own = part(
                &format!("Content-Type: text/plain; charset=\"{name}\"\r\n"),
                bytes,
            );
            for (settings, content_type, body) in [
                (&default, typed(FORM), &form),
                (&default, FORM.to_owned(), &marked),
                (&configured, FORM.to_owned(), &form),
                (&default, typed("application/json"), &json),
                (&configured, "application/json".to_owned(), &json),
                (&default, MULTIPART.to_owned(), &own),
                (&configured, MULTIPART.to_owned(), &part("", bytes)),
            ] {
                let (value, guessed) = decoded_by(settings, &content_type, body).unwrap();
                assert_eq!(value["a"], text, "{name} {content_type}");
                assert!(!guessed, "{name} {content_type}");
            }
            let (value, _) = decoded_by(&default, &typed("text/plain"), bytes).unwrap();
            assert_eq!(value["body"], text, "{name}");
        }
    }

    #[test]
    fn undeclared_bytes_are_guessed() {
        let (value, guessed) = decoded_by(&BodySettings::default(), FORM, b"a=tr%E8s").unwrap();
        assert_eq!((&value["a"], guessed), (&Value::from("très"), true));
        let (value, guessed) = decoded_by(&BodySettings::default(), FORM, b"a=tr%C3%A8s").unwrap();
        assert_eq!((&value["a"], guessed), (&Value::from("très"), false));
    }

    #[test]
    fn signed_body_keeps_its_structure() {
        let decoded = |name: &str, body: &[u8]| {
            let content_type = format!("application/json; charset={name}");
            let headers = [("content-type".to_owned(), content_type)];
            let body = Bytes::copy_from_slice(body);
            let decoded = run(decode(&headers, &body, &BodySettings::default(), true));
            decoded.unwrap().content.into_value()
        };
        assert_eq!(decoded("ISO-8859-5", b"{\"a\":\"\xbf\"}")["a"], "П");
        // In Shift_JIS the backslash would belong to the byte before it.
        let json = b"{\"a\":\"\xc3\x83\\\",\\\"b\\\":\\\"\"}";
        for name in ["Shift_JIS", "big5", "gbk", "utf-16", "gsm", "iso-2022-jp"] {
            assert_eq!(decoded(name, json)["b"], Value::Null, "{name}");
        }
    }

    #[test]
    fn unknown_character_set_is_an_error() {
        let unknown = Err(DecodeError::CharacterSet("utf-99".to_owned()));
        for (content_type, body) in [
            ("text/plain; charset=utf-99", &b"x"[..]),
            ("application/json; charset=utf-99", b"{}"),
            (FORM, b"_charset_=utf-99"),
            (
                "multipart/form-data; boundary=B",
                &part("Content-Type: text/plain; charset=utf-99\r\n", b"x"),
            ),
        ] {
            assert_eq!(decoded(content_type, body), unknown, "{content_type}");
        }
    }

    #[test]
    fn field_or_header_says_the_character_set_of_the_text_alone() {
        let path = |path: &str| FieldPath::parse(path).unwrap();
        let settings = |place: &str| BodySettings {
            character_set_paths: vec![path(place)],
            character_set_values: vec![
                ("0".to_owned(), CharacterSet::Gsm),
                ("8".to_owned(), CharacterSet::Utf16),
            ],
            text_fields: vec!["text".to_owned()],
            ..BodySettings::default()
        };
        for (place, body, text) in [
            ("coding", "text=caf%05&coding=0&from=a%40b", "café"),
            ("/coding", "text=%00a%26%3A&coding=8&from=a%40b", "a☺"),
            ("coding", "text=tr%E8s&coding=ISO-8859-1&from=a%40b", "très"),
            ("coding", "text=tr%C3%A8s&coding=&from=a%40b", "très"),
            ("coding", "text=tr%C3%A8s&from=a%40b", "très"),
            ("header:X-Coding", "text=%00a%26%3A&from=a%40b", "a☺"),
        ] {
            let (value, _) = decoded_by(&settings(place), FORM, body.as_bytes()).unwrap();
            assert_eq!(value["text"], text, "{body}");
            assert_eq!(value["from"], "a@b");
        }
        let unknown = decoded_by(&settings("coding"), FORM, b"text=tr%E8s&coding=4");
        let (value, guessed) = unknown.unwrap();
        assert_eq!((&value["text"], guessed), (&Value::from("très"), true));
    }

    #[test]
    fn configured_set_that_is_not_ascii_counts_for_the_text_alone() {
        for (name, body, text) in [
            ("UTF-16BE", &b"from_no=%2B1&text=%00a%26%3A"[..], "a☺"),
            ("GSM", b"from_no=%2B1&text=caf%05", "café"),
        ] {
            let settings = BodySettings {
                character_set: CharacterSet::named(name),
                text_fields: vec!["text".to_owned()],
                ..BodySettings::default()
            };
            let (value, _) = decoded_by(&settings, FORM, body).unwrap();
            assert_eq!(
                (&value["from_no"], &value["text"]),
                (&"+1".into(), &text.into())
            );
            let json = b"{\"from_no\":\"+1\"}";
            let (value, _) = decoded_by(&settings, "application/json", json).unwrap();
            assert_eq!(value["from_no"], "+1");
        }
    }

    #[test]
    fn bare_text_may_start_as_a_list() {
        for text in ["[My bank] Your code is 123456", "{name}, hello", "[x"] {
            let value = decoded("text/plain", text.as_bytes()).unwrap();
            assert_eq!(value["body"], text);
        }
        let settings = BodySettings {
            text_fields: vec![WHOLE_BODY.to_owned()],
            ..BodySettings::default()
        };
        let (value, _) = decoded_by(&settings, "text/plain", b"[1]").unwrap();
        assert_eq!(value["body"], "[1]");
    }

    #[test]
    fn json_is_read_in_wide_characters() {
        let json = "{\"a\":\"☺😀\"}";
        let units = || json.encode_utf16();
        let big: Vec<u8> = units().flat_map(u16::to_be_bytes).collect();
        let little: Vec<u8> = units().flat_map(u16::to_le_bytes).collect();
        let marked = [&b"\xFF\xFE"[..], &little].concat();
        for body in [big, little, marked] {
            assert_eq!(decoded("application/json", &body).unwrap()["a"], "☺😀");
        }
    }

    #[test]
    fn body_is_told_by_its_looks_where_the_type_says_nothing() {
        let json = b"\xEF\xBB\xBF \r\n{\"a\":\"x\"}";
        for content_type in [
            "",
            "text/plain",
            "application/octet-stream",
            "text/json",
            FORM,
        ] {
            assert_eq!(
                decoded(content_type, json).unwrap()["a"],
                "x",
                "{content_type}"
            );
        }
        for content_type in ["", "application/octet-stream", FORM] {
            assert_eq!(decoded(content_type, b"a=x&b=%7B").unwrap()["a"], "x");
        }
        assert_eq!(decoded("text/plain", b"a=x y").unwrap()["body"], "a=x y");
        for (content_type, body) in [
            ("", &b"hello"[..]),
            ("", b"a text = x"),
            ("application/xml", b"<a>x</a>"),
            ("text/xml", b"{}"),
            ("x", b"{}"),
        ] {
            let error = decoded(content_type, body).unwrap_err();
            assert!(matches!(error, DecodeError::Type(_)), "{content_type}");
        }
    }

    #[test]
    fn configured_format_overrides_the_type() {
        for (format, body, name) in [
            (BodyFormat::Json, &b"{\"a\":\"x\"}"[..], "a"),
            (BodyFormat::Form, b"a=x", "a"),
            (BodyFormat::Text, b"x", WHOLE_BODY),
        ] {
            let settings = BodySettings {
                format,
                ..BodySettings::default()
            };
            for content_type in [
                "",
                "text/plain",
                "application/xml",
                "application/json",
                FORM,
            ] {
                let (value, _) = decoded_by(&settings, content_type, body).unwrap();
                assert_eq!(value[name], "x", "{format:?} {content_type}");
            }
        }
    }
}
