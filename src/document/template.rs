//! Texts of the configuration with words in braces, which are replaced.

/// A template with what stands in braces replaced, in one pass: what is put in
/// is not looked at again.
#[must_use]
pub(crate) fn fill(template: &str, word: impl Fn(&str) -> String) -> String {
    let mut filled = String::new();
    for piece in pieces(template) {
        match piece {
            Piece::Literal(text) => filled.push_str(text),
            Piece::Word(name) => filled.push_str(&word(name)),
        }
    }
    filled
}

/// The first word of a template that is none of `known`.
#[must_use]
pub(crate) fn unknown_word<'a>(template: &'a str, known: &[&str]) -> Option<&'a str> {
    pieces(template).find_map(|piece| match piece {
        Piece::Word(name) if !known.contains(&name) => Some(name),
        _ => None,
    })
}

/// A part of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// What stands for itself.
    Literal(&'a str),
    /// What stands in braces.
    Word(&'a str),
}

/// The parts of a template. A brace that is not closed makes a word of the
/// rest.
pub(crate) fn pieces(template: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = template;
    let mut word = None;
    std::iter::from_fn(move || {
        if let Some(name) = word.take() {
            return Some(Piece::Word(name));
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
            word = Some(name);
            rest = after;
        }
        Some(Piece::Literal(literal))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn template_is_filled_once() {
        let word = |name: &str| match name {
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
            assert_eq!(fill(template, word), expected);
        }
    }

    #[test]
    fn stranger_is_named() {
        assert_eq!(unknown_word("/a/{to}?b={from}", &["to", "from"]), None);
        assert_eq!(unknown_word("/a/{to}/{tp}", &["to"]), Some("tp"));
        assert_eq!(unknown_word("{", &["to"]), Some(""));
    }
}
