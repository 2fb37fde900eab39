//! One room for each section of the file.

pub mod incoming;
pub mod otp;
pub mod outgoing;
pub mod sak;
pub mod spool;
