//! Log lines for the administrator: what happened, to whom, why, what to do.
//!
//! The daemon writes to stderr, which systemd and Docker collect. The stderr of
//! `websms` under Asterisk is lost (Debian's unit sends it to /dev/null), so it
//! writes to syslog, as the PHP WebSMS does.
//!
//! No line has a control character, whatever input it repeats, and none has the
//! text of a message or a whole number.

use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;

use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

/// The socket of syslog.
const SYSLOG: &str = "/dev/log";

/// Facility local0 (RFC 5424, section 6.2.1), as the PHP WebSMS has it.
const FACILITY: u8 = 16;

/// Starts logging: to stderr, or with `syslog` to syslog, if there is one, under
/// this name.
///
/// `level` is error, warn, info (the default), debug or trace.
pub(crate) fn start(name: &'static str, syslog: bool, level: Option<&str>) {
    let level = level
        .and_then(|level| level.parse().ok())
        .unwrap_or(LevelFilter::INFO);
    let socket = syslog.then(syslog_socket).flatten();
    let to_syslog = socket.is_some();
    let writer = LogWriter { name, socket };
    let logging = fmt()
        .with_max_level(level)
        .with_ansi(false)
        .with_target(false)
        .with_span_events(FmtSpan::NONE)
        .with_writer(writer);
    // Only the first call in a process counts, and there is only one.
    let _ = if to_syslog {
        tracing::subscriber::set_global_default(logging.without_time().finish())
    } else {
        tracing::subscriber::set_global_default(logging.finish())
    };
}

fn syslog_socket() -> Option<UnixDatagram> {
    let socket = UnixDatagram::unbound().ok()?;
    socket.connect(SYSLOG).ok()?;
    // A syslog daemon that does not read must not block a message.
    socket.set_nonblocking(true).ok()?;
    Some(socket)
}

/// An error and its causes in one line. Every error that is logged or printed goes
/// through this or [`failed`], because its own text leaves out the causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let texts: Vec<_> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}

/// An error and its causes as a sentence: the texts of our errors complete "failed
/// to".
pub(crate) fn failed(error: &dyn std::error::Error) -> String {
    format!("failed to {}", chain(error))
}

/// A number or name with all but its end masked.
pub(crate) fn masked(party: &str) -> String {
    const VISIBLE: usize = 4;
    let length = party.chars().count();
    let hidden = length.saturating_sub(VISIBLE).max(length.div_ceil(2));
    party
        .chars()
        .enumerate()
        .map(|(position, character)| if position < hidden { '*' } else { character })
        .collect()
}

/// A text of several lines for a terminal, with what could control it escaped as in
/// `\u{1b}`.
pub(crate) fn escaped(text: &str) -> String {
    escaped_unless(text, |character| character == '\n')
}

/// The same in one line.
pub(crate) fn escaped_line(text: &str) -> String {
    escaped_unless(text, |_| false)
}

fn escaped_unless(text: &str, is_kept: impl Fn(char) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if is_control(character) && !is_kept(character) {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// Whether a character controls a terminal, or ends or turns around a line: C0, DEL and
/// C1, the separators of lines, and the marks of the bidirectional algorithm
/// (Unicode Standard Annex 9, section 2).
fn is_control(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The start of a text in one line of at most `max` characters: control
/// characters become blanks, and `…` ends a text that was cut.
pub(crate) fn excerpt(text: &str, max: usize) -> String {
    let text = text.trim();
    let is_cut = text.chars().nth(max).is_some();
    let shown = if is_cut { max.saturating_sub(1) } else { max };
    text.chars()
        .take(shown)
        .map(|c| if is_control(c) { ' ' } else { c })
        .chain(is_cut.then_some('…'))
        .collect()
}

struct LogWriter {
    name: &'static str,
    socket: Option<UnixDatagram>,
}

/// Writes one event, which the formatter passes in one call.
struct LogLine<'a> {
    writer: &'a LogWriter,
    level: Level,
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = LogLine<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        let level = Level::INFO;
        LogLine {
            writer: self,
            level,
        }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Self::Writer {
        let level = *metadata.level();
        LogLine {
            writer: self,
            level,
        }
    }
}

impl Write for LogLine<'_> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let line = printable(event);
        let LogWriter { name, socket } = self.writer;
        match socket {
            Some(socket) => {
                let priority = FACILITY * 8 + severity(self.level);
                let tag = format!("<{priority}>{name}[{}]: ", std::process::id());
                socket.send(&[tag.as_bytes(), &line].concat())?;
            }
            None => io::stderr().write_all(&[&line, &b"\n"[..]].concat())?,
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The severity of an event (RFC 5424, section 6.2.1), so that syslog can filter.
fn severity(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

/// The event without its line end, and with each control character replaced by
/// `?`, so that no input can forge a line or control the terminal.
fn printable(event: &[u8]) -> Vec<u8> {
    let event = event.strip_suffix(b"\n").unwrap_or(event);
    let text = String::from_utf8_lossy(event);
    let printable = text.chars().map(|c| if is_control(c) { '?' } else { c });
    printable.collect::<String>().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn party_is_masked_except_its_end() {
        assert_eq!(masked("+12025550160"), "********0160");
        assert_eq!(masked("72404"), "***04");
        assert_eq!(masked("Google"), "***gle");
        assert_eq!(masked("1"), "*");
        assert_eq!(masked(""), "");
    }

    #[test]
    fn excerpt_is_one_short_printable_line() {
        for (text, expected) in [
            ("", ""),
            ("12345678", "12345678"),
            ("123456789", "1234567…"),
            (" a\r\nb\u{1b}\n", "a  b "),
            ("äöüäöüäöü", "äöüäöüä…"),
        ] {
            assert_eq!(excerpt(text, 8), expected, "{text:?}");
        }
    }

    #[test]
    fn chain_names_every_cause_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("{0}")]
        struct Link(&'static str, #[source] Option<Box<Link>>);
        let error = Link("store", Some(Box::new(Link("write", None))));
        assert_eq!(chain(&error), "store: write");
        assert_eq!(failed(&error), "failed to store: write");
    }

    #[test]
    fn line_has_no_control_characters() {
        assert_eq!(printable(b"a\n\x1b[31mb\r\x7f\n"), b"a??[31mb??");
        let event = "ä\u{9b}31m\u{202e}☺\n";
        assert_eq!(printable(event.as_bytes()), "ä?31m?☺".as_bytes());
    }

    #[test]
    fn what_controls_a_terminal_is_escaped() {
        let controls = [0..=0x1f, 0x7f..=0x9f, 0x202a..=0x202e, 0x2066..=0x2069];
        let marks = [0x61c, 0x200e, 0x200f, 0x2028, 0x2029];
        for code in controls.into_iter().flatten().chain(marks) {
            let character = char::from_u32(code).unwrap();
            let text = format!("a{character}b");
            let line = escaped_line(&text);
            assert!(
                line.starts_with("a\\") && !line.contains(character),
                "{line}"
            );
            let kept = character == '\n';
            assert_eq!(escaped(&text), if kept { text } else { line });
        }
        assert_eq!(escaped("\u{1b}[31m \u{202e}"), "\\u{1b}[31m \\u{202e}");
        for plain in ["", "ä ☺ \u{5d0}\u{627} 👩\u{200d}💻 \\u{1b}"] {
            assert_eq!(escaped_line(plain), plain);
        }
    }

    #[test]
    fn syslog_gets_the_severity_of_the_event() {
        let (socket, syslog) = UnixDatagram::pair().unwrap();
        let writer = LogWriter {
            name: "test",
            socket: Some(socket),
        };
        let logging = fmt().without_time().with_writer(writer).finish();
        tracing::subscriber::with_default(logging, || {
            tracing::error!("a");
            tracing::warn!("b");
            tracing::info!("c");
        });
        for (priority, text) in [("<131>", "a"), ("<132>", "b"), ("<134>", "c")] {
            let mut line = [0; 256];
            let length = syslog.recv(&mut line).unwrap();
            let line = String::from_utf8_lossy(&line[..length]);
            assert!(line.starts_with(&format!("{priority}test[")), "{line}");
            assert!(line.ends_with(text), "{line}");
        }
    }
}
