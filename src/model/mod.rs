//! Messages in both directions, and the types that they are made of. Pure.

pub mod address;
pub mod character_set;
pub(crate) mod digest;
mod gsm_alphabet;
pub mod id;
pub mod interface;
pub(crate) mod media_type;
pub mod message;
pub mod number;
pub(crate) mod outgoing;
pub mod segments;
pub mod sender_name;
pub(crate) mod unix_time;
