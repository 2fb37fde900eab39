//! `[websms]`: how URLs of pictures in a text are sent.

use ipnet::IpNet;
use serde_json::Value;

use crate::config::sections::outgoing::parameters::{self, BODY_TYPES};
use crate::config::sections::outgoing::target::{self, Account};
use crate::config::syntax::keys::websms as keys;
use crate::config::syntax::reader::Reader;
use crate::document::path::FieldPath;

/// How URLs of pictures in a text are sent.
#[derive(Debug, Clone)]
pub struct PictureSettings {
    /// Parameter for a URL, perhaps with `{kind}`; `None` leaves URLs in the text.
    pub key: Option<String>,
    /// Parameter for the text beside a picture; `None` is `key_body`.
    pub caption: Option<String>,
    /// Pictures in one message.
    pub max: usize,
    /// Path of a request with a picture; `None` is `path`.
    pub path: Option<String>,
    /// How the pictures themselves are sent; `None` sends their URLs.
    pub upload: Option<UploadSettings>,
    /// Extensions of URLs of pictures, without the dot and in lower case.
    pub extensions: Vec<String>,
    /// Parameters that are sent with pictures, in place of others with the same name;
    /// in JSON `null` replaces them too.
    pub fixed: Vec<(String, Value)>,
}

/// How a picture itself is sent.
#[derive(Debug, Clone)]
pub struct UploadSettings {
    /// Private addresses from which it may be fetched.
    pub permitted: Vec<IpNet>,
    /// The upload before the message, which then contains an id in place of the file;
    /// `None` sends the file with the message.
    pub preceding: Option<PrecedingUpload>,
}

/// An upload of a file before the message.
#[derive(Debug, Clone)]
pub struct PrecedingUpload {
    pub path: String,
    /// Field for the file.
    pub field: String,
    /// Other fields of the form.
    pub fixed: Vec<(String, String)>,
    /// Where the response has the id of the file.
    pub id: Vec<FieldPath>,
}

/// Reads one interface; `None` after a mistake, which has been recorded.
pub(crate) fn read(reader: &mut Reader<'_>, account: &Account) -> Option<PictureSettings> {
    let body_type = reader.choose(&keys::BODY_TYPE, &BODY_TYPES);
    let key = reader.read(&keys::KEY_MEDIA);
    let extensions = reader.read(&keys::MEDIA_OUT);
    let body_type = body_type?;
    let fixed = reader.read_as(&keys::VAL_MEDIA, |raw| parameters::fixed(body_type, raw));
    let caption = reader.read(&keys::KEY_CAPTION);
    let max = reader.read(&keys::MEDIA_MOST);
    let path = target::other_path(reader, &keys::PATH_MEDIA, account);
    let upload = reader.read(&keys::MEDIA_UPLOAD);
    let permitted = reader.read(&keys::MEDIA_PERMIT_ADDR);
    let preceding = read_preceding(reader, account);
    let (upload, permitted, preceding) = (upload?, permitted?, preceding?);
    let pictures = PictureSettings {
        key: key?,
        caption: caption?,
        // One message has one file.
        max: if upload { 1 } else { max? },
        path: path?,
        upload: upload.then(|| UploadSettings {
            permitted: permitted.unwrap_or_default(),
            preceding,
        }),
        extensions: extensions?,
        fixed: fixed?,
    };
    if pictures.key.is_none() && !pictures.extensions.is_empty() {
        let message = "is not set, and media_out needs it: set it to the provider's parameter for \
                       the URL of a picture";
        reader.mistake(&keys::KEY_MEDIA, message);
        return None;
    }
    Some(pictures)
}

/// Reads how a file is uploaded before the message, if it is.
#[expect(clippy::option_option, reason = "a mistake is not the same as nothing")]
fn read_preceding(reader: &mut Reader<'_>, account: &Account) -> Option<Option<PrecedingUpload>> {
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
