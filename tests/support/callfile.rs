//! Reads call files as Asterisk does, written from the facts about
//! `pbx/pbx_spool.c` and not from the program's own renderer.

/// The directives of a call file: keyword in lower case and value, in order.
///
/// Comments start at `#` behind a blank or at the start of a line, and at `;`
/// unless `\` stands before it; trailing bytes up to the blank are cut; lines of
/// more than 1,022 bytes are skipped. What is no directive is reported as one
/// named `?`, because Asterisk only warns about it.
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

/// What a phone would see, if the file is one of ours and says nothing but
/// what a message says; the first thing that is wrong with it otherwise.
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

/// What `URIDECODE` makes of a value (`main/utils.c`, `ast_uri_decode`).
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
