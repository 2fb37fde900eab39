//! The library behind `asterisk-websms`: a messaging bridge between Asterisk
//! and the HTTP APIs of SMS providers.

pub mod config;
pub mod durable;
pub mod id;
pub mod inbound;
pub mod logging;
pub mod message;
pub mod outbound;
pub mod pointer;
pub mod secret;
pub mod spool;
pub mod text;
