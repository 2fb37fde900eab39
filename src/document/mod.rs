//! Documents that providers shape: finding values in them ([`mod@path`]), judging
//! them ([`condition`]) and writing texts with placeholders ([`template`]).

pub mod condition;
pub mod path;
pub mod template;
