//! What lies on the disk, and in which order it leaves.
//!
//! [`durable`] writes files that survive a crash; [`conversation_queue`] keeps
//! the order inside each conversation. Neither knows what a message is.

pub(crate) mod conversation_queue;
pub(crate) mod durable;
