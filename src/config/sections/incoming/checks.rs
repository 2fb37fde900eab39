//! `[websmsd]`: what several keys of one interface, or several interfaces, must
//! agree on.

use crate::config::sections::incoming::auth::{AuthLocation, AuthScheme};
use crate::config::sections::incoming::interface::{
    AllowedMethod, FieldPaths, IncomingInterface, TOKEN,
};
use crate::config::sections::incoming::media::MediaMode;
use crate::config::syntax::keys::websmsd as keys;
use crate::config::syntax::problem::{Problem, Severity, did_you_mean, place};
use crate::config::syntax::reader::Reader;
use crate::config::syntax::value;
use crate::document::path::FieldPath;

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

/// Checks one interface; `None` when there was a mistake, which has been noted.
pub(super) fn check(reader: &mut Reader<'_>, incoming: &IncomingInterface) -> Option<()> {
    token_in_path(reader, incoming)?;
    covered(reader, incoming)?;
    kept_somewhere(reader, incoming)
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
        (&keys::KEY_TO.key, to),
        (&keys::KEY_FROM.key, from),
        (&keys::KEY_BODY.key, body),
        (&keys::KEY_ID.key, id),
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
        && reader.read_as(&keys::MEDIA_DIR, value::optional)?.is_none()
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
