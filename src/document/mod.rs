//! Documents that providers shape: finding values in them ([`mod@path`]), judging
//! them ([`condition`]), writing texts with placeholders ([`template`]) and
//! percent-encoding what goes into URLs ([`percent`]).

pub(crate) mod condition;
pub(crate) mod path;
pub(crate) mod percent;
pub(crate) mod template;
