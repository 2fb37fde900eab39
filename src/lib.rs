//! The library behind `asterisk-websms`: a messaging bridge between Asterisk
//! and the HTTP APIs of SMS providers.

