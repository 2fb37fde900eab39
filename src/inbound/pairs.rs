//! Names and values in the order of a request.

/// The value of a name that is given once; with two it is unclear which one counts.
pub(crate) fn once<'a>(pairs: &'a [(String, String)], wanted: &str) -> Option<&'a str> {
    let mut values = pairs.iter().filter(|(name, _)| name == wanted);
    match (values.next(), values.next()) {
        (Some((_, value)), None) => Some(value),
        _ => None,
    }
}
