//! `[websmsd]`: how messages come in from a provider.

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;

pub mod authenticity;
pub mod media;
pub mod receipts;

use crate::config::syntax::keys::websmsd as keys;
use crate::config::syntax::problem::{Problem, Severity, did_you_mean, place};
use crate::config::syntax::reader::Reader;
use crate::config::syntax::value;
use crate::document::condition::Condition;
use crate::document::path::FieldPath;
use crate::model::interface::InterfaceName;
use crate::model::number::NumberFormat;
use crate::secret::SecretSource;
use authenticity::{AuthLocation, AuthScheme, WebhookAuth};
use media::{MediaMode, MediaSettings, MediaStoreSettings};
use receipts::ReceiptPaths;

/// In a path of `request_uri`, where the token stands.
pub const TOKEN: &str = "{token}";

/// What holds for the daemon as a whole.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Addresses of proxies whose word about the client is believed.
    pub proxies: Vec<IpNet>,
    /// Whether the administrator has named them. The default is whole networks of
    /// other machines.
    pub proxies_named: bool,
    /// Header in which they name the client, in lower case.
    pub proxy_header: String,
    /// Largest request body in bytes.
    pub max_body: usize,
    /// Where whoever watches over the daemon may ask how it is.
    pub health: Option<SocketAddr>,
    /// Where Asterisk may call `websms` by `FastAGI`.
    pub agi: Option<SocketAddr>,
    /// Where pictures are kept.
    pub shelf: Option<MediaStoreSettings>,
}

/// One provider account, as `[websmsd]` describes it.
#[derive(Debug, Clone)]
pub struct IncomingInterface {
    /// Its name, the `[index]`.
    pub interface: InterfaceName,
    /// Addresses that may post; `None` is anyone.
    pub permitted: Option<Vec<IpNet>>,
    /// Paths that may be posted to; `None` is any.
    pub paths: Option<Vec<String>>,
    /// Methods by which messages are taken.
    pub methods: Vec<AllowedMethod>,
    /// How a request shows that it is the provider's; `None` is not at all.
    pub auth: Option<WebhookAuth<SecretSource>>,
    /// Where what is.
    pub keys: FieldPaths,
    /// What a message must hold, all of it.
    pub matching: Vec<Condition>,
    /// What makes it none; any of these.
    pub ignored: Vec<Condition>,
    /// How the text is encoded.
    pub body_encoding: BodyEncoding,
    /// How numbers are written for the dialplan.
    pub number_format: NumberFormat,
    /// What is done about pictures.
    pub media: MediaSettings,
    /// What is a delivery receipt.
    pub receipts: ReceiptPaths,
    /// How long such an id is remembered.
    pub dedupe_lifetime: Duration,
    /// Query parameter whose value is echoed to a provider that tests us.
    pub key_echo: Option<String>,
    /// What such a provider must know; `None` is nothing.
    pub echo_secret: Option<EchoSecret>,
    /// The answer to an accepted message.
    pub acknowledgement: Acknowledgement,
}

/// What a provider that tests us must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EchoSecret {
    /// The query parameter that carries it.
    pub parameter: String,
    /// Where it is found.
    pub secret: SecretSource,
}

/// Where what is in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldPaths {
    /// The destination number.
    pub to: Vec<FieldPath>,
    /// The originating number.
    pub from: Vec<FieldPath>,
    /// The text.
    pub body: Vec<FieldPath>,
    /// The provider's id of the message; without it no message is taken for one
    /// that came before.
    pub id: Vec<FieldPath>,
}

/// A method by which messages are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowedMethod {
    /// The fields are in the query.
    Get,
    /// They are in the body.
    Post,
    /// They are in the body.
    Put,
}

/// How a text is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyEncoding {
    /// RFC 4648, section 4.
    Base64,
    /// It is what it is.
    None,
    /// RFC 3986, section 2.1.
    Percent,
    /// A message object as Meta's Cloud API posts it.
    WhatsApp,
}

/// The answer to an accepted message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Its body.
    pub body: String,
    /// Its Content-Type; `None` is what it looks like.
    pub content_type: Option<String>,
    /// Its status, of 200 to 299.
    pub status: u16,
}

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

/// Interfaces that take messages from anyone at any path beside others that do
/// not: mostly a misspelt index, and a door that nobody meant to open.
pub(crate) fn unauthenticated_interfaces(interfaces: &[IncomingInterface]) -> Vec<Problem> {
    let is_open = |incoming: &&IncomingInterface| {
        incoming.permitted.is_none() && incoming.paths.is_none() && incoming.auth.is_none()
    };
    let (open, closed): (Vec<_>, Vec<_>) = interfaces.iter().partition(is_open);
    if closed.is_empty() {
        return Vec::new();
    }
    let closed = || closed.iter().map(|incoming| incoming.interface.as_str());
    open.into_iter()
        .map(|incoming| {
            let index = incoming.interface.as_str();
            let hint = did_you_mean(index, closed());
            Problem {
                severity: Severity::Mistake,
                line: None,
                place: place("websmsd", keys::PERMIT_ADDR.name, Some(index)),
                message: format!(
                    "is not set, nor is request_uri, so this interface takes what the others \
                     refuse: set one of them{hint}"
                ),
            }
        })
        .collect()
}

/// Reads what holds for the daemon.
pub(crate) fn read_daemon(reader: &mut Reader<'_>) -> Option<ServerSettings> {
    let proxies = reader.read(&keys::PROXY_ADDR, value::networks);
    let proxy_header = reader.read(&keys::PROXY_HEADER, value::header_name);
    let max_body = reader.read(&keys::MAX_BODY, |raw| value::number(raw, 1024..=16_777_216));
    let health = reader.read(&keys::HEALTH_LISTEN, value::socket);
    let agi = reader.read(&keys::AGI_LISTEN, value::socket);
    let shelf = media::read_store(reader);
    Some(ServerSettings {
        proxies: proxies?.unwrap_or_default(),
        proxies_named: reader.is_given(&keys::PROXY_ADDR),
        proxy_header: proxy_header?,
        max_body: max_body?,
        health: health?,
        agi: agi?,
        shelf: shelf?,
    })
}

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
    token_in_path(reader, &incoming)?;
    covered(reader, &incoming)?;
    kept_somewhere(reader, &incoming)?;
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

/// A token in the path has a place there, and such a place has a token.
fn token_in_path(reader: &mut Reader<'_>, incoming: &IncomingInterface) -> Option<()> {
    let in_path = incoming.auth.as_ref().is_some_and(|authenticity| {
        matches!(
            authenticity.scheme,
            AuthScheme::Token {
                place: AuthLocation::Path
            }
        )
    });
    let paths = incoming.paths.as_deref().unwrap_or_default();
    let has_place = |path: &String| path.split('/').any(|part| part == TOKEN);
    if in_path && (paths.is_empty() || !paths.iter().all(has_place)) {
        let message = "has no place for the token: write e.g. /hook/{token}";
        reader.mistake(&keys::REQUEST_URI, message);
        return None;
    }
    if !in_path && paths.iter().any(|path| path.contains(['{', '}'])) {
        let message = "holds a brace, which is for auth = token with auth_place = path";
        reader.mistake(&keys::REQUEST_URI, message);
        return None;
    }
    Some(())
}

/// What a message is read from is what the provider signs.
fn covered(reader: &mut Reader<'_>, incoming: &IncomingInterface) -> Option<()> {
    let Some(authenticity) = &incoming.auth else {
        return Some(());
    };
    if incoming.methods.contains(&AllowedMethod::Get) && !authenticity.scheme.covers_query() {
        let message = "takes GET, which says all in the URL, and this auth does not sign it: \
                       leave GET out, or put {url} into auth_template if the provider does";
        reader.mistake(&keys::METHOD, message);
        return None;
    }
    let FieldPaths { to, from, body, id } = &incoming.keys;
    let by_header = |places: &[FieldPath]| {
        places
            .iter()
            .any(|place| matches!(place, FieldPath::Header(_)))
    };
    for (key, places) in [
        (&keys::KEY_TO, to),
        (&keys::KEY_FROM, from),
        (&keys::KEY_BODY, body),
        (&keys::KEY_ID, id),
    ] {
        if by_header(places) && !authenticity.scheme.covers_headers() {
            let message = "names a header, and this auth signs none: name a field";
            reader.mistake(key, message);
            return None;
        }
    }
    Some(())
}

/// Pictures that are to be kept have somewhere to be kept.
fn kept_somewhere(reader: &mut Reader<'_>, incoming: &IncomingInterface) -> Option<()> {
    if incoming.media.mode == MediaMode::Store
        && reader.read(&keys::MEDIA_DIR, value::optional)?.is_none()
    {
        reader.mistake(&keys::MEDIA_DIR, "is not set, and media = store needs it");
        return None;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    fn mistakes(lines: &str) -> Vec<String> {
        let text = format!("[websmsd]\nauth_secret = s\n{lines}\n");
        match crate::config::parse("websms.conf".as_ref(), &text, &|_, _| Ok(None)) {
            Ok(_) => Vec::new(),
            Err(report) => report.to_string().lines().map(str::to_owned).collect(),
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "it is a table")]
    fn what_no_signature_covers_is_a_mistake() {
        let hmac = "auth = hmac\nauth_place = header:X\n";
        let get = "method = POST,GET";
        let nonce = "auth_nonce = header:N\nauth_template";
        for (lines, mistake) in [
            (format!("{hmac}{get}"), Some("takes GET")),
            (
                format!("{hmac}{get}\nauth_template = {{url_noquery}}{{body}}"),
                Some("takes GET"),
            ),
            (
                format!("{hmac}{get}\n{nonce} = {{url_noquery}}{{nonce}}"),
                Some("takes GET"),
            ),
            (
                format!("{hmac}{get}\nauth_template = {{field:a}}{{body}}"),
                Some("takes GET"),
            ),
            (format!("auth = ed25519\n{get}"), Some("takes GET")),
            (
                format!("{hmac}{get}\nauth_template = {{url}}{{body}}"),
                None,
            ),
            (
                format!("{hmac}{get}\nauth_template = {{field:a}}{{field:b}}"),
                None,
            ),
            (format!("auth = twilio\n{get}"), None),
            (format!("auth = vonage\n{get}"), None),
            (format!("auth = jwt\n{get}"), None),
            (format!("auth = basic\nauth_user = u\n{get}"), None),
            (format!("auth = token\nauth_place = query:t\n{get}"), None),
            (get.to_owned(), None),
            (format!("{hmac}method = POST,PUT"), None),
            (
                format!("{hmac}key_id = header:X-Id"),
                Some("names a header"),
            ),
            (
                "auth = twilio\nkey_from = From,header:X-From".to_owned(),
                Some("names a header"),
            ),
            (
                "auth = token\nauth_place = path\nrequest_uri = /{token}\nkey_id = header:X-Id"
                    .to_owned(),
                None,
            ),
            // Plivo signs no more than that.
            (format!("{hmac}{nonce} = {{url_noquery}}{{nonce}}"), None),
            (
                format!("{hmac}auth_template = {{url}}"),
                Some("signs nothing of the body"),
            ),
            (
                format!("{hmac}{nonce} = {{nonce}}"),
                Some("signs nothing of the body"),
            ),
            (
                format!("{hmac}auth_template = {{method}}"),
                Some("signs nothing of the body"),
            ),
        ] {
            let mistakes = mistakes(&lines);
            let fits = |mistake: &str| mistakes.len() == 1 && mistakes[0].contains(mistake);
            assert!(
                mistake.map_or(mistakes.is_empty(), fits),
                "{lines}: {mistakes:#?}"
            );
        }
    }
}
