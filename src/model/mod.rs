//! What is carried: messages, the parties to them, numbers, ids.

pub mod address;
pub(crate) mod digest;
pub mod id;
pub mod interface;
pub mod message;
pub mod number;
pub(crate) mod outgoing;
pub mod segments;
