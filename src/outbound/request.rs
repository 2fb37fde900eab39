//! Message and interface to HTTP request. Pure: what is sent is decided here,
//! sending is done elsewhere.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;

use super::address::Address;
use super::auth;
use super::segments::Size;
use crate::config::{Auth, Charset, NumberFormat, Outgoing};
use crate::id::Id;
use crate::message::Text;
use crate::secret::Secret;
use crate::text;

/// A message on its way to a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingMessage {
    /// Their number.
    pub to: Address,
    /// Our number or name.
    pub from: Address,
    /// What is said.
    pub text: Text,
}

/// What is sent to the provider by POST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Where to.
    pub url: Url,
    /// The `Authorization` header.
    pub authorization: Option<String>,
    /// The header that carries the id of the message.
    pub id: Option<(String, String)>,
    /// The `Content-Type` header.
    pub content_type: &'static str,
    /// The parameters, sorted by name, in
    /// `application/x-www-form-urlencoded`.
    pub body: String,
}

/// What the form encoding of the reference leaves as it is besides letters and
/// digits: PHP's `urlencode`, RFC 1738. A blank becomes `+` afterwards.
const FORM: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b' ');

/// Builds and signs the request for a message.
#[must_use]
pub fn build(
    outgoing: &Outgoing,
    auth: &Auth<Secret>,
    id: Id,
    message: &OutgoingMessage,
) -> Request {
    let body = encode(&parameters(outgoing, auth, id, message));
    let header = outgoing.delivery.idempotency.header.clone();
    Request {
        id: header.map(|name| (name, id.to_string())),
        url: outgoing.url.clone(),
        authorization: auth::authorization(auth, &outgoing.path, &body),
        content_type: "application/x-www-form-urlencoded",
        body,
    }
}

/// How much the text of a message is, as the provider gets it.
#[must_use]
pub fn size(outgoing: &Outgoing, message: &OutgoingMessage) -> Size {
    Size::of(&text(&outgoing.charset, &message.text))
}

fn parameters(
    outgoing: &Outgoing,
    auth: &Auth<Secret>,
    id: Id,
    message: &OutgoingMessage,
) -> Vec<(String, String)> {
    let number = |address: &Address| format_number(outgoing.number_format, address.as_str());
    let mut parameters = vec![
        (outgoing.key_to.clone(), number(&message.to)),
        (outgoing.key_from.clone(), number(&message.from)),
    ];
    parameters.extend(outgoing.fixed.iter().cloned());
    parameters.extend(auth::parameters(auth));
    if let Some(name) = &outgoing.delivery.idempotency.parameter {
        parameters.push((name.clone(), id.to_string()));
    }
    let text = text(&outgoing.charset, &message.text);
    match &outgoing.charset {
        Charset::Marked { key, value } if text::exceeds_ucs2(&text) => {
            parameters.push((key.clone(), value.clone()));
        }
        Charset::Marked { .. } | Charset::Ucs2 | Charset::Utf8 => {}
    }
    parameters.push((outgoing.key_body.clone(), text));
    parameters.sort();
    parameters
}

/// The text as the provider gets it.
fn text(charset: &Charset, text: &Text) -> String {
    match charset {
        Charset::Ucs2 => text::to_ucs2(text.as_str()),
        Charset::Marked { .. } | Charset::Utf8 => text.as_str().to_owned(),
    }
}

/// A number in the form that the provider wants; a name is left alone.
fn format_number(format: NumberFormat, address: &str) -> String {
    let number = address
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'+');
    match format {
        NumberFormat::OmitPlus if number => address.replace('+', ""),
        NumberFormat::WithoutPrefix if number => {
            let address = address.strip_prefix('+').unwrap_or(address);
            address.strip_prefix("00").unwrap_or(address).to_owned()
        }
        _ => address.to_owned(),
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
    fn number_takes_the_form_that_is_asked_for() {
        use NumberFormat::{AsIs, OmitPlus, WithoutPrefix};
        for (format, number, expected) in [
            (AsIs, "+12025550183", "+12025550183"),
            (AsIs, "0012025550183", "0012025550183"),
            (OmitPlus, "+12025550183", "12025550183"),
            (OmitPlus, "0012025550183", "0012025550183"),
            (WithoutPrefix, "+12025550183", "12025550183"),
            (WithoutPrefix, "0012025550183", "12025550183"),
            (WithoutPrefix, "+0012", "12"),
            (WithoutPrefix, "++1202", "+1202"),
            (WithoutPrefix, "02025550183", "02025550183"),
            (WithoutPrefix, "72404", "72404"),
            (WithoutPrefix, "00Seven", "00Seven"),
            (OmitPlus, "A+B", "A+B"),
        ] {
            assert_eq!(format_number(format, number), expected);
        }
    }

    #[test]
    fn form_is_encoded_as_the_reference_does() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let encoded = encode(&[pair("a b", "~*-_. \r\n☺"), pair("c&d", "e=f+g")]);
        assert_eq!(encoded, "a+b=%7E%2A-_.+%0D%0A%E2%98%BA&c%26d=e%3Df%2Bg");
    }
}
