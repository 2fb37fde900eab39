//! Paths of `request_uri`, in which one part may be the secret token.

use crate::config::TOKEN;

/// A path that matches a configured one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PathMatch<'a> {
    /// The part in the place of `{token}`, to be verified later.
    pub token: Option<&'a str>,
}

/// Compares a path with a configured one, part by part. `None` when they differ.
pub(crate) fn matched<'a>(template: &str, path: &'a str) -> Option<PathMatch<'a>> {
    if !template.contains(TOKEN) {
        let token = None;
        return (template == path).then_some(PathMatch { token });
    }
    let (template, parts) = (template.split('/'), path.split('/'));
    if template.clone().count() != parts.clone().count() {
        return None;
    }
    let mut token = None;
    for (expected, given) in template.zip(parts) {
        if expected == TOKEN {
            token = Some(given);
        } else if expected != given {
            return None;
        }
    }
    Some(PathMatch { token })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_without_token_is_compared_byte_for_byte() {
        assert_eq!(
            matched("/hook/1", "/hook/1"),
            Some(PathMatch { token: None })
        );
        for path in [
            "/hook/1/",
            "/hook%2f1",
            "/hook//1",
            "/hook/../hook/1",
            "/HOOK/1",
            "/hook/10",
            "/",
            "",
        ] {
            assert_eq!(matched("/hook/1", path), None, "{path}");
        }
    }

    #[test]
    fn token_is_one_part_of_the_path() {
        let template = "/hook/{token}/in";
        for (path, token) in [("/hook/x/in", "x"), ("/hook//in", "")] {
            let token = Some(token);
            assert_eq!(matched(template, path), Some(PathMatch { token }), "{path}");
        }
        for path in ["/hook/x/y/in", "/hook/x", "/hook/x/out"] {
            assert_eq!(matched(template, path), None, "{path}");
        }
    }
}
