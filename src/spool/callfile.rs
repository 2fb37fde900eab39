//! Renders messages as call files. Pure.
//!
//! Asterisk's `pbx/pbx_spool.c`, the same from version 16 to 22, reads a call
//! file: lines of `Keyword: value` with at most 1,022 bytes. It skips longer
//! lines and places the call without them. One injected line can run commands as
//! Asterisk's user, so every value here is of a type that cannot hold a line
//! break, and the text is encoded.

use std::fmt::Write as _;

use percent_encoding::percent_decode_str;
use unicode_segmentation::UnicodeSegmentation as _;

use crate::config::CallFileSettings;
use crate::document::percent;
use crate::model::message::Message;

/// Most bytes of a line without its line break: `LINE_BUFFER_SIZE`, 1024, less
/// line break and NUL (`pbx/pbx_spool.c`, `apply_outgoing`).
const LINE_MAX: usize = 1022;

/// The start of the line with the text.
const BODY_PREFIX: &str = "setvar: MESSAGE(body)=";

/// Most bytes of an encoded text.
const BODY_MAX: usize = LINE_MAX - BODY_PREFIX.len();

/// The call files for a message: several, in the order of its text, when the text
/// does not fit into one line or is longer than `max_text`.
#[must_use]
pub fn render(message: &Message, settings: &CallFileSettings) -> Vec<String> {
    encoded_parts(message.text.as_str(), settings.max_text)
        .iter()
        .map(|body| render_part(message, settings, body))
        .collect()
}

/// Encodes a text in parts that fit into a line each and have, before encoding,
/// at most `max` bytes. Parts are cut between grapheme clusters.
fn encoded_parts(text: &str, max: usize) -> Vec<String> {
    // Encoding never shortens, so a longer text cannot fit into one line.
    if text.len() <= max.min(BODY_MAX) {
        let whole = encode(text);
        if whole.len() <= BODY_MAX {
            return vec![whole];
        }
    }
    parts(text, max).iter().map(|part| encode(part)).collect()
}

fn render_part(message: &Message, settings: &CallFileSettings, body: &str) -> String {
    let Message { to, from, .. } = message;
    let CallFileSettings {
        wait_time,
        max_retries,
        retry_time,
        channel_context,
        context,
        priority,
        ..
    } = settings;
    let archive = if settings.archive { "yes" } else { "no" };
    format!(
        "Channel: Local/{to}@{channel_context}\n\
         CallerID: \"\" <{from}>\n\
         WaitTime: {wait_time}\n\
         MaxRetries: {max_retries}\n\
         RetryTime: {retry_time}\n\
         Context: {context}\n\
         Extension: {to}\n\
         Priority: {priority}\n\
         Archive: {archive}\n\
         setvar: MESSAGE(to)={to}\n\
         setvar: MESSAGE(from)={from}\n\
         {BODY_PREFIX}{body}\n\
         setvar: MESSAGE_ENCODE=rfc3986\n"
    )
}

/// The text as the PHP WebSMS encodes it if that fits into a line, else in the
/// compact form. Asterisk's URIDECODE decodes both to the same text.
fn encode(text: &str) -> String {
    let encoded = percent::encode(text);
    if encoded.len() <= BODY_MAX {
        encoded
    } else {
        compact(text)
    }
}

/// The compact form: raw UTF-8, in which only those characters are encoded that
/// Asterisk would change.
fn compact(text: &str) -> String {
    let last = text.len().saturating_sub(1);
    let mut encoded = String::with_capacity(text.len());
    for (position, character) in text.char_indices() {
        // Asterisk trims lines, so only blanks at an end need encoding.
        let trimmed = character == ' ' && (position == 0 || position == last);
        if trimmed || is_changed(character) {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{:02X}", u32::from(character));
        } else {
            encoded.push(character);
        }
    }
    encoded
}

/// Whether Asterisk's reader or its URIDECODE would change a character: control
/// characters, the comment signs `;` and `#`, the escape `\`, `%`, and `)`. After
/// a `)` Asterisk takes a `:` for the end of URIDECODE's argument
/// (`main/pbx_variables.c`, `parse_variable_name`).
fn is_changed(character: char) -> bool {
    character.is_ascii_control() || matches!(character, '%' | ';' | '#' | '\\' | ')')
}

/// The message in a call file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallFileContent {
    /// Our number.
    pub to: String,
    /// Their number or name.
    pub from: String,
    /// The text, or the part of it in this file.
    pub text: String,
}

/// Reads a call file of [`render`], with or without lines that Asterisk has
/// appended. `None` when it is not one.
#[must_use]
pub fn read(content: &str) -> Option<CallFileContent> {
    let variable = |name: &str| {
        let mut lines = content.lines();
        lines.find_map(|line| {
            line.strip_prefix("setvar: ")?
                .strip_prefix(name)?
                .strip_prefix('=')
        })
    };
    let text = percent_decode_str(variable("MESSAGE(body)")?);
    Some(CallFileContent {
        to: variable("MESSAGE(to)")?.to_owned(),
        from: variable("MESSAGE(from)")?.to_owned(),
        text: text.decode_utf8_lossy().into_owned(),
    })
}

/// Bytes that encoding the blanks at both ends of a part adds.
const ENDS_EXTRA: usize = 4;

/// Cuts a text into parts of at most `max` bytes whose compact forms fit into a
/// line.
fn parts(text: &str, max: usize) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut length = 0;
    for cluster in clusters(text, max) {
        let cluster_length = inner_length(cluster);
        match parts.last_mut() {
            Some(part)
                if length + cluster_length + ENDS_EXTRA <= BODY_MAX
                    && part.len() + cluster.len() <= max =>
            {
                part.push_str(cluster);
                length += cluster_length;
            }
            _ => {
                parts.push(cluster.to_owned());
                length = cluster_length;
            }
        }
    }
    parts
}

/// The grapheme clusters of a text. A cluster that does not fit into a part is
/// split into characters.
fn clusters(text: &str, max: usize) -> impl Iterator<Item = &str> {
    text.graphemes(true).flat_map(move |cluster| {
        let fits = inner_length(cluster) + ENDS_EXTRA <= BODY_MAX && cluster.len() <= max;
        cluster.split_inclusive(move |_| !fits)
    })
}

/// Bytes of the compact form, not counting the encoding of blanks at the ends.
fn inner_length(text: &str) -> usize {
    text.chars()
        .map(|character| {
            if is_changed(character) {
                3
            } else {
                character.len_utf8()
            }
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::interface::InterfaceName;
    use crate::model::message::{PhoneNumber, Sender, Text};
    use proptest::prelude::*;

    fn settings() -> CallFileSettings {
        CallFileSettings {
            wait_time: 45,
            max_retries: 0,
            retry_time: 300,
            archive: false,
            channel_context: "dp_entry_channel_open".to_owned(),
            context: "dp_entry_trunk_texting".to_owned(),
            priority: 1,
            max_text: 1000,
        }
    }

    fn rendered(text: &str) -> Vec<String> {
        let message = Message {
            to: PhoneNumber::parse("+12025550160").unwrap(),
            from: Sender::parse("+15017122661").unwrap(),
            text: Text::new(text),
            interface: InterfaceName::unnamed(),
            provider_id: None,
            pictures: Vec::new(),
        };
        render(&message, &settings())
    }

    /// The text that Asterisk reads from the body line: without comments and
    /// trailing blanks (`pbx_spool.c`, `parse_line`), then URIDECODE.
    fn read_by_asterisk(file: &str) -> String {
        let line = file
            .lines()
            .find_map(|line| line.strip_prefix(BODY_PREFIX))
            .unwrap();
        let mut value = String::new();
        let mut rest = line.chars().peekable();
        let mut previous = '=';
        while let Some(character) = rest.next() {
            match character {
                ';' => break,
                '#' if previous == ' ' || previous == '\t' => break,
                '\\' if rest.peek() == Some(&';') => continue,
                _ => value.push(character),
            }
            previous = character;
        }
        let trimmed = value.trim_end_matches(|last: char| last < '!');
        percent_decode_str(trimmed)
            .decode_utf8()
            .unwrap()
            .into_owned()
    }

    fn assert_arrives(text: &str) {
        let files = rendered(text);
        let read: String = files.iter().map(|file| read(file).unwrap().text).collect();
        assert_eq!(read, text);
        let arrived: String = files.iter().map(|file| read_by_asterisk(file)).collect();
        assert_eq!(arrived, text);
        for file in &files {
            assert_eq!(file.lines().count(), 13, "{file}");
            assert!(file.lines().all(|line| line.len() <= LINE_MAX), "{file}");
        }
    }

    #[test]
    fn short_text_is_rendered_as_by_php_websms() {
        let files = rendered("Incoming message!");
        assert_eq!(
            files,
            ["Channel: Local/+12025550160@dp_entry_channel_open\n\
              CallerID: \"\" <+15017122661>\n\
              WaitTime: 45\n\
              MaxRetries: 0\n\
              RetryTime: 300\n\
              Context: dp_entry_trunk_texting\n\
              Extension: +12025550160\n\
              Priority: 1\n\
              Archive: no\n\
              setvar: MESSAGE(to)=+12025550160\n\
              setvar: MESSAGE(from)=+15017122661\n\
              setvar: MESSAGE(body)=Incoming%20message%21\n\
              setvar: MESSAGE_ENCODE=rfc3986\n"]
        );
    }

    #[test]
    fn text_is_encoded_in_the_form_that_fits() {
        // 166 Cyrillic letters are 996 bytes when encoded, 172 are 1032.
        assert_eq!(rendered(&"Ж".repeat(166))[0].matches("%D0%96").count(), 166);
        let compact = rendered(&"Ж".repeat(172));
        assert!(compact[0].contains(&"Ж".repeat(172)), "{compact:?}");
        assert_eq!(rendered(&"Ж".repeat(500)).len(), 1);
        assert_eq!(rendered(&"Ж".repeat(501)).len(), 2);
        assert_eq!(rendered(&"a".repeat(1000)).len(), 1);
        assert_eq!(rendered(&"a".repeat(1001)).len(), 2);
    }

    #[test]
    fn unusual_texts_arrive_unchanged() {
        for text in [
            "",
            " ",
            "  ",
            "a",
            " a ",
            "# x",
            "a # b",
            "a;b",
            "\\;",
            "\\\\",
            "a\\",
            "tab\t",
            "\t",
            "\r\n",
            "a\rb",
            "%41",
            "%",
            "+",
            "\u{7f}",
            "\u{1}",
            "☺ 😀 \" \\ , ; # ( [ $ { } % +",
        ] {
            assert_arrives(text);
            // Also in the compact form, and in several parts.
            assert_arrives(&format!("{text}{}{text}", "Ж".repeat(400)));
            assert_arrives(&text.repeat(700));
        }
    }

    #[test]
    fn parts_are_cut_between_grapheme_clusters() {
        let family = "👨\u{200d}👩\u{200d}👧\u{200d}👦";
        for file in rendered(&family.repeat(200)) {
            assert_eq!(read_by_asterisk(&file).replace(family, ""), "");
        }
        // A cluster longer than a line is split, and a cluster that just fits is
        // not lost when a blank at its end is encoded.
        assert_arrives(&format!("a{}", "\u{301}".repeat(2000)));
        for marks in 490..505 {
            let marks = "\u{301}".repeat(marks);
            for cluster in [format!(" {marks}"), format!("\u{600}{marks} "), marks] {
                assert_arrives(&cluster);
                assert_arrives(&format!("{}{cluster}{cluster}", "x".repeat(900)));
            }
        }
    }

    #[test]
    fn parts_are_not_longer_than_max_text() {
        let text = "Grüße aus Köln 😀 ".repeat(50);
        for max in [40, 70, 160, 999] {
            let parts = parts(&text, max);
            assert_eq!(parts.concat(), text);
            assert!(parts.iter().all(|part| part.len() <= max), "{max}");
            assert_eq!(encoded_parts(&text, max).len(), parts.len());
        }
    }

    proptest! {
        #[test]
        fn any_text_arrives(text in any::<String>()) {
            assert_arrives(&text.replace('\0', ""));
        }

        #[test]
        fn any_long_text_arrives(text in "[ %;#\\\\a-cЖ日😀\u{301}\r\n\t]{300,1500}") {
            assert_arrives(&text);
        }
    }
}
