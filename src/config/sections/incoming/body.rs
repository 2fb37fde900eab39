//! `[websmsd]`: what the body of a request is, and which character set its text has.

use crate::config::syntax::keys::websmsd as keys;
use crate::config::syntax::reader::Reader;
use crate::config::syntax::value;
use crate::document::path::FieldPath;
use crate::model::character_set::CharacterSet;

/// The field that the whole body is, with [`BodyFormat::Text`].
pub(crate) const WHOLE_BODY: &str = "body";

/// How a body is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BodySettings {
    pub format: BodyFormat,
    /// Of texts that come without a word about it; `None` is UTF-8, or else
    /// windows-1252.
    pub character_set: Option<CharacterSet>,
    /// Where a request has the character set of the message's text.
    pub character_set_paths: Vec<FieldPath>,
    /// What the values there mean; others are names of character sets.
    pub character_set_values: Vec<(String, CharacterSet)>,
    /// Fields of a form whose bytes are the message's text, in that character set.
    pub text_fields: Vec<String>,
}

/// The format of a body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BodyFormat {
    /// By the Content-Type, or by what the body looks like.
    #[default]
    Auto,
    Form,
    Json,
    Multipart,
    /// A text, which is the field [`WHOLE_BODY`].
    Text,
}

const FORMATS: [(&str, BodyFormat); 5] = [
    ("auto", BodyFormat::Auto),
    ("form", BodyFormat::Form),
    ("json", BodyFormat::Json),
    ("multipart", BodyFormat::Multipart),
    ("text", BodyFormat::Text),
];

/// Reads the keys; `None` after a mistake, which has been recorded. The bytes at
/// `text` are the message's text.
pub(super) fn read(reader: &mut Reader<'_>, text: &[FieldPath]) -> Option<BodySettings> {
    let format = reader.choose(&keys::BODY_TYPE, &FORMATS);
    let character_set = reader.read_as(&keys::CHARSET, optional_character_set);
    let character_set_paths = reader.read(&keys::KEY_CHARSET);
    let character_set_values = reader.read_as(&keys::CHARSET_VALUES, character_set_values);
    Some(BodySettings {
        format: format?,
        character_set: character_set?,
        character_set_paths: character_set_paths?,
        character_set_values: character_set_values?,
        text_fields: text.iter().filter_map(field).collect(),
    })
}

/// The name of a form's field.
fn field(path: &FieldPath) -> Option<String> {
    match path {
        FieldPath::Name(name) => Some(name.clone()),
        FieldPath::Pointer(pointer) => pointer.only_member().map(str::to_owned),
        FieldPath::Constant(_) | FieldPath::Header(_) => None,
    }
}

fn optional_character_set(raw: &str) -> Result<Option<CharacterSet>, String> {
    value::optional(raw)?
        .map(|name| character_set(&name))
        .transpose()
}

fn character_set(name: &str) -> Result<CharacterSet, String> {
    CharacterSet::named(name).ok_or_else(|| {
        format!("there is no character set {name:?} (expected e.g. ISO-8859-1, UTF-16BE or GSM)")
    })
}

fn character_set_values(raw: &str) -> Result<Vec<(String, CharacterSet)>, String> {
    let pair = |word: &String| {
        let (value, name) = word
            .split_once('=')
            .ok_or_else(|| keys::CHARSET_VALUES.expected())?;
        Ok((value.trim().to_owned(), character_set(name)?))
    };
    value::words(raw)?.iter().map(pair).collect()
}
