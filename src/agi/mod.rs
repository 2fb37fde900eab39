//! One call of `websms`, by AGI, `FastAGI` or a shell: a straight line from
//! [`arguments`] to a planned message, which is queued or sent ([`submit`]), and to
//! the [`commands`] that set the result in the dialplan. [`fastagi`] does all of it
//! without a process for each call: it reads the [`environment`] and has Asterisk
//! execute the commands in a [`session`].

pub(crate) mod arguments;
pub(crate) mod commands;
pub(crate) mod environment;
pub(crate) mod fastagi;
pub(crate) mod session;
pub(crate) mod submit;
