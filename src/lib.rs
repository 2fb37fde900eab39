//! The library behind `asterisk-websms`: a messaging bridge between Asterisk
//! and the HTTP APIs of SMS providers.

pub mod config;
pub mod message;
pub mod secret;
