//! `[websms]`: what becomes of URLs of pictures in a text.

use ipnet::IpNet;
use serde_json::Value;

use crate::config::sections::outgoing::parameters::{self, BODY_TYPES};
use crate::config::sections::outgoing::target::{self, Account};
use crate::config::syntax::keys::websms as keys;
use crate::config::syntax::reader::Reader;
use crate::document::path::FieldPath;

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

/// Reads what becomes of pictures.
pub(crate) fn read(reader: &mut Reader<'_>, account: &Account) -> Option<PictureSettings> {
    let body_type = reader.choose(&keys::BODY_TYPE, &BODY_TYPES);
    let key = reader.read(&keys::KEY_MEDIA);
    let extensions = reader.read(&keys::MEDIA_OUT);
    let body_type = body_type?;
    let fixed = reader.read_as(&keys::VAL_MEDIA, |raw| parameters::fixed(body_type, raw));
    let caption = reader.read(&keys::KEY_CAPTION);
    let most = reader.read(&keys::MEDIA_MOST);
    let path = target::other_path(reader, &keys::PATH_MEDIA, account);
    let upload = reader.read(&keys::MEDIA_UPLOAD);
    let permitted = reader.read(&keys::MEDIA_PERMIT_ADDR);
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
    let field = reader.read(&keys::KEY_UPLOAD);
    let fixed = reader.read(&keys::VAL_UPLOAD);
    let id = reader.read(&keys::RESP_UPLOAD);
    let (path, field, fixed, id) = (path?, field?, fixed?, id?);
    Some(path.map(|path| PrecedingUpload {
        path,
        field,
        fixed,
        id,
    }))
}
