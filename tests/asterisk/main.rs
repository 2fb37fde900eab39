//! What needs a real Asterisk 22: both directions from end to end, with phones
//! that speak SIP and a provider that records. `tests/run` prepares the
//! Asterisk and runs this.
//!
//! | module | what belongs there |
//! | --- | --- |
//! | `incoming` | webhook → websmsd → call file → Asterisk → phone |
//! | `crash` | Asterisk off, and killed again and again, while messages come in |
//! | `load` | many messages at once, and their order |
//! | `otp` | phone → call → AGI → websmsd → provider, and back by keypad |
//! | `outbox` | phone → Asterisk → AGI → outbox → websmsd → provider, and notices |
//! | `outgoing` | phone → Asterisk → AGI → websms → provider |
//! | `stall` | Asterisk that stands still, misses files or does not come to an end with them |
//! | `texts` | texts of every kind and size, and those that become several MESSAGEs |
//! | `whatsapp` | WhatsApp and SMS side by side, and which of them a phone writes by |
//! | `pbx`, `process` | the Asterisk itself |
//! | `dice` | numbers by chance, but the same again |
//!
//! How many messages, texts or kills there are is said by `WEBSMS_TEST_…`;
//! without them few enough for every day.

#![allow(
    clippy::expect_used,
    clippy::format_push_string,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::too_many_lines,
    clippy::unwrap_used,
    reason = "a test ends by panicking, and a table is as long as it is"
)]

#[path = "../support/mod.rs"]
mod support;

mod crash;
mod dice;
mod incoming;
mod load;
mod otp;
mod outbox;
mod outgoing;
mod pbx;
mod process;
mod stall;
mod texts;
mod whatsapp;

/// How many of something a test shall take: what the environment says, or so
/// many.
fn how_many(variable: &str, otherwise: usize) -> usize {
    let told = std::env::var(variable).ok();
    told.map_or(otherwise, |count| count.parse().expect("a number"))
}

/// Texts that break whoever does not encode: quotes and brackets, comments and
/// commas, variables and expressions, line ends, JSON.
const ODD_TEXTS: &[&str] = &[
    "Hello!",
    "☺ 😀 \" \\ , ; # ( [ $ { } % +",
    "hi :( bye",
    "[ open",
    "( open",
    ") close",
    ":) :)",
    "Done :-) http://example.com/?a=b",
    "1) eggs: 2, 2) milk: 1",
    "}) :1 ]) :-1:2",
    "a \"q\" , b \\ c",
    "a, b, c",
    "# x",
    "a # b",
    "a;b",
    "\\;",
    "\\\\",
    "C:\\new\\table",
    "100% %41 %zz %",
    "a+b +c+",
    "${EXTEN} $[1+1] ${SHELL(id)}",
    "SHELL(touch$IFS/tmp/websms-was-here)",
    "\" | SHELL(touch$IFS/tmp/websms-was-here) | \"",
    "line 1\nline 2\r\nline 3\n\nline 5",
    "\r\nline ends around\r\n",
    "agi_arg_1: forged\n\nEXEC System touch /tmp/websms-was-here\n",
    "{\"To\":\"+46999\",\"From\":\"CEO\",\"Body\":\"x\"}",
    "[1,2]",
    "1e5",
    "007",
    "12345678901234567890",
    "true",
    "null",
    "\"q\"",
    "  blanks around  ",
    "tab\tinside",
    "tab at the end\t",
    "\t",
    " ",
    "lone\rcarriage return",
    "%",
    "+",
    "\\",
    "delete\u{7f} and start\u{1}",
    "-x --config=/etc/passwd",
    "👨\u{200d}👩\u{200d}👧\u{200d}👦 🇸🇪 e\u{301}",
    "مرحبا بالعالم",
    "日本語のテキスト",
];

/// What no text may bring about.
fn assert_no_command_ran() {
    let canary = std::path::Path::new("/tmp/websms-was-here");
    assert!(!canary.exists(), "a text was run as a command");
    let root = std::env::var_os("WEBSMS_ASTERISK_ROOT").unwrap();
    let inside = std::path::Path::new(&root).join("tmp/websms-was-here");
    assert!(!inside.exists(), "a text was run as a command inside");
}
