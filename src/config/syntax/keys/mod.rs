//! The table of every key of `websms.conf`, a file for each section.
//!
//! A row is
//!
//! ```text
//! /// What it means, for the reference.
//! NAME: "name" | "later_name" = "default", Kind(…), flags, "hint for the sample";
//! ```
//!
//! The later name and the flags may be missing. `NAME` is what the section's reader
//! asks for; the compiler warns of a row that no code reads. The tests of `docs`
//! compare `conf/REFERENCE.md` and `conf/websms.conf.sample` with the table;
//! `WEBSMS_WRITE_DOCS=1 cargo test --lib keys` writes both.

pub(crate) mod astqueue;
#[cfg(test)]
mod docs;
mod key;
pub(crate) mod otp;
pub(crate) mod websms;
pub(crate) mod websmsd;
pub(crate) mod whatsapp;

pub(crate) use key::{Key, TypedKey};

use crate::config::syntax::section::Section;

/// The keys of a section, in the order of the reference.
pub(crate) fn of(section: Section) -> &'static [Key] {
    match section {
        Section::Astqueue => astqueue::ALL,
        Section::Otp => otp::ALL,
        Section::Websms => websms::ALL,
        Section::Websmsd => websmsd::ALL,
        Section::Whatsapp => whatsapp::ALL,
    }
}

/// The key that the file calls `name` in `section`.
pub(crate) fn find(section: Section, name: &str) -> Option<&'static Key> {
    of(section).iter().find(|key| key.is_called(name))
}
