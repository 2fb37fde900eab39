//! What lies on the disk, and in which order it leaves.
//!
//! [`durable`] writes files that survive a crash; [`conversation_queue`] keeps
//! the order inside each conversation; [`mod@blocking`] runs file system calls
//! beside async code; [`mod@watch`] reports changes of directories. None of them knows what a message is.

pub(crate) mod blocking;
pub(crate) mod conversation_queue;
pub(crate) mod durable;
pub(crate) mod watch;
