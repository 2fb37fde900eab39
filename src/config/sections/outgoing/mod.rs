//! `[websms]`: how messages are sent to a provider.

use std::num::{NonZeroU8, NonZeroUsize};
use std::time::Duration;

use regex_lite::Regex;

pub(crate) mod auth;
mod conflicts;
pub(crate) mod delivery;
pub(crate) mod error_codes;
pub(crate) mod fallbacks;
pub(crate) mod interface;
pub(crate) mod parameters;
pub(crate) mod pictures;
pub(crate) mod response_place;
mod target;

use crate::config::syntax::keys::websms as keys;
use crate::config::syntax::reader::Reader;
use crate::config::syntax::value;
use crate::document::condition;
use crate::model::interface::InterfaceName;
use auth::Auth;
use interface::{Charset, OutgoingInterface, RequestMethod};
use parameters::BodyType;

const METHODS: [(&str, RequestMethod); 3] = [
    ("POST", RequestMethod::Post),
    ("PUT", RequestMethod::Put),
    ("GET", RequestMethod::Get),
];

/// Reads one interface; `None` after a mistake, which has been recorded.
pub(crate) fn read(reader: &mut Reader<'_>, interface: InterfaceName) -> Option<OutgoingInterface> {
    let account = target::account(reader);
    let target = account
        .as_ref()
        .and_then(|account| target::target(reader, account));
    let headers = account
        .as_ref()
        .and_then(|account| reader.read_each_as(&keys::HEADER, |raw| target::header(account, raw)));
    let method = reader.choose(&keys::METHOD, &METHODS);
    let parameters = account
        .as_ref()
        .and_then(|account| parameters::read(reader, |raw| account.fill(raw)));
    let auth = auth::read(reader);
    let response_check = reader.read(&keys::RESPONSE_CHECK);
    let response_id = reader.read_as(&keys::RESP_ID, response_place::parse);
    let errors = error_codes::read(reader);
    let number_format = reader.read(&keys::NUMBER_FORMAT);
    let to_match = reader.read_as(&keys::TO_MATCH, to_match);
    let charset = reader.read_as(&keys::CHARSET, charset);
    let max_segments = reader.read_as(&keys::MAX_SEGMENTS, max_segments);
    let max_chars = reader.read(&keys::MAX_CHARS);
    let pictures = account
        .as_ref()
        .and_then(|account| pictures::read(reader, account));
    let timeout = reader.read(&keys::TIMEOUT);
    let connect_timeout = reader.read(&keys::CONNECT_TIMEOUT);
    let ca_file = reader.read(&keys::CA_FILE);
    let delivery = delivery::read(reader);
    check_timeouts(reader, connect_timeout, timeout)?;
    let (host, path) = target?;
    let outgoing = OutgoingInterface {
        interface,
        host,
        path,
        method: method?,
        headers: headers?,
        parameters: parameters?,
        auth: auth?,
        response_check: response_check?,
        response_id: response_id?,
        errors: errors?,
        number_format: number_format?,
        to_match: to_match?,
        charset: charset?,
        max_segments: max_segments?,
        max_chars: max_chars?.and_then(NonZeroUsize::new),
        pictures: pictures?,
        timeout: timeout?,
        connect_timeout: connect_timeout?,
        ca_file: ca_file?,
        delivery: delivery?,
    };
    check_body_type(reader, &outgoing)?;
    conflicts::check(reader, &outgoing)?;
    Some(outgoing)
}

fn check_timeouts(
    reader: &mut Reader<'_>,
    connect_timeout: Option<Duration>,
    timeout: Option<Duration>,
) -> Option<()> {
    if timeout.is_none() || connect_timeout < timeout {
        return Some(());
    }
    let message = "must be less than timeout: otherwise a slow connection looks like a missing \
                   response";
    reader.mistake(&keys::CONNECT_TIMEOUT, message);
    None
}

/// A GET request has no body, and Zadarma's signature needs a form.
fn check_body_type(reader: &mut Reader<'_>, outgoing: &OutgoingInterface) -> Option<()> {
    let body_type = outgoing.parameters.body_type;
    if outgoing.method == RequestMethod::Get && body_type != BodyType::Query {
        let message = "must be query with method = GET, because GET has no body";
        reader.mistake(&keys::BODY_TYPE, message);
        return None;
    }
    if matches!(outgoing.auth, Auth::Zadarma { .. }) && body_type != BodyType::Form {
        let message = "must be form with auth_method = zadarma, which signs the form";
        reader.mistake(&keys::BODY_TYPE, message);
        return None;
    }
    Some(())
}

fn to_match(raw: &str) -> Result<Option<Regex>, String> {
    value::optional(raw)?
        .map(|raw| condition::pattern(&raw))
        .transpose()
}

fn charset(raw: &str) -> Result<Charset, String> {
    if raw.contains('=') {
        return value::pair(raw).map(|(key, value)| Charset::Marked { key, value });
    }
    match raw.to_ascii_lowercase().as_str() {
        "" | "utf-8" | "utf8" => Ok(Charset::Utf8),
        "ucs-2" | "ucs2" => Ok(Charset::Ucs2),
        _ => Err(keys::CHARSET.expected()),
    }
}

/// 0 or an empty value sets no limit.
fn max_segments(raw: &str) -> Result<Option<NonZeroU8>, String> {
    if raw.is_empty() {
        return Ok(None);
    }
    let number = raw.parse().map_err(|_| keys::MAX_SEGMENTS.expected())?;
    Ok(NonZeroU8::new(number))
}
