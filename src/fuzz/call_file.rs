//! Call files, read by the rules of Asterisk.

use crate::config::CallFileSettings;
use crate::fuzz::Input;
use crate::model::interface::InterfaceName;
use crate::model::message::{Message, PhoneNumber, Sender, Text};
use crate::model::sender_name::harmless;
use crate::spool::callfile::{CallFileContent, read, render};
use crate::spool::progress::{Progress, attempts, progress, without_attempts};

/// `LINE_BUFFER_SIZE` of `pbx/pbx_spool.c`.
const LINE_BUFFER: usize = 1024;

/// Any message: Asterisk finds the number, the sender and the whole text in its call
/// files, and no directive besides.
pub fn call_file(data: &[u8]) {
    let mut input = Input(data);
    let settings = settings(&mut input);
    let (to, from) = (input.text(), input.text());
    let from = Sender::parse(&from).ok().or_else(|| harmless(&from));
    let (Ok(to), Some(from)) = (PhoneNumber::parse(&to), from) else {
        return;
    };
    let message = Message {
        to,
        from,
        text: Text::new(&String::from_utf8_lossy(input.rest())),
        interface: InterfaceName::unnamed(),
        provider_id: None,
        pictures: Vec::new(),
    };
    let mut text = Vec::new();
    let files = render(&message, &settings);
    assert!(!files.is_empty());
    for file in &files {
        let part = part(file, &message, &settings);
        assert!(part.len() <= settings.max_text);
        read_by_us(file, &message, &part);
        text.extend(part);
    }
    assert_eq!(
        String::from_utf8(text).as_deref(),
        Ok(message.text.as_str())
    );
}

fn settings(input: &mut Input<'_>) -> CallFileSettings {
    let max_text = 40 + input.number() % 961;
    CallFileSettings {
        wait_time: 45,
        max_retries: 2,
        retry_time: 300,
        archive: input.byte() % 2 == 1,
        channel_context: "open".to_owned(),
        context: "deliver".to_owned(),
        priority: 1,
        max_text: usize::try_from(max_text).unwrap_or(1000),
    }
}

/// The text that the dialplan gets from a call file, in which everything else is as
/// it must be.
fn part(file: &str, message: &Message, settings: &CallFileSettings) -> Vec<u8> {
    let Message { to, from, .. } = message;
    let number = to.as_str();
    let expected = [
        ("channel", format!("Local/{number}@open")),
        ("callerid", format!("\"\" <{}>", from.as_str())),
        ("waittime", "45".to_owned()),
        ("maxretries", "2".to_owned()),
        ("retrytime", "300".to_owned()),
        ("context", "deliver".to_owned()),
        ("extension", number.to_owned()),
        ("priority", "1".to_owned()),
        (
            "archive",
            if settings.archive { "yes" } else { "no" }.to_owned(),
        ),
        ("setvar", format!("MESSAGE(to)={number}")),
        ("setvar", format!("MESSAGE(from)={}", from.as_str())),
        ("setvar", "MESSAGE(body)=".to_owned()),
        ("setvar", "MESSAGE_ENCODE=rfc3986".to_owned()),
    ];
    let directives = directives(file.as_bytes());
    assert_eq!(directives.len(), expected.len(), "{file}");
    let mut body = None;
    for ((keyword, value), (wanted, text)) in directives.iter().zip(&expected) {
        assert_eq!(keyword, wanted);
        if text == "MESSAGE(body)=" {
            body = value.strip_prefix(text.as_bytes());
        } else {
            assert_eq!(value, text.as_bytes());
        }
    }
    let body = body.unwrap_or_else(|| unreachable!("no text in {file}"));
    uri_decoded(body)
}

/// Our own reader finds the same, also behind lines that Asterisk has appended.
fn read_by_us(file: &str, message: &Message, part: &[u8]) {
    let expected = CallFileContent {
        to: message.to.as_str().to_owned(),
        from: message.from.as_str().to_owned(),
        text: String::from_utf8_lossy(part).into_owned(),
    };
    let begun = format!("{file}\nStartRetry: 1 1 (1795304460)\n");
    assert_eq!(read(file).as_ref(), Some(&expected));
    assert_eq!(read(&begun), Some(expected));
    assert_eq!(progress(file), Progress::Untouched);
    assert_eq!(progress(&begun), Progress::Begun(1_795_304_460));
    assert_eq!((attempts(file), attempts(&begun)), (0, 1));
    assert_eq!(without_attempts(&begun), file);
}

/// What `apply_outgoing` and `parse_line` of `pbx/pbx_spool.c` make of a file:
/// keywords in lower case, and values. A line that Asterisk skips with a warning has
/// the keyword `?`.
fn directives(file: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut directives = Vec::new();
    let mut rest = file;
    while !rest.is_empty() {
        let end = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .map(|end| end + 1);
        let (line, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after;
        // fgets keeps room for the NUL; strlen ends at a NUL in the line.
        if line.len() >= LINE_BUFFER || line.contains(&0) {
            directives.push(("?".to_owned(), line.to_vec()));
        } else {
            directives.extend(directive(line));
        }
    }
    directives
}

/// A comment starts with `#` at the start or behind a blank, and with `;` unless a
/// backslash precedes it, which is removed. Control characters and blanks are cut
/// from the end, and from the start of the value.
fn directive(line: &[u8]) -> Option<(String, Vec<u8>)> {
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
    let length = kept
        .iter()
        .rposition(|byte| *byte > 32)
        .map_or(0, |last| last + 1);
    kept.truncate(length);
    if kept.is_empty() {
        return None;
    }
    let mut parts = kept.splitn(2, |byte| *byte == b':');
    let keyword = String::from_utf8_lossy(parts.next()?).to_ascii_lowercase();
    let Some(value) = parts.next() else {
        return Some(("?".to_owned(), kept));
    };
    let value = value.iter().copied().skip_while(|byte| *byte <= 32);
    Some((keyword, value.collect()))
}

/// What URIDECODE makes of a text (`main/utils.c`, `ast_uri_decode`).
fn uri_decoded(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let digits = after
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let escaped = byte.filter(|_| *first == b'%');
        assert!(escaped != Some(0), "a NUL ends the text in Asterisk");
        decoded.push(escaped.unwrap_or(*first));
        rest = after
            .get(if escaped.is_some() { 2.. } else { 0.. })
            .unwrap_or_default();
    }
    decoded
}
