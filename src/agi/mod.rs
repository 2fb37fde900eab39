//! One call of `websms`, by AGI, `FastAGI` or a shell.
//!
//! [`arguments`] reads what Asterisk passes, [`submit`] queues or sends the
//! message, [`fastagi`] does both without a process for each call.

pub(crate) mod arguments;
pub(crate) mod fastagi;
pub(crate) mod submit;
