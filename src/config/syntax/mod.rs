//! Text to values, whatever the section: [`ini`] makes entries of lines,
//! [`mod@preset`] adds those of a preset, [`reader`] finds the entries of a key
//! ([`keys`]) and [`value`] makes types of them. [`problem`] is what the
//! administrator is told of mistakes.

pub mod entry;
pub mod ini;
pub mod keys;
pub mod preset;
pub mod problem;
pub mod reader;
pub mod section;
pub mod value;
