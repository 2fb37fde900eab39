//! `[websms]`: parameters of one interface that contradict each other.

use serde_json::Value;

use crate::config::sections::outgoing::auth::Auth;
use crate::config::sections::outgoing::interface::{Charset, OutgoingInterface};
use crate::config::sections::outgoing::parameters::{BodyType, Parameters, pointer};
use crate::config::sections::outgoing::pictures::PictureSettings;
use crate::config::syntax::keys::{Key, websms as keys};
use crate::config::syntax::reader::Reader;
use crate::document::template;

/// Checks that all parameters can be sent: no two have the same name, which
/// providers treat in different ways, and no JSON Pointer leads into the value of
/// another. `None` after a mistake, which has been recorded.
pub(crate) fn check(reader: &mut Reader<'_>, outgoing: &OutgoingInterface) -> Option<()> {
    let ucs2 = ConditionalParameters {
        key: &keys::VAL_UCS2.key,
        values: &outgoing.parameters.ucs2,
    };
    let media = ConditionalParameters {
        key: &keys::VAL_MEDIA.key,
        values: &outgoing.pictures.fixed,
    };
    let combinations: [(&[ConditionalParameters<'_>], bool); 4] = [
        (&[], false),
        (&[ucs2], false),
        (&[media], true),
        (&[ucs2, media], true),
    ];
    let problem = missing(outgoing).or_else(|| {
        combinations.iter().find_map(|(conditional, picture)| {
            let named = named(outgoing, conditional, *picture);
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

/// A text that neither a parameter nor the URL nor a header contains. The other two
/// may be missing: some accounts have only one number, or write to only one.
fn missing(outgoing: &OutgoingInterface) -> Option<(&'static Key, String)> {
    let is_sent = !outgoing.parameters.key_body.is_empty() || outgoing.fills_in("{body}");
    let message = "must not be empty, unless path or header contains {body}";
    (!is_sent).then(|| (&keys::KEY_BODY.key, message.to_owned()))
}

/// Parameters that only some messages have.
#[derive(Clone, Copy)]
struct ConditionalParameters<'a> {
    key: &'static Key,
    values: &'a [(String, Value)],
}

/// Every parameter of a message with the key that names it. Conditional ones replace
/// fixed ones with the same name.
fn named(
    outgoing: &OutgoingInterface,
    conditional: &[ConditionalParameters<'_>],
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
        [(&keys::KEY_TO.key, key_to), (&keys::KEY_FROM.key, key_from)]
            .into_iter()
            .filter_map(|(key, name)| Some((key, name.as_deref()?)))
            .collect();
    match caption {
        Some(caption) if picture => named.push((&keys::KEY_CAPTION.key, caption)),
        _ => named.extend(
            key_body
                .iter()
                .map(|name| (&keys::KEY_BODY.key, name.as_str())),
        ),
    }
    if let Auth::Plain {
        user, key_secret, ..
    } = &outgoing.auth
    {
        named.push((&keys::KEY_USER.key, &user.0));
        named.push((&keys::KEY_SECRET.key, key_secret));
    }
    if let Some(key) = &outgoing.delivery.idempotency.parameter {
        named.push((&keys::KEY_IDEMPOTENCY.key, key));
    }
    if let Charset::Marked { key, .. } = &outgoing.charset {
        named.push((&keys::CHARSET.key, key));
    }
    if let Some(key) = key.as_ref().filter(|_| picture) {
        named.push((&keys::KEY_MEDIA.key, key));
    }
    let mut values: Vec<_> = fixed
        .iter()
        .map(|pair| (&keys::VAL_STATIC.key, pair))
        .collect();
    for added in conditional {
        values.retain(|(_, (name, _))| added.values.iter().all(|(other, _)| other != name));
        values.extend(added.values.iter().map(|pair| (added.key, pair)));
    }
    values.retain(|(_, (_, value))| !value.is_null());
    named.extend(values.iter().map(|(key, (name, _))| (*key, name.as_str())));
    // Every kind of picture has the same conflicts.
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
                "the parameter {name:?} is already used by another key, or conflicts with one \
                 (elements of a list are numbered from 0)"
            );
            (*key, message)
        })
    })
}

#[cfg(test)]
mod tests {
    use crate::config;

    #[test]
    fn conditional_parameters_that_conflict_are_refused() {
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
            let report = parsed
                .err()
                .map(|report| report.to_string())
                .unwrap_or_default();
            assert_eq!(report.is_empty(), mistake.is_none(), "{lines}: {report}");
            assert!(
                report.contains(mistake.unwrap_or_default()),
                "{lines}: {report}"
            );
        }
    }
}
