//! Requests of providers and strangers: bodies, documents, proxy headers.

use std::net::IpAddr;

use form_urlencoded::Serializer;
use hyper::HeaderMap;
use hyper::body::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use serde_json::Value;

use crate::config::BodySettings;
use crate::document::Document;
use crate::document::cursor::Cursor;
use crate::document::path::{FieldPath, JsonPointer};
use crate::fuzz::{Input, ready};
use crate::http::server::client_address::TrustedProxies;
use crate::inbound::decode::{Content, decode, query};

/// Separates parts; hardly in a value.
const BOUNDARY: &str = "-boundary-of-our-own-";

/// Most values that a pointer finds.
const FOUND_MAX: usize = 1001;

fn decoded(content_type: &str, body: &[u8]) -> Option<Content> {
    let body = Bytes::copy_from_slice(body);
    let headers = [("content-type".to_owned(), content_type.to_owned())];
    let settings = BodySettings::default();
    let first = ready(decode(&headers, &body, &settings, false));
    let second = ready(decode(&headers, &body, &settings, false));
    assert_eq!(first, second, "decoding is not stable");
    first.ok().map(|decoded| decoded.content)
}

fn pairs(content: Option<&Content>) -> &[(String, String)] {
    match content {
        Some(Content::Form(fields) | Content::Parts(fields) | Content::Query(fields)) => fields,
        Some(Content::Json(_) | Content::Text(_)) | None => &[],
    }
}

/// Bodies of forms and of JSON, and queries: what was decoded is the same when it is
/// encoded and decoded again, and of a name that is given twice the last value
/// counts.
pub fn form(data: &[u8]) {
    const FORM: &str = "application/x-www-form-urlencoded";
    let mut input = Input(data);
    if input.byte() == b'{' {
        json(input.rest());
        return;
    }
    let body = input.rest();
    let content = decoded(FORM, body);
    let fields = pairs(content.as_ref());
    let parts = body.split(|byte| *byte == b'&');
    assert_eq!(fields.len(), parts.filter(|part| !part.is_empty()).count());
    let encoded = Serializer::new(String::new()).extend_pairs(fields).finish();
    let again = decoded(FORM, encoded.as_bytes());
    assert_eq!(pairs(again.as_ref()), fields);
    if fields.len() > 1 {
        assert_eq!(query(&encoded), fields);
    }
    let value = content.clone().map(Content::into_value).unwrap_or_default();
    for (name, text) in value.as_object().into_iter().flatten() {
        let last = fields.iter().rfind(|(other, _)| other == name);
        assert_eq!(last.map(|(_, text)| text.as_str()), text.as_str());
    }
    query(&String::from_utf8_lossy(body));
}

fn json(body: &[u8]) {
    let Some(Content::Json(value)) = decoded("application/json", body) else {
        return;
    };
    let again = decoded("application/json", value.to_string().as_bytes());
    assert_eq!(again, Some(Content::Json(value)));
}

/// Multipart bodies under any Content-Type: each value stands in the body, and fields
/// that are encoded again are the same.
pub fn multipart(data: &[u8]) {
    let mut input = Input(data);
    let content_type = format!("multipart/form-data; {}", input.text());
    let body = input.rest();
    let content = decoded(&content_type, body);
    let fields = pairs(content.as_ref());
    for (_, value) in fields {
        let is_in_body = body
            .windows(value.len().max(1))
            .any(|part| part == value.as_bytes());
        // Others were read by another character set, or lost a byte order mark.
        assert!(value.is_empty() || !value.is_ascii() || is_in_body);
    }
    let is_plain = |text: &str| {
        text.bytes()
            .all(|b| b.is_ascii_graphic() && !b"\"\\".contains(&b))
    };
    let mut encoded = String::new();
    for (name, value) in fields {
        if !is_plain(name) || value.contains(BOUNDARY) {
            return;
        }
        let head = "\r\nContent-Disposition: form-data; name=\"";
        encoded.extend(["--", BOUNDARY, head, name, "\"\r\n\r\n", value, "\r\n"]);
    }
    encoded.extend(["--", BOUNDARY, "--\r\n"]);
    let content_type = format!("multipart/form-data; boundary=\"{BOUNDARY}\"");
    let again = decoded(&content_type, encoded.as_bytes());
    assert_eq!(pairs(again.as_ref()), fields);
}

/// A document and a path: what is found is bounded, and the same whether it is found
/// at once or element by element; without wildcards it is what `serde_json` finds.
pub fn json_pointer(data: &[u8]) {
    let mut input = Input(data);
    let raw = input.text();
    let Ok(value) = serde_json::from_slice::<Value>(input.rest()) else {
        return;
    };
    let Ok(path) = FieldPath::parse(&raw) else {
        return;
    };
    let written = path.to_string();
    assert_eq!(FieldPath::parse(&written).as_ref(), Ok(&path), "{written}");
    let document = Document::new(value, vec![("x".to_owned(), "y".to_owned())]);
    let cursor = Cursor::default();
    let text = document.text(std::slice::from_ref(&path), &cursor);
    let found = document.find(&path, &cursor);
    let texts = found.iter().find_map(crate::document::as_text);
    assert_eq!(text, texts, "the first text is not among the values");
    if let FieldPath::Pointer(pointer) = &path {
        pointer_finds(pointer, &raw, &document, &found);
    }
}

fn pointer_finds(pointer: &JsonPointer, raw: &str, document: &Document, found: &[Value]) {
    assert!(found.len() <= FOUND_MAX);
    let elements = pointer.elements(document, &Cursor::default());
    assert!((1..=FOUND_MAX).contains(&elements.len()));
    let each = elements.iter().flat_map(|element| {
        let found = pointer.find(document, element);
        assert!(
            found.len() <= 1,
            "an element is one choice for each wildcard"
        );
        found
    });
    let each: Vec<_> = each.collect();
    // Elements whose end is missing count too.
    if elements.len() < FOUND_MAX {
        assert_eq!(each, found);
    }
    if pointer.has_wildcard() {
        return;
    }
    assert!(found.len() <= 1);
    let expected = document.value().pointer(raw);
    if let Some(expected) = expected {
        assert_eq!(found, std::slice::from_ref(expected));
    } else if let [found] = found {
        // It is in a document inside a string.
        let inside = leads_through_string(document.value(), raw);
        assert!(inside, "{raw} leads to {found}");
    }
}

/// Whether some start of a pointer leads to a string.
fn leads_through_string(value: &Value, raw: &str) -> bool {
    let ends = raw.match_indices('/').map(|(at, _)| at);
    let mut starts = ends.filter_map(|end| value.pointer(raw.get(..end)?));
    starts.any(Value::is_string)
}

/// Headers of proxies: the client is the peer or an address that stands in the header;
/// what a stranger wrote never moves the answer away from the stranger's own address,
/// which the proxy has appended.
pub fn proxy_header(data: &[u8]) {
    let mut input = Input(data);
    let is_forwarded = input.byte() % 2 == 1;
    let stranger = match input.byte() {
        host @ 0..128 => IpAddr::from([203, 0, 113, host]),
        host => IpAddr::from([0x2001, 0xdead, 0, 0, 0, 0, 0, u16::from(host)]),
    };
    let lines: Vec<_> = input.rest().split(|byte| *byte == b'\n').collect();
    let header = if is_forwarded {
        "forwarded"
    } else {
        "x-forwarded-for"
    };
    let networks = ["10.0.0.0/8", "2001:db8::/32"].iter();
    let proxies = TrustedProxies {
        networks: networks
            .filter_map(|network| network.parse().ok())
            .collect(),
        header: header.to_owned(),
    };
    let proxy = IpAddr::from([10, 0, 0, 1]);
    let client = |peer, lines: &[Vec<u8>]| {
        let mut headers = HeaderMap::new();
        for line in lines {
            let value = HeaderValue::from_bytes(line).ok()?;
            headers.append(HeaderName::from_static(header), value);
        }
        Some(proxies.client(peer, &headers))
    };
    let written: Vec<_> = lines.iter().map(|line| line.to_vec()).collect();
    let Some(answer) = client(proxy, &written) else {
        return;
    };
    if let Ok(answer) = answer {
        let text = String::from_utf8_lossy(&lines.join(&b'\n')).into_owned();
        assert!(answer == proxy || addresses(&text).any(|address| address == answer));
    }
    assert_eq!(
        client(stranger, &written),
        Some(Ok(stranger)),
        "a stranger was believed"
    );
    let is_text = lines
        .iter()
        .all(|line| line.iter().all(|b| (32..127).contains(b) || *b == 9));
    for seen in appended(&lines, stranger, is_forwarded) {
        let answer = client(proxy, &seen).unwrap_or(Ok(stranger));
        assert!(
            answer == Ok(stranger) || (answer.is_err() && !is_text),
            "{seen:?}"
        );
    }
}

/// The header after one and after two proxies have appended to what a stranger sent:
/// to its last line, or as lines of their own.
fn appended(lines: &[&[u8]], stranger: IpAddr, is_forwarded: bool) -> Vec<Vec<Vec<u8>>> {
    let entry = |address: IpAddr| match (is_forwarded, address) {
        (false, _) => address.to_string(),
        (true, IpAddr::V4(address)) => format!("for={address};proto=https"),
        (true, IpAddr::V6(address)) => format!("by=x;for=\"[{address}]:443\""),
    };
    let own = entry(stranger);
    let both = format!("{own}, {}", entry(IpAddr::from([10, 9, 8, 7])));
    let mut seen = Vec::new();
    for more in [own, both] {
        let mut lines: Vec<_> = lines.iter().map(|line| line.to_vec()).collect();
        let mut separate = lines.clone();
        separate.push(more.clone().into_bytes());
        if let Some(last) = lines.last_mut() {
            last.extend_from_slice(b", ");
            last.extend_from_slice(more.as_bytes());
        }
        seen.extend([lines, separate]);
    }
    seen
}

/// Every address that can be read in a text, in a simple way.
fn addresses(text: &str) -> impl Iterator<Item = IpAddr> {
    let words = text.split(|c: char| !(c.is_ascii_hexdigit() || c == ':' || c == '.'));
    let parsed = words.flat_map(|word| {
        let without_port = word.rsplit_once(':').map_or(word, |(address, _)| address);
        [word.parse::<IpAddr>(), without_port.parse()]
    });
    parsed.flatten().map(|address| address.to_canonical())
}
