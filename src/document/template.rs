//! Templates of the configuration: texts with placeholders in braces.

/// Replaces each placeholder by what `value` returns for its name, in one pass:
/// braces in a value are not placeholders.
pub(crate) fn fill(template: &str, value: impl Fn(&str) -> String) -> String {
    let mut filled = String::new();
    for piece in pieces(template) {
        match piece {
            Piece::Literal(text) => filled.push_str(text),
            Piece::Placeholder(name) => filled.push_str(&value(name)),
        }
    }
    filled
}

/// The first placeholder of a template that is not among `known`.
pub(crate) fn unknown_placeholder<'a>(template: &'a str, known: &[&str]) -> Option<&'a str> {
    pieces(template).find_map(|piece| match piece {
        Piece::Placeholder(name) if !known.contains(&name) => Some(name),
        _ => None,
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Text outside of braces.
    Literal(&'a str),
    /// The name of a placeholder, without its braces.
    Placeholder(&'a str),
}

/// Splits a template. After a brace that is not closed the rest of the template
/// is the name of a placeholder.
pub(crate) fn pieces(template: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = template;
    let mut placeholder = None;
    std::iter::from_fn(move || {
        if let Some(name) = placeholder.take() {
            return Some(Piece::Placeholder(name));
        }
        if rest.is_empty() {
            return None;
        }
        let (literal, after) = rest
            .split_once('{')
            .map_or((rest, None), |(l, a)| (l, Some(a)));
        rest = "";
        if let Some(after) = after {
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            placeholder = Some(name);
            rest = after;
        }
        Some(Piece::Literal(literal))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholder_in_value_is_not_filled() {
        let value = |name: &str| match name {
            "to" => "+1{from}".to_owned(),
            "from" => "+2".to_owned(),
            _ => String::new(),
        };
        for (template, expected) in [
            ("Not delivered to {to}: x", "Not delivered to +1{from}: x"),
            ("{to}{from}", "+1{from}+2"),
            ("{nothing}{", ""),
            ("a } b", "a } b"),
            ("", ""),
        ] {
            assert_eq!(fill(template, value), expected);
        }
    }

    #[test]
    fn unknown_placeholder_is_found() {
        assert_eq!(
            unknown_placeholder("/a/{to}?b={from}", &["to", "from"]),
            None
        );
        assert_eq!(unknown_placeholder("/a/{to}/{tp}", &["to"]), Some("tp"));
        assert_eq!(unknown_placeholder("{", &["to"]), Some(""));
    }
}
