//! The values of a message, in the form that its provider wants. Pure.

use crate::config::{Charset, OutgoingInterface};
use crate::model::address::Address;
use crate::model::id::Id;
use crate::model::outgoing::OutgoingMessage;
use crate::model::segments;
use crate::outbound::pictures;

/// The values of a message in a request.
pub(super) struct MessageValues {
    pub to: String,
    pub from: String,
    /// Without the URLs in `pictures`.
    pub text: String,
    /// URLs of pictures, which are sent as pictures.
    pub pictures: Vec<String>,
    /// The provider's id of the first picture, which was uploaded already.
    pub uploaded_id: Option<String>,
    pub id: String,
}

impl MessageValues {
    pub(super) fn new(
        interface: &OutgoingInterface,
        id: Id,
        message: &OutgoingMessage,
        uploaded_id: Option<&str>,
    ) -> Self {
        let number = |address: &Address| interface.number_format.apply(address.as_str());
        let (rest, pictures) = pictures::extract(&message.text, &interface.pictures);
        Self {
            to: number(&message.to),
            from: number(&message.from),
            text: text(&interface.charset, &rest),
            pictures,
            uploaded_id: uploaded_id.map(str::to_owned),
            id: id.to_string(),
        }
    }

    /// `{kind}` of the first picture; empty without one.
    pub(super) fn media_kind(&self) -> &'static str {
        let first = self.pictures.first();
        first.map_or("", |url| pictures::media_kind(url))
    }

    /// The value of a word in braces.
    pub(super) fn placeholder(&self, word: &str) -> String {
        let value = match word {
            "to" => &self.to,
            "from" => &self.from,
            "body" => &self.text,
            "id" => &self.id,
            "kind" => self.media_kind(),
            _ => "",
        };
        value.to_owned()
    }
}

/// A text in the characters that the provider takes.
pub(super) fn text(charset: &Charset, text: &str) -> String {
    match charset {
        Charset::Ucs2 => segments::to_ucs2(text),
        Charset::Marked { .. } | Charset::Utf8 => text.to_owned(),
    }
}
