//! Text to values, for all sections: `ini` turns lines into entries, `preset` adds
//! those of presets, `reader` finds the entry of a key (`keys`) and converts it to a
//! type (`value`). `problem` describes mistakes to the administrator.

pub(crate) mod entry;
pub mod ini;
pub(crate) mod keys;
pub mod preset;
pub(crate) mod problem;
pub(crate) mod reader;
pub(crate) mod section;
pub(crate) mod value;
