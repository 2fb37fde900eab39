//! Reads call files as Asterisk does. It is written from `pbx/pbx_spool.c`, and
//! independent of the code that writes call files.

/// The directives of a call file in order: keyword in lower case, and value.
///
/// A comment starts at `#` at the start of a line or after a blank, and at `;`
/// unless `\` precedes it. Control characters and blanks at the end are cut. Lines
/// of more than 1,022 bytes and lines without a colon, which Asterisk skips with a
/// warning, are returned with the keyword `?`.
pub(crate) fn directives(file: &[u8]) -> Vec<(String, Vec<u8>)> {
    file.split(|byte| *byte == b'\n')
        .filter_map(directive)
        .collect()
}

fn directive(line: &[u8]) -> Option<(String, Vec<u8>)> {
    if line.len() > 1022 || line.contains(&0) {
        return Some(("?".to_owned(), line.to_vec()));
    }
    let mut kept: Vec<u8> = Vec::new();
    for byte in line {
        match (kept.last(), byte) {
            (Some(b'\\'), b';') => {
                kept.pop();
                kept.push(b';');
            }
            (None | Some(b' ' | b'\t'), b'#') | (_, b';') => break,
            _ => kept.push(*byte),
        }
    }
    while kept.last().is_some_and(|byte| *byte < 33) {
        kept.pop();
    }
    if kept.is_empty() {
        return None;
    }
    let Some(colon) = kept.iter().position(|byte| *byte == b':') else {
        return Some(("?".to_owned(), kept));
    };
    let keyword = String::from_utf8_lossy(&kept[..colon]).to_ascii_lowercase();
    let value = &kept[colon + 1..];
    let start = value
        .iter()
        .position(|byte| *byte >= 33)
        .unwrap_or(value.len());
    Some((keyword, value[start..].to_vec()))
}

/// To, from and text as a phone would get them. It is an error if the call file
/// has any directive that a message does not need.
pub(crate) fn message(file: &[u8]) -> Result<(String, String, Vec<u8>), String> {
    const KEYWORDS: [&str; 13] = [
        "channel",
        "callerid",
        "waittime",
        "maxretries",
        "retrytime",
        "context",
        "extension",
        "priority",
        "archive",
        "setvar",
        "setvar",
        "setvar",
        "setvar",
    ];
    let directives = directives(file);
    let keywords: Vec<_> = directives
        .iter()
        .map(|(keyword, _)| keyword.as_str())
        .collect();
    if keywords != KEYWORDS {
        return Err(format!("unexpected keywords: {keywords:?}"));
    }
    let value = |position: usize| String::from_utf8_lossy(&directives[position].1).into_owned();
    let variable = |position: usize, name: &str| {
        let value = &directives[position].1;
        value
            .strip_prefix(format!("{name}=").as_bytes())
            .map(<[u8]>::to_vec)
            .ok_or_else(|| format!("no {name} in {value:?}"))
    };
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|error| error.to_string());
    let to = text(variable(9, "MESSAGE(to)")?)?;
    let from = text(variable(10, "MESSAGE(from)")?)?;
    let body = uri_decoded(&variable(11, "MESSAGE(body)")?);
    for (position, expected) in [
        (0, format!("Local/{to}@dp_entry_channel_open")),
        (1, format!("\"\" <{from}>")),
        (5, "dp_entry_trunk_texting".to_owned()),
        (6, to.clone()),
        (12, "MESSAGE_ENCODE=rfc3986".to_owned()),
    ] {
        if value(position) != expected {
            return Err(format!("{:?} is not {expected:?}", value(position)));
        }
    }
    Ok((to, from, body))
}

/// To, from and text of a message in a call file.
pub(crate) fn read(file: &str) -> (String, String, String) {
    let (to, from, text) = message(file.as_bytes()).unwrap();
    (to, from, String::from_utf8(text).unwrap())
}

/// The text of a message in a call file.
pub(crate) fn text(file: &str) -> String {
    read(file).2
}

/// Decodes as the dialplan function `URIDECODE` does (`main/utils.c`,
/// `ast_uri_decode`).
fn uri_decoded(value: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = value;
    while let Some((first, after)) = rest.split_first() {
        let digits = after
            .get(..2)
            .and_then(|pair| std::str::from_utf8(pair).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (first, byte) {
            (b'%', Some(0)) => break,
            (b'%', Some(byte)) => {
                decoded.push(byte);
                rest = &after[2..];
            }
            _ => {
                decoded.push(*first);
                rest = after;
            }
        }
    }
    decoded
}
