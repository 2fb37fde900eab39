//! Tests that need a real Asterisk 22: both directions from end to end, with SIP
//! phones and a stand-in provider. `tests/run` prepares Asterisk and runs them.
//!
//! | module | what belongs there |
//! | --- | --- |
//! | `incoming` | webhook → websmsd → call file → Asterisk → phone |
//! | `crash` | Asterisk off or killed while messages come in |
//! | `load` | many messages at once, and their order |
//! | `otp` | phone → call → AGI → websmsd → provider, and the code back by keypad |
//! | `outbox` | phone → Asterisk → AGI → outbox → websmsd → provider, and notices |
//! | `outgoing` | phone → Asterisk → AGI → websms → provider |
//! | `stall` | a frozen Asterisk, missed call files, attempts that never end |
//! | `sending` | texts and failures that `outbox` and `outgoing` share |
//! | `texts` | texts of every kind and size, also in several MESSAGEs |
//! | `whatsapp` | WhatsApp and SMS to the same people, and which one an answer uses |
//! | `pbx`, `process` | the Asterisk itself |
//! | `dice` | random numbers that can be repeated |
//!
//! The variables `WEBSMS_TEST_…` set the numbers of messages, texts and kills; the
//! defaults are small.

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
mod sending;
mod stall;
mod texts;
mod whatsapp;

/// Texts that must be encoded: quotes and brackets, comments and commas, variables
/// and expressions, line ends, JSON.
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

/// Asserts that no text was run as a command, on the host or inside the chroot.
fn assert_no_command_ran() {
    let canary = std::path::Path::new("/tmp/websms-was-here");
    assert!(!canary.exists(), "a text was run as a command");
    let root = std::env::var_os("WEBSMS_ASTERISK_ROOT").unwrap();
    let inside = std::path::Path::new(&root).join("tmp/websms-was-here");
    assert!(
        !inside.exists(),
        "a text was run as a command in the chroot"
    );
}
