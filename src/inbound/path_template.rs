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

/// A path as it may be logged. Parts that stand in a configured path are shown. Any other
/// could be a token in the wrong place, or of a client that is not permitted: it is masked
/// if a token is configured in a path, else if it is long.
pub(crate) fn loggable<'a>(path: &str, templates: impl Iterator<Item = &'a str>) -> String {
    const LONG: usize = 16;
    let known: Vec<_> = templates.flat_map(|template| template.split('/')).collect();
    let has_token = known.contains(&TOKEN);
    let part = |part: &str| {
        if part.is_empty() || known.contains(&part) && part != TOKEN {
            part.to_owned()
        } else if has_token {
            "…".to_owned()
        } else {
            match part.get(..3) {
                Some(start) if part.len() >= LONG => format!("{start}…"),
                _ => part.to_owned(),
            }
        }
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_is_logged_whatever_its_length() {
        let with_token = ["/hook/{token}/in", "/other/1"];
        for (path, logged) in [
            ("/hook/s/in", "/hook/…/in"),
            ("/hook/hunter2/in", "/hook/…/in"),
            ("/hook/0123456789abcdef0123/in", "/hook/…/in"),
            ("/hook/hunter2", "/hook/…"),
            ("/hok/hunter2/in/", "/…/…/in/"),
            ("/hunter2", "/…"),
            ("/other/1", "/other/1"),
            ("/hook/{token}/in", "/hook/…/in"),
            ("/", "/"),
            ("", ""),
        ] {
            assert_eq!(loggable(path, with_token.into_iter()), logged, "{path}");
        }
        for (path, logged) in [
            ("/hook/1", "/hook/1"),
            ("/wrong/1", "/wrong/1"),
            ("/hook/0123456789abcdef0123", "/hook/012…"),
        ] {
            assert_eq!(loggable(path, ["/hook/1"].into_iter()), logged, "{path}");
        }
    }

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
