//! Storage on disk, and queues of what is stored.
//!
//! [`durable`] writes files that survive a crash, [`directory_error`] describes what to
//! do about a directory that cannot be used, [`conversation_queue`] keeps the
//! order within each conversation, [`mod@watch`] reports changes of directories,
//! and [`mod@blocking`] runs file system calls from async code. [`regular_file`] reads
//! what may be damaged, and [`quarantine`] puts it aside. None of them knows what a
//! message is.

pub(crate) mod blocking;
pub(crate) mod conversation_queue;
pub(crate) mod directory_error;
pub(crate) mod durable;
pub(crate) mod quarantine;
pub(crate) mod regular_file;
pub(crate) mod watch;
