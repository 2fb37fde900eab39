//! `[websmsd]`: how messages come in from a provider.

pub(crate) mod authenticity;
mod checks;
pub(crate) mod interface;
pub(crate) mod media;
pub(crate) mod receipts;

use crate::config::syntax::keys::websmsd as keys;
use crate::config::syntax::reader::Reader;
use crate::config::syntax::value;
use crate::document::condition::Condition;
use crate::model::interface::InterfaceName;
use interface::{
    Acknowledgement, AllowedMethod, BodyEncoding, EchoSecret, FieldPaths, IncomingInterface,
};

pub(crate) use checks::unauthenticated_interfaces;

const METHODS: [(&str, AllowedMethod); 3] = [
    ("POST", AllowedMethod::Post),
    ("PUT", AllowedMethod::Put),
    ("GET", AllowedMethod::Get),
];

const CODINGS: [(&str, BodyEncoding); 4] = [
    ("none", BodyEncoding::None),
    ("percent", BodyEncoding::Percent),
    ("base64", BodyEncoding::Base64),
    ("whatsapp", BodyEncoding::WhatsApp),
];

/// Reads one interface; `None` when there was a mistake, which has been noted.
pub(crate) fn read(reader: &mut Reader<'_>, interface: InterfaceName) -> Option<IncomingInterface> {
    let permitted = reader.read(&keys::PERMIT_ADDR, value::networks);
    let paths = reader.read(&keys::REQUEST_URI, value::url_paths);
    let methods = reader.read(&keys::METHOD, methods);
    let authenticity = authenticity::read(reader);
    let taken = read_keys(reader);
    let wanted = reader.read_each(&keys::MATCH, Condition::parse);
    let ignored = reader.read_each(&keys::IGNORE, Condition::parse);
    let coding = reader.read(&keys::DECODE, |raw| value::choice(raw, &CODINGS));
    let number_format = reader.read(&keys::NUMBER_FORMAT, value::number_format);
    let media = media::read(reader);
    let receipts = receipts::read(reader);
    let dedupe = reader.read(&keys::DEDUPE_TTL, |raw| {
        value::seconds(raw, 60..=31_536_000)
    });
    let key_echo = reader.read(&keys::KEY_ECHO, value::optional);
    let echo_secret = echo_secret(reader);
    let acknowledgement = acknowledgement(reader);
    // Read only so that a control character in it is noticed.
    let _ = reader.read(&keys::KEY_ACCOUNT, value::optional);
    let incoming = IncomingInterface {
        interface,
        permitted: permitted?,
        paths: paths?,
        methods: methods?,
        auth: authenticity?,
        keys: taken?,
        matching: wanted?,
        ignored: ignored?,
        body_encoding: coding?,
        number_format: number_format?,
        media: media?,
        receipts: receipts?,
        dedupe_lifetime: dedupe?,
        key_echo: key_echo?,
        echo_secret: echo_secret?,
        acknowledgement: acknowledgement?,
    };
    checks::check(reader, &incoming)?;
    Some(incoming)
}

fn read_keys(reader: &mut Reader<'_>) -> Option<FieldPaths> {
    let some = |raw: &str| match value::places(raw)? {
        places if places.is_empty() => Err("must not be empty".to_owned()),
        places => Ok(places),
    };
    let to = reader.read(&keys::KEY_TO, some);
    let from = reader.read(&keys::KEY_FROM, some);
    let body = reader.read(&keys::KEY_BODY, some);
    let id = reader.read(&keys::KEY_ID, value::places);
    Some(FieldPaths {
        to: to?,
        from: from?,
        body: body?,
        id: id?,
    })
}

fn methods(raw: &str) -> Result<Vec<AllowedMethod>, String> {
    let methods = value::words(raw)?;
    if methods.is_empty() {
        return Err("must not be empty (expected POST, GET or PUT)".to_owned());
    }
    let method = |word: &String| value::choice(word, &METHODS);
    methods.iter().map(method).collect()
}

#[expect(clippy::option_option, reason = "a mistake is not the same as nothing")]
fn echo_secret(reader: &mut Reader<'_>) -> Option<Option<EchoSecret>> {
    let parameter = reader.read(&keys::KEY_ECHO_SECRET, value::optional);
    let secret = reader.read(&keys::ECHO_SECRET, value::secret);
    match (parameter?, secret?) {
        (None, None) => Some(None),
        (Some(parameter), Some(secret)) => Some(Some(EchoSecret { parameter, secret })),
        (None, Some(_)) => {
            reader.mistake(
                &keys::KEY_ECHO_SECRET,
                "is not set, and echo_secret needs it",
            );
            None
        }
        (Some(_), None) => {
            reader.mistake(
                &keys::ECHO_SECRET,
                "is not set, and key_echo_secret needs it",
            );
            None
        }
    }
}

fn acknowledgement(reader: &mut Reader<'_>) -> Option<Acknowledgement> {
    let body = reader.read(&keys::REPORT_SUCCESS, value::optional);
    let content_type = reader.read(&keys::RESP_TYPE, content_type);
    let status = reader.read(&keys::RESP_CODE, |raw| value::number(raw, 200..=299));
    Some(Acknowledgement {
        body: body?.unwrap_or_default(),
        content_type: content_type?,
        status: status?,
    })
}

fn content_type(raw: &str) -> Result<Option<String>, String> {
    match value::optional(raw)? {
        Some(raw) if !raw.is_ascii() || !raw.contains('/') => {
            Err("not a Content-Type (expected e.g. application/xml)".to_owned())
        }
        content_type => Ok(content_type),
    }
}
