//! The sections of the file: typed settings, and how each is read.

pub mod incoming;
pub mod media_store;
pub mod otp;
pub mod outgoing;
pub mod sak;
pub mod server;
pub mod spool;
