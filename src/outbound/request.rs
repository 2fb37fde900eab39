//! Message and interface to HTTP request. Pure: [`provider`](super::provider)
//! sends what is built here.

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;

use crate::config::{Auth, BodyType, OutgoingInterface, PrecedingUpload, RequestMethod};
use crate::document::template;
use crate::model::id::Id;
use crate::model::outgoing::OutgoingMessage;
use crate::model::segments::TextSize;
use crate::outbound::values::{self, MessageValues};
use crate::outbound::{auth, parameters};
use crate::secret::Secret;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProviderRequest {
    pub method: RequestMethod,
    pub url: Url,
    /// By name in lower case.
    pub headers: Vec<(String, String)>,
    pub body: RequestBody,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RequestBody {
    /// Fields of `multipart/form-data`. The HTTP client chooses the boundary and
    /// adds the Content-Type, which names it.
    Multipart(Vec<(String, String)>),
    /// Everything is in the URL.
    None,
    Text(String),
    /// Fields of `multipart/form-data`, and a file that has yet to be fetched.
    Upload {
        fields: Vec<(String, String)>,
        /// The name of the file's field.
        field: String,
        url: String,
    },
}

/// What is percent-encoded in a header: all but printable ASCII, and the `%`
/// itself.
const HEADER: &AsciiSet = &CONTROLS.add(b'%');

/// The URL of the picture that is uploaded before its message, if the interface
/// wants that.
pub(crate) fn picture_to_upload(
    interface: &OutgoingInterface,
    id: Id,
    message: &OutgoingMessage,
) -> Option<String> {
    interface.pictures.upload.as_ref()?.preceding.as_ref()?;
    let values = MessageValues::new(interface, id, message, None);
    values.pictures.first().cloned()
}

/// The request that uploads a picture before its message.
pub(crate) fn upload_request(
    interface: &OutgoingInterface,
    upload: &PrecedingUpload,
    auth: &Auth<Secret>,
    id: Id,
    message: &OutgoingMessage,
    picture: &str,
) -> ProviderRequest {
    let values = MessageValues::new(interface, id, message, None);
    let fill = |text: &str| template::fill(text, |word| values.placeholder(word));
    let fields = upload.fixed.iter();
    ProviderRequest {
        method: RequestMethod::Post,
        url: target(interface, &upload.path, &values),
        headers: headers(interface, auth, &values, None, ""),
        body: RequestBody::Upload {
            fields: fields
                .map(|(name, value)| (name.clone(), fill(value)))
                .collect(),
            field: upload.field.clone(),
            url: picture.to_owned(),
        },
    }
}

/// Builds and signs the request for a message. `uploaded_id` is the provider's
/// id of its picture, if that was uploaded before.
pub(crate) fn build(
    interface: &OutgoingInterface,
    auth: &Auth<Secret>,
    id: Id,
    message: &OutgoingMessage,
    uploaded_id: Option<&str>,
) -> ProviderRequest {
    let values = MessageValues::new(interface, id, message, uploaded_id);
    let parameters = parameters::of_message(interface, auth, &values);
    let media_path = interface.pictures.path.as_ref();
    let media_path = media_path.filter(|_| !values.pictures.is_empty());
    let mut url = target(interface, media_path.unwrap_or(&interface.path), &values);
    let mut signed = String::new();
    let (content_type, body) = match (file(interface, &values), interface.parameters.body_type) {
        (Some((field, url)), _) => {
            let fields = parameters::sorted(parameters);
            (None, RequestBody::Upload { fields, field, url })
        }
        (None, BodyType::Form) => {
            signed = parameters::form(&parameters::sorted(parameters));
            let form = "application/x-www-form-urlencoded";
            (Some(form), RequestBody::Text(signed.clone()))
        }
        (None, BodyType::Json) => {
            let document = parameters::json(&parameters);
            (Some("application/json"), RequestBody::Text(document))
        }
        (None, BodyType::Multipart) => {
            let fields = parameters::sorted(parameters);
            (None, RequestBody::Multipart(fields))
        }
        (None, BodyType::Query) => {
            let before = url.query().map(|query| format!("{query}&"));
            let query = parameters::form(&parameters::sorted(parameters));
            url.set_query(Some(&(before.unwrap_or_default() + &query)));
            (None, RequestBody::None)
        }
    };
    let configured = interface.parameters.content_type.as_deref();
    let configured = configured.filter(|_| !matches!(body, RequestBody::Upload { .. }));
    let content_type = configured.or(content_type);
    ProviderRequest {
        method: interface.method,
        url,
        headers: headers(interface, auth, &values, content_type, &signed),
        body,
    }
}

/// Whether the provider takes messages to this destination.
pub(crate) fn accepts_destination(
    interface: &OutgoingInterface,
    message: &OutgoingMessage,
) -> bool {
    let to = interface.number_format.apply(message.to.as_str());
    let pattern = interface.to_match.as_ref();
    pattern.is_none_or(|pattern| pattern.is_match(&to))
}

/// The size of a message's text, as the provider gets it.
pub(crate) fn size(interface: &OutgoingInterface, message: &OutgoingMessage) -> TextSize {
    TextSize::of(&values::text(&interface.charset, message.text.as_str()))
}

/// The URL of a request; the values of a message are percent-encoded.
fn target(interface: &OutgoingInterface, path: &str, values: &MessageValues) -> Url {
    let encoded =
        |word: &str| utf8_percent_encode(&values.placeholder(word), NON_ALPHANUMERIC).to_string();
    let filled = template::fill(path, encoded);
    let (path, query) = match filled.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (filled.as_str(), None),
    };
    let mut url = interface.host.clone();
    let base = url.path().trim_end_matches('/');
    url.set_path(&format!("{base}{path}"));
    url.set_query(query);
    url
}

fn headers(
    interface: &OutgoingInterface,
    auth: &Auth<Secret>,
    values: &MessageValues,
    content_type: Option<&str>,
    signed: &str,
) -> Vec<(String, String)> {
    // What no header can carry, such as a text with a line break, is encoded.
    let encoded = |word: &str| utf8_percent_encode(&values.placeholder(word), HEADER).to_string();
    let idempotency = interface.delivery.idempotency.header.as_ref();
    let configured = interface.headers.iter();
    content_type
        .map(|value| ("content-type".to_owned(), value.to_owned()))
        .into_iter()
        .chain(idempotency.map(|name| (name.clone(), values.id.clone())))
        .chain(configured.map(|(name, value)| (name.clone(), template::fill(value, encoded))))
        .chain(auth::header(auth, &interface.path, signed))
        .collect()
}

/// Field and URL of the picture that is sent as a file with its message.
fn file(interface: &OutgoingInterface, values: &MessageValues) -> Option<(String, String)> {
    let pictures = &interface.pictures;
    let (key, url) = (pictures.key.as_ref()?, values.pictures.first()?);
    let upload = pictures.upload.as_ref()?;
    let field = template::fill(key, |word| values.placeholder(word));
    upload.preceding.is_none().then(|| (field, url.clone()))
}
