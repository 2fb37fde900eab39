//! `[websmsd]`: how messages come in from a provider.

pub(crate) mod auth;
pub(crate) mod body;
mod checks;
pub(crate) mod interface;
pub(crate) mod media;
pub(crate) mod receipts;

use crate::config::syntax::keys::websmsd as keys;
use crate::config::syntax::reader::Reader;
use crate::config::syntax::value;
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

const ENCODINGS: [(&str, BodyEncoding); 5] = [
    ("none", BodyEncoding::None),
    ("percent", BodyEncoding::Percent),
    ("base64", BodyEncoding::Base64),
    ("hex", BodyEncoding::Hex),
    ("whatsapp", BodyEncoding::WhatsApp),
];

/// Reads one interface; `None` after a mistake, which has been recorded.
pub(crate) fn read(reader: &mut Reader<'_>, interface: InterfaceName) -> Option<IncomingInterface> {
    let permitted = reader.read(&keys::PERMIT_ADDR);
    let paths = reader.read(&keys::REQUEST_URI);
    let methods = reader.read_as(&keys::METHOD, methods);
    let auth = auth::read::read(reader);
    let fields = read_fields(reader);
    let from_default = reader.read(&keys::FROM_DEFAULT);
    let matching = reader.read_each(&keys::MATCH);
    let ignored = reader.read_each(&keys::IGNORE);
    let encoding = reader.choose(&keys::DECODE, &ENCODINGS);
    let is_plain = encoding == Some(BodyEncoding::None);
    let text = fields.as_ref().filter(|_| is_plain);
    let body = body::read(reader, text.map_or(&[], |fields| &fields.body));
    let number_format = reader.read(&keys::NUMBER_FORMAT);
    let media = media::read(reader);
    let receipts = receipts::read(reader);
    let dedupe_lifetime = reader.read(&keys::DEDUPE_TTL);
    let key_echo = reader.read(&keys::KEY_ECHO);
    let echo_secret = echo_secret(reader);
    let acknowledgement = acknowledgement(reader);
    // Not used; read so that a mistake in it is found.
    let _ = reader.read(&keys::KEY_ACCOUNT);
    let incoming = IncomingInterface {
        interface,
        permitted: permitted?,
        paths: paths?,
        methods: methods?,
        auth: auth?,
        keys: fields?,
        from_default: from_default?,
        matching: matching?,
        ignored: ignored?,
        body: body?,
        body_encoding: encoding?,
        number_format: number_format?,
        media: media?,
        receipts: receipts?,
        dedupe_lifetime: dedupe_lifetime?,
        key_echo: key_echo?,
        echo_secret: echo_secret?,
        acknowledgement: acknowledgement?,
    };
    checks::check(reader, &incoming)?;
    Some(incoming)
}

fn read_fields(reader: &mut Reader<'_>) -> Option<FieldPaths> {
    let to = reader.read(&keys::KEY_TO);
    let from = reader.read(&keys::KEY_FROM);
    let body = reader.read(&keys::KEY_BODY);
    let id = reader.read(&keys::KEY_ID);
    Some(FieldPaths {
        to: to?,
        from: from?,
        body: body?,
        id: id?,
    })
}

fn methods(raw: &str) -> Result<Vec<AllowedMethod>, String> {
    let words = value::words(raw)?;
    if words.is_empty() {
        return Err(keys::METHOD.expected());
    }
    let method = |word: &String| {
        let found = METHODS
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(word));
        found
            .map(|(_, method)| *method)
            .ok_or_else(|| keys::METHOD.expected())
    };
    words.iter().map(method).collect()
}

#[expect(clippy::option_option, reason = "a mistake is not the same as nothing")]
fn echo_secret(reader: &mut Reader<'_>) -> Option<Option<EchoSecret>> {
    let parameter = reader.read(&keys::KEY_ECHO_SECRET);
    let secret = reader.read(&keys::ECHO_SECRET);
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
    let body = reader.read(&keys::REPORT_SUCCESS);
    let content_type = reader.read_as(&keys::RESP_TYPE, content_type);
    let status = reader.read(&keys::RESP_CODE);
    Some(Acknowledgement {
        body: body?.unwrap_or_default(),
        content_type: content_type?,
        status: status?,
    })
}

fn content_type(raw: &str) -> Result<Option<String>, String> {
    match value::optional(raw)? {
        Some(raw) if !raw.is_ascii() || !raw.contains('/') => Err(keys::RESP_TYPE.expected()),
        content_type => Ok(content_type),
    }
}
