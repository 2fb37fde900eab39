//! Message to call files, byte for byte.
//!
//! A call file is read by Asterisk's `pbx/pbx_spool.c`, the same from version
//! 16 to 22: one `Keyword: value` to a line of at most 1,022 bytes; longer
//! lines are skipped and the call goes out without them. Whoever controls one
//! line controls the machine as Asterisk's user, so every value here is of a
//! type that cannot hold a line break, and the text is encoded.

use std::fmt::Write as _;

use percent_encoding::percent_decode_str;
use unicode_segmentation::UnicodeSegmentation as _;

use crate::config;
use crate::document::percent;
use crate::model::message::Message;

/// Longest line without its end: `LINE_BUFFER_SIZE` 1024 less line end and NUL
/// (`pbx/pbx_spool.c`, `apply_outgoing`).
const LINE_MAX: usize = 1022;

/// What stands before the text in its line.
const BODY: &str = "setvar: MESSAGE(body)=";

/// Longest encoded text.
const BODY_MAX: usize = LINE_MAX - BODY.len();

/// The call files that carry a message, in the order of its text. Mostly one;
/// several when the text does not fit into one line.
#[must_use]
pub fn render(message: &Message, call: &config::CallFileSettings) -> Vec<String> {
    lines(message.text.as_str(), call.max_text)
        .iter()
        .map(|body| file(message, call, body))
        .collect()
}

/// The encoded text, cut between grapheme clusters where it has to be cut: a
/// part has at most `most` bytes before it is encoded.
fn lines(text: &str, most: usize) -> Vec<String> {
    // Every byte takes at least one, so a longer text need not be tried.
    if text.len() <= most.min(BODY_MAX) {
        let whole = encode(text);
        if whole.len() <= BODY_MAX {
            return vec![whole];
        }
    }
    parts(text, most).iter().map(|part| encode(part)).collect()
}

fn file(message: &Message, call: &config::CallFileSettings, body: &str) -> String {
    let Message { to, from, .. } = message;
    let config::CallFileSettings {
        wait_time,
        max_retries,
        retry_time,
        channel_context,
        context,
        priority,
        ..
    } = call;
    let archive = if call.archive { "yes" } else { "no" };
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
         {BODY}{body}\n\
         setvar: MESSAGE_ENCODE=rfc3986\n"
    )
}

/// The text as the reference writes it when that fits into a line, else in the
/// compact form, which URIDECODE reads back the same.
fn encode(text: &str) -> String {
    let encoded = percent::encode(text);
    if encoded.len() <= BODY_MAX {
        encoded
    } else {
        compact(text)
    }
}

/// Raw UTF-8 with only those characters encoded that Asterisk would change.
fn compact(text: &str) -> String {
    let last = text.len().saturating_sub(1);
    let mut encoded = String::with_capacity(text.len());
    for (position, character) in text.char_indices() {
        // Lines are trimmed; a blank is safe behind or before another byte.
        let outer = character == ' ' && (position == 0 || position == last);
        if outer || is_changed(character) {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{:02X}", u32::from(character));
        } else {
            encoded.push(character);
        }
    }
    encoded
}

/// Whether Asterisk's reader or its URIDECODE would change a character:
/// controls, the comment signs `;` and `#`, the escape `\`, and `%`; and `)`,
/// behind which Asterisk takes a `:` for the end of what URIDECODE shall decode
/// (`main/pbx_variables.c`, `parse_variable_name`).
fn is_changed(character: char) -> bool {
    character.is_ascii_control() || matches!(character, '%' | ';' | '#' | '\\' | ')')
}

/// What a call file says about its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallFileContent {
    /// Our number.
    pub to: String,
    /// Their number or name.
    pub from: String,
    /// The text, or this part of it.
    pub text: String,
}

/// Reads a call file that [`render`] wrote, with or without what Asterisk has
/// noted in it since.
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

/// What the two blanks that may stand at the ends of a part add to it.
const ENDS: usize = 4;

/// The text in parts that each fit into a line in the compact form.
fn parts(text: &str, most: usize) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut length = 0;
    for cluster in clusters(text, most) {
        let more = inner_length(cluster);
        match parts.last_mut() {
            Some(part)
                if length + more + ENDS <= BODY_MAX && part.len() + cluster.len() <= most =>
            {
                part.push_str(cluster);
                length += more;
            }
            _ => {
                parts.push(cluster.to_owned());
                length = more;
            }
        }
    }
    parts
}

/// Grapheme clusters; one that no part can hold falls into characters.
fn clusters(text: &str, most: usize) -> impl Iterator<Item = &str> {
    text.graphemes(true).flat_map(move |cluster| {
        let whole = inner_length(cluster) + ENDS <= BODY_MAX && cluster.len() <= most;
        cluster.split_inclusive(move |_| !whole)
    })
}

/// How long the compact form is where no blank stands at an end.
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

    fn call() -> config::CallFileSettings {
        config::CallFileSettings {
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
        render(&message, &call())
    }

    /// What Asterisk makes of the body line: comments and trailing blanks
    /// removed (`pbx_spool.c`, `parse_line`), then URIDECODE.
    fn read_back(file: &str) -> String {
        let line = file
            .lines()
            .find_map(|line| line.strip_prefix(BODY))
            .unwrap();
        let mut value = String::new();
        let mut rest = line.chars().peekable();
        let mut before = '=';
        while let Some(character) = rest.next() {
            match character {
                ';' => break,
                '#' if before == ' ' || before == '\t' => break,
                '\\' if rest.peek() == Some(&';') => continue,
                _ => value.push(character),
            }
            before = character;
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
        let arrived: String = files.iter().map(|file| read_back(file)).collect();
        assert_eq!(arrived, text);
        for file in &files {
            assert_eq!(file.lines().count(), 13, "{file}");
            assert!(file.lines().all(|line| line.len() <= LINE_MAX), "{file}");
        }
    }

    #[test]
    fn short_text_is_written_as_the_reference_does() {
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
    fn text_takes_the_form_that_fits() {
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
    fn odd_texts_arrive_as_they_were_sent() {
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
            // The same where only the compact form fits, and in parts.
            assert_arrives(&format!("{text}{}{text}", "Ж".repeat(400)));
            assert_arrives(&text.repeat(700));
        }
    }

    #[test]
    fn parts_are_cut_between_grapheme_clusters() {
        let family = "👨\u{200d}👩\u{200d}👧\u{200d}👦";
        for file in rendered(&family.repeat(200)) {
            assert_eq!(read_back(&file).replace(family, ""), "");
        }
        // A cluster that no line can hold is cut all the same, and one that
        // only just fits is not lost for the blank that it starts or ends with.
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
    fn parts_are_no_longer_than_they_may_be() {
        let text = "Grüße aus Köln 😀 ".repeat(50);
        for most in [40, 70, 160, 999] {
            let parts = parts(&text, most);
            assert_eq!(parts.concat(), text);
            assert!(parts.iter().all(|part| part.len() <= most), "{most}");
            assert_eq!(lines(&text, most).len(), parts.len());
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
