//! The parameters of a request: which there are, and how they are written. Pure.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::config::{Auth, Charset, OutgoingInterface, PictureSettings, pointer};
use crate::document::{as_text, template};
use crate::model::segments::{self, TextEncoding, TextSize};
use crate::outbound::values::MessageValues;
use crate::outbound::{auth, pictures};
use crate::secret::Secret;

/// What the form encoding of the PHP WebSMS leaves as it is besides letters and
/// digits: PHP's `urlencode`, RFC 1738. A blank becomes `+` afterwards.
const FORM: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b' ');

/// The parameters of a message, in the order in which the configuration names
/// them.
pub(super) fn of_message(
    interface: &OutgoingInterface,
    auth: &Auth<Secret>,
    values: &MessageValues,
) -> Vec<(String, Value)> {
    let settings = &interface.parameters;
    let numbers = [
        (&settings.key_to, &values.to),
        (&settings.key_from, &values.from),
    ];
    let mut parameters: Vec<_> = numbers
        .into_iter()
        .filter_map(|(key, number)| Some((key.clone()?, Value::from(number.as_str()))))
        .collect();
    parameters.extend(texts(interface, values));
    parameters.extend(settings.fixed.iter().cloned());
    let credentials = auth::parameters(auth).into_iter();
    parameters.extend(credentials.map(|(key, value)| (key, Value::from(value))));
    let idempotency = interface.delivery.idempotency.parameter.clone();
    parameters.extend(idempotency.map(|key| (key, Value::from(values.id.as_str()))));
    if let Charset::Marked { key, value } = &interface.charset
        && segments::exceeds_ucs2(&values.text)
    {
        parameters.push((key.clone(), Value::from(value.as_str())));
    }
    if TextSize::of(&values.text).encoding == TextEncoding::Ucs2 {
        replace(&mut parameters, &settings.ucs2);
    }
    if let Some(key) = &interface.pictures.key
        && !values.pictures.is_empty()
    {
        add_pictures(&mut parameters, key, &interface.pictures, values);
    }
    parameters
}

/// The parameters that carry the text: with pictures `key_caption`, if there is
/// one, and nothing of an empty text.
fn texts(interface: &OutgoingInterface, values: &MessageValues) -> Vec<(String, Value)> {
    let keys = match &interface.pictures.caption {
        Some(_) if !values.pictures.is_empty() && values.text.is_empty() => Vec::new(),
        Some(caption) if !values.pictures.is_empty() => {
            vec![template::fill(caption, |word| values.placeholder(word))]
        }
        _ => interface.parameters.key_body.clone(),
    };
    let text = Value::from(values.text.as_str());
    keys.into_iter().map(|key| (key, text.clone())).collect()
}

/// Adds what goes with pictures, and the pictures themselves unless they are
/// sent as files.
fn add_pictures(
    parameters: &mut Vec<(String, Value)>,
    key: &str,
    settings: &PictureSettings,
    values: &MessageValues,
) {
    let kind = |text: &str| template::fill(text, |_| values.media_kind().to_owned());
    let fixed = settings.fixed.iter().map(|(name, value)| match value {
        Value::String(value) => (kind(name), Value::String(kind(value))),
        other => (kind(name), other.clone()),
    });
    replace(parameters, &fixed.collect::<Vec<_>>());
    if let Some(id) = &values.uploaded_id {
        let name = template::fill(key, |word| values.placeholder(word));
        parameters.push((name, Value::from(id.as_str())));
    } else if settings.upload.is_none() {
        parameters.extend(pictures::parameters(key, &values.pictures));
    }
}

/// Puts `others` in place of the parameters of their names; `null` removes them.
fn replace(parameters: &mut Vec<(String, Value)>, others: &[(String, Value)]) {
    parameters.retain(|(name, _)| others.iter().all(|(other, _)| other != name));
    let present = others.iter().filter(|(_, value)| !value.is_null());
    parameters.extend(present.cloned());
}

/// Parameters as text, sorted, as the PHP WebSMS sorts them and Zadarma wants
/// them.
pub(super) fn sorted(parameters: Vec<(String, Value)>) -> Vec<(String, String)> {
    let mut sorted: Vec<_> = parameters
        .into_iter()
        .map(|(key, value)| (key, as_text(&value).unwrap_or_default()))
        .collect();
    sorted.sort();
    sorted
}

/// The document that parameters make. The configuration was refused if two of
/// them exclude each other.
pub(super) fn json(parameters: &[(String, Value)]) -> String {
    let mut document = Value::Null;
    for (name, value) in parameters {
        if let Ok(pointer) = pointer(name) {
            let _ = pointer.put(&mut document, value.clone());
        }
    }
    document.to_string()
}

/// Parameters as `application/x-www-form-urlencoded`.
pub(super) fn form(parameters: &[(String, String)]) -> String {
    let encode = |text: &str| {
        let encoded = utf8_percent_encode(text, FORM).to_string();
        encoded.replace(' ', "+")
    };
    let pairs: Vec<_> = parameters
        .iter()
        .map(|(key, value)| format!("{}={}", encode(key), encode(value)))
        .collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_is_encoded_as_php_does() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let encoded = form(&[pair("a b", "~*-_. \r\n☺"), pair("c&d", "e=f+g")]);
        assert_eq!(encoded, "a+b=%7E%2A-_.+%0D%0A%E2%98%BA&c%26d=e%3Df%2Bg");
    }
}
