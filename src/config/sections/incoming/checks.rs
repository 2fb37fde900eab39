//! `[websmsd]`: checks of several keys of one interface, or of several interfaces.

use crate::config::sections::incoming::auth::{AuthLocation, AuthScheme};
use crate::config::sections::incoming::interface::{
    AllowedMethod, FieldPaths, IncomingInterface, TOKEN,
};
use crate::config::sections::incoming::media::MediaMode;
use crate::config::syntax::keys::websmsd as keys;
use crate::config::syntax::problem::{Problem, Severity, did_you_mean, location};
use crate::config::syntax::reader::Reader;
use crate::config::syntax::value;
use crate::document::path::FieldPath;

/// Mistakes: interfaces that accept messages from anyone at any path beside others that
/// do not. Mostly an index is misspelt, and the interface is open by accident.
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
                location: location("websmsd", keys::PERMIT_ADDR.name, Some(index)),
                message: format!(
                    "is not set, nor is request_uri, so this interface accepts what the others \
                     refuse: set one of them{hint}"
                ),
            }
        })
        .collect()
}

/// Checks one interface; `None` after a mistake, which has been recorded.
pub(super) fn check(reader: &mut Reader<'_>, incoming: &IncomingInterface) -> Option<()> {
    check_token_in_path(reader, incoming)?;
    check_coverage(reader, incoming)?;
    check_media_store(reader, incoming)
}

/// A token in the path needs `{token}` in every path, and `{token}` needs a token.
fn check_token_in_path(reader: &mut Reader<'_>, incoming: &IncomingInterface) -> Option<()> {
    let in_path = incoming.auth.as_ref().is_some_and(|auth| {
        matches!(
            auth.scheme,
            AuthScheme::Token {
                location: AuthLocation::Path
            }
        )
    });
    let paths = incoming.paths.as_deref().unwrap_or_default();
    let has_token = |path: &String| path.split('/').any(|part| part == TOKEN);
    if in_path && (paths.is_empty() || !paths.iter().all(has_token)) {
        let message = "has no {token}: write e.g. /hook/{token}";
        reader.mistake(&keys::REQUEST_URI, message);
        return None;
    }
    if !in_path && paths.iter().any(|path| path.contains(['{', '}'])) {
        let message = "contains a brace, which is for auth = token with auth_place = path";
        reader.mistake(&keys::REQUEST_URI, message);
        return None;
    }
    Some(())
}

/// The provider must sign what a message is read from.
fn check_coverage(reader: &mut Reader<'_>, incoming: &IncomingInterface) -> Option<()> {
    let Some(auth) = &incoming.auth else {
        return Some(());
    };
    if incoming.methods.contains(&AllowedMethod::Get) && !auth.scheme.covers_query() {
        let message = "contains GET, whose fields are in the URL, and this auth does not sign it: \
                       remove GET, or add {url} to auth_template if the provider signs it";
        reader.mistake(&keys::METHOD, message);
        return None;
    }
    let FieldPaths { to, from, body, id } = &incoming.keys;
    let by_header = |paths: &[FieldPath]| {
        paths
            .iter()
            .any(|path| matches!(path, FieldPath::Header(_)))
    };
    for (key, paths) in [
        (&keys::KEY_TO.key, to),
        (&keys::KEY_FROM.key, from),
        (&keys::KEY_BODY.key, body),
        (&keys::KEY_ID.key, id),
    ] {
        if by_header(paths) && !auth.scheme.covers_headers() {
            let message = "names a header, and this auth does not sign headers: name a field";
            reader.mistake(key, message);
            return None;
        }
    }
    Some(())
}

/// `media = store` needs a directory.
fn check_media_store(reader: &mut Reader<'_>, incoming: &IncomingInterface) -> Option<()> {
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
    fn field_that_no_signature_covers_is_a_mistake() {
        let hmac = "auth = hmac\nauth_place = header:X\n";
        let get = "method = POST,GET";
        let nonce = "auth_nonce = header:N\nauth_template";
        for (lines, mistake) in [
            (format!("{hmac}{get}"), Some("contains GET")),
            (
                format!("{hmac}{get}\nauth_template = {{url_noquery}}{{body}}"),
                Some("contains GET"),
            ),
            (
                format!("{hmac}{get}\n{nonce} = {{url_noquery}}{{nonce}}"),
                Some("contains GET"),
            ),
            (
                format!("{hmac}{get}\nauth_template = {{field:a}}{{body}}"),
                Some("contains GET"),
            ),
            (format!("auth = ed25519\n{get}"), Some("contains GET")),
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
