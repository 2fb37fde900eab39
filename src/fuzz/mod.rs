//! Fuzz targets for everything that strangers, providers, phones and disks write.
//!
//! Each target is a function of bytes with an oracle: not only that nothing
//! panics, but what must be true of the result. `fuzz/` runs them with
//! `cargo-fuzz`; a test here replays what was found worth keeping, in
//! `fuzz/corpus`. Nothing else in the crate uses this module, and the program does
//! not contain it.

#![expect(
    clippy::missing_panics_doc,
    reason = "a panic is how a target reports a finding"
)]

use std::pin::pin;
use std::task::{Context, Poll, Waker};

mod agi;
mod call_file;
mod config;
mod requests;
mod responses;
mod signature;
mod stored;

macro_rules! targets {
    ($($module:ident::$name:ident,)+) => {
        $(pub use $module::$name;)+

        /// All targets, by name.
        #[cfg(test)]
        const TARGETS: &[(&str, fn(&[u8]))] = &[$((stringify!($name), $module::$name)),+];
    };
}

targets! {
    agi::agi_arguments,
    agi::fastagi,
    call_file::call_file,
    config::ini,
    requests::form,
    requests::json_pointer,
    requests::multipart,
    requests::proxy_header,
    responses::receipts,
    responses::response_check,
    signature::signature,
    stored::stored_records,
}

/// The bytes of one run, taken apart from the front.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// The next byte; 0 behind the end.
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    /// One of several values.
    fn choice<T>(&mut self, values: &'a [T]) -> Option<&'a T> {
        let byte = usize::from(self.byte());
        values.get(byte.checked_rem(values.len())?)
    }

    /// The next eight bytes as a number.
    fn number(&mut self) -> u64 {
        (0..8).fold(0, |number, _| number << 8 | u64::from(self.byte()))
    }

    /// The bytes before the next 0xFF, which no UTF-8 text contains, or all.
    fn field(&mut self) -> &'a [u8] {
        let mut parts = self.0.splitn(2, |byte| *byte == 0xFF);
        let field = parts.next().unwrap_or_default();
        self.0 = parts.next().unwrap_or_default();
        field
    }

    /// The next field as text.
    fn text(&mut self) -> String {
        String::from_utf8_lossy(self.field()).into_owned()
    }

    /// What is left.
    fn rest(self) -> &'a [u8] {
        self.0
    }
}

/// The result of a future that has nothing to wait for.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => unreachable!("all of the input is in memory"),
    }
}

/// Whether a text is short and in one line, as logs and notices need it.
fn is_short_line(text: &str, max: usize) -> bool {
    text.chars().count() <= max && !text.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    fn entries(folder: &str) -> Vec<PathBuf> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fuzz")
            .join(folder);
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    fn names(folder: &str) -> BTreeSet<String> {
        let entries = entries(folder).into_iter();
        let name = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
        entries.map(name).collect()
    }

    /// Names the file whose replay panics.
    struct Replayed(PathBuf);

    impl Drop for Replayed {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("while replaying {}", self.0.display());
            }
        }
    }

    #[test]
    fn corpus_of_every_target_is_replayed() {
        for (name, target) in TARGETS {
            let files = entries(&format!("corpus/{name}"));
            assert!(!files.is_empty(), "{name} has no corpus");
            for file in files {
                let content = fs::read(&file).unwrap();
                let _replayed = Replayed(file);
                target(&content);
            }
        }
    }

    #[test]
    fn every_target_has_a_corpus_and_a_binary_and_no_other_has() {
        let targets: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(names("corpus"), targets);
        assert_eq!(names("fuzz_targets"), targets);
    }

    #[test]
    fn input_is_taken_apart_and_never_ends() {
        let mut input = Input(b"\x02to\xFFfrom\xFFbody\xFFmore");
        assert_eq!(input.byte(), 2);
        assert_eq!((input.field(), input.field()), (&b"to"[..], &b"from"[..]));
        assert_eq!(input.rest(), b"body\xFFmore");
        let mut empty = Input(b"");
        assert_eq!(
            (empty.byte(), empty.number(), empty.field()),
            (0, 0, &b""[..])
        );
        assert_eq!(Input(b"\x05").choice(&["a", "b", "c"]), Some(&"c"));
    }
}
