//! What the program was called with, as a command line of `asterisk-websms`.

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// Names of symlinks, and the commands that they stand for.
const APPLETS: [(&str, &str); 3] = [
    ("websms", "websms"),
    ("websmsd", "websmsd"),
    ("websms-otp", "otp"),
];

/// The command line as if the command had been named, which a symlink does with its
/// own name: `websms`, `websmsd`, and `websms.php` as in old dialplans.
///
/// Under `agi` everything behind `websms`, and behind the word that follows
/// `websms-otp`, is data: the values come from telephones, and none of them may be
/// an option. For the same reason no option may stand before the command there: it
/// would hide which command it is.
pub fn arguments(words: impl IntoIterator<Item = OsString>, agi: bool) -> Vec<OsString> {
    let mut words = words.into_iter();
    let program = words.next().unwrap_or_default();
    let stem = Path::new(&program).file_stem();
    let applet = APPLETS
        .iter()
        .find(|(name, _)| Some(OsStr::new(name)) == stem)
        .map(|(_, command)| OsString::from(command));
    let command = applet.or_else(|| words.next());
    let is = |name: &str| agi && command.as_deref() == Some(OsStr::new(name));
    let is_option = |word: &OsString| word.as_encoded_bytes().starts_with(b"-");
    let dashes = |wanted: bool| wanted.then(|| OsString::from("--"));
    let before = dashes(agi && command.as_ref().is_some_and(is_option));
    let action = if is("otp") { words.next() } else { None };
    let behind = dashes(is("websms") || is("otp"));
    std::iter::once(OsString::from("asterisk-websms"))
        .chain(before)
        .chain(command)
        .chain(action)
        .chain(behind)
        .chain(words)
        .collect()
}
