//! `[websms]`: which parameter says what, and how parameters are written.

use ipnet::IpNet;
use serde_json::Value;

use crate::config::sections::outgoing::auth::Auth;
use crate::config::sections::outgoing::target::{self, Account};
use crate::config::sections::outgoing::{Charset, OutgoingInterface};
use crate::config::syntax::keys::{Key, websms as keys};
use crate::config::syntax::reader::Reader;
use crate::config::syntax::value;
use crate::document::path::{FieldPath, JsonPointer};
use crate::document::template;

/// The parameters of a request.
#[derive(Debug, Clone)]
pub struct Parameters {
    /// How they are written.
    pub body_type: BodyType,
    /// The Content-Type, if not that of the body type.
    pub content_type: Option<String>,
    /// The one that carries the destination number; `None` when `path` or
    /// `header` does.
    pub key_to: Option<String>,
    /// The one that carries the originating number.
    pub key_from: Option<String>,
    /// Those that carry the text; in JSON it may stand in several places.
    pub key_body: Vec<String>,
    /// Those that are always sent.
    pub fixed: Vec<(String, Value)>,
    /// Those that go with a text that GSM-7 cannot hold, in place of others of
    /// their names.
    pub ucs2: Vec<(String, Value)>,
}

/// How parameters are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyType {
    /// `application/x-www-form-urlencoded`.
    Form,
    /// JSON; a parameter's name is a member's, or a JSON Pointer.
    Json,
    /// `multipart/form-data`.
    Multipart,
    /// In the URL; there is no body.
    Query,
}

/// What becomes of URLs of pictures in the text.
#[derive(Debug, Clone)]
pub struct PictureSettings {
    /// Parameter that carries one, perhaps with `{kind}`; `None` leaves them in
    /// the text.
    pub key: Option<String>,
    /// Parameter that carries the text then; `None` is the usual one.
    pub caption: Option<String>,
    /// How many go with one message.
    pub most: usize,
    /// The path of the request then; `None` is the usual one.
    pub path: Option<String>,
    /// How they are sent themselves, and not their URLs.
    pub upload: Option<UploadSettings>,
    /// Ends of URLs that are pictures, without the dot and in lower case.
    pub extensions: Vec<String>,
    /// Parameters that go with them, in place of others of that name; in JSON
    /// `null` is in place of them too.
    pub fixed: Vec<(String, Value)>,
}

/// How a picture is sent itself.
#[derive(Debug, Clone)]
pub struct UploadSettings {
    /// Private addresses that it may be fetched from.
    pub permitted: Vec<IpNet>,
    /// The exchange before the message, which then has an id in place of the
    /// file; `None` sends the file with the message.
    pub preceding: Option<PrecedingUpload>,
}

/// An exchange that hands a file over before the message.
#[derive(Debug, Clone)]
pub struct PrecedingUpload {
    /// Where to.
    pub path: String,
    /// The field of the file.
    pub field: String,
    /// Other fields.
    pub fixed: Vec<(String, String)>,
    /// Where the answer has the id of the file.
    pub id: Vec<FieldPath>,
}

const BODY_TYPES: [(&str, BodyType); 4] = [
    ("form", BodyType::Form),
    ("json", BodyType::Json),
    ("query", BodyType::Query),
    ("multipart", BodyType::Multipart),
];

/// Reads the parameters of one interface; `None` when there was a mistake, which
/// has been noted. `fill` puts in what is known of the account.
pub(crate) fn read(
    reader: &mut Reader<'_>,
    fill: impl Fn(&str) -> Result<String, String>,
) -> Option<Parameters> {
    let body_type = reader.read(&keys::BODY_TYPE, |raw| value::choice(raw, &BODY_TYPES));
    let content_type = reader.read(&keys::CONTENT_TYPE, value::optional);
    let key_to = reader.read(&keys::KEY_TO, value::optional);
    let key_from = reader.read(&keys::KEY_FROM, value::optional);
    let body_type = body_type?;
    let key_body = reader.read(&keys::KEY_BODY, |raw| key_body(body_type, raw));
    let read_fixed = |raw: &str| fixed(body_type, &fill(raw)?);
    let fixed = reader.read(&keys::VAL_STATIC, read_fixed);
    let extra = reader.read(&keys::VAL_EXTRA, read_fixed);
    let ucs2 = reader.read(&keys::VAL_UCS2, read_fixed);
    let fixed = fixed
        .zip(extra)
        .map(|(fixed, extra)| [fixed, extra].concat());
    Some(Parameters {
        body_type,
        content_type: content_type?,
        key_to: key_to?,
        key_from: key_from?,
        key_body: key_body?,
        fixed: fixed?,
        ucs2: ucs2?,
    })
}

/// Reads what becomes of pictures.
pub(crate) fn read_pictures(reader: &mut Reader<'_>, account: &Account) -> Option<PictureSettings> {
    let body_type = reader.read(&keys::BODY_TYPE, |raw| value::choice(raw, &BODY_TYPES));
    let key = reader.read(&keys::KEY_MEDIA, value::optional);
    let extensions = reader.read(&keys::MEDIA_OUT, value::extensions);
    let body_type = body_type?;
    let fixed = reader.read(&keys::VAL_MEDIA, |raw| fixed(body_type, raw));
    let caption = reader.read(&keys::KEY_CAPTION, value::optional);
    let most = reader.read(&keys::MEDIA_MOST, |raw| value::number(raw, 1..=10));
    let path = target::other_path(reader, &keys::PATH_MEDIA, account);
    let upload = reader.read(&keys::MEDIA_UPLOAD, value::yes_or_no);
    let permitted = reader.read(&keys::MEDIA_PERMIT_ADDR, value::networks);
    let before = read_before(reader, account);
    let (upload, permitted, before) = (upload?, permitted?, before?);
    let pictures = PictureSettings {
        key: key?,
        caption: caption?,
        // A file has one place in a form.
        most: if upload { 1 } else { most? },
        path: path?,
        upload: upload.then(|| UploadSettings {
            permitted: permitted.unwrap_or_default(),
            preceding: before,
        }),
        extensions: extensions?,
        fixed: fixed?,
    };
    if pictures.key.is_none() && !pictures.extensions.is_empty() {
        let message = "is not set, and media_out needs it: name the provider's parameter for a \
                       picture's URL";
        reader.mistake(&keys::KEY_MEDIA, message);
        return None;
    }
    Some(pictures)
}

/// Reads how a file is handed over before the message.
#[expect(clippy::option_option, reason = "a mistake is not the same as nothing")]
fn read_before(reader: &mut Reader<'_>, account: &Account) -> Option<Option<PrecedingUpload>> {
    let path = target::other_path(reader, &keys::PATH_UPLOAD, account);
    let field = reader.read(&keys::KEY_UPLOAD, value::text);
    let fixed = reader.read(&keys::VAL_UPLOAD, value::pairs);
    let id = reader.read(&keys::RESP_UPLOAD, value::places);
    let (path, field, fixed, id) = (path?, field?, fixed?, id?);
    Some(path.map(|path| PrecedingUpload {
        path,
        field,
        fixed,
        id,
    }))
}

/// The parameters that carry the text: one, or in JSON several JSON Pointers.
fn key_body(body_type: BodyType, raw: &str) -> Result<Vec<String>, String> {
    if body_type == BodyType::Json && raw.starts_with('/') {
        return value::words(raw);
    }
    Ok(value::optional(raw)?.into_iter().collect())
}

/// Pairs of names and values. In JSON `name:=true` is no text but what it looks
/// like.
fn fixed(body_type: BodyType, raw: &str) -> Result<Vec<(String, Value)>, String> {
    let pair = |(key, value): (String, String)| {
        let Some(name) = key
            .strip_suffix(':')
            .filter(|_| body_type == BodyType::Json)
        else {
            return Ok((key, Value::String(value)));
        };
        let scalar = serde_json::from_str(&value)
            .ok()
            .filter(|value: &Value| !value.is_object() && !value.is_array());
        scalar
            .map(|scalar| (name.to_owned(), scalar))
            .ok_or_else(|| {
                format!("{name}:= is followed by neither true, false, null nor a number")
            })
    };
    value::pairs(raw)?.into_iter().map(pair).collect()
}

/// Parameters that cannot all be sent: two of one name, of which the provider
/// makes nobody knows what, or one that stands in the way of another.
pub(crate) fn check(reader: &mut Reader<'_>, outgoing: &OutgoingInterface) -> Option<()> {
    let ucs2 = ConditionalParameters {
        key: &keys::VAL_UCS2,
        values: &outgoing.parameters.ucs2,
    };
    let media = ConditionalParameters {
        key: &keys::VAL_MEDIA,
        values: &outgoing.pictures.fixed,
    };
    let beside: [(&[ConditionalParameters<'_>], bool); 4] = [
        (&[], false),
        (&[ucs2], false),
        (&[media], true),
        (&[ucs2, media], true),
    ];
    let problem = unsaid(outgoing).or_else(|| {
        beside.iter().find_map(|(sometimes, picture)| {
            let named = named(outgoing, sometimes, *picture);
            if outgoing.parameters.body_type == BodyType::Json {
                misplaced(&named)
            } else {
                repeated(&named)
            }
        })
    });
    match problem {
        None => Some(()),
        Some((key, message)) => {
            reader.mistake(key, &message);
            None
        }
    }
}

/// Something that neither a parameter nor the URL nor a header carries. The
/// sender need not be said: there are accounts that have but one number.
fn unsaid(outgoing: &OutgoingInterface) -> Option<(&'static Key, String)> {
    let elsewhere = |word: &str| {
        let word = format!("{{{word}}}");
        outgoing.path.contains(&word)
            || outgoing
                .headers
                .iter()
                .any(|(_, value)| value.contains(&word))
    };
    let parameters = &outgoing.parameters;
    [
        (&keys::KEY_TO, parameters.key_to.is_some(), "to"),
        (&keys::KEY_BODY, !parameters.key_body.is_empty(), "body"),
    ]
    .into_iter()
    .find(|(_, said, word)| !said && !elsewhere(word))
    .map(|(key, _, word)| {
        let message = format!("must not be empty, unless path or header holds {{{word}}}");
        (key, message)
    })
}

/// Parameters that go with some messages alone.
#[derive(Clone, Copy)]
struct ConditionalParameters<'a> {
    /// The key that names them.
    key: &'static Key,
    values: &'a [(String, Value)],
}

/// Every parameter with the key that names it, when these go along in place of
/// fixed ones of their names, and perhaps a picture.
fn named(
    outgoing: &OutgoingInterface,
    sometimes: &[ConditionalParameters<'_>],
    picture: bool,
) -> Vec<(&'static Key, String)> {
    let Parameters {
        key_to,
        key_from,
        key_body,
        fixed,
        ..
    } = &outgoing.parameters;
    let PictureSettings { key, caption, .. } = &outgoing.pictures;
    let mut named: Vec<(&'static Key, &str)> =
        [(&keys::KEY_TO, key_to), (&keys::KEY_FROM, key_from)]
            .into_iter()
            .filter_map(|(key, name)| Some((key, name.as_deref()?)))
            .collect();
    match caption {
        Some(caption) if picture => named.push((&keys::KEY_CAPTION, caption)),
        _ => named.extend(key_body.iter().map(|name| (&keys::KEY_BODY, name.as_str()))),
    }
    if let Auth::Plain {
        user, key_secret, ..
    } = &outgoing.auth
    {
        named.push((&keys::KEY_USER, &user.0));
        named.push((&keys::KEY_SECRET, key_secret));
    }
    if let Some(key) = &outgoing.delivery.idempotency.parameter {
        named.push((&keys::KEY_IDEMPOTENCY, key));
    }
    if let Charset::Marked { key, .. } = &outgoing.charset {
        named.push((&keys::CHARSET, key));
    }
    if let Some(key) = key.as_ref().filter(|_| picture) {
        named.push((&keys::KEY_MEDIA, key));
    }
    let mut values: Vec<_> = fixed.iter().map(|pair| (&keys::VAL_STATIC, pair)).collect();
    for added in sometimes {
        values.retain(|(_, (name, _))| added.values.iter().all(|(other, _)| other != name));
        values.extend(added.values.iter().map(|pair| (added.key, pair)));
    }
    values.retain(|(_, (_, value))| !value.is_null());
    named.extend(values.iter().map(|(key, (name, _))| (*key, name.as_str())));
    // Whatever kind it is, they stand in the same places.
    let filled = |name: &str| template::fill(name, |_| "image".to_owned());
    named
        .into_iter()
        .map(|(key, name)| (key, filled(name)))
        .collect()
}

fn repeated(named: &[(&'static Key, String)]) -> Option<(&'static Key, String)> {
    let earlier =
        |position: usize, name: &str| named.iter().take(position).any(|(_, other)| other == name);
    named
        .iter()
        .enumerate()
        .find(|(position, (_, name))| earlier(*position, name))
        .map(|(_, (key, name))| {
            let message = format!("the parameter {name:?} is already used by another key");
            (*key, message)
        })
}

fn misplaced(named: &[(&'static Key, String)]) -> Option<(&'static Key, String)> {
    let mut document = Value::Null;
    named.iter().find_map(|(key, name)| {
        let pointer = match pointer(name) {
            Ok(pointer) => pointer,
            Err(message) => return Some((*key, message)),
        };
        let put = pointer.numbered(0).put(&mut document, Value::from(1));
        put.is_err().then(|| {
            let message = format!(
                "the parameter {name:?} is already used by another key, or stands in the way of \
                 one (elements of a list are numbered from 0)"
            );
            (*key, message)
        })
    })
}

/// Where a parameter of that name goes in JSON.
///
/// # Errors
/// When it starts like a JSON Pointer and is none.
pub fn pointer(name: &str) -> Result<JsonPointer, String> {
    if name.starts_with('/') {
        JsonPointer::parse(name)
    } else {
        Ok(JsonPointer::member(name))
    }
}

#[cfg(test)]
mod tests {
    use crate::config;

    #[test]
    fn parameters_of_some_messages_must_have_room_too() {
        for (lines, mistake) in [
            ("val_static = a=1\nval_ucs2 = a=2\nval_media = a=3", None),
            (
                "val_ucs2 = To=1",
                Some("[websms] val_ucs2: the parameter \"To\""),
            ),
            (
                "val_media = Body=x",
                Some("[websms] val_media: the parameter \"Body\""),
            ),
            (
                "val_ucs2 = a=1,a=2",
                Some("[websms] val_ucs2: the parameter \"a\""),
            ),
            (
                "body_type = json\nval_static = /a/0=1\nval_ucs2 = /a/0=2,/a/1=3",
                None,
            ),
            (
                "body_type = json\nkey_body = /a/0/text,/a/1/text\nval_static = /a/0/type=x",
                None,
            ),
            (
                "body_type = json\nkey_body = /a,/a/b",
                Some("the parameter \"/a/b\" is already used"),
            ),
            (
                "body_type = json\nval_ucs2 = /a~2=1",
                Some("[websms] val_ucs2: "),
            ),
            (
                "body_type = json\nval_static = /a/0=1,/a/1=2\nval_media = /a/0=3",
                Some("[websms] val_static: the parameter \"/a/1\""),
            ),
        ] {
            let text = format!("[websms]\nhost = https://h\nauth_user = u\n{lines}\n");
            let parsed = config::parse("websms.conf".as_ref(), &text, &|_, _| Ok(None));
            let said = parsed
                .err()
                .map(|report| report.to_string())
                .unwrap_or_default();
            assert_eq!(said.is_empty(), mistake.is_none(), "{lines}: {said}");
            assert!(
                said.contains(mistake.unwrap_or_default()),
                "{lines}: {said}"
            );
        }
    }
}
