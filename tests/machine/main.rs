//! Tests that need root, mounts, namespaces and strace. `tests/run` runs them.
//!
//! | module | what it tests |
//! | --- | --- |
//! | `crash` | `kill -9` at a chosen moment |
//! | `disk` | full, separate and unmounted file systems, owners |
//! | `inject` | disk errors at every step |
//! | `limits` | few file descriptors |
//! | `load` | many messages, random crashes |
//! | `network` | DNS failures, dead addresses, cut cables |
//! | `order` | the order of system calls |
//! | `power` | simulated power loss |
//! | `privileges` | what root does in a spool of somebody else |
//! | `strangers` | thousands of connections from addresses that nothing comes from |
//! | `process` | signals, stdout, child processes, secrets |

#![allow(
    clippy::expect_used,
    clippy::format_push_string,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::too_many_lines,
    clippy::unwrap_used,
    reason = "a test ends by panicking, and a table is as long as it is"
)]

#[path = "../support/mod.rs"]
mod support;

mod crash;
mod disk;
mod dns;
mod inject;
mod limits;
mod load;
mod namespace;
mod network;
mod order;
mod power;
mod privileges;
mod process;
mod strace;
mod strangers;
