//! What needs a machine to itself: root, file systems of its own, and strace
//! to see the system calls. `tests/run` runs it.
//!
//! | module | what belongs there |
//! | --- | --- |
//! | `crash` | `kill -9` at a chosen moment |
//! | `disk` | full, split and foreign disks |
//! | `inject` | a disk that says no at any step |
//! | `limits` | few descriptors |
//! | `load` | what shows only under load |
//! | `network` | names, addresses and cables that fail |
//! | `order` | which system call comes before which |
//! | `power` | what a disk may hold when the power goes |
//! | `process` | signals, and what a process leaves behind |

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
mod process;
mod strace;
