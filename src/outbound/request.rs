//! Message and interface to HTTP request. Pure: what is sent is decided here,
//! sending is done elsewhere.

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;
use serde_json::Value;

use crate::config::{
    Auth, BodyType, Charset, OutgoingInterface, Parameters, RequestMethod, pointer,
};
use crate::document::as_text;
use crate::document::template;
use crate::model::address::Address;
use crate::model::id::Id;
use crate::model::outgoing::OutgoingMessage;
use crate::model::segments::{self, TextEncoding, TextSize};
use crate::outbound::auth;
use crate::outbound::pictures;
use crate::secret::Secret;

/// What is sent to the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProviderRequest {
    /// By which method.
    pub method: RequestMethod,
    /// Where to.
    pub url: Url,
    /// Headers, by name in lower case.
    pub headers: Vec<(String, String)>,
    /// What is said.
    pub body: RequestBody,
}

/// The body of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RequestBody {
    /// Fields of `multipart/form-data`; its Content-Type names a boundary that
    /// is not chosen here.
    Multipart(Vec<(String, String)>),
    /// None; the URL says all.
    None,
    /// As it is sent.
    Text(String),
    /// Fields of `multipart/form-data`, and a file that is yet to be fetched.
    Upload {
        /// The fields.
        fields: Vec<(String, String)>,
        /// The name of the file's field.
        field: String,
        /// Where the file is.
        url: String,
    },
}

/// What the form encoding of the reference leaves as it is besides letters and
/// digits: PHP's `urlencode`, RFC 1738. A blank becomes `+` afterwards.
const FORM: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b' ');

/// The request that hands over a picture before its message, if one is to be
/// made.
#[must_use]
pub(crate) fn upload_request(
    outgoing: &OutgoingInterface,
    auth: &Auth<Secret>,
    id: Id,
    message: &OutgoingMessage,
) -> Option<ProviderRequest> {
    let before = outgoing.pictures.upload.as_ref()?.preceding.as_ref()?;
    let said = MessageValues::new(outgoing, id, message);
    let picture = said.pictures.first()?.clone();
    let fill = |text: &str| template::fill(text, |word| said.placeholder(word));
    let fields = before.fixed.iter();
    Some(ProviderRequest {
        method: RequestMethod::Post,
        url: target(outgoing, &before.path, &said),
        headers: headers(outgoing, auth, &said, None, ""),
        body: RequestBody::Upload {
            fields: fields
                .map(|(name, value)| (name.clone(), fill(value)))
                .collect(),
            field: before.field.clone(),
            url: picture,
        },
    })
}

/// Builds and signs the request for a message; its picture has been handed over
/// and is known by `handle`, if that is how it goes.
#[must_use]
pub(crate) fn build(
    outgoing: &OutgoingInterface,
    auth: &Auth<Secret>,
    id: Id,
    message: &OutgoingMessage,
    handle: Option<&str>,
) -> ProviderRequest {
    let mut said = MessageValues::new(outgoing, id, message);
    said.uploaded_id = handle.map(str::to_owned);
    let parameters = parameters(outgoing, auth, &said);
    let media = outgoing.pictures.path.as_ref();
    let media = media.filter(|_| !said.pictures.is_empty());
    let mut url = target(outgoing, media.unwrap_or(&outgoing.path), &said);
    let mut signed = String::new();
    if let Some((field, url_of_file)) = upload(outgoing, &said) {
        let body = RequestBody::Upload {
            fields: texts(parameters),
            field,
            url: url_of_file,
        };
        return ProviderRequest {
            method: outgoing.method,
            url,
            headers: headers(outgoing, auth, &said, None, ""),
            body,
        };
    }
    let (content_type, body) = match outgoing.parameters.body_type {
        BodyType::Form => {
            signed = encode(&texts(parameters));
            let form = Some("application/x-www-form-urlencoded");
            (form, RequestBody::Text(signed.clone()))
        }
        BodyType::Json => (
            Some("application/json"),
            RequestBody::Text(json(&parameters)),
        ),
        BodyType::Multipart => (None, RequestBody::Multipart(texts(parameters))),
        BodyType::Query => {
            let mut query = url
                .query()
                .map(|query| format!("{query}&"))
                .unwrap_or_default();
            query.push_str(&encode(&texts(parameters)));
            url.set_query(Some(&query));
            (None, RequestBody::None)
        }
    };
    ProviderRequest {
        method: outgoing.method,
        url,
        headers: headers(outgoing, auth, &said, content_type, &signed),
        body,
    }
}

/// Whether the destination is one for this provider.
#[must_use]
pub(crate) fn accepts_destination(outgoing: &OutgoingInterface, message: &OutgoingMessage) -> bool {
    let to = outgoing.number_format.apply(message.to.as_str());
    let pattern = outgoing.to_match.as_ref();
    pattern.is_none_or(|pattern| pattern.is_match(&to))
}

/// How much the text of a message is, as the provider gets it.
#[must_use]
pub(crate) fn size(outgoing: &OutgoingInterface, message: &OutgoingMessage) -> TextSize {
    TextSize::of(&text(&outgoing.charset, message.text.as_str()))
}

/// What a request says, in the words of the provider.
struct MessageValues {
    to: String,
    from: String,
    text: String,
    pictures: Vec<String>,
    /// What the provider calls the picture, which it has already.
    uploaded_id: Option<String>,
    id: String,
}

impl MessageValues {
    fn new(outgoing: &OutgoingInterface, id: Id, message: &OutgoingMessage) -> Self {
        let number = |address: &Address| outgoing.number_format.apply(address.as_str());
        let (rest, pictures) = pictures::extract(&message.text, &outgoing.pictures);
        Self {
            to: number(&message.to),
            from: number(&message.from),
            text: text(&outgoing.charset, &rest),
            pictures,
            uploaded_id: None,
            id: id.to_string(),
        }
    }

    /// What the first picture is.
    fn kind(&self) -> &'static str {
        self.pictures
            .first()
            .map_or("", |url| pictures::media_kind(url))
    }

    /// What a word in braces stands for.
    fn placeholder(&self, word: &str) -> String {
        let said = match word {
            "to" => &self.to,
            "from" => &self.from,
            "body" => &self.text,
            "id" => &self.id,
            "kind" => self.kind(),
            _ => "",
        };
        said.to_owned()
    }
}

/// Where a request goes; what a message puts into the URL is percent-encoded.
fn target(outgoing: &OutgoingInterface, path: &str, said: &MessageValues) -> Url {
    let word =
        |word: &str| utf8_percent_encode(&said.placeholder(word), NON_ALPHANUMERIC).to_string();
    let filled = template::fill(path, word);
    let (path, query) = match filled.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (filled.as_str(), None),
    };
    let mut url = outgoing.host.clone();
    let base = url.path().trim_end_matches('/');
    url.set_path(&format!("{base}{path}"));
    url.set_query(query);
    url
}

fn headers(
    outgoing: &OutgoingInterface,
    auth: &Auth<Secret>,
    said: &MessageValues,
    content_type: Option<&str>,
    signed: &str,
) -> Vec<(String, String)> {
    let configured = outgoing.parameters.content_type.as_deref();
    let configured = configured.filter(|_| upload(outgoing, said).is_none());
    let content_type = configured.or(content_type);
    // What no header can carry, such as a text with a line break, is encoded.
    let word = |word: &str| utf8_percent_encode(&said.placeholder(word), HEADER).to_string();
    let idempotency = outgoing.delivery.idempotency.header.as_ref();
    let configured = outgoing.headers.iter();
    content_type
        .map(|value| ("content-type".to_owned(), value.to_owned()))
        .into_iter()
        .chain(idempotency.map(|name| (name.clone(), said.id.clone())))
        .chain(configured.map(|(name, value)| (name.clone(), template::fill(value, word))))
        .chain(auth::header(auth, &outgoing.path, signed))
        .collect()
}

/// What is percent-encoded in a header: all but printable ASCII, and the `%`
/// itself.
const HEADER: &AsciiSet = &CONTROLS.add(b'%');

fn parameters(
    outgoing: &OutgoingInterface,
    auth: &Auth<Secret>,
    said: &MessageValues,
) -> Vec<(String, Value)> {
    let Parameters {
        key_to,
        key_from,
        key_body,
        fixed,
        ..
    } = &outgoing.parameters;
    let text = |value: &str| Value::String(value.to_owned());
    let mut parameters = Vec::new();
    let mut add = |key: &Option<String>, value: Value| {
        parameters.extend(key.clone().map(|key| (key, value)));
    };
    add(key_to, text(&said.to));
    add(key_from, text(&said.from));
    match &outgoing.pictures.caption {
        Some(caption) if !said.pictures.is_empty() => {
            let caption = template::fill(caption, |word| said.placeholder(word));
            let caption = Some(caption).filter(|_| !said.text.is_empty());
            add(&caption, text(&said.text));
        }
        _ => parameters.extend(key_body.iter().map(|key| (key.clone(), text(&said.text)))),
    }
    parameters.extend(fixed.iter().cloned());
    let credentials = auth::parameters(auth).into_iter();
    parameters.extend(credentials.map(|(key, value)| (key, Value::String(value))));
    if let Some(name) = &outgoing.delivery.idempotency.parameter {
        parameters.push((name.clone(), text(&said.id)));
    }
    if let Charset::Marked { key, value } = &outgoing.charset
        && segments::exceeds_ucs2(&said.text)
    {
        parameters.push((key.clone(), text(value)));
    }
    if TextSize::of(&said.text).encoding == TextEncoding::Ucs2 {
        replace(&mut parameters, &outgoing.parameters.ucs2);
    }
    if let Some(key) = outgoing
        .pictures
        .key
        .as_ref()
        .filter(|_| !said.pictures.is_empty())
    {
        let kind = |text: &str| template::fill(text, |_| said.kind().to_owned());
        let fixed = outgoing
            .pictures
            .fixed
            .iter()
            .map(|(name, value)| match value {
                Value::String(value) => (kind(name), Value::String(kind(value))),
                other => (kind(name), other.clone()),
            });
        replace(&mut parameters, &fixed.collect::<Vec<_>>());
        if let Some(handle) = &said.uploaded_id {
            let name = template::fill(key, |word| said.placeholder(word));
            parameters.push((name, text(handle)));
        } else if outgoing.pictures.upload.is_none() {
            parameters.extend(pictures::parameters(key, &said.pictures));
        }
    }
    parameters
}

/// The field and the URL of a picture that is sent with its message.
fn upload(outgoing: &OutgoingInterface, said: &MessageValues) -> Option<(String, String)> {
    let pictures = &outgoing.pictures;
    let (key, url) = (pictures.key.as_ref()?, said.pictures.first()?);
    pictures
        .upload
        .as_ref()
        .filter(|upload| upload.preceding.is_none())?;
    Some((
        template::fill(key, |word| said.placeholder(word)),
        url.clone(),
    ))
}

/// Puts parameters in place of others of their names; `null` is in place of them
/// and is not sent.
fn replace(parameters: &mut Vec<(String, Value)>, others: &[(String, Value)]) {
    parameters.retain(|(name, _)| others.iter().all(|(other, _)| other != name));
    let some = others.iter().filter(|(_, value)| !value.is_null());
    parameters.extend(some.cloned());
}

/// Parameters as text, sorted, as the reference sorts them and Zadarma wants
/// them.
fn texts(parameters: Vec<(String, Value)>) -> Vec<(String, String)> {
    let mut texts: Vec<_> = parameters
        .into_iter()
        .map(|(key, value)| (key, as_text(&value).unwrap_or_default()))
        .collect();
    texts.sort();
    texts
}

/// The document that parameters make. That they have room beside each other was
/// seen to when the configuration was read.
fn json(parameters: &[(String, Value)]) -> String {
    let mut document = Value::Null;
    for (name, value) in parameters {
        if let Ok(pointer) = pointer(name) {
            let _ = pointer.put(&mut document, value.clone());
        }
    }
    document.to_string()
}

/// The text as the provider gets it.
fn text(charset: &Charset, text: &str) -> String {
    match charset {
        Charset::Ucs2 => segments::to_ucs2(text),
        Charset::Marked { .. } | Charset::Utf8 => text.to_owned(),
    }
}

fn encode(parameters: &[(String, String)]) -> String {
    let word = |word: &str| {
        utf8_percent_encode(word, FORM)
            .to_string()
            .replace(' ', "+")
    };
    let pairs: Vec<_> = parameters
        .iter()
        .map(|(key, value)| format!("{}={}", word(key), word(value)))
        .collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_is_encoded_as_the_reference_does() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let encoded = encode(&[pair("a b", "~*-_. \r\n☺"), pair("c&d", "e=f+g")]);
        assert_eq!(encoded, "a+b=%7E%2A-_.+%0D%0A%E2%98%BA&c%26d=e%3Df%2Bg");
    }
}
