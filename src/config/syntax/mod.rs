//! Text to values, whatever the section: `ini` makes entries of lines, `preset` adds
//! those of presets, `reader` finds the entry of a key (`keys`) and makes a type of it
//! (`value`). `problem` tells the administrator of mistakes.

pub(crate) mod entry;
pub mod ini;
pub(crate) mod keys;
pub mod preset;
pub(crate) mod problem;
pub(crate) mod reader;
pub(crate) mod section;
pub(crate) mod value;
