//! The sections of the file: typed settings, and how each is read.

pub(crate) mod incoming;
pub(crate) mod media_store;
pub(crate) mod otp;
pub(crate) mod outgoing;
pub(crate) mod sak;
pub(crate) mod server;
pub(crate) mod spool;
