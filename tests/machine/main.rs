//! What needs a machine to itself: root, file systems of its own, and strace
//! to see the system calls. `tests/run` runs it.
//!
//! | module | what belongs there |
//! | --- | --- |
//! | `disk` | full, split and foreign disks |
//! | `inject` | a disk that says no at any step |
//! | `order` | which system call comes before which |

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

mod disk;
mod inject;
mod order;
mod strace;
