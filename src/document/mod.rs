//! Documents that providers shape: finding values in them ([`mod@path`]), judging
//! them ([`condition`]) and writing texts with placeholders ([`template`]).

pub(crate) mod condition;
pub(crate) mod path;
pub(crate) mod template;
